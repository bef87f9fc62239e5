"""The tables of pixi, in pixi.toml and under ``[tool.pixi]``: packages of PyPI and of conda, by feature and platform.

See pixi's manual, "Manifest reference".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from msgspec.structs import replace

from nerq_cli.inventory import Declaration, DependencyFile, Location
from nerq_cli.manifests import package_source
from nerq_cli.manifests.package_source import FileIndexes, PackageSource, join_markers
from nerq_cli.manifests.python.conda_packages import make_conda_declaration
from nerq_cli.manifests.python.declarations import build_dependency_file, parse_field
from nerq_cli.manifests.python.dependency_groups import label_group
from nerq_cli.manifests.python.pyproject_tools import read_git_source
from nerq_cli.manifests.syntax.toml_document import TomlDocument, TomlField

NAME: Final = "pixi.toml"

#: Tables of conda packages, and the group of each; ``main`` stands for that of the feature.
_CONDA_TABLES: Final = {"dependencies": "main", "host-dependencies": "build", "build-dependencies": "build"}
#: The marker of the platforms that a target names, by the first word of its name.
_TARGET_MARKERS: Final = {
    "linux": 'sys_platform == "linux"',
    "osx": 'sys_platform == "darwin"',
    "win": 'sys_platform == "win32"',
    "unix": 'os_name == "posix"',
}
#: A version that allows every other one.
_ANY_VERSION: Final = "*"


def matches(path: PurePosixPath) -> bool:
    """Return whether this file is a pixi.toml."""
    return path.name == NAME


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> DependencyFile:
    """Return what a pixi.toml declares; ``group`` replaces ``main``. Never raises."""
    document = TomlDocument(text, path)
    return build_dependency_file(document, NAME, read_tables(document.root), group=group, constraint=constraint)


def read_tables(pixi: TomlField) -> Iterator[Declaration]:
    """Yield the packages of the default feature, and those of the others, each a development group."""
    indexes = _read_indexes(pixi.get("pypi-options"))
    yield from _read_feature(pixi, "main", indexes)
    for name, feature in pixi.get("feature").items():
        feature_indexes = _read_indexes(feature.get("pypi-options")) | indexes
        yield from _read_feature(feature, label_group(name), feature_indexes)


def _read_feature(feature: TomlField, group: str, indexes: FileIndexes) -> Iterator[Declaration]:
    yield from _read_packages(feature, group, indexes, "")
    for name, target in feature.get("target").items():
        yield from _read_packages(target, group, indexes, _TARGET_MARKERS.get(name.partition("-")[0], ""))


def _read_packages(table: TomlField, group: str, indexes: FileIndexes, marker: str) -> Iterator[Declaration]:
    """Yield the packages of one table; ``marker`` is a condition on all of them."""
    for name, field in table.get("pypi-dependencies").items():
        declaration = _read_pypi_package(name, field, group, indexes)
        if declaration is not None:
            yield replace(declaration, marker=join_markers(declaration.marker, marker))
    for key, kind in _CONDA_TABLES.items():
        for name, field in table.get(key).items():
            if not isinstance(field.value, (str, dict)):
                field.report_expected("a version or a table")
                continue
            version = (field.get_text() if isinstance(field.value, str) else field.get("version").get_text()).strip()
            location = Location(path=field.document.path, line=field.line)
            requirement = "" if version == _ANY_VERSION else version
            declaration = make_conda_declaration(name, requirement, group if kind == "main" else kind, location)
            yield replace(declaration, marker=marker)


def _read_pypi_package(name: str, field: TomlField, group: str, indexes: FileIndexes) -> Declaration | None:
    """Return the declaration of a package of PyPI, a string or a table; None if it is malformed, which is reported."""
    if not isinstance(field.value, (str, dict)):
        field.report_expected("a version or a table")
        return None
    is_table = isinstance(field.value, dict)
    version = field.get("version").get_text() if is_table else field.get_text()
    marker = field.get("env-markers").get_text() if is_table else ""
    extras = [extra for extra, _ in field.get("extras").string_items()] if is_table else []
    text = f"{name}[{','.join(extras)}]" if extras else name
    text += "" if version.strip() == _ANY_VERSION else version
    declaration = parse_field(f"{text} ; {marker}" if marker else text, field, group)
    if declaration is None:
        return None
    source = _read_source(field, indexes) if is_table else indexes.default_source
    return replace(declaration, index=source.index, extra_indexes=source.extra_indexes, skip_reason=source.skip)


def _read_source(field: TomlField, indexes: FileIndexes) -> PackageSource:
    path, url, index = (field.get(key).get_text() for key in ("path", "url", "index"))
    if field.get("git").get_text():
        return read_git_source(field)
    if path:
        return PackageSource(skip=package_source.LOCAL)
    if url:
        return PackageSource(skip=package_source.url_reason(url))
    return PackageSource(index=package_source.strip_credentials(index)) if index else indexes.default_source


def _read_indexes(options: TomlField) -> FileIndexes:
    """Return the indexes of ``[pypi-options]``."""
    default_url = package_source.strip_credentials(options.get("index-url").get_text())
    extra_urls = [package_source.strip_credentials(url) for url, _ in options.get("extra-index-urls").string_items()]
    for links in options.get("find-links").elements("an array of tables"):
        address = links.get("url").get_text() or links.get("path").get_text()
        extra_urls += [package_source.strip_credentials(address)] if address else []
    if options.get("no-index").value is True:
        default_url = package_source.NO_INDEX
    return FileIndexes(default=default_url, extra_indexes=tuple(dict.fromkeys(extra_urls)))
