"""What the page about one target states beyond its score: concerns, takeaways, and computed answers. Pure.

Every sentence is made from facts of the target: where there is no fact there is no sentence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Final

import msgspec

from nerq_cli.facts import AffectingAdvisory
from nerq_cli.insight.alternatives import Choice
from nerq_cli.insight.alternatives import describe_score as describe_option_score
from nerq_cli.insight.guidance import Guidance
from nerq_cli.insight.history import Trend
from nerq_cli.insight.malware import advise_about_malware, describe_malware, is_reported
from nerq_cli.insight.purpose import Purpose
from nerq_cli.scoring import Score, ScorePart
from nerq_cli.signals.advisories import describe_fix, describe_severity
from nerq_cli.signals.signal import Signal, days_between, format_age, format_count
from nerq_cli.units import DAY

#: Points (0-100) that a signal must lose to be a concern or a takeaway.
_MIN_POINTS: Final = 0.5
#: Concerns and names that are listed.
_MAX_CONCERNS: Final = 12
_MAX_NAMES: Final = 3
#: Advisories that a sentence names.
_MAX_ADVISORIES: Final = 5
#: Value (0-100) from which a signal speaks for a target.
_GOOD: Final = 80.0


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """Another version of the target that was scored."""

    version: str
    #: None = it could not be scored.
    value: float | None
    passes: bool
    #: Whether what is not known leaves its score without a grade, or may take it below the threshold.
    is_open: bool = False
    #: Ids of the advisories that affect the version in use and not this one.
    fixed_advisories: tuple[str, ...] = ()
    #: What its provenance holds against it, as phrases.
    concerns: tuple[str, ...] = ()

    @property
    def number(self) -> str:
        """The score as shown; empty without one."""
        return "" if self.value is None else f"{'~' * self.is_open}{self.value:.1f}"


class PageSubject(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the target of a page."""

    #: Name and version: ``requests 2.31.0``.
    label: str
    name: str
    #: As shown; empty = not known.
    version: str
    #: In a word: ``package``, ``model``.
    kind: str
    #: Moment that ages are counted to (epoch seconds UTC).
    as_of: int
    #: None = it was not scored.
    score: Score | None
    #: Why it has no score; empty if it has one.
    reason: str
    #: Score that it must reach, 0-100.
    threshold: float
    #: One for each vulnerability, worst first.
    advisories: tuple[AffectingAdvisory, ...]
    #: Whether ``advisories`` has all that are known to the sources.
    knows_advisories: bool
    #: Why it counts as malicious; empty if it does not.
    malware: str
    #: What fails the gate beside the score.
    objections: tuple[str, ...]
    #: Newest stable version; empty = not known.
    latest: str
    latest_released_at: int
    #: None = not known.
    releases_behind: int | None
    #: Epoch seconds UTC; 0 = not known.
    released_at: int
    #: The version to move to; None = none is proposed.
    proposed: Version | None
    #: The newest version, where it was scored.
    newest: Version | None
    #: By purpose.
    guidance: Mapping[Purpose, Guidance]
    purpose: Purpose
    #: None = alternatives were not looked for.
    choice: Choice | None
    #: Over 90 days; None = no history is kept.
    trend: Trend | None
    #: What its provenance holds against it, as phrases.
    provenance: tuple[str, ...] = ()
    #: Class of the EU AI Act in words, and why; empty = none was assessed.
    eu_class: str = ""
    eu_reason: str = ""


