"""Evidence keys: which signals of documentation a repository has, and where they stand.

A key is present (with a pointer to the field or heading), absent (its places were read in full and it is not there, or
only a placeholder is), unknown (a place was not read), or not applicable to the task.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from nerq_cli.compliance.card import MIN_ROWS, Section, explain_unread, read_sections
from nerq_cli.compliance.eu_class import find_excluded_area, point_to
from nerq_cli.compliance.licences import describe_licences, read_licences
from nerq_cli.compliance.prose import Clause, iter_clauses
from nerq_cli.compliance.tasks import is_generative
from nerq_cli.facts import NOT_REQUESTED, Absent, Fact, Found, Unknown
from nerq_cli.hub_facts import HubCard, HubEvidence, HubOwner, HubRepository
from nerq_cli.patterns import compile_late

State: TypeAlias = Literal["present", "absent", "unknown", "not_applicable"]

#: How much a key counts in the readiness of a jurisdiction that asks for it. What the artefact does, to whom and with
#: what data counts twice as much as who publishes it and how. Our own weights: no instrument states any.
KEY_WEIGHTS: Final[Mapping[str, float]] = {
    "license_declared": 1.0,
    "intended_use": 2.0,
    "out_of_scope_use": 2.0,
    "limitations": 2.0,
    "bias_assessment": 2.0,
    "training_data_summary": 2.0,
    "evaluation_results": 2.0,
    "provider_contact": 1.0,
    "ai_generated_content_transparency": 2.0,
    "personal_data_statement": 2.0,
    "security_contact": 1.0,
    "version_history": 1.0,
    "copyright_policy": 1.0,
    "risk_class_statement": 1.0,
}
#: Keys in words.
KEY_LABELS: Final[Mapping[str, str]] = {
    "license_declared": "licence declared",
    "intended_use": "intended use",
    "out_of_scope_use": "out-of-scope use",
    "limitations": "limitations",
    "bias_assessment": "bias",
    "training_data_summary": "training data",
    "evaluation_results": "evaluation",
    "provider_contact": "provider and contact",
    "ai_generated_content_transparency": "marking of output",
    "personal_data_statement": "personal data",
    "security_contact": "security contact",
    "version_history": "version history",
    "copyright_policy": "copyright",
    "risk_class_statement": "risk class",
}
#: Credit of a key that a field only hints at, or that only the base model has.
HALF: Final = 0.5


class KeyEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one key."""

    key: str
    state: State
    #: 0 to 1: 1 = present, HALF = hinted at or inherited, 0 = otherwise.
    credit: float = 0.0
    #: ``field license``, ``heading "Limitations", line 12``; empty if there is no sign of it.
    pointer: str = ""
    #: The beginning of what stands there, at most 120 characters.
    quote: str = ""
    #: Why it is absent although there is a heading, or unknown, or not applicable, or only half present.
    reason: str = ""
    #: Id of the base model whose documentation has it.
    inherited_from: str = ""


class _Sign(msgspec.Struct, frozen=True):
    """A place that has a key."""

    pointer: str
    quote: str = ""
    credit: float = 1.0
    reason: str = ""


class _Documents(msgspec.Struct, frozen=True, kw_only=True):
    """What is read about a repository."""

    repository: HubRepository
    owner: Fact[HubOwner]
    sections: tuple[Section, ...]
    clauses: tuple[Clause, ...]
    #: Why the card, or a part of it, was not read; empty if it was, or if there is none.
    unread_card: str


def read_keys(
    evidence: HubEvidence,
    sections: tuple[Section, ...],
    clauses: tuple[Clause, ...],
    base_cards: Mapping[str, Fact[HubCard]] | None = None,
) -> tuple[KeyEvidence, ...]:
    """Return the state of each key, in the order of KEY_WEIGHTS.

    ``sections`` and ``clauses`` are those of the card, empty if it was not read; ``base_cards`` are cards of base
    models, by id.
    """
    if not isinstance(evidence.repository, Found):
        reason = _describe_unread("repository", evidence.repository)
        return tuple(KeyEvidence(key=key, state="unknown", reason=reason) for key in KEY_WEIGHTS)
    own = _read_documents(evidence.repository.value, evidence.card, evidence.owner, sections, clauses)
    keys = [_read_key(key, own) for key in KEY_WEIGHTS]
    bases = list(_iter_bases(evidence, base_cards or {}))
    return tuple(_inherit(key, bases) if key.state != "present" else key for key in keys)


