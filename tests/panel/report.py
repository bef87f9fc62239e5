"""Print the results of the panel as Markdown tables, for ``docs/decisions/0007-panel.md``.

``PYTHONPATH=tests python -m panel.report``
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from panel import panel
from panel.panel import ABLATIONS, Result, judge_panel

from nerq_cli.methodology.packages import PACKAGES

_THRESHOLD = PACKAGES.threshold


def main() -> None:
    print("\n".join(render()))  # noqa: T201 - a script


def render() -> Iterator[str]:
    """Yield the lines of all tables."""
    full, recorded = judge_panel(), judge_panel("recorded")
    yield f"Methodology {PACKAGES.version}, as of 2026-11-28, {len(full)} rows."
    yield from ("", "Everything known:", "")
    yield "| rows | number | AUC | healthy, median | finished below 70 | bad at or above 70 |"
    yield "|---|--:|--:|--:|--:|--:|"
    for ecosystem in ("PyPI", "npm", ""):
        for half in ("", "first", "second"):
            results = [r for r in full if ecosystem in ("", r.row.package.ecosystem) and half in ("", r.row.half)]
            name = f"{ecosystem or 'all'}{f', {half} half' if half else ''}"
            yield f"| {name} | {_summarise(results)} |"
    yield from ("", "Rows on the wrong side:", "")
    for result in full:
        if result.row.is_good == (result.state == "below") or (not result.row.is_good and result.state == "ok"):
            yield f"- {result.row.kind} `{result.row}`: {result.value}, {result.state}"
    yield from ("", "States where only the recorded evidence is known:", "")
    yield "| class | ok | unknown | below |"
    yield "|---|--:|--:|--:|"
    for kind in ("healthy", "finished", "abandoned", "vulnerable"):
        states = [result.state for result in recorded if result.row.kind == kind]
        yield f"| {kind} | {states.count('ok')} | {states.count('unknown')} | {states.count('below')} |"
    yield from ("", "Without one of the sources:", "")
    yield "| source | moved by more than 5 points | no verdict | below, then ok | good, then below |"
    yield "|---|--:|--:|--:|--:|"
    for source in ABLATIONS:
        pairs = list(zip(full, judge_panel(without=source), strict=True))
        moved, unfirm = sum(has_moved(*pair) for pair in pairs), sum(not is_firm(after) for _, after in pairs)
        raised = sum(before.state == "below" and after.state == "ok" for before, after in pairs)
        lowered = sum(before.state == "ok" and after.state == "below" for before, after in pairs if before.row.is_good)
        yield f"| {source} | {moved} | {unfirm} | {raised} | {lowered} |"
    yield from ("", "Rank correlation of score and downloads:", "")
    for kind in ("healthy", "finished", "abandoned", "vulnerable", ""):
        yield f"- {kind or 'all rows'}: {correlate_downloads([r for r in full if kind in ('', r.row.kind)]):.2f}"


def is_firm(result: Result) -> bool:
    """Return whether the evidence is enough for a verdict: the state is not ``unknown``."""
    return result.value is not None and result.state != "unknown"


def has_moved(before: Result, after: Result) -> bool:
    """Return whether the score of a firm verdict differs by more than 5 points from the one with everything known."""
    if before.value is None or after.value is None or not is_firm(after):
        return False
    return bool(abs(before.value - after.value) > 5)


def correlate_downloads(results: Sequence[Result]) -> float:
    """Return the rank correlation of score and downloads a week, over the rows whose downloads are known."""
    pairs = []
    for result in results:
        adoption = panel.build_adoption(result.row)
        if result.value is not None and adoption.downloads is not None:
            pairs.append((result.value, adoption.downloads))
    return float(panel.compute_rank_correlation(pairs))


def _summarise(results: Sequence[Result]) -> str:
    def values(*kinds: str) -> list[float]:
        return [r.value for r in results if r.row.kind in kinds and r.value is not None]

    healthy, finished, bad = values("healthy"), values("finished"), values("abandoned", "vulnerable")
    low, high = sum(value < _THRESHOLD for value in finished), sum(value >= _THRESHOLD for value in bad)
    auc = panel.compute_auc(results)
    return f"{len(results)} | {auc:.3f} | {median(healthy):.1f} | {low} of {len(finished)} | {high} of {len(bad)}"


if __name__ == "__main__":
    main()
