"""The methodology for source repositories on GitHub: every number behind the score of a repository.

Where a signal is that of a package, so are its numbers. `docs/decisions/` has the reasons.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.methodology.types import CapSpec, Curve, Limit, Methodology, SignalSpec

_SIGNALS: Final[Mapping[str, SignalSpec]] = MappingProxyType(
    {
        spec.id: spec
        for spec in (
            # --- security
            SignalSpec(
                id="known_advisories",
                label="R1",
                dimension="security",
                weight=35,
                name="known advisories",
                description="advisories of OSV whose ranges of commits hold the commit in use, each vulnerability "
                "once: 100 x product of (1 - loss). Those about packages that are published from it are the packages'",
                levels=PACKAGES.signals["known_advisories"].levels,
                reference="OSV queries by commit; numbers of S2",
                unknown_when="OSV did not answer, or the commit in use is not known (the score is provisional)",
            ),
            SignalSpec(
                id="repository_hygiene",
                label="R2",
                dimension="security",
                weight=30,
                name="repository hygiene",
                description=PACKAGES.signals["repository_hygiene"].description,
                curves=PACKAGES.signals["repository_hygiene"].curves,
                levels=PACKAGES.signals["repository_hygiene"].levels,
                reference="Scorecard's own weights; numbers of S8",
                unknown_when="not scanned, fewer than 3 conclusive checks, or older than 90 days",
            ),
            SignalSpec(
                id="pinning",
                label="R3",
                dimension="security",
                weight=20,
                name="pinning",
                description="what the scanned project refers to: a commit, a branch or tag, or no revision (the "
                "default branch)",
                levels={"commit": 100, "branch or tag": 50, "none": 30},
                reference="Scorecard Pinned-Dependencies; tags of a popular action were moved to malware (March 2025)",
                not_applicable_when="no project refers to it",
            ),
            SignalSpec(
                id="age",
                label="R4",
                dimension="security",
                weight=15,
                name="age",
                description="days since the repository was created",
                curves={"days": PACKAGES.signals["newness"].curves["package"]},
                reference="Scorecard 90 days; numbers of S7",
                unknown_when="no date of creation",
            ),
            # --- maintenance
            SignalSpec(
                id="status",
                label="R5",
                dimension="maintenance",
                weight=25,
                name="status",
                description="whether the repository is archived: read-only, without fixes",
                levels={"none": 100, "archived": 15},
                reference="Miller 2025; Scorecard archived = 0",
                unknown_when="GitHub not read",
            ),
            SignalSpec(
                id="commits",
                label="R6",
                dimension="maintenance",
                weight=35,
                name="commits",
                description="commits on the default branch in 90 days, else Scorecard's Maintained check",
                curves=PACKAGES.signals["commits"].curves,
                levels={"maintained zero": 10},
                reference="Scorecard one a week; numbers of M3",
                unknown_when="neither GitHub nor Scorecard read",
            ),
            SignalSpec(
                id="last_commit",
                label="R7",
                dimension="maintenance",
                weight=25,
                name="last commit",
                description="days since the newest commit on the default branch",
                curves={"days": Curve(((30, 100), (90, 90), (180, 80), (365, 65), (730, 40), (1825, 10)))},
                reference="Scorecard Maintained; SourceRank 6 months",
                unknown_when="commits not read",
            ),
            SignalSpec(
                id="closed_issues",
                label="R8",
                dimension="maintenance",
                weight=15,
                name="closed issues",
                description="closed share of all issues and pull requests",
                curves=PACKAGES.signals["closed_issues"].curves,
                reference="npms; numbers of M5",
                unknown_when="counts not read (GitHub gives them with a token only)",
                not_applicable_when="fewer than 5 issues and pull requests",
            ),
            # --- documentation
            SignalSpec(
                id="readme",
                label="R9",
                dimension="documentation",
                weight=50,
                name="README",
                description="bytes of the README at the root of the commit in use",
                curves={"bytes": Curve(((0, 10), (400, 60), (1500, 85), (3000, 100)))},
                reference="npms full at 400 bytes; numbers of D1",
                unknown_when="files not listed, or a README may be in .github or docs",
            ),
            SignalSpec(
                id="guides",
                label="R10",
                dimension="documentation",
                weight=50,
                name="guides",
                description="a description, a homepage, a guide for contributors and a list of changes",
                levels={"description": 30, "homepage": 20, "contributing": 25, "changelog": 25},
                reference="GitHub's community profile; CHAOSS",
                unknown_when="neither the repository nor its files read",
            ),
            # --- compliance
            SignalSpec(
                id="licence",
                label="R11",
                dimension="compliance",
                weight=45,
                name="licence",
                description="how clearly the repository states its licence, as GitHub recognises its text",
                levels=PACKAGES.signals["licence"].levels,
                reference="Scorecard License; numbers of C1",
                unknown_when="GitHub not read",
            ),
            SignalSpec(
                id="licence_terms",
                label="R12",
                dimension="compliance",
                weight=25,
                name="licence terms",
                description=PACKAGES.signals["licence_terms"].description,
                levels=PACKAGES.signals["licence_terms"].levels,
                reference="numbers of C2",
                unknown_when="licence unknown or not recognised",
            ),
            SignalSpec(
                id="disclosure_policy",
                label="R13",
                dimension="compliance",
                weight=30,
                name="disclosure policy",
                description="the repository describes how to report a vulnerability",
                levels=PACKAGES.signals["disclosure_policy"].levels,
                reference="Scorecard Security-Policy; numbers of C4",
                unknown_when="neither Scorecard nor GitHub read",
            ),
            # --- community
            SignalSpec(
                id="owner",
                label="R14",
                dimension="community",
                weight=30,
                name="owner",
                description="whether an organisation owns the repository",
                levels={"organisation": 100, "person": 70},
                reference="Valiev 2018 (organisational support)",
                unknown_when="not stated",
            ),
            SignalSpec(
                id="adoption",
                label="R15",
                dimension="community",
                weight=50,
                name="adoption",
                description="0.6 x stars + 0.4 x forks, by powers of ten",
                levels={
                    "stars": 0.6,
                    "forks": 0.4,
                    "per tenfold stars": 25,
                    "per tenfold forks": 30,
                    "young limit": 50,
                },
                reference="log10 as in SourceRank; stars can be bought, so those of a young repository count little",
                unknown_when="stars or forks not read",
            ),
            SignalSpec(
                id="origin",
                label="R16",
                dimension="community",
                weight=20,
                name="origin",
                description="whether it is a fork: fixes of the original arrive later, or never",
                levels={"original": 100, "fork": 30},
                reference="Scorecard scans originals; SourceRank: forks count nothing",
                unknown_when="not stated",
            ),
        )
    }
)

_CAPS: Final[Mapping[str, CapSpec]] = MappingProxyType(
    {
        cap.id: cap
        for cap in (
            CapSpec(id="malicious", limit=0, condition="a malware record names the commit", signal="known_advisories"),
            CapSpec(
                id="exploited",
                limit=20,
                condition="an advisory that names the commit is in CISA's KEV catalogue",
                signal="known_advisories",
                step=4,
                floor=20,
            ),
            CapSpec(
                id="critical",
                limit=40,
                condition="a critical advisory names the commit",
                signal="known_advisories",
                step=4,
                floor=20,
            ),
            CapSpec(
                id="high-epss",
                limit=45,
                condition="a high advisory with an exploit probability of 50 % or more names the commit",
                signal="known_advisories",
                step=4,
                floor=30,
            ),
            CapSpec(id="archived", limit=55, condition="the repository is archived", signal="status"),
            CapSpec(
                id="high",
                limit=65,
                condition="a high advisory names the commit",
                signal="known_advisories",
                step=4,
                floor=30,
            ),
            CapSpec(
                id="stale",
                limit=69,
                condition="no commit on the default branch for over 5 years",
                signal="last_commit",
            ),
            CapSpec(
                id="young",
                limit=69,
                condition="the repository is under 30 days old",
                signal="age",
            ),
            CapSpec(
                id="advisory",
                limit=69,
                condition="an advisory of unknown severity names the commit",
                signal="known_advisories",
                step=4,
                floor=30,
            ),
            CapSpec(id="no-licence", limit=74, condition="no licence is stated", signal="licence"),
            CapSpec(
                id="medium",
                limit=75,
                condition="a medium advisory names the commit",
                signal="known_advisories",
                step=4,
                floor=30,
            ),
            CapSpec(
                id="low",
                limit=89,
                condition="a low advisory names the commit",
                signal="known_advisories",
                step=4,
                floor=30,
            ),
        )
    }
)

_LIMITS: Final[Mapping[str, Limit]] = MappingProxyType(
    {
        limit.id: limit
        for limit in (
            Limit("young_days", 30, "days", "a repository is young for this long"),
            Limit("new_days", 365, "days", "stars and forks of a newer repository are not rated high"),
            Limit("stale_days", 5 * 365.25, "days", "without a commit for this long a repository is stale"),
            *(
                PACKAGES.limits[id_]
                for id_ in ("scorecard_days", "scorecard_checks", "rated_issues", "epss_raise", "epss_cap")
            ),
        )
    }
)

REPOSITORIES: Final = Methodology(
    version="1.0",
    target="repositories",
    dimensions=MappingProxyType(
        {"security": 35.0, "maintenance": 30.0, "documentation": 10.0, "compliance": 15.0, "community": 10.0}
    ),
    signals=_SIGNALS,
    caps=_CAPS,
    limits=_LIMITS,
    grades=PACKAGES.grades,
    coverage_labels=PACKAGES.coverage_labels,
    threshold=PACKAGES.threshold,
    dimension_floor=PACKAGES.dimension_floor,
    coverage_floor=PACKAGES.coverage_floor,
    low_coverage=PACKAGES.low_coverage,
    # As for models: several ordinary levels lie below the 30 of packages.
    range_low=0.0,
    range_high=PACKAGES.range_high,
    verified_days=90,
    required_signal="known_advisories",
)
