"""Parses the packages named on a command line: ``requests``, ``npm:lodash@4.17.15``, a purl."""

from __future__ import annotations

from typing import Final

from nerq_cli.ecosystems import ECOSYSTEMS, NPM, PYPI, EcosystemId, get_ecosystem
from nerq_cli.errors import UsageError
from nerq_cli.inventory import Declaration, Location
from nerq_cli.patterns import compile_late

_PREFIXES: Final[dict[str, EcosystemId]] = {
    prefix: ecosystem.id for ecosystem in ECOSYSTEMS for prefix in ecosystem.target_prefixes
}
_PYPI: Final = get_ecosystem(PYPI).target_pattern
_NPM: Final = get_ecosystem(NPM).target_pattern
#: A version that may be on either registry.
_EXACT_VERSION: Final = compile_late(r"\d[\w.]*")
_HINT: Final = "write requests==2.31.0, npm:lodash@4.17.21, pypi:flask or pkg:npm/%40babel/core@7.24.0"
COMMAND_LINE: Final = "<command line>"


def parse_target(text: str) -> tuple[Declaration, ...]:
    """Return the package that a target names; one per ecosystem if the name is valid in both.

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
    pattern, version_separator = get_ecosystem(ecosystem).target_pattern, get_ecosystem(ecosystem).version_separator
    match = pattern.fullmatch(text)
    if match is None and "@" in text:  # pypi:requests@2.31.0
        name, _, version = text.partition("@")
        match = pattern.fullmatch(f"{name}{version_separator}{version}" if version else name)
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
    requirement = get_ecosystem(ecosystem).format_pin(version) if version else ""
    return _make_declaration(ecosystem, name, requirement, text)


def _make_declaration(ecosystem: EcosystemId, name: str, requirement: str, original: str) -> Declaration:
    if not get_ecosystem(ecosystem).accepts_requirement(requirement):
        raise UsageError(f"{original!r}: {requirement!r} is not a version specifier", hint=_HINT)
    location = Location(path=COMMAND_LINE, line=0)
    return Declaration(ecosystem=ecosystem, name=name, requirement=requirement, group="main", location=location)
