"""Repositories of the Hugging Face Hub (models, datasets, Spaces, kernels), and links to them.

A requirement is a revision: a branch, a tag, or a commit of 40 hexadecimal digits; empty stands for the branch
``main``. That of a kernel may also be a range of versions (``>=0.1,<1``), which its tags and branches state.
A version is a commit, because only a commit never changes its content.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import msgspec

from nerq_cli.ecosystems.listed import ListedEcosystem
from nerq_cli.ecosystems.protocol import (
    HF_DATASET,
    HF_KERNEL,
    HF_MODEL,
    HF_SPACE,
    EcosystemId,
    RegistryApi,
    VersionChoice,
)
from nerq_cli.patterns import compile_late

if TYPE_CHECKING:
    from nerq_cli.facts import PackageInfo
    from nerq_cli.hub_facts import HubKind

#: Type of the package URLs of all kinds (package-url/purl-spec, PURL-TYPES). Those of other kinds than models have the
#: kind as the first part of their namespace, as the addresses on the Hub have it.
PURL_TYPE: Final = "huggingface"
#: Host of short links to the Hub.
SHORT_HOST: Final = "hf.co"
#: Hosts of the Hub itself.
HOSTS: Final = frozenset({SHORT_HOST, "huggingface.co"})
#: The branch of every repository.
DEFAULT_REVISION: Final = "main"
#: Longest name and longest revision, in characters. Names: huggingface_hub, utils/_validators.py; git has no limit for
#: revisions, file systems have this one.
_MAX_NAME: Final = 96
_MAX_REVISION: Final = 255

_COMMIT = compile_late(r"[0-9a-fA-F]{40}")
_SEGMENT: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?"
_NAME = compile_late(rf"(?:{_SEGMENT}/)?{_SEGMENT}")
#: Names of git references (git-check-ref-format), and commits. A link has no space and no control character.
_REVISION = compile_late(r"(?!/)(?!.*(?:\.\.|//|@\{|/\.|\.lock(?:/|$)))[^\x00-\x20\x7f~^:?*\[\\]+(?<![/.])")
_TARGET = compile_late(r"(?P<name>[^@\s]+)(?:@(?P<range>\S+))?")
#: What follows the name in the address of a page or file, before the revision.
_VIEWS: Final = frozenset({"tree", "blob", "resolve", "raw", "commit", "commits", "edit"})
#: First parts of addresses on the Hub that are no owner of a repository.
_OTHER_PAGES: Final = frozenset(
    {
        "api",
        "blog",
        "buckets",
        "chat",
        "collections",
        "docs",
        "join",
        "learn",
        "login",
        "new",
        "organizations",
        "papers",
        "pricing",
        "search",
        "settings",
        "tasks",
    }
)


class HubLink(msgspec.Struct, frozen=True):
    """The repository that an address on the Hub leads to."""

    ecosystem: EcosystemId
    name: str
    #: Empty = none is stated.
    revision: str


class HubEcosystem(ListedEcosystem):
    """Repositories of one kind. Commits have no order that their names show."""

    registry_api: RegistryApi = "huggingface"
    registry_name = "the Hugging Face Hub"
    target_pattern = _TARGET
    version_separator = "@"

    def __init__(self, ecosystem_id: EcosystemId, kind: HubKind, *, path: str, prefixes: tuple[str, ...]) -> None:
        self.id = ecosystem_id
        #: What its repositories are.
        self.kind = kind
        #: First part of the addresses of its repositories, which their package URLs have too; empty for models.
        self.path = path
        #: Distinguishes the four kinds, which package URLs do in the namespace (``split_purl``).
        self.purl_type = ecosystem_id
        self.target_prefixes = prefixes

    def accepts_requirement(self, requirement: str) -> bool:
        is_range = self.kind == "kernel" and is_version_range(requirement)
        return not requirement or is_revision(requirement) or (is_range and requirement.isprintable())

    def find_name_error(self, name: str) -> str:
        if not name:
            return "it is empty"
        base_name = name.rpartition("/")[2]
        if len(base_name) > _MAX_NAME or len(name) > 2 * _MAX_NAME:
            return f"it is longer than {_MAX_NAME} characters"
        if not _NAME.fullmatch(name) or "--" in name or ".." in name or name.endswith(".git"):
            return "it is not OWNER/NAME with letters, digits, '-', '_' and '.'"
        return ""

    def split_purl(self, name: str) -> tuple[str, str, str]:
        namespace, base_name = self.split_name(name)
        return PURL_TYPE, "/".join(filter(None, (self.path, namespace))), base_name

    def parse_pin(self, requirement: str) -> str | None:
        return requirement.lower() if _COMMIT.fullmatch(requirement) else None

    def format_pin(self, version: str) -> str:
        return version

    def is_same_version(self, a: str, b: str) -> bool:
        return a.lower() == b.lower()

    def choose_version(
        self,
        requirement: str,
        package_info: PackageInfo,  # noqa: ARG002 - the Hub lists no versions
        *,
        interpreter: str | None = None,  # noqa: ARG002
    ) -> VersionChoice:
        commit = self.parse_pin(requirement)
        return VersionChoice(commit) if commit else VersionChoice(None, reason="no commit is stated")


HUB_ECOSYSTEMS: Final = (
    HubEcosystem(HF_MODEL, "model", path="", prefixes=("hf", "hf-model", "huggingface")),
    HubEcosystem(HF_DATASET, "dataset", path="datasets", prefixes=("hf-dataset", "huggingface-dataset")),
    HubEcosystem(HF_SPACE, "space", path="spaces", prefixes=("hf-space", "huggingface-space")),
    HubEcosystem(HF_KERNEL, "kernel", path="kernels", prefixes=("hf-kernel", "huggingface-kernel")),
)
#: By the first part of an address.
_BY_PATH: Final = {ecosystem.path or "models": ecosystem for ecosystem in HUB_ECOSYSTEMS}


def get_hub_path(url: str) -> str | None:
    """Return the path of an ``http`` or ``https`` address on the Hub itself; None if it is another one."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return None
    is_hub = parts.scheme in ("http", "https") and (parts.hostname or "").removeprefix("www.") in HOSTS
    return parts.path if is_hub else None


