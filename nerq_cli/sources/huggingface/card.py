"""Cards (README.md): a header in YAML between two lines ``---``, then Markdown. Both are written by the author.

The header is read without tags, anchors and aliases, with which a small text can expand to a huge one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from nerq_cli.hub_facts import CardMetadata
from nerq_cli.patterns import compile_late
from nerq_cli.sources.text import clean_text

#: Longest header that is read, and longest text that is kept, in characters.
_MAX_HEADER: Final = 1_000_000
MAX_TEXT: Final = 262_144
#: Deepest nesting of a header, and most values and brackets: model-index needs eight levels.
_MAX_DEPTH: Final = 30
_MAX_EVENTS: Final = 200_000
#: Longest value and longest list kept, in characters and entries.
_MAX_VALUE: Final = 200
_MAX_LIST: Final = 100
_MAX_GATE_TEXT: Final = 1_000

_HEADER = compile_late(r"\A\ufeff?\s*---[ \t]*\r?\n")
_HEADER_END = compile_late(r"^---[ \t]*\r?$\n?", 8)  # re.MULTILINE
#: Sequences of terminals (ECMA-48) without the text in them: of colours and the like the whole, of titles and links the
#: introducer. A parameterless one ends in a letter that no word follows: readers of the page see that word.
_ESCAPES = compile_late(
    r"(?:\x1b\[|\x9b)(?:[0-?]{1,40}[ -/]{0,10}[@-~]|[A-DHJKmsu](?![A-Za-z]))?"
    r"|(?:\x1b\]|\x9d)(?:\d{1,4};)?|\x1b[()][0AB]|\x1b\\"
)
#: Control characters and separators that part words, and all others except tabs and line feeds.
_SPACES = compile_late(r"[\x0b\x0c\x1c-\x1f\x85\u2028\u2029]")
_CONTROLS = compile_late(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
#: Fields of datasets and Spaces whose presence counts (huggingface/hub-docs, datasetcard.md).
_COUNTED_FIELDS: Final = (
    "annotations_creators",
    "app_file",
    "configs",
    "dataset_info",
    "extra_gated_prompt",
    "language_creators",
    "multilinguality",
    "pretty_name",
    "sdk_version",
    "short_description",
    "size_categories",
    "source_datasets",
    "task_categories",
    "task_ids",
)


class HeaderError(Exception):
    """A header cannot be read. The message is for users."""


class CardParts(NamedTuple):
    """A card, divided."""

    #: Empty = there is no header.
    header: str
    text: str
    #: Number of lines before the text.
    lines_before: int = 0


def split_card(document: str) -> CardParts:
    """Return header and text of a card. A header without an end is text."""
    start = _HEADER.match(document)
    end = None if start is None else _HEADER_END.search(document, start.end())
    if start is None or end is None:
        return CardParts("", document)
    before = document[: end.end()].replace("\r\n", "\n").replace("\r", "\n")
    return CardParts(document[start.end() : end.start()], document[end.end() :], before.count("\n"))


def clean_card_text(text: str) -> str:
    """Return Markdown without escape sequences and control characters, and with line feeds only."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROLS.sub("", _SPACES.sub(" ", _ESCAPES.sub("", text)))


def parse_header(header: str) -> dict[str, Any]:
    """Return the fields of a header; every scalar is text.

    Raises:
        HeaderError: it is not YAML, too large, or uses a refused feature.
    """
    if len(header) > _MAX_HEADER:
        raise HeaderError(f"the header is larger than {_MAX_HEADER / 1e6:g} MB")
    import yaml

    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        value = _build_value(yaml.parse(clean_card_text(header), Loader=loader))
    except (yaml.YAMLError, UnicodeError, RecursionError):
        raise HeaderError("the header is not valid YAML") from None
    if not isinstance(value, dict):
        raise HeaderError("the header is no mapping")
    return value


def _build_value(events: Iterator[Any]) -> object:
    """Return the first document of a stream of events."""
    from yaml import events as kinds

    #: Open collections: the values so far, keys and values in turn for a mapping.
    stack: list[tuple[bool, list[object]]] = [(False, [])]
    for count, event in enumerate(events):
        if isinstance(event, kinds.AliasEvent) or getattr(event, "anchor", None):
            raise HeaderError("the header uses anchors or aliases, which are not read")
        if count > _MAX_EVENTS or len(stack) > _MAX_DEPTH:
            raise HeaderError("the header has too many values, or is nested too deeply")
        if isinstance(event, kinds.ScalarEvent):
            is_null = not event.style and event.value in ("", "~", "null", "Null", "NULL")
            stack[-1][1].append(None if is_null else event.value)
        elif isinstance(event, (kinds.MappingStartEvent, kinds.SequenceStartEvent)):
            stack.append((isinstance(event, kinds.MappingStartEvent), []))
        elif isinstance(event, (kinds.MappingEndEvent, kinds.SequenceEndEvent)):
            is_mapping, values = stack.pop()
            stack[-1][1].append(_build_mapping(values) if is_mapping else values)
        elif isinstance(event, kinds.DocumentEndEvent):
            break
    return stack[0][1][0] if stack[0][1] else {}


def _build_mapping(values: list[object]) -> dict[str, object]:
    return {key: value for key, value in zip(values[::2], values[1::2], strict=False) if isinstance(key, str)}


def build_metadata(fields: Mapping[str, object]) -> CardMetadata:
    """Return the metadata of a card from the fields of its header, which may have any value."""
    relation = _get_text(fields.get("base_model_relation")).lower()
    index = fields.get("model-index") or fields.get("eval_results")
    return CardMetadata(
        licence=_get_list(fields.get("license")) if fields.get("license") is not None else None,
        licence_name=_get_text(fields.get("license_name")),
        licence_link=_get_text(fields.get("license_link")),
        languages=_get_list(fields.get("language")),
        base_models=_get_list(fields.get("base_model")) if fields.get("base_model") is not None else None,
        base_model_relation=relation,
        datasets=_get_list(fields.get("datasets")) if fields.get("datasets") is not None else None,
        metrics=_get_list(fields.get("metrics")),
        has_results=_has_results(index),
        new_version=_get_text(fields.get("new_version")),
        tags=_get_list(fields.get("tags")),
        fields=tuple(name for name in _COUNTED_FIELDS if fields.get(name) not in (None, "", [], {})),
        gate_text=clean_text(fields.get("extra_gated_prompt"), _MAX_GATE_TEXT),
    )


def _has_results(index: object) -> bool:
    """Whether results of an evaluation are stated: ``model-index`` is a list of models with their ``results``."""
    entries = index if isinstance(index, list) else [index]
    return any(isinstance(entry, dict) and bool(entry.get("results") or entry.get("value")) for entry in entries)


def _get_text(value: object) -> str:
    return clean_text(value, _MAX_VALUE)


def _get_list(value: object) -> tuple[str, ...]:
    """Return the texts of a list, or of a single value; datasets may be mappings with a name."""
    entries = value if isinstance(value, list) else [value]
    texts = (_get_text(entry.get("name") if isinstance(entry, dict) else entry) for entry in entries[:_MAX_LIST])
    return tuple(dict.fromkeys(filter(None, texts)))
