"""Read the VEX documents that the user names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from nerq_cli.ecosystems import normalise_name
from nerq_cli.errors import UsageError
from nerq_cli.inventory import DependencyFile, Package
from nerq_cli.manifests.formats import format_ecosystems
from nerq_cli.policy.vex import MAX_BYTES, OwnProduct, merge_documents, read_vex, select_products
from nerq_cli.policy.waivers import Waiver
from nerq_cli.signals.signal import format_count

#: Products that a warning lists.
_MAX_SHOWN: Final = 3


class VexStatements(NamedTuple):
    """The statements of VEX documents in the order of their time, and a warning for each document without an effect."""

    waivers: tuple[Waiver, ...] = ()
    warnings: tuple[str, ...] = ()


def read_vex_files(paths: Sequence[Path]) -> VexStatements:
    """Return the statements of VEX documents.

    Raises:
        UsageError: a file cannot be read, or is too large.
        ConfigError: a document is malformed.
    """
    documents, warnings = [], []
    for path in dict.fromkeys(paths):
        document = read_vex(_read_file(path), path.as_posix())
        documents.append(document)
        if not document.waivers:
            warnings.append(
                f"{path.as_posix()} has no effect: no statement of it is about a package that can be scanned"
            )
    return VexStatements(merge_documents(documents), tuple(warnings))


def select_statements(
    statements: VexStatements, named: Sequence[str], dependency_files: Sequence[DependencyFile] = (), base: str = ""
) -> VexStatements:
    """Return the statements that apply to a project, and a warning about those on parts of other products.

    Args:
        statements: of all documents.
        named: products that the user named.
        dependency_files: the files of the project; none if packages are checked without one.
        base: the scanned directory, as in the paths of the files.
    """
    waivers, others = select_products(statements.waivers, [*_list_own_products(dependency_files, base)], named)
    if not others:
        return VexStatements(waivers, statements.warnings)
    count = sum(others.values())
    shown = ", ".join([*others][:_MAX_SHOWN]) + ", …" * (len(others) > _MAX_SHOWN)
    statement = (
        f"{format_count(count, 'VEX statement')} on parts of {shown} {'is' if count == 1 else 'are'} not applied"
    )
    warning = f"{statement}: that is not the scanned project (--vex-product applies them)"
    return VexStatements(waivers, (*statements.warnings, warning))


def _list_own_products(dependency_files: Sequence[DependencyFile], base: str) -> Iterator[OwnProduct]:
    for file in dependency_files:
        versions = {} if file.locked_packages else dict(file.local_versions)
        names = dict.fromkeys((*versions, *([file.project_name] if file.project_name else [])))
        parent = PurePosixPath(file.path).parent.as_posix()
        directory = "" if parent == (base or ".") else parent
        for ecosystem in format_ecosystems(file.format):
            for name in names:
                package = Package(ecosystem=ecosystem, name=normalise_name(ecosystem, name))
                yield OwnProduct(package, versions.get(name, ""), directory)


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"--vex {path}: cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise UsageError(f"--vex {path}: is larger than {MAX_BYTES // 1024**2} MB", hint="leave out what is not in use")
    return content
