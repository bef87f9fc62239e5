"""Metadata, advisories and ownership from the JSON of PyPI (pypi/warehouse, docs/user/api).

A field of the wrong type counts as not stated, and null as empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET

from nerq_cli.decoders import build_json_decoder_late
from nerq_cli.facts import AffectingAdvisory, Metadata
from nerq_cli.patterns import compile_late
from nerq_cli.sources.text import (
    MAX_LICENCE,
    MAX_REASON,
    MAX_SPECIFIER,
    MAX_SUMMARY,
    clean_text,
    clean_url,
    decode_list,
    hash_account,
    is_version,
    measure_readme,
    parse_forge_url,
    parse_repository_url,
    select_homepage,
    split_list,
)

#: Largest number of hashed publishing accounts that are kept.
_MAX_TAGS: Final = 50
#: Largest number of advisories, aliases and fixed versions that are read; far above real responses.
_MAX_ITEMS: Final = 1_000


class ReleaseInfo(msgspec.Struct):
    """The fields of the object ``info`` that are read; ``UNSET`` for a missing key."""

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


class _AdvisoryRecord(msgspec.Struct):
    id: Any = None
    aliases: Any = None
    summary: Any = None
    details: Any = None
    link: Any = None
    fixed_in: Any = None
    withdrawn: Any = None


def _read_text(value: object, limit: int) -> str | None:
    """Return a text field: None if missing or no text, empty if null or the old ``UNKNOWN``."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return None
    text = clean_text(value, limit)
    return "" if text == "UNKNOWN" else text


def _has_text(value: object) -> bool | None:
    text = _read_text(value, MAX_SUMMARY)
    return None if text is None else bool(text)


def _measure_readme(description: object) -> int | None:
    if not isinstance(description, str):
        return 0 if description is None else None
    return 0 if description.strip() == "UNKNOWN" else measure_readme(description)


_PYTHON_CLASSIFIER = compile_late(r"Programming Language :: Python :: (\d{1,2}\.\d{1,3})")
_INACTIVE_CLASSIFIER: Final = "Development Status :: 7 - Inactive"
_TYPED_CLASSIFIER: Final = "Typing :: Typed"


_ADVISORY_DECODER = build_json_decoder_late(_AdvisoryRecord)


def read_metadata(info: ReleaseInfo, version: str, advisories: tuple[AffectingAdvisory, ...] | None) -> Metadata:
    """Return the metadata in ``info``."""
    classifiers = _read_classifiers(info.classifiers)
    python_versions = (
        None
        if classifiers is None
        else [match[1] for classifier in classifiers if (match := _PYTHON_CLASSIFIER.fullmatch(classifier))]
    )
    keywords, links = _has_text(info.keywords), _read_links(info)
    return Metadata(
        version=version,
        summary=_has_text(info.summary),
        keywords=bool(keywords or classifiers) if keywords is not None or classifiers is not None else None,
        typed=None if classifiers is None else _TYPED_CLASSIFIER in classifiers,
        required_interpreter=_read_text(info.requires_python, MAX_SPECIFIER),
        python_classifiers=None if python_versions is None else tuple(python_versions),
        readme=_measure_readme(info.description),
        licence_expression=_read_text(info.license_expression, MAX_LICENCE),
        licence_classifiers=_filter_by_prefix(classifiers, "License ::"),
        licence_text=_read_text(info.license, MAX_LICENCE),
        inactive=None if classifiers is None else _INACTIVE_CLASSIFIER in classifiers,
        yanked=info.yanked if isinstance(info.yanked, bool) else None,
        yanked_reason=clean_text(info.yanked_reason, MAX_REASON) if info.yanked is True else "",
        documentation=links.documentation,
        changelog=links.changelog,
        homepage=links.homepage,
        repository=links.repository,
        advisories=advisories,
    )


