"""Parses the packages named on a command line: ``requests``, ``npm:lodash@4.17.15``, a purl."""

from __future__ import annotations

import re
from typing import Final, get_args
from urllib.parse import unquote, urlsplit

from nerq_cli.ecosystems import (
    ECOSYSTEMS,
    GITHUB,
    HF_MODEL,
    NPM,
    PYPI,
    EcosystemId,
    find_purl_package,
    get_ecosystem,
    huggingface,
    is_hub,
)
from nerq_cli.errors import UsageError
from nerq_cli.inventory import Declaration, Location
from nerq_cli.patterns import compile_late
from nerq_cli.sources import SOURCES

_PREFIXES: Final[dict[str, EcosystemId]] = {
    prefix: ecosystem.id
    for ecosystem in map(get_ecosystem, get_args(EcosystemId))
    for prefix in ecosystem.target_prefixes
}
_PYPI: Final = get_ecosystem(PYPI).target_pattern
_NPM: Final = get_ecosystem(NPM).target_pattern
_SCHEME: Final = compile_late(r"[A-Za-z]+://")
#: An address on GitHub, a clone address, and one with a revision as pip and uv write it.
_GITHUB_ADDRESS: Final = compile_late(
    r"(?:(?:git\+)?(?:https?|ssh|git)://)?(?:git@)?(?:www\.)?github\.com[/:](?P<name>[\w-]+/[\w.-]+?)(?:\.git)?"
    r"(?:@(?P<revision>[^\s?#]+)|(?P<view>/[^\s?#]*))?(?:[?#]\S*)?",
    re.IGNORECASE,
)
#: A version that may be on either registry.
_EXACT_VERSION: Final = compile_late(r"\d[\w.]*")
#: What versions of packages are written with, and the tags of npm.
_VERSION: Final = compile_late(r"[A-Za-z0-9][A-Za-z0-9._+!-]*", re.ASCII)
_HINT: Final = "write requests==2.31.0, npm:lodash@4.17.21, pypi:flask or pkg:npm/%40babel/core@7.24.0"
_HUB_HINT: Final = (
    "write hf:Qwen/Qwen3-4B, hf-dataset:openai/gsm8k, hf-space:owner/name@COMMIT or an address on the Hub"
)
COMMAND_LINE: Final = "<command line>"


def parse_target(text: str, *, hub_url: str = "") -> tuple[Declaration, ...]:
    """Return the package that a target names; one per ecosystem if the name is valid in both.

    Args:
        text: What was written.
        hub_url: Address of the Hub, if the environment replaces the default one: links to it are read as well.

    Raises:
        UsageError: the text names no package.
    """
    target = text.strip()
    if target.startswith("pkg:"):
        return (_parse_purl(target),)
    path = _find_hub_path(target, hub_url)
    if path is None and (declaration := _parse_github_address(target, text)) is not None:
        return (declaration,)
    if path is not None or _SCHEME.match(target):
        return (_parse_link(target, path, text),)
    return _parse_name(target, text)


def _parse_name(target: str, text: str) -> tuple[Declaration, ...]:
    prefix, colon, name_text = target.partition(":")
    if colon and prefix.lower() in _PREFIXES:
        return (_parse_declaration(_PREFIXES[prefix.lower()], name_text.strip(), text),)
    if target.startswith("@"):
        return (_parse_declaration(NPM, target, text),)
    pypi, npm = _PYPI.fullmatch(target), _NPM.fullmatch(target)
    if pypi is not None and (pypi["range"] or pypi["extras"]):
        return (_parse_declaration(PYPI, target, text),)
    if npm is not None and npm["range"] is not None:
        exact = _EXACT_VERSION.fullmatch(npm["range"])
        npm_only = (_parse_declaration(NPM, target, text),)
        return (
            (_parse_declaration(PYPI, target, text), *npm_only) if exact and _PYPI.fullmatch(npm["name"]) else npm_only
        )
    if pypi is None:
        raise UsageError(f"{text!r} names no package", hint=_suggest_prefix(target) or _HINT)
    return (_parse_declaration(PYPI, target, text), _parse_declaration(NPM, target, text))


def _parse_declaration(ecosystem: EcosystemId, text: str, original: str) -> Declaration:
    pattern, version_separator = get_ecosystem(ecosystem).target_pattern, get_ecosystem(ecosystem).version_separator
    match = pattern.fullmatch(text)
    if match is None and "@" in text:  # pypi:requests@2.31.0
        name, _, version = text.partition("@")
        match = pattern.fullmatch(f"{name}{version_separator}{version}" if version else name)
    if match is None:
        raise UsageError(f"{original!r} names no {ecosystem} package", hint=_HUB_HINT if is_hub(ecosystem) else _HINT)
    return _make_declaration(ecosystem, match["name"], (match["range"] or "").strip(), original)


