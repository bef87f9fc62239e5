"""The sources of data: one row each in ``SOURCES``. Importing the table imports no source module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from nerq_cli.fetch.time_budget import (
    ADVISORY_LIMITS,
    DETAIL_LIMITS,
    HELPFUL_LIMITS,
    REGISTRY_LIMITS,
    TimeLimits,
)
from nerq_cli.units import DAY, HOUR, MINUTE

#: Seconds without requests to a service that gave no answer, so that the next runs need not wait for it.
COOLDOWN: Final = 15 * MINUTE


class Credit(NamedTuple):
    """Whose data it is."""

    #: The name that users read.
    label: str
    #: What the data tell, in a few words.
    content: str
    #: The licence (an SPDX identifier) or the terms of use.
    terms: str
    #: Where the project that publishes the data is described.
    homepage: str
    #: The notice that the licence requires; empty if it requires none.
    attribution: str = ""


class SourceInfo(NamedTuple):
    """One source: its credit, its endpoint, and how its answers are used."""

    #: Stable identifier, the key in ``SOURCES``.
    id: str
    #: Name, content and terms as ``nerq --about`` prints them; its label is also the name of the source in a report.
    credit: Credit
    #: Environment variable that replaces the default endpoint.
    variable: str
    #: Environment variables of other tools that replace it as well, where that one is not set.
    shared_variables: tuple[str, ...] = ()
    #: Default endpoint without a trailing slash, or how to find it; empty where the registry configuration decides.
    url: str | Callable[[], str] = ""
    #: Endpoints to try after ``url``; unused if the variable is set.
    mirrors: tuple[str, ...] = ()
    #: Environment variables that may hold a bearer token; the first that is set is sent.
    token_variables: tuple[str, ...] = ()
    #: Whether a run without its answers is incomplete (``--strict`` fails).
    required: bool = True
    #: Seconds that an answer is used without a new request.
    max_age: int = DAY
    #: Seconds that the answer "does not exist" is used without a new request.
    absent_max_age: int = DAY
    #: Seconds without requests after the source gave no answer; 0 = it is tried again at once.
    cooldown: int = COOLDOWN
    #: How long a run waits for it.
    time_limits: TimeLimits = DETAIL_LIMITS
    #: Databases whose records the source passes on.
    databases: tuple[Credit, ...] = ()

    @property
    def label(self) -> str:
        """The name that users read."""
        return self.credit.label


def _build_npm_downloads_url() -> str:
    """Return the endpoint beside npm's public registry, whichever registry is configured."""
    from nerq_cli.ecosystems import NPM
    from nerq_cli.sources.endpoints import get_public_registry_url

    return get_public_registry_url(NPM).replace("://registry.", "://api.", 1) + "/downloads"


