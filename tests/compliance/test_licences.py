"""Licences of models and data."""

from __future__ import annotations

from typing import Any

import pytest

from nerq_cli.compliance.licences import describe_licences, find_conflicts, parse_licence, read_licences
from nerq_cli.facts import Unknown
from tests.compliance.conftest import found, repository

#: Identifiers of the Hub's list of licences (2026-08), without its families, `unknown` and `other`.
HUB_IDS = [
    "apache-2.0",
    "mit",
    "openrail++",
    "bigscience-openrail-m",
    "creativeml-openrail-m",
    "bigscience-bloom-rail-1.0",
    "bigcode-openrail-m",
    "afl-3.0",
    "artistic-2.0",
    "bsl-1.0",
    "bsd-2-clause",
    "bsd-3-clause",
    "bsd-3-clause-clear",
    "c-uda",
    "cc0-1.0",
    "cc-by-2.0",
    "cc-by-2.5",
    "cc-by-3.0",
    "cc-by-4.0",
    "cc-by-sa-3.0",
    "cc-by-sa-4.0",
    "cc-by-nc-2.0",
    "cc-by-nc-3.0",
    "cc-by-nc-4.0",
    "cc-by-nd-4.0",
    "cc-by-nc-nd-3.0",
    "cc-by-nc-nd-4.0",
    "cc-by-nc-sa-2.0",
    "cc-by-nc-sa-3.0",
    "cc-by-nc-sa-4.0",
    "cdla-sharing-1.0",
    "cdla-permissive-1.0",
    "cdla-permissive-2.0",
    "wtfpl",
    "ecl-2.0",
    "epl-1.0",
    "epl-2.0",
    "etalab-2.0",
    "eupl-1.1",
    "eupl-1.2",
    "agpl-3.0",
    "gpl-2.0",
    "gpl-3.0",
    "lgpl-2.1",
    "lgpl-3.0",
    "isc",
    "h-research",
    "intel-research",
    "lppl-1.3c",
    "ms-pl",
    "apple-ascl",
    "apple-amlr",
    "mpl-2.0",
    "odc-by",
    "odbl",
    "openmdw-1.0",
    "ofl-1.1",
    "osl-3.0",
    "postgresql",
    "ncsa",
    "unlicense",
    "zlib",
    "pddl",
    "lgpl-lr",
    "deepfloyd-if-license",
    "fair-noncommercial-research-license",
    "llama2",
    "llama3",
    "llama3.1",
    "llama3.2",
    "llama3.3",
    "llama4",
    "grok2-community",
    "gemma",
]


@pytest.mark.parametrize("id_", HUB_IDS)
def test_each_licence_of_the_hub_is_recognised(id_: str) -> None:
    assert parse_licence(id_).is_recognised
    assert parse_licence(id_.upper()) == parse_licence(id_)


@pytest.mark.parametrize(
    ("id_", "name", "category", "flag"),
    [
        ("bsl-1.0", "", "permissive", "attribution"),
        ("cc-by-nc-nd-4.0", "", "non-commercial", "no_derivatives"),
        ("llama5", "", "community terms", "naming"),
        ("gpl", "", "family without version", ""),
        ("other", "qwen-research", "research only", "non_commercial"),
        ("other", "tongyi-qianwen", "community terms", "user_threshold"),
        ("other", "flux-1-dev-non-commercial-license", "non-commercial", "non_commercial"),
        ("other", "nvidia-open-model-license", "community terms", "use_restrictions"),
        ("other", "exaone3", "research only", "research_only"),
        ("other", "modified-mit", "permissive", "attribution"),
        ("other", "my-own-terms", "custom", ""),
        ("other", "", "custom", ""),
        ("some-licence", "", "custom", ""),
        ("unknown", "", "none", ""),
        ("", "", "none", ""),
    ],
)
def test_licences_have_a_category(id_: str, name: str, category: str, flag: str) -> None:
    licence = parse_licence(id_, name)
    assert licence.category == category
    assert not flag or flag in licence.flags


def test_what_is_open_has_no_limits_of_use() -> None:
    assert parse_licence("apache-2.0").is_open
    assert parse_licence("gpl-3.0").is_open
    assert not parse_licence("llama3.1").is_open
    assert not parse_licence("cc-by-nc-4.0").is_open
    assert not parse_licence("openrail").is_open


