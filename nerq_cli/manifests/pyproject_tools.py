"""What uv, PDM, Hatch, Flit and setuptools keep in their tables of pyproject.toml; each function takes ``[tool]``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from nerq_cli.inventory import PYPI, Declared, Include, Location, normalise
from nerq_cli.manifests import origins, pep508
from nerq_cli.manifests.dependency_groups import label
from nerq_cli.manifests.origins import Indexes, Origin
from nerq_cli.manifests.toml_document import Field

#: Most sources read for one package in uv, and most package patterns in PDM: each is tried on every dependency.
MOST_SOURCES: Final = 50

_EDITABLE = re.compile(r"(?:-e|--editable)[ =]+(\S+)")
_EGG = re.compile(r"[#&]egg=([A-Za-z0-9][A-Za-z0-9._-]*)")


def names(tool: Field) -> Iterator[Field]:
    """Go through the names the project has in tables that are older than ``[project]``."""
    flit = tool.at("flit", "metadata")
    yield flit.get("dist-name" if flit.get("dist-name").value else "module")


def indexes(tool: Field) -> Indexes:
    """Read the package indexes uv and PDM are to use."""
    return _uv_indexes(tool.get("uv")) | _pdm_indexes(tool.at("pdm", "source"))


def sources(tool: Field, known: Indexes) -> dict[str, list[Origin]]:
    """Read ``[tool.uv.sources]``: where single packages come from. An array gives one source per environment.

    No public index is assumed for environments that none of them covers: the name may be private.
    """
    found = {}
    for name, field in tool.at("uv", "sources").items():
        stated = list(field.elements()) if isinstance(field.value, list) else [field]
        if len(stated) > MOST_SOURCES:
            field.problem(f"more than {MOST_SOURCES} sources: the rest is not read")
        found[normalise(PYPI, name)] = [_uv_source(one, known) for one in stated[:MOST_SOURCES]]
    return found


def development(tool: Field) -> Iterator[Declared]:
    """Read the development dependencies of uv, PDM and Hatch, as they were before there were standard groups."""
    yield from pep508.declared(tool.at("uv", "dev-dependencies"), "dev")
    for name, field in tool.at("pdm", "dev-dependencies").items():
        yield from _pdm_group(field, label(normalise(PYPI, name)))
    for name, field in tool.at("hatch", "envs").items():
        for key in ("dependencies", "extra-dependencies"):
            yield from _hatch_environment(field.get(key), f"dev:hatch.{name}")


def constraints(tool: Field) -> Iterator[Declared]:
    """Read what uv is told about versions of packages without depending on them."""
    for key in ("constraint-dependencies", "build-constraint-dependencies", "override-dependencies"):
        yield from pep508.declared(tool.at("uv", key), "constraint")


def flit(tool: Field) -> Iterator[Declared]:
    """Read Flit's old metadata table. The extra called ``.none`` stands for no extra."""
    metadata = tool.at("flit", "metadata")
    yield from pep508.declared(metadata.get("requires"), "main")
    for extra, field in metadata.get("requires-extra").items():
        yield from pep508.declared(field, "main" if extra == ".none" else f"extra:{normalise(PYPI, extra)}")
    yield from pep508.declared(metadata.get("dev-requires"), "dev")


def files(tool: Field) -> Iterator[Include]:
    """Read which requirements files setuptools, or the hatch-requirements-txt plugin, fills the metadata from."""
    dynamic = tool.at("setuptools", "dynamic")
    yield from _files(dynamic.at("dependencies", "file"), "main")
    for extra, field in dynamic.get("optional-dependencies").items():
        yield from _files(field.get("file"), f"extra:{normalise(PYPI, extra)}")
    hook = tool.at("hatch", "metadata", "hooks", "requirements_txt")
    yield from _files(hook.get("filename"), "main")
    yield from _files(hook.get("files"), "main")
    for extra, field in hook.get("optional-dependencies").items():
        yield from _files(field, f"extra:{normalise(PYPI, extra)}")


def _files(field: Field, group: str) -> Iterator[Include]:
    for pattern, at in ((field.value, field),) if isinstance(field.value, str) else field.strings():
        yield Include(pattern=pattern, line=at.line, format="requirements", group=group)


