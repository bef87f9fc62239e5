"""``nerq report``, whole, against registries and a stand-in for the Hub on loopback."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from html import unescape
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from nerq_cli.report.pages.report import build_schema
from tests.cli.conftest import AS_OF, Registry, Result, Services
from tests.conftest import Site
from tests.sources.huggingface.conftest import HubStandIn, build_model

Nerq = Callable[..., Result]
HOSTILE = "\x1b[31m</script><script>alert(1)</script> <img src=x onerror=y> [a](javascript:b) `x` ::error::z | @you"


def report(nerq: Nerq, *arguments: str) -> Result:
    return nerq("report", *arguments, "--as-of", AS_OF, "-f", "json")


@pytest.fixture
def packages(registry: Registry) -> Registry:
    """A package of PyPI in two versions, and one of npm."""
    registry.pypi("acme", "1.0", "2.0", author="Ann <ann@mail.example>")
    registry.npm("leaf", "1.0.0", keywords=["tree", "green"], author={"name": "Bob"})
    registry.most_used()
    return registry


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStandIn]:
    """A stand-in for the Hub with a repository of each kind."""
    site = Site()
    stand_in = HubStandIn(site)
    card = "# One\n\nOne writes sentences about the sea and answers questions of sailors.\n"
    stand_in.add_model("org/one", cardData={"license": "apache-2.0"}, card=card)
    for kind, name in (("datasets", "org/corpus"), ("spaces", "org/demo"), ("kernels", "org/fast")):
        stand_in.repositories[kind, name] = build_model(name, cardData={"license": "cc0-1.0"})
    stand_in.organisations["org"] = {"name": "org", "isVerified": True, "numModels": 3}
    monkeypatch.setenv("NERQ_HF_URL", site.url)
    yield stand_in
    site.close()


# --- what a page has


def test_a_page_has_every_part(packages: Registry, services: Services, nerq: Nerq) -> None:
    services.advisory("acme", "1.0", identifier="GHSA-aaaa-bbbb-cccc", summary="reads too much")
    result = report(nerq, "pypi:acme==1.0")
    document = result.json
    jsonschema.validate(document, build_schema())
    assert nerq("schema", "page").json == build_schema()
    assert result.status == 0
    assert document["target"]["purl"] == "pkg:pypi/acme@1.0"
    assert document["verdict"]["purpose"] == "production"
    assert document["verdict"]["answer"] == "avoid"
    assert [advisory["id"] for advisory in document["security"]["advisories"]] == ["GHSA-aaaa-bbbb-cccc"]
    assert {use["purpose"] for use in document["uses"]} == {"research", "sandbox", "production", "critical"}
    assert document["description"]["quote"] == "What acme is"
    assert document["regulation"]["not_applicable"]
    details = {detail["id"]: detail for detail in document["details"]}
    assert details["author"]["value"] == "Ann"
    assert details["repository"]["value"] == "https://code.example/acme/acme"
    assert details["stars"]["reason"].startswith("not known: ")
    assert document["history_reason"] == "no run before this one left a snapshot"
    assert document["badge"]["svg"].startswith("<svg")
    assert document["addresses"]["command"] == f"nerq report pypi:acme==1.0 --as-of {AS_OF} -f json"
    questions = {answer["id"]: answer["answer"] for answer in document["questions"]}
    assert "GHSA-aaaa-bbbb-cccc" in questions["vulnerabilities"]
    assert questions["version"].startswith("2.0, instead of 1.0: its score of ")
    assert any("move to 2.0" in text for text in document["takeaways"])


def test_the_score_is_that_of_check(packages: Registry, nerq: Nerq) -> None:
    for target in ("pypi:acme==1.0", "pypi:acme", "npm:leaf"):
        document = report(nerq, target).json
        (entry,) = nerq("check", target, "--as-of", AS_OF, "-f", "json").json["dependencies"]
        assert document["score"]["value"] == entry["score"]
        assert [signal["value"] for signal in document["signals"]] == [signal["value"] for signal in entry["signals"]]


def test_a_page_is_the_same_from_the_cache_without_a_request(packages: Registry, nerq: Nerq) -> None:
    for form in ("json", "markdown", "html", "table"):
        first = nerq("report", "pypi:acme", "--as-of", AS_OF, "-f", form)
        before = len(packages.paths)
        assert nerq("report", "pypi:acme", "--as-of", AS_OF, "-f", form, "--offline").out == first.out
        assert len(packages.paths) == before


def test_the_points_add_up_to_the_score_before_caps(packages: Registry, nerq: Nerq) -> None:
    document = report(nerq, "pypi:acme").json
    points = sum(signal["points"] or 0 for signal in document["signals"])
    assert points == pytest.approx(document["score"]["uncapped"], abs=0.06)


def test_the_verdict_is_about_the_purpose(packages: Registry, nerq: Nerq) -> None:
    for purpose in ("research", "critical"):
        document = report(nerq, "pypi:acme", "--for", purpose).json
        assert document["verdict"] == next(use for use in document["uses"] if use["purpose"] == purpose)
        assert document["questions"][0]["question"] == f"Is acme 2.0 safe to use for {purpose}?"


def test_the_commands_of_a_page_give_that_page(packages: Registry, nerq: Nerq, tmp_path: Path) -> None:
    for options in (("--as-of", AS_OF), ("--as-of", AS_OF, "--for", "critical"), ("--as-of", "2024-06-01T10:00:00Z")):
        result = nerq("report", "pypi:acme==1.0", *options, "-f", "json")
        document = result.json
        assert nerq(*shlex.split(document["addresses"]["command"])[1:]).out == result.out
        command = shlex.split(document["badge"]["command"])[1:-1]
        assert nerq(*command, str(tmp_path / "badge.svg")).status == 0
        assert (tmp_path / "badge.svg").read_text() == document["badge"]["svg"]
        page = nerq("report", "pypi:acme==1.0", *options).out
        assert document["addresses"]["command"] in page
        assert document["badge"]["command"] in page


def test_what_no_source_has_is_not_known(packages: Registry, services: Services, nerq: Nerq) -> None:
    services.silent()
    result = report(nerq, "pypi:acme", "--strict")
    document = result.json
    assert (result.status, document["complete"]) == (3, False)
    assert document["security"]["knows_advisories"] is False
    answers = {answer["id"]: answer["answer"] for answer in document["questions"]}
    assert answers["vulnerabilities"].startswith("It is not known of acme 2.0: ")
    assert document["verdict"]["answer"] == "unsettled"
    assert "--strict makes this exit 3" in nerq("report", "pypi:acme", "--as-of", AS_OF).err


def test_a_registry_without_pages_of_releases_has_the_description_of_another_version(
    packages: Registry, nerq: Nerq
) -> None:
    packages.site.on("/pypi/acme/1.0/json", {"status": 404})
    description = report(nerq, "pypi:acme==1.0").json["description"]
    assert description == {"quote": "What acme is", "reason": None, "source": "PyPI (as of 2.0)"}


def test_without_a_page_there_is_no_description(packages: Registry, nerq: Nerq) -> None:
    packages.npm("mute", "1.0.0", description="")
    packages.site.on("/mute/1.0.0", {"body": {"name": "mute", "version": "1.0.0"}})
    assert report(nerq, "npm:mute").json["description"]["reason"] == "the release states no summary"
    packages.site.on("/leaf/1.0.0", {"status": 404})
    assert "no JSON for single releases" in report(nerq, "npm:leaf").json["description"]["reason"]
    assert "No description of leaf 1.0.0 is known" in nerq("report", "npm:leaf", "--as-of", AS_OF).out


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("hf:org/one", "model"),
        ("hf-dataset:org/corpus", "dataset"),
        ("hf-space:org/demo", "space"),
        ("hf-kernel:org/fast", "kernel"),
    ],
)
def test_repositories_of_the_hub_have_pages(hub: HubStandIn, nerq: Nerq, target: str, kind: str) -> None:
    document = report(nerq, target).json
    jsonschema.validate(document, build_schema())
    assert document["target"]["kind"] == kind
    details = {detail["id"]: detail["value"] for detail in document["details"]}
    assert details["owner"] == "org, organisation, verified by the Hub, 3 models"
    if kind == "model":
        assert document["description"]["quote"].startswith("One writes sentences")
        assert len(document["regulation"]["instruments"]["jurisdictions"]) == 52
        assert "eu-class" in {answer["id"] for answer in document["questions"]}
    page = nerq("report", target, "--as-of", AS_OF, "-f", "html").out
    assert read_linked_data(page)["itemReviewed"]["@type"] == (
        "Dataset" if kind == "dataset" else "SoftwareApplication"
    )


def test_an_mcp_server_has_the_page_of_its_package_with_its_protocols(
    packages: Registry, nerq: Nerq, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NERQ_MCP_REGISTRY_URL", packages.site.url)
    body = {
        "server": {
            "name": "io.github.acme/leaf",
            "version": "1.0.0",
            "packages": [{"registryType": "npm", "identifier": "leaf", "version": "1.0.0"}],
            "remotes": [],
        },
        "_meta": {"io.modelcontextprotocol.registry/official": {"status": "deprecated"}},
    }
    path = "/v0.1/servers/io.github.acme%2Fleaf/versions/latest?include_deleted=true"
    packages.site.on(path, {"body": body})
    document = report(nerq, "mcp:io.github.acme/leaf").json
    details = {detail["id"]: detail["value"] for detail in document["details"]}
    assert details["server"] == "io.github.acme/leaf 1.0.0"
    assert details["protocols"] == "MCP: started from npm:leaf"
    assert details["server-status"] == "deprecated"
    assert any(finding["rule"].startswith("mcp-") for finding in document["security"]["findings"])


def test_the_past_of_a_target_is_on_its_page(packages: Registry, nerq: Nerq) -> None:
    nerq("check", "pypi:acme==1.0")
    document = nerq("report", "pypi:acme==1.0", "-f", "json").json
    assert len(document["history"]["snapshots"]) == 1
    assert document["history"]["trend"]["direction"] == "too little history"
    gone = nerq("report", "pypi:acme", "-f", "json", "--no-cache").json
    assert (gone["history"], gone["history_reason"]) == (None, "--no-cache leaves no history to read")


def test_alternatives_have_their_own_scores(packages: Registry, nerq: Nerq) -> None:
    packages.pypi("fuzzywuzzy", "0.18.0")
    packages.pypi("rapidfuzz", "3.14.0")
    packages.pypi("thefuzz", "0.22.0")
    document = report(nerq, "pypi:fuzzywuzzy").json
    first = document["alternatives"][0]
    assert first["score"] == report(nerq, f"pypi:{first['name']}").json["score"]["value"]
    assert "alternatives" in {answer["id"] for answer in document["questions"]}


# --- no boilerplate


class Paragraphs(HTMLParser):
    """The texts of paragraphs, items, answers and quotes of a page."""

    TAGS = ("p", "li", "dd", "blockquote", "figcaption")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._open: list[str] = []
        self._in_navigation = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - of the parser
        self._in_navigation |= tag == "nav"
        if tag in self.TAGS and not self._in_navigation:
            self._open.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "nav":
            self._in_navigation = False
        elif tag in self.TAGS and self._open:
            self.found.append(" ".join(self._open.pop().split()))

    def handle_data(self, data: str) -> None:
        self._open = [text + data for text in self._open]


def read_paragraphs(page: str) -> set[str]:
    parser = Paragraphs()
    parser.feed(page)
    return set(filter(None, parser.found)) - {"nerq report"}


def read_blocks(page: str) -> set[str]:
    """Return the paragraphs, items, tables and commands of a page in Markdown or text; no headings and rules."""
    parts = (part.strip() for block in page.split("\n\n") for part in re.split(r"\n(?=- )", block))
    return {part for part in parts if part and not part.startswith(("#", "---"))}


def test_ten_pages_share_no_paragraph(packages: Registry, services: Services, hub: HubStandIn, nerq: Nerq) -> None:
    links = {"Source": "https://code.example/acme/x", "Homepage": "https://demo.example"}
    packages.pypi("one", "1.0", project_urls=links)
    packages.pypi("two", "1.0", "1.1", classifiers=[], keywords="")
    packages.pypi("three", "1.0", description="")
    packages.pypi("four", "1.0", license_expression="AGPL-3.0-only")
    packages.pypi("five", "1.0", "2.0", "3.0")
    services.advisory("five", "3.0", identifier="GHSA-aaaa-bbbb-cccc")
    services.advisory("four", "1.0", identifier="GHSA-dddd-bbbb-cccc")
    packages.npm("six", "1.0.0", scripts={"postinstall": "node x"})
    packages.npm("seven", "1.0.0", deprecated="use eight")
    packages.npm("eight", "1.0.0")
    names = [f"pypi:{name}" for name in ("one", "two", "three", "four", "five", "acme==1.0")]
    names += [f"npm:{name}" for name in ("six", "seven", "eight")]
    names.append("hf:org/one")
    assert len(names) == 10
    pages = {name: read_paragraphs(nerq("report", name, "--as-of", AS_OF, "-f", "html").out) for name in names}
    forms = [
        {name: read_blocks(nerq("report", name, "--as-of", AS_OF, "-f", form).out) for name in names}
        for form in ("markdown", "table")
    ]
    scores = [report(nerq, name).json["score"]["value"] for name in names]
    assert len({*scores}) < len(scores)  # some have the same score
    for found in (pages, *forms):
        assert all(len(paragraphs) > 10 for paragraphs in found.values())
        for first, second in combinations(names, 2):
            assert found[first] & found[second] == set(), (first, second)


def test_each_takeaway_is_made_from_facts(packages: Registry, services: Services, nerq: Nerq) -> None:
    """Beside names and versions the sentences about different evidence differ, and those about the same do not."""
    services.advisory("acme", "1.0", identifier="GHSA-aaaa-bbbb-cccc")
    packages.pypi("other", "1.0", description="", project_urls={})
    sentences = []
    for target, name in (("pypi:acme==1.0", "acme 1.0"), ("pypi:other", "other 1.0"), ("npm:leaf", "leaf 1.0.0")):
        document = report(nerq, target).json
        sentences.append([text.replace(name, "X") for text in document["takeaways"]])
    for first, second in combinations(sentences, 2):
        for part in ("X scores ", "X loses most points by "):
            assert next(text for text in first if text.startswith(part)) not in second


# --- texts of others


def read_linked_data(page: str) -> Any:
    (content,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page)
    return json.loads(content)


def test_texts_of_authors_are_sanitised_in_every_form(packages: Registry, hub: HubStandIn, nerq: Nerq) -> None:
    packages.pypi("bad", "1.0", summary=HOSTILE, author=HOSTILE, keywords=HOSTILE)
    packages.npm("worse", "1.0.0", description=HOSTILE, author=HOSTILE, deprecated=HOSTILE)
    packages.site.on(
        "/worse/1.0.0", {"body": {"name": "worse", "version": "1.0.0", "description": HOSTILE, "keywords": [HOSTILE]}}
    )
    hub.add_model("org/bad", card=f"# X\n\nThis is a model with words {HOSTILE}\n", pipeline_tag=HOSTILE)
    for target in ("pypi:bad", "npm:worse", "hf:org/bad"):
        for form in ("table", "json", "markdown", "html"):
            out = nerq("report", target, "--as-of", AS_OF, "-f", form).out
            assert "alert" in out
            assert "\x1b" not in out
            assert not any(line.lstrip().startswith("::") for line in out.splitlines())
            if form in ("markdown", "html"):
                assert "<img" not in out
                assert "<script>" not in out
            if form == "markdown":
                assert "[a](" not in out
            if form == "html":
                assert out.count("<script") == 1
                assert read_linked_data(out)["itemReviewed"]["name"] == target.partition(":")[2]


def test_a_page_of_html_loads_nothing(packages: Registry, nerq: Nerq, project: Path) -> None:
    nerq("report", "pypi:acme", "--as-of", AS_OF, "-o", "a.html", "-o", "a.md", "-o", "a.txt", "-o", "a.json")
    page = unescape((project / "a.html").read_text(encoding="utf-8"))
    assert "default-src 'none'" in page
    assert "script-src" not in page
    assert re.findall(r'src="|url\((?!"#)|@import', page) == []
    data = read_linked_data(page)
    assert data["itemReviewed"]["identifier"] == "pkg:pypi/acme@2.0"
    assert data["reviewRating"]["ratingValue"] == json.loads((project / "a.json").read_text())["score"]["value"]
    assert (project / "a.md").read_text(encoding="utf-8").startswith("# pypi:acme 2.0\n")
    assert (project / "a.txt").read_text(encoding="utf-8").startswith("pypi:acme 2.0\n")


def test_a_score_that_is_not_settled_is_one_everywhere(packages: Registry, nerq: Nerq) -> None:
    packages.pypi("open", "1.0", license_expression=None, project_urls={})
    document = report(nerq, "pypi:open").json
    score = document["score"]
    assert (score["grade"], score["provisional"]) == (None, False)
    assert score["low"] < 70 <= score["value"]
    number = f"~{score['value']:.1f}"
    assert document["takeaways"][0].startswith(
        f"open 1.0 scores {number} (no grade, {score['low']} to {score['high']} by what is not known), "
        "which leaves open whether it reaches the threshold of 70, "
    )
    text = nerq("report", "pypi:open", "--as-of", AS_OF).out
    assert f"{number} of 100" in text
    html = nerq("report", "pypi:open", "--as-of", AS_OF, "-f", "html").out
    assert f"{number} - nerq" in html
    assert "reviewRating" not in read_linked_data(html)
    assert number in nerq("compare", "pypi:open", "pypi:acme", "--as-of", AS_OF).out
    assert number in nerq("alternatives", "pypi:open", "--as-of", AS_OF).out


def test_what_is_stated_to_be_none_is_not_unknown(packages: Registry, nerq: Nerq) -> None:
    packages.pypi("odd", "1.0", project_urls={"Source": "javascript:alert(1)", "Homepage": "git+ssh://x"})
    document = report(nerq, "pypi:odd").json
    details = {detail["id"]: detail["reason"] for detail in document["details"]}
    assert document["provenance"]["used"]["state"] == "none"
    assert details["attestation"] == "none: no attestation"
    assert details["repository"] == details["homepage"] == "no usable address stated"


def test_rows_about_a_licence_do_not_read_as_restrictions(packages: Registry, hub: HubStandIn, nerq: Nerq) -> None:
    hub.repositories["spaces", "org/demo"] |= {"models": ["org/one"]}
    rows = {row["id"]: row for row in report(nerq, "hf-space:org/demo").json["regulation"]["licence"]["rows"]}
    assert (rows["restrictions"]["label"], rows["restrictions"]["text"]) == ("terms of use", "no restriction of use")
    assert rows["text"]["label"] == "licence text or link"
    assert rows["lineage"]["text"].endswith("licences of what it uses are not compared")
    hub.add_model("org/closed", cardData={"license": "llama3.1"})
    rows = {row["id"]: row for row in report(nerq, "hf:org/closed").json["regulation"]["licence"]["rows"]}
    assert rows["restrictions"]["state"] == "present"
    assert rows["restrictions"]["text"].startswith("restrictions: ")
    rows = {row["id"]: row for row in report(nerq, "pypi:acme").json["regulation"]["licence"]["rows"]}
    assert (rows["restrictions"]["label"], rows["restrictions"]["text"]) == ("terms of use", "MIT: permissive")


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_the_text_fits_the_width(packages: Registry, nerq: Nerq, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = nerq("report", "pypi:acme", "--as-of", AS_OF).out.splitlines()
    commands = ("printf", "python -m", "docker", "git clone", "nerq ", "![")  # whole, to be copied
    assert max(len(line) for line in lines if not line.strip().startswith(commands)) <= width


# --- bad input


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "there is no target"),
        (["pypi:gone"], "gone: there is no such package on PyPI"),
        (["pypi:acme==9.0"], "acme==9.0: "),
        (["pypi:acme", "-o", "x.pdf"], "no format with the suffix '.pdf'"),
        (["acme"], "acme may be pypi:acme or npm:acme"),
        (["mcp:nothing here"], "names no MCP server"),
    ],
)
def test_bad_input_is_an_error(packages: Registry, nerq: Nerq, arguments: list[str], message: str) -> None:
    packages.npm("acme", "1.0.0")
    packages.site.on("/pypi/gone/json", {"status": 404})
    packages.site.on("/simple/gone/", {"status": 404})
    result = nerq("report", *arguments, "--as-of", AS_OF)
    assert (result.status, result.out) == (2, "")
    assert message in result.err


def test_reviews_are_beside_the_score(packages: Registry, nerq: Nerq, project: Path) -> None:
    before = report(nerq, "pypi:acme").json
    assert before["reviews"] == []
    (project / "nerq-reviews.toml").write_text(
        'schema = 1\n\n[[reviews]]\npackage = "pypi:acme"\nversion = "2.0"\nverdict = "concern"\nwho = "Ann"\n'
        'when = "2026-11-01"\nnotes = "reads the environment"\n',
        encoding="utf-8",
    )
    document = report(nerq, "pypi:acme").json
    assert [(item["verdict"], item["notes"]) for item in document["reviews"]] == [("concern", "reads the environment")]
    assert document["score"] == before["score"]
    assert "reads the environment" in nerq("report", "pypi:acme", "--as-of", AS_OF, "-f", "html").out


def test_a_file_that_decides_is_not_overwritten(packages: Registry, nerq: Nerq, project: Path) -> None:
    (project / "requirements.txt").write_text("acme\n", encoding="utf-8")
    result = nerq("report", "pypi:acme", "--as-of", AS_OF, "-o", "table=requirements.txt")
    assert result.status == 2
    assert (project / "requirements.txt").read_text(encoding="utf-8") == "acme\n"


def test_no_name_of_a_private_package_is_sent(packages: Registry, nerq: Nerq, project: Path) -> None:
    (project / "pyproject.toml").write_text('[tool.nerq]\nprivate = ["secret-*"]\n', encoding="utf-8")
    result = nerq("report", "pypi:secret-x==1.0", "--as-of", AS_OF, "-f", "json")
    assert not any("secret" in path for path in packages.paths)
    assert result.json["verification"] == []
    assert result.json["score"]["value"] is None


def test_the_provenance_of_versions_is_on_the_page(packages: Registry, nerq: Nerq) -> None:
    attested = {"attestations": {"url": "https://x.example"}, "signatures": [{"keyid": "k", "sig": "s"}]}
    packages.npm("other", "1.0.0", "2.0.0", dist=attested)
    provenance = report(nerq, "npm:other@1.0.0").json["provenance"]
    assert (provenance["used"]["version"], provenance["proposed"]["version"]) == ("1.0.0", "2.0.0")
    assert provenance["used"]["state"] not in ("none", "unknown")
    assert provenance["proposed"]["state"] == provenance["used"]["state"]
    assert (provenance["steps"][-1]["after"], provenance["lost"]) == ("2.0.0", False)
    page = nerq("report", "npm:leaf", "--as-of", AS_OF).out
    assert "1.0.0 (in use)" in page
    assert "no attestation" in page


def test_a_server_that_only_runs_remotely_has_a_page_without_a_score(
    packages: Registry, nerq: Nerq, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NERQ_MCP_REGISTRY_URL", packages.site.url)
    server = {
        "name": "io.github.acme/far",
        "version": "1.0.0",
        "remotes": [{"type": "streamable-http", "url": "https://far.example/mcp"}],
    }
    body = {"server": server, "_meta": {"io.modelcontextprotocol.registry/official": {"status": "active"}}}
    packages.site.on("/v0.1/servers/io.github.acme%2Ffar/versions/latest?include_deleted=true", {"body": body})
    document = report(nerq, "mcp:io.github.acme/far", "--no-strict").json
    details = {detail["id"]: detail["value"] for detail in document["details"]}
    assert details["protocols"] == "MCP: streamable-http at https://far.example/mcp"
    assert (document["score"]["value"], document["complete"], document["verification"]) == (None, False, [])
    assert "not scored" in document["score"]["reason"]


# --- a malicious version


def test_nothing_on_the_page_of_a_malicious_version_speaks_for_it(
    registry: Registry, services: Services, nerq: Nerq
) -> None:
    registry.pypi("malw", "1.0", "1.1")
    registry.most_used()
    services.advisory("malw", "1.1", identifier="MAL-2026-1")
    page = report(nerq, "malw").json
    reasons = {signal["id"]: signal["reason"] for signal in page["signals"]}
    assert reasons["known_advisories"] == "no known advisory beside the record of malware"
    assert not [text for text in page["takeaways"] if text.startswith(("Most of the points", "malw 1.1 loses"))]
    answers = {row["id"]: row["answer"] for row in page["questions"]}
    assert "MAL-2026-1 (malware)" in answers["vulnerabilities"]
    assert answers["version"].startswith("None that is known: malw 1.1, which is malicious, is the newest")
    assert not [check for check in page["verification"] if "install" in check["command"]]
