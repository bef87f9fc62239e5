"""What a policy rule is, and what it looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from nerq_cli.inventory import DependencyFile, Location, Package, RegistrationProblem
from nerq_cli.policy.age import AgeRule
from nerq_cli.policy.assessment import Assessment
from nerq_cli.policy.findings import Finding, Level
from nerq_cli.policy.marks import read_mark
from nerq_cli.policy.settings import DEFAULT_POLICY, PolicySettings
from nerq_cli.policy.waivers import Waiver, WaiverPaths, WaiverUse


class ForeignOrigin(msgspec.Struct, frozen=True, kw_only=True):
    """A place that a package may come from, and that only the scanned project names."""

    package: Package
    #: URL of an index or registry without credentials, or "git: …", "URL: …" or "replaced by …".
    address: str
    #: The line that names the index; None if it is that of the dependency.
    named_at: Location | None
    #: Where the package is declared.
    locations: tuple[Location, ...]


class RuleInput(msgspec.Struct, frozen=True, kw_only=True):
    """What a run knows when the rules are checked."""

    assessments: Sequence[Assessment]
    dependency_files: Sequence[DependencyFile]
    #: Sorted by package.
    foreign_origins: Sequence[ForeignOrigin] = ()
    #: What the MCP registry states against servers that were named.
    registration_problems: Sequence[RegistrationProblem] = ()
    settings: PolicySettings = DEFAULT_POLICY
    #: Moment that ages are measured from, in epoch seconds UTC.
    as_of: int = 0
    #: Lowest passing score of a dependency without a threshold of its own, 0 to 100.
    threshold: float = 0.0
    #: Minimum ages of releases, as the project and the user set them for their tools.
    age_rules: Sequence[AgeRule] = ()
    #: Of the settings, then those of VEX documents in the order of their time.
    waivers: Sequence[Waiver] = ()
    #: How the paths of waivers relate to those of locations.
    waiver_paths: WaiverPaths = WaiverPaths()
    #: What became of them; set for the rules about waivers, which come last.
    waiver_uses: Sequence[WaiverUse] = ()
    #: Whether the run sees a part of the project only.
    is_partial: bool = False


class PolicyRule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule."""

    #: A word, the same in every format.
    id: str
    #: Level without any setting.
    level: Level
    #: One sentence: what a finding means.
    summary: str
    #: Why it matters and how it is decided, as a paragraph.
    explanation: str
    #: What to do.
    hint: str
    #: Heading above the findings, after their number: singular and plural.
    headings: tuple[str, str]
    #: Reason of the exit status, after a number: singular and plural. ``{threshold}`` is the lowest passing score.
    count_phrases: tuple[str, str]
    #: Whether a finding means that something could not be checked, so that a run with one is incomplete.
    leaves_incomplete: bool = False
    #: Whether the check gives each finding its level.
    has_own_levels: bool = False
    #: Whether the row of the dependency in a table shows what the finding states.
    is_in_table: bool = False
    #: Whether findings with the same text are shown together: their text has the place, not their locations.
    is_grouped: bool = False
    #: Pure function that yields the findings, without an id.
    check: Callable[[RuleInput], Iterable[Finding]]


def list_judged(rule_input: RuleInput) -> Iterator[Assessment]:
    """Yield the assessments of the dependencies that are looked up, and not only listed."""
    for assessment in rule_input.assessments:
        if assessment.state is not None and not assessment.dependency.skip_reason:
            yield assessment


def build_finding(assessment: Assessment, text: str, level: Level = "deny") -> Finding:
    """Return a finding about a dependency."""
    dependency = assessment.dependency
    return Finding(
        text=text,
        level=level,
        purl=dependency.purl,
        name=dependency.package.name,
        version=dependency.version or "",
        locations=dependency.locations,
    )


def build_undecided(assessment: Assessment, text: str) -> Finding:
    """Return a finding that states what could not be checked of a dependency."""
    return msgspec.structs.replace(build_finding(assessment, text), undecided=True)


def check_marks(
    rule_id: str, describe: Callable[[Assessment], str], unknown: str
) -> Callable[[RuleInput], Iterator[Finding]]:
    """Return the check of a rule that the marks of each dependency decide.

    ``describe`` returns the text of a finding; ``unknown`` is that of one whose mark is not known.
    """

    def check(rule_input: RuleInput) -> Iterator[Finding]:
        for assessment in list_judged(rule_input):
            mark = read_mark(assessment.marks, rule_id)
            if mark:
                yield build_finding(assessment, describe(assessment))
            elif mark is None:
                yield build_undecided(assessment, unknown)

    return check


def find_cap_reason(assessment: Assessment, *cap_ids: str) -> str:
    """Return the reason of the first of these caps that limits the score; empty if none does."""
    caps = assessment.score.caps if assessment.score is not None else ()
    return next((cap.reason for cap in caps if cap.id in cap_ids), "")
