"""Security signals of a repository: what the Hub's scanners report, and what runs when it is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from nerq_cli.ecosystems.huggingface import is_version_range
from nerq_cli.facts import NOT_REQUESTED, Fact, Found, Unknown
from nerq_cli.hub_facts import PENDING_SCANS, HubRepository, HubScan
from nerq_cli.methodology.types import SignalSpec
from nerq_cli.signals.models.context import RepositoryContext, is_adapter, list_parts
from nerq_cli.signals.models.files import Weights, find_programs
from nerq_cli.signals.signal import (
    Flag,
    MeasureFunction,
    Signal,
    build_flag,
    build_from_level,
    build_missing,
    build_not_applicable,
    build_possible_flag,
    build_unknown,
    format_age,
    format_count,
)

_HARMLESS: Final = frozenset({"innocuous", "ok", "safe"})
_LISTED: Final = frozenset({"caution", "suspicious"})
_BRANCHES: Final = frozenset({"", "main"})
#: End of the reason of the cap for code that a project lets run unpinned: a pin lifts it.
UNPINNED_CODE: Final = ", and the revision is not pinned to a commit"


# --- scans


def measure_file_scan(context: RepositoryContext, spec: SignalSpec) -> Iterator[Signal | Flag]:
    """Measure the worst result of the Hub's scanners."""
    yield from _flag_parts(context)
    fact, repository = context.fact, context.repository
    if repository is None or not isinstance(fact, Found):
        yield build_missing(spec, fact)
        return
    scans = [scan for scan in repository.scans if scan.virus or scan.level.lower() not in _HARMLESS]
    results = sorted(
        (_rate_scan(context, scan) for scan in scans),
        key=lambda item: (spec.levels[item[0]], item[0] != "virus", item[1]),
    )
    worst = results[0] if results else None
    yield from _flag_unlisted_levels(context, scans, fact)
    if worst is not None and spec.levels[worst[0]] <= spec.levels["unsafe, not loaded"]:
        more = f", and {format_count(len(results) - 1, 'more file')}" if len(results) > 1 else ""
        yield build_from_level(spec, worst[0], worst[1] + more, fact)
        yield from _flag_scan(context, worst, fact)
        return
    if reason := _explain_no_result(repository):
        yield build_unknown(spec, reason + (f"; so far {worst[1]}" if worst else ""), fact.source)
        return
    if worst is None and repository.scanned_files == 0:
        yield build_not_applicable(spec, "no file that may hold code")
        return
    if worst is None:
        yield build_from_level(spec, "clean", "no known problem found by the Hub's scanners", fact)
        return
    more = f", and {format_count(len(results) - 1, 'more file')}" if len(results) > 1 else ""
    signal = build_from_level(spec, worst[0], worst[1] + more, fact)
    yield msgspec.structs.replace(signal, may_change=any(map(_is_unlisted, scans)))


def _is_unlisted(scan: HubScan) -> bool:
    """Whether scanners report a file at a level that is not known: it may be as bad as unsafe."""
    return not scan.virus and scan.level.lower() not in _HARMLESS | _LISTED | PENDING_SCANS | {"unsafe"}


def _flag_unlisted_levels(
    context: RepositoryContext, scans: Iterable[HubScan], fact: Found[HubRepository]
) -> Iterator[Flag]:
    """Yield the caps that apply if a level that is not listed means unsafe."""
    for scan in scans:
        if _is_unlisted(scan):
            as_unsafe = _rate_scan(context, msgspec.structs.replace(scan, level="unsafe"))
            cap = "unsafe-twin" if as_unsafe[0] == "unsafe, not loaded" else "unsafe"
            yield build_possible_flag(cap, _rate_scan(context, scan)[1], fact)


def _explain_no_result(repository: HubRepository) -> str:
    """Return why it is not known what the scanners found; empty if it is."""
    pending_count = sum(not scan.virus and scan.level.lower() in PENDING_SCANS for scan in repository.scans)
    if repository.scan_problem:
        return f"scan results not read: {repository.scan_problem}"
    if repository.scans_done is None and not repository.scans:
        return "files not listed" if repository.files is None else "no scan results in the answer"
    if repository.scanned_files is None:
        return "" if repository.scans_done and not pending_count else "scans not done"
    total = format_count(repository.scanned_files, "file")
    parts = [
        *([f"{repository.unscanned_files:,} not read"] if repository.unscanned_files else []),
        *([f"{pending_count:,} not done"] if pending_count else []),
    ]
    return f"scans of {total} that may hold code: {', '.join(parts)}" if parts else ""


