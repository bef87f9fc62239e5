"""What changed in a project between two passes: advisories, scores, releases, publishers, servers and waivers. Pure.

A fact that is not known at one pass is taken from the last pass that had it: it is compared once it is known again, and
the time between is no change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

import msgspec
from msgspec.structs import replace

from nerq_cli.ecosystems import EcosystemId, get_ecosystem, is_hub, is_repository
from nerq_cli.insight.history import Cause, Move, explain_step
from nerq_cli.insight.snapshots import Snapshot, SnapshotCap, SnapshotSignal
from nerq_cli.signals.signal import format_count

#: Points of a score from which a fall or a rise is a change. Smaller ones count together until they reach it.
MIN_POINTS: Final = 1.0
#: Facts about the version in use, or its package, that are yes, no or not known: ids of policy rules.
MARKS: Final = (
    "vanished",
    "yanked",
    "deprecated",
    "archived",
    "inactive",
    "provenance-lost",
    "publisher-changed",
)
_MARK_TEXTS: Final = {
    "vanished": ("the registry does not list the version any more", "the registry lists the version again"),
    "yanked": ("the version was yanked", "the version is not yanked any more"),
    "deprecated": ("deprecated by its maintainers", "not deprecated any more"),
    "archived": ("archived, or its repository is", "not archived any more"),
    "inactive": ("not maintained any more, by its classifier or its age", "maintained again"),
    "provenance-lost": ("no attestation of the build; earlier versions have one", "attested again"),
    "publisher-changed": (
        "another account or repository than before published the version",
        "no longer counts as published by another account",
    ),
}
#: Marks that end because time passes: their end is no change.
_FADING_MARKS: Final = frozenset({"publisher-changed"})

Kind: TypeAlias = Literal[
    "advisory-new",
    "advisory-exploited",
    "advisory-raised",
    "advisory-gone",
    "score-fell",
    "score-rose",
    "score-missing",
    "source-lost",
    "source-regained",
    "methodology",
    "name-vanished",
    "name-registered",
    "vanished",
    "yanked",
    "deprecated",
    "archived",
    "inactive",
    "provenance-lost",
    "publisher-changed",
    "accounts",
    "model-moved",
    "version",
    "release-gone",
    "release",
    "added",
    "removed",
    "mcp-added",
    "mcp-removed",
    "mcp-changed",
    "mcp-registry",
    "waiver-ended",
    "waiver-ends",
]
#: ``uncertain``: it follows from what could be read, or from how it is judged, and not from the target.
Effect: TypeAlias = Literal["worse", "uncertain", "neutral", "better"]
#: Order of a report.
EFFECTS: Final[tuple[Effect, ...]] = ("worse", "uncertain", "neutral", "better")

_SERVER_TEXT: Final = "the dependencies of MCP servers are not known"
#: Stands among lost signals for the score as a whole.
_SCORE: Final = "score"
#: The signal of advisories.
_ADVISORIES: Final = "known_advisories"
#: Signals that a text names.
_MAX_NAMES: Final = 4
#: Severities, mildest first.
_SEVERITIES: Final = ("low", "unknown", "medium", "high", "critical")


class WatchedFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is compared of a release beside its score."""

    #: Those of ``MARKS`` that are known.
    marks: Mapping[str, bool] = {}
    #: Irreversible hashes of the accounts that can publish; empty = not known.
    accounts: tuple[str, ...] = ()
    #: Newest stable version; empty if not known.
    latest: str = ""
    #: Whether all advisories are known.
    knows_advisories: bool = False