def _parse_purl(text: str) -> Declaration:
    from packageurl import PackageURL

    try:
        purl = PackageURL.from_string(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is not a package URL: {error}", hint=_HINT) from error
    package = find_purl_package(purl.type, purl.namespace, purl.name)
    if package is None or not get_ecosystem(package[0]).target_prefixes:
        raise UsageError(f"{text!r}: packages of type {purl.type!r} are not covered yet", hint=_HINT)
    ecosystem, name = package
    version = purl.version or ""
    if version and get_ecosystem(ecosystem) in ECOSYSTEMS and _VERSION.fullmatch(version) is None:
        raise UsageError(f"{text!r}: {version!r} is not a version", hint=_HINT)
    requirement = get_ecosystem(ecosystem).format_pin(version) if version else ""
    return _make_declaration(ecosystem, name, requirement, text)


def _make_declaration(ecosystem: EcosystemId, name: str, requirement: str, original: str) -> Declaration:
    is_package = get_ecosystem(ecosystem) in ECOSYSTEMS
    hint = _HINT if is_package else _HUB_HINT if is_hub(ecosystem) else "write github:owner/name@revision"
    name_error = get_ecosystem(ecosystem).find_name_error(name)  # it becomes a part of addresses
    if name_error:
        kind = "package" if is_package else "repository"
        raise UsageError(f"{original!r}: {name!r} names no {kind}: {name_error}", hint=hint)
    if not get_ecosystem(ecosystem).accepts_requirement(requirement):
        noun = "version specifier" if is_package else "revision"
        raise UsageError(f"{original!r}: {requirement!r} is not a {noun}", hint=hint)
    return Declaration(
        ecosystem=ecosystem,
        name=name,
        requirement=requirement,
        group="main",
        location=Location(path=COMMAND_LINE, line=0),
    )


def _parse_link(target: str, path: str | None, original: str) -> Declaration:
    """Return the repository that a link leads to, whose path on the Hub is ``path`` if it has one."""
    is_uri = target.lower().startswith("hf://")
    if path is None and not is_uri:
        raise UsageError(f"{original!r} is not an address on the Hub", hint=_suggest_prefix(target) or _HUB_HINT)
    link = huggingface.parse_hub_uri(target[3:]) if path is None else huggingface.parse_hub_path(path)
    if link is None:
        raise UsageError(f"{original!r} leads to no repository of the Hub", hint=_HUB_HINT)
    if link.ecosystem == HF_MODEL and path is not None and re.split("[?#]", path)[0].strip("/") == link.name:
        _check_not_owner(link.name, original)
    return _make_declaration(link.ecosystem, link.name, link.revision, original)


def _check_not_owner(name: str, original: str) -> None:
    """Raise UsageError for the page of an account: the Hub has it where models without an owner once were."""
    from nerq_cli.manifests.references.known_names import MODEL  # few targets are addresses

    if "/" not in name and MODEL.fullmatch(name) is None:
        raise UsageError(
            f"{original!r} leads to an account, not to a repository",
            hint=f"write hf:{name}/NAME for one of its models; hf:{name} if that is a model without an owner",
        )


def _parse_github_address(target: str, original: str) -> Declaration | None:
    """Return the repository that an address on GitHub leads to; None if it is no such address.

    Pages of a branch, a tag or a commit are read: ``/tree/main``, ``/commit/1f2e3d...``, ``/releases/tag/v1``.
    """
    match = _GITHUB_ADDRESS.fullmatch(target)
    if match is None:
        return None
    from nerq_cli.sources.text import NOT_OWNERS  # few targets are addresses

    if match["name"].partition("/")[0].lower() in NOT_OWNERS:
        return None
    views = (match["view"] or "").strip("/").split("/")
    revision = match["revision"] or ""
    if not revision and views[:2] == ["releases", "tag"]:
        revision = unquote("/".join(views[2:]))
    elif not revision and len(views) > 1 and views[0] in ("tree", "blob", "commit", "commits", "raw"):
        # The name of a branch may have slashes, which cannot be told from the path of a file.
        revision = unquote(views[1])
    return _make_declaration(GITHUB, match["name"], revision, original)


def _suggest_prefix(target: str) -> str:
    """Return how a repository is named, for ``owner/name``; empty for other texts."""
    name = target.partition("@")[0]
    if name.count("/") != 1 or get_ecosystem(HF_MODEL).find_name_error(name):
        return ""
    return f"write hf:{target} for a model on the Hub, github:{target} for a repository on GitHub"


def _find_hub_path(target: str, hub_url: str) -> str | None:
    """Return the path of an address on the Hub, with or without its scheme; None if it is no such address."""
    scheme, separator, rest = target.partition("://")
    address = rest if separator and scheme.lower() in ("http", "https") else target
    default_url = SOURCES["huggingface"].url
    for url in filter(None, (hub_url, default_url if isinstance(default_url, str) else "")):
        parts = urlsplit(url)
        if address.lower().startswith(f"{parts.netloc}{parts.path}/".lower()):
            return address[len(parts.netloc) + len(parts.path) :]
    if address.lower().startswith(f"{huggingface.SHORT_HOST}/"):
        return address[len(huggingface.SHORT_HOST) :].partition(":")[0]  # what follows selects a file, as in Ollama
    return None
