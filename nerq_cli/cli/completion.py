"""``nerq completion``: scripts that complete commands, options and values in a shell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, Final, cast

import typer
from typer.core import TyperGroup

from nerq_cli.cli.command import create_app
from nerq_cli.cli.completion_scripts import SHELLS, CommandWords, OptionWords, Values
from nerq_cli.cli.stdout import write_stdout_parts
from nerq_cli.errors import UsageError

app = create_app()

#: Options whose value is a branch, a tag or a commit.
_REF_OPTIONS: Final = ("--since",)
#: Parts of a placeholder that stands for a file or a directory.
_FILE_WORDS: Final = ("FILE", "PATH", "DIR")


@app.command()
def completion(
    *,
    shell: Annotated[str, typer.Argument(help=f"{', '.join(SHELLS)}.", metavar="SHELL")],
) -> None:
    """Print a script that completes command lines in a shell."""
    if shell not in SHELLS:
        raise UsageError(f"there is no completion for {shell!r}", hint=f"known shells: {', '.join(SHELLS)}")
    # In bytes: a shell reads the script, and a carriage return before each line break would be part of its words.
    write_stdout_parts([SHELLS[shell](list_commands()).encode()])


def list_commands() -> list[CommandWords]:
    """Return every command with the words that may follow it, the parent before its subcommands."""
    from nerq_cli.cli.app import app as root_app
    from nerq_cli.cli.app import load_command

    root = cast("TyperGroup", typer.main.get_command(root_app))
    root.commands = {name: load_command(name) for name in root.commands}
    return list(_walk_command(root, ()))


def _walk_command(command: Any, path: tuple[str, ...]) -> Iterator[CommandWords]:  # noqa: ANN401 - types of Typer's private copy of Click
    commands = command.commands if isinstance(command, TyperGroup) else {}
    options = [_describe_option(param) for param in command.params if _is_option(param) and not param.hidden]
    help_option = OptionWords(("-h", "--help"), "Show this message and exit.")
    argument = next((param for param in command.params if not _is_option(param)), None)
    yield CommandWords(
        path=path,
        subcommands={name: child.help or "" for name, child in commands.items()},
        options=(*options, help_option),
        argument=_list_values(argument) if argument is not None else Values(),
    )
    for name, child in commands.items():
        yield from _walk_command(child, (*path, name))


def _is_option(param: Any) -> bool:  # noqa: ANN401 - see above
    return bool(param.opts[0].startswith("-"))


def _describe_option(param: Any) -> OptionWords:  # noqa: ANN401 - see above
    return OptionWords(
        names=(*param.opts, *param.secondary_opts),
        help=param.help or "",
        values=None if param.is_flag else _list_values(param),
    )


def _list_values(param: Any) -> Values:  # noqa: ANN401 - see above
    """Return what completes the value of an option or an argument."""
    name = param.opts[0]
    if choices := getattr(param.type, "choices", None):
        return Values(tuple(choices))
    if read_words := _WORDS.get(name):
        words = tuple(read_words())
        # Some commands have fewer formats than a report: the help of the option names those that it takes.
        return Values(tuple(word for word in words if name != "--format" or word in _split_help(param.help)))
    if name in _REF_OPTIONS:
        return Values(kind="ref")
    placeholder = f"{param.metavar or ''} {'' if name.startswith('-') else name.upper()}"
    is_file = type(param.type).__name__.endswith("Path") or any(word in placeholder for word in _FILE_WORDS)
    return Values(kind="file" if is_file else "text")


def _split_help(text: str) -> set[str]:
    return {word.strip(",.:;") for word in text.split()}


def _list_ecosystems() -> Iterable[str]:
    from nerq_cli.ecosystems import ECOSYSTEMS

    return [ecosystem.id for ecosystem in ECOSYSTEMS]


def _list_rules() -> list[str]:
    from nerq_cli.policy.rules import RULES

    return [rule.id for rule in RULES]


def _list_report_formats() -> Iterable[str]:
    from nerq_cli.report import FORMATS

    return FORMATS


def _list_file_formats() -> Iterable[str]:
    from nerq_cli.manifests.formats import FORMATS

    return FORMATS


def _list_presets() -> Iterable[str]:
    from nerq_cli.policy.settings import PRESETS

    return PRESETS


#: Returns the words that complete an option or an argument.
_WORDS: Final[Mapping[str, Callable[[], Iterable[str]]]] = {
    "shell": lambda: SHELLS,
    "--format": _list_report_formats,
    "--as": _list_file_formats,
    "--ecosystem": _list_ecosystems,
    "--policy": _list_presets,
    **dict.fromkeys(("--deny", "--warn", "--allow", "--rule"), _list_rules),
}
