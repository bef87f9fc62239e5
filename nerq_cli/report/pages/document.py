"""What the JSON and HTML documents of all pages have in common."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from nerq_cli.report.html.markup import Markup, element
from nerq_cli.report.pages.line_chart import CHART_STYLE
from nerq_cli.report.sanitize import TEXT_LIMIT, defuse_ci_commands, defuse_json, sanitize_text

_STYLE: Final = Markup(
    "\n:root { color-scheme: light dark; --line: #c4c8cc; --ink: #1c2024; --ground: #ffffff; --muted: #565e67;\n"
    "  --accent: #1d4e89; }\n"
    "@media (prefers-color-scheme: dark) {\n"
    "  :root { --line: #454d55; --ink: #e7e9eb; --ground: #131619; --muted: #a3acb6;\n"
    "    --accent: #8abdf5; }\n}\n"
    "body { margin: 0 auto; max-width: 1160px; padding: 16px 24px 48px; background: var(--ground); color: var(--ink);\n"
    '  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; overflow-wrap: anywhere; }\n'
    "h1 { font-size: 22px; } h2 { font-size: 18px; margin-top: 28px; }\n"
    "footer { color: var(--muted); margin-top: 28px; }\n"
    ".scroll { overflow-x: auto; } .scroll th, .scroll td { overflow-wrap: break-word; }\n"
    "table { border-collapse: collapse; width: 100%; }\n"
    "th, td { border-bottom: 1px solid var(--line); padding: 6px 10px; text-align: left; vertical-align: top; }\n"
    # words stay whole on a narrow screen, where the table scrolls; on paper nothing scrolls
    ".scroll th, .scroll td { overflow-wrap: break-word; }\n"
    "@media print { .scroll { overflow: visible; } .scroll th, .scroll td { overflow-wrap: anywhere; } }\n"
)


class ExitDocument(msgspec.Struct, frozen=True):
    """The exit status of a run."""

    code: Annotated[int, Meta(description="0 read, 2 usage error, 3 not everything could be read.")]
    reason: str


def clean(text: str) -> str:
    """Return a text without control characters, cut to the longest that a document has."""
    return sanitize_text(text, TEXT_LIMIT)


def encode_document(document: msgspec.Struct) -> bytes:
    """Return a document as indented UTF-8 JSON."""
    return defuse_json(msgspec.json.format(msgspec.json.encode(document), indent=2)) + b"\n"


def build_schema_of(type_: type[msgspec.Struct]) -> dict[str, object]:
    """Return the JSON Schema (2020-12) of a document."""
    (reference,), definitions = msgspec.json.schema_components([type_], ref_template="#/$defs/{name}")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **reference, "$defs": definitions}


def wrap_html(title: str, body: Markup, foot: str) -> str:
    """Return a page of HTML that loads nothing."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content="default-src 'none'; style-src 'unsafe-inline'"),
        element("title", title),
        element("style", _STYLE, CHART_STYLE if 'class="chart"' in body else None),
    )
    page = element("html", head, element("body", element("main", body), element("footer", foot)), lang="en")
    return defuse_ci_commands(f"<!DOCTYPE html>\n{page}\n")
