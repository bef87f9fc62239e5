"""Add an entry to the text of a TOML file, and leave everything else as it is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from nerq_cli.errors import ConfigError

_WAIVERS: Final = "waivers"


def add_waiver(text: str, waiver: Mapping[str, object], *, in_pyproject: bool) -> str:
    """Return the text of a settings file with one more waiver, after those that it has.

    Args:
        text: a TOML document; empty for a new file.
        waiver: the keys and values, in their order.
        in_pyproject: whether settings stand in the table ``tool.nerq``.

    Raises:
        ConfigError: the text is not valid TOML, or would not stay as it is around the waiver.
    """
    return add_entry(text, _WAIVERS, waiver, tables=("tool", "nerq") if in_pyproject else (), noun="settings file")


def add_entry(text: str, key: str, entry: Mapping[str, object], *, noun: str, tables: Sequence[str] = ()) -> str:
    """Return a text with one more table in an array of tables, after those that it has.

    Args:
        text: a TOML document; empty for a new file.
        key: name of the array.
        entry: the keys and values, in their order.
        noun: what the file is called.
        tables: names of the tables that the array is in.

    Raises:
        ConfigError: the text is not valid TOML, or would not stay as it is around the entry.
    """
    import tomli

    content = text.removeprefix("\ufeff")
    unix_text = content.replace("\r\n", "\n")
    header = f"[{'.'.join(tables)}]" if tables else ""
    try:
        before = tomli.loads(unix_text)
        new_text = _insert(unix_text, key, entry, tables)
        after = tomli.loads(new_text)
    except ValueError as error:  # of both TOML libraries
        hint = f"write its settings below a header {header}" if header else ""
        raise ConfigError(f"the {noun} cannot be edited: {error}", hint=hint) from error
    if after != _add_to_data(before, key, entry, tables) or not _keeps_lines(unix_text, new_text):
        hint = f"write its settings below a header {header}" if header else f"write its {key} as [[{key}]]"
        raise ConfigError(f"the {noun} cannot be edited without changing more than its {key}", hint=hint)
    if "\r\n" in content:
        new_text = new_text.replace("\n", "\r\n")
    return text[: len(text) - len(content)] + new_text


def update_entry(text: str, key: str, name_key: str, values: Mapping[str, str], *, noun: str) -> str:
    """Return a text with other values of that entry of an array of tables that has the same name.

    Args:
        text: a TOML document.
        key: name of the array.
        name_key: key of an entry that has its name.
        values: the keys and values; other keys are removed.
        noun: what the file is called.

    Raises:
        ConfigError: the text is not valid TOML, or has no such entry.
    """
    import tomlkit

    content = text.removeprefix("\ufeff")
    try:
        document = tomlkit.parse(content)
    except ValueError as error:
        raise ConfigError(f"the {noun} cannot be edited: {error}") from error
    entries: Any = document.get(key, [])
    entry = next((entry for entry in entries if entry.get(name_key) == values[name_key]), None)
    if entry is None:
        raise ConfigError(f"the {noun} has no entry {values[name_key]} in {key}")
    for name, value in values.items():
        entry[name] = value
    for name in [name for name in entry if name not in values]:
        del entry[name]
    return text[: len(text) - len(content)] + tomlkit.dumps(document)


def _insert(text: str, key: str, values: Mapping[str, object], tables: Sequence[str]) -> str:
    import tomlkit
    from tomlkit.items import AoT, Array

    document = tomlkit.parse(text)
    table: Any = document
    for name in tables:
        if name not in table:
            table[name] = tomlkit.table(is_super_table=True)
        table = table[name]
    entries = table.get(key)
    if isinstance(entries, Array):
        inline = tomlkit.inline_table()
        inline.update(values)
        entries.append(inline)
        return tomlkit.dumps(document)
    entry = tomlkit.table()
    entry.update(values)
    if not isinstance(entries, AoT):
        table[key] = tomlkit.aot()
    table[key].append(entry)
    header = f"[[{'.'.join((*tables, key))}]]"
    return _add_blank_lines(tomlkit.dumps(document), f"{header}\n{entry.as_string()}")


def _add_blank_lines(text: str, block: str) -> str:
    """Return the text with a blank line on both sides of its last such block."""
    before, _, after = text.rpartition(block)
    before = before.rstrip("\n") + "\n\n" if before.strip() else before
    after = "\n" + after.lstrip("\n") if after.strip() else after
    return f"{before}{block}{after}"


def _add_to_data(data: dict[str, Any], key: str, entry: Mapping[str, object], tables: Sequence[str]) -> dict[str, Any]:
    """Return parsed TOML with one more entry."""
    if not tables:
        return {**data, key: [*data.get(key, ()), dict(entry)]}
    return {**data, tables[0]: _add_to_data(data.get(tables[0], {}), key, entry, tables[1:])}


def _keeps_lines(old: str, new: str) -> bool:
    """Return whether the new text has the lines of the old one and others in one place; a list in one line may grow."""
    old_lines, new_lines = old.rstrip("\n").split("\n"), new.rstrip("\n").split("\n")
    head = _count_common(old_lines, new_lines)
    tail = _count_common(old_lines[head:][::-1], new_lines[head:][::-1])
    changed = [line for line in old_lines[head : len(old_lines) - tail] if line.strip()]
    return not changed or (len(changed) == 1 and "[" in changed[0])


def _count_common(left: Sequence[str], right: Sequence[str]) -> int:
    """Return the number of equal lines at the start of both."""
    pairs = zip(left, right, strict=False)
    return next((count for count, (one, other) in enumerate(pairs) if one != other), min(len(left), len(right)))
