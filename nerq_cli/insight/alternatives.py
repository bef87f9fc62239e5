"""What does the same job as a target: successors that its maintainers name, curated pairs, and built-in features.

Neither categories nor popularity make an alternative: each one has a reason and a source that show the same job.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec

from nerq_cli.ecosystems import HF_MODEL, EcosystemId, get_ecosystem, normalise_name
from nerq_cli.facts import Found
from nerq_cli.insight.alternative_lists import RUNTIMES, load_table
from nerq_cli.inventory import Package
from nerq_cli.patterns import compile_late

if TYPE_CHECKING:
    from nerq_cli.hub_facts import HubEvidence, HubRepository
    from nerq_cli.scoring import Score
    from nerq_cli.signals.models.files import Weights

#: ``maintainer``: its own maintainers name it. ``builtin``: the language or its runtime has it. ``expression``: a short
#: expression of the language does it. ``removal``: it can be removed. ``load-safely``: another file of the
#: same repository. ``base-model``: the model that it was made from. ``listed``: a curated list has it.
Relation: TypeAlias = Literal["maintainer", "builtin", "expression", "removal", "load-safely", "base-model", "listed"]

#: Most alternatives that are shown.
MAX_SHOWN: Final = 3
#: Most candidates that are scored.
MAX_SCORED: Final = 8
_RANKS: Final[dict[Relation, int]] = {
    "maintainer": 0,
    "load-safely": 1,
    "builtin": 1,
    "expression": 1,
    "removal": 1,
    "base-model": 2,
    "listed": 2,
}
#: Difference of scores, in points, from which one counts as higher.
_NOTICEABLE: Final = 0.05


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """The target that alternatives are looked for."""

    ecosystem: EcosystemId
    #: Normalised.
    name: str
    #: Texts of its maintainers about its end: a message of deprecation, why a version is yanked.
    messages: tuple[str, ...] = ()
    #: Of a repository of the Hub.
    hub: HubEvidence | None = None


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """Something that may take the place of a target."""

    relation: Relation
    #: Package or repository; empty if there is none to install.
    name: str = ""
    #: Its ecosystem, which is that of the target.
    ecosystem: EcosystemId
    #: What to use where nothing is installed: ``zoneinfo``, ``Array.prototype.flat``.
    feature: str = ""
    #: Why it does the same job.
    reason: str
    #: Where that is stated: an address, or what was read.
    source: str

    @property
    def package(self) -> Package:
        """The package or repository; its name is empty if there is none to install."""
        return Package(ecosystem=self.ecosystem, name=self.name)


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate with its own score."""

    candidate: Candidate
    #: The version that one would take; empty if not known, or if there is nothing to install.
    version: str = ""
    #: None = not scored.
    score: Score | None = None
    #: Why it is not scored; empty if it is, or if there is nothing to score.
    reason: str = ""
    #: Whether the project depends on it already; None = no project was read.
    in_project: bool | None = None
    #: Why it is no alternative after all: it does not exist, or it is malicious; empty if it is one.
    excluded: str = ""

    @property
    def value(self) -> float | None:
        """The score; None if it is not scored."""
        return None if self.score is None else self.score.value


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The alternatives that are shown."""

    options: tuple[Option, ...]
    #: Number of further ones.
    further: int
    #: Candidates that are no alternatives, each with its reason.
    excluded: tuple[Option, ...]


# --- candidates


def list_candidates(subject: Subject) -> tuple[Candidate, ...]:
    """Return everything that may take the place of a target, each once, the word of its maintainers first."""
    candidates = [*_list_messages(subject), *_list_hub(subject), *_list_pairs(subject)]
    unique: dict[tuple[str, str], Candidate] = {}
    for candidate in candidates:
        if (candidate.ecosystem, candidate.name) != (subject.ecosystem, subject.name):
            unique.setdefault((candidate.name, candidate.feature), candidate)
    return tuple(unique.values())


def _list_pairs(subject: Subject) -> Iterator[Candidate]:
    table = load_table(subject.ecosystem)
    for entry in () if table is None else table.pairs.get(subject.name, ()):
        label = f"{table.meta.name} ({table.meta.date})" if table is not None else ""
        since = f" since {RUNTIMES[subject.ecosystem]} {entry.since}" if entry.since else ""
        if entry.kind == "package":
            yield Candidate(
                relation="listed",
                name=entry.use,
                ecosystem=subject.ecosystem,
                reason=entry.reason or f"listed for the same job: {label}",
                source=entry.source,
            )
            continue
        job = f"{entry.reason}: " if entry.reason else ""
        reason = {
            "builtin": f"{job}built in{since}",
            "expression": f"a short expression of the language does it: {entry.use.replace('-', ' ')}",
            "removal": "the list advises to remove it, because current runtimes do its job themselves",
        }[entry.kind]
        yield Candidate(
            relation=entry.kind,
            ecosystem=subject.ecosystem,
            feature=entry.use or "no package",
            reason=reason if entry.reason else f"{reason}; {label}",
            source=entry.source,
        )


# --- the word of maintainers

_NAME: Final = r"(?:@[a-z0-9][\w.-]*/)?[a-z0-9](?:[\w.-]*[a-z0-9])?"
_QUOTED: Final = rf"[`'\"](?P<quoted>{_NAME})(?:@[\w.^~-]+)?[`'\"]"
#: What leads to a name, and the name: scoped, quoted, a link to a page of a package, or before "instead".
_MESSAGE: Final = compile_late(
    r"(?:\buse|\bswitch(?:ed)? to|\bmigrated? to|\bmoved to|\brenamed to|\breplaced (?:by|with)|\bsuperseded by"
    r"|\bin favou?r of|\bpublished as|\bavailable as|\bsee|\binstall|\bupgrade to|\bbecome|\bbecame)\s+"
    r"(?:the\s+|new\s+|npm\s+|package\s+|module\s+|:\s*)*"
    rf"(?:https?://\S*?/(?:package|project)/(?P<linked>{_NAME})|{_QUOTED}"
    rf"|(?P<scoped>@[a-z0-9][\w.-]*/[a-z0-9](?:[\w.-]*[a-z0-9])?)(?![/\w-])|(?P<plain>{_NAME})(?=\s+(?:package\s+)?instead\b))",
    re.IGNORECASE,
)
#: After these words a name needs no mark.
_RENAMED: Final = compile_late(
    rf"\b(?:(?:renamed|moved|migrated) to|(?:replaced|superseded) by)\s+(?P<plain>{_NAME})(?=[\s.,;:!)]|$)",
    re.IGNORECASE,
)
_VERSION: Final = compile_late(r"v?\d[\w.]*")
#: Words that stand where a name may stand.
_NO_NAMES: Final = frozenset(
    {"a", "an", "the", "it", "its", "this", "that", "these", "your", "our", "their", "another", "other", "something"}
    | {"native", "built-in", "builtin", "version", "versions", "latest", "newer", "new", "http", "https"}
    | {"node", "nodejs", "npm", "yarn", "pypi", "pip", "github", "gitlab", "monorepo", "esm", "maintenance"}
)
#: Characters of a message that are read.
_MESSAGE_LIMIT: Final = 500


def find_named_packages(message: str) -> tuple[str, ...]:
    """Return the packages that a text of a maintainer names as successors, as written; none where that is not clear."""
    message = message[:_MESSAGE_LIMIT]
    names = [match[match.lastgroup] for match in _MESSAGE.finditer(message) if match.lastgroup]
    names += [match[match.lastgroup] for match in _RENAMED.finditer(message) if match.lastgroup]
    return tuple(
        dict.fromkeys(name for name in names if name.lower() not in _NO_NAMES and not _VERSION.fullmatch(name))
    )


def _list_messages(subject: Subject) -> Iterator[Candidate]:
    ecosystem = get_ecosystem(subject.ecosystem)
    for message in subject.messages:
        for text in find_named_packages(message):
            name = normalise_name(subject.ecosystem, text)
            if not ecosystem.find_name_error(name):
                yield Candidate(
                    relation="maintainer",
                    name=name,
                    ecosystem=subject.ecosystem,
                    reason=f'its maintainers name it: "{message[:_MESSAGE_LIMIT]}"',
                    source="message of deprecation on the registry",
                )


# --- repositories of the Hub


def _list_hub(subject: Subject) -> Iterator[Candidate]:
    evidence = subject.hub
    repository = evidence.repository.value if evidence is not None and isinstance(evidence.repository, Found) else None
    if evidence is None or repository is None:
        return
    card = repository.card
    if card is not None and card.new_version and not get_ecosystem(subject.ecosystem).find_name_error(card.new_version):
        yield Candidate(
            relation="maintainer",
            name=card.new_version,
            ecosystem=subject.ecosystem,
            reason="its author states it as the new version (new_version)",
            source="card of the repository",
        )
    if subject.ecosystem == HF_MODEL:
        yield from _list_safe_files(subject, repository)
        yield from _list_bases(subject, repository, evidence)


def _list_safe_files(subject: Subject, repository: HubRepository) -> Iterator[Candidate]:
    """Yield the safe file of a repository that also has pickle files."""
    from nerq_cli.signals.models.files import find_weights  # packages do without

    twins = find_weights(repository.files or ()).replacement
    if twins is not None:
        safe, pickle = twins
        yield Candidate(
            relation="load-safely",
            ecosystem=subject.ecosystem,
            feature=safe,
            reason=f"the same weights as data: load {safe} (use_safetensors=True), not {pickle}",
            source="files of the repository",
        )


def _are_safetensors(weights: Weights) -> bool:
    """Whether loaders choose safetensors files: with pickle files that they choose, there are other weights too."""
    return "safetensors" in weights.first and not weights.chosen_pickles


def _list_bases(subject: Subject, repository: HubRepository, evidence: HubEvidence) -> Iterator[Candidate]:
    """Yield the base model of a quantised one, or one that has the weights as safetensors."""
    from nerq_cli.signals.models.files import find_weights  # packages do without

    relation = repository.base_model_relation
    has_pickles_only = find_weights(repository.files or ()).is_pickle_only
    for id_, fact in evidence.bases.items():
        if get_ecosystem(subject.ecosystem).find_name_error(id_):
            continue
        base = fact.value if isinstance(fact, Found) else None
        base_weights = find_weights(base.files or ()) if base is not None else None
        is_safe = base_weights is not None and _are_safetensors(base_weights)
        if relation == "quantized":
            reason = "the model that it was quantised from: the same weights at full precision"
        elif has_pickles_only and is_safe and relation in ("", "finetune"):
            reason = "its base model, whose weights are safetensors; what was trained since is missing"
        else:
            continue
        yield Candidate(
            relation="base-model", name=id_, ecosystem=subject.ecosystem, reason=reason, source="card of the repository"
        )


# --- the choice


def choose_options(options: Iterable[Option]) -> Choice:
    """Return the alternatives to show: the word of maintainers first, then what installs nothing, then the rest.

    Among alike ones those that the project has already come first, then the higher score, then the order of the source.
    """
    all_options = list(options)
    fitting = [option for option in all_options if not option.excluded]
    ranked = sorted(fitting, key=_rank)
    return Choice(
        options=tuple(ranked[:MAX_SHOWN]),
        further=max(0, len(ranked) - MAX_SHOWN),
        excluded=tuple(option for option in all_options if option.excluded),
    )


def _rank(option: Option) -> tuple[int, bool, float]:
    value = option.value
    return _RANKS[option.candidate.relation], not option.in_project, -(-1.0 if value is None else float(value))


def describe_score(option: Option, target: Score | None) -> str:
    """Return the score of an alternative beside that of the target, in words."""
    if not option.candidate.name:
        return "nothing to install, so nothing to score"
    if option.score is None or option.value is None:
        return f"not scored: {option.reason or 'not computed'}"
    grade = f" ({option.score.grade})" if option.score.grade else ""
    text = f"score {option.score.sign}{option.value:.1f}{grade}"
    if target is None or target.value is None:
        return text
    difference = option.value - target.value
    if abs(difference) < _NOTICEABLE:
        return f"{text}, the same as now"
    return f"{text}, {abs(difference):.1f} {'higher' if difference > 0 else 'lower'} than now"


def select_scored(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Return the candidates that are to be scored: those that can be installed, at most ``MAX_SCORED``."""
    return tuple(candidate for candidate in candidates if candidate.name)[:MAX_SCORED]