def _read_documents(
    repository: HubRepository,
    card: Fact[HubCard],
    owner: Fact[HubOwner],
    sections: tuple[Section, ...],
    clauses: tuple[Clause, ...],
) -> _Documents:
    unread = explain_unread(card, sections)
    return _Documents(repository=repository, owner=owner, sections=sections, clauses=clauses, unread_card=unread)


def _describe_unread(what: str, fact: Fact[HubRepository] | Fact[HubCard]) -> str:
    reason = fact.reason if isinstance(fact, (Absent, Unknown)) else ""
    return f"the {what} was not read: {reason}" if reason else f"the {what} was not read"


def _read_key(key: str, documents: _Documents) -> KeyEvidence:
    best: _Sign | None = None
    unread = documents.unread_card
    for sign in _READERS[key](documents):
        if isinstance(sign, str):
            unread = unread or sign
        elif best is None or sign.credit > best.credit:
            best = sign
            if sign.credit >= 1:
                break
    if best is not None and best.credit < 1 and unread:
        hint = f"{unread}; {best.pointer} hints at it"
        return KeyEvidence(key=key, state="unknown", pointer=best.pointer, quote=_cut(best.quote), reason=hint)
    if best is not None:
        return KeyEvidence(
            key=key,
            state="present",
            credit=best.credit,
            pointer=best.pointer,
            quote=_cut(best.quote),
            reason=best.reason,
        )
    if key == "ai_generated_content_transparency" and (reason := _needs_no_marking(documents.repository)):
        return KeyEvidence(key=key, state="not_applicable", reason=reason)
    if unread:
        return KeyEvidence(key=key, state="unknown", reason=unread)
    return KeyEvidence(key=key, state="absent", reason=_find_placeholder(key, documents.sections))


def _needs_no_marking(repository: HubRepository) -> str:
    if repository.kind == "dataset":
        return "a dataset has no output"
    return f"task {repository.pipeline_tag} produces no content" if is_generative(repository) is False else ""


def _find_placeholder(key: str, sections: Sequence[Section]) -> str:
    pattern = _HEADINGS.get(key)
    for section in sections if pattern else ():
        if pattern and section.heading and pattern.search(section.heading) and not section.is_filled:
            what = "has a placeholder only" if section.has_placeholder else "has too little text"
            return f"{point_to(section)}: {what}"
    return ""


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _QUOTE else f"{text[: _QUOTE - 1]}…"


_QUOTE: Final = 120


# --- base models

#: Keys that the documentation of a base model may fill for what is derived from it without training.
_INHERITED: Final = ("training_data_summary", "evaluation_results", "copyright_policy")
_RELATIONS: Final = ("quantized", "adapter")


def iter_inherited(evidence: HubEvidence) -> Iterator[tuple[str, HubRepository]]:
    """Yield the base models whose documentation counts: the Hub states the link, and they are public."""
    if not isinstance(evidence.repository, Found):
        return
    repository = evidence.repository.value
    relation = repository.base_model_relation
    if relation not in _RELATIONS:
        return
    for base_id in sorted(set(repository.verified_bases or ())):
        base = evidence.bases.get(base_id)
        if isinstance(base, Found) and base.value.gated == "" and not base.value.disabled:
            yield base_id, base.value


def _iter_bases(evidence: HubEvidence, cards: Mapping[str, Fact[HubCard]]) -> Iterator[tuple[str, _Documents]]:
    for base_id, base in iter_inherited(evidence):
        card = cards.get(base_id, NOT_REQUESTED)
        sections = read_sections(card.value) if isinstance(card, Found) else ()
        clauses = tuple(iter_clauses(sections))
        yield base_id, _read_documents(base, card, NOT_REQUESTED, sections, clauses)


