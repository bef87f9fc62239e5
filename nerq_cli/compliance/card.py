"""Cards as sections.

Cards are written by hand: headings are Markdown, HTML, underlined, or lines in bold type, with numbers and emoji. What
templates put there for authors to replace is recognised, so that a section with nothing else counts as empty.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

import msgspec

from nerq_cli.facts import Fact, Found, Unknown
from nerq_cli.hub_facts import HubCard
from nerq_cli.patterns import compile_late

#: What is read of a card. The Hub source cuts its text at the same size.
MAX_CHARACTERS: Final = 262_144
MAX_LINES: Final = 20_000
#: Headings beyond this number count as text.
MAX_SECTIONS: Final = 1_000

#: Level of the text before the first heading.
TOP: Final = 0
#: Level of a line in bold type, or an HTML summary, that stands as a heading.
BOLD: Final = 7
#: Level of the label at the start of a list item or paragraph: ``- **Developed by:** name``.
LABEL: Final = 8

_MAX_HEADING: Final = 120
#: Characters that are normalised at once.
_PIECE: Final = 8_192


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a card: a heading, and the text up to the next one. The first section has the whole card below it."""

    #: Without markup, numbers and emoji, in the case of the author; empty = the text before the first heading.
    heading: str
    #: 1 to 6 as in Markdown; TOP, BOLD or LABEL.
    level: int
    #: Of its heading in the file, from 1; of the first section that of the first line of text.
    line: int
    #: Its own text, without subsections: prose in lines, without code, comments, HTML tags, addresses of links, and
    #: what templates put there. An empty line ends a paragraph, items of lists start with "- ", and cells of tables are
    #: parted by "|".
    text: str = ""
    #: The headings above it, outermost first.
    parents: tuple[str, ...] = ()
    #: Number of words, items of lists, rows of tables, and rows of tables with a digit, subsections included.
    words: int = 0
    items: int = 0
    rows: int = 0
    number_rows: int = 0
    #: Whether it has what a template puts there, subsections included.
    has_placeholder: bool = False

    @property
    def is_filled(self) -> bool:
        """Whether it has content: 15 words, two items of a list, or a table with a row."""
        return self.words >= MIN_WORDS or self.items >= MIN_ITEMS or self.rows >= MIN_ROWS


#: What makes a section filled (ai-compliance notes, section 3.2).
MIN_WORDS: Final = 15
MIN_ITEMS: Final = 2
#: A head and a row.
MIN_ROWS: Final = 2


def read_sections(card: HubCard) -> tuple[Section, ...]:
    """Return the sections of a card in their order; the first one is the text before the first heading.

    At most MAX_CHARACTERS in MAX_LINES are read, and MAX_SECTIONS headings. Takes time in proportion to the card.
    """
    lines = _split_lines(card.text)
    last_comment_end = next((number for number in range(len(lines), 0, -1) if "-->" in lines[number - 1]), 0)
    first = card.lines_before + 1
    parser = _CardParser(last_comment_end + card.lines_before, first)
    for number, line in enumerate(lines, start=first):
        parser.add_line(number, line)
    return parser.build_sections()


def is_read_whole(card: HubCard, sections: tuple[Section, ...]) -> bool:
    """Whether all of a card was read: otherwise, what is not found in it is not known to be absent."""
    return (
        not card.is_cut
        and len(card.text) <= MAX_CHARACTERS
        and card.text.count("\n") < MAX_LINES
        and len(sections) <= MAX_SECTIONS
    )


def explain_unread(card: Fact[HubCard], sections: tuple[Section, ...]) -> str:
    """Return why the whole of a card was not read; empty if it was, or if there is no card."""
    if isinstance(card, Unknown):
        return f"the card was not read: {card.reason}" if card.reason else "the card was not read"
    if isinstance(card, Found) and not is_read_whole(card.value, sections):
        return PART_READ
    return ""


#: A card of which ``is_read_whole`` is false.
PART_READ: Final = "only a part of the card was read"


def clean_heading(text: str) -> str:
    """Return a heading without markup, numbers, emoji, anchors and the colon at its end."""
    text = _strip_markup(text[:_MAX_HEADING])
    text = _ANCHOR.sub("", text)
    text = "".join(" " if unicodedata.category(character) in _SYMBOLS else character for character in text)
    text = _NUMBERING.sub("", text.strip(_HEADING_EDGES), count=1)
    return " ".join(text.strip(_HEADING_EDGES).split())


