"""``nerq --about``: what this is, whose data it uses, and what they ask to be said. One table, printed and documented.

Nothing heavy is imported here, and nothing at all of the network: the text is needed where there is none, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import fill
from typing import Final, NamedTuple

from nerq_cli import __version__

_WIDTH: Final = 80
_INTRODUCTION: Final = (
    "Trust scores for the Python and npm packages a project depends on: how far each can be trusted, why, and what to "
    "do about it. Apache-2.0. No login, no telemetry; no code of a scanned package is executed."
)
_DATA_NOTICE: Final = (
    "The data is other people's work, reduced to what is scored and shown. Nobody named here endorses nerq-cli or "
    "answers for its scores."
)
_NVD_NOTICE: Final = "NVD is not used: severities come from the advisories themselves."


#: Where the licences named below can be read.
_LICENCE_URLS: Final = {
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CDLA-Permissive-2.0": "https://cdla.dev/permissive-2-0/",
    "Apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0",
}


class Credit(NamedTuple):
    """One source of data: what it tells, under which terms, where it lives, and what it asks to be said."""

    name: str
    content: str
    terms: str
    link: str
    notice: str = ""


#: Terms as published by each; those of the advisory databases as OSV lists them (google.github.io/osv.dev/data).
CREDITS: Final = (
    Credit(
        "deps.dev",
        "licences, links, attestations, source repositories and their standing",
        "CC-BY-4.0",
        "https://deps.dev",
        "Contains data from deps.dev, licensed under CC-BY 4.0.",
    ),
    Credit(
        "OpenSSF Scorecard",
        "how a source repository is looked after",
        "CDLA-Permissive-2.0",
        "https://scorecard.dev",
        "Contains data from OpenSSF Scorecard, licensed under CDLA-Permissive-2.0.",
    ),
    Credit(
        "OSV",
        "published advisories and malware records, gathered from the databases named next and others",
        "those of each database, https://google.github.io/osv.dev/data",
        "https://osv.dev",
    ),
    Credit(
        "GitHub Advisory Database",
        "advisories GHSA-...",
        "CC-BY-4.0",
        "https://github.com/github/advisory-database",
        "Contains data from the GitHub Advisory Database, licensed under CC-BY 4.0.",
    ),
    Credit(
        "PyPA Advisory Database",
        "advisories PYSEC-...",
        "CC-BY-4.0",
        "https://github.com/pypa/advisory-database",
        "Contains data from the PyPA Advisory Database, licensed under CC-BY 4.0.",
    ),
    Credit(
        "OpenSSF Malicious Packages",
        "malware records MAL-...",
        "Apache-2.0",
        "https://github.com/ossf/malicious-packages",
    ),
    Credit(
        "EPSS",
        "how probable it is that a vulnerability is exploited within 30 days",
        "free to use; the source is to be named",
        "https://www.first.org/epss",
        "EPSS scores are made by FIRST's EPSS group; see https://www.first.org/epss.",
    ),
    Credit(
        "CISA KEV",
        "which vulnerabilities are known to be exploited",
        "CC0-1.0",
        "https://www.cisa.gov/known-exploited-vulnerabilities-catalog",
    ),
    Credit(
        "PyPI and npm, or the mirrors you configured",
        "versions, dates, metadata, publishers and provenance of packages",
        "those of each registry; metadata belongs to those who published it",
        "your pip, uv and npm configuration",
    ),
    Credit(
        "GitHub",
        "activity of source repositories",
        "GitHub's terms of service",
        "https://docs.github.com/graphql",
    ),
    Credit(
        "pypistats and npm's download counts",
        "downloads, and only with --with downloads",
        "those of each service",
        "https://pypistats.org",
    ),
)


def _iter_shipped_lists() -> Iterator[Credit]:
    """Yield the lists that are shipped, with the day each was made."""
    from datetime import datetime, timezone

    from nerq_cli.inventory import NPM, PYPI
    from nerq_cli.sources.popularity.ranks import load_list

    estimate_notice = "Downloads are estimated from the ranks, on figures of hugovk/top-pypi-packages (mid-2025)."
    for ecosystem, columns, notice in (
        (PYPI, "ranks by downloads", estimate_notice),
        (NPM, "ranks and downloads in the month", ""),
    ):
        popular_list = load_list(ecosystem)
        list_date = datetime.fromtimestamp(popular_list.list_date, timezone.utc).date()
        yield Credit(
            f"List of popular {ecosystem} packages",
            f"{len(popular_list.ranks):,} names, {columns}; edition of {list_date}, shipped with nerq-cli",
            "made from public download counts",
            "nerq_cli/sources/popularity/data/README.md",
            notice,
        )


def list_credits() -> tuple[Credit, ...]:
    """Return every source of data, the lists that are shipped last."""
    return (*CREDITS, *_iter_shipped_lists())


def render_text() -> str:
    """Return what ``nerq --about`` prints: plain text, at most 80 columns wide."""
    blocks = [f"nerq-cli {__version__}", fill(_INTRODUCTION, _WIDTH), fill(_DATA_NOTICE, _WIDTH)]
    blocks += ["\n".join(_format_credit(credit)) for credit in list_credits()]
    blocks.append("\n".join(f"{name}: {link}" for name, link in _LICENCE_URLS.items()))
    return "\n\n".join([*blocks, fill(_NVD_NOTICE, _WIDTH)]) + "\n"


def _format_credit(credit: Credit) -> Iterator[str]:
    yield credit.name
    for line in (credit.content, f"terms: {credit.terms}", credit.link, credit.notice):
        if line:
            yield fill(line, _WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)


def render_markdown() -> str:
    """Return the same as a page of the documentation."""
    rows = [("Source", "What it tells", "Terms", "Where"), ("---",) * 4]
    rows += [(credit.name, credit.content, credit.terms, credit.link) for credit in list_credits()]
    notices = [f"- {credit.notice}" for credit in list_credits() if credit.notice]
    licences = [f"- [{name}]({link})" for name, link in _LICENCE_URLS.items()]
    blocks = (
        "# Data sources",
        "<!-- Generated from nerq_cli/cli/about.py, which `nerq --about` prints. Do not edit. -->",
        _DATA_NOTICE,
        "\n".join(f"| {' | '.join(row)} |" for row in rows),
        "## Attributions",
        "\n".join(notices),
        _NVD_NOTICE,
        "## Licences",
        "\n".join(licences),
    )
    return "\n\n".join(blocks) + "\n"
