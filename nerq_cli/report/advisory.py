"""Advisory records as reports print them: one per vulnerability."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import msgspec

from nerq_cli.facts import AffectingAdvisory
from nerq_cli.signals.advisories import SEVERITIES, merge_advisories


def deduplicate_advisories(advisories: Iterable[AffectingAdvisory]) -> tuple[AffectingAdvisory, ...]:
    """Return each vulnerability once, malware first and then the worst.

    Records that share an id or an alias are merged: the most complete one first, the others where it has no value.
    Severity, exploitation and probability are the worst of all records, as for the score.
    """
    records = tuple(advisories)
    combined = (
        _combine_records(advisory, _select_records(records, {advisory.id, *advisory.aliases}))
        for advisory in merge_advisories(records)
    )
    return tuple(sorted(combined, key=lambda advisory: not advisory.malware))


def _select_records(records: Iterable[AffectingAdvisory], ids: Collection[str]) -> list[AffectingAdvisory]:
    return [record for record in records if record.id in ids]


def _combine_records(advisory: AffectingAdvisory, records: Sequence[AffectingAdvisory]) -> AffectingAdvisory:
    """Return one record with the values of all records of one vulnerability."""
    ordered = records if len(records) == 1 else sorted(sorted(records, key=repr), key=_completeness_key, reverse=True)
    return msgspec.structs.replace(
        advisory,
        summary=next((record.summary for record in ordered if record.summary), ""),
        severity_from=next(
            (
                record.severity_from
                for record in ordered
                if record.severity == advisory.severity and record.severity_from
            ),
            "",
        ),
        fixed_in=ordered[0].fixed_in or advisory.fixed_in,
        link=next((record.link for record in ordered if record.link), ""),
        affected=next((record.affected for record in ordered if record.affected), ""),
        links=tuple(dict.fromkeys(link for record in ordered for link in record.links)),
    )


def _completeness_key(record: AffectingAdvisory) -> tuple[int, int]:
    """Return a sort key: whether the record has an affected range, then how many of its fields are set."""
    fields = (
        record.summary,
        record.severity in SEVERITIES and record.severity != "unknown",
        record.fixed_in,
        record.link,
        record.links,
    )
    return bool(record.affected), sum(map(bool, fields))
