"""The one table behind every score: dimensions, signals, curves, caps and grades.

The signals read their curves here, the scoring library its weights and caps, ``nerq methodology`` prints it, and the
page in the documentation is generated from it. Nothing else in the program holds a number that moves a score.

The figures are design choices of methodology 1.0; `docs/decisions/` holds the reasons where they are not obvious.
Anchors name where a curve's shape was taken from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

#: Version of everything in this module. It changes whenever a number here does.
VERSION: Final = "1.0"

#: The score a dependency must reach unless the user says otherwise.
DEFAULT_THRESHOLD: Final = 70.0

#: Weight of each dimension in the total.
DIMENSIONS: Final[Mapping[str, float]] = MappingProxyType(
    {"security": 35.0, "maintenance": 25.0, "documentation": 10.0, "compliance": 15.0, "community": 15.0}
)

#: A dimension counts only when at least this share of its applicable weight is known.
DIMENSION_FLOOR: Final = 0.30
#: Below this coverage there is no number.
COVERAGE_FLOOR: Final = 0.40
#: Below this coverage the grade is at most :data:`THIN_GRADE`.
LOW_COVERAGE: Final = 0.55
LOW_COVERAGE_GRADE: Final = "B"
#: Labels of coverage, best first: (at least, label).
COVERAGE_LABELS: Final = ((0.80, "high"), (0.55, "medium"), (0.40, "low"), (0.0, "insufficient"))
#: What unknown signals are taken to be at the two ends of a score's range.
RANGE_LOW: Final = 30.0
RANGE_HIGH: Final = 90.0

#: Grades, best first: (at least, grade).
GRADES: Final = ((90.0, "A+"), (80.0, "A"), (70.0, "B"), (60.0, "C"), (45.0, "D"), (30.0, "E"), (0.0, "F"))

#: Share of their weight that repository signals keep when the link to the repository is self-declared and the
#: popularity of package and repository differ by more than :data:`STARJACK_RATIO`.
UNVERIFIED_SHARE: Final = 0.5
STARJACK_RATIO: Final = 100.0


@dataclass(frozen=True, slots=True)
class Curve:
    """A piecewise linear curve through ``points`` (x ascending), constant outside them."""

    points: tuple[tuple[float, float], ...]

    def value_at(self, x: float) -> float:
        """Return the value at ``x``, 0-100."""
        x0, y0 = self.points[0]
        if x <= x0:
            return y0
        for x1, y1 in self.points[1:]:
            if x <= x1:
                return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
            x0, y0 = x1, y1
        return y0

    def __str__(self) -> str:
        """Return the points as people read them: ``180 → 100, 365 → 85``."""
        return ", ".join(f"{x:g} → {y:g}" for x, y in self.points)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalSpec:
    """One row of the table: what is measured, how much it weighs, and how it turns into 0-100.

    ``weight`` is the share within the dimension. ``curves`` and ``levels`` hold every number the signal uses.
    ``unknown_when`` says when it is unknown, ``not_applicable_when`` when it does not apply.
    """

    id: str
    dimension: str
    weight: float
    name: str
    description: str
    curves: Mapping[str, Curve] = field(default_factory=dict)
    levels: Mapping[str, float] = field(default_factory=dict)
    reference: str = ""
    unknown_when: str = ""
    not_applicable_when: str = ""


def _make_curve(*points: tuple[float, float]) -> Curve:
    return Curve(points)


SIGNALS: Final[Mapping[str, SignalSpec]] = MappingProxyType(
    {
        spec.id: spec
        for spec in (
            # --- security
            SignalSpec(
                id="S1",
                dimension="security",
                weight=0,
                name="malware gate",
                description="exactly this version is recorded as malicious, quarantined or removed for security",
                levels={"clean": 100, "malicious": 0},
                reference="Socket critical alert; SourceRank removed",
                unknown_when="no source of malware records answered",
            ),
            SignalSpec(
                id="S2",
                dimension="security",
                weight=40,
                name="known advisories",
                description="advisories that affect this version, each vulnerability once: 100 x product of (1 - loss)",
                levels={"critical": 0.85, "high": 0.50, "medium": 0.15, "low": 0.05, "unknown": 0.20},
                reference="Socket alert curves; Scorecard Vulnerabilities",
                unknown_when="no advisory source answered (the score is provisional)",
            ),
            SignalSpec(
                id="S3",
                dimension="security",
                weight=5,
                name="fix record",
                description="fixed share of the package's advisories older than 90 days: 100 x (fixed + 1) / (n + 1)",
                reference="Zahan 2025",
                unknown_when="advisory history not read",
                not_applicable_when="no advisory older than 90 days",
            ),
            SignalSpec(
                id="S4",
                dimension="security",
                weight=12,
                name="provenance",
                description="the version carries a provenance attestation the registry verified",
                levels={"verified": 100, "none": 50, "lost": 10},
                reference="PEP 740, npm provenance; Depdive",
                unknown_when="the registry does not tell",
                not_applicable_when="released before the registry supported attestations (npm 2023-04, PyPI 2024-11)",
            ),
            SignalSpec(
                id="S5",
                dimension="security",
                weight=12,
                name="code at install",
                description="what runs when the version is installed: npm install scripts, PyPI source builds",
                levels={"none": 100, "native": 70, "hook": 40, "hook new": 15, "wheel": 100, "sdist": 50},
                reference="Socket install-script alert; weak links in npm (2021)",
                unknown_when="manifest of the version not read",
            ),
            SignalSpec(
                id="S6",
                dimension="security",
                weight=8,
                name="name confusion",
                description="whether the name may be mistaken for a popular one",
                levels={"clean": 100, "neighbour": 85, "suspicion": 15},
                reference="SpellBound, typomania, ConfuGuard",
                unknown_when="no list of popular names loaded",
            ),
            SignalSpec(
                id="S7",
                dimension="security",
                weight=10,
                name="newness",
                description="the worse of the version's and the package's age in days",
                curves={
                    "version": _make_curve((0, 10), (1, 30), (3, 50), (7, 80), (14, 100)),
                    "package": _make_curve((0, 10), (30, 30), (90, 60), (180, 85), (365, 100)),
                },
                levels={"security fix": 80},
                reference="Woodruff 2025 (attacks last days); Scorecard 90 days",
                unknown_when="no credible publication date",
            ),
            SignalSpec(
                id="S8",
                dimension="security",
                weight=13,
                name="repository hygiene",
                description="risk-weighted mean of Scorecard's Code-Review, Branch-Protection, Dangerous-Workflow, "
                "Token-Permissions, Binary-Artifacts, Signed-Releases and Pinned-Dependencies",
                curves={"mean": _make_curve((0, 20), (3, 50), (5, 75), (7, 90), (9, 100))},
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
                unknown_when="never scanned, fewer than 3 conclusive checks, older than 90 days, or the link is disputed",
            ),
            # --- maintenance
            SignalSpec(
                id="M1",
                dimension="maintenance",
                weight=20,
                name="stated status",
                description="what maintainers or registry say: deprecated, archived, inactive, yanked (worst counts)",
                levels={"none": 100, "inactive": 30, "yanked": 20, "archived": 15, "deprecated": 10},
                reference="Miller 2025; Scorecard archived = 0; SourceRank -5",
                unknown_when="registry not read",
            ),
            SignalSpec(
                id="M2",
                dimension="maintenance",
                weight=30,
                name="last stable release",
                description="days since the newest stable release of the package",
                curves={
                    "days": _make_curve((180, 100), (365, 85), (540, 70), (730, 55), (1095, 35), (1825, 15), (3650, 5)),
                },
                levels={"finished floor": 70},
                reference="SourceRank 6 months; npms finished packages",
                unknown_when="no credible publication date",
            ),
            SignalSpec(
                id="M3",
                dimension="maintenance",
                weight=30,
                name="commits",
                description="commits on the default branch in 90 days, else Scorecard's Maintained check",
                curves={"commits": _make_curve((0, 10), (1, 45), (3, 70), (7, 90), (13, 100))},
                levels={"finished floor": 70, "maintained zero": 10},
                reference="Scorecard one a week; npms one a month = 0.7",
                unknown_when="no repository known, or neither the code host nor Scorecard read",
            ),
            SignalSpec(
                id="M4",
                dimension="maintenance",
                weight=10,
                name="cadence",
                description="stable versions in 24 months; only pre-releases -20; exactly one version ever: at most 50",
                curves={"releases": _make_curve((0, 30), (1, 60), (2, 80), (3, 80), (4, 100))},
                levels={"only pre-releases": -20, "single version": 50, "finished floor": 70},
                reference="npms release curve; SourceRank",
                unknown_when="no credible publication dates",
            ),
            SignalSpec(
                id="M5",
                dimension="maintenance",
                weight=10,
                name="issues closed",
                description="closed share of all issues and pull requests",
                curves={"share": _make_curve((0, 0), (0.5, 50), (0.8, 100))},
                reference="npms; CHAOSS closure ratio",
                unknown_when="code host not read",
                not_applicable_when="fewer than 5 issues and pull requests, or issues disabled",
            ),
            # --- documentation
            SignalSpec(
                id="D1",
                dimension="documentation",
                weight=50,
                name="README",
                description="characters of README text without badges, HTML and code",
                curves={"characters": _make_curve((0, 10), (400, 60), (1500, 85), (3000, 100))},
                reference="npms full at 400 bytes; Socket README",
                unknown_when="README not readable (registries drop some)",
            ),
            SignalSpec(
                id="D2",
                dimension="documentation",
                weight=30,
                name="links",
                description="links to documentation, changelog and a homepage other than the repository",
                levels={"documentation": 40, "changelog": 30, "homepage": 30},
                reference="CHAOSS; npms branding",
                unknown_when="metadata not read",
            ),
            SignalSpec(
                id="D3",
                dimension="documentation",
                weight=20,
                name="basics",
                description="summary, keywords or classifiers, supported interpreter, type information",
                levels={"summary": 25, "keywords": 25, "interpreter": 25, "types": 25},
                reference="SourceRank basic information",
                unknown_when="metadata not read",
            ),
            # --- compliance
            SignalSpec(
                id="C1",
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
                id="C2",
                dimension="compliance",
                weight=20,
                name="licence terms",
                description="what the licence asks of its users; of several, AND takes the worst and OR the best",
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
                id="C3",
                dimension="compliance",
                weight=20,
                name="source link",
                description="whether the package says where its source is, and who confirms it",
                levels={"attested": 100, "confirmed": 80, "declared": 60, "dead": 25, "none": 20, "foreign": 0},
                reference="73.8 % (PyPI) and 69.4 % (npm) of links are valid (2024)",
                unknown_when="metadata not read",
            ),
            SignalSpec(
                id="C4",
                dimension="compliance",
                weight=15,
                name="disclosure policy",
                description="the repository says how to report a vulnerability",
                levels={"yes": 100, "no": 40},
                reference="Zahan 2022; Scorecard Security-Policy",
                unknown_when="neither Scorecard nor the code host read",
            ),
            # --- community
            SignalSpec(
                id="K1",
                dimension="community",
                weight=40,
                name="publishers",
                description="accounts that can publish; owned by an organisation: at least 85",
                curves={"accounts": _make_curve((1, 55), (2, 80), (3, 100), (15, 100), (25, 85))},
                levels={"organisation": 85},
                reference="Socket 1 - e^(-x/3), softened; too many maintainers (weak links)",
                unknown_when="the registry does not tell",
            ),
            SignalSpec(
                id="K2",
                dimension="community",
                weight=40,
                name="adoption",
                description="0.6 x downloads + 0.3 x dependents + 0.1 x stars, logarithmic, over what is known",
                levels={
                    "downloads": 0.6,
                    "dependents": 0.3,
                    "stars": 0.1,
                    "per tenfold downloads": 15,
                    "least": 25,
                    "dependents base": 30,
                    "per tenfold dependents": 17.5,
                    "per tenfold stars": 25,
                    "young limit": 70,
                    "list days": 60,
                },
                reference="logarithms as in SourceRank; low weight because popularity can be bought",
                unknown_when="no current popularity list and no download count",
            ),
            SignalSpec(
                id="K3",
                dimension="community",
                weight=20,
                name="people",
                description="distinct contributors, else Scorecard's Contributors check",
                curves={"people": _make_curve((1, 40), (2, 60), (3, 75), (5, 85), (10, 100))},
                reference="Scorecard three organisations; Avelino",
                unknown_when="no repository known, or not read",
            ),
        )
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CapSpec:
    """A hard limit: while its condition holds, the final score is at most ``limit``.

    ``signal`` is the signal whose reason it stands in for when reasons are listed.
    """

    id: str
    limit: float
    condition: str
    signal: str = ""


#: Each further advisory of medium, unknown or worse severity lowers an advisory cap by this much,
ADVISORY_STEP: Final = 4.0
#: but never below this, or below the second figure where the worst advisory is critical.
ADVISORY_FLOOR: Final = 30.0
ADVISORY_FLOOR_CRITICAL: Final = 20.0

CAPS: Final[Mapping[str, CapSpec]] = MappingProxyType(
    {
        cap.id: cap
        for cap in (
            CapSpec(id="malicious", limit=0, condition="exactly this version is recorded as malicious", signal="S1"),
            CapSpec(
                id="security-holding",
                limit=0,
                condition="npm replaced the package by a security placeholder",
                signal="S1",
            ),
            CapSpec(id="quarantined", limit=10, condition="PyPI has the project in quarantine", signal="S1"),
            CapSpec(
                id="exploited",
                limit=20,
                condition="an advisory of this version is in CISA's KEV catalogue",
                signal="S2",
            ),
            CapSpec(id="critical-no-fix", limit=30, condition="a critical advisory without a fix", signal="S2"),
            CapSpec(
                id="name-confusion",
                limit=30,
                condition="like a top-5,000 name, 100 times less used, under a year old, no shared owner",
                signal="S6",
            ),
            CapSpec(id="critical", limit=45, condition="a critical advisory that has a fix", signal="S2"),
            CapSpec(
                id="high-epss",
                limit=45,
                condition="a high advisory with an exploit probability of 50 % or more",
                signal="S2",
            ),
            CapSpec(id="yanked", limit=50, condition="the version is yanked", signal="M1"),
            CapSpec(
                id="python-eol",
                limit=50,
                condition="no Python that is still maintained can install the version",
                signal="D3",
            ),
            CapSpec(id="deprecated", limit=55, condition="the package is deprecated or archived", signal="M1"),
            CapSpec(
                id="abandoned",
                limit=55,
                condition="PyPI: newest stable release over 8 years old, no commit known in 24 months",
                signal="M2",
            ),
            CapSpec(id="high-no-fix", limit=60, condition="a high advisory without a fix", signal="S2"),
            CapSpec(
                id="provenance-lost",
                limit=60,
                condition="attested before, not attested now, and under 14 days old",
                signal="S4",
            ),
            CapSpec(
                id="install-hook-new",
                limit=60,
                condition="an install hook new in this version, which is under 14 days old",
                signal="S5",
            ),
            CapSpec(
                id="stale",
                limit=65,
                condition="PyPI: newest stable release over 5 years old, no commit in 24 months, no maintained Python named",
                signal="M2",
            ),
            CapSpec(id="high", limit=69, condition="a high advisory that has a fix", signal="S2"),
            CapSpec(id="advisory", limit=69, condition="an advisory of unknown severity", signal="S2"),
            CapSpec(
                id="fresh", limit=69, condition="the version is under 72 hours old (security fixes exempt)", signal="S7"
            ),
            CapSpec(
                id="malware-history", limit=69, condition="another version was malicious within 180 days", signal="S1"
            ),
            CapSpec(id="no-licence", limit=74, condition="no licence in any readable source", signal="C1"),
            CapSpec(id="medium", limit=75, condition="a medium advisory", signal="S2"),
            CapSpec(id="low", limit=89, condition="a low advisory", signal="S2"),
        )
    }
)

# Ages the caps use, in days.
TAKEOVER_DAYS: Final = 14
FRESH_DAYS: Final = 3
MALWARE_HISTORY_DAYS: Final = 180
ABANDONED_DAYS: Final = 8 * 365.25
STALE_DAYS: Final = 5 * 365.25
INACTIVE_DAYS: Final = 2 * 365.25

# Where the signals draw their lines.
#: A name is compared with this many of the most used ones; a package is young for this many days; below this many
#: downloads a week it is obscure.
COMPARED_NAMES: Final = 5_000
YOUNG_DAYS: Final = 365
MIN_NOTABLE_DOWNLOADS: Final = 1_000.0
#: Scorecard results count for this many days, and only when this many of the checks are conclusive.
SCORECARD_DAYS: Final = 90
MIN_CHECKS: Final = 3
#: A finished package has fewer open issues than this; fewer issues than that in all say nothing about closing them.
OPEN_ISSUE_LIMIT: Final = 15
MIN_ISSUES: Final = 5
#: Releases count towards the cadence for this many days.
CADENCE_DAYS: Final = 2 * 365
#: A young package with fewer dependents than this cannot be popular yet.
MIN_DEPENDENTS: Final = 10

#: Exploit probability (EPSS, 0-1) from which an advisory counts one band higher, and from which a high one caps lower.
EPSS_RAISE_THRESHOLD: Final = 0.10
EPSS_CAP_THRESHOLD: Final = 0.50

#: First day on which a version could carry an attestation: npm provenance and PEP 740 on PyPI (epoch seconds UTC).
ATTESTATIONS_SINCE: Final[Mapping[str, int]] = MappingProxyType({"npm": 1680307200, "PyPI": 1730419200})

#: Last day of upstream support of each Python, from PEP 373 (2.7) and the release PEPs 494-790 (month ends where a
#: PEP names a month only). Epoch days are not used: ISO dates compare as text.
PYTHON_SUPPORT: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
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


def find_grade(score: float) -> str:
    """Return the letter of a final score (one decimal, 0-100)."""
    return next(letter for minimum, letter in GRADES if score >= minimum)


def find_coverage_label(coverage: float) -> str:
    """Return ``high``, ``medium``, ``low`` or ``insufficient`` for a coverage of 0-1."""
    return next(label for minimum, label in COVERAGE_LABELS if coverage >= minimum)