class Concern(msgspec.Struct, frozen=True, kw_only=True):
    """Something that speaks against a target, or that is not known of it."""

    #: Name of the signal or cap, or what kind of concern it is.
    subject: str
    text: str
    #: What it costs or limits: ``costs 3.2 points``.
    effect: str
    #: Where it is known from, with the day; empty = from several.
    source: str
    #: Points (0-100) that it costs; None = it has no number of its own.
    points: float | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A question about a target with its answer."""

    #: Stable identifier.
    id: str
    question: str
    answer: str


class PageTexts(msgspec.Struct, frozen=True, kw_only=True):
    """The sentences of a page."""

    concerns: tuple[Concern, ...]
    takeaways: tuple[str, ...]
    answers: tuple[Answer, ...]


def write_texts(subject: PageSubject) -> PageTexts:
    """Return the sentences about a target."""
    return PageTexts(
        concerns=tuple(list_concerns(subject)),
        takeaways=tuple(list_takeaways(subject)),
        answers=tuple(answer_questions(subject)),
    )


# --- concerns


def list_concerns(subject: PageSubject) -> Iterator[Concern]:
    """Yield what the evidence of a target holds against it, the strongest first, then what is not known."""
    for objection in subject.objections:
        yield Concern(subject="policy", text=objection, effect="fails the gate", source="")
    score = subject.score
    if score is None:
        yield Concern(subject="score", text=subject.reason, effect="no score", source="")
        return
    total = 100.0 if score.total is None else score.total
    capped = {spec.signal for cap in score.caps if (spec := score.methodology.caps.get(cap.id)) is not None}
    for cap in score.caps:
        points = max(0.0, total - cap.limit)
        effect = f"limits the score to {cap.limit:g}" + (f", {points:.1f} points less" if points else "")
        source = _name_source(cap.source, cap.retrieved_at)
        yield Concern(
            subject=f"cap {cap.id.replace('_', ' ')}", text=cap.reason, effect=effect, source=source, points=points
        )
    stated = [*(cap.reason for cap in score.caps), *(signal.reason for signal in score.signals)]
    for text in subject.provenance:
        if not any(text in other for other in stated):
            yield Concern(subject="provenance", text=text, effect="find out who published it", source="")
    costly = [part for part in score.parts if part.lost_points >= _MIN_POINTS and part.signal.id not in capped]
    for part in sorted(costly, key=lambda part: -part.lost_points)[:_MAX_CONCERNS]:
        yield Concern(
            subject=part.spec.name,
            text=part.signal.reason,
            effect=f"costs {part.lost_points:.1f} points",
            source=_name_source(part.signal.source, part.signal.retrieved_at),
            points=part.lost_points,
        )
    for doubt in score.doubts:
        yield Concern(subject="not read", text=doubt, effect="may limit the score", source="")
    for reason, parts in _group_unknown(score).items():
        names = ", ".join(part.spec.name for part in parts)
        sources = ", ".join(dict.fromkeys(part.signal.source for part in parts if part.signal.source))
        yield Concern(subject="not known", text=f"{names}: {reason}", effect="lowers the coverage", source=sources)


def _group_unknown(score: Score) -> dict[str, list[ScorePart]]:
    groups: dict[str, list[ScorePart]] = {}
    for part in score.parts:
        if part.signal.state == "unknown":
            groups.setdefault(part.signal.reason, []).append(part)
    return groups


# --- takeaways


def list_takeaways(subject: PageSubject) -> Iterator[str]:
    """Yield the few sentences that matter most."""
    yield _describe_result(subject)
    score = subject.score
    if score is not None and score.value is not None and not subject.malware:
        parts = [part for part in score.parts if part.signal.state == "known"]
        best = sorted(
            (part for part in parts if (part.signal.value or 0) >= _GOOD and part.contribution >= _MIN_POINTS),
            key=lambda part: -part.contribution,
        )
        if best:
            yield f"Most of the points of {subject.label} come from {_list_parts(best, lost=False)}."
        lowest = score.caps[0] if score.caps else None
        if lowest is not None and (score.total or 0) > lowest.limit:
            yield f"The score of {subject.label} is limited to {lowest.limit:g}: {lowest.reason}."
        worst = sorted((part for part in parts if part.lost_points >= _MIN_POINTS), key=lambda part: -part.lost_points)
        if worst:
            yield f"{subject.label} loses most points by {_list_parts(worst, lost=True)}."
    if subject.provenance and not subject.malware:
        yield f"Find out who published {subject.label}: {'; '.join(subject.provenance)}."
    yield from _describe_action(subject)
    if subject.trend is not None and subject.trend.change is not None:
        trend = subject.trend
        if trend.direction != "no trend":
            text = f"is {trend.direction}: {trend.change:+.1f} points over {trend.weeks} weeks"
        elif trend.step is not None:
            verb = "fell" if trend.step < 0 else "rose"
            text = f"{verb} by {abs(trend.step):.1f} points in one step, within {trend.weeks} weeks"
        else:
            text = f"has no trend: {trend.change:+.1f} points over {trend.weeks} weeks"
        yield f"The score of {subject.name} {text}."
    if score is not None and any(signal.state == "unknown" for signal in score.signals):
        names = [part.spec.name for part in score.parts if part.signal.state == "unknown"]
        share = f"{1 - score.coverage:.0%} of the evidence about {subject.label}"
        yield f"{share} is not known: {_join(names)}."


def _describe_result(subject: PageSubject) -> str:
    score, label = subject.score, subject.label
    if subject.malware:
        return f"{describe_malware(label, subject.kind, subject.malware)}."
    if score is None or score.value is None:
        return f"{label} has no score: {subject.reason}."
    return (
        f"{label} scores {score.sign}{score.value:.1f}{_qualify_score(score)}, "
        f"{_place_score(score, score.value, subject.threshold)}, "
        f"with {score.coverage:.0%} of the evidence known on {_format_day(subject.as_of)}."
    )


def _qualify_score(score: Score) -> str:
    """Return what stands after the number: the grade, or the range without one."""
    if score.grade is not None:
        return f" (grade {score.grade})"
    low, high = (score.value if bound is None else bound for bound in (score.low, score.high))
    words = "provisional" if score.provisional else "no grade"
    return f" ({words}, {low or 0:.1f} to {high or 0:.1f} by what is not known)"


def _place_score(score: Score, value: float, threshold: float) -> str:
    """Return where a score is beside the threshold; on which side is not settled where its range has both."""
    low, high = (value if bound is None else bound for bound in (score.low, score.high))
    if score.grade is None and low < threshold <= high:
        return f"which leaves open whether it reaches the threshold of {threshold:g}"
    difference = value - threshold
    relation = f"{abs(difference):.1f} {'above' if difference > 0 else 'below'}" if difference else "exactly at"
    return f"{relation} the threshold of {threshold:g}"


def _list_parts(parts: Sequence[ScorePart], *, lost: bool) -> str:
    texts = [
        f"{part.spec.name} ({part.lost_points if lost else part.contribution:.1f}: {part.signal.reason})"
        for part in parts[:_MAX_NAMES]
    ]
    return _join(texts)


def _describe_action(subject: PageSubject) -> Iterator[str]:
    if subject.malware:
        if is_reported(subject.kind):
            yield f"About {subject.label}: {advise_about_malware(subject.kind)}."
        else:
            yield f"Remove {subject.label}, and treat the machines that installed it as compromised."
        return
    proposed = subject.proposed
    if proposed is not None:
        ids = proposed.fixed_advisories
        fixed = f", and is not affected by {_list_ids(ids)}" if ids else ""
        number = "has no score" if proposed.value is None else f"scores {proposed.number}"
        yield f"From {subject.label} move to {proposed.version}, which {number}{fixed}.{_doubt_version(proposed)}"
    elif subject.latest and subject.releases_behind:
        newest = subject.newest
        number = f", which scores {newest.number}" if newest is not None and newest.number else ""
        behind = format_count(subject.releases_behind, "release")
        doubt = _doubt_version(newest) if newest is not None else ""
        yield f"{subject.label} is {behind} behind {subject.latest}{number}.{doubt}"
    below = subject.score is None or subject.score.value is None or subject.score.value < subject.threshold
    if below and subject.choice is not None and subject.choice.options:
        names = [option.candidate.name or option.candidate.feature for option in subject.choice.options]
        yield f"Instead of {subject.name}, {_join(names, 'or')} can be used: see the alternatives."


def _describe_unknown(subject: PageSubject, score: Score) -> str:
    groups = _group_unknown(score)
    texts = [f"{_join([part.spec.name for part in parts])} ({reason})" for reason, parts in groups.items()]
    return f"Not known of {subject.label}, {1 - score.coverage:.0%} of the evidence: {'; '.join(texts)}."


# --- questions


def answer_questions(subject: PageSubject) -> Iterator[Answer]:
    """Yield the questions that the evidence can answer, or leaves open, with their answers."""
    label, name = subject.label, subject.name
    yield Answer(
        id="safe",
        question=f"Is {label} safe to use for {subject.purpose}?",
        answer=subject.guidance[subject.purpose].verdict,
    )
    signals = _index_signals(subject.score)
    if "known_advisories" in signals:
        yield Answer(
            id="vulnerabilities",
            question=f"Does {label} have known vulnerabilities?",
            answer=_answer_vulnerabilities(subject, signals["known_advisories"]),
        )
    if subject.latest and subject.latest_released_at // DAY <= subject.as_of // DAY:
        yield Answer(id="version", question=f"Which version of {name} is to be used?", answer=_answer_version(subject))
    yield from _answer_by_signals(subject, signals)
    if subject.eu_class:
        yield Answer(
            id="eu-class",
            question=f"Which class of the EU AI Act does the page of {name} point to?",
            answer=f"{_capitalise(subject.eu_class)}, by what its page describes"
            + (f": {subject.eu_reason}." if subject.eu_reason else "."),
        )
    yield Answer(
        id="licence",
        question=f"Under which licence is {label}?",
        answer=_end(f"{label}: {subject.guidance[subject.purpose].licence}"),
    )
    if subject.choice is not None and subject.choice.options:
        yield Answer(
            id="alternatives",
            question=f"What can be used instead of {name}?",
            answer=_end(_answer_alternatives(subject, subject.choice)),
        )
    if subject.score is not None:
        yield Answer(
            id="unknown", question=f"What is not known about {label}?", answer=_answer_unknown(subject, subject.score)
        )


def _index_signals(score: Score | None) -> dict[str, Signal]:
    return {} if score is None else {signal.id: signal for signal in score.signals}


def _answer_vulnerabilities(subject: PageSubject, signal: Signal) -> str:
    label, count = subject.label, len(subject.advisories)
    if not count:
        if not subject.knows_advisories:
            return f"It is not known of {label}: {signal.reason}."
        return f"No: {_cite(signal)} about {label}."
    listed = "; ".join(_describe_advisory(advisory) for advisory in subject.advisories[:_MAX_ADVISORIES])
    more = f"; and {count - _MAX_ADVISORIES} more" if count > _MAX_ADVISORIES else ""
    verb = "affects" if count == 1 else "affect"
    doubt = "" if subject.knows_advisories else f" There may be more: {signal.reason}."
    return f"Yes: {count} known {'one' if count == 1 else 'ones'} {verb} {label}: {listed}{more}.{doubt}"


def _describe_advisory(advisory: AffectingAdvisory) -> str:
    if advisory.malware:
        return f"{advisory.id} (malware)"
    fixed = describe_fix(advisory, next(iter(advisory.fixed_in), ""))
    exploited = "known to be exploited" if advisory.exploited else ""
    parts = (describe_severity(advisory), exploited, fixed)
    return f"{advisory.id} ({', '.join(filter(None, parts))})"


def _answer_version(subject: PageSubject) -> str:
    label, newest, proposed = subject.label, subject.newest, subject.proposed
    released = ""
    if subject.latest_released_at:
        age = format_age(days_between(subject.latest_released_at, subject.as_of))
        released = f", released {age} ago on {_format_day(subject.latest_released_at)}"
    number = f" and scores {newest.number}" if newest is not None and newest.number else ""
    if subject.malware and proposed is None:
        if subject.latest == subject.version:
            return f"None that is known: {label}, which is malicious, is the newest{released}."
        return f"Not {label}, which is malicious. The newest is {subject.latest}{released}{number}."
    if proposed is not None:
        ids = proposed.fixed_advisories
        fixes = f" It is not affected by {_list_ids(ids)}." if ids else ""
        return (
            f"{proposed.version}, instead of {subject.version}: {_judge_version(proposed, subject.threshold)}."
            f"{fixes}{_doubt_version(proposed)} "
            f"The newest of {subject.name} is {subject.latest}{released}."
        )
    if subject.releases_behind:
        behind = format_count(subject.releases_behind, "release")
        doubt = _doubt_version(newest) if newest is not None else ""
        return f"{subject.latest} is the newest{released}{number}; {label} is {behind} behind it.{doubt}"
    if subject.latest == subject.version:
        return f"{label} is the newest{released}."
    return f"The newest stable version of {subject.name} is {subject.latest}{released}{number}."


def _doubt_version(version: Version) -> str:
    """Return a sentence with what is to be settled before a version is used; empty without anything."""
    return f" Find out who published it first: {'; '.join(version.concerns)}." if version.concerns else ""


def _judge_version(version: Version, threshold: float) -> str:
    if version.value is None:
        return "it was not scored"
    number = f"its score of {version.number}"
    if version.passes:
        return f"{number} reaches {threshold:g}"
    if version.value >= threshold:
        return f"{number} is above {threshold:g}, and what is not known may take it below"
    return f"{number} is below {threshold:g} as well"


#: By question: its id, its text, and the signals that answer it.
_SIGNAL_QUESTIONS: Final = (
    ("maintained", "Is {name} still maintained?", ("status", "last_release", "commits", "release_line", "age")),
    ("publisher", "Who publishes {name}, and can that be verified?", ("publishers", "publisher", "provenance")),
    ("install", "Does the installation of {label} run code?", ("install_code",)),
    ("load", "Does loading {label} run code?", ("weight_format", "remote_code")),
    ("scan", "Do scanners report files of {label}?", ("file_scan",)),
    ("origin", "What was {label} made from?", ("lineage",)),
    ("adoption", "How widely is {name} used?", ("adoption", "track_record")),
)


def _answer_by_signals(subject: PageSubject, signals: Mapping[str, Signal]) -> Iterator[Answer]:
    for id_, question, ids in _SIGNAL_QUESTIONS:
        chosen = [signals[signal_id] for signal_id in ids if signal_id in signals]
        known = [signal for signal in chosen if signal.state == "known"]
        unknown = [signal for signal in chosen if signal.state == "unknown"]
        score = subject.score
        if score is None or not (known or unknown):
            continue
        texts = [_cite(signal) for signal in known]
        if id_ == "publisher":
            texts += [text for text in subject.provenance if not any(text in signal.reason for signal in known)]
        reasons = dict.fromkeys(item.reason for item in unknown)
        for reason in reasons:
            names = [score.methodology.signals[item.id].name for item in unknown if item.reason == reason]
            texts.append(f"not known: {_join(names)} ({reason})")
        yield Answer(
            id=id_,
            question=question.format(name=subject.name, label=subject.label),
            answer=f"{subject.label}: {'; '.join(texts)}.",
        )


def _answer_alternatives(subject: PageSubject, choice: Choice) -> str:
    return "; ".join(
        f"{option.candidate.name or option.candidate.feature} "
        f"({option.candidate.reason}; {describe_option_score(option, subject.score)})"
        for option in choice.options
    )


def _answer_unknown(subject: PageSubject, score: Score) -> str:
    if any(signal.state == "unknown" for signal in score.signals):
        return _describe_unknown(subject, score)
    count = sum(signal.state == "known" for signal in score.signals)
    not_read = f", and what was not read: {'; '.join(score.doubts)}" if score.doubts else ""
    return f"All {count} signals that apply to {subject.label} are known{not_read}; {score.coverage:.0%} of the weight."


# --- words


def _cite(signal: Signal) -> str:
    source = _name_source(signal.source, signal.retrieved_at)
    return f"{signal.reason} ({source})" if source else signal.reason


def _name_source(source: str, retrieved_at: int) -> str:
    day = _format_day(retrieved_at)
    return f"{source}, {day}" if source and day else source


def _list_ids(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _MAX_NAMES} more" if len(ids) > _MAX_NAMES else ""
    return f"{', '.join(ids[:_MAX_NAMES])}{more}"


def _join(texts: Iterable[str], word: str = "and") -> str:
    *first, last = texts
    return f"{', '.join(first)} {word} {last}" if first else last


def _capitalise(text: str) -> str:
    return text[:1].upper() + text[1:]


def _end(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def _format_day(seconds: int) -> str:
    """Return the UTC date of epoch seconds; empty for 0 or a year out of range."""
    if not seconds:
        return ""
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).date().isoformat()
    except (OverflowError, OSError, ValueError):
        return ""