def is_commit(revision: str) -> bool:
    """Return whether a revision is a whole commit id, whose content never changes."""
    return bool(_COMMIT.fullmatch(revision))


def is_revision(text: str) -> bool:
    """Return whether a text may be the name of a branch, a tag or a commit."""
    return len(text) <= _MAX_REVISION and text.isprintable() and bool(_REVISION.fullmatch(text))


def is_version_range(revision: str) -> bool:
    """Return whether the revision of a kernel is a range of versions, and neither a branch, a tag nor a commit."""
    return len(revision) <= _MAX_REVISION and (revision.startswith(("<", ">", "=", "!", "~")) or "," in revision)


def choose_kernel_version(version_range: str, tags: Iterable[str], branches: Iterable[str]) -> str:
    """Return the tag or branch of the newest version in a range; empty if there is none.

    The library kernels resolved a range among the tags (``v0.1.2``) while it accepted ranges. Its present versions are
    branches (``v1``), which are used if no tag meets the range (huggingface/kernels, _versions.py).
    """
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion, Version

    try:
        specifiers = SpecifierSet(version_range)
    except InvalidSpecifier:
        return ""
    whole_numbers = (name for name in branches if name.removeprefix("v").isdecimal())
    for names in (tags, whole_numbers):
        versions: dict[Version, str] = {}
        for name in names:
            if name.startswith("v"):
                with suppress(InvalidVersion):
                    versions[Version(name[1:])] = name
        accepted = sorted(specifiers.filter(versions))
        if accepted:
            return versions[accepted[-1]]
    return ""


def parse_purl_name(namespace: str, name: str) -> HubLink:
    """Return the repository of a package URL of type ``huggingface``, without its version."""
    first, _, owner = namespace.partition("/")
    ecosystem = _BY_PATH.get(first)
    if ecosystem is None or not ecosystem.path:
        return HubLink(HF_MODEL, f"{namespace}/{name}" if namespace else name, "")
    return HubLink(ecosystem.id, f"{owner}/{name}" if owner else name, "")


def parse_hub_path(path: str) -> HubLink | None:
    """Return the repository that the path of an address on the Hub leads to; None if it leads to none.

    Pages (``/org/name/tree/main``), files (``/datasets/org/name/resolve/v1/train.csv``) and API addresses
    (``/api/models/org/name/revision/main``) are read. The name is not checked.
    """
    segments = [unquote(segment) for segment in path.partition("?")[0].partition("#")[0].split("/") if segment]
    is_api = segments[:1] == ["api"]
    if is_api:
        del segments[0]
    ecosystem = _BY_PATH.get(segments[0]) if segments else None
    if ecosystem is None:
        if is_api or not segments or segments[0] in _OTHER_PAGES:
            return None
        ecosystem = HUB_ECOSYSTEMS[0]
    else:
        del segments[0]
    views = {"revision", "tree"} if is_api else _VIEWS
    name_length = 1 if len(segments) == 1 or (len(segments) > 1 and segments[1] in views) else 2
    name, rest = "/".join(segments[:name_length]), segments[name_length:]
    if not name:
        return None
    revision = ""
    if len(rest) > 1 and rest[0] in views:
        # A pull request (refs/pr/1) or a converted copy (refs/convert/parquet) may be written without an escape.
        revision = "/".join(rest[1:4]) if rest[1] == "refs" else rest[1]
    return HubLink(ecosystem.id, name, revision)


def parse_hub_uri(text: str) -> HubLink | None:
    """Return the repository of ``//[datasets/]org/name[@revision][/path]``, an ``hf:`` URI without its scheme.

    None if it leads to none, such as a storage bucket, which has no commits.
    """
    segments = text.removeprefix("//").split("/")
    ecosystem = _BY_PATH.get(segments[0])
    if ecosystem is None:
        if segments[0] in _OTHER_PAGES:
            return None
        ecosystem = HUB_ECOSYSTEMS[0]
    else:
        del segments[0]
    if segments and "@" not in segments[0] and len(segments) > 1:
        segments = ["/".join(segments[:2]), *segments[2:]]
    name, _, revision = segments[0].partition("@") if segments else ("", "", "")
    if revision == "refs":
        revision = "/".join([revision, *segments[1:3]])
    return HubLink(ecosystem.id, name, unquote(revision)) if name else None
