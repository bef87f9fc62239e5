"""Practices and areas of the EU AI Act, and the words of cards that name them.

Article 5 (prohibited practices), Annex III (high-risk areas) and Annex I (products) of Regulation (EU) 2024/1689 as
amended by Regulation (EU) 2026/1744. The words are our reading of public metadata, not those of the act.

Patterns are for text in lower case with spaces for hyphens and the like; see :func:`prepare_text`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from typing import Final

import msgspec

from nerq_cli.patterns import compile_late


class Area(msgspec.Struct, frozen=True, kw_only=True):
    """A practice or an area, and how to find it."""

    id: str
    #: A phrase for the user.
    name: str
    #: The first characters, PREFIX of them at most, of each word that the pattern can start with.
    starts: str
    #: What names it, from the start of a word on.
    pattern: re.Pattern[str]
    #: What must be named beside it, in the same clause, name or tag; None = nothing.
    context: re.Pattern[str] | None = None
    #: What makes it something else, in the same place; None = nothing.
    exempt: re.Pattern[str] | None = None
    #: Day from which a prohibition applies.
    applies_from: str = "2025-02-02"
    #: Whether a statement that excludes clinical use takes it away.
    is_medical: bool = False


#: Characters of a word that are looked up before a pattern is tried.
PREFIX: Final = 4

#: What finds, removes or studies a practice does not follow it.
_COUNTERMEASURE: Final = compile_late(
    r"\b(?:detect\w*|moderat\w*|filter\w*|prevent\w*|anti|defen[cs]\w*|block\w*|mitigat\w*|benchmark\w*|evaluation"
    r"|audit\w*|safeguard\w*|guard|safety|red team\w*)\b"
)
_FACE: Final = r"(?:face|faces|facial)"
_FIND: Final = r"(?:recogni|detect|infer|analy|monitor|track|classif|predict|sens|identif|categori|estimat)\w*"
_FIND_STARTS: Final = "reco dete infe anal moni trac clas pred sens iden cate esti"
_MEDIUM: Final = (
    r"(?:face|faces|facial|voice|voices|speech|vocal|audio|gait|biometric\w*|video|videos|image|images|photos?"
    r"|webcam)"
)
_TRAIT: Final = (
    r"(?:race|ethnicity|ethnic origin|political (?:views?|opinions?|orientation|affiliation)|religion|religious"
    r" beliefs?"
    r"|sexual orientation|sexuality|(?:trade )?union membership)"
)

#: Article 5. A hit touches a banned practice; it does not state that the practice is followed.
PROHIBITED: Final = (
    Area(
        id="P1",
        name="manipulation, or exploiting vulnerability",
        starts="subl mani pers expl dark",
        pattern=compile_late(
            r"subliminal (?:messag\w+|techniques?|persuasion|manipulation)\b"
            r"|manipulat\w+ (?:users?|people|voters?|consumers?|customers?|children|victims?|vulnerable)\b"
            r"|persuad\w+ vulnerable\b|exploit\w* (?:vulnerab\w+ (?:people|persons?|users?|groups?|children)|the"
            r" elderly)\b"
            r"|dark pattern generat\w+"
        ),
        exempt=_COUNTERMEASURE,
    ),
    Area(
        id="P2",
        name="social scoring",
        starts="soci citi trus",
        pattern=compile_late(
            r"social (?:scor(?:e|es|ing)|credit (?:scor\w+|system|rating))\b|citizen scor\w+"
            r"|trustworthiness of (?:people|persons|individuals|citizens)\b"
        ),
        exempt=_COUNTERMEASURE,
    ),
    Area(
        id="P3",
        name="prediction of crime from profiling alone",
        starts="pred crim reci",
        pattern=compile_late(
            r"predict\w* (?:criminality|criminals?|criminal behaviou?r|future crimes?|(?:people )?who (?:will|may)"
            r" commit)\b"
            r"|(?:criminality|criminal|crime) (?:prediction|classif\w+|detection) (?:from|based on|using) (?:\w+"
            r" ){0,2}?"
            r"(?:fac\w+|personality|photos?|images?)\b|recidivism (?:prediction )?from personality\b"
        ),
    ),
    Area(
        id="P4",
        name="untargeted scraping for databases of faces",
        starts="scra faci face",
        pattern=compile_late(
            r"scrap\w+ (?:of )?(?:\w+ ){0,2}?(?:faces|facial images)\b"
            r"|(?:facial recognition|face recognition|face) database\b(?=.{0,120}\b(?:internet|cctv|social media"
            r"|web)\b)"
        ),
        exempt=_COUNTERMEASURE,
    ),
    Area(
        id="P5",
        name="inference of emotions at work or in education",
        starts=f"emot mood {_FIND_STARTS}",
        pattern=compile_late(
            rf"(?:emotions?|emotional states?|mood) (?:\w+ ){{0,3}}?{_FIND}"
            rf"|{_FIND} (?:\w+ ){{0,3}}?(?:emotions?|emotional states?|mood)\b"
        ),
        context=compile_late(
            r"\b(?:work ?places?|employees?|workers|students?|pupils?|class ?rooms?|(?:job )?interviews?|proctor\w*"
            r"|call cent(?:er|re) agents?|e ?learning)\b"
        ),
        exempt=compile_late(
            r"\b(?:medical\w*|clinical\w*|therap\w+|health\w*|safety|fatigue|drows\w+|text|tweets?|reviews?"
            r"|student models?)\b"
        ),
    ),
    Area(
        id="P6",
        name="biometric categorisation by sensitive traits",
        starts=f"race ethn reli poli sexu trad unio {_FIND_STARTS}",
        pattern=compile_late(
            rf"{_FIND} (?:\w+ ){{0,4}}?{_TRAIT}\b|{_TRAIT} (?:classif\w+|prediction|detection|recognition"
            rf"|estimation)\b"
        ),
        context=compile_late(rf"\b(?:{_FACE}|voices?|biometric\w*|portraits?|selfies?|gait)\b"),
        exempt=compile_late(r"\b(?:bias(?:es)?|fairness|fair)\b"),
    ),
    Area(
        id="P7",
        name="real-time remote biometric identification for law enforcement",
        starts="face faci biom real live",
        pattern=compile_late(
            rf"(?:(?:real time|live) )?(?:remote )?(?:{_FACE} (?:recognition|identification|matching)|biometric"
            rf" identification)\b"
        ),
        context=compile_late(
            r"^(?=.*\b(?:real ?time|live)\b).*\b(?:police|law enforcement|public (?:spaces?|places?)|street"
            r" cameras?)\b"
        ),
    ),
    Area(
        id="P8",
        name="intimate imagery without consent",
        starts="nudi deep undr clot remo nsfw reve",
        pattern=compile_late(
            r"(?:nudify(?:ing)?|nudifier|nudification|deep ?nudes?|undress(?:er|ing|es)?(?= (?:ai|app|any|people"
            r"|women|girls|her"
            r"|anyone|images?|photos?|lora|model)\b|$)|cloth(?:es|ing) remov(?:er|al)|remov\w+ (?:the |their |her"
            r" )?(?:clothes|clothing)"
            r"|nsfw (?:face ?swap\w*|deep ?fakes?)|(?:revenge|deep ?fake) porn\w*)\b"
        ),
        exempt=_COUNTERMEASURE,
        applies_from="2026-12-02",
    ),
)

#: Annexes III and I. A hit means: may be high-risk if used for this.
HIGH_RISK: Final = (
    Area(
        id="H1",
        name="biometrics",
        starts="face faci spea gait pers pede huma voic spee voca audi biom vide imag phot webc emot insi deep spkr",
        pattern=compile_late(
            rf"{_FACE} (?:recognition|identification|re ?identification)\b|speaker (?:identification|recognition)\b"
            r"|gait (?:recognition|identification|analysis)\b|(?:person|pedestrian|human) re ?id(?:entification)?\b"
            rf"|{_MEDIUM} (?:based )?emotions? (?:recognition|detection|classif\w+)\b|facial expressions?"
            rf" (?:recognition|analy\w+|classif\w+)\b"
            rf"|emotions? (?:recognition|detection|classification) (?:from|in|on|for|using) (?:\w+"
            rf" ){{0,2}}?{_MEDIUM}\b"
            r"|biometric (?:identification|categori[sz]ation)\b|insightface\b|deepface\b|spkrec\b"
        ),
        exempt=compile_late(r"\b(?:1:1|one to one) verification\b"),
    ),
    Area(
        id="H2",
        name="critical infrastructure",
        starts="powe elec smar wate gas road air rail traf scad crit",
        pattern=compile_late(
            r"(?:(?:power|electric\w*|smart) grid (?:control|management|stability|operation)|(?:water|gas)"
            r" (?:supply|network|distribution)"
            r" (?:control|management|operation)|(?:road |rail |railway )?traffic (?:signal )?control|scada"
            r"|critical infrastructure (?:control|management|operation|protection))\b"
        ),
    ),
    Area(
        id="H3",
        name="education",
        starts="stud univ coll scho admi exam essa assi home shor test grad scor mark proc remo onli drop auto",
        pattern=compile_late(
            r"(?:(?:student|university|college|school) (?:admissions?|placement|assessment|grading)|admissions?"
            r" (?:decisions?|scoring|screening)"
            r"|(?:automated |automatic )?(?:exam|essay|assignment|homework|short answer) (?:grading|scoring)"
            r"|(?:grad(?:e|es|ing)|scor(?:e|es|ing)|mark(?:s|ing)?) (?:of )?(?:student )?(?:exams?|essays?"
            r"|assignments?|homework)"
            r"|(?:exam |remote |online )?proctor(?:ing|s)?|(?:student )?drop ?out prediction)\b"
        ),
    ),
    Area(
        id="H4",
        name="employment",
        starts=(
            "resu résu cv cvs job jobs appl cand scre rank scor filt shor matc hiri recr prom term firi empl work"
            " staf "
            "pers"
        ),
        pattern=compile_late(
            r"(?:(?:resum[eé]s?|résumés?|cvs?|(?:job )?applicants?|(?:job )?candidates?) (?:screen\w*|short"
            r" ?list\w*|pars(?:er|ing))"
            r"|(?:resum[eé]s?|résumés?|job applicants?|job candidates?|applicants?) (?:rank\w*|match\w*|scor\w*"
            r"|classif\w+|filter\w*|selection)"
            r"|(?:screen|rank|scor|filter|short ?list|match)\w* (?:of )?(?:\w+ ){0,2}?(?:resum[eé]s|résumés|cvs"
            r"|job applicants|job candidates"
            r"|job applications|applicants)|(?:hiring|recruit(?:ing|ment)) (?:decisions?|process\w*|automation"
            r"|screening|pipelines?)"
            r"|(?:promotion|termination|firing) decisions?|(?:employee|worker|staff) (?:monitoring|surveillance"
            r"|performance (?:evaluation|scoring|prediction))|candidate ranking for (?:jobs?|hiring|recruit\w+)"
            r"|person job fit|job resume match\w*)\b"
        ),
    ),
    Area(
        id="H5",
        name="essential services",
        starts="cred loan life heal welf soci publ bene emer",
        pattern=compile_late(
            r"(?:credit (?:scor(?:e|es|ing)|risks?|worthiness|approvals?|decisions?)|creditworthiness|loan"
            r" (?:defaults?|approvals?|decisions?"
            r"|eligibility|applications?)|(?:life|health) insurance (?:pricing|underwriting|risk)|(?:welfare"
            r"|social|public) benefits?"
            r" (?:eligibility|decisions?)|benefits? eligibility|emergency (?:call )?(?:triage|dispatch))\b"
        ),
        exempt=compile_late(r"\bfraud\w*\b|\bsocial credit\b"),
    ),
    Area(
        id="H6",
        name="law enforcement",
        starts="poly lie reci prof susp evid pred crim",
        pattern=compile_late(
            r"(?:polygraphs?|lie detect(?:ion|ors?)|recidivism|profil\w+ (?:of )?suspects?|suspects? profil\w+"
            r"|evidence reliability"
            r"|predictive policing|crime (?:prediction|forecast\w*))\b"
        ),
    ),
    Area(
        id="H7",
        name="migration",
        starts="visa asyl bord immi",
        pattern=compile_late(
            r"(?:visa (?:applications?|decisions?|screening|processing)|asylum (?:applications?|claims?|decisions?"
            r"|seekers?)"
            r"|border (?:control|risk|security screening)|immigration (?:decisions?|risk|screening))\b"
        ),
    ),
    Area(
        id="H8",
        name="justice and democracy",
        starts="crim judi cour sent lega case pred vote infl",
        pattern=compile_late(
            r"(?:(?:criminal|judicial|court) sentencing|sentencing (?:decisions?|recommendations?|prediction)"
            r"|legal (?:outcomes?|judge?ments?) prediction|(?:court|case) (?:outcomes?|decisions?|verdicts?)"
            r" prediction"
            r"|predict\w* (?:the )?(?:outcomes? of )?(?:court|legal|case)s? (?:outcomes?|decisions?|verdicts?|cases?)"
            r"|voter (?:influenc\w+|targeting|persuasion)|influenc\w+ (?:voters|elections?))\b"
        ),
    ),
    Area(
        id="A1",
        name="medical devices (Annex I)",
        starts=(
            "medi clin dise canc pati comp derm radi diag ches x xray digi hist path ecg elec drug brai skin lung"
            " brea tumo lesi "
            "mela pneu covi diab alzh"
        ),
        pattern=compile_late(
            r"(?:(?:medical|clinical|disease|cancer|patient|computer aided|dermatolog\w+|radiolog\w+)"
            r" (?:diagnos\w+|triage)"
            r"|diagnos\w+ (?:of )?(?:\w+ ){0,3}?(?:patients?|diseases?|cancers?|tumou?rs?|pneumonia|diabetes"
            r"|alzheimer\w*|covid|melanomas?"
            r"|skin lesions?)|radiolog(?:y|ical) (?:reports?|images?|diagnos\w+|assistant)|(?:chest )?x ?rays?"
            r" (?:classif\w+|diagnos\w+"
            r"|interpretation|analysis)|(?:digital |histo)?patholog(?:y|ical) (?:slides?|images?|diagnos\w+)"
            r"|histopatholog\w+"
            r"|(?:ecg|electrocardiogram) (?:classif\w+|interpretation|analysis|diagnos\w+)|drug dos(?:ing|age)"
            r"|clinical decisions?"
            r"(?: support| making)?|(?:(?:brain|skin|lung|breast) )?(?:tumou?r|cancer|lesion|melanoma|pneumonia)"
            r" (?:detect\w+|segmentation"
            r"|classif\w+|prediction|screening)|(?:covid(?: 19)?|diabetic retinopathy|alzheimer\w*) (?:detect\w+"
            r"|classif\w+|diagnos\w+))\b"
        ),
        is_medical=True,
    ),
    Area(
        id="A2",
        name="vehicles (Annex I)",
        starts="auto self driv adas",
        pattern=compile_late(
            r"(?:autonomous (?:driving|vehicles?|cars?)|self driving|driver assist\w*|adas|automated driving)\b"
        ),
    ),
    Area(
        id="A3",
        name="aviation (Annex I)",
        starts="air airc dron uav flig auto",
        pattern=compile_late(
            r"(?:air traffic (?:control|management)|aircraft (?:control|collision|navigation)|(?:drone|uav)"
            r" (?:navigation|flight control"
            r"|control|autopilot)|flight control)\b"
        ),
    ),
    Area(
        id="A4",
        name="machinery, lifts, toys and radio equipment (Annex I)",
        starts="mach safe lift elev smar conn chil inte",
        pattern=compile_late(
            r"(?:machinery safety|safety components?|(?:lift|elevator) (?:control|safety)|(?:smart|connected"
            r"|children's|interactive) toys?)\b"
        ),
    ),
)

#: SHA-256 of words of names and tags that stand for abuse of children (Article 5(1)(bb)). The list is not printed.
_ABUSE_WORDS: Final = frozenset(
    {
        "0ca50e9a5e1fef9055024e5f14ebaa36fb4856286d2eb33e51ecdf502a6a6c6b",
        "329492d12f28e00493f91d982117ca5299c299bda9650451801f0b435d117e0f",
        "3af57114405e5121b4b5aa95bdc502dbd2e6ff73ea656bbaca9cd214a6a85d90",
        "869cc28dd25de48206a5ab275b14aef421691897269bd82483c1671ba5644d29",
        "99ec68fed53dd6fc0363b9734f4761298e44cdb08ca44f9897d92dbedfaacc80",
        "c164a49dc160b0fba7ca0e569bfff1b5932160aaa8855fbb887c1e4a8a814c8d",
    }
)
#: Found by :func:`names_abuse` only.
ABUSE: Final = Area(
    id="P9",
    name="child sexual abuse material",
    starts="",
    pattern=compile_late(r"(?!)"),
    applies_from="2026-12-02",
)

_WORD: Final = compile_late(r"\w+")
_SIGNS: Final = str.maketrans(dict.fromkeys("-_/‐‑–—", " "))  # noqa: RUF001


def prepare_text(text: str) -> str:
    """Return a text for the patterns: lower case, with spaces for hyphens and the like."""
    return text.lower().translate(_SIGNS)


class Hit(msgspec.Struct, frozen=True):
    """A place of a text that names an area."""

    area: Area
    start: int
    end: int


def iter_hits(text: str) -> Iterator[Hit]:
    """Yield the places of a prepared text that name an area, the first ones of each."""
    areas_by_prefix = _index_areas()
    rejected: set[str] = set()
    counts: dict[str, int] = {}
    for word in _WORD.finditer(text):
        for area in areas_by_prefix.get(word[0][:PREFIX], ()):
            if area.id in rejected:
                continue
            match = area.pattern.match(text, word.start())
            if match is None:
                continue
            if (area.context and not area.context.search(text)) or (area.exempt and area.exempt.search(text)):
                rejected.add(area.id)
                continue
            counts[area.id] = counts.get(area.id, 0) + 1
            if counts[area.id] == _MAX_HITS:
                rejected.add(area.id)
            yield Hit(area, match.start(), match.end())


#: Places of one area in one text that are looked at.
_MAX_HITS: Final = 4


@lru_cache(maxsize=1)
def _index_areas() -> dict[str, tuple[Area, ...]]:
    index: dict[str, tuple[Area, ...]] = {}
    for area in (*PROHIBITED, *HIGH_RISK):
        for prefix in area.starts.split():
            index[prefix] = (*index.get(prefix, ()), area)
    return index


def names_abuse(text: str) -> bool:
    """Whether a prepared name or tag has a word of P9's list; not where it finds or filters such material."""
    if _COUNTERMEASURE.search(text):
        return False
    return any(sha256(word.encode("utf-8", "replace")).hexdigest() in _ABUSE_WORDS for word in text.split())
