"""Options that several commands share."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, get_type_hints

import typer

from nerq_cli.application.settings import OptionalSource, Settings
from nerq_cli.errors import UsageError
from nerq_cli.patterns import compile_late
from nerq_cli.report import FORMATS

if TYPE_CHECKING:
    from nerq_cli.application.recording import Recorder
    from nerq_cli.application.recording_file import Command
    from nerq_cli.application.session import ProgressFactory, Session
    from nerq_cli.cli.output import Output
    from nerq_cli.report import RenderOptions
    from nerq_cli.report.model import Report

_DAYS_PATTERN: Final = compile_late(r"(\d+(?:\.\d+)?)\s*d?", re.ASCII)


def parse_days(text: str) -> float:
    """Return a number of days: ``7``, ``0.5`` or ``7d``.

    Raises:
        typer.BadParameter: the text is not a number of days.
    """
    match = _DAYS_PATTERN.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is not a number of days: write 7 or 7d")
    return float(match[1])


CacheDir = Annotated[Path | None, typer.Option("--cache-dir", envvar="NERQ_CACHE_DIR", help="Directory of the cache.")]
Exclude = Annotated[
    list[str] | None, typer.Option("--exclude", help="Leave out paths that match this pattern (repeatable).")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the report only: no progress, warnings or hints.")]
Group = Annotated[list[str] | None, typer.Option("--group", "-g", help="Only this dependency group (repeatable).")]
NoDev = Annotated[bool, typer.Option("--no-dev", help="Leave development dependencies out.")]
NoMcp = Annotated[bool, typer.Option("--no-mcp", help="Leave the configurations of MCP clients and agent skills out.")]
NoModels = Annotated[
    bool, typer.Option("--no-models", help="Leave out the models, datasets and Spaces that source files refer to.")
]
PossibleModels = Annotated[
    bool, typer.Option("--possible-models", help="List uncertain references to models as well; they are not scored.")
]
UserConfig = Annotated[
    bool, typer.Option("--user-config", help="Read your own configurations of MCP clients as well, below your home.")
]
Baseline = Annotated[
    str | None,
    typer.Option(
        "--baseline",
        metavar="FILE",
        help='Compare with an earlier run: nerq-baseline.json, or a report in JSON or HTML; "" with none.',
    ),
]
Threshold = Annotated[
    float | None,
    typer.Option("--threshold", "-t", min=0, max=100, help="Score a dependency must reach.  [default: 70]"),
]
Preset = Annotated[
    str | None,
    typer.Option("--policy", help="Threshold by name: research (30), sandbox (50), production (70), critical (80)."),
]
ReportOnly = Annotated[bool, typer.Option("--report-only", help="State what would fail, and exit 0.")]
Deny = Annotated[
    list[str] | None, typer.Option("--deny", metavar="RULE", help="Fail on findings of this rule (repeatable).")
]
Warn = Annotated[
    list[str] | None, typer.Option("--warn", metavar="RULE", help="Only report findings of this rule (repeatable).")
]
Allow = Annotated[
    list[str] | None, typer.Option("--allow", metavar="RULE", help="Do not report findings of this rule (repeatable).")
]
Strict = Annotated[
    bool | None,
    typer.Option(
        "--strict/--no-strict", help="Exit 3 when something could not be checked.  [default: only when CI is set]"
    ),
]
NoConfig = Annotated[
    bool, typer.Option("--no-config", help="Apply no settings file; NERQ_CONFIG=FILE applies another one.")
]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        min=0.1,
        help="Seconds the whole run may take to gather evidence.  [default: 30 for each 1,000 dependencies]",
    ),
]
PartTimeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        min=0.1,
        help="Seconds that each part of 1,000 lines may take to gather evidence.  [default: 600]",
    ),
]
Service = Annotated[
    str | None,
    typer.Option(
        "--service",
        metavar="URL",
        help='Look evidence up at this nerq service, and compute what it lacks; "" at none.',
    ),
]
ServiceOnly = Annotated[
    bool,
    typer.Option("--service-only", help="Compute nothing; exit 3 when the service does not have everything."),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback when an error occurs.")]


Record = Annotated[
    Path | None,
    typer.Option(
        "--record", metavar="FILE", help="Keep everything that the report is made from in this file (evidence.nerq)."
    ),
]
RecordPrivate = Annotated[
    bool, typer.Option("--record-private", help="Keep private names in the recording; else they are left out.")
]
Replay = Annotated[
    Path | None,
    typer.Option("--replay", metavar="FILE", help="Make the report of a recording again; no network, no project."),
]
Rescore = Annotated[
    bool, typer.Option("--rescore", help="With --replay: score by the methodology of this version, if it is another.")
]


class RecordingOptions(NamedTuple):
    """The options about recordings."""

    record: Path | None
    record_private: bool
    replay: Path | None
    rescore: bool

    def check(self, shared: ReportOptions, inputs: Sequence[str], outputs: Sequence[Output]) -> None:
        """Raise UsageError when options contradict each other. ``inputs`` are further arguments that were given.

        A replay has the settings of the recording: those of a run would have no effect.
        """
        if self.record is not None:
            from nerq_cli.cli.output import check_recording

            check_recording(self.record, outputs)
        if self.record_private and self.record is None:
            raise UsageError("--record-private needs --record FILE")
        if self.replay is None:
            if self.rescore:
                raise UsageError("--rescore needs --replay FILE")
            return
        from nerq_cli.cli.output import check_unread

        check_unread((output.path for output in outputs), [self.replay])
        given = [*inputs, *(["--record"] if self.record is not None else [])]
        defaults = dict(zip(Settings.__struct_fields__, Settings.__struct_defaults__, strict=True))
        given += [
            f"--{_OPTION_NAMES.get(name, name.replace('_', '-'))}"
            for name, default in defaults.items()
            if name not in _HARMLESS_OPTIONS and getattr(shared, name) not in (default, [])
        ]
        if given:
            raise UsageError(
                f"--replay and {given[0]} contradict each other", hint="a replay has the settings of the recording"
            )

    def check_files(self, session: Session, outputs: Sequence[Output], baseline: str | None = None) -> None:
        """Check that neither a report nor the recording overwrites a file that decides about the run.

        Raises:
            UsageError: one would.
        """
        paths = [*(output.path for output in outputs), *([self.record] if self.record is not None else [])]
        if paths:
            from nerq_cli.application.baseline_files import find_chosen_baseline
            from nerq_cli.cli.output import check_unread

            baseline_path = find_chosen_baseline(session, baseline)
            check_unread(paths, [*session.list_files(), *([baseline_path] if baseline_path is not None else [])])

    def create_recorder(self, session: Session, command: Command) -> Recorder | None:
        """Return what records a run; None if it is not to be recorded."""
        if self.record is None:
            return None
        from nerq_cli.application.recording import Recorder

        return Recorder(session, command, keeps_private=self.record_private)

    def write(self, recorder: Recorder | None, report: Report, *, quiet: bool) -> None:
        """Write the recording of a finished report, and print what it holds on stderr.

        Raises:
            UsageError: the file cannot be written.
        """
        if recorder is None or self.record is None:
            return
        from nerq_cli.cli.output import check_unread, list_read_files, write_file, write_message

        if not recorder.has_inputs or report.list_only:
            write_message("warning", f"{self.record} is not written: nothing was scored")
            return
        check_unread([self.record], list_read_files(report))
        content, manifest = recorder.finish(report)
        write_file(self.record, [content])
        if not quiet:
            from nerq_cli.application.recording_file import compute_sha256

            left_out = f", without {manifest.left_out} private packages" if manifest.left_out else ""
            write_message("recorded", f"{self.record}{left_out}; sha256 {compute_sha256(content)}")


#: Settings whose option has another name, and those that a replay fulfils in any case.
_OPTION_NAMES: Final = {"preset": "policy", "optional_sources": "with"}
_HARMLESS_OPTIONS: Final = frozenset({"offline", "no_cache", "no_config", "cache_dir"})


class ReportOptions(Settings, frozen=True, kw_only=True):
    """Options of every command that prints a report: where it goes, and the settings of the run."""

    form: Annotated[
        str, typer.Option("--format", "-f", help=f"Format of the report on stdout: {', '.join(FORMATS)}.")
    ] = "table"
    output: Annotated[
        list[str] | None,
        typer.Option(
            "--output",
            "-o",
            metavar="[FORMAT=]FILE",
            help="Also write the report to FILE, in FORMAT or the format of its suffix (repeatable): "
            f"{', '.join(suffix for report_format in FORMATS.values() for suffix in report_format.suffixes)}.",
        ),
    ] = None
    compact: Annotated[
        bool,
        typer.Option("--compact", help="Leave keys that have their default value out of JSON (nerq schema compact)."),
    ] = False
    open_report: Annotated[
        bool,
        typer.Option(
            "--open", help="Show the HTML report in a browser: that of --output, else one in a temporary file."
        ),
    ] = False
    threshold: Threshold = None
    preset: Preset = None
    report_only: ReportOnly = False
    deny: Deny = None
    warn: Warn = None
    allow: Allow = None
    strict: Strict = None
    offline: Annotated[bool, typer.Option("--offline", help="Use the cache only, and show its age.")] = False
    refresh: Annotated[bool, typer.Option("--refresh", help="Send every request again, cached or not.")] = False
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Neither read nor write the cache.")] = False
    no_config: NoConfig = False
    cache_dir: CacheDir = None
    timeout: Timeout = None
    service: Service = None
    service_only: ServiceOnly = False
    optional_sources: Annotated[
        list[OptionalSource] | None,
        typer.Option("--with", help="Use this source as well; it takes many requests (repeatable)."),
    ] = None
    max_db_age: Annotated[
        float | None,
        typer.Option(
            "--max-db-age",
            metavar="DAYS",
            parser=parse_days,
            help="Fail when the advisory database is needed and older than this many days (7 or 7d).  "
            "[default: use it, and show its age]",
        ),
    ] = None
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", help="Report what was known at this moment (2026-11-21 or a full ISO 8601 time)."),
    ] = None
    python: Annotated[
        str | None, typer.Option("--python", help="Python version to install for.  [default: the one running nerq]")
    ] = None
    vex: Annotated[
        list[Path] | None,
        typer.Option(
            "--vex",
            metavar="FILE",
            help="Waive what this OpenVEX or CycloneDX VEX document states not to be a problem (repeatable).",
        ),
    ] = None
    vex_products: Annotated[
        list[str] | None,
        typer.Option(
            "--vex-product",
            metavar="PRODUCT",
            help="Apply VEX statements on parts of this product, too: its id or package URL (repeatable).  "
            "[default: those of the project, by the name in its manifest]",
        ),
    ] = None
    quiet: Quiet = False
    debug: Debug = False

    def check_formats(self, inputs: Iterable[str] = (), *, list_only: bool = False) -> list[Output]:
        """Return the files to write. Raise UsageError when one or its format is wrong: before the run, not after it."""
        from nerq_cli.cli.output import check_format, check_lists, check_outputs, parse_output

        check_format(self.form)
        if self.open_report:
            from nerq_cli.cli.browser import check_browser

            check_browser()
        outputs = [parse_output(text) for text in self.output or ()]
        if list_only:
            check_lists([self.form, *(output.format for output in outputs)])
        check_outputs(outputs, inputs)
        return outputs

    def show(self, report: Report, outputs: Iterable[Output], options: RenderOptions) -> None:
        """Open the HTML report in a browser, if ``--open`` is set."""
        if self.open_report:
            from nerq_cli.cli.browser import open_report

            open_report(report, [output.path for output in outputs if output.format == "html"], options)

    @property
    def progress_factory(self) -> ProgressFactory:
        """Shows progress on stderr, unless ``--quiet`` is set."""
        from nerq_cli.cli.progress import get_progress_factory

        return get_progress_factory(quiet=self.quiet)


#: Options about the form of a report, which a command that prints none does without.
FORM_OPTIONS: Final = frozenset({"form", "output", "compact"})
#: Options about how evidence is read, for commands that judge by no threshold.
READ_OPTIONS: Final = frozenset(
    {"strict", "offline", "refresh", "no_cache", "no_config", "cache_dir", "timeout", "as_of", "quiet", "debug"}
    | {"service", "service_only"}
)
#: Options of commands that collect evidence of today.
GATHER_OPTIONS: Final = READ_OPTIONS - {"as_of", "service", "service_only"}


def with_report_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command with one parameter for each field of ``ReportOptions`` in place of its parameter ``shared``."""
    return _add_options(command, ReportOptions.__struct_fields__)