def _inherit(key: KeyEvidence, bases: Sequence[tuple[str, _Documents]]) -> KeyEvidence:
    if key.key not in _INHERITED or key.state == "not_applicable":
        return key
    for base_id, documents in bases:
        base_key = _read_key(key.key, documents)
        if base_key.state == "present":
            return msgspec.structs.replace(
                base_key, credit=HALF * base_key.credit, reason=f"from base {base_id}", inherited_from=base_id
            )
    return key


# --- what the readers of keys share

#: A place that has a key, or why a place was not read.
_Signs: TypeAlias = Iterator["_Sign | str"]

_HEADINGS: Final[Mapping[str, re.Pattern[str]]] = {
    "license_declared": compile_late(r"\b(?:licen[cs]es?|licensing)\b|许可", re.IGNORECASE),
    "intended_use": compile_late(
        r"\b(?:direct|downstream|intended|primary|model) (?:uses?|usage|users?|purposes?)\b|^(?:uses?|use cases?"
        r"|purpose"
        r"|applications?|intended (?:uses?|audience).*|who (?:is|should) .*)$|用途|使用场景",
        re.IGNORECASE,
    ),
    "out_of_scope_use": compile_late(
        r"\b(?:out[ -]of[ -]scope|mis-?use|malicious use|prohibited|forbidden|acceptable use|use policy|not intended"
        r"|unintended|unsupported uses?|use restrictions?|usage restrictions?|restrictions on use|non-goals?)\b"
        r"|使用限制",
        re.IGNORECASE,
    ),
    "limitations": compile_late(
        r"\b(?:limitations?|known (?:issues?|limits|problems)|caveats?|risks?|failure (?:modes?|cases?))\b"
        r"|^(?:limits|safety)$"
        r"|\bsafety (?:considerations?|evaluation|and)\b|局限|限制",
        re.IGNORECASE,
    ),
    "bias_assessment": compile_late(r"\b(?:bias(?:es)?|fairness|ethic(?:s|al)|subgroups?)\b|偏见|公平", re.IGNORECASE),
    "training_data_summary": compile_late(
        r"\b(?:pre-?|post-?|fine-?)?(?:training|tuning)(?:[ -](?:and|&) (?:evaluation|test\w*|validation))?"
        r" (?:data\w*|details|sets?|corpus|corpora"
        r"|mix\w*)\b|^(?:data|datasets?|data sources?|sources?|source data|pre-?training|training|corpus)$"
        r"|\bcuration rationale\b"
        r"|\b(?:data|dataset) (?:collection|creation|sources?|mixture|composition)\b|\bsource data\b|训练数据|数据来源",
        re.IGNORECASE,
    ),
    "evaluation_results": compile_late(
        r"\b(?:evaluations?|results?|benchmarks?|performance|metrics|leaderboard)\b|评测|评估|性能", re.IGNORECASE
    ),
    "provider_contact": compile_late(
        r"\b(?:developed by|model card contact|dataset card contact|contacts?|authors?|curated by|shared by"
        r"|maintainers?|maintained by"
        r"|created by|developers?|get in touch|support|team|provider)\b|联系|作者",
        re.IGNORECASE,
    ),
    "ai_generated_content_transparency": compile_late(
        r"\b(?:watermark\w*|content credentials|provenance|ai[ -]generated content|disclosure|transparency)\b"
        r"|水印",
        re.IGNORECASE,
    ),
    "personal_data_statement": compile_late(
        r"\b(?:personal (?:and sensitive )?(?:data|information)|sensitive (?:data|information)|privacy|data"
        r" protection|gdpr|pii|consent)\b|隐私",
        re.IGNORECASE,
    ),
    "security_contact": compile_late(
        r"^security(?: (?:policy|contact|issues?|reports?|reporting|disclosure))?$|\b(?:report\w*|disclos\w+) (?:a"
        r" |of |security )?(?:\w+ )?"
        r"(?:vulnerabilit\w+|issues?)\b|\bvulnerability (?:report\w*|disclosure)\b",
        re.IGNORECASE,
    ),
    "version_history": compile_late(
        r"\b(?:change ?log|version(?:s|ing)?(?: history)?|release(?:s| notes| date| history)?|news|what'?s new"
        r"|updates?|history|roadmap"
        r"|model dates?)\b|更新|版本",
        re.IGNORECASE,
    ),
    "copyright_policy": compile_late(
        r"\b(?:copyright(?:ed)? (?:policy|material\w*|content|data|compliance)|opt[ -]?outs?|rights ?holders?|take"
        r" ?down\w*|text and data mining"
        r"|code of practice)\b",
        re.IGNORECASE,
    ),
    "risk_class_statement": compile_late(
        r"\b(?:eu ai act|ai act|risk (?:class\w*|categor\w+|level)|high[ -]risk (?:uses?|areas?|applications?"
        r"|scenarios?)|annex iii)\b",
        re.IGNORECASE,
    ),
}


