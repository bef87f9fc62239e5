"""The table of tools: what each is called, what it takes, what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta

from nerq_cli.agent_tools import documents
from nerq_cli.agent_tools.foreign_text import clean
from nerq_cli.application.session import Session
from nerq_cli.application.settings import Settings
from nerq_cli.errors import UsageError
from nerq_cli.insight.purpose import DEFAULT_PURPOSE, Purpose

if TYPE_CHECKING:
    from nerq_cli.application.session import ProgressFactory

#: Targets of one call.
MAX_TARGETS: Final = 100
_MAX_COMPARED: Final = 8
#: Dependencies that a scan returns at most.
_MAX_DEPENDENCIES: Final = 100

_Target = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=300,
        description="requests, requests==2.31.0, npm:lodash@4.17.21, pkg:pypi/flask@3.0.0, hf:owner/model, "
        "github:owner/name@v1 or mcp:SERVER. Without a version it is the newest one.",
    ),
]
_Purpose = Annotated[Purpose, Meta(description="What it is to be used for.")]


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of a tool."""


class CheckPackageInput(Input, frozen=True, kw_only=True):
    """The arguments of check_package and explain."""

    target: _Target
    purpose: _Purpose = DEFAULT_PURPOSE


class CheckManyInput(Input, frozen=True, kw_only=True):
    """The arguments of check_many."""

    targets: Annotated[list[_Target], Meta(min_length=1, max_length=MAX_TARGETS)]
    purpose: _Purpose = DEFAULT_PURPOSE


class CompareInput(Input, frozen=True, kw_only=True):
    """The arguments of compare."""

    targets: Annotated[
        list[_Target],
        Meta(min_length=2, max_length=_MAX_COMPARED, description="Of one kind; two versions of a package are two."),
    ]


class AlternativesInput(Input, frozen=True, kw_only=True):
    """The arguments of alternatives."""

    target: _Target


class ScanProjectInput(Input, frozen=True, kw_only=True):
    """The arguments of scan_project."""

    path: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=4096,
            description="Directory or dependency file, below a directory that the client or the command line allows; "
            "relative to the first of these.",
        ),
    ] = "."
    no_dev: Annotated[bool, Meta(description="Leave development dependencies out.")] = False
    limit: Annotated[
        int, Meta(ge=1, le=_MAX_DEPENDENCIES, description="Dependencies to return at most, worst first.")
    ] = 20


class CallContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a call has beside its arguments."""

    settings: Settings
    #: A session for everything but projects, of this thread.
    session: Session
    create_progress: ProgressFactory
    #: The directories that may be scanned.
    roots: Sequence[Path] = ()


class ToolSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One tool."""

    title: str
    #: For the language model that chooses a tool.
    description: str
    input_type: type[Input]
    answer_type: type[documents.Notice]
    run: Callable[[Any, CallContext], documents.Notice]
    #: Whether it reads files of the user.
    needs_roots: bool = False


def _check_package(arguments: CheckPackageInput, context: CallContext) -> documents.Notice:
    from nerq_cli.agent_tools import answers

    return answers.check_package(arguments.target, context.session, arguments.purpose)


def _check_many(arguments: CheckManyInput, context: CallContext) -> documents.Notice:
    from nerq_cli.agent_tools import answers

    return answers.check_many(arguments.targets, context.session, arguments.purpose)


def _compare(arguments: CompareInput, context: CallContext) -> documents.Notice:
    from nerq_cli.agent_tools import answers

    return answers.compare(arguments.targets, context.session)


def _alternatives(arguments: AlternativesInput, context: CallContext) -> documents.Notice:
    from nerq_cli.agent_tools import answers

    return answers.alternatives(arguments.target, context.session)


def _explain(arguments: CheckPackageInput, context: CallContext) -> documents.Notice:
    from nerq_cli.agent_tools import answers

    return answers.explain(arguments.target, context.session, arguments.purpose)


def _scan_project(arguments: ScanProjectInput, context: CallContext) -> documents.Notice:
    from nerq_cli.agent_tools.roots import find_directory
    from nerq_cli.agent_tools.scan import scan_directory

    path = find_directory(arguments.path, context.roots)
    root = path if path.is_dir() else path.parent
    with Session.open(context.settings, root, context.create_progress) as session:
        return scan_directory(path, session, context.roots, no_dev=arguments.no_dev, limit=arguments.limit)


TOOLS: Final[Mapping[str, ToolSpec]] = {
    "check_package": ToolSpec(
        title="Check a package before it is installed",
        description="Call this before you install or add a package, a model or an MCP server, and before you suggest "
        "one. It answers whether to use it, why, and what to use instead: known vulnerabilities and malware, names "
        "that do not exist or imitate another one, abandoned and brand-new releases. Unknown is not safe.",
        input_type=CheckPackageInput,
        answer_type=documents.CheckAnswer,
        run=_check_package,
    ),
    "check_many": ToolSpec(
        title="Check many packages",
        description=f"The same as check_package for up to {MAX_TARGETS} targets in one call, in short. "
        "Use it for a list of requirements.",
        input_type=CheckManyInput,
        answer_type=documents.CheckManyAnswer,
        run=_check_many,
    ),
    "compare": ToolSpec(
        title="Compare packages or versions",
        description="Compares two to eight packages, or versions of one package, signal by signal: which has the "
        "higher score, what decides, and what an upgrade gains.",
        input_type=CompareInput,
        answer_type=documents.CompareAnswer,
        run=_compare,
    ),
    "alternatives": ToolSpec(
        title="Find alternatives to a package",
        description="Names at most three packages, or features of the language, that do the same job as a target, with "
        "the source that names each and its own score.",
        input_type=AlternativesInput,
        answer_type=documents.AlternativesAnswer,
        run=_alternatives,
    ),
    "explain": ToolSpec(
        title="Explain a score",
        description="Shows every signal behind a score: the points that each one costs, what is not known, the limits "
        "in force, when to avoid the package, and commands with which a person can verify it.",
        input_type=CheckPackageInput,
        answer_type=documents.ExplainAnswer,
        run=_explain,
    ),
    "scan_project": ToolSpec(
        title="Scan the dependencies of a project",
        description="Scores the dependencies that a project on this machine declares or locks, worst first, with the "
        "version to move to. It reads dependency files, and neither runs nor changes anything.",
        input_type=ScanProjectInput,
        answer_type=documents.ScanAnswer,
        run=_scan_project,
        needs_roots=True,
    ),
}


def parse_arguments(tool: ToolSpec, arguments: Mapping[str, object] | None) -> Input:
    """Return the arguments of a call.

    Raises:
        UsageError: they do not fit the schema of the tool.
    """
    try:
        return msgspec.convert(dict(arguments or {}), tool.input_type)
    except msgspec.ValidationError as error:
        raise UsageError(f"the arguments do not fit: {clean(str(error))}") from error
