"""Facts about a target for a table: who publishes it, where it comes from, how much it is used. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from nerq_cli.facts import (
    Adoption,
    Evidence,
    Fact,
    Found,
    McpRegistration,
    Metadata,
    PackageInfo,
    Popularity,
    ReleaseProfile,
    Repository,
    get_origin,
)
from nerq_cli.github_facts import GithubEvidence, HostedRepository
from nerq_cli.hub_facts import HubEvidence, HubRepository
from nerq_cli.insight.provenance import VersionProvenance
from nerq_cli.signals.signal import format_count

#: Of links: what is stated may be no address that can be shown, which is not kept.
_NO_LINK: Final = "no usable address stated"
#: Items of a list that are shown.
_MAX_ITEMS: Final = 8


class Detail(msgspec.Struct, frozen=True, kw_only=True):
    """One fact."""

    #: Stable identifier.
    id: str
    label: str
    #: Empty = not known, or stated to be none: see ``reason``.
    value: str
    #: Why there is no value; empty if there is one.
    reason: str = ""
    source: str = ""
    #: Epoch seconds UTC; 0 = not known.
    retrieved_at: int = 0


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What the author writes about a target: untrusted text, quoted."""

    #: Empty = there is none, or it is not known.
    text: str
    #: Why there is none; empty if there is one.
    reason: str = ""
    source: str = ""
    retrieved_at: int = 0


# --- packages


def list_package_details(
    evidence: Evidence,
    profile: Fact[ReleaseProfile],
    server: McpRegistration | None = None,
    *,
    provenance: VersionProvenance | None = None,
) -> Iterator[Detail]:
    """Yield the details of a release of a package, and of the MCP server that it is published for.

    Args:
        evidence: Of the release.
        profile: Its page on the registry.
        server: Registration of the server.
        provenance: What is known of how the release was published.
    """
    yield from list_server_details(server)
    yield _take("author", "Author, as stated", profile, lambda item: item.author or "none stated by name")
    yield _take("publishers", "Accounts that can publish", evidence.package_info, _describe_publishers)
    yield _take("category", "Category, as stated", profile, _describe_category)
    measured = isinstance(evidence.adoption, Found) and evidence.adoption.value.downloads is not None
    source: Fact[Any] = evidence.adoption if measured else evidence.popularity
    yield _take("downloads", "Downloads per week", source, _describe_downloads, "downloads")
    yield _take("rank", "Place by downloads", evidence.popularity, _describe_rank)
    yield _take("dependents", "Packages that depend on it", evidence.adoption, _describe_dependents, "dependents")
    yield _take(
        "repository", "Source repository", evidence.metadata, lambda item: item.repository, "repository", _NO_LINK
    )
    yield _take("stars", "Stars of the repository", evidence.repository, _describe_stars, "stars")
    yield _take("homepage", "Home page", evidence.metadata, lambda item: item.homepage, "homepage", _NO_LINK)
    yield _take(
        "documentation", "Documentation", evidence.metadata, lambda item: item.documentation, "documentation", _NO_LINK
    )
    yield _take("changelog", "Changes", evidence.metadata, lambda item: item.changelog, "changelog", _NO_LINK)
    yield _take("interpreter", "Requires", evidence.metadata, lambda item: item.required_interpreter, "")
    yield _take("dependencies", "Direct dependencies", profile, _describe_dependencies)
    attestation = _take("attestation", "Repository of its build, verified", evidence.metadata, _describe_attestation)
    if not attestation.value and provenance is not None:
        reason = "" if provenance.repository else _explain_no_repository(provenance)
        attestation = replace(attestation, value=provenance.repository, reason=reason)
    yield attestation
    yield _take("status", "Status, as stated", profile, lambda item: item.status)


def describe_package(profile: Fact[ReleaseProfile]) -> Description:
    """Return the summary that the author of a release wrote."""
    if isinstance(profile, Found):
        text = profile.value.summary
        reason = "" if text else "the release states no summary"
        return Description(text=text, reason=reason, source=profile.source, retrieved_at=profile.retrieved_at)
    return Description(text="", reason=profile.reason or "not known", source=profile.source)


