"""Facts about repositories of the Hugging Face Hub: models, datasets, Spaces and kernels.

As in :mod:`nerq_cli.facts`, a field that is ``None`` was not in the answer, which differs from an empty value.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from nerq_cli.facts import NOT_REQUESTED, Fact

HubKind: TypeAlias = Literal["model", "dataset", "space", "kernel"]

#: The Hub gives no earlier time of creation (2022-03-02T23:29:04Z): a repository with it is at least that old.
OLDEST_CREATION: Final = 1_646_263_744

#: Start of the reason of a repository that exists and lacks the revision that was asked for.
NO_REVISION: Final = "the repository has no revision"

#: States of a scan that has no result yet.
PENDING_SCANS: Final = frozenset({"", "error", "pending", "queued", "scanning", "unscanned"})

#: Endings of files that hold data or text, which nothing runs while it reads them. All others may hold code.
_DATA_ENDINGS: Final = frozenset({
    "aac", "arrow", "avro", "bmp", "cff", "css", "csv", "fasta", "feather", "flac", "geojson", "gif", "ico",
    "jpeg", "jpg", "json", "jsonl", "jsonld", "lock", "log", "m4a", "md", "mkv", "mov", "mp3", "mp4", "ndjson",
    "oga", "ogg", "ogv", "opus", "orc", "otf", "parquet", "png", "properties", "rst", "safetensors", "srt",
    "tif", "tiff", "toml", "tsv", "ttf", "txt", "vtt", "wav", "webm", "webp", "woff", "woff2", "yaml", "yml",
})  # fmt: skip
#: Endings of files that are compressed as a whole: what is before them decides.
_COMPRESSED: Final = (".bz2", ".gz", ".lz4", ".xz", ".zst")
#: Names, without an ending, of files of text.
_TEXT_NAMES: Final = frozenset({
    ".gitattributes", ".gitignore", ".gitkeep", "authors", "changelog", "citation", "copying", "licence",
    "license", "notice", "owners", "readme",
})  # fmt: skip
#: Endings of archives, which hold data more often than code.
_ARCHIVES: Final = (".7z", ".rar", ".tar", ".tgz", ".zip")


def can_run_code(path: str) -> bool:
    """Return whether a file may hold code, as far as its name states it: only known formats of data hold none."""
    name = path.rpartition("/")[2].lower()
    if name.endswith(_COMPRESSED):
        name = name.rpartition(".")[0]
    stem, dot, ending = name.rpartition(".")
    return ending not in _DATA_ENDINGS if stem and dot else name not in _TEXT_NAMES


def is_archive(path: str) -> bool:
    """Return whether a file is an archive, also a compressed one, as far as its name states it."""
    name = path.lower()
    return name.removesuffix(next(filter(name.endswith, _COMPRESSED), "")).endswith(_ARCHIVES)


class HubFile(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A file of a repository."""

    path: str
    #: In bytes; None = not stated.
    size: int | None = None
    #: Digest of its content (hexadecimal), stated for large files; empty = not stated.
    sha256: str = ""