# --- lines

#: Control characters, zero-width and bidirectional marks: they hide text, or split words.
_INVISIBLE: Final = compile_late(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ud800-\udfff]"
)
#: Sequences that set colours and the like (ECMA-48 CSI), whole, so that no "[31m" is left over.
_ESCAPE: Final = compile_late(r"\x1b\[[0-?]{0,40}[ -/]{0,10}[@-~]")


def _split_lines(text: str) -> list[str]:
    text = text[:MAX_CHARACTERS].replace("\r\n", "\n").replace("\r", "\n")
    if not text.isascii():
        # Compatibility forms (full-width letters, ligatures) would otherwise not match; some expand to 18 characters.
        text = "".join(_normalise_pieces(text))[:MAX_CHARACTERS]
    text = _INVISIBLE.sub("", _ESCAPE.sub("", text))
    return text.split("\n", MAX_LINES)[:MAX_LINES]


def _normalise_pieces(text: str) -> Iterator[str]:
    size = 0
    for start in range(0, len(text), _PIECE):
        piece = unicodedata.normalize("NFKC", text[start : start + _PIECE])
        yield piece
        size += len(piece)
        if size >= MAX_CHARACTERS:
            return


# --- markup

_IMAGE: Final = compile_late(r"!\[[^\[\]]*\](?:\([^()]*\)|\[[^\[\]]*\])?")
_LINK: Final = compile_late(r"\[([^\[\]]*)\]\([^()]*\)")
_URL: Final = compile_late(r"<?\b(?:https?|ftp)://[^\s<>|)\]]*>?")
#: Not an address of mail in angle brackets.
_TAG: Final = compile_late(r"</?[A-Za-z][^<>@]*>|<![^<>]*>")
_CODE_SPAN: Final = compile_late(r"`[^`]*`")
_EMPHASIS: Final = compile_late(r"[*~]+|(?<!\w)_+|_+(?!\w)")
_ANCHOR: Final = compile_late(r"\{[^{}]*\}")
_ENTITY: Final = compile_late(r"&(?:nbsp|#160|ensp|emsp);")
_OPTIONAL: Final = compile_late(r"\[optional\]|\(optional\)", re.IGNORECASE)
_NUMBERING: Final = compile_late(
    r"^(?:\(?(?:\d{1,2}(?:\.\d{1,2}){0,4}|[IVX]{1,5}|[A-Za-z])[.)](?=\s|$)|\d{1,2}(?:\.\d{1,2}){0,4}(?=\s+[^\W\d_a-z]))\s*"
)
_HEADING_EDGES: Final = " \t#:-–—=•·>|"  # noqa: RUF001
#: Unicode categories of emoji and other signs in headings.
_SYMBOLS: Final = frozenset({"So", "Sk", "Cf", "Cn", "Co", "Cs"})


def _strip_markup(text: str) -> str:
    """Return the text of a line of Markdown with HTML in it."""
    if "[" in text:
        text = _OPTIONAL.sub(" ", text)
        text = _LINK.sub(r"\1", _IMAGE.sub(" ", text))
    if "<" in text:
        text = _TAG.sub(" ", text)
    if "://" in text:
        text = _URL.sub(" ", text)
    if "`" in text:
        text = _CODE_SPAN.sub(" ", text)
    if "&" in text:
        text = _ENTITY.sub(" ", text)
    if "*" in text or "_" in text or "~" in text:
        text = _EMPHASIS.sub("", text)
    return text.strip()


# --- templates