def _find_heading(key: str, documents: _Documents, accept: Callable[[Section], bool] | None = None) -> _Signs:
    """Yield the first filled section with a heading of the key."""
    pattern = _HEADINGS[key]
    for section in documents.sections:
        if section.heading and pattern.search(section.heading) and (accept or _is_filled)(section):
            yield _Sign(point_to(section), section.text)
            return


def _is_filled(section: Section) -> bool:
    return section.is_filled


def _is_stated(section: Section) -> bool:
    """Whether a section has any text: a label of a list needs no sentence."""
    return section.words > 0


def _find_phrase(
    documents: _Documents, pattern: re.Pattern[str], *, negated: bool | None = None, credit: float = 1.0
) -> _Signs:
    """Yield the first clause that has a phrase. ``negated`` False = not one that excludes it, True = only those."""
    for clause in documents.clauses:
        match = pattern.search(clause.text)
        if match and (negated is None or clause.excludes(match.end(), match.end()) == negated):
            yield _Sign(point_to(clause.section), clause.quote, credit)
            return


#: Start of the reason of what may be in a file that was not listed.
UNLISTED_FILES: Final = "the files were not all listed"


def _find_file(documents: _Documents, pattern: re.Pattern[str], what: str) -> _Signs:
    """Yield the first file whose path fits, or that the files were not all listed."""
    repository = documents.repository
    for file in repository.files or ():
        if pattern.search(file.path):
            yield _Sign(f"file {file.path}")
            return
    if repository.files is None or repository.more_files:
        yield f"{UNLISTED_FILES}: {what} may be among them"


def _has_tag(repository: HubRepository, *names: str) -> bool:
    tags = {*repository.tags, *(repository.card.tags if repository.card else ())}
    return any(name in tags for name in names)


def _has_no_header(repository: HubRepository) -> bool:
    """Whether the metadata of the card were not in the answer."""
    return repository.card is None and not repository.has_card_data


_NO_METADATA: Final = "the metadata of the card was not in the answer"


# --- the readers


def _read_licence(documents: _Documents) -> _Signs:
    repository = documents.repository
    licences = read_licences(repository)
    for licence in licences or ():
        is_custom = licence.category == "custom"
        if is_custom and not (licence.name and licence.link) and not _lists_licence_file(repository):
            continue
        if licence.category != "none":
            yield _Sign(licence.pointer, describe_licences([licence]))
    for section in documents.sections:
        is_headed = section.heading and _HEADINGS["license_declared"].search(section.heading)
        if is_headed and (match := _LICENCE_NAME.search(section.text)):
            yield _Sign(point_to(section), match[0])
            break
    if licences is None:
        yield _NO_METADATA


def _lists_licence_file(repository: HubRepository) -> bool:
    return any(_LICENCE_FILE.search(file.path) for file in repository.files or ())


_LICENCE_FILE: Final = compile_late(r"^(?:licen[cs]e|copying|notice)[^/]*$", re.IGNORECASE)
#: Names of licences as cards write them.
_LICENCE_NAME: Final = compile_late(
    r"\b(?:apache[ -](?:license,? )?(?:version )?2(?:\.0)?|mit|bsd(?:-[23]-clause)?|(?:a"
    r"|l)?gpl(?:[ -]?v?[23](?:\.\d)?)?|cc[ -]by(?:-\w{2}){0,2}"
    r"|cc0|creative commons|openrail|llama (?:\d|community)|gemma|mpl[ -]2\.0|isc|unlicense)\b",
    re.IGNORECASE,
)