class WatchedAdvisory(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An advisory that affects a release."""

    id: str
    aliases: tuple[str, ...] = ()
    severity: str = "unknown"
    #: None if not known.
    exploited: bool | None = None

    @property
    def ids(self) -> frozenset[str]:
        """Every id that names it."""
        return frozenset((self.id, *self.aliases))


class Watched(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One package at one version, or one repository of the Hub at one commit, as a pass keeps it."""

    ecosystem: EcosystemId
    #: Normalised.
    name: str
    #: Empty if not known.
    version: str = ""
    #: Directories of the projects that have it, relative to the scanned directory; empty for that itself.
    projects: tuple[str, ...] = ("",)
    #: Whether the project does not fix the version, so that it moves without a change of the project.
    floats: bool = False
    #: MCP servers that it is a dependency of, where only a service states so: nothing locks them.
    servers: tuple[str, ...] = ()
    #: Empty if it was only listed.
    state: str = ""
    #: Kind of target and edition: ``packages 2.0``; empty if it was not scored.
    methodology: str = ""
    #: 0-100; None if there is none.
    score: float | None = None
    #: Value (0-100; None if not known) and points of each signal that applies.
    signals: Mapping[str, tuple[float | None, float]] = {}
    #: Limit (0-100) of each cap in force.
    caps: Mapping[str, float] = {}
    #: Signals that were not known at the last pass; their values above are older.
    lost: tuple[str, ...] = ()
    advisories: tuple[WatchedAdvisory, ...] = ()
    #: Whether the registry has the package; None if not known.
    in_registry: bool | None = None
    facts: WatchedFacts = WatchedFacts()

    @property
    def key(self) -> tuple[EcosystemId, str, str]:
        """Ecosystem, name and version."""
        return self.ecosystem, self.name, self.version


class Observation(msgspec.Struct, frozen=True):
    """What a pass found about one package at one version."""

    watched: Watched
    #: Name and reason of each signal.
    labels: Mapping[str, tuple[str, str]] = {}
    #: Reason of each cap in force.
    cap_reasons: Mapping[str, str] = {}
    #: Why there is no score; empty if there is one.
    reason: str = ""
    #: The signal whose evidence decides a cap, for each cap of the methodology that has one.
    cap_signals: Mapping[str, str] = {}


#: ``same``: the same version at both passes.
PairKind: TypeAlias = Literal["same", "added", "removed", "upgraded", "downgraded", "replaced"]


class Pair(msgspec.Struct, frozen=True):
    """What a package was at the last pass, and what it is now."""

    kind: PairKind
    old: Watched | None
    new: Observation | None


class WatchedServer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An MCP server in the configuration of a client."""

    name: str
    client: str
    path: str
    #: What it is: launcher, packages, image, URL and transport, by the name of each.
    parts: Mapping[str, str] = {}


class Registration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the MCP registry states about a server whose package the project runs."""

    name: str
    #: ``active``, ``deprecated`` or ``deleted``; ``missing`` if the registry has none; empty if it states another.
    status: str = ""
    version: str = ""
    packages: tuple[str, ...] = ()
    remotes: tuple[str, ...] = ()


class WatchedWaiver(msgspec.Struct, frozen=True, kw_only=True):
    """A waiver that has an end."""

    label: str
    reason: str
    #: Last day that it applies (ISO 8601).
    until: str
    #: Days that it still applies: 0 on its last day, below 0 after it.
    days_left: int


class WatchChange(msgspec.Struct, frozen=True, kw_only=True):
    """One change since the last pass."""

    kind: Kind
    effect: Effect
    #: Ecosystem; empty for what is no package.
    ecosystem: EcosystemId | Literal[""] = ""
    #: Package, server or waiver; empty if it is about several packages.
    name: str = ""
    #: What it is about in words, beside the name.
    text: str = ""
    #: Empty = there was none, or not known.
    version_before: str = ""
    version_after: str = ""
    #: 0-100.
    score_before: float | None = None
    score_after: float | None = None
    #: Points of the score that the facts about the target moved; None if the change is no fall or rise.
    points: float | None = None
    #: Most points first.
    moves: tuple[Move, ...] = ()
    causes: tuple[Cause, ...] = ()
    #: Id of the advisory; empty if it is about none.
    advisory: str = ""
    severity: str = ""
    #: The packages, if it is about several: ecosystem, name and version.
    members: tuple[tuple[EcosystemId, str, str], ...] = ()


class _Judged(NamedTuple):
    """The changes of the score of a pair, and what the state keeps of the score."""

    changes: list[WatchChange]
    kept: Watched


class Outcome(msgspec.Struct, frozen=True):
    """The changes of the dependencies, and what the next pass compares with."""

    changes: tuple[WatchChange, ...]
    kept: tuple[Watched, ...]


def find_changes(
    pairs: Iterable[Pair], *, unresolved_before: bool = False, unresolved: AbstractSet[str] = frozenset()
) -> Outcome:
    """Return what changed of the dependencies, the worst first, and their state for the next pass.

    Args:
        pairs: each release with what it was at the last pass.
        unresolved_before: whether the dependencies of an MCP server were not known at the last pass.
        unresolved: the MCP servers whose dependencies are not known at this one.
    """
    changes: list[WatchChange] = []
    kept: dict[tuple[EcosystemId, str, str], Watched] = {}
    for pair in pairs:
        old, new = pair.old, pair.new
        if new is None:
            if old is not None and not unresolved.isdisjoint(old.servers):
                changes += _describe_unread(old, None, _SERVER_TEXT)
                kept[old.key] = replace(old, lost=_list_unread(old))
            elif old is not None:
                changes.append(_build(old, "removed", "neutral", version_before=old.version, score_before=old.score))
            continue
        if old is None:
            if new.watched.servers and unresolved_before:
                text = "the dependencies of MCP servers are known now"
                changes.append(_build(new.watched, "source-regained", "uncertain", text, causes=("source regained",)))
            else:
                changes += _describe_added(new.watched)
            kept.setdefault(new.watched.key, new.watched)
            continue
        if old.version and not new.watched.version:
            changes += _describe_unread(old, new, "the version in use is not known")
            kept.setdefault(old.key, _carry_facts("same", old, replace(old, lost=_list_unread(old))))
            continue
        judged = _judge_score(pair.kind, old, new)
        changes += judged.changes
        changes += _compare_advisories(pair.kind, old, new.watched)
        changes += _compare_marks(pair.kind, old, new.watched)
        changes += _compare_package(old, new.watched)
        kept[new.watched.key] = _carry_facts(pair.kind, old, judged.kept)
    return Outcome(tuple(sort_changes(_join_uncertain(changes))), tuple(kept.values()))


def sort_changes(changes: Iterable[WatchChange]) -> list[WatchChange]:
    """Return changes without repetitions, the worst first."""
    kinds: Mapping[str, int] = {kind: rank for rank, kind in enumerate(get_args(Kind))}
    unique = {msgspec.json.encode(change): change for change in changes}

    def rank(change: WatchChange) -> tuple[Any, ...]:
        severity = _SEVERITIES.index(change.severity) if change.severity in _SEVERITIES else -1
        points = change.points or 0.0
        names = change.name, change.ecosystem, change.version_after, change.version_before, change.advisory
        return EFFECTS.index(change.effect), kinds[change.kind], -severity, points, *names, change.text

    return sorted(unique.values(), key=rank)


def _build(watched: Watched, kind: Kind, effect: Effect, text: str = "", **fields: Any) -> WatchChange:  # noqa: ANN401 - those of the struct
    fields.setdefault("version_after", "" if kind == "removed" else watched.version)
    return WatchChange(kind=kind, effect=effect, ecosystem=watched.ecosystem, name=watched.name, text=text, **fields)


def _describe_added(new: Watched) -> Iterator[WatchChange]:
    yield _build(new, "added", "neutral", score_after=new.score)
    for advisory in new.advisories:
        yield _build_advisory(new, advisory, "advisory-new", "worse", "it came with the dependency")


# --- scores


def build_snapshot(watched: Watched, labels: Mapping[str, tuple[str, str]], reasons: Mapping[str, str]) -> Snapshot:
    """Return the score of a release in the form that the history explains."""
    total = sum(points for _, points in watched.signals.values())
    return Snapshot(
        day=0,
        version=watched.version,
        methodology=watched.methodology,
        value=watched.score,
        low=None,
        high=None,
        total=total if watched.score is not None else None,
        grade=None,
        coverage=0.0,
        provisional=False,
        dimensions={},
        signals=tuple(
            SnapshotSignal(
                id=id_,
                name=labels.get(id_, (id_, ""))[0],
                dimension="",
                state="unknown" if value is None else "known",
                value=value,
                points=points,
                reason=labels.get(id_, ("", ""))[1],
                source="",
            )
            for id_, (value, points) in watched.signals.items()
        ),
        caps=tuple(SnapshotCap(id_, limit, reasons.get(id_, "")) for id_, limit in watched.caps.items()),
    )


def _list_unread(watched: Watched) -> tuple[str, ...]:
    """Return the signals that are lost where nothing of a release could be read."""
    return tuple(sorted((_SCORE, *(id_ for id_, (value, _) in watched.signals.items() if value is not None))))


def _describe_unread(old: Watched, new: Observation | None, text: str) -> Iterator[WatchChange]:
    """Yield that nothing of a release could be read, unless that was so at the last pass."""
    if _SCORE not in old.lost:
        reason = f": {new.reason}" if new is not None and new.reason else ""
        yield _build(
            old, "source-lost", "uncertain", f"{text}{reason}", causes=("source lost",), score_before=old.score
        )


def _judge_score(kind: PairKind, old: Watched, new: Observation) -> _Judged:
    """Return how the score changed, and what the next pass compares with.

    That is the score of this pass, unless the change was too small to be one or a source is missing: then what was
    known before stays.
    """
    now = new.watched
    fields: dict[str, Any]
    if old.methodology and now.methodology and old.methodology != now.methodology:
        text = f"methodology {old.methodology} before, {now.methodology} now: scores are not compared"
        fields = {"score_before": old.score, "score_after": now.score, "causes": ("methodology",)}
        changes = [_build(now, "methodology", "uncertain", text, **fields)]
        return _Judged(([_describe_version(kind, old, now)] if kind != "same" else []) + changes, now)
    if kind == "same" and old.methodology and not now.methodology:
        unread = [] if now.facts.marks.get("vanished") else list(_describe_unread(old, new, "no score"))
        kept = replace(
            now,
            state=old.state,
            methodology=old.methodology,
            score=old.score,
            signals=old.signals,
            caps=old.caps,
            lost=_list_unread(old),
        )
        return _Judged(unread, kept)
    if kind == "same" and not old.methodology and now.methodology and old.state in ("unknown", "not-judged"):
        fields = {"score_after": now.score, "causes": ("source regained",)}
        return _Judged([_build(now, "source-regained", "uncertain", "score: known now", **fields)], now)
    return _judge_numbers(kind, old, new)


class _Moved(NamedTuple):
    """How the numbers of a score moved."""

    #: Points that facts about the target moved; None if they are no change.
    points: float | None
    #: Most points first.
    moves: tuple[Move, ...]
    causes: tuple[Cause, ...]
    #: Whether both scores, and the direction of the one to the other, are of what moved: else sources moved them.
    shows_scores: bool
    #: Signals that are not known any more, and those that are known now.
    lost: frozenset[str]
    learned: frozenset[str]
    #: Limits that are known to be in force.
    caps: Mapping[str, float]


def _measure_move(old: Watched, now: Watched, new: Observation) -> _Moved:
    step = explain_step(build_snapshot(old, new.labels, {}), build_snapshot(now, new.labels, new.cap_reasons))
    lost = frozenset(move.id for move in step.moves if move.kind == "lost")
    learned = frozenset(move.id for move in step.moves if move.kind == "regained")
    is_partial = bool(lost or learned)
    caps = _find_caps(old, now, new.cap_signals, lost, learned) if is_partial else now.caps
    counted = ("changed",) if is_partial else ("changed", "reweighted")
    counts_cap = not is_partial or caps != old.caps
    moves = tuple(move for move in step.moves if move.kind in counted or (move.kind == "cap" and counts_cap))
    if is_partial:
        moves = tuple(_drop_reweighting(move, old) for move in moves)
    points = _find_points(old, moves, caps) if is_partial else step.change
    is_crossed = {old.state, now.state} == {"ok", "below"} and not is_partial and bool(points)
    if points is None or now.score is None or not (abs(points) >= MIN_POINTS or is_crossed):
        return _Moved(None, (), step.causes, shows_scores=True, lost=lost, learned=learned, caps=caps)
    return _Moved(points, moves, step.causes, (step.change or 0.0) * points > 0, lost, learned, caps)


def _judge_numbers(kind: PairKind, old: Watched, new: Observation) -> _Judged:
    """Return how a score that both passes have, or that one of them lacks, changed."""
    is_same = kind == "same"
    now = _withhold_unread(old, new.watched) if is_same else new.watched
    moved = _measure_move(old, now, new)
    is_unscored = old.score is not None and now.score is None
    is_gone = is_same and is_unscored and bool(now.facts.marks.get("vanished"))
    is_read = bool(old.methodology and now.methodology)
    changes = []
    if not is_same:
        changes.append(_describe_version(kind, old, now, moved))
    elif moved.points is not None:
        changes.append(_describe_move(old, now, moved, moved.points))
    elif (is_gone and _SCORE not in old.lost) or (is_unscored and is_read and not moved.lost):
        changes.append(_build(now, "score-missing", "worse", new.reason, score_before=old.score))
    if not is_gone:  # else the version is lost, and not a source
        has_row = not is_same or moved.points is not None
        changes += _describe_sources(old, new, moved, shows_scores=not (has_row and moved.shows_scores))
    kept = now if not is_same else _keep_score(old, now, moved)
    if is_gone:
        kept = replace(kept, lost=tuple(sorted({*kept.lost, _SCORE})))
    return _Judged(changes, kept)


def _describe_move(old: Watched, now: Watched, moved: _Moved, points: float) -> WatchChange:
    fields: dict[str, Any] = {"points": points, "moves": moved.moves, "causes": moved.causes}
    if moved.shows_scores:
        fields |= {"score_before": old.score, "score_after": now.score}
    return _build(now, *(("score-fell", "worse") if points < 0 else ("score-rose", "better")), **fields)


def list_unread(old: Watched, new: Watched) -> frozenset[str]:
    """Return the ids of the advisories of the last pass that are still named, and whose severity was not read again."""
    unread = [
        item.ids
        for item in old.advisories
        if item.severity != "unknown"
        and (named := [other for other in new.advisories if item.ids & other.ids])
        and all(other.severity == "unknown" for other in named)
    ]
    return frozenset[str]().union(*unread)


def _withhold_unread(old: Watched, now: Watched) -> Watched:
    """Return a release without the signal of its advisories if records of them could not be read again."""
    value, _ = now.signals.get(_ADVISORIES, (None, 0.0))
    if value is None or not list_unread(old, now):
        return now
    return replace(now, signals={**now.signals, _ADVISORIES: (None, 0.0)})


def _find_caps(
    old: Watched, now: Watched, cap_signals: Mapping[str, str], lost: AbstractSet[str], learned: AbstractSet[str]
) -> dict[str, float]:
    """Return the limits that are known to be in force, by what is known of the target at both passes.

    A new or another one counts unless its signal was not known before. One that is gone or higher stays while its
    signal is not known, and where another took its place that does not count.
    """
    caps: dict[str, float] = {}
    left_out: set[str] = set()
    for id_, limit in now.caps.items():
        if _decide(cap_signals, id_, learned):
            caps[id_] = limit if _decide(cap_signals, id_, lost) else min(limit, old.caps.get(id_, limit))
        else:
            left_out.add(cap_signals.get(id_, ""))
    for id_, limit in old.caps.items():
        if id_ not in caps and (cap_signals.get(id_, "") in left_out or not _decide(cap_signals, id_, lost)):
            caps[id_] = limit
    return caps


def _decide(cap_signals: Mapping[str, str], cap: str, missing: AbstractSet[str]) -> bool:
    """Return whether a cap is decided although some signals are not known."""
    return cap_signals[cap] not in missing if cap in cap_signals else not missing


def _drop_reweighting(move: Move, old: Watched) -> Move:
    """Return what a signal moved at the weight that it had: that of others changes with the number of known signals."""
    if move.kind != "changed" or not move.before or move.after is None:
        return move
    points = old.signals[move.id][1] * (move.after - move.before) / move.before
    return replace(move, points=round(points, 2))


def _find_points(old: Watched, moves: Sequence[Move], caps: Mapping[str, float]) -> float | None:
    """Return the points that facts about the target moved, where signals were lost or learned; None without a score.

    The total moved for another reason as well: the parts of the signals that changed are added to the earlier total,
    and limited.
    """
    if old.score is None:
        return None
    total = sum(points for _, points in old.signals.values())
    changed = sum(move.points for move in moves if move.kind == "changed")
    before = min(total, *old.caps.values()) if old.caps else total
    after = min(total + changed, *caps.values()) if caps else total + changed
    return round(min(after, 100.0) - before, 1)


def _describe_version(kind: PairKind, old: Watched, now: Watched, moved: _Moved | None = None) -> WatchChange:
    points = None if moved is None else moved.points
    effect: Effect = "neutral" if points is None else "worse" if points < 0 else "better"
    shows_scores = moved is not None and moved.shows_scores
    is_moved = now.floats and old.floats
    has_commits = is_repository(now.ecosystem)
    text = {"upgraded": "a newer version", "downgraded": "an older version"}.get(kind, "another version")
    if has_commits:
        text = "the branch has another commit" if is_moved else "the project names another commit"
    elif is_moved:
        text += ", which the requirement selects now"
    return _build(
        now,
        "model-moved" if is_hub(now.ecosystem) else "version",
        "worse" if has_commits and is_moved and effect == "neutral" else effect,
        text,
        version_before=old.version,
        score_before=old.score if shows_scores else None,
        score_after=now.score if shows_scores else None,
        points=points,
        moves=() if moved is None else moved.moves,
        causes=("version",),
    )


def _describe_sources(old: Watched, new: Observation, moved: _Moved, *, shows_scores: bool) -> Iterator[WatchChange]:
    """Yield which signals were lost since the last pass, and which are known again.

    Of two such rows one has the scores: only one row is about what the numbers did.
    """
    now = new.watched
    fields = {"score_before": old.score, "score_after": now.score} if shows_scores else {}
    for kind, cause, ids, verb in (
        ("source-lost", "source lost", moved.lost - {*old.lost}, "not known any more"),
        ("source-regained", "source regained", moved.learned | ({*old.lost} - moved.lost), "known now"),
    ):
        if ids:
            names = sorted({new.labels.get(id_, (id_, ""))[0] for id_ in ids})
            rest = len(names) - _MAX_NAMES
            more = f" and {rest} more" if rest > 0 else ""
            text = f"{', '.join(names[:_MAX_NAMES])}{more}: {verb}"
            yield _build(now, kind, "uncertain", text, causes=(cause,), **fields)  # type: ignore[arg-type]
            fields = {}


def _keep_score(old: Watched, now: Watched, moved: _Moved) -> Watched:
    if moved.lost:
        state = old.state if now.state in ("unknown", "not-judged") else now.state
        kept = replace(now, lost=tuple(sorted(moved.lost)), state=state, score=old.score)
        if moved.points is None:
            return replace(kept, signals=old.signals, caps=old.caps)
        score = None if old.score is None else round(min(100.0, max(0.0, old.score + moved.points)), 1)
        signals = {**now.signals, **{id_: old.signals[id_] for id_ in moved.lost if id_ in old.signals}}
        return replace(kept, score=score, signals=signals, caps=dict(moved.caps))
    is_learned = any(value is not None for value, _ in now.signals.values()) and any(
        old.signals.get(id_, (0.0, 0.0))[0] is None and value is not None for id_, (value, _) in now.signals.items()
    )
    is_small = moved.points is None and not is_learned and old.score is not None and now.score is not None
    if is_small:
        return replace(now, score=old.score, signals=old.signals, caps=old.caps)
    return now


# --- advisories


def _build_advisory(
    watched: Watched, advisory: WatchedAdvisory, kind: Kind, effect: Effect, text: str = ""
) -> WatchChange:
    return _build(watched, kind, effect, text, advisory=advisory.id, severity=advisory.severity)


def _compare_advisories(kind: PairKind, old: Watched, new: Watched) -> Iterator[WatchChange]:
    for advisory in new.advisories:
        known = next((item for item in old.advisories if item.ids & advisory.ids), None)
        if known is None:
            is_checked = old.facts.knows_advisories
            text = "it came with the version" if kind != "same" else ""
            text = text if is_checked else "not all advisories were known at the last pass"
            effect: Effect = "worse" if is_checked or kind != "same" else "uncertain"
            yield _build_advisory(new, advisory, "advisory-new", effect, text)
        elif advisory.exploited and not known.exploited:
            text = "known to be exploited" + (" (not known at the last pass)" if known.exploited is None else " now")
            effect = "uncertain" if known.exploited is None else "worse"
            yield _build_advisory(new, advisory, "advisory-exploited", effect, text)
        elif _rank(advisory.severity) > _rank(known.severity):
            is_read = _ADVISORIES not in old.signals or old.signals[_ADVISORIES][0] is not None
            text = f"severity was {known.severity}" if is_read else "its severity was not known at the last pass"
            yield _build_advisory(new, advisory, "advisory-raised", "worse" if is_read else "uncertain", text)
    if not new.facts.knows_advisories:
        return
    for advisory in old.advisories:
        if not any(item.ids & advisory.ids for item in new.advisories):
            text = "withdrawn, or it does not affect the version any more" if kind == "same" else "not in this version"
            yield _build_advisory(new, advisory, "advisory-gone", "better", text)


def _rank(severity: str) -> int:
    return _SEVERITIES.index(severity) if severity in _SEVERITIES else _SEVERITIES.index("unknown")


# --- facts of the registry


def _compare_marks(kind: PairKind, old: Watched, new: Watched) -> Iterator[WatchChange]:
    for id_ in MARKS:
        before, after = old.facts.marks.get(id_), new.facts.marks.get(id_)
        mark: Any = id_
        began, ended = _MARK_TEXTS[id_]
        if after and not before:
            if before is None and kind == "same":
                yield _build(new, mark, "uncertain", f"{began} (not known at the last pass)")
            else:
                yield _build(new, mark, "worse", began)
        elif before and after is False and id_ not in _FADING_MARKS:
            yield _build(new, mark, "better", ended)


def _compare_package(old: Watched, new: Watched) -> Iterator[WatchChange]:
    if old.in_registry and new.in_registry is False:
        yield _build(new, "name-vanished", "worse", "the registry has no package of this name any more")
    elif old.in_registry is False and new.in_registry:
        yield _build(
            new,
            "name-registered",
            "worse",
            "the registry has a package of this name now: at the last pass the name was free",
        )
    if old.facts.accounts and new.facts.accounts:
        before, after = {*old.facts.accounts}, {*new.facts.accounts}
        if before != after:
            text = f"accounts that can publish: {len(after - before)} added, {len(before - after)} removed"
            yield _build(new, "accounts", "worse" if after - before else "neutral", text)
    if old.facts.latest and new.facts.latest and old.facts.latest != new.facts.latest:
        is_older = not get_ecosystem(new.ecosystem).is_at_least(new.facts.latest, old.facts.latest)
        fields = {"version_before": old.facts.latest, "version_after": new.facts.latest}
        if is_older:
            yield _build(new, "release-gone", "worse", "the newest release of the last pass is gone", **fields)
        else:
            yield _build(new, "release", "neutral", f"newest release; in use: {new.version or 'not known'}", **fields)


def _carry_advisory(advisory: WatchedAdvisory, old: Sequence[WatchedAdvisory]) -> WatchedAdvisory:
    """Return an advisory with what is not known of it now and was before."""
    known = next((item for item in old if item.ids & advisory.ids), None)
    if known is None:
        return advisory
    severity = known.severity if advisory.severity == "unknown" else advisory.severity
    exploited = known.exploited if advisory.exploited is None else advisory.exploited
    return replace(advisory, severity=severity, exploited=exploited)


def _carry_facts(kind: PairKind, old: Watched, new: Watched) -> Watched:
    """Return the state of this pass, with what is not known now and was before."""
    facts = new.facts
    advisories = tuple(_carry_advisory(advisory, old.advisories) for advisory in new.advisories)
    marks = facts.marks
    knows_advisories = facts.knows_advisories
    if kind == "same":
        marks = {**old.facts.marks, **facts.marks}
        if not knows_advisories:
            known = frozenset[str]().union(*(item.ids for item in advisories))
            advisories = (*advisories, *(item for item in old.advisories if not item.ids & known))
            knows_advisories = old.facts.knows_advisories
    facts = replace(
        facts,
        marks=marks,
        accounts=facts.accounts or old.facts.accounts,
        latest=facts.latest or old.facts.latest,
        knows_advisories=knows_advisories,
    )
    in_registry = old.in_registry if new.in_registry is None else new.in_registry
    return replace(new, facts=facts, advisories=advisories, in_registry=in_registry)


def _join_uncertain(changes: Iterable[WatchChange]) -> Iterator[WatchChange]:
    """Yield the changes; what a source or a methodology did to several packages is one."""
    groups: dict[tuple[Kind, str], list[WatchChange]] = {}
    for change in changes:
        if change.kind in ("source-lost", "source-regained", "methodology"):
            groups.setdefault((change.kind, change.text), []).append(change)
        else:
            yield change
    for members in groups.values():
        first = members[0]
        if len(members) == 1:
            yield first
            continue
        packages = sorted((item.ecosystem, item.name, item.version_after) for item in members if item.ecosystem)
        yield WatchChange(
            kind=first.kind, effect=first.effect, text=first.text, causes=first.causes, members=tuple(packages)
        )


# --- servers


def compare_servers(old: Sequence[WatchedServer], new: Sequence[WatchedServer]) -> Iterator[WatchChange]:
    """Yield the MCP servers that were added to, removed from or changed in the configuration of clients."""
    before = {(item.path, item.client, item.name): item for item in old}
    after = {(item.path, item.client, item.name): item for item in new}
    for key in sorted(before.keys() | after.keys()):
        path, client, name = key
        place = f"in {path} ({client})"
        if key not in before:
            text = f"{place}: {describe_parts(after[key].parts)}"
            yield WatchChange(kind="mcp-added", effect="neutral", name=name, text=text)
        elif key not in after:
            yield WatchChange(kind="mcp-removed", effect="neutral", name=name, text=place)
        elif before[key].parts != after[key].parts:
            text = f"{place}: {'; '.join(_compare_parts(before[key].parts, after[key].parts))}"
            yield WatchChange(kind="mcp-changed", effect="neutral", name=name, text=text)


def describe_parts(parts: Mapping[str, str]) -> str:
    """Return ``npx, package npm:server@1.0``."""
    return ", ".join(f"{id_} {text}" for id_, text in sorted(parts.items())) or "nothing that is known"


def _compare_parts(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for id_ in sorted(old.keys() | new.keys()):
        before, after = old.get(id_, "none"), new.get(id_, "none")
        if before != after:
            yield f"{id_} {before} before, {after} now"


def compare_registrations(old: Sequence[Registration], new: Sequence[Registration]) -> Iterator[WatchChange]:
    """Yield what the MCP registry states otherwise than at the last pass. What is in one of them only is left out."""
    before = {item.name: item for item in old}
    for item in new:
        known = before.get(item.name)
        if known is None:
            continue
        if known.status != item.status:
            effect: Effect = "better" if item.status == "active" else "worse"
            text = f"the MCP registry states {item.status or 'no status'} (before: {known.status or 'no status'})"
            yield WatchChange(kind="mcp-registry", effect=effect, name=item.name, text=text)
        differences = [
            f"{label} {', '.join(first) or 'none'} before, {', '.join(second) or 'none'} now"
            for label, first, second in (
                ("packages", known.packages, item.packages),
                ("remote addresses", known.remotes, item.remotes),
            )
            if first != second
        ]
        if differences or known.version != item.version:
            yield WatchChange(
                kind="mcp-registry",
                effect="neutral",
                name=item.name,
                text="; ".join(("the MCP registry has another registration", *differences)),
                version_before=known.version,
                version_after=item.version,
            )


def carry_registrations(
    old: Sequence[Registration], new: Sequence[Registration], unknown: Iterable[str]
) -> tuple[Registration, ...]:
    """Return the registrations for the next pass: for names that the registry did not answer, those of the last."""
    missing = {*unknown} - {item.name for item in new}
    return tuple(sorted((*new, *(item for item in old if item.name in missing)), key=lambda item: item.name))


# --- waivers


def compare_waivers(waivers: Iterable[WatchedWaiver], days_passed: int, notice_days: int) -> Iterator[WatchChange]:
    """Yield the waivers that ended since the last pass, or whose end came near.

    Args:
        waivers: those in force now.
        days_passed: whole UTC days since the last pass.
        notice_days: days before the end of a waiver from which on it is near.
    """
    for waiver in waivers:
        before = waiver.days_left + days_passed
        if waiver.days_left < 0 <= before:
            text = f"ended on {waiver.until}: {waiver.reason}"
            yield WatchChange(kind="waiver-ended", effect="worse", name=waiver.label, text=text)
        elif 0 <= waiver.days_left <= notice_days < before:
            text = f"ends on {waiver.until}, in {format_count(waiver.days_left, 'day')}: {waiver.reason}"
            yield WatchChange(kind="waiver-ends", effect="neutral", name=waiver.label, text=text)