def list_server_details(server: McpRegistration | None) -> Iterator[Detail]:
    """Yield the details of a server in the MCP registry; nothing without one."""
    if server is None:
        return
    source = "MCP registry"
    transports = [f"{kind} at {url}" for kind, url in server.remotes]
    transports += [f"started from {kind}:{name}" for kind, name, _ in server.packages]
    values = (
        ("server", "MCP server", f"{server.name} {server.version}".strip()),
        ("server-status", "Status in the MCP registry", server.status),
        ("protocols", "Protocols", f"MCP: {_list(transports)}" if transports else ""),
        ("server-repository", "Repository in the MCP registry", server.repository),
    )
    for id_, label, value in values:
        yield Detail(id=id_, label=label, value=value, reason="" if value else "not stated", source=source)


def _explain_no_repository(provenance: VersionProvenance) -> str:
    """Return why no repository of a build is verified, as the section about provenance has it."""
    words = "not known" if provenance.state in ("unknown", "attested") else "none"
    return f"{words}: {provenance.reason}"


def _take(
    id_: str,
    label: str,
    fact: Fact[Any],
    read: Callable[[Any], str | None],
    field: str = "",
    absent: str = "none stated",
) -> Detail:
    """Return a detail from a fact: with a value, as not stated, or as not known."""
    if not isinstance(fact, Found):
        return Detail(id=id_, label=label, value="", reason=f"not known: {fact.reason}", source=fact.source)
    value = read(fact.value)
    origin = get_origin(fact, field)
    reason = "" if value else "not known" if value is None else absent
    return Detail(
        id=id_, label=label, value=value or "", reason=reason, source=origin.source, retrieved_at=origin.retrieved_at
    )


def _describe_publishers(info: PackageInfo) -> str | None:
    if info.publishers is None:
        return None
    organisation = ", of an organisation" if info.organisation else ""
    return f"{info.publishers:,}{organisation}"


def _describe_category(profile: ReleaseProfile) -> str:
    return _list(profile.topics) or _list(profile.keywords)


def _describe_downloads(use: Adoption | Popularity) -> str | None:
    if use.downloads is None:
        return None
    is_estimate = isinstance(use, Popularity) and use.is_estimate
    return f"about {use.downloads:,.0f}, estimated from its place" if is_estimate else f"{use.downloads:,.0f}"


def _describe_dependents(adoption: Adoption) -> str | None:
    return None if adoption.dependents is None else f"{adoption.dependents:,}"


def _describe_rank(popularity: Popularity) -> str:
    size = f"{popularity.list_size:,}"
    return f"not among the first {size}" if popularity.rank is None else f"{popularity.rank:,} of {size}"


def _describe_stars(repository: Repository) -> str | None:
    return None if repository.stars is None else f"{repository.stars:,}"


def _describe_dependencies(profile: ReleaseProfile) -> str | None:
    return None if profile.dependencies is None else f"{profile.dependencies:,}"


def _describe_attestation(metadata: Metadata) -> str | None:
    return metadata.attested_repository


# --- repositories of the Hub


def list_hub_details(evidence: HubEvidence) -> Iterator[Detail]:
    """Yield the details of a repository of the Hub."""
    fact = evidence.repository
    if not isinstance(fact, Found):
        yield Detail(id="repository", label="Repository", value="", reason=f"not known: {fact.reason}")
        return
    repository = fact.value
    yield _describe_owner(evidence, repository)
    header = repository.card
    for id_, label, value in (
        ("category", "Task, as stated", repository.pipeline_tag or _list(header.tags if header else ())),
        ("library", "Library", repository.library),
        ("architecture", "Architecture", _list(repository.architectures) or repository.model_type),
        ("parameters", "Parameters", None if repository.parameters is None else f"{repository.parameters:,}"),
        ("downloads", "Downloads in 30 days", _count(repository.downloads)),
        ("likes", "Likes", _count(repository.likes)),
        ("access", "Access", {None: None, "": "open"}.get(repository.gated, f"gated, {repository.gated}")),
        ("languages", "Languages, as stated", _list(header.languages if header else ())),
        ("base-models", "Made from", _list(header.base_models or () if header else ())),
        ("datasets", "Datasets, as stated", _list((header.datasets or ()) if header else ())),
        ("uses-models", "Uses models", _list(repository.used_models or ())),
        ("uses-datasets", "Uses datasets", _list(repository.used_datasets or ())),
        ("runtime", "Runs on", " ".join(filter(None, (repository.sdk, repository.stage)))),
        ("files", "Files", _describe_files(repository)),
        ("commit", "Commit", repository.sha),
    ):
        if value == "" and id_ not in ("category", "languages"):
            continue  # what a repository of its kind does not have
        reason = "not known" if value is None else "" if value else "none stated"
        yield Detail(
            id=id_, label=label, value=value or "", reason=reason, source=fact.source, retrieved_at=fact.retrieved_at
        )