#: What templates of cards put in the place of content (of huggingface_hub, transformers, datasets and their likes).
_PLACEHOLDER: Final = compile_late(
    r"\[?\b(?:needs? )?more information(?: is)? needed\b(?: for further recommendations)?\]?\.?"
    r"|\[?\bneeds more information\b\]?\.?|\{\{[^{}]*\}\}|\{%[^{}]*%\}"
    r"|\[(?:insert|add|your|describe|todo|tbd|name|link)\b[^\[\]]*\](?!\()"
    r"|users (?:\(both direct and downstream\) )?should be made aware of the risks, biases,? and limitations"
    r" of the (?:model|dataset)\.?"
    r"|this (?:model ?card|dataset card) aims to be a base template for new (?:models|datasets)\."
    r"|it has been generated using this raw template\.?"
    r"|this is the model card of a \W{0,4}transformers model that has been pushed on the hub\."
    r"|this model card has been automatically generated\.?"
    r"|use the code below to get started with the model\.?"
    r"|carbon emissions can be estimated using the machine learning impact calculator presented in"
    r" lacoste et al\. \(2019\)\.?",
    re.IGNORECASE,
)
#: One of these, in lower case, is in each text that the pattern matches.
_PLACEHOLDER_PARTS: Final = (
    "information",
    "{{",
    "{%",
    "[",
    "should be made aware",
    "template",
    "model card of a",
    "automatically generated",
    "the code below",
    "carbon emissions",
)
#: Whole lines and cells that stand for nothing: their words, lower case.
_EMPTY_TEXTS: Final = frozenset(
    """
    todo,to do,tbd,tba,tbc,n a,na,none,null,nil,unknown,not available,not specified,not provided,not applicable,
    coming soon,more to come,to be added,to be announced,to be completed,to be done,to be filled,to be updated,
    work in progress,wip,xx,xxx,xxxx,placeholder,lorem ipsum,click to expand,more information needed,待补充,待更新,未定
    """.replace("\n", "")
    .replace("    ", "")
    .split(",")
)
_WORD: Final = compile_late(r"\w+")
#: Longest line that is compared with them, in characters.
_MAX_EMPTY_TEXT: Final = 80


def _remove_placeholders(text: str) -> str:
    lower = text.lower()
    if any(words in lower for words in _PLACEHOLDER_PARTS):
        text = _PLACEHOLDER.sub(" ", text).strip()
    if len(text) > _MAX_EMPTY_TEXT:
        return text
    words = _WORD.findall(text.replace("_", " "))
    return text if words and " ".join(words).lower() not in _EMPTY_TEXTS else ""


#: Scripts without spaces between words: two characters count as a word.
_UNSPACED: Final = compile_late(r"[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]")


def _count_words(text: str) -> int:
    words = len(text.split())
    return words if text.isascii() else words + len(_UNSPACED.findall(text)) // 2


# --- the parser


class _Builder:
    """A section that is being read."""

    def __init__(self, heading: str, level: int, line: int, parents: tuple[_Builder, ...]) -> None:
        self.heading = heading
        self.level = level
        self.line = line
        self.parents = parents
        self.lines: list[str] = []
        self.words = self.items = self.rows = self.number_rows = 0
        self.has_placeholder = False

    def build(self) -> Section:
        return Section(
            heading=self.heading,
            level=self.level,
            line=self.line,
            text="\n".join(self.lines).strip("\n"),
            parents=tuple(parent.heading for parent in self.parents if parent.heading),
            words=self.words,
            items=self.items,
            rows=self.rows,
            number_rows=self.number_rows,
            has_placeholder=self.has_placeholder,
        )


