"""The HTML report: one file that requests nothing, with the JSON report inside.

The head, the findings, the pictures and the first rows of the table are HTML. The script draws further rows and the
card of a dependency from the data when they are wanted. Everything else of a page (style, script) is a data file.
"""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from nerq_cli.report import FORMATS
from nerq_cli.report.embedded import embed_report
from nerq_cli.report.html.charts import build_brought_table, build_histogram, build_icicle
from nerq_cli.report.html.findings import build_findings
from nerq_cli.report.html.foot import build_comparison, build_foot, build_projects
from nerq_cli.report.html.head import build_head, find_verdict
from nerq_cli.report.html.markup import Markup, element
from nerq_cli.report.html.rows import build_dependencies
from nerq_cli.report.model import Report

if TYPE_CHECKING:
    from nerq_cli.report import RenderOptions

#: Everything is forbidden but the style and the script with these hashes, and an icon that is part of the page. The
#: script cannot make HTML of a text either.
_POLICY: Final = (
    "default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; "
    "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
#: Icon of every page, as an address of data.
ICON: Final = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' "
    "rx='3' fill='%231d4e89'/%3E%3Cpath d='M4.5 12V4.5l7 7V4' fill='none' stroke='white' stroke-width='2'/%3E%3C/svg%3E"
)


def render(report: Report, options: RenderOptions) -> bytes:
    """Return the report as an HTML page. The same report gives the same bytes."""
    style, script = read_asset("page.css"), read_asset("page.js")
    policy = _POLICY.format(script=hash_asset(script), style=hash_asset(style))
    head = (
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="generator", content=f"nerq-cli {report.version}"),
        element("title", f"{find_verdict(report)}: {report.exit_reason} - nerq"),
        Markup(f'<link rel="icon" href="{ICON}">'),
        Markup(f"<style>{style}</style>"),
    )
    packed_parts = FORMATS["json"].render_parts(report, options._replace(packed=True, compact=False))
    body = (
        element("a", "Skip to the dependencies", href="#dependencies", class_="skip"),
        build_head(report),
        element(
            "main",
            build_findings(report),
            build_comparison(report),
            _build_pictures(report),
            build_projects(report),
            build_dependencies(report),
        ),
        build_foot(report),
        Markup(embed_report(packed_parts)),
        Markup(f"<script>{script}</script>"),
    )
    lines = (
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        *head,
        "</head>",
        "<body>",
        *body,
        "</body>",
        "</html>",
        "",
    )
    return "\n".join(lines).encode()


def _build_pictures(report: Report) -> Markup | None:
    histogram, icicle = build_histogram(report), build_icicle(report)
    if report.list_only or histogram is None:
        return None
    pictures = [element("figure", element("figcaption", "Scores"), histogram)]
    if icicle is not None:
        caption = element(
            "figcaption",
            "What brings them in ",
            element("span", "by project and direct dependency, sized by number, coloured by the worst", class_="sub"),
        )
        pictures.append(element("figure", caption, icicle, build_brought_table(report)))
    return element("section", *pictures, class_="pictures", aria_label="Overview")


@cache
def read_asset(name: str) -> str:
    """Return a style or script of this folder."""
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def hash_asset(text: str) -> str:
    """Return the hash of a style or script as a content security policy has it."""
    return b64encode(sha256(text.encode()).digest()).decode()