def with_run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command as ``with_report_options`` does, without the options about the form of a report."""
    return _add_options(command, [name for name in ReportOptions.__struct_fields__ if name not in FORM_OPTIONS])


def with_page_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command as ``with_run_options`` does, for one that judges and prints a page of its own."""
    left_out = FORM_OPTIONS | {"open_report"}
    return _add_options(command, [name for name in ReportOptions.__struct_fields__ if name not in left_out])


def with_read_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command as ``with_report_options`` does, with the options about how evidence is read alone."""
    return _add_options(command, [name for name in ReportOptions.__struct_fields__ if name in READ_OPTIONS])


def with_gather_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command as ``with_read_options`` does, without the moment, and with the time of a part."""
    names = [name for name in ReportOptions.__struct_fields__ if name in GATHER_OPTIONS]
    return _add_options(command, names, timeout=PartTimeout)


def with_source_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command as ``with_read_options`` does, for one that answers others and so has no exit status to set."""
    left_out = {"strict", "quiet"}
    return _add_options(command, [name for name in ReportOptions.__struct_fields__ if name in READ_OPTIONS - left_out])


#: Names of the types of parameters whose values are paths.
_PATH_TYPES: Final = frozenset({"path", "file", "directory"})


def list_given(context: typer.Context, *, left_out: Collection[str] = ()) -> list[str]:
    """Return the options that a command line gives, as arguments of the same command started in any directory.

    Those of environment variables are not among them.
    """
    arguments: list[str] = []
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if name in left_out or source is None or source.name != "COMMANDLINE":
            continue
        value = context.params[name]
        for item in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(item, bool):
                arguments.append(parameter.opts[0] if item else parameter.secondary_opts[0])
            else:
                text = f"{item:g}" if isinstance(item, float) else f"{item}"
                is_path = parameter.type.name in _PATH_TYPES
                arguments += [parameter.opts[0], f"{Path(text).absolute()}" if is_path else text]
    return arguments


def _add_options(command: Callable[..., None], names: Sequence[str], **replaced: object) -> Callable[..., None]:
    defaults = dict(zip(ReportOptions.__struct_fields__, ReportOptions.__struct_defaults__, strict=True))
    annotations = {**get_type_hints(ReportOptions, include_extras=True), **replaced}
    signature = inspect.signature(command, eval_str=True)
    parameters = [parameter for parameter in signature.parameters.values() if parameter.name != "shared"]
    parameters += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=defaults[name], annotation=annotations[name])
        for name in names
    ]

    @wraps(command)
    def run(**arguments: Any) -> None:  # noqa: ANN401 - whatever the options hold
        shared = ReportOptions(**{name: arguments.pop(name) for name in names})
        command(shared=shared, **arguments)

    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run
