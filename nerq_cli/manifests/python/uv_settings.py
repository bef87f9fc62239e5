"""The settings of a project that uv.lock repeats, so that ``uv lock --check`` compares them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final

from nerq_cli.ecosystems import PYPI, normalise_name
from nerq_cli.manifests.python import pep508
from nerq_cli.manifests.syntax.toml_document import TomlField

#: Each setting: its name, its key in ``[manifest]`` of the lock file, and the one in ``[tool.uv]``.
UV_SETTINGS: Final = (
    ("override-dependencies of uv", "overrides", "override-dependencies"),
    ("constraint-dependencies of uv", "constraints", "constraint-dependencies"),
    ("build-constraint-dependencies of uv", "build-constraints", "build-constraint-dependencies"),
    ("exclude-dependencies of uv", "excludes", "exclude-dependencies"),
)


PYTHON_VERSIONS: Final = "supported Python versions"
#: Parts of Python versions that uv writes in other words.
_REWRITTEN: Final = ("~=", "===", "*", "|")


def read_settings(uv: TomlField, requires_python: str) -> Iterator[tuple[str, str]]:
    """Yield the settings in ``[tool.uv]``, and the Python versions of the project.

    None that has an item which is no requirement, and no Python versions that uv would write in other words.
    """
    if requires_python and not any(part in requires_python for part in _REWRITTEN):
        yield PYTHON_VERSIONS, _normalise(requires_python)
    for name, _, key in UV_SETTINGS:
        with suppress(pep508.NotASpecifierError):
            specifiers = [pep508.parse_specifier(text) for text, _ in uv.get(key).string_items()]
            yield (
                name,
                dump_requirements((item.name, "" if item.skip_reason else item.version) for item in specifiers),
            )


def read_locked_python(requires_python: str) -> tuple[tuple[str, str], ...]:
    """Return the Python versions that a lock file is for, as a setting."""
    return ((PYTHON_VERSIONS, _normalise(requires_python)),) if requires_python else ()


def dump_requirements(requirements: Iterable[tuple[str, str]]) -> str:
    """Return the one text for equal pairs of name and version specifiers, in any order."""
    return " ".join(sorted(f"{normalise_name(PYPI, name)}{_normalise(text)}" for name, text in requirements))


def _normalise(requirement: str) -> str:
    """Return version specifiers with the one spelling of each version."""
    from packaging.specifiers import SpecifierSet
    from packaging.utils import canonicalize_version

    try:
        specifiers = list(SpecifierSet(requirement))
    except ValueError:  # InvalidSpecifier, or a number with more digits than Python converts
        return requirement
    keeps_zeros = ("~=", "===")
    return ",".join(
        sorted(
            f"{item.operator}{canonicalize_version(item.version, strip_trailing_zero=item.operator not in keeps_zeros)}"
            for item in specifiers
        )
    )