_FENCE: Final = compile_late(r"[ \t>]{0,20}(`{3,}|~{3,})")
_ATX: Final = compile_late(r" {0,3}(#{1,6})(?:[ \t]+(.*)|(?<=##)([^\s#].*))?$")
_HTML_HEADING: Final = compile_late(
    r"\s*(?:<(?:div|p|center|a|br)\b[^<>]*>\s*){0,3}<h([1-6])\b[^<>]*>(.*)", re.IGNORECASE
)
_HTML_HEADING_END: Final = compile_late(r"</h[1-6]\s*>", re.IGNORECASE)
_SUMMARY: Final = compile_late(r"\s*(?:<details\b[^<>]*>\s*)?<summary\b[^<>]*>(.*?)(?:</summary>(.*))?$", re.IGNORECASE)
_UNDERLINE: Final = compile_late(r" {0,3}(=+|-{2,})[ \t]*$")
_ITEM: Final = compile_late(r"[ \t]{0,40}(?:[-*+•]|\d{1,4}[.)])[ \t]+")
_BOLD_LINE: Final = compile_late(r"[ \t]*(?:\*\*\*?|__)([^*]{1,100}?)(?:\*\*\*?|__)[ \t]*:?[ \t]*$")
_BOLD_LABEL: Final = compile_late(r"(?:\*\*\*?|__)([^*]{1,80}?)(?::[ \t]*(?:\*\*\*?|__)|(?:\*\*\*?|__)[ \t]*:)(.*)")
#: Labels that hold for the paragraphs after them too, and need no colon: "**Out-of-scope** Use in any ...".
_TOPIC_LABEL: Final = compile_late(
    r"(?:\*\*\*?|__)(?=[^*]{0,60}?\b(?:intended|out[ -]of[ -]scope|misuse|prohibited|not for|limitations?|use cases?"
    r"|uses?|restrictions?|bias|risks?|training data|evaluation)\b)([^*]{1,60}?):?(?:\*\*\*?|__)[ \t]*:?[ \t]+(\S.*)",
    re.IGNORECASE,
)
_HTML_ROW: Final = compile_late(r"<tr\b", re.IGNORECASE)
_HTML_CELL: Final = compile_late(r"<t[dh]\b", re.IGNORECASE)
_RAW_START: Final = compile_late(r"<!--|<(script|style|pre)\b[^<>]*>", re.IGNORECASE)
_RAW_ENDS: Final = {
    "": compile_late(r"-->"),
    "script": compile_late(r"</script\s*>", re.IGNORECASE),
    "style": compile_late(r"</style\s*>", re.IGNORECASE),
    "pre": compile_late(r"</pre\s*>", re.IGNORECASE),
}
_DIGIT: Final = compile_late(r"\d")


