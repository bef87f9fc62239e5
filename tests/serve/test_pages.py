"""Pages of the service over a real socket."""

from __future__ import annotations

import re
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.serve.conftest import Client, Registry, Reply, Services, Start

HOSTILE = "</title><script>alert(1)</script>\"'<img src=x onerror=y>"


@pytest.fixture
def packages(registry: Registry, services: Services) -> Registry:
    """Packages of PyPI, one with an advisory, one of npm, and one on both registries."""
    registry.most_used()
    registry.pypi("alpha", "1.0", "2.0")
    registry.pypi("both", "1.0")
    registry.pypi("holey", "1.0", "2.0")
    registry.npm("both", "1.0.0")
    registry.npm("@acme/leaf", "1.0.0")
    services.advisory("holey", "1.0", identifier="GHSA-aaaa-bbbb-cccc", summary="reads too much")
    return registry


def read(reply: Reply) -> str:
    """Return the words of a page."""
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    body = re.sub(r"<(style|script)[^>]*>.*?</\1>", "", reply.body.decode(), flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def links(reply: Reply) -> list[str]:
    return [unescape(address) for address in re.findall(r'href="([^"#][^"]*)"', reply.body.decode())]


# --- search


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ("alpha", "/packages/pkg:pypi/alpha@2.0"),
        ("  pypi:alpha==1.0 ", "/packages/pkg:pypi/alpha@1.0"),
        ("pkg:pypi/alpha@1.0", "/packages/pkg:pypi/alpha@1.0"),
        ("@acme/leaf", "/packages/pkg:npm/%40acme/leaf@1.0.0"),
    ],
)
def test_a_search_leads_to_the_page(client: Client, packages: Registry, query: str, page: str) -> None:
    reply = client.get("/search", q=query)
    assert (reply.status, reply.headers["location"]) == (303, page)
    shown = client.get(reply.headers["location"])
    assert shown.status == 200
    assert "What it is made of" in read(shown)


def test_a_search_keeps_the_purpose(client: Client, packages: Registry) -> None:
    reply = client.get("/search", q="alpha", for_="critical")
    assert reply.headers["location"] == "/packages/pkg:pypi/alpha@2.0?for=critical"
    page = client.get(reply.headers["location"])
    assert '<option value="critical" selected>' in page.body.decode()
    assert "critical systems" in read(page)


def test_a_name_of_two_ecosystems_gets_the_candidates(client: Client, packages: Registry) -> None:
    reply = client.get("/search", q="both", for_="sandbox")
    assert reply.status == 300
    assert "both may be 2 packages" in read(reply)
    pages = [address for address in links(reply) if address.startswith("/packages/")]
    assert pages == ["/packages/pypi:both?for=sandbox", "/packages/npm:both?for=sandbox"]
    assert [client.get(page).status for page in pages] == [200, 200]


@pytest.mark.parametrize("path", ["/search?q=nowhere", "/packages/pkg:pypi/nowhere", "/packages/pkg:pypi/alpha@9.9"])
def test_what_does_not_exist_is_a_page_with_status_404(client: Client, packages: Registry, path: str) -> None:
    reply = client.get(path)
    assert reply.status == 404
    assert "There is no such target" in read(reply)


@pytest.mark.parametrize("path", ["/search?q=a%20b%20c", "/packages/pkg:cargo/x", f"/search?q={'x' * 301}"])
def test_what_is_no_target_is_a_page_with_status_400(client: Client, packages: Registry, path: str) -> None:
    reply = client.get(path)
    assert reply.status == 400
    assert "The target names no package, model or server" in read(reply)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/?fro=critical", "parameters: for"),
        ("/search?q=alpha&fro=critical", "parameters: q, for"),
        ("/packages/pypi:alpha?fro=critical", "parameters: for"),
        ("/compare?target=pypi:alpha&target=npm:both&fro=critical", "parameters: target, for"),
    ],
)
def test_a_misspelt_parameter_is_refused(client: Client, packages: Registry, path: str, allowed: str) -> None:
    reply = client.get(path)
    assert reply.status == 400
    assert "there is no parameter 'fro'" in read(reply)
    assert allowed in read(reply)


@pytest.mark.parametrize(
    "path", ["/?for=sandbox&for=critical", "/search?q=alpha&q=both", "/compare?for=sandbox&for=critical"]
)
def test_a_parameter_that_is_there_twice_is_refused(client: Client, packages: Registry, path: str) -> None:
    reply = client.get(path)
    assert reply.status == 400
    assert "is there more than once" in read(reply)


@pytest.mark.parametrize("path", ["/", "/search?q=alpha", "/packages/pkg:pypi/alpha"])
def test_a_purpose_that_there_is_not_is_refused(client: Client, packages: Registry, path: str) -> None:
    reply = client.get(f"{path}{'&' if '?' in path else '?'}for=fun")
    assert reply.status == 400
    assert "purposes: research, sandbox, production, critical" in read(reply)