def _read_intended_use(documents: _Documents) -> _Signs:
    yield from _find_heading("intended_use", documents)
    yield from _find_phrase(documents, _INTENDED, negated=False)
    repository = documents.repository
    if repository.pipeline_tag:
        yield _Sign("field pipeline_tag", repository.pipeline_tag, HALF, "a task, not a purpose")
    fields = repository.card.fields if repository.card else ()
    if "task_categories" in fields:
        yield _Sign("field task_categories", "", HALF, "a task, not a purpose")


_INTENDED: Final = compile_late(
    r"\b(?:(?:is|are) (?:\w+ )?(?:intended|designed|meant|made|built) (?:\w+ ){0,3}?(?:for|to|as)|intended (?:use"
    r"|for)|can be used (?:for|to|as|in)"
    r"|(?:is|are) (?:suitable|suited|useful|ideal) for)\b"
)


def _read_out_of_scope(documents: _Documents) -> _Signs:
    yield from _find_heading("out_of_scope_use", documents)
    yield from _find_phrase(documents, _NOT_FOR)
    yield from _find_phrase(documents, _USE_POLICY)
    gate = documents.repository.card.gate_text if documents.repository.card else ""
    if match := _USE_POLICY.search(gate.lower()):
        yield _Sign("field extra_gated_prompt", match[0])


_NOT_FOR: Final = compile_late(
    r"\b(?:(?:not|never|n't) (?:\w+ ){0,2}?(?:be )?(?:intended|suitable|designed|meant|used|recommended"
    r"|appropriate|use (?:it|this|the model))\b"
    r"|out[ -]of[ -]scope|(?:is|are) (?:strictly )?(?:prohibited|forbidden)|(?:may|must|should|can)(?:not| not) be"
    r" used|do not use|don't use)\b"
)
_USE_POLICY: Final = compile_late(
    r"\b(?:acceptable use polic\w+|prohibited uses?|use polic(?:y|ies)|responsible use guide)\b"
)


def _read_limitations(documents: _Documents) -> _Signs:
    yield from _find_heading("limitations", documents)
    yield from _find_phrase(documents, _LIMITED)


_LIMITED: Final = compile_late(
    r"\b(?:(?:known |main |some |important )limitations?|(?:may|can|might|could) (?:\w+ )?(?:hallucinate|produce"
    r" (?:\w+ ){0,3}?(?:inaccurate"
    r"|incorrect|false|biased|harmful|offensive|unsafe|unexpected)|generate (?:\w+ ){0,3}?(?:inaccurate|incorrect"
    r"|false|biased|harmful"
    r"|offensive|unsafe|unexpected))|performance (?:may|can|might) (?:degrade|drop|vary))\b"
)


def _read_bias(documents: _Documents) -> _Signs:
    yield from _find_heading("bias_assessment", documents)
    for section in documents.sections:
        if match := _BIAS_BENCHMARK.search(section.text):
            yield _Sign(point_to(section), match[0])
            return


#: Case matters: "BBQ" is a benchmark, "bbq" a meal.
_BIAS_BENCHMARK: Final = compile_late(
    r"\b(?:BBQ|CrowS-?Pairs|Wino(?:Bias|Gender|gender)|ToxiGen|Toxigen|StereoSet|RealToxicityPrompts|HolisticBias"
    r"|DiscrimEval)\b"
)


def _read_training_data(documents: _Documents) -> _Signs:
    repository = documents.repository
    if repository.card and repository.card.datasets:
        yield _Sign("field datasets", ", ".join(repository.card.datasets[:5]))
    if tag := next((tag for tag in repository.tags if tag.startswith("dataset:")), ""):
        yield _Sign("field tags", tag)
    if repository.used_datasets:
        yield _Sign("datasets of the Space", ", ".join(repository.used_datasets[:5]))
    fields = repository.card.fields if repository.card else ()
    if repository.kind == "dataset" and "source_datasets" in fields:
        yield _Sign("field source_datasets", "", HALF, "the origin, not how it was chosen")
    yield from _find_heading("training_data_summary", documents)
    yield from _find_phrase(documents, _TRAINED_ON, negated=False)
    if _has_no_header(repository):
        yield _NO_METADATA


