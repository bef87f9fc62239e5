"""The tables of uv, PDM, Hatch, Rye, Flit and setuptools in pyproject.toml. Public functions take ``[tool]``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Final

from msgspec.structs import replace

from nerq_cli.ecosystems import PYPI, normalise_name
from nerq_cli.inventory import Declaration, Include, Location
from nerq_cli.manifests import package_source
from nerq_cli.manifests.package_source import FileIndexes, PackageSource
from nerq_cli.manifests.python import pep508
from nerq_cli.manifests.python.archive_names import guess_requirement, guess_tag_requirement
from nerq_cli.manifests.python.declarations import LOCAL_REASONS, parse_array, parse_field
from nerq_cli.manifests.python.dependency_groups import label_extra, label_group
from nerq_cli.manifests.syntax.toml_document import TomlField
from nerq_cli.patterns import compile_late

#: Most sources of one package in uv, and most package patterns in PDM: every dependency is compared with each.
MAX_SOURCES: Final = 50

_EDITABLE_OPTION = compile_late(r"(?:-e|--editable)[ =]+(\S+)")
_EGG_FRAGMENT = compile_late(r"[#&]egg=([A-Za-z0-9][A-Za-z0-9._-]*)")


def find_name_fields(tool: TomlField) -> Iterator[TomlField]:
    """Yield the names of the project in tables older than ``[project]``."""
    flit = tool.get_path("flit", "metadata")
    yield flit.get("dist-name" if flit.get("dist-name").value else "module")


def read_indexes(tool: TomlField) -> FileIndexes:
    """Return the package indexes of uv, PDM and Rye."""
    pdm_and_rye = _read_pdm_indexes(tool.get_path("pdm", "source")) | _read_rye_indexes(tool.get_path("rye", "sources"))
    return _read_uv_indexes(tool.get("uv")) | pdm_and_rye


def read_sources(tool: TomlField, indexes: FileIndexes) -> dict[str, list[PackageSource]]:
    """Return the sources of ``[tool.uv.sources]`` by normalised name. An array has one source per environment.

    A package is never taken from the public index in the other environments: its name may be private.
    """
    sources_by_package = {}
    for name, field in tool.get_path("uv", "sources").items():
        source_fields = list(field.elements()) if isinstance(field.value, list) else [field]
        if len(source_fields) > MAX_SOURCES:
            field.report_problem(f"more than {MAX_SOURCES} sources: the rest is not read")
        sources_by_package[normalise_name(PYPI, name)] = [
            _read_uv_source(source_field, indexes) for source_field in source_fields[:MAX_SOURCES]
        ]
    return sources_by_package


def find_local_names(sources: Mapping[str, Iterable[PackageSource]]) -> set[str]:
    """Return the packages that have a source in the project itself."""
    return {name for name, options in sources.items() if any(source.skip in LOCAL_REASONS for source in options)}


def read_git_source(field: TomlField) -> PackageSource:
    """Return the repository of a table with the key ``git``."""
    revision = next(filter(None, (field.get(key).get_text() for key in ("rev", "tag", "branch"))), "")
    return PackageSource(
        skip=package_source.repository_reason(field.get("git").get_text(), revision),
        requirement=guess_tag_requirement(revision),
    )


def read_development(tool: TomlField) -> Iterator[Declaration]:
    """Yield the development dependencies of uv, Rye, PDM and Hatch, which are older than ``[dependency-groups]``."""
    yield from parse_array(tool.get_path("uv", "dev-dependencies"), "dev")
    yield from parse_array(tool.get_path("rye", "dev-dependencies"), "dev")
    for name, field in tool.get_path("pdm", "dev-dependencies").items():
        yield from _read_pdm_group(field, label_group(name))
    for name, field in tool.get_path("hatch", "envs").items():
        for key in ("dependencies", "extra-dependencies"):
            yield from _read_hatch_environment(field.get(key), f"dev:hatch.{name}")


def read_constraints(tool: TomlField) -> Iterator[Declaration]:
    """Yield the constraints of uv, and the overrides of uv and PDM."""
    for key in ("constraint-dependencies", "build-constraint-dependencies"):
        yield from parse_array(tool.get_path("uv", key), "constraint")
    for override in _read_overrides(tool):
        yield override if override.skip_reason else replace(override, override_of="pyproject.toml")


def _read_overrides(tool: TomlField) -> Iterator[Declaration]:
    yield from parse_array(tool.get_path("uv", "override-dependencies"), "constraint")
    for name, field in tool.get_path("pdm", "resolution", "overrides").items():
        value = field.get_text().strip()
        if value:  # a URL, an exact version or a range (PDM's documentation, "Override the resolved package versions")
            operator = " @ " if "://" in value else "==" if value[0].isdigit() else " "
            override = parse_field(f"{name}{operator}{value}", field, "constraint")
            yield from [override] if override else []


def find_overridden_names(tool: TomlField) -> Iterator[str]:
    """Yield the names of the packages that uv and PDM override, also where they are direct dependencies."""
    for text, _ in tool.get_path("uv", "override-dependencies").string_items():
        with suppress(pep508.NotASpecifierError):
            yield normalise_name(PYPI, pep508.parse_specifier(text).name)
    for name in dict(tool.get_path("pdm", "resolution", "overrides").items()):
        yield normalise_name(PYPI, name)


def read_flit(tool: TomlField) -> Iterator[Declaration]:
    """Yield the dependencies of Flit's old metadata table. Its extra ``.none`` means no extra."""
    metadata = tool.get_path("flit", "metadata")
    yield from parse_array(metadata.get("requires"), "main")
    for extra, field in metadata.get("requires-extra").items():
        yield from parse_array(field, "main" if extra == ".none" else label_extra(extra))
    yield from parse_array(metadata.get("dev-requires"), "dev")


