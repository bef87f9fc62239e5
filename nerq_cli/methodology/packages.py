"""The methodology for packages: every number behind the score of a package.

The figures are design choices; `docs/decisions/` has the reasons where they are not obvious.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from nerq_cli.methodology.types import CapSpec, Curve, Limit, Methodology, SignalSpec

_SIGNALS: Final[Mapping[str, SignalSpec]] = MappingProxyType(
    {
        spec.id: spec
        for spec in (
            # --- security
            SignalSpec(
                id="malware",
                label="S1",
                dimension="security",
                weight=0,
                name="malware",
                description="exactly this version is recorded as malicious, quarantined or removed for security",
                levels={"clean": 100, "malicious": 0},
                reference="Socket critical alert; SourceRank removed",
                unknown_when="no source of malware records answered",
            ),
            SignalSpec(
                id="known_advisories",
                label="S2",
                dimension="security",
                weight=38,
                name="known advisories",
                description="advisories that affect this version, each vulnerability once: 100 x product of (1 - loss)",
                levels={"critical": 0.85, "high": 0.50, "medium": 0.15, "low": 0.05, "unknown": 0.20},
                reference="Socket alert curves; Scorecard Vulnerabilities",
                unknown_when="no advisory source answered (the score is provisional)",
            ),
            SignalSpec(
                id="fix_record",
                label="S3",
                dimension="security",
                weight=6,
                name="fix record",
                description="fixed share of the package's advisories older than 90 days: 100 x (fixed + 1) / (n + 1)",
                reference="Zahan 2025",
                unknown_when="advisory history not read",
                not_applicable_when="no advisory older than 90 days",
            ),
            SignalSpec(
                id="provenance",
                label="S4",
                dimension="security",
                weight=8,
                name="provenance",
                description="the version carries a provenance attestation that the registry verified, and that names "
                "the repository which names the package too (confirmed); one by another repository than the package "
                "states counts as none",
                levels={"confirmed": 100, "verified": 80, "none": 50, "lost": 10},
                reference="PEP 740, npm provenance; Depdive. An own attestation is easy to obtain",
                unknown_when="not stated by the registry",
                not_applicable_when="released before the registry supported attestations (npm 2023-04, PyPI 2024-11)",
            ),
            SignalSpec(
                id="install_code",
                label="S5",
                dimension="security",
                weight=10,
                name="code at install",
                description="what runs when the version is installed: npm install scripts, PyPI source builds",
                levels={"none": 100, "native": 70, "hook": 40, "hook new": 15, "wheel": 100, "sdist": 50},
                reference="Socket install-script alert; weak links in npm (2021)",
                unknown_when="manifest of the version not read",
            ),
            SignalSpec(
                id="name_confusion",
                label="S6",
                dimension="security",
                weight=6,
                name="name confusion",
                description="whether the name may be mistaken for a popular one",
                levels={"clean": 100, "similar": 85, "suspicion": 15},
                reference="SpellBound, typomania, ConfuGuard",
                unknown_when="no list of popular names loaded",
            ),
            SignalSpec(
                id="newness",
                label="S7",
                dimension="security",
                weight=9,
                name="newness",
                description="the worse of the version's and the package's age in days",
                curves={
                    "version": Curve(((0, 10), (1, 30), (3, 50), (7, 80), (14, 100))),
                    "package": Curve(((0, 10), (30, 30), (90, 60), (180, 85), (365, 100))),
                },
                levels={"security fix": 80},
                reference="Woodruff 2025 (attacks last days); Scorecard 90 days",
                unknown_when="no credible publication date",
            ),
            SignalSpec(
                id="repository_hygiene",
                label="S8",
                dimension="security",
                weight=11,
                name="repository hygiene",
                description="risk-weighted mean of Scorecard's Code-Review, Branch-Protection, Dangerous-Workflow, "
                "Token-Permissions, Binary-Artifacts, Signed-Releases and Pinned-Dependencies",
                curves={"mean": Curve(((0, 20), (3, 50), (5, 75), (7, 90), (9, 100)))},
                levels={
                    "Dangerous-Workflow": 10,
                    "Code-Review": 7.5,
                    "Branch-Protection": 7.5,
                    "Token-Permissions": 7.5,
                    "Binary-Artifacts": 7.5,
                    "Signed-Releases": 7.5,
                    "Pinned-Dependencies": 5,
                },
                reference="Scorecard's own weights; population mean 3.5-5.4",
                unknown_when="not scanned, fewer than 3 conclusive checks, older than 90 days, or the link is disputed",
            ),
            SignalSpec(
                id="release_line",
                label="S9",
                dimension="security",
                weight=12,
                name="release line",
                description="whether the release line of the version (its major version, or 0.x) still gets releases",
                levels={"newest": 100, "maintained": 90, "ended": 30},
                reference="end-of-life release lines get no fixes",
                unknown_when="not all versions are listed, no credible publication dates, or no stable version",
            ),
            # --- maintenance
            SignalSpec(
                id="status",
                label="M1",
                dimension="maintenance",
                weight=15,
                name="status",
                description="status on registry or repository: deprecated, archived, inactive, yanked (worst counts)",
                levels={"none": 100, "inactive": 30, "yanked": 20, "archived": 15, "deprecated": 10},
                reference="Miller 2025; Scorecard archived = 0; SourceRank -5",
                unknown_when="registry not read",
            ),
            SignalSpec(
                id="last_release",
                label="M2",
                dimension="maintenance",
                weight=22,
                name="last stable release",
                description="days since the newest stable release of the package",
                curves={
                    "days": Curve(((180, 100), (365, 85), (540, 70), (730, 55), (1095, 35), (1825, 15), (3650, 5))),
                },
                levels={"finished floor": 70},
                reference="SourceRank 6 months; npms finished packages",
                unknown_when="no credible publication date",
            ),
            SignalSpec(
                id="commits",
                label="M3",
                dimension="maintenance",
                weight=22,
                name="commits",
                description="commits on the default branch in 90 days, else Scorecard's Maintained check",
                curves={"commits": Curve(((0, 10), (1, 45), (3, 70), (7, 90), (13, 100)))},
                levels={"finished floor": 70, "maintained zero": 10},
                reference="Scorecard one a week; npms one a month = 0.7",
                unknown_when="no repository known, or neither the code host nor Scorecard read",
            ),
            SignalSpec(
                id="release_cadence",
                label="M4",
                dimension="maintenance",
                weight=8,
                name="release cadence",
                description="stable versions in 24 months; only pre-releases -20; exactly one version ever: at most 50",
                curves={"releases": Curve(((0, 30), (1, 60), (2, 80), (3, 80), (4, 100)))},
                levels={"only pre-releases": -20, "single version": 50, "finished floor": 70},
                reference="npms release curve; SourceRank",
                unknown_when="no credible publication dates",
            ),
            SignalSpec(
                id="closed_issues",
                label="M5",
                dimension="maintenance",
                weight=8,
                name="closed issues",
                description="closed share of all issues and pull requests",
                curves={"share": Curve(((0, 0), (0.5, 50), (0.8, 100)))},
                reference="npms; CHAOSS closure ratio",
                unknown_when="code host not read",
                not_applicable_when="fewer than 5 issues and pull requests, or issues disabled",
            ),
            SignalSpec(
                id="version_lag",
                label="M6",
                dimension="maintenance",
                weight=25,
                name="version lag",
                description="how far the version in use is behind the newest stable one, in days between their "
                "releases and in major versions (worst counts)",
                curves={
                    "days": Curve(((0, 100), (180, 95), (365, 85), (730, 65), (1095, 45), (1825, 20), (3650, 0))),
                    "majors": Curve(((0, 100), (1, 85), (2, 60), (3, 40), (5, 15))),
                },
                levels={"newest of its line": 80},
                reference="libyear (Cox et al. 2015)",
                unknown_when="newest stable version not known, or no credible publication dates",
            ),
            # --- documentation
            SignalSpec(
                id="readme",
                label="D1",
                dimension="documentation",
                weight=40,
                name="README",
                description="characters of README text without badges, HTML and code",
                curves={"characters": Curve(((0, 10), (400, 60), (1500, 85), (3000, 100)))},
                reference="npms full at 400 bytes; Socket README",
                unknown_when="README not readable (registries drop some)",
            ),
            SignalSpec(
                id="links",
                label="D2",
                dimension="documentation",
                weight=30,
                name="links",
                description="links to documentation, changelog and a homepage other than the repository",
                levels={"documentation": 40, "changelog": 30, "homepage": 30},
                reference="CHAOSS; npms branding",
                unknown_when="metadata not read",
            ),
            SignalSpec(
                id="basics",
                label="D3",
                dimension="documentation",
                weight=30,
                name="basic metadata",
                description="summary, keywords or classifiers, supported interpreter, type information",
                levels={"summary": 25, "keywords": 25, "interpreter": 25, "types": 25},
                reference="SourceRank basic information",
                unknown_when="metadata not read",
            ),
            # --- compliance
            SignalSpec(
                id="licence",
                label="C1",
                dimension="compliance",
                weight=45,
                name="licence",
                description="how clearly the version states its licence",
                levels={
                    "approved": 100,
                    "mapped": 80,
                    "unapproved": 70,
                    "ambiguous": 50,
                    "custom": 40,
                    "none": 10,
                    "unlicensed": 0,
                    "disagreement limit": 60,
                },
                reference="Scorecard License 9 + 1; Socket licence alerts",
                unknown_when="no source of licence information read",
            ),
            SignalSpec(
                id="licence_terms",
                label="C2",
                dimension="compliance",
                weight=20,
                name="licence terms",
                description="what the licence demands of its users; of several, AND takes the worst and OR the best",
                levels={
                    "permissive": 100,
                    "weak copyleft": 85,
                    "strong copyleft": 60,
                    "network copyleft": 45,
                    "restricted use": 20,
                },
                reference="Socket and GitHub licence lists",
                unknown_when="licence unknown or not recognised",
            ),
            SignalSpec(
                id="source_link",
                label="C3",
                dimension="compliance",
                weight=20,
                name="source link",
                description="whether the package links to its source, and whether the link is confirmed; one that an "
                "attestation by another repository contradicts counts as none",
                levels={"attested": 100, "confirmed": 80, "declared": 60, "dead": 25, "none": 20, "foreign": 0},
                reference="73.8 % (PyPI) and 69.4 % (npm) of links are valid (2024)",
                unknown_when="metadata not read",
            ),
            SignalSpec(
                id="disclosure_policy",
                label="C4",
                dimension="compliance",
                weight=15,
                name="disclosure policy",
                description="the repository describes how to report a vulnerability",
                levels={"yes": 100, "no": 40},
                reference="Zahan 2022; Scorecard Security-Policy",
                unknown_when="neither Scorecard nor the code host read",
            ),
            # --- community
            SignalSpec(
                id="publishers",
                label="K1",
                dimension="community",
                weight=15,
                name="publishers",
                description="whether an organisation owns the package; the number of accounts has no effect",
                levels={"organisation": 100, "accounts": 75},
                reference="Valiev 2018 (organisational support); most packages have one account, and more are easy to "
                "add",
                unknown_when="not stated by the registry",
            ),
            SignalSpec(
                id="adoption",
                label="K2",
                dimension="community",
                weight=55,
                name="adoption",
                description="0.5 x downloads + 0.45 x dependents + 0.05 x stars, logarithmic, over what is known; "
                "stars alone do not count",
                levels={
                    "downloads": 0.5,
                    "dependents": 0.45,
                    "stars": 0.05,
                    "per tenfold downloads": 15,
                    "least": 25,
                    "dependents base": 30,
                    "per tenfold dependents": 17.5,
                    "per tenfold stars": 25,
                    "young limit": 70,
                },
                reference="logarithms as in SourceRank; dependents are harder to buy than downloads and stars",
                unknown_when="on no list of the most used packages, and neither downloads nor dependents were read",
            ),
            SignalSpec(
                id="track_record",
                label="K3",
                dimension="community",
                weight=30,
                name="track record",
                description="calendar years in which the package had a stable release",
                curves={"years": Curve(((0, 10), (1, 40), (2, 60), (3, 75), (5, 90), (8, 100)))},
                reference="MeMPtec 2024: age and history are hard to fake",
                unknown_when="not all versions are listed, or no credible publication dates",
            ),
        )
    }
)

_CAPS: Final[Mapping[str, CapSpec]] = MappingProxyType(
    {
        cap.id: cap
        for cap in (
            CapSpec(
                id="malicious", limit=0, condition="exactly this version is recorded as malicious", signal="malware"
            ),
            CapSpec(
                id="security-holding",
                limit=0,
                condition="npm replaced the package by a security placeholder",
                signal="malware",
            ),
            CapSpec(id="quarantined", limit=10, condition="PyPI has the project in quarantine", signal="malware"),
            CapSpec(
                id="exploited",
                limit=20,
                condition="an advisory of this version is in CISA's KEV catalogue",
                signal="known_advisories",
                step=4,
                floor=20,
            ),
            CapSpec(
                id="critical-no-fix",
                limit=30,
                condition="a critical advisory without a fix",
                signal="known_advisories",
                step=4,
                floor=20,
            ),
            CapSpec(
                id="name-confusion",
                limit=30,
                condition="like a top-5,000 name, 100 times less used, under a year old, no shared owner",
                signal="name_confusion",
            ),
            CapSpec(
                id="critical",
                limit=45,
                condition="a critical advisory that has a fix",
                signal="known_advisories",
                step=4,
                floor=20,
            ),
            CapSpec(
                id="high-epss",
                limit=45,
                condition="a high advisory with an exploit probability of 50 % or more",
                signal="known_advisories",
                step=4,
                floor=30,
            ),
            CapSpec(id="yanked", limit=50, condition="the version is yanked", signal="status"),
            CapSpec(
                id="python-eol",
                limit=50,
                condition="no Python that is still maintained can install the version",
                signal="basics",
            ),
            CapSpec(id="deprecated", limit=55, condition="the package is deprecated or archived", signal="status"),
            CapSpec(
                id="inactive",
                limit=55,
                condition="PyPI: the newest version is classified as inactive",
                signal="status",
            ),
            CapSpec(
                id="abandoned",
                limit=55,
                condition="PyPI: newest stable release over 8 years old, no commit known in 24 months",
                signal="last_release",
            ),
            CapSpec(
                id="high-no-fix",
                limit=60,
                condition="a high advisory without a fix",
                signal="known_advisories",
                step=4,
                floor=30,
            ),
            CapSpec(
                id="provenance-lost",
                limit=60,
                condition="attested before, not attested now, and under 14 days old",
                signal="provenance",
            ),
            CapSpec(
                id="install-hook-new",
                limit=60,
                condition="an install hook new in this version, which is under 14 days old",
                signal="install_code",
            ),
            CapSpec(
                id="new-publisher",
                limit=60,
                condition="first version by this account or repository, in a package over a year old, under 30 days "
                "old",
                signal="newness",
            ),
            CapSpec(
                id="young-installer",
                limit=60,
                condition="package under 90 days old that runs code at installation, on no list of the most used, "
                "without known dependents",
                signal="install_code",
            ),
            CapSpec(
                id="outdated",
                limit=65,
                condition="over 3 years behind the newest stable version, with an advisory that a newer version fixes",
                signal="version_lag",
            ),
            CapSpec(
                id="stale",
                limit=65,
                condition="PyPI: newest stable release over 5 years old, no commit in 24 months, no maintained Python",
                signal="last_release",
            ),
            CapSpec(
                id="backlog",
                limit=65,
                condition="newest stable release over 3 years old, no commit in 24 months, 30 or more open issues",
                signal="last_release",
            ),
            CapSpec(
                id="high",
                limit=69,
                condition="a high advisory that has a fix",
                signal="known_advisories",
                step=4,
                floor=30,
            ),
            CapSpec(
                id="advisory",
                limit=69,
                condition="an advisory of unknown severity",
                signal="known_advisories",
                step=4,
                floor=30,
            ),
            CapSpec(
                id="fresh",
                limit=69,
                condition="the version is under 7 days old (security fixes exempt)",
                signal="newness",
            ),
            CapSpec(
                id="deprecated-version",
                limit=69,
                condition="exactly this version is deprecated",
                signal="status",
            ),
            CapSpec(
                id="malware-history",
                limit=69,
                condition="another version was malicious within 180 days",
                signal="malware",
            ),
            CapSpec(id="no-licence", limit=74, condition="no licence in any readable source", signal="licence"),
            CapSpec(id="medium", limit=75, condition="a medium advisory", signal="known_advisories", step=4, floor=30),
            CapSpec(
                id="behind",
                limit=79,
                condition="over 3 years behind the newest stable version, and not the newest of a maintained line",
                signal="version_lag",
            ),
            CapSpec(id="low", limit=89, condition="a low advisory", signal="known_advisories", step=4, floor=30),
        )
    }
)


_LIMITS: Final[Mapping[str, Limit]] = MappingProxyType(
    {
        limit.id: limit
        for limit in (
            Limit("fresh_days", 7, "days", "a version is fresh for this long"),
            Limit("new_publisher_days", 30, "days", "the first version by a new publisher caps for this long"),
            Limit(
                "silence_days", 1.5 * 365.25, "days", "from this gap on a release is reported as one after a silence"
            ),
            Limit("young_installer_days", 90, "days", "code at installation caps a package for this long"),
            Limit("outdated_days", 3 * 365.25, "days", "behind by more, a version is capped"),
            Limit("line_days", 2 * 365.25, "days", "a release line without a release for this long has ended"),
            Limit("takeover_days", 14, "days", "a lost attestation or a new install hook caps a version for this long"),
            Limit("malware_history_days", 180, "days", "another malicious version of the package caps for this long"),
            Limit(
                "abandoned_days", 8 * 365.25, "days", "without a stable release for this long a package is abandoned"
            ),
            Limit("stale_days", 5 * 365.25, "days", "without a stable release for this long a package is stale"),
            Limit("backlog_days", 3 * 365.25, "days", "without a stable release for this long issues are a backlog"),
            Limit("backlog_issues", 30, "issues", "from this many open issues a package without commits is abandoned"),
            Limit("widely_used_rank", 1_000, "rank", "the most used packages are never taken for abandoned"),
            Limit("inactive_days", 2 * 365.25, "days", "a commit within this time lifts the caps for age"),
            Limit("young_days", 365, "days", "a package is young for this long"),
            Limit("compared_names", 5_000, "names", "a name is compared with this many of the most used ones"),
            Limit("obscure_downloads", 1_000, "downloads a week", "below this a package is little used"),
            Limit("young_dependents", 10, "packages", "a young package with fewer dependents is not rated popular"),
            Limit(
                "starjack_ratio",
                100,
                "times",
                "from this ratio of repository to package popularity an unconfirmed link is doubted",
            ),
            Limit("unverified_share", 0.5, "of the weight", "what repository signals keep behind a doubted link"),
            Limit("scorecard_days", 90, "days", "a Scorecard result counts for this long"),
            Limit("scorecard_checks", 3, "checks", "with fewer conclusive checks repository hygiene is unknown"),
            Limit("finished_issues", 15, "issues", "a finished package has fewer open issues"),
            Limit("rated_issues", 5, "issues", "with fewer issues and pull requests the closed share is not rated"),
            Limit("cadence_days", 2 * 365, "days", "releases count towards the cadence for this long"),
            Limit(
                "epss_raise",
                0.10,
                "probability",
                "exploit probability (EPSS) from which an advisory counts one severity higher",
            ),
            Limit("epss_cap", 0.50, "probability", "exploit probability (EPSS) from which a high advisory caps lower"),
        )
    }
)

# From PEP 373 (2.7) and the release PEPs 494-790; the end of the month where a PEP names a month only.
_PYTHON_SUPPORT: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {  # version: (first release, end of life)
        "2.7": ("2010-07-03", "2020-01-01"),
        "3.0": ("2008-12-03", "2009-06-27"),
        "3.1": ("2009-06-27", "2012-04-09"),
        "3.2": ("2011-02-20", "2016-02-20"),
        "3.3": ("2012-09-29", "2017-09-29"),
        "3.4": ("2014-03-16", "2019-03-18"),
        "3.5": ("2015-09-13", "2020-09-30"),
        "3.6": ("2016-12-23", "2021-12-23"),
        "3.7": ("2018-06-27", "2023-06-27"),
        "3.8": ("2019-10-14", "2024-10-07"),
        "3.9": ("2020-10-05", "2025-10-31"),
        "3.10": ("2021-10-04", "2026-10-31"),
        "3.11": ("2022-10-24", "2027-10-31"),
        "3.12": ("2023-10-02", "2028-10-31"),
        "3.13": ("2024-10-07", "2029-10-31"),
        "3.14": ("2025-10-07", "2030-10-31"),
        "3.15": ("2026-10-01", "2031-10-31"),
    }
)

PACKAGES: Final = Methodology(
    version="2.0",
    dimensions=MappingProxyType(
        {"security": 35.0, "maintenance": 25.0, "documentation": 10.0, "compliance": 15.0, "community": 15.0}
    ),
    signals=_SIGNALS,
    caps=_CAPS,
    limits=_LIMITS,
    grades=((90.0, "A+"), (80.0, "A"), (70.0, "B"), (60.0, "C"), (45.0, "D"), (30.0, "E"), (0.0, "F")),
    coverage_labels=((0.80, "high"), (0.55, "medium"), (0.40, "low"), (0.0, "insufficient")),
    threshold=70.0,
    dimension_floor=0.30,
    coverage_floor=0.40,
    low_coverage=0.55,
    range_low=30.0,
    range_high=90.0,
    verified_days=90,
    required_signal="known_advisories",
    # npm provenance (2023-04-01) and PEP 740 on PyPI (2024-11-01).
    attestations_since=MappingProxyType({"npm": 1680307200, "PyPI": 1730419200}),
    python_support=_PYTHON_SUPPORT,
)