def _rate_scan(context: RepositoryContext, scan: HubScan) -> tuple[str, str]:
    """Return level and reason of what scanners report about one file."""
    level = scan.level.lower()
    if scan.virus:
        return "virus", f"virus found in {scan.path}"
    if level == "unsafe":
        weights = context.weights
        if context.kind != "dataset" and weights is not None and weights.is_replaced(scan.path):
            return "unsafe, not loaded", f"{scan.path} is reported as unsafe; loaders choose the safetensors files"
        return "unsafe", f"{scan.path} is reported as unsafe"
    if level in _LISTED:
        return level, f"{scan.path} is reported as {level}"
    if level in PENDING_SCANS:
        return "unlisted", f"{scan.path} not scanned"
    return "unlisted", f"{scan.path} is reported as {scan.level!r}, a level that is not listed"


def _flag_scan(context: RepositoryContext, worst: tuple[str, str], fact: Found[HubRepository]) -> Iterator[Flag]:
    level, reason = worst
    if level == "virus":
        yield build_flag("virus", reason, fact)
    elif level == "unsafe, not loaded":
        yield build_flag("unsafe-twin", reason, fact)
    elif context.weights is None and context.kind == "model":
        # Either it has a safe twin, or it has none: the milder cap is certain.
        yield build_flag("unsafe-twin", reason, fact)
        yield build_possible_flag("unsafe", "files not listed: a safe format may take its place, or not", fact)
    else:
        yield build_flag("unsafe", reason, fact)


def _flag_parts(context: RepositoryContext) -> Iterator[Flag]:
    """Yield a flag where another model that it loads is reported, or was not read."""
    if context.kind == "space":
        loads: bool | None = True
    elif context.kind == "model":
        loads = is_adapter(context)
    else:
        return
    if loads is False:
        return
    parts, is_stated = list_parts(context)
    if not parts and not is_stated:
        yield build_possible_flag("unsafe-part", "the models that it loads are not stated", context.fact)
        return
    for id_, fact in sorted(parts.items()):
        report = _find_report(context, fact) if isinstance(fact, Found) else ""
        if report and loads and is_stated and isinstance(fact, Found):
            yield build_flag("unsafe-part", f"{id_}, which it loads: {report}", fact)
        elif report:
            yield build_possible_flag("unsafe-part", f"{id_}, which it may load: {report}", fact)
        elif doubt := _describe_doubt(id_, fact):
            yield build_possible_flag("unsafe-part", doubt, fact)


def _describe_doubt(id_: str, fact: Fact[HubRepository]) -> str:
    """Return why it is not known whether scanners report another model; empty if it is."""
    if isinstance(fact, Unknown) and fact != NOT_REQUESTED:
        return f"{id_}, which it may load, was not read: {fact.reason}"
    if not isinstance(fact, Found) or _explain_no_result(fact.value):
        return f"no scan results of {id_}, which it may load"
    if any(map(_is_unlisted, fact.value.scans)):
        return f"{id_}, which it may load, is reported at a level that is not listed"
    return ""


def _find_report(context: RepositoryContext, fact: Found[HubRepository]) -> str:
    """Return the worst that scanners report about another model; empty if its loader meets nothing unsafe."""
    evidence = msgspec.structs.replace(context.evidence, repository=fact)
    part = RepositoryContext(context.methodology, evidence, context.as_of)
    rated = sorted(_rate_scan(part, scan) for scan in fact.value.scans if scan.virus or scan.level.lower() == "unsafe")
    return next((reason for level, reason in reversed(rated) if level in ("unsafe", "virus")), "")


# --- formats


def measure_weight_format(context: RepositoryContext, spec: SignalSpec) -> Iterator[Signal | Flag]:
    """Measure the format of the files that loaders choose."""
    fact, repository, weights = context.fact, context.repository, context.weights
    if repository is not None and repository.kind in ("space", "kernel"):
        yield build_not_applicable(spec, f"a {repository.kind} holds no weights")
        return
    if repository is None or weights is None or not isinstance(fact, Found):
        reason = "files not listed" if isinstance(fact, Found) else ""
        yield build_unknown(spec, reason, fact.source) if reason else build_missing(spec, fact)
        yield from _flag_unlisted_weights(context, fact)
        return
    level = weights.level
    if not level:
        if context.are_files_whole:
            yield build_not_applicable(
                spec, "no data files" if repository.kind == "dataset" else "no files with weights"
            )
        else:
            yield build_unknown(spec, "not all files are listed", fact.source)
        return
    signal = build_from_level(spec, level, _describe_weights(context, weights, level), fact)
    yield signal if context.are_files_whole else msgspec.structs.replace(signal, may_change=True)
    if level == "pickle":
        yield from _flag_young_pickle(context, weights, fact)
        if repository.kind == "model":
            yield from _flag_pickle_loader(context, weights, fact)