_TRAINED_ON: Final = compile_late(
    r"\b(?:(?:pre-?)?trained|(?:fine-?)?tuned|version of \S{1,100}) on (?!the none dataset|none |an unknown|unknown)"
    r"[^\n]{3,100}?"
    r"\b(?:data\w*|corpus|corpora|images|pairs|hours|texts?|samples|examples|documents)\b"
)


def _read_evaluation(documents: _Documents) -> _Signs:
    repository = documents.repository
    if repository.card and repository.card.has_results:
        yield _Sign("field model-index")
    if file := next((file.path for file in repository.files or () if file.path.startswith(".eval_results/")), ""):
        yield _Sign(f"file {file}")
    yield from _find_heading("evaluation_results", documents, _has_numbers)
    for clause in documents.clauses:
        if _ACHIEVES.search(clause.text) and _METRIC_VALUE.search(clause.text):
            yield _Sign(point_to(clause.section), clause.quote)
            break
    if _has_no_header(repository):
        yield _NO_METADATA


def _has_numbers(section: Section) -> bool:
    """Whether a section has a table with numbers, or metrics with values."""
    return (section.rows >= MIN_ROWS and section.number_rows > 0) or _METRIC_VALUE.search(section.text) is not None


_METRIC_VALUE: Final = compile_late(
    r"\b(?:accuracy|acc|f1|precision|recall|bleu|rouge\w*|wer|cer|perplexity|loss|map|miou|iou|auc|auroc|mae|rmse"
    r"|mse|fid|mmlu|gsm8k|humaneval"
    r"|spearman|pearson|ndcg\S*|mrr|elo|pass@\d+|score)\b[^\w\n]{0,12}(?:of |is |= )?\d|\d ?%",
    re.IGNORECASE,
)
_ACHIEVES: Final = compile_late(
    r"\b(?:achiev|obtain|reach|scor|attain|report)\w*|\bon the (?:test|evaluation|validation) set\b"
)


def _read_provider(documents: _Documents) -> _Signs:
    yield from _find_heading("provider_contact", documents, _is_stated)
    for section in documents.sections:
        if "@" in section.text and (match := _EMAIL.search(section.text)):
            yield _Sign(point_to(section), match[0])
            break
    owner = documents.owner
    if isinstance(owner, Found) and owner.value.is_verified:
        yield _Sign("owner", f"{owner.value.name} (verified by the Hub)")
    if documents.repository.author:
        yield _Sign("field author", documents.repository.author, HALF, "a name, no way to reach them")
    if isinstance(owner, Unknown):
        yield "the owner was not read"


_EMAIL: Final = compile_late(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}\b")


def _read_marking(documents: _Documents) -> _Signs:
    yield from _find_heading("ai_generated_content_transparency", documents)
    yield from _find_phrase(documents, _MARKED, negated=False)


_MARKED: Final = compile_late(
    r"\b(?:watermark\w*|synthid|c2pa|content credentials|ai[ -]generated|machine[ -]generated|generated (?:by|with"
    r"|using) (?:an? )?ai"
    r"|(?:inform|tell|notify|disclos\w+)(?: to)? (?:\w+ ){0,3}?(?:users?|people|persons?) (?:\w+ ){0,6}?(?:ai"
    r"|artificial intelligence|bot|machine))\b"
)


def _read_personal_data(documents: _Documents) -> _Signs:
    yield from _find_heading("personal_data_statement", documents)
    yield from _find_phrase(documents, _PERSONAL)
    if _has_tag(documents.repository, "pii", "gdpr"):
        yield _Sign("field tags", "pii or gdpr", HALF, "a tag, no statement")
    if documents.repository.card and documents.repository.card.gate_text:
        yield _Sign(
            "field extra_gated_prompt", documents.repository.card.gate_text, HALF, "about readers, not about data"
        )


_PERSONAL: Final = compile_late(
    r"\b(?:personal(?:ly identifiable)? (?:data|information)|pii|anonymi[sz]ed?|anonymi[sz]ation|pseudonymi[sz]\w+"
    r"|de-?identif\w+|gdpr|informed consent"
    r"|data subjects?)\b"
)