def read_includes(tool: TomlField) -> Iterator[Include]:
    """Yield the requirements files from which setuptools and hatch-requirements-txt fill dynamic dependencies."""
    dynamic = tool.get_path("setuptools", "dynamic")
    yield from _read_file_includes(dynamic.get_path("dependencies", "file"), "main")
    for extra, field in dynamic.get("optional-dependencies").items():
        yield from _read_file_includes(field.get("file"), label_extra(extra))
    hook = tool.get_path("hatch", "metadata", "hooks", "requirements_txt")
    yield from _read_file_includes(hook.get("filename"), "main")
    yield from _read_file_includes(hook.get("files"), "main")
    for extra, field in hook.get("optional-dependencies").items():
        yield from _read_file_includes(field, label_extra(extra))


def _read_file_includes(field: TomlField, group: str) -> Iterator[Include]:
    for pattern, pattern_field in ((field.value, field),) if isinstance(field.value, str) else field.string_items():
        yield Include(pattern=pattern, line=pattern_field.line, format="requirements", group=group)


def _read_uv_indexes(uv: TomlField) -> FileIndexes:
    """Return the indexes of uv: the default, explicit ones (by name only), and others, which can have any package."""
    urls_by_name, default_urls, extra_urls = {}, [], []
    for index in uv.get("index").elements("an array of tables"):
        url = package_source.strip_credentials(index.get("url").get_text())
        if not url:
            index.report_problem("an index needs a url")
            continue
        urls_by_name[index.get("name").get_text().lower()] = url
        if index.get("default").value is True:
            default_urls.append(url)
        elif index.get("explicit").value is not True:
            extra_urls.append(url)
    default_urls.append(package_source.strip_credentials(uv.get("index-url").get_text()))
    for key in ("extra-index-url", "find-links"):
        extra_urls += [package_source.strip_credentials(url) for url, _ in uv.get(key).string_items()]
    if uv.get("no-index").value is True:
        default_urls.insert(0, package_source.NO_INDEX)
    return FileIndexes(default=default_urls[0], extra_indexes=tuple(dict.fromkeys(extra_urls)), by_name=urls_by_name)


def _read_uv_source(field: TomlField, indexes: FileIndexes) -> PackageSource:
    """Return one source of a package, with the extra or group that it is limited to as its ``group``."""
    marker_field = field.get("marker")
    try:
        marker = pep508.validate_marker(marker_field.get_text()) if marker_field.value else ""
    except ValueError as error:
        marker_field.report_problem(f"not an environment marker: {error}")
        marker = ""
    extra, group = (field.get(key).get_text() for key in ("extra", "group"))
    limit = label_extra(extra) if extra else label_group(group) if group else ""
    source = _read_uv_location(field, indexes)
    return replace(source, marker=marker, group=limit)