class _CardParser:
    def __init__(self, last_comment_end: int, first_line: int) -> None:
        #: Number of the last line that has the end of a comment.
        self._last_comment_end = last_comment_end
        top = _Builder("", TOP, first_line, ())
        self._builders = [top]
        #: The sections that are open, outermost first.
        self._open = [top]
        self._fence = ""
        #: The part that is being left out: a comment (empty), ``script``, ``style`` or ``pre``; None = none.
        self._skipped: str | None = None
        #: The text and number of the previous line, if it is a paragraph of one line that may be underlined.
        self._paragraph: tuple[str, int] | None = None
        self._follows_blank = True

    def build_sections(self) -> tuple[Section, ...]:
        # Subsections come after their parents: from the last one on, each adds its numbers to the one above it.
        for builder in reversed(self._builders):
            if builder.parents:
                parent = builder.parents[-1]
                parent.words += builder.words
                parent.items += builder.items
                parent.rows += builder.rows
                parent.number_rows += builder.number_rows
                parent.has_placeholder |= builder.has_placeholder
        return tuple(builder.build() for builder in self._builders)

    def add_line(self, number: int, line: str) -> None:
        """Read one line, with its number from 1."""
        if self._fence:
            fence = _FENCE.match(line)
            if fence and fence[1].startswith(self._fence) and not line[fence.end() :].strip(" \t`~"):
                self._fence = ""
            return
        if self._skipped is not None or "<" in line:
            line = self._remove_raw_parts(number, line)
        if not line or line.isspace():
            self._end_paragraph()
            return
        if (fence := _FENCE.match(line)) and (fence[1][0] == "~" or "`" not in line[fence.end() :]):
            self._fence = fence[1]
            self._end_paragraph()
            return
        previous, self._paragraph = self._paragraph, None
        follows_blank, self._follows_blank = self._follows_blank, False
        if self._add_heading(number, line, previous):
            self._follows_blank = True
            return
        self._add_text(number, line, follows_blank=follows_blank)

    def _end_paragraph(self) -> None:
        self._paragraph, self._follows_blank = None, True
        if self._open[-1].level == LABEL:
            self._open.pop()
        lines = self._open[-1].lines
        if lines and lines[-1]:
            lines.append("")

    def _remove_raw_parts(self, number: int, line: str) -> str:
        """Return a line without comments, scripts and preformatted text, which may go on in the next lines."""
        kept: list[str] = []
        position = 0
        while True:
            if self._skipped is not None:
                end = _RAW_ENDS[self._skipped].search(line, position)
                if end is None:
                    break
                position, self._skipped = end.end(), None
            start = _RAW_START.search(line, position)
            # A comment without an end is shown as text, unless it starts a line.
            if start is None or (not start[1] and number > self._last_comment_end and line[: start.start()].strip()):
                kept.append(line[position:])
                break
            kept.append(line[position : start.start()])
            position, self._skipped = start.end(), (start[1] or "").lower()
        return "".join(kept)

    # --- headings

    def _add_heading(self, number: int, line: str, previous: tuple[str, int] | None) -> bool:
        """Open a section if the line is a heading; return whether it is."""
        first = line.lstrip()[:1]
        if first == "#":
            match = _ATX.match(line)
            return match is not None and self._open_section(match[2] or match[3] or "", len(match[1]), number)
        if first == "<":
            return self._add_html_heading(number, line)
        if first in "=-" and previous and (match := _UNDERLINE.match(line)):
            # The line above is the heading: what was added as its text is taken back.
            self._take_back(previous[0])
            return self._open_section(previous[0], 1 if match[1][0] == "=" else 2, previous[1])
        if first in "*_" and (match := _BOLD_LINE.match(line)) and not match[1].rstrip().endswith((".", "!", ",")):
            return self._open_section(match[1], BOLD, number)
        return False

    def _add_html_heading(self, number: int, line: str) -> bool:
        if match := _HTML_HEADING.match(line):
            text = _HTML_HEADING_END.split(match[2], maxsplit=1)
            is_heading = self._open_section(text[0], int(match[1]), number)
            if is_heading and len(text) > 1 and text[1].strip():
                self._add_text(number, text[1], follows_blank=True)
            return is_heading
        if (match := _SUMMARY.match(line)) and _strip_markup(match[1]):
            if not self._open_section(match[1], BOLD, number):
                return False
            if match[2] and match[2].strip():
                self._add_text(number, match[2], follows_blank=True)
            return True
        return False

    def _open_section(self, markup: str, level: int, number: int) -> bool:
        heading = "" if len(self._builders) > MAX_SECTIONS else clean_heading(markup)
        if not heading:
            return False
        while len(self._open) > 1 and self._open[-1].level >= level:
            self._open.pop()
        builder = _Builder(heading, level, number, tuple(self._open))
        self._builders.append(builder)
        self._open.append(builder)
        return True

    # --- text

    def _add_text(self, number: int, line: str, *, follows_blank: bool) -> None:
        item = _ITEM.match(line)
        content = line[item.end() :] if item else line.strip()
        if item and self._open[-1].level == LABEL:
            self._open.pop()
        topic = label = None
        if content[:2] in ("**", "__"):
            topic = None if item else _TOPIC_LABEL.match(content)
            label = topic or _BOLD_LABEL.match(content)
        if label and self._open_section(label[1], BOLD if topic else LABEL, number):
            if self._add_content(label[2], is_item=False):
                self._open[-1].items += item is not None
            return
        is_row = not item and self._add_row(line, content)
        if not is_row:
            text = self._add_content(content, is_item=item is not None)
            if text and follows_blank and not item and content[:1] not in ">|":
                self._paragraph = (text, number)

    def _add_row(self, line: str, content: str) -> bool:
        """Count a row of a table; return whether nothing is left to add."""
        section = self._open[-1]
        if content[:1] == "|" or content.count("|") > 1:
            if not content.strip("|:+- \t"):
                return True
            cells = [_remove_placeholders(_strip_markup(cell)) for cell in content.strip("|").split("|")]
            if any(cells):
                section.rows += 1
                section.number_rows += any(_DIGIT.search(cell) for cell in cells[1:])
                self._add_words(" | ".join(cells))
            return True
        if "<t" in line or "<T" in line:
            section.rows += len(_HTML_ROW.findall(line))
            if _HTML_CELL.search(line) and _DIGIT.search(_strip_markup(line)):
                section.number_rows += 1
        return False

    def _add_content(self, markup: str, *, is_item: bool) -> str:
        text = _strip_markup(markup)
        kept = _remove_placeholders(text)
        if kept != text and text:
            self._open[-1].has_placeholder = True
        if kept:
            self._open[-1].items += is_item
            self._add_words(f"- {kept}" if is_item else kept)
        return kept

    def _add_words(self, text: str) -> None:
        section = self._open[-1]
        section.lines.append(text)
        section.words += _count_words(text)

    def _take_back(self, text: str) -> None:
        section = self._open[-1]
        if section.lines and section.lines[-1] == text:
            section.lines.pop()
            section.words -= _count_words(text)