def _describe_weights(context: RepositoryContext, weights: Weights, level: str) -> str:
    if context.kind == "dataset":
        pickle = (*weights.chosen_pickles, *weights.other_pickles, "")[0]
        return {"pickle": f"pickled data only: {pickle}", "twins": f"data, and a pickle file: {pickle}"}.get(
            level, "data files only"
        )
    if level == "pickle":
        text = f"loaders choose a pickle file: {weights.chosen_pickles[0]}"
        others = ", ".join(sorted(set(weights.first) - {"pickle"}))
        refusal = ", which use_safetensors=False refuses" if context.evidence.reference.refuses_safetensors else ""
        text += f" (there is {others} too{refusal if 'safetensors' in others else ''})" if others else ""
        joined = context.loaders.pickle_refusal or context.loaders.pickle_danger or context.loaders.pickle_doubt
        return f"{text}; {joined}" if joined else text
    if level == "twins":
        chosen = (
            "safetensors" if "safetensors" in weights.first else next(iter(sorted(set(weights.first) - {"pickle"})))
        )
        return f"{chosen}, and pickle files that loaders do not choose: {weights.other_pickles[0]}"
    return {
        "safetensors": "safetensors",
        "gguf": "GGUF",
        "exported": f"exported model: {weights.first.get('exported', '')}",
        "keras": f"Keras or SavedModel, which may hold code: {weights.first.get('keras', '')}",
    }[level]


def _flag_young_pickle(context: RepositoryContext, weights: Weights, fact: Found[HubRepository]) -> Iterator[Flag]:
    if not weights.is_pickle_only:
        return
    is_young = None if context.days is None else context.days < context.limit("young_days")
    models = context.owner.models if context.owner is not None else None
    # The count of models includes this one; an author of datasets alone has none.
    is_only_one = None if models is None else models <= 1
    if is_young is False or is_only_one is False:
        return
    age = f"{format_age(context.days)} old" if context.days is not None else "of unknown age"
    if is_young and is_only_one:
        yield build_flag("young-pickle", f"pickle files only, {age}, by an author without another model", fact)
    else:
        unread = context.evidence.owner if is_only_one is None else fact
        reason = "not known whether its author has another model" if is_only_one is None else "no date of creation"
        yield build_possible_flag("young-pickle", f"pickle files only, {age}; {reason}", unread)


def _flag_unlisted_weights(context: RepositoryContext, fact: Fact[HubRepository]) -> Iterator[Flag]:
    """Yield the caps that files which were not listed may set."""
    if context.repository is None:
        return
    if context.days is None or context.days < context.limit("young_days"):
        models = context.owner.models if context.owner is not None else None
        if models is None or models <= 1:
            yield build_possible_flag("young-pickle", "files not listed: there may be pickle files only", fact)
    if context.kind == "model" and context.loaders.pickle_danger:
        yield build_possible_flag("pickle-loader", f"files not listed; {context.loaders.pickle_danger}", fact)


def _flag_pickle_loader(context: RepositoryContext, weights: Weights, fact: Found[HubRepository]) -> Iterator[Flag]:
    """Yield a flag where a pinned library runs code in the pickle file that it chooses."""
    danger = context.loaders.pickle_danger
    is_refused = context.loaders.pickle_refusal and fact.value.library == "transformers"
    if danger and not is_refused:
        yield build_flag("pickle-loader", f"{weights.chosen_pickles[0]} is a pickle file, and {danger}", fact)


# --- code


def measure_remote_code(context: RepositoryContext, spec: SignalSpec) -> Iterator[Signal | Flag]:
    """Measure whether loading can run code of the repository."""
    fact, repository = context.fact, context.repository
    if repository is not None and repository.kind == "space":
        yield build_not_applicable(spec, "its code runs on the Hub, not here")
        return
    if repository is None or not isinstance(fact, Found):
        yield build_missing(spec, fact)
        return
    programs = () if repository.kind == "kernel" else find_programs(context.files or ())
    code = _find_code(context, repository)
    if programs:
        found = f"{programs[0]} is a program or shell script"
        yield build_from_level(spec, "programs", f"{found}; {code}" if code else found, fact)
    elif code:
        yield build_from_level(spec, "present", code, fact)
    elif reason := _explain_unread_code(context, repository):
        yield build_unknown(spec, reason, fact.source)
    else:
        yield _build_no_code(context, spec, repository, fact)
    yield from _flag_remote_code(context, repository, fact)