def _read_uv_location(field: TomlField, indexes: FileIndexes) -> PackageSource:
    url, path, index = (field.get(key).get_text() for key in ("url", "path", "index"))
    if field.get("workspace").value is True:
        return PackageSource(skip=package_source.WORKSPACE)
    if field.get("git").get_text():
        return read_git_source(field)
    if path:
        return PackageSource(skip=package_source.local_reason(path), requirement=guess_requirement(path))
    if url:
        return PackageSource(skip=package_source.url_reason(url), requirement=guess_requirement(url))
    if not index:
        field.report_problem(
            f"{field.name} has no source", hint="a source is one of git, url, path, workspace or index"
        )
        return PackageSource(skip="an unknown source")
    source = indexes.source_named(index)
    return replace(source, index_name=index) if source.skip else source


def _read_rye_indexes(sources: TomlField) -> FileIndexes:
    """Return the indexes of Rye: ``default`` replaces the public one, all others can have any package."""
    default_url, extra_urls = "", []
    for source in sources.elements("an array of tables"):
        url = package_source.strip_credentials(source.get("url").get_text())
        if not url:
            source.report_problem("a source needs a url")
        elif source.get("name").get_text() == "default":
            default_url = url
        else:
            extra_urls.append(url)
    return FileIndexes(default=default_url, extra_indexes=tuple(extra_urls))


def _read_pdm_indexes(source_table: TomlField) -> FileIndexes:
    """Return the indexes of PDM: ``pypi`` is the default, one with ``include_packages`` has only those packages."""
    default_url, extra_urls, glob_urls = "", [], []
    for source in source_table.elements("an array of tables"):
        name = source.get("name").get_text()
        url = (
            package_source.strip_credentials(source.get("url").get_text()) or name
        )  # the address may be in the configuration of PDM
        globs = [(glob, url) for glob, _ in source.get("include_packages").string_items()]
        glob_urls += globs
        if name.lower() == "pypi":
            default_url = "" if url == name else url
        elif not globs:
            extra_urls.append(url)
    if len(glob_urls) > MAX_SOURCES:
        source_table.report_problem(f"more than {MAX_SOURCES} patterns in include_packages: the rest is not read")
    patterns = tuple((package_source.compile_name_glob(glob), url) for glob, url in glob_urls[:MAX_SOURCES])
    return FileIndexes(default=default_url, extra_indexes=tuple(extra_urls), by_pattern=patterns)


def _read_pdm_group(field: TomlField, group: str) -> Iterator[Declaration]:
    """Yield the dependencies of a PDM group, where one can also be editable: ``-e URL#egg=name``."""
    for text, item_field in field.string_items():
        match = _EDITABLE_OPTION.fullmatch(text)
        declaration = _read_editable(match[1], item_field, group) if match else parse_field(text, item_field, group)
        if declaration:
            yield declaration


def _read_editable(url: str, field: TomlField, group: str) -> Declaration | None:
    """Return an editable dependency; None if it has no name."""
    match = _EGG_FRAGMENT.search(url)
    if not match:
        return None
    return Declaration(
        ecosystem=PYPI,
        name=match[1],
        requirement="",
        group=group,
        location=Location(path=field.document.path, line=field.line),
        skip_reason=package_source.url_reason(url),
    )


def _read_hatch_environment(field: TomlField, group: str) -> Iterator[Declaration]:
    """Yield the dependencies of a Hatch environment; add a note for those with placeholders ``{…}``."""
    for text, item_field in field.string_items():
        if "{" in text and not _is_specifier(text):
            item_field.document.add_note(f"{field.name}: dependencies with placeholders are not listed here")
            continue
        declaration = parse_field(text, item_field, group)
        if declaration:
            yield declaration


def _is_specifier(text: str) -> bool:
    try:
        pep508.parse_specifier(text)
    except pep508.NotASpecifierError:
        return False
    return True
