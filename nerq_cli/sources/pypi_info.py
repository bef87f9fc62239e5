"""What PyPI's JSON says about one release: its metadata, its advisories, and who can publish the project.

A field of the wrong type counts as not stated, one that is null as stated and empty (pypi/warehouse, docs/user/api).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET

from nerq_cli.facts import Metadata, Vulnerability
from nerq_cli.sources.text import (
    LICENCE,
    REASON,
    SPECIFIER,
    SUMMARY,
    account_tag,
    apart_from,
    clean,
    every,
    forge_repository,
    is_version,
    members,
    readme_length,
    repository,
    web_address,
)

#: At most this many tags of publishing accounts are kept.
_TAGS: Final = 50
#: At most this many advisories, aliases and fixed versions are read; no honest answer comes near.
_MOST: Final = 1_000


class Info(msgspec.Struct):
    """The object ``info`` as far as it is read; ``UNSET`` where it lacks a key."""

    name: Any = UNSET
    version: Any = UNSET
    summary: Any = UNSET
    description: Any = UNSET
    keywords: Any = UNSET
    classifiers: Any = UNSET
    license: Any = UNSET
    license_expression: Any = UNSET
    project_urls: Any = UNSET
    home_page: Any = UNSET
    docs_url: Any = UNSET
    requires_python: Any = UNSET
    yanked: Any = UNSET
    yanked_reason: Any = UNSET


class _Advisory(msgspec.Struct):
    id: Any = None
    aliases: Any = None
    summary: Any = None
    details: Any = None
    link: Any = None
    fixed_in: Any = None
    withdrawn: Any = None


def _text(value: object, limit: int) -> str | None:
    """Return a text field: None when it is missing or no text, empty when it is null or the old ``UNKNOWN``."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return None
    text = clean(value, limit)
    return "" if text == "UNKNOWN" else text


def _told(value: object) -> bool | None:
    text = _text(value, SUMMARY)
    return None if text is None else bool(text)


def _readme(description: object) -> int | None:
    if not isinstance(description, str):
        return 0 if description is None else None
    return 0 if description.strip() == "UNKNOWN" else readme_length(description)


_PYTHON = re.compile(r"Programming Language :: Python :: (\d{1,2}\.\d{1,3})")
_INACTIVE: Final = "Development Status :: 7 - Inactive"
_TYPED: Final = "Typing :: Typed"


_ADVISORY = msgspec.json.Decoder(_Advisory)


def described(info: Info, version: str, vulnerabilities: tuple[Vulnerability, ...] | None) -> Metadata:
    """Return what ``info`` says about the version it describes."""
    classifiers = _classifiers(info.classifiers)
    pythons = None if classifiers is None else [found[1] for c in classifiers if (found := _PYTHON.fullmatch(c))]
    keywords, links = _told(info.keywords), _links(info)
    return Metadata(
        version=version,
        summary=_told(info.summary),
        keywords=bool(keywords or classifiers) if keywords is not None or classifiers is not None else None,
        typed=None if classifiers is None else _TYPED in classifiers,
        interpreter=_text(info.requires_python, SPECIFIER),
        python_classifiers=None if pythons is None else tuple(pythons),
        readme=_readme(info.description),
        licence_expression=_text(info.license_expression, LICENCE),
        licence_classifiers=_starting(classifiers, "License ::"),
        licence_text=_text(info.license, LICENCE),
        inactive=None if classifiers is None else _INACTIVE in classifiers,
        yanked=info.yanked if isinstance(info.yanked, bool) else None,
        yanked_reason=clean(info.yanked_reason, REASON) if info.yanked is True else "",
        documentation=links.documentation,
        changelog=links.changelog,
        homepage=links.homepage,
        repository=links.repository,
        vulnerabilities=vulnerabilities,
    )


