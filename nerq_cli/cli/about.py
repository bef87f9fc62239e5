"""``nerq --about``, and the pages of the documentation about the sources of data, from ``SOURCES``.

Imports nothing of the network: the text is also needed without one.
"""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import fill
from typing import Final

from nerq_cli import __version__
from nerq_cli.sources import SOURCES, Credit

_WIDTH: Final = 80
_INTRODUCTION: Final = (
    "Trust scores for the Python and npm packages a project depends on: how far each can be trusted, why, and what to "
    "do about it. Apache-2.0. No login, no telemetry; no code of a scanned package is executed."
)
_DATA_NOTICE: Final = (
    "The data belong to the publishers named here, reduced to what is scored and shown. None of them endorses nerq-cli "
    "or is responsible for its scores."
)
_NVD_NOTICE: Final = "NVD is not used: severities come from the advisories themselves."


#: Texts of the licences that the sources name.
_LICENCE_URLS: Final = {
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CDLA-Permissive-2.0": "https://cdla.dev/permissive-2-0/",
    "MIT": "https://opensource.org/license/mit",
    "Apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0",
}


def _iter_shipped_lists() -> Iterator[Credit]:
    """Yield the credits of the shipped lists, with the date of each."""
    from datetime import datetime, timezone

    from nerq_cli.ecosystems import ECOSYSTEMS
    from nerq_cli.sources.popularity.ranks import load_list

    estimate_notice = "Downloads are estimated from the ranks, on figures of hugovk/top-pypi-packages (mid-2025)."
    for ecosystem in ECOSYSTEMS:
        popular_list = load_list(ecosystem.id)
        columns = "ranks and downloads in the month" if popular_list.monthly_thousands else "ranks by downloads"
        list_date = datetime.fromtimestamp(popular_list.list_date, timezone.utc).date()
        yield Credit(
            f"List of popular {ecosystem.id} packages",
            f"{len(popular_list.ranks):,} names, {columns}; edition of {list_date}, shipped with nerq-cli",
            "made from public download counts",
            "nerq_cli/sources/popularity/data/README.md",
            "" if popular_list.monthly_thousands else estimate_notice,
        )


def _iter_shipped_alternatives() -> Iterator[Credit]:
    """Yield the credits of the shipped lists of alternatives, with the date of each."""
    from nerq_cli.ecosystems import ECOSYSTEMS
    from nerq_cli.insight.alternative_lists import load_table

    for ecosystem in ECOSYSTEMS:
        table = load_table(ecosystem.id)
        if table is not None:
            meta = table.meta
            pairs = sum(map(len, table.pairs.values()))
            yield Credit(
                f"Alternatives to {ecosystem.id} packages",
                f"{meta.name} {meta.version}".rstrip() + f": {pairs:,} pairs of {meta.date}, shipped with nerq-cli",
                meta.licence,
                meta.url or "docs/reference/python-alternatives.toml",
            )


def _iter_shipped_advisories() -> Iterator[Credit]:
    """Yield the credits of the shipped advisories, with the number and date of each edition."""
    from nerq_cli.sources.advisories.shipped_editions import DATABASES, read_editions

    for database in DATABASES:
        edition = read_editions()[database.ecosystem]
        content = f"{database.credit.content}; {edition.records:,} up to {edition.date}, shipped with nerq-cli"
        yield database.credit._replace(content=content)


def list_credits() -> tuple[Credit, ...]:
    """Return the credits of all sources of data, the shipped data last."""
    credits_of_sources = (credit for source in SOURCES.values() for credit in (source.credit, *source.databases))
    return (*credits_of_sources, *_iter_shipped_advisories(), *_iter_shipped_lists(), *_iter_shipped_alternatives())


def render_text() -> str:
    """Return the text of ``nerq --about``, at most 80 columns wide."""
    blocks = [f"nerq-cli {__version__}", fill(_INTRODUCTION, _WIDTH), fill(_DATA_NOTICE, _WIDTH)]
    blocks += ["\n".join(_format_credit(credit)) for credit in list_credits()]
    blocks.append("\n".join(f"{name}: {link}" for name, link in _LICENCE_URLS.items()))
    return "\n\n".join([*blocks, fill(_NVD_NOTICE, _WIDTH)]) + "\n"


def _format_credit(credit: Credit) -> Iterator[str]:
    yield credit.label
    for line in (credit.content, f"terms: {credit.terms}", credit.homepage, credit.attribution):
        if line:
            yield fill(line, _WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)


def render_markdown() -> str:
    """Return the page docs/reference/data-sources.md."""
    rows = [("Source", "What it tells", "Terms", "Where"), ("---",) * 4]
    rows += [(credit.label, credit.content, credit.terms, credit.homepage) for credit in list_credits()]
    notices = [f"- {credit.attribution}" for credit in list_credits() if credit.attribution]
    licences = [f"- [{name}]({link})" for name, link in _LICENCE_URLS.items()]
    blocks = (
        "# Data sources",
        "<!-- Generated from nerq_cli/sources/__init__.py, which `nerq --about` prints. Do not edit. -->",
        _DATA_NOTICE,
        "\n".join(f"| {' | '.join(row)} |" for row in rows),
        "## Attributions",
        "\n".join(notices),
        _NVD_NOTICE,
        "## Licences",
        "\n".join(licences),
    )
    return "\n\n".join(blocks) + "\n"


def render_variables() -> str:
    """Return the table of endpoint variables in docs/reference/configuration.md."""
    rows = [("environment", "endpoint of", "default"), ("---",) * 3]
    for source in SOURCES.values():
        default = source.url if isinstance(source.url, str) else "beside the public registry"
        addresses = (default or source.credit.homepage, *source.mirrors)
        rows.append((f"`{source.variable}`", source.label, ", then ".join(addresses)))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"
