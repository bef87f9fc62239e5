"""Report cards: which dependencies of a scan are meant by name, and what is printed of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import StringIO
from typing import TYPE_CHECKING

from nerq_cli.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from nerq_cli.report.model import Assessed, Report


def named(names: Iterable[str], dependencies: Sequence[Assessed]) -> tuple[Assessed, ...]:
    """Return the dependencies that go by these names, each once, in the order of the names.

    A name is written as for ``nerq check``, without a version: ``requests``, ``npm:lodash``, ``pkg:npm/lodash``; what
    the project itself calls a package (an npm alias) will do too.

    Raises:
        UsageError: a name is none, or none of the dependencies goes by it.
    """
    found: dict[int, Assessed] = {}
    for name in names:
        meant = [one for one in dependencies if name in one.dependency.aliases] or _meant(name, dependencies)
        if not meant:
            raise UsageError(f"{name!r} is not among the dependencies scanned", hint=_nearest(name, dependencies))
        found |= {id(one): one for one in meant}
    return tuple(found.values())


def _meant(name: str, dependencies: Iterable[Assessed]) -> list[Assessed]:
    from nerq_cli.manifests import target

    read = target.read(name)
    if any(one.requirement for one in read):
        raise UsageError(
            f"--explain {name!r} names a version", hint=f"leave it out: {read[0].name}; the version in use is explained"
        )
    packages = {one.package for one in read}
    return [one for one in dependencies if one.dependency.package in packages]


def _nearest(name: str, dependencies: Iterable[Assessed]) -> str:
    """Return the names of the scan that look most like one."""
    from difflib import get_close_matches

    from nerq_cli.report.clean import plain

    names = {one.dependency.package.name.lower(): one.dependency.package.name for one in dependencies}
    bare = name.rpartition(":")[2].lower()
    close = [plain(names[match]) for match in get_close_matches(bare, names, n=3)]
    return f"did you mean {' or '.join(close)}?" if close else "nerq scan --list prints every name"


def draw(assessed: Iterable[Assessed], report: Report, console: Console) -> None:
    """Print a card for each of these dependencies."""
    from nerq_cli.report import card

    for one in assessed:
        card.render(one, report, console=console)


def page(assessed: Iterable[Assessed], report: Report) -> bytes:
    """Return the cards as a text file holds them."""
    from nerq_cli.report.console import make_console

    file = StringIO()
    draw(assessed, report, make_console(file=file))
    return file.getvalue().encode()