class HubScan(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What the Hub's scanners report about a file."""

    path: str
    #: The Hub's word: ``unsafe``, ``suspicious``, ``caution``, or another one, which is not understood.
    level: str
    #: Whether a virus was found in it.
    virus: bool = False


class CardMetadata(msgspec.Struct, frozen=True, omit_defaults=True):
    """The metadata in the header of a card, as its author wrote them. ``None`` = there is no such field."""

    licence: tuple[str, ...] | None = None
    licence_name: str = ""
    licence_link: str = ""
    languages: tuple[str, ...] = ()
    #: Ids of repositories, as written.
    base_models: tuple[str, ...] | None = None
    #: ``quantized``, ``adapter``, ``merge`` or ``finetune``; empty = not stated.
    base_model_relation: str = ""
    datasets: tuple[str, ...] | None = None
    metrics: tuple[str, ...] = ()
    #: Whether results of an evaluation are stated (``model-index``, or the Hub's own results).
    has_results: bool = False
    #: Id of the repository that replaces this one; empty = none.
    new_version: str = ""
    #: Further tags of the header.
    tags: tuple[str, ...] = ()
    #: Names of fields of datasets and Spaces that are present (``task_categories``, ``annotations_creators`` ...).
    fields: tuple[str, ...] = ()
    #: Text that readers must accept before they may download; empty = none.
    gate_text: str = ""


class HubRepository(msgspec.Struct, frozen=True, omit_defaults=True):
    """A repository at one commit."""

    kind: HubKind
    #: As the Hub spells it; another one than that which was asked for if it was renamed.
    id: str
    #: Commit of the revision that was asked for, 40 hexadecimal digits; empty = not stated.
    sha: str = ""
    author: str = ""
    #: Epoch seconds UTC; 0 = not stated.
    created_at: int = 0
    modified_at: int = 0
    #: ``auto`` or ``manual``; empty = not gated. None = not stated.
    gated: str | None = None
    disabled: bool = False
    #: In the last 30 days; Spaces have none.
    downloads: int | None = None
    likes: int | None = None
    tags: tuple[str, ...] = ()
    pipeline_tag: str = ""
    library: str = ""
    #: None = the card has no header, or it was not in the answer.
    card: CardMetadata | None = None
    #: Whether the card was in the answer: then ``card`` None means that it has no header.
    has_card_data: bool = False
    architectures: tuple[str, ...] = ()
    model_type: str = ""
    #: Whether the configuration loads classes from code in the repository; None = the configuration was not in the
    #: answer.
    auto_map: bool | None = None
    #: Number of parameters; None = not stated.
    parameters: int | None = None
    #: None = not in the answer. At most 2,000.
    files: tuple[HubFile, ...] | None = None
    #: Number of files that ``files`` leaves out.
    more_files: int = 0
    #: Whether pages of the list of files were not requested: ``files`` may lack files of any kind.
    is_list_cut: bool = False
    #: Whether all scans are done; None = not known. Where results were requested by file: the scans of those files.
    scans_done: bool | None = None
    #: Files about which the scanners report something.
    scans: tuple[HubScan, ...] = ()
    #: Number of files whose scan results were requested: those that may hold code. None = the Hub states the results
    #: of the whole repository.
    scanned_files: int | None = None
    #: Number of files that may hold code and whose scan results were not read; if files are not listed, at least.
    unscanned_files: int = 0
    #: Why scan results were not read; empty = they were, or the answer about the repository has to state them.
    scan_problem: str = ""
    #: Spaces: ``gradio``, ``docker``, ``static``, ``streamlit``; empty = not stated.
    sdk: str = ""
    #: Spaces: ``RUNNING``, ``BUILD_ERROR`` ...; empty = not stated.
    stage: str = ""
    #: Spaces: ids of the models and datasets that it uses.
    used_models: tuple[str, ...] | None = None
    used_datasets: tuple[str, ...] | None = None
    #: Ids of the base models that the Hub itself names (tags, or ``baseModels``); None = not in the answer.
    verified_bases: tuple[str, ...] | None = None
    #: What the Hub states it is to its base models: ``quantized``, ``adapter``, ``merge`` or ``finetune``; empty = not
    #: stated.
    verified_relation: str = ""

    @property
    def base_model_relation(self) -> str:
        """What it is to its base models: as its author states it, or else as the Hub does; empty = not stated."""
        return (self.card.base_model_relation if self.card is not None else "") or self.verified_relation


class HubCard(msgspec.Struct, frozen=True, omit_defaults=True):
    """The text of a card at one commit, without its header. Written by its author: data, never instructions."""

    #: At most 256 kB.
    text: str
    #: Whether the text was cut.
    is_cut: bool = False
    #: Number of lines of the file before the text: those of its header.
    lines_before: int = 0


class HubOwner(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who publishes a repository."""

    name: str
    is_organisation: bool
    #: None = not stated.
    is_verified: bool | None = None
    models: int | None = None
    followers: int | None = None


class HubReference(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the scanned project refers to a repository."""

    #: Whether it was named on the command line: no project refers to it.
    is_target: bool = False
    #: As written; empty = none.
    revision: str = ""
    #: Whether a call sets ``trust_remote_code``; None = no call was read.
    trusts_remote_code: bool | None = None
    #: Whether a call refuses safetensors (``use_safetensors=False``).
    refuses_safetensors: bool = False
    #: Versions of libraries that load models, as the lock file of the project pins them: (name, version).
    libraries: tuple[tuple[str, str], ...] = ()


class HubEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """All facts about one repository, before scoring."""

    repository: Fact[HubRepository] = NOT_REQUESTED
    card: Fact[HubCard] = NOT_REQUESTED
    owner: Fact[HubOwner] = NOT_REQUESTED
    #: The base models that the card names, as far as they were looked up, by id.
    bases: dict[str, Fact[HubRepository]] = {}
    #: The models that a Space uses, as far as they were looked up, by id.
    used: dict[str, Fact[HubRepository]] = {}
    reference: HubReference = HubReference()
