"""Add a waiver to the text of a settings file, and leave everything else as it is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from nerq_cli.errors import ConfigError

_WAIVERS: Final = "waivers"


def add_waiver(text: str, waiver: Mapping[str, object], *, in_pyproject: bool) -> str:
    """Return the text with one more waiver, after those that it has.

    Args:
        text: a TOML document; empty for a new file.
        waiver: the keys and values, in their order.
        in_pyproject: whether settings stand in the table ``tool.nerq``.

    Raises:
        ConfigError: the text is not valid TOML, or would not stay as it is around the waiver.
    """
    import tomli

    content = text.removeprefix("\ufeff")
    unix_text = content.replace("\r\n", "\n")
    try:
        before = tomli.loads(unix_text)
        new_text = _insert(unix_text, waiver, in_pyproject=in_pyproject)
        after = tomli.loads(new_text)
    except ValueError as error:  # of both TOML libraries
        hint = "write its settings below a header [tool.nerq]" if in_pyproject else ""
        raise ConfigError(f"the settings file cannot be edited: {error}", hint=hint) from error
    expected = _add_to_data(before, waiver, in_pyproject=in_pyproject)
    if after != expected or not _keeps_lines(unix_text, new_text):
        hint = "write its settings below a header [tool.nerq]" if in_pyproject else "write its waivers as [[waivers]]"
        raise ConfigError("the settings file cannot be edited without changing more than its waivers", hint=hint)
    if "\r\n" in content:
        new_text = new_text.replace("\n", "\r\n")
    return text[: len(text) - len(content)] + new_text


def _insert(text: str, waiver: Mapping[str, object], *, in_pyproject: bool) -> str:
    import tomlkit
    from tomlkit.items import AoT, Array

    document = tomlkit.parse(text)
    table: Any = document
    for key in ("tool", "nerq") if in_pyproject else ():
        if key not in table:
            table[key] = tomlkit.table(is_super_table=True)
        table = table[key]
    entries = table.get(_WAIVERS)
    if isinstance(entries, Array):
        inline = tomlkit.inline_table()
        inline.update(waiver)
        entries.append(inline)
        return tomlkit.dumps(document)
    entry = tomlkit.table()
    entry.update(waiver)
    if not isinstance(entries, AoT):
        table[_WAIVERS] = tomlkit.aot()
    table[_WAIVERS].append(entry)
    header = "[[tool.nerq.waivers]]" if in_pyproject else "[[waivers]]"
    return _add_blank_lines(tomlkit.dumps(document), f"{header}\n{entry.as_string()}")


def _add_blank_lines(text: str, block: str) -> str:
    """Return the text with a blank line on both sides of its last such block."""
    before, _, after = text.rpartition(block)
    before = before.rstrip("\n") + "\n\n" if before.strip() else before
    after = "\n" + after.lstrip("\n") if after.strip() else after
    return f"{before}{block}{after}"


def _add_to_data(data: dict[str, Any], waiver: Mapping[str, object], *, in_pyproject: bool) -> dict[str, Any]:
    """Return parsed settings with one more waiver."""
    if not in_pyproject:
        return {**data, _WAIVERS: [*data.get(_WAIVERS, ()), dict(waiver)]}
    tool = data.get("tool", {})
    return {**data, "tool": {**tool, "nerq": _add_to_data(tool.get("nerq", {}), waiver, in_pyproject=False)}}


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