def test_an_empty_search_leads_to_the_first_page(client: Client) -> None:
    reply = client.get("/search", q="  ")
    assert (reply.status, reply.headers["location"]) == (303, "/")


def test_silent_sources_are_no_missing_package(start_service: Start, packages: Registry) -> None:
    packages.site.on("/pypi/alpha/json", {"status": 503})
    packages.site.on("/simple/alpha/", {"status": 503})
    packages.site.on("/alpha", {"status": 503})
    reply = start_service().get("/search", q="pypi:alpha")
    assert reply.status == 503
    assert int(reply.headers["retry-after"]) > 0
    assert "No source answered about the target" in read(reply)


# --- the page about a target


def test_the_page_of_a_target_is_that_of_the_report(client: Client, packages: Registry) -> None:
    text = read(client.get("/packages/pkg:pypi/holey@1.0"))
    for words in ("pypi:holey 1.0", "GHSA-aaaa-bbbb-cccc", "Security findings", "Verify it yourself", "Compare with"):
        assert words in text
    assert "/v1/preflight?target=pkg%3Apypi%2Fholey%401.0&for=production" in links(
        client.get("/packages/pkg:pypi/holey@1.0")
    )


def test_a_page_without_a_source_states_that(start_service: Start, packages: Registry, services: Services) -> None:
    services.silent()
    text = read(start_service().get("/packages/pkg:pypi/alpha@1.0"))
    assert "not everything could be read: OSV" in text


def test_an_unchanged_page_is_not_sent_again(client: Client, packages: Registry) -> None:
    first = client.get("/packages/pkg:pypi/alpha@1.0")
    assert first.headers["cache-control"] == "max-age=0"
    again = client.get("/packages/pkg:pypi/alpha@1.0", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert client.get("/packages/pkg:pypi/alpha@1.0").body == first.body
    other = client.get(
        "/packages/pkg:pypi/alpha@1.0", headers={"If-None-Match": first.headers["etag"]}, for_="critical"
    )
    assert other.status == 200


def test_a_page_leads_to_comparisons_with_newer_versions(client: Client, packages: Registry) -> None:
    addresses = [text for text in links(client.get("/packages/pkg:pypi/holey@1.0")) if text.startswith("/compare?")]
    assert addresses == ["/compare?target=pkg%3Apypi%2Fholey%401.0&target=pkg%3Apypi%2Fholey%402.0"]
    assert "2 packages side by side" in read(client.get(addresses[0]))
    newest = links(client.get("/packages/pkg:pypi/holey@2.0"))
    assert not [text for text in newest if text.startswith("/compare?")]


def test_all_spellings_have_the_same_page(client: Client, packages: Registry) -> None:
    pages = [client.get(f"/packages/{text}") for text in ("pkg:pypi/alpha@1.0", "pypi:Alpha==1.0", "alpha==1.0")]
    assert len({page.body for page in pages}) == 1
    assert 'value="pypi:alpha==1.0"' in pages[0].body.decode()


def test_a_page_that_many_want_at_once_is_made_once(
    client: Client, packages: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nerq_cli.application.report_page import run_report

    made: list[str] = []

    def count(name: str, *arguments: Any) -> Any:
        made.append(name)
        return run_report(name, *arguments)

    monkeypatch.setattr("nerq_cli.application.report_page.run_report", count)
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: client.get("/packages/pkg:pypi/alpha@1.0"), range(8)))
    assert {reply.status for reply in replies} == {200}
    assert made == ["pypi:alpha==1.0"]


