"""Names and versions in the file names of wheels and source archives, and in other addresses of packages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from nerq_cli.ecosystems import PYPI, normalise_name
from nerq_cli.patterns import compile_late

if TYPE_CHECKING:
    from packaging.version import Version

_WHEEL_SUFFIX: Final = ".whl"
_SDIST_SUFFIX = compile_late(r"\.(?:zip|tar(?:\.(?:gz|bz2|xz|Z))?|tgz|tbz)$")
#: Parts of the name of a wheel: name, version, perhaps a build number, and three tags (PyPA's specification).
_WHEEL_PARTS: Final = (5, 6)
#: Longest file name, and longest path or URL, that is read, in characters (NAME_MAX and PATH_MAX of Linux).
_MAX_FILE_NAME_LENGTH: Final = 255
_MAX_PATH_LENGTH: Final = 4_096
_VCS_SCHEME = compile_late(r"(?:git|hg|svn|bzr)\+", re.IGNORECASE)
#: A version with a dot, as a number alone may be an abbreviated commit or a time.
_VERSION_TAG = compile_late(r"[vV]?(\d+\.\d[\w.!+-]{0,100})", re.ASCII)
_CONDA_DIRECTORY = compile_late(r"/[A-Za-z0-9._-]+_(\d+\.\d[\w.]*?)(?:_\d+)?/work(?:/|$)", re.ASCII)


def split_file_name(file_name: str) -> tuple[str, str]:
    """Return name and requirement (``==1.0``) of the file name of a wheel or a source archive, else the name alone."""
    from packaging.utils import parse_sdist_filename, parse_wheel_filename

    try:
        name, version = (parse_wheel_filename if file_name.endswith(".whl") else parse_sdist_filename)(file_name)[:2]
    except ValueError:  # no such name, or a number with more digits than Python converts
        return file_name, ""
    return name, f"=={version}"


def guess_requirement(path: str) -> str:
    """Return the version that a path or a URL names as a requirement (``==1.0``); empty if it names none.

    It is in the name of an archive, in the tag of a repository (``git+URL@v1.0``), or in the name of the directory in
    which conda built the package (``NAME_1.0/work``).
    """
    bare_path = re.split(r"[?#]", path, maxsplit=1)[0]
    if len(bare_path) > _MAX_PATH_LENGTH:
        return ""
    if _VCS_SCHEME.match(bare_path):
        return guess_tag_requirement(bare_path.rpartition("/")[2].partition("@")[2])
    match = _CONDA_DIRECTORY.search(bare_path)
    return guess_tag_requirement(match[1]) if match else split_file_name(unquote(re.split(r"[/\\]", bare_path)[-1]))[1]


def guess_tag_requirement(tag: str) -> str:
    """Return the version of a tag (``v1.0``) as a requirement; empty if it is not exactly a version."""
    match = _VERSION_TAG.fullmatch(tag)
    if match is None:
        return ""
    version = _parse_version(match[1])
    return f"=={version}" if version is not None else ""


def find_other_artefact(addresses: Iterable[str], name: str, version: str) -> str:
    """Return the first file, given by its URL, path or name, that is of another package or version; empty if none is.

    A file whose name has no version that can be read counts as one of the package.
    """
    return next((address for address in addresses if _is_other(address, name, version)), "")


def _get_file_name(address: str) -> str:
    """Return the file name at the end of a URL or path, without query and fragment."""
    return re.split(r"[/\\]", unquote(re.split(r"[?#]", address, maxsplit=1)[0]))[-1]


def _is_other(address: str, name: str, version: str) -> bool:
    file_name = _get_file_name(address)
    if len(file_name) > _MAX_FILE_NAME_LENGTH:
        return False
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
    from packaging.version import Version

    try:
        return Version(text)
    except ValueError:  # InvalidVersion, or a number with more digits than Python converts
        return None
