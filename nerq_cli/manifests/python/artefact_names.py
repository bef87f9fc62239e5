"""Names and versions in the file names of wheels and source archives."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from nerq_cli.ecosystems import PYPI, normalise_name

if TYPE_CHECKING:
    from packaging.version import Version

_WHEEL_SUFFIX: Final = ".whl"
_SDIST_SUFFIX = re.compile(r"\.(?:zip|tar(?:\.(?:gz|bz2|xz|Z))?|tgz|tbz)$")
#: Parts of the name of a wheel: name, version, perhaps a build number, and three tags (PyPA's specification).
_WHEEL_PARTS: Final = (5, 6)


def find_other_artefact(addresses: Iterable[str], name: str, version: str) -> str:
    """Return the first file, given by its URL, path or name, that is of another package or version; empty if none is.

    A file whose name has no version that can be read counts as one of the package.
    """
    return next((address for address in addresses if _is_other(address, name, version)), "")


def get_file_name(address: str) -> str:
    """Return the file name at the end of a URL or path, without query and fragment."""
    return re.split(r"[/\\]", unquote(re.split(r"[?#]", address, maxsplit=1)[0]))[-1]


def _is_other(address: str, name: str, version: str) -> bool:
    file_name = get_file_name(address)
    if file_name.endswith(_WHEEL_SUFFIX):
        parts = file_name.removesuffix(_WHEEL_SUFFIX).split("-")
        candidates = [(parts[0], parts[1])] if len(parts) in _WHEEL_PARTS else []
    else:  # both the name and the version of an old source archive may have hyphens
        stem = _SDIST_SUFFIX.sub("", file_name)
        parts = stem.split("-") if stem != file_name else []
        candidates = [("-".join(parts[:end]), "-".join(parts[end:])) for end in range(1, len(parts))]
    expected = normalise_name(PYPI, name)
    own_versions = [text for part, text in candidates if normalise_name(PYPI, part) == expected]
    if own_versions:
        return all(_differs(text, version) for text in own_versions)
    return any(_parse_version(text) is not None for _, text in candidates)


def _differs(text: str, version: str) -> bool:
    """Return whether two versions differ; not if one cannot be read, or where only the label of a build differs."""
    if text == version:
        return False
    first, second = _parse_version(text), _parse_version(version)
    return first is not None and second is not None and _parse_version(first.public) != _parse_version(second.public)


@lru_cache(maxsize=8192)
def _parse_version(text: str) -> Version | None:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(text)
    except InvalidVersion:
        return None