def _classifiers(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        return None
    return tuple(text for member in value if (text := clean(member, SUMMARY)))


def _starting(classifiers: tuple[str, ...] | None, start: str) -> tuple[str, ...] | None:
    return None if classifiers is None else tuple(one for one in classifiers if one.startswith(start))


#: Labels of project links as people write them, without case, spaces and punctuation.
_DOCUMENTATION: Final = ("documentation", "docs", "readthedocs", "readthedoc", "apidocs", "apidocumentation")
_CHANGELOG: Final = ("changelog", "changes", "releasenotes", "history", "whatsnew", "changehistory")
_HOMEPAGE: Final = ("homepage", "home", "website")
_SOURCE: Final = ("source", "sourcecode", "repository", "github", "code", "repo", "sources", "gitlab", "codeberg")
_DOCUMENTATION_HOST = re.compile(r"https?://(?:docs?\.|[^/]*\.(?:readthedocs\.(?:io|org)|rtfd\.(?:io|org))(?:[/?#]|$))")
_PUNCTUATION = re.compile(r"[^a-z0-9]+")


class _Links(NamedTuple):
    documentation: str | None = None
    changelog: str | None = None
    homepage: str | None = None
    repository: str | None = None


def _links(info: Info) -> _Links:
    """Return the links by what they lead to; None for each when no field for links was read."""
    if not any(value is None or isinstance(value, dict | str) for value in (info.project_urls, info.home_page)):
        return _Links()
    urls = info.project_urls if isinstance(info.project_urls, dict) else {}
    labelled = {_PUNCTUATION.sub("", label.lower()): url for label, url in urls.items()}
    homes = [address for url in (*_under(labelled, _HOMEPAGE), info.home_page) if (address := web_address(url))]
    source = _first((*map(repository, _under(labelled, _SOURCE)), *map(forge_repository, homes)))
    homepage = _first(apart_from(source, home) for home in homes)
    documentation = _first(map(web_address, (*_under(labelled, _DOCUMENTATION), info.docs_url)))
    return _Links(
        documentation or (homepage if _DOCUMENTATION_HOST.match(homepage) else ""),
        _first(map(web_address, _under(labelled, _CHANGELOG))),
        homepage,
        source,
    )


def _under(labelled: Mapping[str, object], labels: Iterable[str]) -> list[object]:
    return [labelled[label] for label in labels if label in labelled]


def _first(addresses: Iterable[str]) -> str:
    return next(filter(None, addresses), "")


def ownership(value: object) -> dict[str, Any]:
    """Return who can publish: how many accounts, a tag for each and for the organisation, and whether there is one."""
    if not isinstance(value, dict):
        return {}
    organisation, roles = value.get("organization", UNSET), value.get("roles")
    name = organisation if isinstance(organisation, str) else ""
    said: dict[str, Any] = {"organisation": bool(name)} if name or organisation is None else {}
    tags = [account_tag("pypi-organisation", name)] if name else []
    if isinstance(roles, list):
        users = {role["user"] for role in roles if isinstance(role, dict) and isinstance(role.get("user"), str)}
        said["publishers"] = len(users)
        tags += [account_tag("pypi", user) for user in sorted(users)]
    return said | {"publisher_tags": tuple(tags[:_TAGS])}


def vulnerabilities(raw: msgspec.Raw) -> tuple[Vulnerability, ...] | None:
    """Return the advisories that stand, each once; None when the answer holds no list of them."""
    if members(raw) is None:
        return None
    stated = every(_ADVISORY, raw)[:_MOST]
    return _merged(_vulnerability(one) for one in stated if not one.withdrawn and clean(one.id, SUMMARY))


def _strings(value: object) -> tuple[str, ...]:
    strings = value[:_MOST] if isinstance(value, list) else ()
    return tuple(dict.fromkeys(text for string in strings if (text := clean(string, SUMMARY))))


def _vulnerability(advisory: _Advisory) -> Vulnerability:
    identifier, aliases = clean(advisory.id, SUMMARY), _strings(advisory.aliases)
    return Vulnerability(
        id=identifier,
        aliases=tuple(alias for alias in aliases if alias != identifier),
        summary=clean(advisory.summary, SUMMARY) or clean(advisory.details, SUMMARY),
        fixed_in=tuple(version for version in _strings(advisory.fixed_in) if is_version(version)),
        link=web_address(advisory.link),
        malware=any(name.startswith("MAL-") for name in (identifier, *aliases)),
    )


def _merged(found: Iterable[Vulnerability]) -> tuple[Vulnerability, ...]:
    """Return each vulnerability once, sorted by id: records that share an id or an alias are one."""
    groups: dict[str, list[Vulnerability]] = {}
    for vulnerability in sorted(found, key=lambda one: one.id):
        names = (vulnerability.id, *vulnerability.aliases)
        touching = {id(group): group for name in names if (group := groups.get(name))}
        together = [*(one for group in touching.values() for one in group), vulnerability]
        groups |= dict.fromkeys((name for one in together for name in (one.id, *one.aliases)), together)
    distinct = {id(group): group for group in groups.values()}
    return tuple(sorted(map(_one, distinct.values()), key=lambda one: one.id))


def _one(group: Sequence[Vulnerability]) -> Vulnerability:
    names = dict.fromkeys(name for one in group for name in (one.id, *one.aliases))
    group = sorted(group, key=lambda one: one.id)
    return Vulnerability(
        id=group[0].id,
        aliases=tuple(name for name in names if name != group[0].id),
        summary=_first(one.summary for one in group),
        fixed_in=tuple(dict.fromkeys(version for one in group for version in one.fixed_in)),
        link=_first(one.link for one in group),
        malware=any(one.malware for one in group),
    )
