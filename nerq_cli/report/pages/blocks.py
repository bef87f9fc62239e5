"""A page as sections of blocks, and its forms: text, Markdown and HTML.

Authors of packages and models write parts of it: every form sanitises and escapes each text itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import msgspec

from nerq_cli.insight.guidance import Check
from nerq_cli.report import RenderOptions
from nerq_cli.report.html.markup import Markup, element, escape_command, join, link_to
from nerq_cli.report.markdown_text import escape
from nerq_cli.report.pages.markdown import write_table
from nerq_cli.report.sanitize import TEXT_LIMIT, sanitize_text
from nerq_cli.report.terminal.layout import Column, Page, add_row, add_table, fit_widths, wrap_text

#: Longest command, in characters: one with the digests of a dozen wheels has 1,400.
_COMMAND_LIMIT: Final = 4_000
#: Columns from which a phone shows the cells of a row one below the other.
_STACKED_COLUMNS: Final = 4
#: Width in cells from which sentences of a table stand beside its other columns.
_NOTES_WIDTH: Final = 140
#: Cells of the widest column of a table that has a long last one.
_MAX_COLUMN: Final = 40


class Paragraph(msgspec.Struct, frozen=True):
    """A text."""

    text: str
    #: A style of :data:`nerq_cli.report.terminal.layout.STYLES`.
    style: str = ""


class Quote(msgspec.Struct, frozen=True):
    """A text of somebody else, and where it stands."""

    text: str
    source: str


class Items(msgspec.Struct, frozen=True):
    """A list."""

    texts: tuple[str, ...]


class Table(msgspec.Struct, frozen=True):
    """A table. A cell that is an address becomes a link in HTML."""

    name: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    #: Indexes of columns with numbers.
    numbers: tuple[int, ...] = ()
    #: Whether the last column has sentences: a narrow terminal shows them below the row.
    has_notes: bool = False
    #: Whether it is left out of the text form, where another command shows it.
    is_long: bool = False


class Pairs(msgspec.Struct, frozen=True):
    """Terms or questions, each with a text."""

    rows: tuple[tuple[str, str], ...]


class Commands(msgspec.Struct, frozen=True):
    """Commands, each with what it shows."""

    checks: tuple[Check, ...]


class Picture(msgspec.Struct, frozen=True):
    """A picture of our own: markup for HTML, a line for text and Markdown."""

    markup: Markup
    text: str


Block: TypeAlias = Paragraph | Quote | Items | Table | Pairs | Commands | Picture


class Section(msgspec.Struct, frozen=True):
    """A part of a page."""

    id: str
    title: str
    blocks: tuple[Block, ...]


# --- text


def add_section(page: Page, section: Section) -> None:
    """Add a section to a text page."""
    page.add_gap()
    page.add_line((section.title, "strong"))
    for number, block in enumerate(section.blocks):
        if number and not isinstance(block, Items):
            page.add_gap()
        _add_block(page, block)


def _add_block(page: Page, block: Block) -> None:
    if isinstance(block, Table):
        if not block.is_long:
            _add_table(page, block)
    elif isinstance(block, Commands):
        for check in block.checks:
            for line in wrap_text(page.safe_text(check.shows), page.width - 4):
                page.add_line(("  # ", "dim"), (line, "dim"))  # each line is a comment: whole blocks are copied
            page.add_line(("  ", ""), (page.safe_text(check.command, _COMMAND_LIMIT), "action"))  # whole: to be copied
    else:
        for text, style, indent, prefix in _iter_texts(block):
            page.add_paragraph(page.safe_text(text, TEXT_LIMIT), style, indent=indent, prefix=prefix)


def _iter_texts(block: Paragraph | Quote | Items | Pairs | Picture) -> Iterator[tuple[str, str, int, str]]:
    """Yield the texts of a block, each with its style, its indent and what stands before it."""
    if isinstance(block, Paragraph):
        yield block.text, block.style, 2, ""
    elif isinstance(block, Quote):
        yield f'"{block.text}"', "", 4, ""
        yield block.source, "dim", 4, ""
    elif isinstance(block, Items):
        yield from ((text, "", 4, "  -") for text in block.texts)
    elif isinstance(block, Picture):
        yield block.text, "", 2, ""
    else:
        for term, text in block.rows:
            yield from ((term, "", 2, ""), (text, "", 4, ""))


def _add_table(page: Page, table: Table) -> None:
    columns = [
        Column(heading, _MAX_COLUMN if number < len(table.headings) - 1 else 0, align_right=number in table.numbers)
        for number, heading in enumerate(table.headings)
    ]
    rows = [[(page.safe_text(cell), "") for cell in row] for row in table.rows]
    if not any(table.headings):
        widths = fit_widths(columns, rows, page.width - 2)
        for row in rows:
            add_row(page, columns, widths, row)
        return
    if page.width >= _NOTES_WIDTH or not table.has_notes:
        add_table(page, columns, rows)
        return
    short = columns[:-1]
    widths = fit_widths(short, [row[:-1] for row in rows], page.width - 2)
    add_row(page, short, widths, [(column.heading, "dim") for column in short])
    for row in rows:
        add_row(page, short, widths, row[:-1])
        if row[-1][0]:
            page.add_paragraph(row[-1][0], "dim", indent=6)


def render_text(
    title: str, lead: str, style: str, sections: Sequence[Section], foot: str, options: RenderOptions
) -> str:
    """Return a page as text."""
    page = Page(options)
    page.add_paragraph(page.safe_text(title), "strong", indent=0)
    page.add_gap()
    page.add_paragraph(page.safe_text(lead, TEXT_LIMIT), style, indent=0)
    for section in sections:
        add_section(page, section)
    page.add_gap()
    page.add_paragraph(page.safe_text(foot), "dim", indent=0)
    return page.to_text()


# --- Markdown


def render_markdown(title: str, lead: str, sections: Sequence[Section], foot: str) -> str:
    """Return a page as Markdown."""
    parts = [f"# {escape(title, TEXT_LIMIT)}\n\n", f"**{escape(lead, TEXT_LIMIT)}**\n\n"]
    for section in sections:
        parts.append(f"## {section.title}\n\n")
        for block in section.blocks:
            parts += _write_block(block)
    return "".join((*parts, f"---\n\n{escape(foot, TEXT_LIMIT)}\n"))


def _write_block(block: Block) -> Iterator[str]:
    if isinstance(block, Paragraph):
        yield f"{escape(block.text, TEXT_LIMIT)}\n\n"
    elif isinstance(block, Quote):
        yield f"> {escape(block.text, TEXT_LIMIT)}\n>\n> {escape(block.source, TEXT_LIMIT)}\n\n"
    elif isinstance(block, Items):
        yield from (f"- {escape(text, TEXT_LIMIT)}\n" for text in block.texts)
        yield "\n"
    elif isinstance(block, Table):
        yield from write_table(block.headings, block.rows)
    elif isinstance(block, Pairs):
        for term, text in block.rows:
            yield f"**{escape(term, TEXT_LIMIT)}** {escape(text, TEXT_LIMIT)}\n\n"
    elif isinstance(block, Commands):
        yield from _write_commands(block)
    elif block.text:
        yield f"{escape(block.text, TEXT_LIMIT)}\n\n"


def _write_commands(block: Commands) -> Iterator[str]:
    """Yield a fenced block; its fence is longer than any within it."""
    lines: list[str] = []
    for check in block.checks:
        lines += [f"# {sanitize_text(check.shows, TEXT_LIMIT)}", sanitize_text(check.command, _COMMAND_LIMIT)]
    fence = "```"
    while any(fence in line for line in lines):
        fence += "`"
    yield "\n".join([f"{fence}sh", *lines, fence, "", ""])


# --- HTML


def build_section(section: Section) -> Markup:
    """Return a section as HTML."""
    heading = f"s-{section.id}"
    return element(
        "section",
        element("h2", section.title, id=heading),
        *map(_build_block, section.blocks),
        id=section.id,
        aria_labelledby=heading,
    )


def _build_block(block: Block) -> Markup:
    if isinstance(block, Paragraph):
        made = element("p", block.text, class_=f"text-{block.style}" if block.style else None)
    elif isinstance(block, Quote):
        made = element("figure", element("blockquote", block.text), element("figcaption", block.source))
    elif isinstance(block, Items):
        made = element("ul", *(element("li", text) for text in block.texts), class_="items")
    elif isinstance(block, Table):
        made = _build_table(block)
    elif isinstance(block, Pairs):
        rows = (element("div", element("dt", term), element("dd", text)) for term, text in block.rows)
        made = element("dl", *rows, class_="pairs")
    elif isinstance(block, Commands):
        made = join(*map(_build_command, block.checks))
    else:
        made = block.markup
    return made


def _build_command(check: Check) -> Markup:
    code = element("code", escape_command(check.command), class_="command")
    return element("div", element("span", check.shows, class_="sub"), code, class_="check")


def _build_table(table: Table) -> Markup:
    stacks = len(table.headings) >= _STACKED_COLUMNS

    def classify(number: int) -> str | None:
        return "num" if number in table.numbers else None

    head = element(
        "tr",
        *(
            element("th", heading, scope="col", class_=classify(number))
            for number, heading in enumerate(table.headings)
        ),
    )
    lines = [
        element(
            "tr",
            element("th", _build_cell(row[0]), scope="row"),
            *(
                element(
                    "td",
                    _build_cell(cell),
                    class_=classify(number),
                    data_label=table.headings[number] if stacks else None,
                )
                for number, cell in enumerate(row[1:], 1)
            ),
        )
        for row in table.rows
    ]
    thead = element("thead", head) if any(table.headings) else None
    content = element("table", thead, element("tbody", *lines))
    class_ = "scroll stacked" if stacks else "scroll"
    return element("div", content, class_=class_, tabindex="0", role="region", aria_label=f"table: {table.name}")


def _build_cell(text: str) -> Markup:
    return link_to(text, text) if text.startswith(("https://", "http://")) and " " not in text else join(text)
