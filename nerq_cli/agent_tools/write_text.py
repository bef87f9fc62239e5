"""The answers as text: the notice, the verdict, why, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from nerq_cli.agent_tools.documents import (
    AlternativesAnswer,
    CheckAnswer,
    CheckManyAnswer,
    CompareAnswer,
    ExplainAnswer,
    Notice,
    ScanAnswer,
    TargetAnswer,
)

_VERDICTS: Final = {"no-objection": "NO OBJECTION", "avoid": "AVOID", "unsettled": "NOT SETTLED"}
_STATUSES: Final = {"does-not-exist": "DOES NOT EXIST", "ambiguous": "AMBIGUOUS", "not-checked": "NOT CHECKED"}


def write_answer(answer: Notice) -> str:
    """Return an answer as text."""
    lines = [answer.notice]
    if isinstance(answer, CheckAnswer):
        lines += _write_target(answer.result)
        if isinstance(answer, ExplainAnswer):
            lines += _write_explanation(answer)
    elif isinstance(answer, CheckManyAnswer):
        lines.append(answer.headline)
        for result in answer.results:
            lines += _write_briefly(result)
    elif isinstance(answer, CompareAnswer):
        lines += _write_comparison(answer)
    elif isinstance(answer, AlternativesAnswer):
        lines += _write_alternatives(answer)
    elif isinstance(answer, ScanAnswer):
        lines += _write_scan(answer)
    lines += [f"warning: {text}" for text in answer.warnings]
    if not answer.complete:
        lines += [
            "INCOMPLETE, so that this is no approval; not read or not settled:",
            *_list(answer.missing or ["not everything"]),
        ]
    return "\n".join(lines)


def _list(texts: Iterable[str]) -> Iterator[str]:
    return (f"- {text}" for text in texts)


def _count(number: int, singular: str, plural: str) -> str:
    return f"{number} {singular if number == 1 else plural}"


def _label(answer: TargetAnswer) -> str:
    return _STATUSES.get(answer.status, _VERDICTS[answer.verdict])


def _write_target(answer: TargetAnswer) -> Iterator[str]:
    yield f"{_label(answer)}: {answer.headline}"
    if answer.purl:
        yield f"{answer.purl}, {_describe_score(answer)}"
    if answer.reasons:
        yield "why:"
        yield from _list(answer.reasons)
    if answer.candidates:
        yield "candidates:"
        yield from _list(f"{item.target}: {item.headline}" for item in answer.candidates)
    if answer.advisories:
        yield "advisories:"
        for advisory in answer.advisories:
            title = f"; its author's title: {advisory.title}" if advisory.title else ""
            yield f"- {advisory.id} ({advisory.description}){title}"
        if answer.further_advisories:
            yield f"- and {answer.further_advisories} more"
    if answer.actions:
        yield "do:"
        yield from _list(answer.actions)


def _describe_score(answer: TargetAnswer) -> str:
    if answer.score is None:
        return "no score: too little is known"
    sign = "~" if answer.provisional or answer.grade is None else ""
    grade = f" ({answer.grade})" if answer.grade else ""
    bounds = ""
    if answer.low is not None and answer.high is not None and (answer.low, answer.high) != (answer.score, answer.score):
        bounds = f", between {answer.low:.1f} and {answer.high:.1f} by what is not known"
    latest = f", newest version {answer.latest}" if answer.latest and answer.latest != answer.version else ""
    return f"score {sign}{answer.score:.1f}{grade}{bounds}{latest}"


def _write_briefly(answer: TargetAnswer) -> Iterator[str]:
    yield f"{answer.target}: {_label(answer)}: {answer.headline}"
    if answer.verdict != "no-objection":
        yield from (f"  {line}" for line in _list((*answer.reasons, *answer.actions)))


def _write_explanation(answer: ExplainAnswer) -> Iterator[str]:
    if answer.caps:
        yield "limits in force:"
        yield from _list(answer.caps)
    known = [signal for signal in answer.signals if signal.state == "known" and signal.lost_points]
    if known:
        yield "points lost:"
        yield from _list(f"{signal.name}: {signal.lost_points:.1f} ({signal.reason})" for signal in known)
    unknown = [signal.name for signal in answer.signals if signal.state == "unknown"]
    if unknown:
        yield f"not known: {', '.join(unknown)}"
    if answer.suits:
        yield f"meets what is asked for: {'; '.join(answer.suits)}"
    if answer.avoid:
        yield "avoid it:"
        yield from _list(answer.avoid)
    if answer.verify:
        yield "a person can verify this with:"
        yield from _list(answer.verify)
    if answer.methodology:
        yield f"methodology {answer.methodology}, as of {answer.as_of}"


def _write_comparison(answer: CompareAnswer) -> Iterator[str]:
    yield answer.headline
    for item in answer.targets:
        score = f"no score: {item.reason}" if item.score is None else f"score {item.score:.1f}"
        advisories = ", ".join(item.advisories) or ("none" if item.knows_advisories else "not known")
        yield f"- {item.label}: {score}; advisories: {advisories}"
    if answer.differences:
        yield "what differs:"
        yield from _list(
            f"{item.name} ({item.points:.1f} points): {' | '.join(item.values)}" for item in answer.differences
        )
    yield from answer.changes
    if answer.not_known:
        yield f"not compared, because not known: {', '.join(answer.not_known)}"


def _write_alternatives(answer: AlternativesAnswer) -> Iterator[str]:
    yield answer.headline
    for item in answer.alternatives:
        score = "" if not item.installed else "; score not known" if item.score is None else f"; score {item.score:.1f}"
        yield f"- {item.name}{score}: {item.reason} (source: {item.source})"
    if answer.further:
        yield f"- and {answer.further} more"
    yield from _list(f"not {text}" for text in answer.excluded)
    if answer.alternatives:
        yield "Check the one that you choose before you install it."


def _write_scan(answer: ScanAnswer) -> Iterator[str]:
    yield answer.headline
    counts = ", ".join(f"{number} {state}" for state, number in answer.states.items() if number)
    accepted = ""
    if answer.accepted:
        accepted = f"; {_count(answer.accepted, 'finding is', 'findings are')} accepted by its settings"
    dependencies = _count(answer.dependencies, "dependency", "dependencies")
    yield f"{dependencies} in {_count(answer.files, 'file', 'files')}{f': {counts}' if counts else ''}{accepted}"
    for item in answer.worst:
        score = "no score" if item.score is None else f"score {item.score:.1f}"
        fix = f"; fix: {item.fix}" if item.fix else ""
        yield f"- {item.name} {item.version or ''}".rstrip() + f": {score}; {'; '.join(item.reasons)}{fix}"
    if answer.further:
        yield f"- and {answer.further} more"
    if answer.findings:
        yield "findings:"
        yield from _list(
            f"{item.rule}{' (fails)' if item.fails else ''}: {f'{item.package}: ' if item.package else ''}{item.text}"
            for item in answer.findings
        )
    if answer.further_findings:
        yield f"- and {answer.further_findings} more"
