"""Reads what the Hub answers about repositories and publishers. Every field may be absent, or of another type."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeVar

import msgspec

from nerq_cli.decoders import build_json_decoder_late
from nerq_cli.ecosystems import huggingface
from nerq_cli.errors import ResponseError
from nerq_cli.hub_facts import PENDING_SCANS, HubFile, HubKind, HubOwner, HubRepository, HubScan, can_run_code
from nerq_cli.sources.huggingface.card import build_metadata
from nerq_cli.sources.text import clean_text, decode_json, decode_optional, parse_count, parse_timestamp, split_list

T = TypeVar("T")

#: Most files of a repository that are kept.
MAX_FILES: Final = 2_000
#: Most files with a finding of a scanner, and most other entries of a list.
_MAX_SCANS: Final = 500
_MAX_LIST: Final = 200
_MAX_VALUE: Final = 200
_MAX_PATH: Final = 500
#: Start of tags that name a base model, and what a model can be to it (hub-docs, model-cards.md).
_BASE_TAG: Final = "base_model:"
_RELATIONS: Final = ("adapter", "finetune", "merge", "quantized")

#: Suffixes of files that hold data alone and come in thousands: the last that are kept.
_DATA_SUFFIXES: Final = (
    ".arrow", ".csv", ".flac", ".gz", ".jpeg", ".jpg", ".json", ".jsonl", ".md", ".mp3", ".mp4", ".ogg", ".parquet",
    ".png", ".tsv", ".txt", ".wav", ".webp", ".zst",
)  # fmt: skip

#: Types of entries of a tree that are no files.
_NO_FILES: Final = ("directory", "tree")

_OBJECT = build_json_decoder_late(dict[str, msgspec.Raw])
_VALUE = build_json_decoder_late(object)
_ANY_OBJECT = build_json_decoder_late(dict[str, Any])


class _LargeFile(msgspec.Struct):
    """What the Hub states about a large file."""

    size: object = None
    sha256: object = None
    oid: object = None


class _FileAnswer(msgspec.Struct):
    """A file in an answer: ``rfilename`` in that about a repository, ``path`` in that about its tree."""

    rfilename: object = None
    path: object = None
    type: object = None
    size: object = None
    lfs: _LargeFile | None = None


class FileScans(msgspec.Struct, frozen=True, omit_defaults=True):
    """What scanners report about single files of a commit."""

    #: Number of requested files whose state the answer has.
    answered: int = 0
    #: Those that are not safe, with states that are no result yet.
    scans: tuple[HubScan, ...] = ()
    #: Whether every requested file has a result that no scanner will add to.
    is_final: bool = False


class _PathAnswer(msgspec.Struct):
    """A file in an answer about paths."""

    path: object = None
    security: object = msgspec.field(default=None, name="securityFileStatus")


class _ReferenceAnswer(msgspec.Struct):
    """A branch or tag."""

    name: object = None
    commit: object = msgspec.field(default=None, name="targetCommit")


class _ScanAnswer(msgspec.Struct):
    """A file about which a scanner reports something."""

    path: object = None
    level: object = None
    status: object = None


_FILE = build_json_decoder_late(_FileAnswer)
_SCAN = build_json_decoder_late(_ScanAnswer)
_REFERENCE = build_json_decoder_late(_ReferenceAnswer)
_PATH = build_json_decoder_late(_PathAnswer)


def parse_repository(kind: HubKind, body: bytes) -> HubRepository:
    """Return a repository.

    Raises:
        ResponseError: the answer is no JSON object with an id.
    """
    raw = decode_json(_OBJECT, body)

    def read(name: str) -> object:
        return decode_optional(_VALUE, raw[name]) if name in raw else None

    name = clean_text(read("id") or read("modelId"), _MAX_VALUE)
    if not name or huggingface.HUB_ECOSYSTEMS[0].find_name_error(name):
        raise ResponseError("the answer names no repository")
    card, config, runtime = read("cardData"), read("config"), read("runtime")
    commit = read("sha")
    files, more_files = _read_files(raw.get("siblings"))
    scans_done, scans, scan_problem = _read_scans(raw.get("securityRepoStatus"))
    tags = _read_texts(read("tags")) or ()
    metadata = build_metadata(card) if isinstance(card, dict) and card else None
    own_tags = metadata.tags if metadata is not None else ()
    bases, relation = _read_bases(read("baseModels"), [tag for tag in tags if tag not in own_tags])
    if metadata is not None and not metadata.has_results and (read("model-index") or read("evalResults")):
        metadata = msgspec.structs.replace(metadata, has_results=True)
    return HubRepository(
        kind=kind,
        id=name,
        sha=commit.lower() if isinstance(commit, str) and huggingface.is_commit(commit) else "",
        author=clean_text(read("author"), _MAX_VALUE) or name.rpartition("/")[0],
        created_at=parse_timestamp(read("createdAt")),
        modified_at=parse_timestamp(read("lastModified")),
        gated=_read_gate(read("gated")),
        disabled=read("disabled") is True,
        downloads=parse_count(read("downloads")),
        likes=parse_count(read("likes")),
        tags=tags,
        pipeline_tag=clean_text(read("pipeline_tag"), _MAX_VALUE),
        library=clean_text(read("library_name"), _MAX_VALUE),
        card=metadata,
        has_card_data="cardData" in raw,
        architectures=_read_texts(config.get("architectures")) or () if isinstance(config, dict) else (),
        model_type=clean_text(config.get("model_type"), _MAX_VALUE) if isinstance(config, dict) else "",
        auto_map=_read_auto_map(config, tags),
        parameters=_read_parameters(read("safetensors"), read("gguf")),
        files=files,
        more_files=more_files,
        scans_done=scans_done,
        scans=scans,
        scan_problem=scan_problem,
        sdk=clean_text(read("sdk"), _MAX_VALUE),
        stage=clean_text(runtime.get("stage"), _MAX_VALUE) if isinstance(runtime, dict) else "",
        used_models=_read_texts(read("models")) if kind == "space" else None,
        used_datasets=_read_texts(read("datasets")) if kind == "space" else None,
        verified_bases=bases,
        verified_relation=relation,
    )


def parse_files(body: bytes) -> tuple[list[HubFile], int]:
    """Return the files of one page of a tree, and the number of entries that cannot be read.

    Raises:
        ResponseError: it is no list.
    """
    items = split_list(body)
    if items is None:
        raise ResponseError("the answer holds no list of files")
    return _list_files(items)


def parse_scans(paths: Iterable[str], body: bytes) -> FileScans:
    """Return what an answer states about the scans of files.

    Args:
        paths: Those that were requested; what the answer has about others is ignored.
        body: The answer.

    Raises:
        ResponseError: it is no list.
    """
    items = split_list(body)
    if items is None:
        raise ResponseError("the answer holds no list of files")
    open_paths, scans, has_pending = set(paths), [], False
    for item in items:
        answer = decode_optional(_PATH, item)
        path = answer and answer.path
        if answer is None or not isinstance(path, str) or not isinstance(answer.security, dict):
            continue
        if path not in open_paths:
            continue
        states = [answer.security, *(part for part in answer.security.values() if isinstance(part, dict))]
        levels = [clean_text(state.get("status"), _MAX_VALUE).lower() for state in states]
        has_virus = _has_virus(answer.security.get("avScan"))
        if not levels[0] and not has_virus:
            continue
        open_paths.discard(path)
        # A scanner that never looks at this format is "unscanned" for good: only the state of the file itself counts.
        has_pending |= levels[0] in PENDING_SCANS or not PENDING_SCANS.isdisjoint(set(levels[1:]) - {"", "unscanned"})
        if has_virus or levels[0] != "safe":
            scans.append(HubScan(path[:_MAX_PATH], levels[0] or "not stated", virus=has_virus))
    answered = len(set(paths)) - len(open_paths)
    return FileScans(answered, _order_scans(scans), is_final=not open_paths and not has_pending)


def parse_references(body: bytes) -> tuple[dict[str, str], dict[str, str]]:
    """Return the tags and the branches of a repository, each with its commit.

    Raises:
        ResponseError: it is no JSON object.
    """
    raw = decode_json(_OBJECT, body)
    found: list[dict[str, str]] = []
    for field in ("tags", "branches"):
        items = split_list(raw.get(field, b"[]")) or ()
        answers = (decode_optional(_REFERENCE, item) for item in items[:MAX_FILES])
        found.append(
            {
                answer.name: answer.commit.lower()
                for answer in answers
                if answer is not None
                and isinstance(answer.name, str)
                and isinstance(answer.commit, str)
                and huggingface.is_commit(answer.commit)
            }
        )
    return found[0], found[1]


def parse_organisation(body: bytes) -> HubOwner:
    """Return an organisation.

    Raises:
        ResponseError: the answer is no JSON object.
    """
    answer = decode_json(_ANY_OBJECT, body)
    verified = answer.get("isVerified")
    return HubOwner(
        name=clean_text(answer.get("name"), _MAX_VALUE),
        is_organisation=True,
        is_verified=verified if isinstance(verified, bool) else None,
        models=parse_count(answer.get("numModels")),
        followers=parse_count(answer.get("numFollowers")),
    )


def parse_user(body: bytes) -> HubOwner:
    """Return a user. The Hub verifies organisations only.

    Raises:
        ResponseError: the answer is no JSON object.
    """
    answer = decode_json(_ANY_OBJECT, body)
    return HubOwner(
        name=clean_text(answer.get("user"), _MAX_VALUE),
        is_organisation=answer.get("type") == "org",
        models=parse_count(answer.get("numModels")),
        followers=parse_count(answer.get("numFollowers")),
    )


def is_mere_data(path: str) -> bool:
    """Return whether a file is one of those that are left out first: data, which may come in thousands."""
    return path.lower().endswith(_DATA_SUFFIXES) and not can_run_code(path)


def select_files(files: Iterable[HubFile]) -> tuple[tuple[HubFile, ...], int]:
    """Return the files to keep, by path, and the number of the others. Files of data alone are left out first."""
    ordered = sorted(files, key=lambda file: (is_mere_data(file.path), file.path.count("/"), file.path))
    kept = sorted(ordered[:MAX_FILES], key=lambda file: file.path)
    return tuple(kept), len(ordered) - len(kept)


def _read_files(raw: msgspec.Raw | None) -> tuple[tuple[HubFile, ...] | None, int]:
    items = None if raw is None else split_list(raw)
    if items is None:
        return None, 0
    files, unreadable_count = _list_files(items)
    kept, more_files = select_files(files)
    return kept, more_files + unreadable_count


def _list_files(items: Iterable[msgspec.Raw]) -> tuple[list[HubFile], int]:
    """Return files, and the number of entries that cannot be read: there is a file that is not known."""
    files: list[HubFile] = []
    unreadable_count = 0
    for item in items:
        answer = decode_optional(_FILE, item)
        if answer is not None and answer.type in _NO_FILES:
            continue
        path = answer and (answer.rfilename or answer.path)
        # The end of a path decides what a file is: none is cut.
        if answer is None or not isinstance(path, str) or not path or len(path) > _MAX_PATH:
            unreadable_count += 1
            continue
        large = answer.lfs or _LargeFile()
        digest = large.sha256 if large.sha256 is not None else large.oid
        file = HubFile(
            path=clean_text(path, _MAX_PATH),
            size=parse_count(answer.size) if answer.size is not None else parse_count(large.size),
            sha256=digest if isinstance(digest, str) and len(digest) == 64 and digest.isalnum() else "",  # noqa: PLR2004 - of SHA-256
        )
        files.append(file)
    return files, unreadable_count


def _read_scans(raw: msgspec.Raw | None) -> tuple[bool | None, tuple[HubScan, ...], str]:
    """Return whether all scans are done, what they found, and why not all of that can be read (empty if it can).

    A level that is not known is kept as it is. The Hub calls this part of its answer not stable: without a list of
    files it is not known that scanners found nothing.
    """
    status = None if raw is None else decode_optional(_OBJECT, raw)
    if status is None:
        return None, (), ""
    done = decode_optional(_VALUE, status["scansDone"]) if "scansDone" in status else None
    items = split_list(status["filesWithIssues"]) if "filesWithIssues" in status else None
    answers = [decode_optional(_SCAN, item) for item in items or ()]
    scans: list[HubScan] = []
    for answer in answers:
        if answer is not None:
            level = clean_text(answer.level or answer.status, _MAX_VALUE).lower() or "not stated"
            path = clean_text(answer.path, _MAX_PATH) or "a file without a name"
            scans.append(HubScan(path, level, virus="virus" in level or "infected" in level))
    problem = ""
    if items is None:
        problem = "the answer has no list of files with issues"
    elif None in answers:
        problem = "the list of files with issues has entries that cannot be read"
    return done if isinstance(done, bool) else None, _order_scans(scans), problem


def _order_scans(scans: Iterable[HubScan]) -> tuple[HubScan, ...]:
    """Return the worst scans first, as many as are kept."""
    worst_first = sorted(scans, key=lambda scan: (not scan.virus, scan.level != "unsafe", scan.level, scan.path))
    return tuple(worst_first[:_MAX_SCANS])


def _has_virus(scan: object) -> bool:
    """Return whether the virus scanner found something."""
    return isinstance(scan, dict) and (scan.get("virusFound") is True or scan.get("status") in ("infected", "unsafe"))


def _read_gate(value: object) -> str | None:
    """Return ``auto`` or ``manual``; empty if it is not gated, None if the answer does not state it."""
    if value is False:
        return ""
    return clean_text(value, _MAX_VALUE) or ("manual" if value is True else None)


def _read_auto_map(config: object, tags: tuple[str, ...]) -> bool | None:
    """Return whether the configuration names classes of the repository; the Hub marks such models as well."""
    if "custom_code" in tags:
        return True
    if not isinstance(config, dict):
        return None
    return bool(config.get("auto_map"))


def _read_parameters(safetensors: object, gguf: object) -> int | None:
    for value in (safetensors, gguf):
        if isinstance(value, dict) and (total := parse_count(value.get("total"))) is not None:
            return total
    return None


def _read_texts(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        return None
    return tuple(dict.fromkeys(filter(None, (clean_text(item, _MAX_VALUE) for item in value[:_MAX_LIST]))))


def _read_bases(value: object, tags: Iterable[str]) -> tuple[tuple[str, ...] | None, str]:
    """Return the ids of the base models that the Hub names, None if it names none, and what the repository is to them.

    ``baseModels`` is in no usual answer (``{"models": [{"id": ...}], "relation": ...}``); the tags
    ``base_model:org/name`` and ``base_model:finetune:org/name``, which the Hub adds to those of the card, are.
    """
    models = value.get("models") if isinstance(value, dict) else value
    relation = value.get("relation") if isinstance(value, dict) else ""
    if isinstance(models, list):
        ids = _read_texts([item.get("id") if isinstance(item, dict) else item for item in models])
        return ids, relation if relation in _RELATIONS else ""
    links = [tag.removeprefix(_BASE_TAG).rpartition(":") for tag in tags if tag.startswith(_BASE_TAG)]
    known = [(kind, id_) for kind, _, id_ in links if not kind or kind in _RELATIONS]
    return _read_texts([id_ for _, id_ in known]) or None, next(filter(None, (kind for kind, _ in known)), "")
