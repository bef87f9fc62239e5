"""``nerq alternatives``, whole, against registries and a stand-in for the Hub on loopback."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jsonschema
import pytest

from nerq_cli.report.embedded import extract_report
from nerq_cli.report.formats.json import read_schema
from nerq_cli.report.pages.alternatives import build_schema
from tests.cli.conftest import AS_OF, Registry, Result, Services
from tests.conftest import Site
from tests.sources.huggingface.conftest import HubStandIn

Nerq = Callable[..., Result]


def find(nerq: Nerq, *arguments: str) -> Result:
    return nerq("alternatives", *arguments, "--as-of", AS_OF, "-f", "json")


@pytest.fixture
def packages(registry: Registry) -> Registry:
    """A package of each registry with listed alternatives, which exist."""
    registry.pypi("fuzzywuzzy", "0.18.0")
    registry.pypi("rapidfuzz", "3.0.0", "3.14.0")
    registry.pypi("thefuzz", "0.22.0", description="", project_urls={})
    registry.npm("request", "2.88.2", deprecated="use @acme/request instead")
    registry.npm("@acme/request", "1.0.0")
    registry.npm("ky", "2.0.0")
    registry.npm("ofetch", "1.0.0")
    registry.most_used()
    return registry


def test_listed_packages_have_their_own_score_at_the_version_that_one_would_take(
    packages: Registry, nerq: Nerq
) -> None:
    result = find(nerq, "pypi:fuzzywuzzy")
    document = result.json
    jsonschema.validate(document, build_schema())
    assert nerq("schema", "alternatives").json == build_schema()
    first, second = document["alternatives"]
    assert (first["name"], first["version"], first["relation"]) == ("rapidfuzz", "3.14.0", "listed")
    assert first["score"] > second["score"]
    assert second["reason"] == "the package was renamed"
    for entry in (first, second):
        (checked,) = nerq("check", f"pypi:{entry['name']}", "--as-of", AS_OF, "-f", "json").json["dependencies"]
        assert checked["score"] == entry["score"]
    assert result.status == 0
    assert find(nerq, "pypi:fuzzywuzzy", "--offline").out == result.out


def test_the_word_of_the_maintainers_comes_first(packages: Registry, nerq: Nerq) -> None:
    entries = find(nerq, "npm:request").json["alternatives"]
    assert [(entry["relation"], entry["name"] or entry["feature"]) for entry in entries[:2]] == [
        ("maintainer", "@acme/request"),
        ("builtin", "fetch"),
    ]
    assert entries[2]["name"] in ("ky", "ofetch")
    text = nerq("alternatives", "npm:request", "--as-of", AS_OF).out
    assert 'its maintainers name it: "use @acme/request instead"' in text
    assert "nothing to install, so nothing to score" in text


def test_what_the_project_has_is_preferred(packages: Registry, nerq: Nerq, project: Path) -> None:
    (project / "requirements.txt").write_text("thefuzz==0.22.0\nfuzzywuzzy==0.18.0\n", encoding="utf-8")
    entries = find(nerq, "pypi:fuzzywuzzy").json["alternatives"]
    assert [(entry["name"], entry["in_project"]) for entry in entries] == [("thefuzz", True), ("rapidfuzz", False)]
    assert "your project depends on it already" in nerq("alternatives", "pypi:fuzzywuzzy", "--as-of", AS_OF).out
    apart = find(nerq, "pypi:fuzzywuzzy", "--no-project").json["alternatives"]
    assert [(entry["name"], entry["in_project"]) for entry in apart] == [("rapidfuzz", None), ("thefuzz", None)]


def test_without_a_project_nothing_is_preferred(packages: Registry, nerq: Nerq) -> None:
    assert [entry["in_project"] for entry in find(nerq, "pypi:fuzzywuzzy").json["alternatives"]] == [None, None]


def test_what_is_not_reachable_is_not_scored(packages: Registry, nerq: Nerq) -> None:
    for path in ("/pypi/rapidfuzz/json", "/simple/rapidfuzz/"):
        packages.site.on(path, {"status": 500})
    result = find(nerq, "pypi:fuzzywuzzy", "--strict", "--timeout", "3")
    entry = next(item for item in result.json["alternatives"] if item["name"] == "rapidfuzz")
    assert entry["score"] is None
    assert entry["not_scored"]
    assert result.status == 3
    assert "not scored: " in nerq("alternatives", "pypi:fuzzywuzzy", "--timeout", "3").out


def test_what_does_not_exist_is_not_proposed(packages: Registry, nerq: Nerq) -> None:
    packages.site.on("/@acme%2Frequest", {"status": 404})
    packages.site.on("/@acme%2frequest", {"status": 404})
    document = find(nerq, "npm:request").json
    assert "@acme/request" not in {entry["name"] for entry in document["alternatives"]}
    assert document["excluded"] == [{"name": "@acme/request", "reason": "npm has no such name"}]


def test_malware_is_not_proposed(packages: Registry, services: Services, nerq: Nerq) -> None:
    services.advisory("rapidfuzz", "3.0.0", "3.14.0", identifier="MAL-2026-1")
    document = find(nerq, "pypi:fuzzywuzzy").json
    assert [entry["name"] for entry in document["alternatives"]] == ["thefuzz"]
    assert [entry["name"] for entry in document["excluded"]] == ["rapidfuzz"]


def test_no_alternative_is_stated_as_that(packages: Registry, nerq: Nerq) -> None:
    result = nerq("alternatives", "pypi:rapidfuzz", "--as-of", AS_OF)
    assert result.status == 0
    assert "No alternative is known" in result.out


@pytest.mark.parametrize("form", ["table", "markdown", "html"])
def test_every_form_has_reason_score_and_source(packages: Registry, nerq: Nerq, form: str) -> None:
    out = nerq("alternatives", "pypi:fuzzywuzzy", "--as-of", AS_OF, "-f", form).out
    assert "the package was renamed" in out
    assert "rapidfuzz" in out
    assert "score " in out
    assert "rapidfuzz/RapidFuzz" in out


def test_texts_of_others_are_escaped(packages: Registry, nerq: Nerq) -> None:
    packages.npm("request", "2.88.2", deprecated="use @acme/request instead \x1b[31m<script>x</script>\n::error::y")
    for form in ("table", "json", "markdown", "html"):
        out = nerq("alternatives", "npm:request", "--as-of", AS_OF, "-f", form).out
        assert "\x1b" not in out
        assert not any(line.lstrip().startswith("::") for line in out.splitlines())
        if form in ("markdown", "html"):
            assert "<script" not in out


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_text_fits_the_width(packages: Registry, nerq: Nerq, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert max(map(len, nerq("alternatives", "npm:request", "--as-of", AS_OF).out.splitlines())) <= width


def test_files_are_written(packages: Registry, nerq: Nerq, project: Path) -> None:
    assert nerq("alternatives", "pypi:fuzzywuzzy", "-o", "a.json", "-o", "a.md", "--as-of", AS_OF).status == 0
    assert json.loads((project / "a.json").read_text(encoding="utf-8"))["target"] == "pypi:fuzzywuzzy"
    assert (project / "a.md").read_text(encoding="utf-8").startswith("## Alternatives to pypi:fuzzywuzzy")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "there is no target"),
        (["pypi:gone-gone"], "gone-gone: there is no such package on PyPI"),
        (["github:acme/.."], "names no repository"),
        (["pypi:fuzzywuzzy", "--project", "nowhere"], "nowhere: there is no such file or directory"),
        (["pypi:fuzzywuzzy", "-o", "x.pdf"], "no format with the suffix"),
    ],
)
def test_bad_input_is_an_error(packages: Registry, nerq: Nerq, arguments: list[str], message: str) -> None:
    packages.site.on("/pypi/gone-gone/json", {"status": 404})
    packages.site.on("/simple/gone-gone/", {"status": 404})
    result = find(nerq, *arguments)
    assert (result.status, result.out) == (2, "")
    assert message in result.err


def test_a_private_alternative_is_not_sent(packages: Registry, nerq: Nerq, project: Path) -> None:
    (project / "nerq.toml").write_text('private = ["rapidfuzz"]\n', encoding="utf-8")
    entries = find(nerq, "pypi:fuzzywuzzy").json["alternatives"]
    assert next(entry for entry in entries if entry["name"] == "rapidfuzz")["score"] is None
    assert not any("rapidfuzz" in path for path in packages.paths)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStandIn]:
    """A stand-in for the Hub with a quantised model, its base and a newer model."""
    site = Site()
    stand_in = HubStandIn(site)
    data = {"license": "mit", "base_model": "org/base", "base_model_relation": "quantized", "new_version": "org/next"}
    stand_in.add_model("org/demo", cardData=data, card="# Demo\n", baseModels={"models": [{"id": "org/base"}]})
    stand_in.add_model("org/base", cardData={"license": "mit"}, card="# Base\n")
    stand_in.add_model("org/next", cardData={"license": "mit"}, card="# Next\n")
    stand_in.organisations["org"] = {"name": "org", "isVerified": True}
    monkeypatch.setenv("NERQ_HF_URL", site.url)
    yield stand_in
    site.close()


def test_a_model_has_its_new_version_and_its_base(hub: HubStandIn, nerq: Nerq) -> None:
    entries = find(nerq, "hf:org/demo").json["alternatives"]
    assert [(entry["relation"], entry["name"]) for entry in entries] == [
        ("maintainer", "org/next"),
        ("base-model", "org/base"),
    ]
    assert all(entry["score"] is not None and entry["version"] for entry in entries)


# --- in the reports of scans and checks


def read_alternatives(result: Result) -> dict[str, list[dict[str, object]]]:
    """Return the alternatives of each dependency that has some."""
    rows = result.json["dependencies"]
    assert all(row["state"] == "below" for row in rows if "alternatives" in row)
    return {row["name"]: row["alternatives"] for row in rows if "alternatives" in row}


@pytest.fixture
def failing(packages: Registry, project: Path) -> Path:
    """A project with a dependency below the threshold that has alternatives, of which it has one."""
    text = "fuzzywuzzy==0.18.0\nthefuzz==0.22.0\n"
    (project / "requirements.txt").write_text(text, encoding="utf-8")
    (project / "nerq.toml").write_text("threshold = 99.5\n", encoding="utf-8")
    return project


def test_a_scan_has_alternatives_to_what_is_below_the_threshold_without_a_request(
    packages: Registry, failing: Path, nerq: Nerq
) -> None:
    result = nerq("scan", "--as-of", AS_OF, "-f", "json")
    jsonschema.validate(result.json, json.loads(read_schema()))
    (found,) = read_alternatives(result).values()
    scores = {row["name"]: row["score"] for row in result.json["dependencies"]}
    assert [(entry["name"], entry["score"], entry["in_project"]) for entry in found] == [
        ("thefuzz", scores["thefuzz"], True),
        ("rapidfuzz", None, False),
    ]
    assert found[1]["not_scored"] == "not computed"
    assert found[0]["reason"]
    assert found[0]["source"]
    assert not any("rapidfuzz" in path for path in packages.paths)


def test_a_report_scores_an_alternative_if_the_cache_has_its_evidence(
    packages: Registry, failing: Path, nerq: Nerq
) -> None:
    own = {entry["name"]: entry for entry in find(nerq, "pypi:fuzzywuzzy", "--no-project").json["alternatives"]}
    assert own["rapidfuzz"]["score"] is not None
    time.sleep(1.1)  # the cache alone: an answer of this very second may be that of another process
    for command in (["scan"], ["check", "pypi:fuzzywuzzy==0.18.0"]):
        before = len(packages.paths)
        (found,) = read_alternatives(nerq(*command, "--offline", "--as-of", AS_OF, "-f", "json")).values()
        assert len(packages.paths) == before
        entry = next(item for item in found if item["name"] == "rapidfuzz")
        assert (entry["score"], entry["version"]) == (own["rapidfuzz"]["score"], "3.14.0")


def test_a_check_knows_of_no_project(packages: Registry, failing: Path, nerq: Nerq) -> None:
    (found,) = read_alternatives(nerq("check", "pypi:fuzzywuzzy", "--as-of", AS_OF, "-f", "json")).values()
    assert {entry["in_project"] for entry in found} == {None}


@pytest.mark.parametrize("form", ["table", "markdown", "html"])
def test_each_report_shows_alternatives(failing: Path, nerq: Nerq, form: str) -> None:
    scan = nerq("scan", "--as-of", AS_OF, "-f", form).out
    check = nerq("check", "pypi:fuzzywuzzy", "--as-of", AS_OF, "-f", form).out
    if form == "html":
        scan, check = (extract_report(text.encode()).decode() for text in (scan, check))
    assert "thefuzz" in scan
    assert "rapidfuzz" in check
    assert "not scored" in check or form == "html"
    if form == "table":
        assert "nerq alternatives pypi:fuzzywuzzy==0.18.0" in scan
        assert "the package was renamed" in check


def test_what_passes_has_no_alternatives(failing: Path, nerq: Nerq) -> None:
    (failing / "nerq.toml").write_text("threshold = 1\n", encoding="utf-8")
    result = nerq("scan", "--as-of", AS_OF, "-f", "json")
    assert {row["state"] for row in result.json["dependencies"]} == {"ok"}
    assert not read_alternatives(result)
    assert "alternatives" not in nerq("scan", "--as-of", AS_OF).out


def test_a_replay_has_the_alternatives_of_the_recorded_report(failing: Path, nerq: Nerq) -> None:
    find(nerq, "pypi:fuzzywuzzy", "--no-project")
    recorded = nerq("scan", "--as-of", AS_OF, "-f", "json", "--record", "run.jsonl")
    replayed = nerq("scan", "--replay", "run.jsonl", "-f", "json")
    assert replayed.out == recorded.out
    assert "digest" not in replayed.err
    (found,) = read_alternatives(replayed).values()
    assert [entry["score"] is None for entry in found] == [False, True]  # a replay has no cache


def test_the_maintainers_of_malware_name_no_successor(packages: Registry, services: Services, nerq: Nerq) -> None:
    packages.npm("bad-thing", "1.0.0", deprecated="use @acme/request instead")
    services.advisory("bad-thing", "1.0.0", identifier="MAL-2026-2", ecosystem="npm")
    result = nerq("check", "npm:bad-thing", "--as-of", AS_OF, "-f", "json")
    assert [row["state"] for row in result.json["dependencies"]] == ["below"]
    assert not read_alternatives(result)
    assert find(nerq, "npm:bad-thing").json["alternatives"] == []
