"""Tables of HTML."""

from __future__ import annotations

from collections.abc import Sequence

from nerq_cli.report.html.markup import Child, Markup, element


def build_table(headings: Sequence[str], rows: Sequence[Sequence[Child]], label: str) -> Markup:
    """Return a table whose first column has headings of rows, in a region that scrolls; ``label`` names the region.

    An empty heading is no heading: programs that read aloud would announce one without words.
    """
    head = element("tr", *(element("th", heading, scope="col") if heading else element("td") for heading in headings))
    lines = [
        element("tr", element("th", row[0], scope="row"), *(element("td", text) for text in row[1:])) for row in rows
    ]
    table = element("table", element("thead", head), element("tbody", *lines))
    return element("div", table, class_="scroll", tabindex="0", role="region", aria_label=label)
