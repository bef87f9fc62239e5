"""Compliance of one artefact."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nerq_cli.compliance.assess import (
    BlockRow,
    Compliance,
    PackageLicence,
    assess_hub_compliance,
    assess_package_compliance,
    assess_repository_compliance,
)
from nerq_cli.facts import ATTESTED, Absent, Evidence, Metadata, PackageInfo, Repository, Unknown
from nerq_cli.hub_facts import HubCard, HubEvidence, HubFile
from tests.compliance.conftest import AS_OF, SOURCE, evidence, found, repository

CARD = """# Example

A language model.

## Intended uses

It is intended for research on language, by people who know how language models work and where they fail.

## Out-of-Scope Use

Do not use it for medical, legal or credit decisions, nor for anything else that matters a lot to people.

## Bias, Risks, and Limitations

It repeats the prejudices of its data, states false things with confidence, and was tested in English alone.

## Training Data

The corpus of a hundred public sites, filtered to remove personal data, and code under permissive licences.

## Evaluation

| task | score |
| --- | --- |
| MMLU | 70.1 |

## Contact

example-lab@example.org
"""
GOOD: dict[str, Any] = {
    "pipeline_tag": "text-generation",
    "metadata": {"licence": ("apache-2.0",), "datasets": ("org/data",)},
    "files": (HubFile("LICENSE"), HubFile("SECURITY.md")),
}


def assess(text: Any = CARD, **fields: Any) -> Compliance:
    return assess_hub_compliance(evidence(text, **fields), AS_OF)


def test_a_documented_model_is_readier_than_an_undocumented_one() -> None:
    good, poor = assess(**GOOD), assess(None, pipeline_tag="text-generation")
    assert good.value is not None
    assert poor.value is not None
    assert good.value > 75
    assert poor.value < 25
    assert good.coverage == poor.coverage == 1


def test_the_value_is_that_of_instruments_and_block() -> None:
    result = assess(**GOOD)
    assert result.readiness is not None
    assert result.readiness.readiness is not None
    assert result.licence.value is not None
    assert result.value == pytest.approx(0.6 * result.readiness.readiness + 0.4 * result.licence.value)


def rows_of(compliance: Compliance) -> dict[str, BlockRow]:
    return {row.id: row for row in compliance.licence.rows}


def test_what_is_present_states_where_it_stands() -> None:
    def licence_text(**fields: Any) -> str:
        return rows_of(assess("# A", **fields))["text"].text

    assert licence_text(metadata={"licence": ("mit",)}) == "published under its name: mit"
    link = {"licence": ("other",), "licence_link": "https://registry.example/terms"}
    assert licence_text(metadata=link) == "field license_link: https://registry.example/terms"
    assert licence_text(metadata={"licence": ("mit",)}, files=(HubFile("LICENSE.md"),)) == "file LICENSE.md"
    assert licence_text(metadata={"licence": ("other",)}) == "neither text nor link"
    package = assess_package_compliance(
        Evidence(
            metadata=found(Metadata(version="1.0", attested=True, changelog="https://registry.example/changes")),
            repository=found(Repository("x/y", security_policy=True)),
        ),
        PackageLicence(clarity="approved", expression="MIT", terms="permissive"),
        name="x",
    )
    repository = assess_repository_compliance(None, name="x", has_security_policy=True, has_changelog=True)
    for compliance in (package, repository):
        assert all(row.text for row in compliance.licence.rows)
    assert rows_of(package)["changelog"].text == "link of the package: https://registry.example/changes"


def test_a_kernel_has_no_lineage() -> None:
    fields: dict[str, Any] = {"kind": "kernel", "metadata": {"base_models": ("org/base",)}}
    row = rows_of(assess("# A", bases={"org/base": Unknown("no answer")}, **fields))["lineage"]
    assert (row.state, row.text) == ("not_applicable", "a kernel has no base model")


def test_what_was_not_read_lowers_the_coverage_and_is_no_number() -> None:
    unread = assess(Unknown("rate limit"), **GOOD)
    assert unread.value is None
    assert unread.coverage < 0.6
    assert unread.licence.value == 100
    nothing = assess_hub_compliance(
        HubEvidence(repository=Unknown("no answer")), AS_OF, kind="dataset", name="org/data"
    )
    assert (nothing.kind, nothing.id, nothing.value, nothing.coverage) == ("dataset", "org/data", None, 0)
    assert nothing.licence.summary.startswith("licence not known")


@pytest.mark.parametrize("kind", ["model", "dataset", "space"])
def test_artefacts_of_ai_have_keys_and_jurisdictions(kind: str) -> None:
    result = assess(kind=kind)
    assert len(result.keys) == 14
    assert result.readiness is not None
    assert result.readiness.total == 52
    assert result.not_applicable == ""


def test_instruments_are_not_about_code() -> None:
    result = assess(kind="kernel")
    assert (result.readiness, result.eu_class, result.gpai) == (None, None, None)
    assert result.not_applicable.startswith("AI instruments: not applicable")
    assert result.value == result.licence.value


def test_the_same_evidence_gives_the_same_bytes() -> None:
    first, second = (msgspec.json.encode(assess(**GOOD, tags=("b", "a"))) for _ in range(2))
    assert first == second


def row(result: Compliance, id_: str) -> Any:
    return next(row for row in result.licence.rows if row.id == id_)


def test_a_licence_has_points_for_what_is_known() -> None:
    llama = assess(metadata={"licence": ("llama3.1",)})
    assert row(llama, "restrictions").points == 10
    none = assess(None)
    assert [row(none, id_).points for id_ in ("declared", "text", "restrictions")] == [0, 0, 0]
    custom = assess(metadata={"licence": ("other",), "licence_name": "x", "licence_link": "https://a.example"})
    assert row(custom, "restrictions").state == "unknown"
    assert custom.licence.coverage < 1
    unlisted = assess(None, files=None, metadata={"licence": ("other",)})
    assert row(unlisted, "text").state == "unknown"


def test_the_lineage_counts_where_it_was_read() -> None:
    metadata = {"licence": ("mit",), "base_models": ("org/base",)}
    base = repository(id="org/base", metadata={"licence": ("llama3.1",)})
    conflict = assess(metadata=metadata, id="a/Llama-x", bases={"org/base": found(base)})
    assert row(conflict, "lineage").points == 0
    assert [c.base for c in conflict.licence.conflicts] == ["org/base"]
    unread = assess(metadata=metadata, bases={"org/base": Unknown("no answer")})
    assert row(unread, "lineage").state == "unknown"
    fits = assess(metadata=metadata, bases={"org/base": found(repository(metadata={"licence": ("mit",)}))})
    assert row(fits, "lineage").points == 20
    assert row(assess(), "lineage").state == "not_applicable"


def test_gates_are_named() -> None:
    assert row(assess(gated="manual"), "gate").text.startswith("access is gated")
    assert not [row for row in assess().licence.rows if row.id == "gate"]


# --- packages


def assess_package(licence: PackageLicence | None = None, **facts: Any) -> Compliance:
    return assess_package_compliance(Evidence(**facts), licence, name="example", version="1.0")


MIT = PackageLicence(clarity="approved", expression="MIT", terms="permissive")


def test_a_package_has_a_block_alone() -> None:
    result = assess_package(
        MIT,
        metadata=found(Metadata("1.0", changelog="https://a.example", attested_repository="https://b.example")),
        repository=found(Repository("a/b", security_policy=True)),
    )
    assert (result.value, result.coverage) == (100, 1)
    assert result.licence.summary == "MIT: permissive"
    assert result.keys == ()
    assert result.readiness is None
    assert "not applicable" in result.not_applicable


def test_a_package_of_which_nothing_was_read_has_no_number() -> None:
    result = assess_package(None)
    assert (result.value, result.coverage) == (None, 0)
    assert {row.state for row in result.licence.rows} == {"unknown"}


def test_what_a_package_lacks_is_absent() -> None:
    result = assess_package(
        PackageLicence(clarity="none"),
        metadata=found(Metadata("1.0", changelog="", attested=False)),
        repository=found(Repository("a/b", security_policy=False)),
    )
    states = {row.id: row.state for row in result.licence.rows}
    assert states == {
        "declared": "absent",
        "restrictions": "unknown",
        "security_contact": "absent",
        "changelog": "absent",
        "provenance": "absent",
    }
    assert result.value == 0


def test_provenance_is_that_of_the_version() -> None:
    info = PackageInfo("example", versions=("1.0", "0.9"), flags=(ATTESTED, 0), has_attestation_data=True)
    assert row(assess_package(MIT, package_info=found(info)), "provenance").state == "present"
    other = PackageInfo("example", versions=("1.0", "0.9"), flags=(0, ATTESTED), has_attestation_data=True)
    assert row(assess_package(MIT, package_info=found(other)), "provenance").state == "absent"
    assert row(assess_package(MIT, package_info=Absent(SOURCE, AS_OF)), "provenance").state == "unknown"


# --- hostile cards


@settings(max_examples=60, deadline=None)
@given(
    st.text(alphabet=st.characters(), max_size=600),
    st.sampled_from(["model", "dataset", "space", "kernel"]),
    st.integers(-(10**18), 10**18),
    st.text(max_size=20),
)
def test_any_repository_is_assessed(text: str, kind: str, created_at: int, word: str) -> None:
    result = assess(
        text,
        kind=kind,
        created_at=created_at,
        pipeline_tag=word,
        tags=(word, f"license:{word}"),
        metadata={"licence": (word,), "base_models": (word,), "datasets": (word,), "gate_text": word},
        verified_bases=(word,),
        bases={word: found(repository(id=word))},
    )
    assert result.value is None or 0 <= result.value <= 100
    assert 0 <= result.coverage <= 1


@pytest.mark.parametrize(
    "text",
    [
        "## Limitations\n\nThe model may generate inaccurate text. It is not intended for credit scoring.\n\n" * 10_000,
        "trained on " * 90_000,
        "achieves accuracy 1 on the test set " * 28_000,
        "inform the users of ai " * 43_000,
        "is intended is designed for " * 37_000,
        "opt out robots.txt pii " * 43_000,
        "- **License:** mit\n" * 55_000,
        "a@b." * 250_000,
        "1 billion x y tokens pretrained " * 31_000,
        "report a a a vulnerability " * 37_000,
    ],
)
def test_a_hostile_card_of_a_megabyte_is_assessed_within_seconds(text: str) -> None:
    """The time is that of a busy machine; a pattern that is not linear takes minutes."""
    start = time.process_time()
    assess(found(HubCard(text)), pipeline_tag="text-generation")
    assert time.process_time() - start < 10
