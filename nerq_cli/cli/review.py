"""``nerq review``: what people who sign for it found in versions of dependencies."""

from __future__ import annotations

import os
from datetime import date, datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nerq_cli.cli import options
from nerq_cli.cli.command import create_app
from nerq_cli.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from nerq_cli.inventory import Package
    from nerq_cli.policy.reviews import Review

app = create_app("Record what people found in versions of dependencies.")


@app.callback()
def review() -> None:
    """Record what people found in versions of dependencies.

    Reviews stand in nerq-reviews.toml, in the repository. They are shown beside scores and decide the rules reviewed,
    review-rejected and review-concern; no score changes.
    """


@app.command()
def add(
    *,
    target: Annotated[
        str,
        typer.Argument(
            help="What was reviewed, with its version or range: pypi:requests==2.31.0, npm:lodash@4.17.21, hf:x/y@SHA.",
            show_default=False,
        ),
    ],
    verdict: Annotated[
        str, typer.Option("--verdict", help="ok, concern or reject.", metavar="VERDICT", show_default=False)
    ],
    notes: Annotated[str, typer.Option("--notes", help="What was found.")] = "",
    who: Annotated[
        str, typer.Option("--who", help='Who signs for it: "Ann <ann@acme.example>".  [default: as git is configured]')
    ] = "",
    when: Annotated[str, typer.Option("--when", metavar="DATE", help="Day of the review.  [default: today]")] = "",
    since: Annotated[
        str, typer.Option("--since", metavar="VERSION", help="Only the differences to this version were read.")
    ] = "",
    file: Annotated[
        list[str] | None, typer.Option("--file", metavar="PATTERN", help="Only these files were read (repeatable).")
    ] = None,
    debug: options.Debug = False,  # noqa: ARG001 - read by run_command_line
) -> None:
    """Add a review to nerq-reviews.toml, which keeps everything else as it is written.

    A later review by the same person replaces the earlier one. Anybody's objection outweighs what others found ok.
    """
    from nerq_cli.application.review_files import add_review, find_author, locate_review_file

    today = _read_today()
    package, version = _parse_target(target)
    author = who.strip() or find_author(Path())
    if not author:
        raise UsageError("it is not known who signs for the review", hint='add --who "Ann <ann@acme.example>"')
    entry = _build_entry(
        {
            "package": package,
            "version": version,
            "since": since,
            "verdict": verdict,
            "who": author,
            "when": when or today.isoformat(),
            "notes": notes,
            "files": file or [],
        },
        today,
    )
    path = locate_review_file(Path())
    _write(path, add_review(path, entry, today))
    typer.echo(f"wrote to {path.as_posix()}: {entry['verdict']} of {entry['package']} {entry['version']} by {author}")


@app.command("list")
def list_reviews(
    *,
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Only those of these packages: pypi:requests.  [default: all]", show_default=False),
    ] = None,
    form: Annotated[str, typer.Option("--format", "-f", help="table or json.")] = "table",
    debug: options.Debug = False,  # noqa: ARG001 - read by run_command_line
) -> None:
    """Show the reviews of this project and of the files that it imports, after checking these."""
    from nerq_cli.application.review_files import locate_review_file
    from nerq_cli.config.reviews import read_reviews

    if form not in ("table", "json"):
        raise UsageError(f"{form!r} is not a format of this command", hint="known formats: json, table")
    path = locate_review_file(Path())
    if not path.exists():
        raise UsageError(f"there is no {path.name} here", hint="nerq review add writes one")
    packages = [_parse_target(name, needs_version=False)[0] for name in names or ()]
    kept = read_reviews(path, _read_today()).reviews
    reviews = [item for item in kept if not packages or _format_package(item.package) in packages]
    reviews.sort(key=lambda item: (item.label, item.when, item.who))
    if form == "json":
        _print_json(reviews)
        return
    from nerq_cli.policy.reviews import describe_review
    from nerq_cli.report.sanitize import defuse_ci_commands, sanitize_text

    for item in reviews:
        typer.echo(defuse_ci_commands(sanitize_text(f"{item.label}: {describe_review(item)}", 0)))
    total = f"{len(kept):,} {'review' if len(kept) == 1 else 'reviews'} in {path.as_posix()}"
    text = f"{len(reviews):,} of {total} {'is' if len(reviews) == 1 else 'are'} of {', '.join(packages)}"
    typer.echo(sanitize_text(text if packages else total), err=True)