def test_licences_come_from_the_field_or_the_tags() -> None:
    assert [licence.id for licence in read_licences(repository(metadata={"licence": ("mit",)})) or ()] == ["mit"]
    tagged = read_licences(repository(card=None, tags=("license:mit", "x")))
    assert [(licence.id, licence.pointer) for licence in tagged or ()] == [("mit", "field tags")]
    assert read_licences(repository()) == ()
    assert read_licences(repository(card=None, has_card_data=False)) is None


def test_licences_are_described_in_a_line() -> None:
    assert describe_licences([parse_licence("mit")]) == "mit: permissive (attribution)"
    assert describe_licences([parse_licence("cc-by-nc-4.0")]) == (
        "cc-by-nc-4.0: non-commercial (no commercial use, attribution)"
    )
    assert describe_licences([parse_licence("other", "my-terms", "https://a.example")]) == (
        "my-terms: custom terms, read them (https://a.example)"
    )
    assert describe_licences([parse_licence("bsd")]) == "bsd: names a family of licences, not a licence"
    assert describe_licences([]) == "no licence declared: all rights are reserved"
    assert describe_licences(None).startswith("licence not known")


def conflicts(child: str, *bases: str, datasets: tuple[str, ...] = (), **fields: Any) -> list[str]:
    metadata = {"licence": (child,) if child else None, **fields.pop("metadata", {})}
    found_conflicts = find_conflicts(
        repository(metadata=metadata, **fields),
        {f"b/{base}": found(repository(metadata={"licence": (base,) if base else None})) for base in bases},
        {f"d/{data}": found(repository(metadata={"licence": (data,) if data else None})) for data in datasets},
    )
    return [conflict.text for conflict in found_conflicts]


@pytest.mark.parametrize(
    ("child", "base", "words"),
    [
        ("apache-2.0", "llama3.1", "not passed on"),
        ("mit", "creativeml-openrail-m", "not passed on"),
        ("mit", "cc-by-nc-4.0", "no commercial use"),
        ("apache-2.0", "apple-amlr", "research only"),
        ("mit", "cc-by-nd-4.0", "no derivatives"),
        ("mit", "gpl-3.0", "stay under its licence"),
        ("", "llama3.1", "inherited, undeclared"),
        ("", "mit", "inherited, undeclared"),
    ],
)
def test_a_licence_that_does_not_fit_that_of_the_base_is_a_check(child: str, base: str, words: str) -> None:
    texts = conflicts(child, base, id="a/Llama-x")
    assert [words in text and base in text for text in texts] == [True]


@pytest.mark.parametrize(
    ("child", "base"), [("mit", "apache-2.0"), ("llama3.1", "llama3.1"), ("gpl-3.0", "mit"), ("mit", "")]
)
def test_licences_that_fit_are_no_check(child: str, base: str) -> None:
    assert conflicts(child, base, id="a/Llama-x") == []


def test_a_quantisation_is_no_derivative_of_its_own_terms() -> None:
    assert conflicts("mit", "cc-by-nd-4.0", metadata={"base_model_relation": "quantized"}) == []


def test_names_of_derivatives_of_llama_are_prescribed() -> None:
    assert 'must start with "Llama"' in conflicts("llama3.1", "llama3.1", id="a/Hermes")[0]
    assert conflicts("llama3.1", "llama3.1", id="a/Meta-Llama-3-GGUF") == []
    assert conflicts("llama2", "llama2", id="a/Vicuna") == []


def test_parents_whose_terms_cannot_both_hold() -> None:
    texts = conflicts("cc-by-sa-4.0", "cc-by-sa-4.0", "gpl-3.0")
    assert any("cannot both hold" in text for text in texts)
    assert not any("cannot both hold" in text for text in conflicts("mit", "mit", "apache-2.0"))


def test_training_data_are_a_note() -> None:
    assert "no commercial use" in conflicts("mit", datasets=("cc-by-nc-4.0",))[0]
    assert "without a licence" in conflicts("mit", datasets=("",))[0]
    assert conflicts("cc-by-nc-4.0", datasets=("cc-by-nc-4.0",)) == []


def test_what_was_not_read_is_no_conflict() -> None:
    own = repository(metadata={"licence": ("mit",)})
    assert find_conflicts(own, {"a/b": Unknown("no answer")}, {"c/d": Unknown("no answer")}) == ()
    unread = repository(card=None, has_card_data=False)
    assert find_conflicts(unread, {"a/b": found(own)}, {}) == ()
