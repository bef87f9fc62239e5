"""A page of HTML that loads and runs nothing: one file, or a page of a service with a search field."""

from __future__ import annotations

from functools import cache
from typing import Final
from urllib.parse import quote, urlencode

import msgspec

from nerq_cli.insight.purpose import DEFAULT_PURPOSE, PURPOSES, Purpose
from nerq_cli.report.html import ICON, hash_asset, read_asset
from nerq_cli.report.html.markup import Markup, element
from nerq_cli.report.pages.document import clean
from nerq_cli.report.pages.line_chart import CHART_STYLE
from nerq_cli.report.sanitize import defuse_ci_commands

#: Longest text that a search takes, in characters: package URLs are far shorter.
QUERY_LIMIT: Final = 300
#: Everything is forbidden but the style with this hash, and an icon that is part of the page. It has no script.
_POLICY: Final = (
    "default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; form-action '{action}'"
)


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """The service that a page is part of."""

    #: Path below which the service is, without a slash at the end: ``/nerq`` behind a proxy, or empty.
    base: str = ""
    #: What the search field has.
    query: str = ""
    purpose: Purpose = DEFAULT_PURPOSE

    def link_page(self, target: str) -> str:
        """Return the address of the page about a target, which is a package URL, or another spelling."""
        return f"{self.base}/packages/{_quote(target)}{self._format_purpose()}"

    def link_comparison(self, purls: tuple[str, ...]) -> str:
        """Return the address of a comparison."""
        return f"{self.base}/compare?{urlencode([('target', clean(purl)) for purl in purls])}"

    def link_answer(self, purl: str) -> str:
        """Return the address of the answer for programs."""
        return f"{self.base}/v1/preflight?{urlencode({'target': clean(purl), 'for': self.purpose})}"

    def link_badge(self, purl: str) -> str:
        """Return the address of the badge."""
        return f"{self.base}/badge/{_quote(purl)}.svg"

    def _format_purpose(self) -> str:
        return "" if self.purpose == DEFAULT_PURPOSE else f"?for={self.purpose}"


def _quote(target: str) -> str:
    """Return a target as a part of a path.

    A package URL stays as it is: it has no meaning that decoding its path once more would change.
    """
    text = clean(target)
    is_plain = text.startswith("pkg:") and "?" not in text and "#" not in text
    return quote(text, safe="/:@%" if is_plain else "/:@")


def write_page(
    title: str,
    header: Markup,
    content: Markup,
    foot: Markup,
    *,
    version: str,
    skip: tuple[str, str],
    linked_data: str = "",
    site: Site | None = None,
) -> str:
    """Return a page of HTML.

    Args:
        title: Of the window.
        header: What stands above the content.
        content: What ``main`` has.
        foot: What the footer has.
        version: Of nerq-cli.
        skip: Words and fragment of the link that leads past the header.
        linked_data: JSON-LD without characters that begin or end markup; empty = none.
        site: The service that it is a page of; None for a file.
    """
    style = _read_style(is_served=site is not None)
    words, fragment = skip
    head = (
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=build_policy(is_served=site is not None)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="generator", content=f"nerq-cli {version}"),
        element("title", title),
        Markup(f'<link rel="icon" href="{ICON}">'),
        Markup(f"<style>{style}</style>"),
        Markup(f'<script type="application/ld+json">{linked_data}</script>') if linked_data else Markup(""),
    )
    body = (
        element("a", words, href=f"#{fragment}", class_="skip"),
        *((build_search(site),) if site is not None else ()),
        header,
        element("main", content),
        element("footer", foot),
    )
    lines = ("<!doctype html>", '<html lang="en">', "<head>", *head, "</head>", "<body>", *body, "</body>", "</html>")
    return defuse_ci_commands("\n".join((*filter(None, lines), "")))


@cache
def build_policy(*, is_served: bool) -> str:
    """Return the content security policy of a page: forms of a service lead to itself, a file has none."""
    style = hash_asset(_read_style(is_served=is_served))
    return _POLICY.format(style=style, action="self" if is_served else "none")


def _read_style(*, is_served: bool) -> str:
    served = read_asset("site.css") if is_served else ""
    return read_asset("page.css") + CHART_STYLE + read_asset("target.css") + served


def build_search(site: Site) -> Markup:
    """Return the line above every page of a service: the way home, and the search field."""
    options = (element("option", purpose, value=purpose, selected=purpose == site.purpose) for purpose in PURPOSES)
    form = element(
        "form",
        element("label", "Package", for_="q", class_="unseen"),
        element(
            "input",
            type="search",
            id="q",
            name="q",
            value=site.query,
            required=True,
            maxlength=QUERY_LIMIT,
            placeholder="requests==2.31.0, npm:lodash, hf:owner/model",
            autocomplete="off",
            autocapitalize="none",
            spellcheck="false",
        ),
        element("label", "Purpose", for_="purpose", class_="purpose"),
        element("select", *options, id="purpose", name="for"),
        element("button", "Look up"),
        action=f"{site.base}/search",
        role="search",
    )
    links = element(
        "nav",
        element("a", element("strong", "nerq"), href=f"{site.base}/"),
        element("a", "Compare", href=f"{site.base}/compare"),
        aria_label="Service",
    )
    return element("div", links, form, class_="site")
