"""HTML elements. A text is escaped unless an element of this module made it."""

from __future__ import annotations

from typing import Final, TypeAlias

from nerq_cli.report.sanitize import TEXT_LIMIT, sanitize_text

#: Attribute names that are words of Python.
_ATTRIBUTE_NAMES: Final = {"class_": "class", "for_": "for"}
#: Written here because the module ``html`` of the standard library loads the names of all entities.
_REFERENCES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})
#: Elements without content and end tag.
_VOID_ELEMENTS: Final = frozenset({"input", "link", "meta"})


class Markup(str):
    """HTML that this module made: it is not escaped again."""

    __slots__ = ()


Child: TypeAlias = "str | int | None"


def escape_text(text: str) -> Markup:
    """Return a text as HTML, also within an attribute: cut, without control characters, its special ones as references.

    Two number signs become references too: together with a bracket they are a command of CI systems.
    """
    return Markup(sanitize_text(text, TEXT_LIMIT).translate(_REFERENCES).replace("##", "&#35;&#35;"))


def escape_command(text: str) -> Markup:
    """Return a command as HTML, whole: a part of it would be another command."""
    return Markup(sanitize_text(text).translate(_REFERENCES).replace("##", "&#35;&#35;"))


def element(name: str, /, *children: Child, **attributes: str | float | bool | None) -> Markup:
    """Return an element. Children and attributes that are None or False are left out."""
    tag = name + "".join(map(_format_attribute, attributes, attributes.values()))
    if name in _VOID_ELEMENTS:
        return Markup(f"<{tag}>")
    return Markup(f"<{tag}>{join(*children)}</{name}>")


def join(*children: Child) -> Markup:
    """Return the children one after the other."""
    return Markup("".join(map(_format_child, children)))


def link_to(url: str, label: str) -> Markup:
    """Return a link to an address of the web, which gets no referrer; the label alone if it is none."""
    if not url.startswith(("https://", "http://")):
        return escape_text(label)
    return element("a", label, href=url, rel="noreferrer noopener external", target="_blank")


def _format_child(child: Child) -> str:
    if isinstance(child, Markup):
        return child
    return "" if child is None else escape_text(f"{child}")


def _format_attribute(name: str, value: str | float | bool | None) -> str:  # noqa: FBT001 - the value of an attribute
    if value is None or value is False:
        return ""
    attribute = _ATTRIBUTE_NAMES.get(name, name.replace("_", "-"))
    if value is True:
        return f" {attribute}"
    return f' {attribute}="{value if isinstance(value, Markup) else escape_text(f"{value}")}"'