def _build_no_code(
    context: RepositoryContext, spec: SignalSpec, repository: HubRepository, fact: Found[HubRepository]
) -> Signal:
    if context.dataset_script:
        reason = f"{context.loaders.datasets} runs no loading scripts ({context.dataset_script})"
    else:
        reason = "no loading script" if repository.kind == "dataset" else "no code of its own"
    signal = build_from_level(spec, "none", reason, fact)
    # There may be programs among the files that are not listed.
    return signal if context.are_files_whole else msgspec.structs.replace(signal, may_change=True)


def _find_code(context: RepositoryContext, repository: HubRepository) -> str:
    """Return which code of a repository loading can run, as a phrase; empty if none was found."""
    if repository.kind == "kernel":
        return "a kernel is compiled code, which runs in the process that loads it"
    if repository.kind == "dataset":
        script, runs = context.dataset_script, context.loaders.runs_scripts
        if not script or runs is False:
            return ""
        return f"loading script {script}" + (f", which {context.loaders.datasets} runs unasked" if runs else "")
    if repository.auto_map:
        return "its configuration loads classes from code (auto_map)"
    if "custom_code" in repository.tags:
        return "tagged custom_code"
    path = next((file.path for file in context.files or () if file.path.endswith(".py")), "")
    return f"Python file beside the weights: {path}" if path else ""


def _explain_unread_code(context: RepositoryContext, repository: HubRepository) -> str:
    """Return why it is not known that a repository has no code; empty if it is known."""
    if context.files is None:
        return "files not listed"
    if repository.kind == "dataset":
        return "" if context.are_files_whole or context.dataset_script else "not all files are listed"
    if repository.auto_map is None:
        if any(file.path == "config.json" for file in context.files):
            return "configuration not read"
        if not context.are_files_whole:
            return "configuration not read, and not all files are listed"
    return ""


def _flag_remote_code(
    context: RepositoryContext, repository: HubRepository, fact: Found[HubRepository]
) -> Iterator[Flag]:
    """Yield a flag where the project lets code run that it does not pin."""
    reference = context.evidence.reference
    if reference.is_target or context.is_pinned:
        return
    trusts, cause = reference.trusts_remote_code, "trust_remote_code is set"
    if repository.kind == "dataset" and context.loaders.runs_scripts is not None:
        trusts, cause = context.loaders.runs_scripts, f"{context.loaders.datasets} runs loading scripts unasked"
    if repository.kind == "kernel" and context.loaders.trusts_every_kernel:
        trusts, cause = True, f"{context.loaders.kernels} loads kernels of any publisher"
    if trusts is False:
        return
    loads_code = _loads_code(context, repository)
    if loads_code and trusts:
        yield build_flag("remote-code", f"{cause}{UNPINNED_CODE}", fact)
    elif loads_code is not False:
        reason = "not known whether trust_remote_code is set" if trusts is None else "not known whether it loads code"
        yield build_possible_flag("remote-code", f"{reason}{UNPINNED_CODE}", fact)


def _loads_code(context: RepositoryContext, repository: HubRepository) -> bool | None:
    """Return whether a loader runs code of the repository, once it is allowed to; None if that is not known."""
    if repository.kind == "kernel":
        return True
    if repository.kind == "dataset":
        return True if context.dataset_script else None if not context.are_files_whole else False
    if repository.auto_map or "custom_code" in repository.tags:
        return True
    if context.files is None:
        return None
    # Custom pipelines of diffusers.
    if any(file.path == "pipeline.py" for file in context.files):
        return True
    return None if _explain_unread_code(context, repository) else False


# --- pinning


def measure_pinning(context: RepositoryContext, spec: SignalSpec) -> Signal:
    """Measure what the scanned project refers to."""
    fact, reference = context.fact, context.evidence.reference
    if reference.is_target:
        return build_not_applicable(spec, "no project refers to it")
    if not isinstance(fact, Found):
        return build_missing(spec, fact)
    if context.is_pinned:
        return build_from_level(spec, "commit", "pinned to a commit", fact)
    sha = f"; now {fact.value.sha[:12]}" if fact.value.sha else ""  # the whole commit is in what to write
    if reference.revision in _BRANCHES:
        return build_from_level(spec, "none", f"not pinned: loads what is newest{sha}", fact)
    if context.kind == "kernel" and is_version_range(reference.revision):
        reason = f"not pinned: loads the newest version that meets {reference.revision}{sha}"
        return build_from_level(spec, "none", reason, fact)
    return build_from_level(spec, "branch or tag", f"{reference.revision} can be moved to another commit{sha}", fact)


#: The function of each signal, by id.
FUNCTIONS: Final[Mapping[str, MeasureFunction[RepositoryContext]]] = {
    "file_scan": measure_file_scan,
    "weight_format": measure_weight_format,
    "remote_code": measure_remote_code,
    "pinning": measure_pinning,
}