def _read_classifiers(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        return None
    return tuple(text for item in value if (text := clean_text(item, MAX_SUMMARY)))


def _filter_by_prefix(classifiers: tuple[str, ...] | None, prefix: str) -> tuple[str, ...] | None:
    return (
        None
        if classifiers is None
        else tuple(classifier for classifier in classifiers if classifier.startswith(prefix))
    )


#: Labels of project links in lower case, without spaces and punctuation.
_DOCUMENTATION_LABELS: Final = ("documentation", "docs", "readthedocs", "readthedoc", "apidocs", "apidocumentation")
_CHANGELOG_LABELS: Final = ("changelog", "changes", "releasenotes", "history", "whatsnew", "changehistory")
_HOMEPAGE_LABELS: Final = ("homepage", "home", "website")
_REPOSITORY_LABELS: Final = (
    "source",
    "sourcecode",
    "repository",
    "github",
    "code",
    "repo",
    "sources",
    "gitlab",
    "codeberg",
)
_DOCUMENTATION_HOST = compile_late(
    r"https?://(?:docs?\.|[^/]*\.(?:readthedocs\.(?:io|org)|rtfd\.(?:io|org))(?:[/?#]|$))"
)
_PUNCTUATION = compile_late(r"[^a-z0-9]+")


class _Links(NamedTuple):
    documentation: str | None = None
    changelog: str | None = None
    homepage: str | None = None
    repository: str | None = None


def _read_links(info: ReleaseInfo) -> _Links:
    """Return the links by kind; None for each if there is no field for links."""
    if not any(value is None or isinstance(value, dict | str) for value in (info.project_urls, info.home_page)):
        return _Links()
    urls = info.project_urls if isinstance(info.project_urls, dict) else {}
    urls_by_label = {_PUNCTUATION.sub("", label.lower()): url for label, url in urls.items()}
    homepages = [
        address
        for url in (*_select_labels(urls_by_label, _HOMEPAGE_LABELS), info.home_page)
        if (address := clean_url(url))
    ]
    repository_url = _first_nonempty(
        (
            *map(parse_repository_url, _select_labels(urls_by_label, _REPOSITORY_LABELS)),
            *map(parse_forge_url, homepages),
        )
    )
    homepage = _first_nonempty(select_homepage(repository_url, home) for home in homepages)
    documentation = _first_nonempty(
        map(clean_url, (*_select_labels(urls_by_label, _DOCUMENTATION_LABELS), info.docs_url))
    )
    return _Links(
        documentation or (homepage if _DOCUMENTATION_HOST.match(homepage) else ""),
        _first_nonempty(map(clean_url, _select_labels(urls_by_label, _CHANGELOG_LABELS))),
        homepage,
        repository_url,
    )


def _select_labels(urls_by_label: Mapping[str, object], labels: Iterable[str]) -> list[object]:
    return [urls_by_label[label] for label in labels if label in urls_by_label]


def _first_nonempty(texts: Iterable[str]) -> str:
    return next(filter(None, texts), "")


def read_ownership(value: object) -> dict[str, Any]:
    """Return the publishing accounts: their number, a hash of each and of the organisation, if there is one."""
    if not isinstance(value, dict):
        return {}
    organisation, roles = value.get("organization", UNSET), value.get("roles")
    organisation_name = organisation if isinstance(organisation, str) else ""
    fields: dict[str, Any] = (
        {"organisation": bool(organisation_name)} if organisation_name or organisation is None else {}
    )
    tags = [hash_account("pypi-organisation", organisation_name)] if organisation_name else []
    if isinstance(roles, list):
        users = {role["user"] for role in roles if isinstance(role, dict) and isinstance(role.get("user"), str)}
        fields["publishers"] = len(users)
        tags += [hash_account("pypi", user) for user in sorted(users)]
    return fields | {"publisher_tags": tuple(tags[:_MAX_TAGS])}


def read_advisories(raw: msgspec.Raw) -> tuple[AffectingAdvisory, ...] | None:
    """Return the advisories that are not withdrawn, each once; None without a list."""
    if split_list(raw) is None:
        return None
    records = decode_list(_ADVISORY_DECODER, raw)[:_MAX_ITEMS]
    return _merge_advisories(
        _read_advisory(record) for record in records if not record.withdrawn and clean_text(record.id, MAX_SUMMARY)
    )


def _read_strings(value: object) -> tuple[str, ...]:
    strings = value[:_MAX_ITEMS] if isinstance(value, list) else ()
    return tuple(dict.fromkeys(text for string in strings if (text := clean_text(string, MAX_SUMMARY))))


def _read_advisory(record: _AdvisoryRecord) -> AffectingAdvisory:
    identifier, aliases = clean_text(record.id, MAX_SUMMARY), _read_strings(record.aliases)
    return AffectingAdvisory(
        id=identifier,
        aliases=tuple(alias for alias in aliases if alias != identifier),
        summary=clean_text(record.summary, MAX_SUMMARY) or clean_text(record.details, MAX_SUMMARY),
        fixed_in=tuple(version for version in _read_strings(record.fixed_in) if is_version(version)),
        link=clean_url(record.link),
        malware=any(name.startswith("MAL-") for name in (identifier, *aliases)),
    )


def _merge_advisories(advisories: Iterable[AffectingAdvisory]) -> tuple[AffectingAdvisory, ...]:
    """Return the advisories sorted by id; records that share an id or an alias are merged."""
    groups: dict[str, list[AffectingAdvisory]] = {}
    for advisory in sorted(advisories, key=lambda entry: entry.id):
        names = (advisory.id, *advisory.aliases)
        overlapping_groups = {id(group): group for name in names if (group := groups.get(name))}
        merged_group = [*(entry for group in overlapping_groups.values() for entry in group), advisory]
        groups |= dict.fromkeys((name for entry in merged_group for name in (entry.id, *entry.aliases)), merged_group)
    unique_groups = {id(group): group for group in groups.values()}
    return tuple(sorted(map(_merge_group, unique_groups.values()), key=lambda entry: entry.id))


def _merge_group(group: Sequence[AffectingAdvisory]) -> AffectingAdvisory:
    names = dict.fromkeys(name for advisory in group for name in (advisory.id, *advisory.aliases))
    group = sorted(group, key=lambda advisory: advisory.id)
    return AffectingAdvisory(
        id=group[0].id,
        aliases=tuple(name for name in names if name != group[0].id),
        summary=_first_nonempty(advisory.summary for advisory in group),
        fixed_in=tuple(dict.fromkeys(version for advisory in group for version in advisory.fixed_in)),
        link=_first_nonempty(advisory.link for advisory in group),
        malware=any(advisory.malware for advisory in group),
    )