def test_a_page_after_an_error_of_the_service_is_made_anew(
    client: Client, packages: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("nerq_cli.application.report_page.run_report", lambda *_: 1 / 0)
        reply = client.get("/packages/pkg:pypi/alpha@1.0")
        assert reply.status == 500
        assert b"Traceback" not in reply.body
    assert client.get("/packages/pkg:pypi/alpha@1.0").status == 200


# --- the first page


def test_the_first_page_has_the_worst_of_what_was_asked_for(client: Client, packages: Registry) -> None:
    assert "Nothing was asked for since the service started." in read(client.get("/"))
    for target in ("pypi:alpha==2.0", "pypi:holey==1.0", "nowhere", "both"):
        client.get("/v1/preflight", target=target)
    reply = client.get("/")
    text = read(reply)
    assert "2 targets, answers for production" in text
    assert text.index("pypi:holey 1.0") < text.index("pypi:alpha 2.0")
    assert "nowhere" not in text
    pages = [address for address in links(reply) if address.startswith("/packages/")]
    assert pages == ["/packages/pkg:pypi/holey@1.0", "/packages/pkg:pypi/alpha@2.0"]


def test_the_first_page_names_no_private_package(start_service: Start, packages: Registry, project: Path) -> None:
    (project / "pyproject.toml").write_text('[tool.nerq]\nprivate = ["acme-*"]\n')
    client = start_service()
    client.get("/v1/preflight", target="pypi:acme-secret==1.0")
    client.get("/search", q="pypi:acme-secret==1.0")
    assert "acme-secret" not in read(client.get("/"))
    assert client.get("/packages/pypi:acme-secret==1.0").status == 422


# --- comparisons


def test_the_list_of_what_was_asked_for_has_each_version_once(client: Client, packages: Registry) -> None:
    for target in ("pypi:alpha", "alpha", "pypi:alpha==2.0", "pypi:alpha==2.0.0", "pypi:alpha==1.0"):
        assert client.get("/v1/preflight", target=target).status == 200
    start = client.get("/")
    pages = [address for address in links(start) if address.startswith("/packages/")]
    assert sorted(pages) == ["/packages/pkg:pypi/alpha@1.0", "/packages/pkg:pypi/alpha@2.0"]
    assert "2 targets" in read(start)


def test_advisories_that_are_not_known_have_a_row(client: Client, packages: Registry, services: Services) -> None:
    services.silent()
    packages.pypi("obscure-one", "1.0")
    packages.pypi("obscure-two", "1.0")
    page = client.get("/compare", target=["pypi:obscure-one", "pypi:obscure-two"])
    assert page.status == 200
    assert "advisories not known not known" in read(page)


def test_targets_are_compared(client: Client, packages: Registry) -> None:
    reply = client.get("/compare", target=["pypi:alpha==1.0", "", "pypi:holey==1.0"])
    assert reply.status == 200
    assert "2 packages side by side" in read(reply)
    pages = [address for address in links(reply) if address.startswith("/packages/")]
    assert pages == ["/packages/pkg:pypi/alpha@1.0", "/packages/pkg:pypi/holey@1.0"]
    again = client.get(
        "/compare", headers={"If-None-Match": reply.headers["etag"]}, target=["pypi:alpha==1.0", "pypi:holey==1.0"]
    )
    assert again.status == 304


def test_an_ambiguous_name_is_what_the_others_are(client: Client, packages: Registry) -> None:
    reply = client.get("/compare", target=["both", "npm:@acme/leaf"])
    assert reply.status == 200
    assert "both is read as npm:both" in read(reply)


@pytest.mark.parametrize(
    ("targets", "status", "words"),
    [
        ([], 200, "Two to 8 targets of one kind"),
        (["pypi:alpha"], 400, "1 target is named, 2 to 8 are needed"),
        ([f"pypi:alpha=={n}" for n in range(9)], 400, "9 targets are named"),
        (["pypi:alpha", "pypi:nowhere"], 404, "nowhere"),
        (["pypi:alpha", "a b"], 400, "names no package"),
        (["both", "both"], 400, "both"),
        (["pypi:alpha==1.0", "alpha==1.0"], 400, "is named twice"),
    ],
)
def test_what_cannot_be_compared_gets_the_form_again(
    client: Client, packages: Registry, targets: list[str], status: int, words: str
) -> None:
    reply = client.get("/compare", target=targets)
    assert reply.status == status
    assert words in read(reply)
    for target in targets[:8]:
        assert f'name="target" value="{target}"' in unescape(reply.body.decode())


# --- safe


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/search?q=alpha",
        f"/search?q={quote(HOSTILE)}",
        f"/search?q=pypi:x&for={quote(HOSTILE)}",
        f"/packages/{quote(HOSTILE)}",
        f"/compare?target={quote(HOSTILE)}&target=b",
        "/packages/pkg:pypi/alpha@1.0",
        "/packages/%ff%fe%00",
        "/search?q=%ed%b3%a9%00%e2%80%ae",
        "/search?q=%0d%0aset-cookie:x=1",
    ],
)
def test_every_page_is_safe(client: Client, packages: Registry, path: str) -> None:
    reply = client.get(path)
    assert reply.status < 500
    assert "set-cookie" not in reply.headers
    assert reply.headers["x-content-type-options"] == "nosniff"
    if reply.status == 303:
        return
    content = reply.body.decode()
    assert "<script>" not in content
    assert "<img" not in content
    [style] = re.findall("<style>(.*?)</style>", content, re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert reply.headers["content-security-policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    )
    assert reply.headers["referrer-policy"] == "no-referrer"


def test_pages_take_get_and_head_only(client: Client, packages: Registry) -> None:
    for path in ("/", "/search", "/compare", "/packages/pkg:pypi/alpha"):
        assert client.post(path, {}).status == 405
    reply = client.request("HEAD", "/packages/pkg:pypi/alpha@1.0")
    assert (reply.status, reply.body) == (200, b"")
