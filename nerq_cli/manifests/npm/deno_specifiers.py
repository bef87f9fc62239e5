"""The specifiers of Deno: ``npm:name@range/path`` and ``jsr:@scope/name@range``."""

from __future__ import annotations

from typing import Final

import msgspec

from nerq_cli.ecosystems import GENERIC, NPM, EcosystemId, get_ecosystem
from nerq_cli.manifests.npm.npm_spec import split_name

#: Skip reason of the packages of JSR, the registry of Deno.
JSR_REASON: Final = "JSR package: not scored"
#: Ecosystem and skip reason of a package, by the scheme of its specifier.
_SCHEMES: Final[dict[str, tuple[EcosystemId, str]]] = {"npm": (NPM, ""), "jsr": (GENERIC, JSR_REASON)}
#: A range that allows every version, as Deno writes one that is not stated.
_ANY_VERSION: Final = "*"


class DenoSpecifier(msgspec.Struct, frozen=True):
    """A parsed specifier of a package."""

    ecosystem: EcosystemId
    name: str
    #: Version, range or dist-tag; empty if any version is allowed.
    requirement: str
    skip_reason: str
    #: Why the name cannot be one; empty if it can.
    error: str


def parse_specifier(text: str) -> DenoSpecifier | None:
    """Return the package of a specifier; None if it names none, such as a path or the URL of a module."""
    scheme, colon, address = text.partition(":")
    if not colon or scheme not in _SCHEMES:
        return None
    ecosystem, skip_reason = _SCHEMES[scheme]
    address = address.lstrip("/")
    scope, slash, rest = address.partition("/") if address.startswith("@") else ("", "", address)
    name, requirement = split_name(f"{scope}{slash}{rest.partition('/')[0]}")
    return DenoSpecifier(
        ecosystem,
        name,
        "" if requirement == _ANY_VERSION else requirement,
        skip_reason,
        get_ecosystem(ecosystem).find_name_error(name),
    )
