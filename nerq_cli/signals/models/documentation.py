"""Documentation signals of a repository: what its card treats, and whether results are stated."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

from nerq_cli.compliance.card import Section
from nerq_cli.facts import Absent, Found
from nerq_cli.hub_facts import HubKind
from nerq_cli.methodology.types import SignalSpec
from nerq_cli.patterns import compile_late
from nerq_cli.signals.models.context import RepositoryContext
from nerq_cli.signals.signal import (
    MeasureFunction,
    Signal,
    build_from_level,
    build_known,
    build_missing,
    build_not_applicable,
    build_unknown,
    format_count,
)

#: The topics of a card, by words of the headings that treat them. The text before the first heading, and the heading of
#: the title, are the summary.
_TOPICS: Final[Mapping[str, re.Pattern[str]]] = MappingProxyType(
    {
        "summary": compile_late(
            r"\b(summary|description|introduction|overview|about|abstract|details|highlights|key features)\b",
            re.IGNORECASE,
        ),
        "intended use": compile_late(
            r"\b(uses?|usages?|usecases?|intended|applications?|purpose|recommended|supported tasks|scope|misuse)\b",
            re.IGNORECASE,
        ),
        "limits": compile_late(
            r"\b(limits?|limitations?|bias(es)?|risks?|ethic\w*|caveats?|fairness|safety|known issues|considerations?"
            r"|disclaimers?|responsib\w+|warnings?)\b",
            re.IGNORECASE,
        ),
        "training data": compile_late(
            r"\b(data|datasets?|corpus|corpora)\b"
            r"|\b(source|curation|provenance|collection)\b",
            re.IGNORECASE,
        ),
        "training method": compile_late(
            r"\b(train(ing|ed)?|pre-?training|fine-?tun\w+|quanti[sz]ation"
            r"|architecture|method(ology|s)?|hyperparameters|annotat\w+|creation|conversion|distillation)\b",
            re.IGNORECASE,
        ),
        "evaluation": compile_late(
            r"\b(evaluations?|results?|benchmarks?|performance|metrics?|accuracy|scores?|leaderboard)\b", re.IGNORECASE
        ),
        "how to use": compile_late(
            r"\b(how to|usage|quick ?start|get(ting)? started|examples?|inference|install\w*|run(ning)?|load(ing)?"
            r"|deploy\w*|code|tutorial|usage tips|structure|api)\b",
            re.IGNORECASE,
        ),
        "contact or citation": compile_late(
            r"\b(contacts?|citations?|cite|citing|bibtex|authors?|developed by|support|acknowledge?ments?|references?"
            r"|maintainers?|shared by|curated by|team)\b",
            re.IGNORECASE,
        ),
    }
)
_TOPICS_BY_KIND: Final[Mapping[HubKind, tuple[str, ...]]] = MappingProxyType(
    {
        "model": tuple(_TOPICS),
        "dataset": tuple(topic for topic in _TOPICS if topic != "evaluation"),
        "space": ("summary", "intended use", "limits", "how to use", "contact or citation"),
        "kernel": ("summary", "intended use", "limits", "how to use", "contact or citation"),
    }
)
#: Topics whose content is code or a short list rather than prose.
_SHORT_TOPICS: Final = frozenset({"how to use", "contact or citation"})
_WORD: Final = compile_late(r"\w+")
_PART_READ: Final = "only a part of the card was read"

#: Commands in a card that run what they download, or hide what they run.
_DANGEROUS_COMMAND: Final = compile_late(
    r"\b(?:curl|wget)\b[^\n|;&]{0,300}\|[ \t]{0,5}(?:sudo[ \t]{1,5})?(?:ba|z|da)?sh\b"
    r"|\b(?:powershell|pwsh)(?:\.exe)?\b[^\n]{0,100}[ \t]-e(?:c|nc|ncodedcommand)?[ \t]"
    r"|\b(?:iex|invoke-expression)\b[^\n]{0,100}\b(?:iwr|irm|curl|downloadstring|invoke-(?:webrequest|restmethod))\b"
    r"|\b(?:iwr|irm|invoke-(?:webrequest|restmethod))\b[^\n|]{0,300}\|[ \t]{0,5}(?:iex|invoke-expression)\b",
    re.IGNORECASE,
)
#: Hosts of installers that cards name for good reasons.
_KNOWN_INSTALLERS: Final = (
    "://astral.sh/",
    "://bun.sh/",
    "://deb.nodesource.com/",
    "://get.docker.com",
    "://github.com/astral-sh/",
    "://hf.co/",
    "://huggingface.co/",
    "://ollama.com/",
    "://raw.githubusercontent.com/Homebrew/",
    "://raw.githubusercontent.com/nvm-sh/",
    "://sh.rustup.rs",
)


def find_topics(sections: Sequence[Section], min_words: float) -> frozenset[str]:
    """Return the topics that the sections of a card treat."""
    found: set[str] = set()
    for section in sections:
        is_filled = section.words >= min_words or section.is_filled
        if is_filled and (not section.heading or section.level == 1):
            found.add("summary")
        for topic, pattern in _TOPICS.items():
            # Code is no prose: a section with a single block of code has no words.
            if topic not in found and (is_filled or topic in _SHORT_TOPICS) and pattern.search(section.heading):
                found.add(topic)
    return frozenset(found)


def measure_card(context: RepositoryContext, spec: SignalSpec) -> Signal:
    """Measure the length of the card and the topics that it treats."""
    fact, kind = context.evidence.card, context.kind
    if isinstance(fact, Absent):
        return build_from_level(spec, "no card", "no card", fact)
    if not isinstance(fact, Found) or context.sections is None:
        return build_missing(spec, fact)
    if kind is None:
        return build_missing(spec, context.fact)
    command, line = find_dangerous_command(fact.value.text)
    if command and kind != "space":
        reason = f"line {fact.value.lines_before + line} of the card asks readers to run a download: {command}"
        return build_from_level(spec, "dangerous command", reason, fact)
    topics = _TOPICS_BY_KIND[kind]
    found = find_topics(context.sections, context.limit("topic_words"))
    missing = [topic for topic in topics if topic not in found]
    if missing and not context.is_card_whole:
        return build_unknown(spec, f"{_PART_READ}, and nothing in it about {', '.join(missing)}", fact.source)
    characters = sum(len(section.text) + len(section.heading) for section in context.sections)
    length = spec.curves["characters"].value_at(characters)
    share = 100.0 * (len(topics) - len(missing)) / len(topics)
    reason = f"card of {format_count(characters, 'character')}" + (
        f", nothing about {', '.join(missing)}" if missing else ""
    )
    signal = build_known(spec, spec.levels["length"] * length + spec.levels["topics"] * share, reason, fact)
    return signal if context.is_card_whole else msgspec.structs.replace(signal, may_change=True)


def measure_evaluation(context: RepositoryContext, spec: SignalSpec) -> Signal:
    """Measure whether results are stated, and limits."""
    fact, kind = context.evidence.card, context.kind
    if kind is not None and kind != "model":
        return build_not_applicable(spec, f"a {kind} is not evaluated")
    if not isinstance(fact, (Found, Absent)):
        return build_missing(spec, fact)
    if not context.is_header_read:
        return build_unknown(spec, "header of the card not read", context.fact.source)
    header, sections = context.card, context.sections or ()
    table = next((s for s in sections if s.number_rows and _TOPICS["evaluation"].search(s.heading)), None)
    number = next(
        (s for s in sections if s.is_filled and _TOPICS["evaluation"].search(s.heading) and has_digit(s.text)), None
    )
    has_limits = "limits" in find_topics(sections, context.limit("topic_words"))
    has_results = (header is not None and header.has_results) or table is not None or number is not None
    if isinstance(fact, Found) and not context.is_card_whole and not (has_results and has_limits):
        missing = " and ".join([*([] if has_results else ["results"]), *([] if has_limits else ["limits"])])
        return build_unknown(spec, f"{_PART_READ}, and no {missing} in it", fact.source)
    value, parts = 0.0, []
    if header is not None and header.has_results:
        value, parts = spec.levels["results"], ["results in the header of the card"]
    elif section := table or number:
        value, parts = spec.levels["results"], [f"results under {section.heading!r}"]
    elif header is not None and header.metrics:
        value, parts = spec.levels["metrics"], ["metrics named, without results"]
    else:
        parts = ["no results"]
    parts.append("limits stated" if has_limits else "nothing about limits")
    value += spec.levels["limits"] if has_limits else 0.0
    signal = build_known(spec, value, ", ".join(parts), fact)
    return signal if context.is_card_whole else msgspec.structs.replace(signal, may_change=True)


def has_digit(text: str) -> bool:
    """Return whether a text has a number."""
    return any(character.isdigit() for character in text)


def find_dangerous_command(text: str) -> tuple[str, int]:
    """Return a command of a card that runs a download, with its line (from 1); empty if there is none."""
    for match in _DANGEROUS_COMMAND.finditer(text):
        if not any(host in match[0] for host in _KNOWN_INSTALLERS):
            return " ".join(match[0].split())[:80], text.count("\n", 0, match.start()) + 1
    return "", 0


#: The function of each signal, by id.
FUNCTIONS: Final[Mapping[str, MeasureFunction[RepositoryContext]]] = {
    "card": measure_card,
    "evaluation": measure_evaluation,
}
