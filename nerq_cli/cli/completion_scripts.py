"""Completion scripts for shells: all words are in the script, so that a completion starts no Python."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from nerq_cli.patterns import compile_late

_NAMES: Final = ("nerq", "nerq-cli")
_SPACE: Final = compile_late(r"\s+")
_SENTENCE: Final = compile_late(r"^(.*?[.;:])(?:\s|$)", re.DOTALL)
#: Lists the branches and tags of the repository around the current directory.
_LIST_REFS: Final = "git for-each-ref --format='%(refname:short)' refs/heads refs/remotes refs/tags 2>/dev/null"


class Values(NamedTuple):
    """What completes a value: the words, or the kind of thing it is. ``text`` is completed with nothing."""

    words: tuple[str, ...] = ()
    kind: Literal["words", "file", "ref", "text"] = "words"


class OptionWords(NamedTuple):
    """An option: its names, its help, and what completes its value; None: it has no value."""

    names: tuple[str, ...]
    help: str
    values: Values | None = None


class CommandWords(NamedTuple):
    """A command and what may follow it."""

    #: Words of the command after ``nerq``; empty for nerq itself.
    path: tuple[str, ...]
    #: Help of each subcommand by its name.
    subcommands: Mapping[str, str]
    options: tuple[OptionWords, ...]
    #: What completes an argument.
    argument: Values

    @property
    def key(self) -> str:
        """The path as the scripts write it: ``/db/update``."""
        return "".join(f"/{word}" for word in self.path)


def write_bash(commands: Sequence[CommandWords]) -> str:
    """Return a script for bash 3.2 and later, without the package bash-completion."""
    lines = [
        "# Completion of nerq for bash. Written by: nerq completion bash",
        "_nerq() {",
        "    local current previous path word words kind i",
        "    COMPREPLY=()",
        '    current="${COMP_WORDS[COMP_CWORD]}"',
        '    previous="${COMP_WORDS[COMP_CWORD-1]}"',
        "    # bash parts --format=json into three words",
        '    if [ "$current" = "=" ]; then current=""',
        '    elif [ "$previous" = "=" ] && [ "$COMP_CWORD" -ge 2 ]; then previous="${COMP_WORDS[COMP_CWORD-2]}"; fi',
        '    path=""',
        "    for ((i = 1; i < COMP_CWORD; i++)); do",
        '        case "$path/${COMP_WORDS[i]}" in',
        f'            {_join_patterns(_list_keys(commands))}) path="$path/${{COMP_WORDS[i]}}" ;;',
        "        esac",
        "    done",
        '    words="" kind=words',
        '    case "$path $previous" in',
        *(
            f"        {_join_patterns(patterns)}) {_set_bash_values(values)} ;;"
            for values, patterns in _group_by_values(commands).items()
        ),
        "        *)",
        '            case "$path" in',
    ]
    for command in commands:
        names = " ".join(name for option in command.options for name in option.names)
        argument = (
            f'words="{" ".join(command.subcommands)}"' if command.subcommands else _set_bash_values(command.argument)
        )
        lines.append(
            f'                "{command.key}") if [ "${{current#-}}" != "$current" ]; '
            f'then words="{names}"; else {argument}; fi ;;'
        )
    lines += [
        "            esac ;;",
        "    esac",
        '    case "$kind" in',
        "        file) compopt -o default 2>/dev/null ;;",
        "        ref)",
        "            # Only names without signs that a shell expands: what is completed is run as it stands.",
        "            while IFS= read -r word; do",
        '                case "$word" in',
        "                    *[!A-Za-z0-9._/@+-]*) ;;",
        '                    "$current"*) COMPREPLY+=("$word") ;;',
        "                esac",
        f"            done < <({_LIST_REFS}) ;;",
        "        words)",
        '            while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -W "$words" -- "$current") ;;',
        "    esac",
        "    return 0",
        "}",
        "# bash 3.2 has no compopt: it completes files wherever there is nothing else.",
        f"if type compopt >/dev/null 2>&1; then complete -F _nerq {' '.join(_NAMES)}",
        f"else complete -o default -F _nerq {' '.join(_NAMES)}; fi",
    ]
    return _end(lines)


def _set_bash_values(values: Values) -> str:
    return f'words="{" ".join(values.words)}"' if values.kind == "words" else f"kind='{values.kind}'"


def write_zsh(commands: Sequence[CommandWords]) -> str:
    """Return a script for zsh, to be run after ``compinit`` or to be kept as ``_nerq`` in a directory of ``fpath``."""
    lines = [
        f"#compdef {' '.join(_NAMES)}",
        "# Completion of nerq for zsh. Written by: nerq completion zsh",
        "_nerq() {",
        "    local previous=${words[CURRENT-1]} command_path= word kind=words",
        "    local -a values described",
        "    integer i",
        "    for ((i = 2; i < CURRENT; i++)); do",
        '        case "$command_path/${words[i]}" in',
        f'            {_join_patterns(_list_keys(commands))}) command_path="$command_path/${{words[i]}}" ;;',
        "        esac",
        "    done",
        "    if [[ $PREFIX == --*=* ]]; then",
        "        previous=${PREFIX%%=*}",
        "        compset -P '*='",
        "    fi",
        '    case "$command_path $previous" in',
    ]
    for values, patterns in _group_by_values(commands).items():
        lines.append(f"        {_join_patterns(patterns)}) {_set_zsh_values(values)} ;;")
    lines += ["        *)", '            case "$command_path" in']
    for command in commands:
        options = [_quote(_label(name, option.help, ":")) for option in command.options for name in option.names]
        lines.append(f"                {_quote(command.key)})")
        lines.append(f"                    if [[ $PREFIX == -* ]]; then described=({' '.join(options)})")
        if command.subcommands:
            labels = " ".join(_quote(_label(name, text, ":")) for name, text in command.subcommands.items())
            lines.append(f"                    else described=({labels}); fi ;;")
        else:
            lines.append(f"                    else {_set_zsh_values(command.argument)}; fi ;;")
    lines += [
        "            esac ;;",
        "    esac",
        "    if (( $#described )); then",
        "        _describe -t words nerq described",
        "        return",
        "    fi",
        '    case "$kind" in',
        "        file) _files ;;",
        f'        ref) values=(${{(f)"$({_LIST_REFS})"}}); compadd -a values ;;',
        "        words) compadd -a values ;;",
        "    esac",
        "}",
        "# The first function on the stack is this file where zsh loads it by itself.",
        'if [[ "${funcstack[1]}" == _nerq ]]; then _nerq "$@"',
        f"else compdef _nerq {' '.join(_NAMES)}; fi",
    ]
    return _end(lines)


def _set_zsh_values(values: Values) -> str:
    words = " ".join(_quote(word) for word in values.words)
    return f"values=({words})" if values.kind == "words" else f"kind='{values.kind}'"


def write_fish(commands: Sequence[CommandWords]) -> str:
    """Return a script for fish 3 and later."""
    lines = [
        "# Completion of nerq for fish. Written by: nerq completion fish",
        "function __nerq_at --argument-names wanted",
        "    set -l command_path",
        "    for word in (commandline -opc)[2..-1]",
        '        switch "$command_path/$word"',
        f"            case {' '.join(_quote_fish(key) for key in _list_keys(commands))}",
        '                set command_path "$command_path/$word"',
        "        end",
        "    end",
        '    test "$command_path" = "$wanted"',
        "end",
    ]
    for name in _NAMES:
        for command in commands:
            start = f"complete -c {name} -n {_quote_fish(f'__nerq_at {_quote_fish(command.key)}')}"
            if command.argument.kind != "file" or command.subcommands:
                lines.append(f"{start} -f")
            lines += [
                f"{start} -a {_quote_fish(child)} -d {_quote_fish(_shorten(text))}"
                for child, text in command.subcommands.items()
            ]
            if command.argument.words:
                lines.append(f"{start} -a {_quote_fish(' '.join(command.argument.words))}")
            for option in command.options:
                # Each spelling of its own: --strict and --no-strict are one option, -h and --help are one as well.
                flags = " ".join(
                    f"-l {word[2:]}" if word.startswith("--") else f"-s {word[1:]}" for word in option.names
                )
                lines.append(
                    f"{start} {flags}{_set_fish_values(option.values)} -d {_quote_fish(_shorten(option.help))}"
                )
    return _end(lines)


def _set_fish_values(values: Values | None) -> str:
    if values is None:
        return ""
    if values.kind == "file":
        return " -r -F"
    if values.kind == "ref":
        return f" -x -a {_quote_fish(f'({_LIST_REFS})')}"
    return f" -x -a {_quote_fish(' '.join(values.words))}" if values.words else " -x"


def write_powershell(commands: Sequence[CommandWords]) -> str:
    """Return a script for PowerShell 5.1 and later."""
    lines = [
        "# Completion of nerq for PowerShell. Written by: nerq completion powershell",
        f"Register-ArgumentCompleter -Native -CommandName {', '.join(_NAMES)} -ScriptBlock {{",
        "    param($wordToComplete, $commandAst, $cursorPosition)",
        "    $keys = @(" + ", ".join(_quote_powershell(key) for key in _list_keys(commands)) + ")",
        "    $before = $commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursorPosition }",
        "    $words = @($before | ForEach-Object { $_.ToString() })",
        "    $path = ''",
        "    for ($i = 1; $i -lt $words.Count; $i++) {",
        '        if ($keys -ccontains "$path/$($words[$i])") { $path = "$path/$($words[$i])" }',
        "    }",
        "    $previous = $words[-1]",
        "    $found = $null",
        '    switch -CaseSensitive -Exact ("$path $previous") {',
    ]
    for values, patterns in _group_by_values(commands).items():
        lines += [
            f"        {_quote_powershell(pattern)} {{ $found = {_set_powershell_values(values)}; break }}"
            for pattern in patterns
        ]
    lines += ["    }", "    if ($null -eq $found) {", "        switch -CaseSensitive -Exact ($path) {"]
    for command in commands:
        names = _list_powershell(name for option in command.options for name in option.names)
        argument = (
            _list_powershell(command.subcommands) if command.subcommands else _set_powershell_values(command.argument)
        )
        lines.append(
            f"            {_quote_powershell(command.key)} "
            f"{{ if ($wordToComplete -like '-*') {{ $found = {names} }} else {{ $found = {argument} }}; break }}"
        )
    lines += [
        "        }",
        "    }",
        "    # Without a result PowerShell completes file names.",
        "    $found | Where-Object { $_ -and $_.StartsWith($wordToComplete) } | ForEach-Object {",
        "        [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)",
        "    }",
        "}",
    ]
    return _end(lines)


def _set_powershell_values(values: Values) -> str:
    if values.kind == "ref":  # PowerShell does not quote what is completed
        command = _LIST_REFS.replace("2>/dev/null", "2>$null")
        return f"@({command} | Where-Object {{ $_ -cmatch '^[A-Za-z0-9._/@+-]+$' }})"
    return _list_powershell(values.words)


def _list_powershell(words: Iterable[str]) -> str:
    return f"@({', '.join(_quote_powershell(word) for word in words)})"


def _list_keys(commands: Sequence[CommandWords]) -> list[str]:
    """Return the paths of all commands below nerq itself."""
    return [command.key for command in commands if command.path]


def _group_by_values(commands: Sequence[CommandWords]) -> dict[Values, list[str]]:
    """Return ``PATH OPTION`` of every option that has a value, by what completes it."""
    grouped: dict[Values, list[str]] = {}
    for command in commands:
        for option in command.options:
            if option.values is not None:
                grouped.setdefault(option.values, []).extend(f"{command.key} {name}" for name in option.names)
    return grouped


def _join_patterns(patterns: Sequence[str]) -> str:
    return "|".join(f'"{pattern}"' for pattern in patterns)


def _shorten(text: str) -> str:
    """Return the first sentence of a help text on one line."""
    line = _SPACE.sub(" ", text).strip()
    match = _SENTENCE.match(line)
    return (match[1][:-1] if match else line).strip()


def _label(name: str, text: str, separator: str) -> str:
    escaped = name.replace("\\", "\\\\").replace(separator, f"\\{separator}")
    return f"{escaped}{separator}{_shorten(text)}"


def _quote(text: str) -> str:
    """Return a text as one word of a POSIX shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def _quote_fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _quote_powershell(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _end(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


#: Shells with a completion script, each with the function that writes it.
SHELLS: Final[Mapping[str, Callable[[Sequence[CommandWords]], str]]] = MappingProxyType(
    {"bash": write_bash, "zsh": write_zsh, "fish": write_fish, "powershell": write_powershell}
)