@app.command("import")
def import_file(
    *,
    source: Annotated[
        str, typer.Argument(help="File of another team: a path, or an address of HTTPS.", show_default=False)
    ],
    name: Annotated[str, typer.Option("--name", help="Name of the import.  [default: that of the file]")] = "",
    sha256: Annotated[str, typer.Option("--sha256", metavar="DIGEST", help="SHA-256 that the file must have.")] = "",
    debug: options.Debug = False,  # noqa: ARG001 - read by run_command_line
) -> None:
    """Take over the reviews of another team, pinned to their present content.

    Scans read the copy in this repository, and refuse it when it is not the one that was recorded. Run it again to take
    over a newer one; it shows what changed.
    """
    from nerq_cli.application.review_files import import_reviews, locate_review_file
    from nerq_cli.policy.reviews import describe_review
    from nerq_cli.report.sanitize import sanitize_text

    path = locate_review_file(Path())
    change = import_reviews(path, source, name, sha256, _read_today())
    for target, content in change.files.items():
        _write(target, content)
    for sign, reviews in (("+", change.added), ("-", change.removed)):
        for item in reviews:
            typer.echo(sanitize_text(f"{sign} {item.label}: {describe_review(item)}", 0))
    state = "unchanged" if change.is_same else f"{len(change.added)} added, {len(change.removed)} removed"
    typer.echo(f"wrote to {path.as_posix()}: import {change.entry.name}, {state}, sha256 {change.entry.sha256}")


def _read_today() -> date:
    from nerq_cli.application.session import read_clock

    return datetime.fromtimestamp(read_clock(), timezone.utc).date()


def _parse_target(text: str, *, needs_version: bool = True) -> tuple[str, str]:
    """Return the package as reviews name it, and the version or the range that stands with it."""
    from nerq_cli.ecosystems import PYPI
    from nerq_cli.inventory import Package
    from nerq_cli.targets import parse_target

    [declaration, *others] = parse_target(text)
    if others:
        raise UsageError(f"{text} may be a package of PyPI or of npm", hint=f"write pypi:{text} or npm:{text}")
    version = declaration.requirement
    if declaration.ecosystem == PYPI:
        version = version.removeprefix("===").removeprefix("==")
    if needs_version and not version:
        raise UsageError(
            f"{text} names no version", hint="a review is of a version or of a range: pypi:requests==2.31.0"
        )
    package = Package(ecosystem=declaration.ecosystem, name=declaration.name)
    return _format_package(package), version


def _format_package(package: Package) -> str:
    from nerq_cli.policy.reviews import format_package

    return format_package(package)


def _build_entry(values: dict[str, Any], today: date) -> dict[str, Any]:
    """Return the keys and values of one review, in the order of the documentation.

    Raises:
        ConfigError: a value is not valid; it lists all of them.
    """
    from nerq_cli.config.reviews import REVIEW_KEYS, check_entry
    from nerq_cli.problem import Problem

    entry = {key: values[key] for key in REVIEW_KEYS if values.get(key)}
    named = {"package": "TARGET", "version": "TARGET", "files": "--file"}
    problems = tuple(
        Problem(
            path=named.get(problem.key, f"--{problem.key}"),
            message=problem.message.removeprefix(f"reviews.{problem.key} "),
            hint=problem.hint,
        )
        for problem in check_entry(entry, today)
    )
    if problems:
        raise ConfigError("the review is not valid", problems=problems)
    return {**entry, "when": date.fromisoformat(entry["when"])}


def _write(path: Path, content: bytes) -> None:
    from nerq_cli.cli.output import write_file

    target = Path(os.path.realpath(path))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error
    write_file(target, [content])


def _print_json(reviews: list[Review]) -> None:
    import json

    from msgspec.structs import asdict

    from nerq_cli.report.reviews import build_review

    typer.echo(json.dumps([asdict(build_review(item)) for item in reviews], indent=2))
