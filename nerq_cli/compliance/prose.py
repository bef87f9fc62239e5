"""Sentences of cards: where they stand, and whether they exclude what they name.

Careful authors list uses in order to exclude them. A term that is found in such a passage describes what the artefact
is not for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from nerq_cli.compliance.areas import Hit, iter_hits, prepare_text
from nerq_cli.compliance.card import LABEL, Section
from nerq_cli.patterns import compile_late


class Clause(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a sentence that is negated, or not, as a whole."""

    #: Lower case, in one line.
    text: str
    #: The text as it was written, of the same length.
    quote: str
    #: The text as the patterns of areas need it, of the same length.
    plain: str
    #: Where it names areas.
    hits: tuple[Hit, ...] = ()
    section: Section
    #: Whether the passage around it excludes what it names: its heading, or the sentence that introduces the list.
    is_excluded: bool
    #: Whether it stands where the intended use is described.
    is_purpose: bool
    #: Whether it stands where the artefact is summarised.
    is_summary: bool
    #: Where a negation ends: it holds for what comes after it; None = there is none.
    negated_from: int | None = None
    #: Where a predicate that excludes ("is not supported") starts: it holds for what comes before it; None = as above.
    negated_until: int | None = None

    def excludes(self, start: int, end: int) -> bool:
        """Whether the clause excludes the term at these positions of its text."""
        return (
            self.is_excluded
            or (self.negated_from is not None and self.negated_from <= start)
            or (self.negated_until is not None and end <= self.negated_until)
        )

    @property
    def is_negated(self) -> bool:
        """Whether the clause excludes anything."""
        return self.is_excluded or self.negated_from is not None or self.negated_until is not None


#: Headings of passages that list what the artefact is not for, or what may go wrong.
EXCLUDING_HEADING: Final = compile_late(
    r"\b(?:out[ -]of[ -]scope|mis-?use|malicious|prohibit\w*|forbidden|disallowed|unacceptable|unsupported"
    r"|restrict\w*"
    r"|not (?:intended|recommended|suitable|supported|allowed|for)|non-goals?|unintended|limitations?|limits|caveats?"
    r"|known issues?|risks?|bias(?:es)?|warnings?|disclaimers?|ethic\w*|harms?|safety|considerations?|don'?ts?|do not"
    r"|avoid|inappropriate|high-risk|acceptable use|use policy)\b",
    re.IGNORECASE,
)
#: Headings of passages that describe what the artefact is for.
PURPOSE_HEADING: Final = compile_late(
    r"^(?:(?:primary |main |key |supported |expected |example |potential )?(?:intended |direct |downstream )?"
    r"(?:uses?|usages?|use cases?|applications?|purposes?)(?: (?:and|&) \w+)?|intended (?:audience|users?"
    r"|purpose)\b.*"
    r"|(?:primary|main) intended uses?|model uses?|how to use|what (?:is|can) .{1,40} (?:for|be used for)\??)$",
    re.IGNORECASE,
)
#: Headings of passages that summarise the artefact.
_SUMMARY_HEADING: Final = compile_late(
    r"\b(?:summary|overview|introduction|description|about|highlights|abstract|model details|tl;?dr|at a glance"
    r"|what is|key features|features|capabilities)\b",
    re.IGNORECASE,
)

#: Before a term. "Not only" and "not limited to" add to what is named.
_NEGATION: Final = compile_late(
    r"\b(?:not(?! (?:only|just|limited|necessarily limited))|never|cannot|can't|don't|doesn't|isn't|aren't|won't"
    r"|shouldn't|mustn't|mayn't|neither|nor|no(?! longer)|none|without(?! (?:further|any)? ?(?:training|tuning))"
    r"|prohibit\w*"
    r"|forbid\w*|forbidden|unsuitable|inappropriate|unsupported|unacceptable|avoid\w*|refrain\w*|exclud\w*"
    r"|disallow\w*"
    r"|restricted|banned|bans?|illegal|unlawful|mis-?use\w*|discourag\w*|out[ -]of[ -]scope|rather than|instead of"
    r"|other than|except|beware|against|violat\w*|harmful|malicious|may lead to|could lead to|risks? of|decline\w*"
    r"|refus\w*|lacks?|fails?|unable|absence of)\b"
)
#: After a term: "... is not supported", "... are prohibited".
_PREDICATE: Final = compile_late(
    r"\b(?:(?:not|never|cannot|\w{2,7}n't) (?:\w+ ){0,2}?(?:be|been|allowed|permitted|supported|recommended"
    r"|intended|suitable"
    r"|appropriate|covered|advised|designed|used|in scope|acceptable|a supported|an intended|authori[sz]ed|validated"
    r"|approved|cleared|evaluated|tested)|prohibited|forbidden|banned|out[ -]of[ -]scope|excluded|disallowed"
    r"|unsupported"
    r"|discouraged|unsuitable|inappropriate|unacceptable|unlawful|illegal|violates?|off[ -]limits|strictly"
    r" restricted)\b"
)
#: What ties what follows to the sentence: a list, or further sentences of the paragraph.
_INTRODUCES: Final = compile_late(
    r":\s*$|\b(?:the )?following\b|\b(?:these|such) (?:uses|purposes|cases|applications)\b"
)
_ABBREVIATION: Final = compile_late(r"\b(e\.g|i\.e|etc|vs|incl|approx|cf|resp|fig|no|dr|al)\.", re.IGNORECASE)
_SENTENCE_END: Final = compile_late(r"(?<=[.!?;。！？；])\s+|(?<=[。！？；])")  # noqa: RUF001
_CLAUSE_END: Final = compile_late(
    r",? \b(?:but|however|although|though|whereas|while)\b,? |, (?:and|which|it|so) (?=(?:is|are|can|will|it|was"
    r"|has)\b)"
    r"| and (?=(?:is|are|can|it|was) )| [\u2013\u2014] | \| "
)


