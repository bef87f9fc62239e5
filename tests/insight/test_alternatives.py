"""What does the same job as a target."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
import tomli

from nerq_cli.ecosystems import HF_MODEL, NPM, PYPI, EcosystemId, get_ecosystem, normalise_name
from nerq_cli.facts import Found
from nerq_cli.hub_facts import CardMetadata, HubEvidence, HubFile, HubRepository
from nerq_cli.insight.alternative_lists import Table, load_table
from nerq_cli.insight.alternatives import (
    MAX_SHOWN,
    Candidate,
    Option,
    Subject,
    choose_options,
    describe_score,
    find_named_packages,
    list_candidates,
    select_scored,
)
from tests.signals.models.conftest import HEALTHY, NOW, PICKLE, REPOSITORY, SAFETENSORS, change, score

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "docs" / "reference" / "python-alternatives.toml"


def list_names(ecosystem: EcosystemId, name: str, *messages: str) -> list[str]:
    candidates = list_candidates(Subject(ecosystem=ecosystem, name=name, messages=messages))
    return [candidate.name or candidate.feature for candidate in candidates]


def get_table(ecosystem: EcosystemId) -> Table:
    table = load_table(ecosystem)
    assert table is not None
    return table


# --- the lists


@pytest.mark.skipif(not SOURCE.exists(), reason="the documentation is not there")
def test_the_shipped_list_for_python_is_the_one_in_the_documentation() -> None:
    path = ROOT / "docs" / "benchmarks" / "make_alternatives.py"
    spec = spec_from_file_location("make_alternatives", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    shipped = (ROOT / "nerq_cli" / "insight" / "data" / "python.json").read_text(encoding="utf-8")
    assert module.build_python() == shipped


def test_the_list_for_python_has_pairs_with_a_reason_and_a_source_each() -> None:
    rows = [(name, entry) for name, entries in get_table(PYPI).pairs.items() for entry in entries]
    assert len(rows) >= 150
    assert len({(name, entry.use) for name, entry in rows}) == len(rows)
    for name, entry in rows:
        assert name == normalise_name(PYPI, name)
        assert entry.reason
        assert entry.source.startswith("https://")
        if entry.kind == "package":
            assert entry.use == normalise_name(PYPI, entry.use) != name
        else:
            assert entry.since


@pytest.mark.skipif(not SOURCE.exists(), reason="the documentation is not there")
def test_the_source_of_the_list_is_sorted() -> None:
    table = tomli.loads(SOURCE.read_text(encoding="utf-8"))
    for kind in ("builtin", "package"):
        names = [row["name"] for row in table[kind]]
        assert names == sorted(names)


def test_the_list_for_npm_states_its_source_licence_and_date() -> None:
    table = get_table(NPM)
    assert (table.meta.licence, table.meta.version, len(table.meta.date)) == ("MIT", "3.4.0", 10)
    assert len(table.pairs) > 900
    ecosystem = get_ecosystem(NPM)
    for name, entries in table.pairs.items():
        assert not ecosystem.find_name_error(name)
        for entry in entries:
            assert entry.source.startswith("https://")
            if entry.kind == "package":
                assert not ecosystem.find_name_error(entry.use)
                assert entry.use.lower() == entry.use


@pytest.mark.parametrize("ecosystem", [PYPI, NPM])
def test_nothing_is_an_alternative_to_itself(ecosystem: EcosystemId) -> None:
    for name, entries in get_table(ecosystem).pairs.items():
        names = list_names(ecosystem, name)
        assert name not in names or all(entry.kind != "package" for entry in entries)
        assert len(names) == len(set(names))


def test_a_built_in_feature_states_since_when() -> None:
    (candidate,) = list_candidates(Subject(ecosystem=PYPI, name="tomli"))
    assert (candidate.relation, candidate.feature, candidate.name) == ("builtin", "tomllib", "")
    assert candidate.reason == "reads TOML: built in since Python 3.11"
    (candidate,) = list_candidates(Subject(ecosystem=NPM, name="left-pad"))
    assert candidate.feature == "String.prototype.padStart"
    assert candidate.reason.startswith("built in since Node.js 8")


def test_a_package_that_no_list_has_has_no_alternative() -> None:
    assert list_names(PYPI, "requests") == []
    assert list_names(NPM, "sklearn") == []
    assert list_candidates(Subject(ecosystem="huggingface-dataset", name="org/x")) == ()


# --- messages of maintainers


@pytest.mark.parametrize(
    ("message", "names"),
    [
        ("Please use @scope/new-name instead.", ("@scope/new-name",)),
        ("This package has been renamed to shiny-thing.", ("shiny-thing",)),
        ("renamed to shiny", ("shiny",)),
        ("Deprecated, use `undici` or native fetch", ("undici",)),
        ('replaced by "neo"', ("neo",)),
        ("moved to https://pages.example/package/@a/b", ("@a/b",)),
        ("please switch to ky instead", ("ky",)),
        ("Use @a/b@2.0.0", ("@a/b",)),
        ("this library is no longer supported", ()),
        ("use the latest version instead", ()),
        ("Use native JavaScript instead", ()),
        ("uuid@10 and below is no longer supported. Upgrade to uuid@latest", ()),
        ("use v2 instead", ()),
        ("Use your platform's native performance.now() and performance.timeOrigin.", ()),
        ("request has been deprecated, see https://code.example/request/request/issues/3142", ()),
        ("", ()),
    ],
)
def test_a_message_names_a_successor_only_where_that_is_clear(message: str, names: tuple[str, ...]) -> None:
    assert find_named_packages(message) == names


def test_the_word_of_the_maintainers_precedes_the_lists_and_is_quoted() -> None:
    message = "Use @new/request instead"
    first, *others = list_candidates(Subject(ecosystem=NPM, name="request", messages=(message,)))
    assert (first.relation, first.name) == ("maintainer", "@new/request")
    assert message in first.reason
    assert "ky" in {candidate.name for candidate in others}


def test_a_message_cannot_name_what_no_package_is_called_or_the_package_itself() -> None:
    assert list_names(NPM, "acme", "use `acme` instead", 'use "node_modules" instead') == []


def test_a_hostile_message_takes_no_time() -> None:
    assert find_named_packages("use " + "the new " * 50_000) == ()
    assert find_named_packages("use @" + "a/" * 50_000 + "-" * 50_000) == ()


# --- models


def describe_hub(evidence: HubEvidence) -> list[tuple[str, str]]:
    candidates = list_candidates(Subject(ecosystem=HF_MODEL, name="acme/demo-1b", hub=evidence))
    return [(candidate.relation, candidate.name or candidate.feature) for candidate in candidates]


def with_base(relation: str, files: tuple[HubFile, ...], base_files: tuple[HubFile, ...]) -> HubEvidence:
    card = CardMetadata(base_models=("org/base",), base_model_relation=relation)
    evidence = change(card=card, files=files)
    base = HubRepository(kind="model", id="org/base", files=base_files)
    return HubEvidence(
        repository=evidence.repository,
        card=evidence.card,
        owner=evidence.owner,
        bases={"org/base": Found(base, "Hub", NOW)},
    )


def test_a_model_states_its_new_version() -> None:
    assert describe_hub(change(card=CardMetadata(new_version="acme/demo-2b"))) == [("maintainer", "acme/demo-2b")]
    assert describe_hub(change(card=CardMetadata(new_version="../x"))) == []
    assert describe_hub(change(card=CardMetadata(new_version="acme/demo-1b"))) == []
    assert describe_hub(HEALTHY) == []


def test_the_base_of_a_quantised_model_is_an_alternative() -> None:
    assert describe_hub(with_base("quantized", SAFETENSORS, ())) == [("base-model", "org/base")]
    assert describe_hub(with_base("adapter", PICKLE, SAFETENSORS)) == []
    assert describe_hub(with_base("finetune", SAFETENSORS, SAFETENSORS)) == []
    assert describe_hub(with_base("finetune", PICKLE, SAFETENSORS)) == [("base-model", "org/base")]
    assert describe_hub(with_base("finetune", PICKLE, PICKLE)) == []


def test_the_safetensors_beside_a_pickle_are_an_alternative() -> None:
    files = (*PICKLE, HubFile("model.safetensors"))
    assert describe_hub(change(files=files)) == [("load-safely", "model.safetensors")]
    assert describe_hub(change(files=PICKLE)) == []
    decoys = (*PICKLE, HubFile("decoy/x.safetensors"), HubFile("lora.safetensors"), HubFile("a/model.safetensors"))
    assert describe_hub(change(files=decoys)) == []
    training = (HubFile("model.safetensors"), HubFile("training_args.bin"))
    assert describe_hub(change(files=training)) == []  # no other file has what training left behind
    assert describe_hub(with_base("finetune", PICKLE, decoys)) == []
    assert REPOSITORY.files == SAFETENSORS


# --- the choice

HIGH = score(HEALTHY)
LOW = score(change(files=PICKLE))


def option(name: str, relation: Any = "listed", **fields: Any) -> Option:
    candidate = Candidate(
        relation=relation,
        name="" if relation == "builtin" else name,
        feature=name if relation == "builtin" else "",
        ecosystem=PYPI,
        reason="r",
        source="s",
    )
    return Option(candidate=candidate, **fields)


def choose(*options: Option) -> list[str]:
    return [item.candidate.name or item.candidate.feature for item in choose_options(options).options]


def test_at_most_three_are_shown_and_the_rest_is_counted() -> None:
    choice = choose_options([option(f"p{number}", score=LOW) for number in range(5)])
    assert (len(choice.options), choice.further) == (MAX_SHOWN, 2)


def test_the_order_is_that_of_the_evidence() -> None:
    assert choose(
        option("low", score=LOW),
        option("unscored", reason="no answer"),
        option("high", score=HIGH),
    ) == ["high", "low", "unscored"]
    assert choose(option("high", score=HIGH), option("own", score=LOW, in_project=True)) == ["own", "high"]
    assert choose(option("high", score=HIGH), option("word", "maintainer", score=LOW), option("x", "builtin")) == [
        "word",
        "x",
        "high",
    ]


def test_what_does_not_exist_or_is_malicious_is_not_shown() -> None:
    choice = choose_options(
        [option("gone", "maintainer", excluded="PyPI has no such name"), option("good", score=HIGH)]
    )
    assert [item.candidate.name for item in choice.options] == ["good"]
    assert [item.candidate.name for item in choice.excluded] == ["gone"]


def test_a_score_is_stated_beside_that_of_the_target() -> None:
    assert describe_score(option("x", "builtin"), LOW) == "nothing to install, so nothing to score"
    assert describe_score(option("x", reason="no answer"), LOW) == "not scored: no answer"
    assert describe_score(option("x"), LOW) == "not scored: not computed"
    assert describe_score(option("x", score=HIGH), LOW).endswith(" higher than now")
    assert describe_score(option("x", score=LOW), HIGH).endswith(" lower than now")
    assert describe_score(option("x", score=LOW), LOW).endswith(", the same as now")
    assert describe_score(option("x", score=HIGH), None).startswith("score ")


def test_what_is_installed_is_scored_up_to_a_limit() -> None:
    candidates = [option(f"p{number}").candidate for number in range(20)]
    assert len(select_scored([option("x", "builtin").candidate, *candidates])) == 8