def _uv_indexes(uv: Field) -> Indexes:
    """Read uv's indexes: one may be the default, an explicit one serves only what names it, the others anything."""
    named, default, extra = {}, [], []
    for index in uv.get("index").elements("an array of tables"):
        url = origins.without_credentials(index.get("url").text())
        if not url:
            index.problem("an index needs a url")
            continue
        named[index.get("name").text().lower()] = url
        if index.get("default").value is True:
            default.append(url)
        elif index.get("explicit").value is not True:
            extra.append(url)
    default.append(origins.without_credentials(uv.get("index-url").text()))
    extra += [origins.without_credentials(url) for url, _ in uv.get("extra-index-url").strings()]
    return Indexes(default=default[0], extra=tuple(dict.fromkeys(extra)), named=named)


def _uv_source(field: Field, known: Indexes) -> Origin:
    """Read one source of one package. What it is limited to, an extra or a group, becomes its ``group``."""
    stated = field.get("marker")
    try:
        marker = pep508.checked_marker(stated.text()) if stated.value else ""
    except ValueError as error:
        stated.problem(f"not an environment marker: {error}")
        marker = ""
    extra, group = (normalise(PYPI, field.get(key).text()) for key in ("extra", "group"))
    limit = f"extra:{extra}" if extra else label(group) if group else ""
    origin = _uv_place(field, known)
    return Origin(index=origin.index, skip=origin.skip, marker=marker, group=limit)


def _uv_place(field: Field, known: Indexes) -> Origin:
    git, url, path, index = (field.get(key).text() for key in ("git", "url", "path", "index"))
    if field.get("workspace").value is True:
        return Origin(skip=origins.WORKSPACE)
    if git:
        revision = next(filter(None, (field.get(key).text() for key in ("rev", "tag", "branch"))), "")
        return Origin(skip=origins.of_repository(git, revision))
    if path:
        return Origin(skip=origins.LOCAL)
    if url:
        return Origin(skip=origins.of_url(url))
    if not index:
        field.problem(f"{field.name} names no source", hint="a source is one of git, url, path, workspace or index")
        return Origin(skip="a source this file does not tell")
    return known.called(index)


def _pdm_indexes(sources_: Field) -> Indexes:
    """Read ``[[tool.pdm.source]]``: one called pypi is the default, one with ``include_packages`` serves only those."""
    default, extra, bound = "", [], []
    for source in sources_.elements("an array of tables"):
        name = source.get("name").text()
        url = origins.without_credentials(source.get("url").text()) or name  # PDM may know the rest from elsewhere
        globs = [(glob, url) for glob, _ in source.get("include_packages").strings()]
        bound += globs
        if name.lower() == "pypi":
            default = "" if url == name else url
        elif not globs:
            extra.append(url)
    if len(bound) > MOST_SOURCES:
        sources_.problem(f"more than {MOST_SOURCES} patterns in include_packages: the rest is not read")
    patterns = tuple((origins.pattern(glob), url) for glob, url in bound[:MOST_SOURCES])
    return Indexes(default=default, extra=tuple(extra), bound=patterns)


def _pdm_group(field: Field, group: str) -> Iterator[Declared]:
    """Read a group of PDM's, where a dependency may also be editable: ``-e URL#egg=name``."""
    for text, at in field.strings():
        editable = _EDITABLE.fullmatch(text)
        item = _editable(editable[1], at, group) if editable else pep508.declare(text, at, group)
        if item:
            yield item


def _editable(url: str, field: Field, group: str) -> Declared | None:
    """Read an editable dependency. One that is not named after all is the directory's, and of no interest."""
    name = _EGG.search(url)
    if not name:
        return None
    return Declared(
        ecosystem=PYPI,
        name=name[1],
        requirement="",
        group=group,
        location=Location(path=field.document.path, line=field.line),
        skip=origins.of_url(url),
    )


def _hatch_environment(field: Field, group: str) -> Iterator[Declared]:
    """Read the dependencies of an environment, as far as they stand there: ``{…}`` is filled in when Hatch runs."""
    for text, at in field.strings():
        if "{" in text and not _readable(text):
            at.document.note(f"{field.name}: what Hatch fills in when it runs is not listed here")
            continue
        item = pep508.declare(text, at, group)
        if item:
            yield item


def _readable(text: str) -> bool:
    try:
        pep508.parse(text)
    except pep508.NotASpecifierError:
        return False
    return True
