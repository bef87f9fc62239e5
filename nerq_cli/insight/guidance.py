"""A report card in words: whether to use a target for a purpose, why, when to avoid it, and how to check it.

Every sentence follows from the score and the signals of the target; the wording never claims that something is safe.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

import msgspec

from nerq_cli.insight.purpose import MINIMUM_SCORES, PURPOSES, Purpose
from nerq_cli.insight.restrictions import Restriction
from nerq_cli.scoring import Score

#: ``no-objection``: every known fact meets what the purpose asks. ``unsettled``: facts that are missing decide.
Answer: TypeAlias = Literal["no-objection", "avoid", "unsettled"]


class _Demand(msgspec.Struct, frozen=True):
    """What a purpose asks of a target beside its lowest score."""

    description: str
    #: Whether what fails a run rules it out, and terms are conditions.
    is_operation: bool = False
    #: Whether it must be verified: no cap, medium coverage, a known age of 90 days.
    needs_verified: bool = False


_DEMANDS: Final[Mapping[Purpose, _Demand]] = MappingProxyType(
    {
        "research": _Demand("research, on a machine without secrets"),
        "sandbox": _Demand("trials in an isolated environment"),
        "production": _Demand("production", is_operation=True),
        "critical": _Demand("critical systems", is_operation=True, needs_verified=True),
    }
)

#: By id of a signal: the value below which a use is not advised, and that use.
_AVOID: Final[Mapping[str, tuple[float, str]]] = MappingProxyType(
    {
        "malware": (100, "anywhere"),
        "known_advisories": (100, "where untrusted input reaches it"),
        "install_code": (70, "where installations run with secrets at hand"),
        "name_confusion": (50, "before you have checked that you meant this name"),
        "newness": (80, "where others should have tried a release first"),
        "release_line": (50, "where you depend on fixes for this release line"),
        "status": (100, "for new work"),
        "last_commit": (50, "where you depend on fixes by its maintainers"),
        "origin": (50, "where the original would do"),
        "last_release": (50, "where you depend on fixes by its maintainers"),
        "commits": (45, "where you depend on fixes by its maintainers"),
        "licence": (60, "before its terms are settled"),
        "licence_terms": (50, "where its terms do not fit your distribution"),
        "publishers": (60, "where the loss of one maintainer would stop you"),
        "file_scan": (100, "before the reported files are examined"),
        "weight_format": (60, "on machines with secrets, unless the weights are converted to safetensors"),
        "remote_code": (60, "on machines with secrets, unless its code is reviewed and pinned"),
        "pinning": (100, "where results must be repeatable, unless it is pinned to a commit"),
        "age": (80, "where others should have tried it first"),
        "card": (50, "where its limits must be known"),
        "evaluation": (60, "where its quality must be shown"),
        "lineage": (50, "where the origin of data and weights must be known"),
        "publisher": (50, "before you have checked who publishes it"),
    }
)
#: Patterns of files to read before anything is loaded; of datasets without formats that hold the data.
_READABLE: Final = ("*.md", "*.py", "*.yaml", "*.yml", "LICENSE*")
_READABLE_BESIDE_WEIGHTS: Final = (*_READABLE, "*.json", "*.txt")
#: Files of datasets that run code when they are loaded.
_PICKLES: Final = ("*.pkl", "*.pickle", "*.pt", "*.pth", "*.ckpt", "*.joblib", "*.dill")
_PICKLE_IMPORTS: Final = "what its pickle files import"
#: Findings and uses to avoid that are named.
_MAX_FINDINGS: Final = 6
#: Of these, warnings of the rules.
_MAX_WARNINGS: Final = 3


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """The target of a report card."""

    #: Id of its ecosystem: ``pypi``, ``npm``, ``huggingface``, ``huggingface-dataset`` ... in any case.
    ecosystem: str
    name: str
    #: Version, or commit; empty = not known.
    version: str = ""
    #: Digests of its files (name, "sha256:..."), as far as they are known.
    digests: tuple[tuple[str, str], ...] = ()
    #: Whether commands can read it: not if there is no such package or version.
    is_available: bool = True
    #: Whether reading it asks for a token whose account has access.
    is_gated: bool = False
    #: Whether there are pickle files among its weights; None = not known.
    has_pickle: bool | None = None
    #: What it is called; empty = name and version.
    label: str = ""
    #: What rules out every use; empty = nothing does.
    exclusion: str = ""
    #: What speaks against it beside score and gate: no critical system is to use it before that is settled.
    concerns: tuple[str, ...] = ()


class Check(msgspec.Struct, frozen=True):
    """A command that shows a fact."""

    command: str
    #: What it shows.
    shows: str


class Guidance(msgspec.Struct, frozen=True, kw_only=True):
    """The report card."""

    purpose: Purpose
    answer: Answer
    #: The answer in a sentence.
    verdict: str
    #: Key findings, most important first.
    findings: tuple[str, ...]
    #: What it meets the demands of.
    suits: tuple[str, ...]
    #: When to avoid it.
    avoid: tuple[str, ...]
    checks: tuple[Check, ...]
    #: The licence in one line.
    licence: str


def build_guidance(  # noqa: PLR0913 - what a card rests on
    subject: Subject,
    score: Score | None,
    purpose: Purpose,
    *,
    licence: str = "",
    threshold: float = 0.0,
    objections: Sequence[str] = (),
    restrictions: Sequence[Restriction] = (),
    reasons: Sequence[str] = (),
    warnings: Sequence[str] = (),
) -> Guidance:
    """Return the report card of a target.

    Args:
        subject: The target, at the version in use.
        score: Its score; None = it was not scored.
        purpose: What it is to be used for.
        licence: The licence in one line; empty = the reason of its signal.
        threshold: The score that the gate asks for. It lowers no minimum; what is below it fails the run, and so is not
            for production and critical systems.
        objections: What fails the run beside the score: it rules out production and critical systems, and without a
            score every use.
        restrictions: Limits to its use that its licence or a law sets.
        reasons: Why it was not scored, worst first.
        warnings: What the rules warn about, beside the score.

    """
    answers: dict[Purpose, tuple[Answer, str]] = {
        other: ("avoid", subject.exclusion)
        if subject.exclusion
        else _judge(score, other, threshold, objections, restrictions, reasons)
        for other in PURPOSES
    }
    if subject.concerns and answers["critical"][0] == "no-objection":
        answers["critical"] = "unsettled", subject.concerns[0]
    answer, why = answers[purpose]
    label = subject.label or f"{subject.name} {subject.version[:12]}".strip()
    demand = _DEMANDS[purpose]
    description = demand.description
    problems = (
        *objections,
        *(cap.reason for cap in (score.caps if score is not None else ())),
        *subject.concerns,
        *warnings,
    )
    conditions = [item.text for item in restrictions if demand.is_operation and purpose not in item.excluded]
    verdict = {
        "no-objection": f"{label} meets what is asked for {description}, with known problems: {why}; {problems[0]}."
        if problems
        else f"{label} meets what is asked for {description}, on a condition: {why}; {conditions[0]}."
        if conditions
        else f"Nothing known speaks against {label} for {description}: {why}.",
        "avoid": f"Do not use {label} for {description}: {why}.",
        "unsettled": f"Not settled whether {label} suits {description}: {why}.",
    }[answer]
    return Guidance(
        purpose=purpose,
        answer=answer,
        verdict=verdict,
        findings=tuple(
            _list_findings(
                score,
                (
                    *objections,
                    *(item.text for item in restrictions),
                    *subject.concerns,
                    *warnings[:_MAX_WARNINGS],
                ),
                reasons,
            )
        ),
        suits=tuple(_DEMANDS[other].description for other in PURPOSES if answers[other][0] == "no-objection"),
        avoid=tuple(_list_avoided(subject, score, objections, restrictions, reasons)),
        checks=tuple(_list_checks(subject)),
        licence=licence or _describe_licence(score),
    )


def _judge(
    score: Score | None,
    purpose: Purpose,
    threshold: float,
    objections: Sequence[str],
    restrictions: Sequence[Restriction],
    reasons: Sequence[str],
) -> tuple[Answer, str]:
    """Return the answer for a purpose, and why."""
    demand = _DEMANDS[purpose]
    minimum = max(MINIMUM_SCORES[purpose], threshold if demand.is_operation else 0.0)
    excluded = next((item.text for item in restrictions if purpose in item.excluded), "")
    if score is None:
        if objections or excluded:
            return "avoid", (*objections, excluded)[0]
        return "unsettled", "; ".join(("it was not scored", *reasons[:1]))
    lowest = score.caps[0] if score.caps else None
    if lowest is not None and (lowest.limit == 0 or lowest.limit < minimum):
        return "avoid", lowest.reason
    if objections and demand.is_operation:
        excluded = objections[0]
    if excluded:
        return "avoid", excluded
    if score.value is None:
        return "unsettled", score.verdict
    return _judge_number(score, score.value, minimum, needs_verified=demand.needs_verified)


def _judge_number(score: Score, value: float, minimum: float, *, needs_verified: bool) -> tuple[Answer, str]:
    low, high = (value if bound is None else bound for bound in (score.low, score.high))
    numbers = f"score {score.sign}{value:.1f}, {minimum:g} is asked for"
    if high < minimum:
        return "avoid", "; ".join((numbers, *score.reason_texts[:1]))
    if score.provisional or low < minimum:
        missing = [signal for signal in score.signals if signal.state == "unknown"]
        names = ", ".join(score.methodology.signals[signal.id].name for signal in missing[:3])
        return "unsettled", (score.doubts or (f"not known: {names}" if names else numbers,))[0]
    if needs_verified and not score.is_verified:
        verified = "not verified (no cap, coverage, and 90 days of age are asked for)"
        return "unsettled", "; ".join((*(cap.reason for cap in score.caps[:1]), verified))
    return "no-objection", numbers


def _list_findings(score: Score | None, objections: Sequence[str], reasons: Sequence[str]) -> Iterator[str]:
    if score is None:
        yield from list(dict.fromkeys((*objections, *reasons)))[:_MAX_FINDINGS]
        return
    # Restrictions quote the reasons of signals about the licence.
    unstated = [text for text in score.reason_texts if not any(text in objection for objection in objections)]
    texts = [*objections, *unstated, *(f"not read: {doubt}" for doubt in score.doubts)]
    unknown = [signal for signal in score.signals if signal.state == "unknown"]
    texts += [f"{score.methodology.signals[signal.id].name} not known: {signal.reason}" for signal in unknown]
    yield from list(dict.fromkeys(texts))[:_MAX_FINDINGS]


def _list_avoided(
    subject: Subject,
    score: Score | None,
    objections: Sequence[str],
    restrictions: Sequence[Restriction],
    reasons: Sequence[str],
) -> Iterator[str]:
    avoided: dict[str, str] = {}
    if subject.exclusion:
        avoided["anywhere"] = subject.exclusion
    elif objections:
        avoided["anywhere" if score is None else "in production and critical systems"] = objections[0]
    if score is None or score.value is None:
        reason = next(filter(None, (score.verdict if score is not None else "", *reasons)), "")
        if reason:
            avoided.setdefault("before this is settled", reason)
    for cap in score.caps if score is not None else ():
        if cap.id == "virus":
            avoided["anywhere, before the reported files are examined"] = cap.reason
    for restriction in restrictions:
        avoided.setdefault(restriction.use, restriction.text)
    for signal in score.signals if score is not None else ():
        below, use = _AVOID.get(signal.id, (0.0, ""))
        is_stated = signal.reason in avoided.values() or any(signal.reason in item.text for item in restrictions)
        if signal.value is not None and signal.value < below and not is_stated:
            avoided.setdefault(use, signal.reason)
    yield from (f"{use} ({reason})" for use, reason in list(avoided.items())[:_MAX_FINDINGS])


def _describe_licence(score: Score | None) -> str:
    signals = {signal.id: signal for signal in score.signals if signal.state == "known"} if score else {}
    licence, terms = signals.get("licence"), signals.get("licence_terms")
    if licence is None:
        return "licence not known"
    return f"{licence.reason}; terms: {terms.reason.rpartition(': ')[2]}" if terms is not None else licence.reason


# --- commands


def _list_checks(subject: Subject) -> Iterator[Check]:
    if not subject.is_available:
        return
    ecosystem, name, version = subject.ecosystem.lower(), subject.name, subject.version
    if ecosystem == "pypi":
        folder = "checked-files"
        requirement = f"{name}=={version}" if version else name
        yield Check(
            _join("python", "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--dest", folder, requirement),
            "downloads the wheel, and runs nothing of it",
        )
        yield Check(f"python -m pip hash {folder}/*", "its digest, for comparison with the lock file and the registry")
        yield Check(_join("python", "-m", "pip", "index", "versions", name), "the versions that the registry lists")
    elif ecosystem == "npm":
        spec = f"{name}@{version}" if version else name
        fields = ("version", "license", "dist.integrity", "dist.signatures", "scripts", "maintainers", "deprecated")
        yield Check(_join("npm", "view", spec, *fields), "digest, signatures, scripts and publishers on the registry")
        yield Check(_join("npm", "pack", "--ignore-scripts", spec), "downloads the archive, and runs nothing of it")
        yield Check("npm audit signatures", "whether installed packages have valid signatures (in the project)")
    elif ecosystem == "github":
        yield from _list_github_checks(name, version)
    elif ecosystem in ("huggingface-kernel", "huggingface-space"):
        yield from _list_program_checks(ecosystem.partition("-")[2], subject)
    elif ecosystem.startswith("huggingface"):
        yield from _list_hub_checks(ecosystem.partition("-")[2], subject)
        if ecosystem == "huggingface-dataset":
            yield from _list_pickle_checks(subject)
    for file, digest in subject.digests[:1]:
        line = _join("printf", "%s\\n", f"{digest.removeprefix('sha256:')}  {file}")
        yield Check(f"{line} | sha256sum --check", "compares the file with the digest of the registry")


def _list_hub_checks(kind: str, subject: Subject) -> Iterator[Check]:
    words = ["hf", "download", subject.name]
    words += ["--repo-type", kind] if kind else []
    words += ["--revision", subject.version] if subject.version else []
    at = "at this commit" if subject.version else "at its newest commit"
    patterns = _READABLE if kind == "dataset" else _READABLE_BESIDE_WEIGHTS
    note = "; needs a token whose account has access" if subject.is_gated else ""
    what = "card, licence and code" if kind == "dataset" else "card, licence, configuration and code"
    left_out = "data" if kind == "dataset" else "weights"
    # One pattern at a time: releases of hf differ in how they take several.
    download = f'{_join(*words)} --include "$files" --local-dir checked-files'
    yield Check(
        f"for files in {_join(*patterns)}; do {download}; done",
        f"{what} {at}, without {left_out}; runs nothing of it{note}",
    )
    if not kind and subject.has_pickle is not False:
        yield Check(
            _join("picklescan", "--huggingface", subject.name),
            "what its pickle files import (newest commit; PyPI: picklescan)",
        )


def _list_program_checks(kind: str, subject: Subject) -> Iterator[Check]:
    """Yield the commands for a Space or a kernel, which is a program: all of its files may run."""
    note = "; needs a token whose account has access" if subject.is_gated else ""
    what = "sources and compiled code" if kind == "kernel" else "the program and how it is built"
    at = "at this commit" if subject.version else "at its newest commit"
    yield Check(
        _join(*_build_download(kind, subject), "--local-dir", "checked-files"),
        f"all of its files {at}: {what}; runs nothing of it{note}",
    )
    if subject.has_pickle is not False:
        yield Check(_join("picklescan", "--path", "checked-files"), f"{_PICKLE_IMPORTS} (PyPI: picklescan)")


def _list_pickle_checks(subject: Subject) -> Iterator[Check]:
    """Yield the command for the pickle files of a dataset; picklescan itself downloads those of models alone."""
    if subject.has_pickle is False:
        return
    download = f'{_join(*_build_download("dataset", subject))} --include "$files" --local-dir checked-pickles'
    scan = _join("picklescan", "--path", "checked-pickles")
    yield Check(
        f"for files in {_join(*_PICKLES)}; do {download}; done; {scan}", f"{_PICKLE_IMPORTS} (PyPI: picklescan)"
    )


def _build_download(kind: str, subject: Subject) -> list[str]:
    words = ["hf", "download", subject.name, "--repo-type", kind]
    return [*words, "--revision", subject.version] if subject.version else words


def _list_github_checks(name: str, commit: str) -> Iterator[Check]:
    folder = "checked-repository"
    url = f"https://github.com/{name}"
    yield Check(
        _join("git", "clone", "--filter=blob:none", "--no-checkout", url, folder),
        "its history; no file is written, and nothing of it runs",
    )
    if commit:
        yield Check(
            _join("git", "-C", folder, "branch", "--remotes", "--contains", commit),
            "the branches that have this commit: none if it is on a fork only",
        )
        yield Check(_join("git", "-C", folder, "verify-commit", commit), "whether it is signed, and by whom")
    yield Check(
        _join("gh", "api", f"repos/{name}/security-advisories"), "the advisories that its maintainers published"
    )


def _join(*words: str) -> str:
    """Return a command with its words quoted for a POSIX shell."""
    return shlex.join(words)