def _read_security(documents: _Documents) -> _Signs:
    yield from _find_heading("security_contact", documents)
    yield from _find_phrase(documents, _SECURITY)
    yield from _find_file(documents, _SECURITY_FILE, "a security policy")


_SECURITY: Final = compile_late(
    r"\bsecurity@[\w-]+\.|\bsecurity\.txt\b|\breport\w* (?:\w+ ){0,3}?(?:vulnerabilit\w+|security (?:issues?|bugs?"
    r"|problems?))\b|\bbug bounty\b"
)
_SECURITY_FILE: Final = compile_late(
    r"^(?:(?:\.github|docs)/)?security(?:\.\w+)?$|(?:^|/)security\.txt$", re.IGNORECASE
)


def _read_history(documents: _Documents) -> _Signs:
    repository = documents.repository
    if repository.card and repository.card.new_version:
        yield _Sign("field new_version", repository.card.new_version)
    yield from _find_heading("version_history", documents)
    yield from _find_file(documents, _CHANGELOG_FILE, "a changelog")
    if repository.modified_at and repository.sha:
        yield _Sign("commits", f"commit {repository.sha[:12]}", HALF, "dated commits, no description of changes")


_CHANGELOG_FILE: Final = compile_late(r"^(?:change(?:log|s)|history|news|releases?)(?:\.\w+)?$", re.IGNORECASE)


def _read_copyright(documents: _Documents) -> _Signs:
    yield from _find_heading("copyright_policy", documents)
    yield from _find_phrase(documents, _COPYRIGHT)
    repository = documents.repository
    if repository.kind == "dataset" and (licences := read_licences(repository)):
        stated = [licence for licence in licences if licence.category != "none"]
        if stated:
            yield _Sign(stated[0].pointer, describe_licences(stated), HALF, "a licence of the data, no policy")


_COPYRIGHT: Final = compile_late(
    r"\b(?:copyright(?:ed)? (?:materials?|content|works?|data|texts?|images?|polic(?:y|ies)|compliance|law)"
    r"|opt(?:ed|ing)?[ -]?outs?\b"
    r"|robots\.txt|text and data mining|tdm|rights?[ -]?holders?|(?:permissively|openly) licensed (?:data|code"
    r"|texts?|content|works?)|code of practice)\b"
)


def _read_risk_class(documents: _Documents) -> _Signs:
    yield from _find_heading("risk_class_statement", documents)
    yield from _find_phrase(documents, _RISK_CLASS)
    for clause in documents.clauses:
        if find_excluded_area(clause) or (clause.is_negated and _SENSITIVE_USES.search(clause.text)):
            yield _Sign(point_to(clause.section), clause.quote)
            return


_RISK_CLASS: Final = compile_late(
    r"\b(?:(?:eu )?ai act|annex iii|(?:high|limited|minimal|low)[ -]risk (?:ai|system|application|use|setting"
    r"|domain|area|scenario|decision"
    r"|class|category)\w*)\b"
)
_SENSITIVE_USES: Final = compile_late(
    r"\b(?:medical|clinical|legal|financial|credit|employment|hiring|law enforcement|safety[ -]critical"
    r"|high[ -]stakes) (?:advice|decisions?|purposes?"
    r"|uses?|diagnos\w+|applications?|settings?|domains?|scenarios?|contexts?|or (?:\w+ )?decisions?)\b|\bmedical,"
    r" \w+"
)


_READERS: Final[Mapping[str, Callable[[_Documents], _Signs]]] = {
    "license_declared": _read_licence,
    "intended_use": _read_intended_use,
    "out_of_scope_use": _read_out_of_scope,
    "limitations": _read_limitations,
    "bias_assessment": _read_bias,
    "training_data_summary": _read_training_data,
    "evaluation_results": _read_evaluation,
    "provider_contact": _read_provider,
    "ai_generated_content_transparency": _read_marking,
    "personal_data_statement": _read_personal_data,
    "security_contact": _read_security,
    "version_history": _read_history,
    "copyright_policy": _read_copyright,
    "risk_class_statement": _read_risk_class,
}