def _describe_owner(evidence: HubEvidence, repository: HubRepository) -> Detail:
    fact = evidence.owner
    name = repository.author or repository.id.partition("/")[0]
    if not isinstance(fact, Found):
        return Detail(id="owner", label="Owner", value=name, source=fact.source)
    owner = fact.value
    words = [name, "organisation" if owner.is_organisation else "user"]
    words += ["verified by the Hub"] if owner.is_verified else []
    words += [format_count(owner.models, "model")] if owner.models is not None else []
    words += [format_count(owner.followers, "follower")] if owner.followers is not None else []
    return Detail(id="owner", label="Owner", value=", ".join(words), source=fact.source, retrieved_at=fact.retrieved_at)


def _describe_files(repository: HubRepository) -> str | None:
    if repository.files is None:
        return None
    size = sum(file.size or 0 for file in repository.files)
    more = f" and {repository.more_files:,} more" if repository.more_files else ""
    return f"{len(repository.files):,}{more}, {_format_size(size)}"


def _format_size(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1_000:  # noqa: PLR2004 - decimal units
            return f"{size:.0f} {unit}"
        size /= 1_000
    return f"{size:.1f} TB"


def _count(number: int | None) -> str | None:
    return None if number is None else f"{number:,}"


def _list(items: Iterable[str]) -> str:
    texts = list(dict.fromkeys(items))
    more = f" and {len(texts) - _MAX_ITEMS} more" if len(texts) > _MAX_ITEMS else ""
    return f"{', '.join(texts[:_MAX_ITEMS])}{more}"


def describe_repository(evidence: HubEvidence) -> Description:
    """Return the first paragraph of the card of a repository."""
    from nerq_cli.compliance.card import read_sections

    fact = evidence.card
    if not isinstance(fact, Found):
        return Description(text="", reason=fact.reason or "not known", source=fact.source)
    text = next(_iter_paragraphs(section.text for section in read_sections(fact.value)), "")
    reason = "" if text else "the card has no paragraph of prose"
    return Description(text=text, reason=reason, source=fact.source, retrieved_at=fact.retrieved_at)


#: Words of a paragraph that describes something, and characters that are quoted.
_MIN_WORDS: Final = 5
_MAX_QUOTE: Final = 600


def _iter_paragraphs(texts: Iterator[str]) -> Iterator[str]:
    for text in texts:
        for paragraph in text.split("\n\n"):
            joined = " ".join(paragraph.split())
            if len(joined.split()) >= _MIN_WORDS and not joined.startswith(("- ", "|")):
                yield joined if len(joined) <= _MAX_QUOTE else f"{joined[: _MAX_QUOTE - 1]}…"


# --- repositories on GitHub


def list_github_details(evidence: GithubEvidence) -> Iterator[Detail]:
    """Yield the details of a source repository on GitHub."""
    hosted = evidence.hosted
    yield _take("owner", "Owner", hosted, _name_owner)
    yield _take("stars", "Stars", hosted, lambda item: None if item.stars is None else f"{item.stars:,}")
    yield _take("forks", "Forks", hosted, lambda item: None if item.forks is None else f"{item.forks:,}")
    yield _take("origin", "Origin", hosted, lambda item: {True: "a fork", False: "not a fork"}.get(item.fork))
    yield _take("packages", "Packages that it names", hosted, lambda item: _list(item.packages))
    yield _take("homepage", "Home page", hosted, lambda item: item.homepage)
    yield _take("commit", "Commit", evidence.revision, lambda item: item.commit)


def describe_github_repository(evidence: GithubEvidence) -> Description:
    """Return the description that the owner of a repository wrote."""
    fact = evidence.hosted
    if not isinstance(fact, Found) or fact.value.description is None:
        return Description(text="", reason="not known" if isinstance(fact, Found) else fact.reason, source=fact.source)
    text = fact.value.description
    reason = "" if text else "the repository states no description"
    return Description(text=text, reason=reason, source=fact.source, retrieved_at=fact.retrieved_at)


def _name_owner(hosted: HostedRepository) -> str:
    account = hosted.name.split("/")[1]
    if hosted.is_organisation is None:
        return account
    return f"{account}, {'organisation' if hosted.is_organisation else 'user'}"
