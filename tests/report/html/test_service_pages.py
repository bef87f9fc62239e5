"""Pages of a service as text: what they have, and that no text of a package or of a visitor is markup in them."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from itertools import pairwise
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from msgspec.structs import replace
from packageurl import PackageURL

from nerq_cli.application.report_page import PageParts, build_page
from nerq_cli.report.model import Report
from nerq_cli.report.pages import report as target_page
from nerq_cli.report.pages import service
from nerq_cli.report.pages.html_page import Site, build_policy
from nerq_cli.report.pages.service import StartPage
from nerq_cli.report.sanitize import defuse_ci_commands
from tests.report.conftest import AS_OF, ATTACK
from tests.report.html.conftest import SERVICE_PAGES, Reader, RenderPage, compare_two, recent

BREAKOUT = f"</td></title></style><script>alert(1)</script><img src=x onerror=alert(1)>\"'><!-- {ATTACK}"


@pytest.mark.parametrize("name", SERVICE_PAGES)
@pytest.mark.parametrize("text", ["text", BREAKOUT, ATTACK, "x" * 100_000, "\udce9\u202e\x00"])
def test_no_text_becomes_markup(render_page: RenderPage, name: str, text: str) -> None:
    site = Site(query=text)
    ordinary, hostile = render_page(name, Site(query="text"), "text"), render_page(name, site, text)
    assert [tag for tag, _ in Reader(hostile).elements] == [tag for tag, _ in Reader(ordinary).elements]
    assert [set(attributes) for _, attributes in Reader(hostile).elements] == [
        set(attributes) for _, attributes in Reader(ordinary).elements
    ]
    assert re.search("[\x00-\x09\x0b-\x1f\x7f\u202e\u2066\udce9]", hostile) is None
    assert defuse_ci_commands(hostile) == hostile
    assert len(hostile) < len(ordinary) + 40_000


@pytest.mark.parametrize("name", SERVICE_PAGES)
def test_elements_are_nested_and_what_they_refer_to_is_there(render_page: RenderPage, name: str) -> None:
    reader = Reader(render_page(name, Site(), "text"))
    ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in reader.elements:
        for reference in ("aria-labelledby", "for"):
            assert attributes.get(reference) in (None, *ids)
        assert (attributes.get("href") or "")[:1] != "#" or (attributes["href"] or "")[1:] in ids
    levels = [int(tag[1]) for tag, _ in reader.elements if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("name", SERVICE_PAGES)
def test_only_its_own_style_is_allowed_and_forms_lead_to_the_service(render_page: RenderPage, name: str) -> None:
    page = render_page(name, Site(), "text")
    reader = Reader(page)
    [policy] = [meta["content"] for meta in reader.all("meta") if "http-equiv" in meta]
    [style] = re.findall("<style>(.*?)</style>", page, re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'self'"
    )
    assert policy == build_policy(is_served=True)
    assert "url(" not in style.replace('url("#hatch")', "").replace('url("#dots")', "")
    for tag, attributes in reader.elements:
        assert tag not in ("img", "iframe", "object", "embed", "base", "audio", "video", "use", "image")
        assert not {key for key in attributes if key.startswith("on") or key in ("src", "srcset", "style")}
        assert tag != "script" or attributes == {"type": "application/ld+json"}
        assert tag != "form" or ((attributes["action"] or "").startswith("/") and "method" not in attributes)
        assert tag != "link" or (attributes["href"] or "").startswith("data:image/svg+xml,")


def test_a_file_has_no_form(findings: Report) -> None:
    made = next(item for item in findings.dependencies if item.state)
    page = target_page.render_html(replace(build_page(made, findings, PageParts(), {}, "production"), target="x"))
    assert Reader(page).all("form") == []
    assert "form-action &#x27;none&#x27;" in page


def test_the_page_of_a_target_has_what_the_file_has(render_page: RenderPage, findings: Report) -> None:
    made = next(item for item in findings.dependencies if item.state)
    file = target_page.render_html(replace(build_page(made, findings, PageParts(), {}, "production"), target="x"))
    [content] = re.findall("<main>.*</main>", file, re.DOTALL)
    assert content in render_page("target", Site(), "text")


def test_the_worst_comes_first_and_not_known_is_no_number() -> None:
    targets = [
        recent("good", "no-objection", 90.0),
        recent("silent", "unsettled", None),
        recent("open", "unsettled", 75.0),
        recent("lower", "avoid", 20.0),
        recent("bad", "avoid", 40.0),
        recent("gone", "avoid", None),
        recent("evil", "avoid", 60.0, is_malware=True),
    ]
    ordered = service.sort_worst_first(targets)
    assert [item.label for item in ordered] == ["evil", "lower", "bad", "gone", "open", "silent", "good"]
    text = Reader(service.render_start(StartPage(recent=tuple(ordered), count=9, as_of=AS_OF), Site())).text
    assert "the worst 7 of 9 targets" in text
    assert "silent not settled not known a reason" in text
    assert "evil malware 60.0" in text


def test_a_start_without_questions_states_that(render_page: RenderPage) -> None:
    reader = Reader(render_page("empty", Site(), ""))
    assert "Nothing was asked for since the service started." in reader.text
    assert reader.all("table") == []


@pytest.mark.parametrize(
    "purl", ["pkg:npm/%40babel/core@7.24.0", "pkg:pypi/x@1.0%2Blocal", "pkg:huggingface/a/b@f?x=1#y"]
)
def test_links_lead_to_the_target_below_the_path_of_the_service(purl: str) -> None:
    site = Site(base="/nerq", purpose="critical")
    page = urlsplit(site.link_page(purl))
    sent = unquote(page.path).removeprefix("/nerq/packages/")
    assert (PackageURL.from_string(sent), page.query) == (PackageURL.from_string(purl), "for=critical")
    answer = urlsplit(site.link_answer(purl))
    assert (answer.path, parse_qs(answer.query)) == ("/nerq/v1/preflight", {"target": [purl], "for": ["critical"]})
    comparison = urlsplit(site.link_comparison((purl, "b")))
    assert (comparison.path, parse_qs(comparison.query)) == ("/nerq/compare", {"target": [purl, "b"]})
    badge = unquote(site.link_badge(purl)).removeprefix("/nerq/badge/").removesuffix(".svg")
    assert PackageURL.from_string(badge) == PackageURL.from_string(purl)


@pytest.mark.parametrize("name", SERVICE_PAGES)
def test_every_address_is_below_the_path_of_the_service(render_page: RenderPage, name: str) -> None:
    for tag, attributes in Reader(render_page(name, Site(base="/nerq"), "text")).elements:
        for key in ("href", "action"):
            address = attributes.get(key) or ""
            assert not address.startswith("/") or address.startswith("/nerq/"), tag


def test_the_search_field_keeps_what_was_written_and_the_purpose() -> None:
    reader = Reader(service.render_problem("Not found", "", "", Site(query='a "b" <c>', purpose="sandbox")))
    [field] = [item for item in reader.all("input") if item["type"] == "search"]
    assert (field["name"], field["value"]) == ("q", 'a "b" <c>')
    assert [item["value"] for item in reader.all("option") if "selected" in item] == ["sandbox"]


@pytest.mark.parametrize(("count", "fields"), [(0, 2), (1, 2), (2, 3), (7, 8), (8, 8), (20, 8)])
def test_the_form_has_a_field_for_one_more_target(count: int, fields: int) -> None:
    reader = Reader(service.render_compare_form([f"t{n}" for n in range(count)], "", Site()))
    values = [item["value"] for item in reader.all("input") if item.get("name") == "target"]
    assert values == [*[f"t{n}" for n in range(count)], *[""] * fields][:fields]


def test_a_comparison_that_is_not_whole_states_what_is_missing(findings: Report) -> None:
    text = Reader(service.render_comparison(compare_two(findings, "silent"), Site())).text
    assert "not everything could be read: silent" in text


def test_a_candidate_that_may_not_exist_is_marked(render_page: RenderPage) -> None:
    text = Reader(render_page("candidates", Site(), "npm:a")).text
    assert "npm:a may be 2 packages" in text
    assert text.count("whether it exists is not known: its registry did not answer") == 1
