"""Quotes parts of untrusted files in messages: names and keys, never values.

A file may be another one than its name suggests, a file of credentials for instance.
"""

from __future__ import annotations

from typing import Final

from nerq_cli.patterns import compile_late

#: Longest name that is quoted, in characters.
MAX_QUOTED_NAME: Final = 40

#: Where the value begins in ``key = value``, ``name [extra]``, the query of a URL, and what follows its scheme.
_NAME_END: Final = compile_late(r"""[\t\r\n='"`?#;,<>|]|://""")
#: What a line may begin with before its first name: indentation, list marks, quotes, brackets, a comment sign, options.
#: The name is that of a package or a key, and the characters after it lead to its value.
_LINE_START: Final = compile_late(
    r"""(?P<indent>[ \t"'\[{(#-]*)(?P<name>@?[\w.-]*(?:/[\w.-]+)?)(?P<rest>[ \t]*[<>=!~^:@,;"'\[({]*[ \t"'\[({]*)"""
)
#: A version or the version of a format: digits first.
_VERSION: Final = compile_late(r"(?:v|SPDX-)?\d[\w.+!-]{0,19}")
_REQUIREMENT_NAME: Final = compile_late(r"@?[A-Za-z0-9][\w.-]*(?:/[\w.-]+)?")
#: Longest indentation shown, in characters.
_MAX_INDENT: Final = 80


def quote_text(text: str) -> str:
    """Return a name or a key in quotes, up to what may be a value, and of at most `MAX_QUOTED_NAME` characters."""
    end = _NAME_END.search(text)
    name = text[: end.start()] if end else text
    short_name = f"{name[:MAX_QUOTED_NAME]}{'…' if len(name) > MAX_QUOTED_NAME or end else ''}"
    if short_name.isprintable():
        return f'"{short_name}"'
    import json  # rarely needed, and slow to import

    return json.dumps(short_name, ensure_ascii=True)


def quote_version(text: str) -> str:
    """Return the version of a format in quotes; an ellipsis when it does not look like one."""
    return f'"{text}"' if not text or _VERSION.fullmatch(text) else '"…"'


def quote_requirement(text: str) -> str:
    """Return the name at the start of a dependency specifier in quotes; an ellipsis when it has none."""
    name = _REQUIREMENT_NAME.match(text.strip())
    return quote_text(name[0]) if name else '"…"'


def excerpt_line(line: str) -> str:
    """Return the first name of a line with its indentation and what parts it from its value; ``…`` for the rest.

    Every character is at its place in the line. Empty where the name is longer than `MAX_QUOTED_NAME`.
    """
    line = line.rstrip()
    match = _LINE_START.match(line)
    if match is None or len(match["name"]) > MAX_QUOTED_NAME or len(match["indent"]) > _MAX_INDENT:
        return ""
    excerpt = match[0][: match.start("rest") + MAX_QUOTED_NAME]
    if excerpt.rstrip() == line:
        return line
    return f"{excerpt}…" if match["name"] else ""