def iter_clauses(sections: Sequence[Section]) -> Iterator[Clause]:
    """Yield the clauses of a card in their order."""
    introduction = ""
    for index, section in enumerate(sections):
        context = _Context(index, section)
        if section.level != LABEL:
            introduction = ""
        for block, is_item in _iter_blocks(section.text):
            if not is_item:
                introduction = ""
            lowered = _lower(block)
            for start, end in _iter_parts(_SENTENCE_END, lowered):
                sentence = lowered[start:end]
                yield from context.build_clauses(sentence, block[start:end], introduction)
                introduction = _find_introduction(sentence) or introduction


class _Context:
    """What the headings above a sentence make of it."""

    def __init__(self, index: int, section: Section) -> None:
        self._section = section
        headings = (*section.parents[1:], section.heading) if section.level > 1 else (section.heading,)
        self._is_excluded = any(EXCLUDING_HEADING.search(heading) for heading in headings if heading)
        self._is_purpose = any(PURPOSE_HEADING.search(heading) for heading in headings if heading)
        self._is_summary = _is_summary(index, section)

    def build_clauses(self, sentence: str, quote: str, introduction: str) -> Iterator[Clause]:
        """Yield the clauses of a sentence in lower case; ``quote`` has it as it was written."""
        is_excluded = self._is_excluded or introduction == _EXCLUDES
        for start, end in _iter_clause_spans(sentence):
            text = sentence[start:end]
            negation = _NEGATION.search(text)
            predicate = None
            for predicate in _PREDICATE.finditer(text):  # noqa: B007 - the last one
                pass
            plain = prepare_text(text)
            yield Clause(
                text=text,
                quote=quote[start:end],
                plain=plain,
                hits=tuple(iter_hits(plain)),
                section=self._section,
                is_excluded=is_excluded,
                is_purpose=not is_excluded and (self._is_purpose or introduction == _STATES),
                is_summary=not is_excluded and self._is_summary,
                negated_from=negation.end() if negation else None,
                negated_until=predicate.start() if predicate else None,
            )


#: What a sentence that introduces a list, or further sentences of its paragraph, makes of them.
_EXCLUDES: Final = "excludes"
_STATES: Final = "states"


def _find_introduction(sentence: str) -> str:
    """Return what a sentence makes of what follows it; empty = nothing."""
    if not _INTRODUCES.search(sentence):
        return ""
    if _NEGATION.search(sentence) or _PREDICATE.search(sentence):
        return _EXCLUDES
    return _STATES if _STATES_PURPOSE.search(sentence) else ""


def _lower(text: str) -> str:
    """Return a text in lower case and of the same length: a few letters have no single lower-case letter."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(lower if len(lower := letter.lower()) == 1 else letter for letter in text)


def _iter_parts(separator: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    """Yield where the parts of a text between separators start and end."""
    start = 0
    for match in separator.finditer(text):
        yield start, match.start()
        start = match.end()
    yield start, len(text)


def _iter_clause_spans(sentence: str) -> Iterator[tuple[int, int]]:
    for first, last in _iter_parts(_CLAUSE_END, sentence):
        for start in range(first, last, _MAX_CLAUSE):
            yield start, min(start + _MAX_CLAUSE, last)


#: Longer clauses, of authors who write no stops, are parted.
_MAX_CLAUSE: Final = 1_000

_STATES_PURPOSE: Final = compile_late(
    r"\b(?:intended|designed|built|made|suitable|used|useful|ideal|optimi[sz]ed|trained|developed|created)"
    r" (?:\w+ ){0,3}?(?:for|to|as|in)\b"
)


def _is_summary(index: int, section: Section) -> bool:
    """Whether a section is the text before the first heading, that of the title, or headed as a summary."""
    if index == 0 or (index == 1 and section.level == 1):
        return True
    return _SUMMARY_HEADING.search(section.heading) is not None and len(section.parents) <= _MAX_SUMMARY_DEPTH


_MAX_SUMMARY_DEPTH: Final = 2


def _iter_blocks(text: str) -> Iterator[tuple[str, bool]]:
    """Yield paragraphs, items of lists and rows of tables, each in one line, and whether it is an item.

    A paragraph that follows a list without an item of its own ends it.
    """
    lines: list[str] = []
    is_item = False
    for line in (*text.split("\n"), ""):
        starts_item = line.startswith("- ")
        if lines and (not line or starts_item or " | " in line):
            yield _ABBREVIATION.sub(r"\1", " ".join(lines)), is_item
            lines = []
        if not line:
            continue
        if not lines:
            is_item = starts_item or " | " in line
        lines.append(line.removeprefix("- "))
