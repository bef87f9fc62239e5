"""``nerq compare``, whole, against registries and a stand-in for the Hub on loopback."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import jsonschema
import pytest

from nerq_cli.report.pages.compare import build_schema
from tests.cli.conftest import AS_OF, Registry, Result, Services
from tests.conftest import Site
from tests.sources.huggingface.conftest import HubStandIn, build_model

Nerq = Callable[..., Result]


def compare(nerq: Nerq, *arguments: str) -> Result:
    return nerq("compare", *arguments, "--as-of", AS_OF, "-f", "json")


@pytest.fixture
def packages(registry: Registry) -> Registry:
    """Two packages of PyPI, one of them in two versions."""
    registry.pypi("acme", "1.0", "2.0")
    registry.pypi("other", "3.0", description="short", project_urls={})
    registry.most_used()
    return registry


def test_two_packages_are_compared_signal_by_signal(packages: Registry, nerq: Nerq) -> None:
    result = compare(nerq, "pypi:acme", "pypi:other")
    document = result.json
    jsonschema.validate(document, build_schema())
    assert nerq("schema", "compare").json == build_schema()
    assert [item["version"] for item in document["targets"]] == ["2.0", "3.0"]
    rows = {row["id"]: row for row in document["rows"]}
    assert rows["readme"]["group"] == "decides"
    assert rows["readme"]["cells"][0]["value"] > rows["readme"]["cells"][1]["value"]
    assert rows["licence"]["group"] == "same"
    groups = [row["group"] for row in document["rows"]]
    assert groups.index("decides") < groups.index("same")
    assert document["outcome"]["best"] == 0
    assert (result.status, document["exit"]["code"]) == (0, 0)
    assert compare(nerq, "pypi:acme", "pypi:other", "--offline").out == result.out


def test_the_scores_are_those_of_check(packages: Registry, nerq: Nerq) -> None:
    scores = [item["score"] for item in compare(nerq, "pypi:acme==1.0", "pypi:acme==2.0", "pypi:other").json["targets"]]
    for target, score in zip(("pypi:acme==1.0", "pypi:acme==2.0", "pypi:other"), scores, strict=True):
        (entry,) = nerq("check", target, "--as-of", AS_OF, "-f", "json").json["dependencies"]
        assert entry["score"] == score


def test_many_targets_on_a_narrow_terminal_have_their_reasons(
    packages: Registry, nerq: Nerq, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    names = [f"p{number}" for number in range(6)]
    for name in names:
        packages.pypi(name, "1.0")
    text = nerq("compare", *(f"pypi:{name}" for name in names), "pypi:acme", "pypi:other", "--as-of", AS_OF).out
    _, _, rows = text.partition("\nWhat decides\n")
    rows = rows.partition("\n\n")[0]
    lines = [line for line in rows.splitlines() if re.match(r"    p0 1.0: \d", line)]
    assert lines
    assert all(re.match(r"    p0 1.0: \d+: \w", line) for line in lines)


def test_the_day_of_a_model_is_that_of_its_last_change(hub: HubStandIn, nerq: Nerq) -> None:
    hub.add_model("org/two", cardData={"license": "mit"})
    text = nerq("compare", "hf:org/one", "hf:org/two", "--as-of", AS_OF).out
    assert "last changed" in text
    assert "\nreleased" not in text


def test_versions_of_one_package_show_what_the_upgrade_gains(
    packages: Registry, services: Services, nerq: Nerq
) -> None:
    services.advisory("acme", "1.0", identifier="GHSA-aaaa-bbbb-cccc")
    document = compare(nerq, "pypi:acme@1.0", "pypi:acme").json
    assert [item["version"] for item in document["targets"]] == ["1.0", "2.0"]
    (change,) = document["changes"]
    assert change["fixed"] == ["GHSA-aaaa-bbbb-cccc"]
    assert change["points"] > 0
    assert "known_advisories" in change["better"]
    text = nerq("compare", "pypi:acme@1.0", "pypi:acme", "--as-of", AS_OF).out
    assert "From acme 1.0 to acme 2.0: +" in text
    assert "is not affected by GHSA-aaaa-bbbb-cccc" in text


def test_a_silent_source_leaves_the_comparison_open(packages: Registry, services: Services, nerq: Nerq) -> None:
    services.silent()
    result = compare(nerq, "pypi:acme@1.0", "pypi:acme@2.0", "--strict")
    (change,) = result.json["changes"]
    assert (result.status, result.json["complete"]) == (3, False)
    assert change["fixed"] is None
    assert not result.json["outcome"]["certain"]
    lenient = compare(nerq, "pypi:acme@1.0", "pypi:acme@2.0", "--no-strict")
    assert lenient.status == 0
    assert "--strict makes this exit 3" in lenient.err


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_the_text_fits_the_width(packages: Registry, nerq: Nerq, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    for names in (["pypi:acme", "pypi:other"], ["pypi:acme@1.0", "pypi:acme", "pypi:other"]):
        lines = nerq("compare", *names, "--as-of", AS_OF).out.splitlines()
        assert max(map(len, lines)) <= width
        assert any("README" in line for line in lines)


def test_what_is_not_known_of_any_target_for_one_reason_is_stated_once(
    packages: Registry, services: Services, nerq: Nerq
) -> None:
    services.silent()
    out = nerq("compare", "pypi:acme", "pypi:other", "--as-of", AS_OF).out
    assert out.count("malware") == 1
    (line,) = re.findall(r"malware, known advisories[^:]*: not known: ", out)  # signals with one reason share it
    assert "fix record" in line


def test_markdown_and_html_have_what_the_text_has(packages: Registry, nerq: Nerq, project: Path) -> None:
    result = nerq(
        "compare", "pypi:acme", "pypi:other", "--as-of", AS_OF, "-f", "markdown", "-o", "a.html", "-o", "a.json"
    )
    assert result.out.startswith("## 2 packages side by side\n\nacme 2.0 has the higher score")
    assert "| README |" in result.out
    page = (project / "a.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "acme 2.0 has the higher score" in page
    assert json.loads((project / "a.json").read_text(encoding="utf-8"))["kind"] == "package"


def test_texts_of_others_are_escaped(registry: Registry, nerq: Nerq) -> None:
    registry.npm("acme", "1.0.0", deprecated="\x1b[31m<script>alert(1)</script> ::error::x | @you")
    registry.npm("other", "1.0.0")
    registry.most_used()
    for form in ("table", "json", "markdown", "html"):
        out = nerq("compare", "npm:acme", "npm:other", "--as-of", AS_OF, "-f", form).out
        assert "\x1b" not in out
        assert not any(line.lstrip().startswith("::") for line in out.splitlines())
        if form in ("markdown", "html"):
            assert "<script" not in out


def test_an_ambiguous_name_follows_the_other_targets(packages: Registry, nerq: Nerq) -> None:
    packages.npm("other", "1.0.0")
    result = compare(nerq, "pypi:acme", "other")
    assert result.json["targets"][1]["purl"] == "pkg:pypi/other@3.0"
    assert "other is read as pypi:other, as the other targets are" in result.err
    packages.npm("acme", "1.0.0")
    result = compare(nerq, "acme", "other")
    assert result.status == 2
    assert "acme may be pypi:acme or npm:acme" in result.err


def test_packages_of_two_registries_have_their_prefix(packages: Registry, nerq: Nerq) -> None:
    packages.npm("acme", "1.0.0")
    labels = [item["label"] for item in compare(nerq, "pypi:acme", "npm:acme").json["targets"]]
    assert labels == ["pypi:acme 2.0", "npm:acme 1.0.0"]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStandIn]:
    """A stand-in for the Hub with two models and a dataset."""
    site = Site()
    stand_in = HubStandIn(site)
    stand_in.add_model("org/one", cardData={"license": "apache-2.0"}, card="# One\n")
    stand_in.add_model("org/two", cardData={"license": "other"}, card="# Two\n")
    stand_in.repositories["datasets", "org/corpus"] = build_model("org/corpus", cardData={"license": "cc0-1.0"})
    stand_in.organisations["org"] = {"name": "org", "isVerified": True}
    monkeypatch.setenv("NERQ_HF_URL", site.url)
    yield stand_in
    site.close()


def test_two_models_are_compared(hub: HubStandIn, nerq: Nerq) -> None:
    document = compare(nerq, "hf:org/one", "hf:org/two").json
    jsonschema.validate(document, build_schema())
    assert document["kind"] == "model"
    assert next(row for row in document["rows"] if row["id"] == "licence")["group"] == "decides"


def test_different_kinds_are_refused(hub: HubStandIn, packages: Registry, nerq: Nerq) -> None:
    for other, kind in (("pypi:acme", "package"), ("hf-dataset:org/corpus", "dataset")):
        result = compare(nerq, "hf:org/one", other)
        assert (result.status, result.out) == (2, "")
        assert (
            f"targets of different kinds cannot be compared: hf:org/one is a model, {other} is a {kind}" in result.err
        )


def test_a_revision_that_does_not_exist_is_an_error(hub: HubStandIn, nerq: Nerq) -> None:
    result = compare(nerq, "hf:org/one", "hf:org/two@v9")
    assert (result.status, result.out) == (2, "")
    assert "org/two: the repository has no revision v9" in result.err


def test_a_repository_that_may_be_private_is_not_known(hub: HubStandIn, nerq: Nerq) -> None:
    result = compare(nerq, "hf:org/one", "hf:org/nothing", "--strict")
    assert result.status == 3
    assert result.json["outcome"]["best"] is None
    assert "missing or private" in result.json["targets"][1]["reason"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "0 targets to compare: 2 to 8 are needed"),
        (["pypi:acme"], "1 target to compare: 2 to 8 are needed"),
        (["pypi:acme"] * 9, "9 targets to compare: 2 to 8 are needed"),
        (["pypi:acme"] * 2, "pypi:acme is named twice: acme 2.0"),
        (["pypi:acme", "pypi:acme==2.0"], "pypi:acme and pypi:acme==2.0 are the same: acme 2.0"),
        (["pypi:acme", "pypi:acme-gone"], "acme-gone: there is no such package on PyPI"),
        (["pypi:acme", "pypi:acme==9.0"], "acme==9.0: "),
        (["pypi:acme", "github:acme/x"], "github:acme/x is a repository"),
        (["pypi:acme", "pypi:other", "-o", "x.pdf"], "no format with the suffix '.pdf'"),
        (["pypi:acme", "pypi:other", "-o", "json=package.json"], "would overwrite a dependency file"),
    ],
)
def test_bad_input_is_an_error(packages: Registry, nerq: Nerq, arguments: list[str], message: str) -> None:
    packages.site.on("/pypi/acme-gone/json", {"status": 404})
    packages.site.on("/simple/acme-gone/", {"status": 404})
    result = compare(nerq, *arguments)
    assert (result.status, result.out) == (2, "")
    assert message in result.err


def test_a_private_name_is_not_sent(packages: Registry, nerq: Nerq, project: Path) -> None:
    (project / "nerq.toml").write_text('private = ["secret-*"]\n', encoding="utf-8")
    result = compare(nerq, "pypi:acme", "pypi:secret-x", "--strict")
    assert result.status == 3
    assert result.json["targets"][1]["score"] is None
    assert not any("secret" in path for path in packages.paths)


def test_a_warm_comparison_takes_no_request(packages: Registry, nerq: Nerq) -> None:
    first = compare(nerq, "pypi:acme", "pypi:other")
    count = len(packages.paths)
    assert compare(nerq, "pypi:acme", "pypi:other").out == first.out
    assert len(packages.paths) == count


def publish(registry: Registry, *versions: tuple[str, dict[str, object]]) -> None:
    """Publish versions of the npm package demo, oldest first, with these fields of their manifests."""
    registry.npm("demo", *(version for version, _ in versions))
    packument = registry.site.scripts["/demo"][0]["body"]
    for version, fields in versions:
        packument["versions"][version].update({"_npmUser": {"name": "ann"}, **fields})
        registry.site.on(f"/demo/{version}", {"body": packument["versions"][version]})
    registry.site.on("/-/npm/v1/attestations/demo@2.0.0", {"status": 404})


ATTESTED: dict[str, object] = {"dist": {"signatures": [{"keyid": "k"}], "attestations": {"url": "x"}}}


@pytest.mark.parametrize(
    ("fields", "relation", "states"),
    [
        ({}, "lost", ["none", "attested"]),
        (ATTESTED, "unknown", ["attested", "attested"]),
        ({**ATTESTED, "_npmUser": {"name": "eve"}}, "changed", ["attested", "attested"]),
    ],
)
def test_versions_of_one_package_show_what_becomes_of_their_provenance(
    packages: Registry, nerq: Nerq, fields: dict[str, object], relation: str, states: list[str]
) -> None:
    publish(packages, ("1.0.0", {}), ("2.0.0", ATTESTED), ("3.0.0", fields))
    document = compare(nerq, "npm:demo@2.0.0", "npm:demo@3.0.0").json
    jsonschema.validate(document, build_schema())
    (change,) = document["changes"]
    assert change["provenance"]["relation"] == relation
    found = {target["version"]: target["provenance"]["state"] for target in document["targets"]}
    assert [found["3.0.0"], found["2.0.0"]] == states
    for form in ("table", "markdown", "html"):
        out = nerq("compare", "npm:demo@2.0.0", "npm:demo@3.0.0", "--as-of", AS_OF, "-f", form).out
        assert "provenance" in out
        assert change["provenance"]["text"].split()[0] in out


def test_models_have_no_provenance(hub: HubStandIn, nerq: Nerq) -> None:
    document = compare(nerq, "hf:org/one", "hf:org/two").json
    assert [target["provenance"] for target in document["targets"]] == [None, None]
