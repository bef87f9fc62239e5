"""Reads what a person types to name a package: ``requests``, ``npm:lodash@4.17.15``, a purl."""

from __future__ import annotations

import re
from typing import Final

from nerq_cli.ecosystems import ECOSYSTEMS, NPM, PYPI, EcosystemId
from nerq_cli.errors import UsageError
from nerq_cli.inventory import Declaration, Location

_PREFIXES: Final[dict[str, EcosystemId]] = {
    prefix: ecosystem.id for ecosystem in ECOSYSTEMS for prefix in ecosystem.target_prefixes
}
_PYPI: Final = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)(?P<extras>\s*\[[\w\s,.-]*\])?(?P<range>\s*(?:===?|~=|!=|<=?|>=?).*)?",
    re.ASCII,
)
_NPM: Final = re.compile(r"(?P<name>(?:@[^@/\s]+/)?[^@/\s:]+)(?:@(?P<range>.*))?")
#: What may be a version on either registry.
_EXACT_VERSION: Final = re.compile(r"\d+(?:\.\d+)*[\w.]*")
_HINT: Final = "write requests==2.31.0, npm:lodash@4.17.21, pypi:flask or pkg:npm/%40babel/core@7.24.0"
COMMAND_LINE: Final = "<command line>"


def parse_target(text: str) -> tuple[Declaration, ...]:
    """Return the dependency that a target names; two, one per ecosystem, when the name could be of either.

    Raises:
        UsageError: the text names no package.
    """
    target = text.strip()
    if target.startswith("pkg:"):
        return (_parse_purl(target),)
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
        raise UsageError(f"{text!r} names no package", hint=_HINT)
    return (_parse_declaration(PYPI, target, text), _parse_declaration(NPM, target, text))


def _parse_declaration(ecosystem: EcosystemId, text: str, original: str) -> Declaration:
    match = (_PYPI if ecosystem == PYPI else _NPM).fullmatch(text)
    if match is None and ecosystem == PYPI:
        name, separator, version = text.partition("@")  # pypi:requests@2.31.0, as in a purl
        match = _PYPI.fullmatch(f"{name}=={version}" if separator and version else name) if separator else None
    if match is None:
        raise UsageError(f"{original!r} names no {ecosystem} package", hint=_HINT)
    return _make_declaration(ecosystem, match["name"], (match["range"] or "").strip(), original)


def _parse_purl(text: str) -> Declaration:
    from packageurl import PackageURL

    try:
        purl = PackageURL.from_string(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is not a package URL: {error}", hint=_HINT) from error
    ecosystem = next((item.id for item in ECOSYSTEMS if item.purl_type == purl.type), None)
    if ecosystem is None:
        raise UsageError(f"{text!r}: packages of type {purl.type!r} are not covered yet", hint=_HINT)
    name = f"{purl.namespace}/{purl.name}" if purl.namespace else purl.name
    version = purl.version or ""
    if ecosystem == PYPI:
        return _make_declaration(PYPI, name, f"=={version}" if version else "", text)
    return _make_declaration(NPM, name, version, text)


def _make_declaration(ecosystem: EcosystemId, name: str, requirement: str, original: str) -> Declaration:
    if ecosystem == PYPI and requirement:
        from packaging.specifiers import InvalidSpecifier, SpecifierSet

        try:
            SpecifierSet(requirement)
        except InvalidSpecifier as error:
            raise UsageError(f"{original!r}: {requirement!r} is not a version specifier", hint=_HINT) from error
    location = Location(path=COMMAND_LINE, line=0)
    return Declaration(ecosystem=ecosystem, name=name, requirement=requirement, group="main", location=location)