_ROWS: Final = (
    SourceInfo(
        id="deps-dev",
        credit=Credit(
            "deps.dev",
            "licences, links, attestations, and data about source repositories",
            "CC-BY-4.0",
            "https://deps.dev",
            "Contains data from deps.dev, licensed under CC-BY 4.0.",
        ),
        variable="NERQ_DEPS_DEV_URL",
        url="https://api.deps.dev",
        required=False,
        time_limits=HELPFUL_LIMITS,
        absent_max_age=HOUR,
    ),
    SourceInfo(
        id="scorecard",
        credit=Credit(
            "OpenSSF Scorecard",
            "security practices of source repositories",
            "CDLA-Permissive-2.0",
            "https://scorecard.dev",
            "Contains data from OpenSSF Scorecard, licensed under CDLA-Permissive-2.0.",
        ),
        variable="NERQ_SCORECARD_URL",
        url="https://api.scorecard.dev",
        required=False,
        time_limits=HELPFUL_LIMITS,
        max_age=7 * DAY,
    ),
    SourceInfo(
        id="osv",
        credit=Credit(
            "OSV",
            "published advisories and malware records of the databases below and others",
            "those of each database, https://google.github.io/osv.dev/data",
            "https://osv.dev",
        ),
        variable="NERQ_OSV_URL",
        url="https://api.osv.dev",
        time_limits=ADVISORY_LIMITS,
        max_age=HOUR,
        absent_max_age=HOUR,
        # Terms as OSV lists them: google.github.io/osv.dev/data.
        databases=(
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
        ),
    ),
    SourceInfo(
        id="osv-dumps",
        credit=Credit(
            "OSV dumps",
            "all advisories of an ecosystem, for nerq db update",
            "those of each database, https://google.github.io/osv.dev/data",
            "https://google.github.io/osv.dev/data",
        ),
        variable="NERQ_OSV_DUMPS_URL",
        url="https://storage.googleapis.com/osv-vulnerabilities",
    ),
    SourceInfo(
        id="epss",
        credit=Credit(
            "EPSS",
            "probability that a vulnerability is exploited within 30 days",
            "free to use; the source is to be named",
            "https://www.first.org/epss",
            "EPSS scores are made by FIRST's EPSS group; see https://www.first.org/epss.",
        ),
        variable="NERQ_EPSS_URL",
        url="https://api.first.org/data/v1/epss",
        absent_max_age=DAY // 4,
    ),
    SourceInfo(
        id="kev",
        credit=Credit(
            "CISA KEV",
            "vulnerabilities that are known to be exploited",
            "CC0-1.0",
            "https://www.cisa.gov/known-exploited-vulnerabilities-catalog",
        ),
        variable="NERQ_KEV_URL",
        url="https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json",
        # CISA's own copy: its site answers some clients with 403.
        mirrors=("https://raw.githubusercontent.com/cisagov/kev-data/develop/known_exploited_vulnerabilities.json",),
    ),
    SourceInfo(
        id="pypi",
        credit=Credit(
            "PyPI",
            "versions, dates, metadata, publishers and provenance of packages",
            "those of the registry; metadata belongs to those who published it",
            "your pip and uv configuration",
        ),
        variable="NERQ_PYPI_URL",
        max_age=6 * HOUR,
        absent_max_age=HOUR,
        cooldown=0,
        time_limits=REGISTRY_LIMITS,
    ),
    SourceInfo(
        id="npm",
        credit=Credit(
            "npm",
            "versions, dates, metadata, publishers and provenance of packages",
            "those of the registry; metadata belongs to those who published it",
            "your npm configuration",
        ),
        variable="NERQ_NPM_URL",
        max_age=6 * HOUR,
        absent_max_age=HOUR,
        cooldown=0,
        time_limits=REGISTRY_LIMITS,
    ),
    SourceInfo(
        id="github",
        credit=Credit(
            "GitHub",
            "activity, owners, commits and names of files of source repositories",
            "GitHub's terms of service",
            "https://docs.github.com/graphql",
        ),
        variable="NERQ_GITHUB_URL",
        url="https://api.github.com",
        # As GitHub's own command line reads them: cli.github.com/manual/gh_help_environment.
        token_variables=("GITHUB_TOKEN", "GH_TOKEN"),
        required=False,
        time_limits=HELPFUL_LIMITS,
    ),
    SourceInfo(
        id="huggingface",
        credit=Credit(
            "Hugging Face",
            "models, datasets, Spaces and kernels: commits, cards, files, scans and publishers",
            "those of the Hub; cards and files belong to those who published them",
            "https://huggingface.co/docs/hub",
        ),
        variable="NERQ_HF_URL",
        # As huggingface_hub reads them: huggingface.co/docs/huggingface_hub/package_reference/environment_variables.
        shared_variables=("HF_ENDPOINT",),
        token_variables=("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"),
        url="https://huggingface.co",
        max_age=6 * HOUR,
        absent_max_age=HOUR,
        cooldown=0,
        time_limits=REGISTRY_LIMITS,
    ),
    SourceInfo(
        id="mcp-registry",
        credit=Credit(
            "MCP registry",
            "packages, remotes and status of MCP servers, of targets mcp:NAME and of scanned configurations",
            "those of the registry; data belong to those who published them",
            "https://github.com/modelcontextprotocol/registry",
        ),
        variable="NERQ_MCP_REGISTRY_URL",
        url="https://registry.modelcontextprotocol.io",
        time_limits=REGISTRY_LIMITS,
        max_age=HOUR,
        absent_max_age=HOUR,
    ),
    SourceInfo(
        id="npm-downloads",
        credit=Credit(
            "npm downloads",
            "downloads of npm packages, only with --with downloads",
            "npm's terms of use",
            "https://github.com/npm/registry",
        ),
        variable="NERQ_NPM_DOWNLOADS_URL",
        url=_build_npm_downloads_url,
        required=False,
        time_limits=HELPFUL_LIMITS,
    ),
    SourceInfo(
        id="pypistats",
        credit=Credit(
            "pypistats",
            "downloads of PyPI packages, only with --with downloads",
            "pypistats's terms of use",
            "https://pypistats.org",
        ),
        variable="NERQ_PYPISTATS_URL",
        url="https://pypistats.org/api",
        required=False,
        time_limits=HELPFUL_LIMITS,
    ),
)

SOURCES: Final[Mapping[str, SourceInfo]] = {row.id: row for row in _ROWS}


def is_required(label: str) -> bool:
    """Whether a run without the answers of the source with this label is incomplete."""
    return all(info.required for info in SOURCES.values() if info.label == label)
