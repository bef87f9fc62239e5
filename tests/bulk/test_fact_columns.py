"""The table of facts: every column is documented, and evidence of any form fits into it."""

from __future__ import annotations

from random import Random

from nerq_cli.bulk.fact_columns import FACT_COLUMNS, build_row
from nerq_cli.facts import Absent, Evidence, Found, LowerBound, Unknown
from tests.bulk.conftest import NOW, draw_evidence


def test_each_column_is_listed_once() -> None:
    names = [column.name for column in FACT_COLUMNS]
    assert len(names) == len({*names, "ecosystem", "name", "version"}) - 3


def test_each_group_has_its_state() -> None:
    names = {column.name for column in FACT_COLUMNS}
    assert {f"{column.group}_state" for column in FACT_COLUMNS if column.group} <= names


def test_a_category_is_one_of_those_that_its_column_lists() -> None:
    random = Random(1)
    for _ in range(300):
        ecosystem, version, evidence = draw_evidence(random)
        row = build_row(ecosystem, "demo", version, evidence)
        for column in FACT_COLUMNS:
            if column.kind == "category":
                assert row[column.name] is None or row[column.name] in column.categories, column.name


def test_absent_unknown_and_a_lower_bound_are_different() -> None:
    facts = (
        Found((), "source", NOW),
        Absent("source", NOW),
        Unknown("no answer"),
        LowerBound((), "source", NOW, "not all"),
    )
    rows = [build_row("PyPI", "demo", "1.0", Evidence(advisories=fact)) for fact in facts]
    assert [row["advisories_state"] for row in rows] == ["found", "absent", "unknown", "lower bound"]
    assert [row["advisories"] for row in rows] == [[], None, None, []]


def test_without_evidence_every_state_is_unknown_and_every_value_null() -> None:
    row = build_row("npm", "demo", "1.0", Evidence())
    states = {name: value for name, value in row.items() if name.endswith("_state")}
    assert {*states.values()} == {"unknown"}
    others = {name: value for name, value in row.items() if name not in states}
    assert {name for name, value in others.items() if value} == {"ecosystem", "name", "version"}
