"""Files of a repository: which of them hold weights, in which format, and which of those a loader chooses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from nerq_cli.hub_facts import HubFile
from nerq_cli.patterns import compile_late

#: How a file holds weights: as data (``safetensors``, ``gguf``, ``exported``), with parts that may be code (``keras``),
#: or as a program of the pickle machine, which runs while it is loaded.
Format: TypeAlias = Literal["safetensors", "gguf", "exported", "keras", "pickle"]

#: By ending of the name. Sources: the Hub's pages about pickle scanning, GGUF and ONNX, and the modules of the
#: libraries that write them.
_FORMATS: Final[dict[str, Format]] = {
    "safetensors": "safetensors",
    "gguf": "gguf",
    "ggml": "gguf",
    **dict.fromkeys(
        ("onnx", "ort", "tflite", "litertlm", "task", "mlmodel", "msgpack", "pte", "skops", "engine", "plan", "rknn"),
        "exported",
    ),
    **dict.fromkeys(("h5", "hdf5", "keras"), "keras"),
    **dict.fromkeys(
        ("bin", "pt", "pth", "ckpt", "pkl", "pickle", "joblib", "dill", "nemo", "mar", "pt2", "th"), "pickle"
    ),
}
#: What training leaves behind, pickled: loaders of models do not read it.
_TRAINING_STATE: Final = frozenset({"training_args", "optimizer", "scheduler", "scaler", "rng_state", "random_states"})
#: Names that loaders look for without being told: transformers, peft and diffusers. ``pytorch_model`` counts as
#: ``model``, which is its name as safetensors.
_LOADER_NAMES: Final = frozenset({"model", "adapter_model", "diffusion_pytorch_model"})
_SHARD: Final = compile_late(r"-\d{5}-of-\d{5}")
#: Names of ``.bin`` files that loaders of PyTorch read, and training writes: pickled, whatever the tags state and lies
#: beside them (huggingface_hub, constants.py; diffusers, utils/constants.py; peft, utils/constants.py).
_PICKLED_BIN: Final = compile_late(
    r"pytorch|^(?:adapter_model|learned_embeds|ip[-_]adapter|training_args|optimizer|scheduler|scaler|r(?:ng|andom)_states?)"
    r"(?:[-_.]|$)"
)
#: Libraries whose other ``.bin`` files are plain data.
_PLAIN_BIN_LIBRARIES: Final = frozenset({"ctranslate2", "fasttext", "openvino", "whisper.cpp", "ggml"})
#: Programs and scripts, which no loader of models needs.
_PROGRAMS: Final = frozenset(
    {"exe", "dll", "scr", "msi", "lnk", "com", "ps1", "bat", "cmd", "vbs", "hta", "sh", "command", "apk", "dmg", "jar"}
)
#: Formats of datasets that are read as data.
_DATA: Final = frozenset(
    {"parquet", "arrow", "json", "jsonl", "csv", "tsv", "txt", "feather", "xml", "zst", "gz", "zip", "tar"}
    | {"jpg", "jpeg", "png", "webp", "gif", "tif", "tiff", "wav", "mp3", "flac", "ogg", "mp4", "lance", "orc"}
)
#: Of these, names of files that describe a dataset.
_DESCRIPTIONS: Final = frozenset(
    {
        "config.json",
        "croissant.json",
        "dataset_dict.json",
        "dataset_info.json",
        "dataset_infos.json",
        "requirements.txt",
    }
)
#: A repository with one of these files is loaded part by part, each from a folder of its own.
_INDEX_FILES: Final = frozenset({"model_index.json", "modules.json"})


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """The weights in a list of files."""

    #: Path of a file by format, the first one in alphabetical order.
    first: dict[Format, str]
    #: Pickle files that a loader chooses, since no safe format takes their place.
    chosen_pickles: tuple[str, ...] = ()
    #: Every other pickle file.
    other_pickles: tuple[str, ...] = ()
    #: A safetensors file that loaders choose, and the pickle file in whose place they do; empty = there is none.
    replacement: tuple[str, str] | None = None

    @property
    def level(self) -> str:
        """The level of the signal ``weight_format``; empty without weights."""
        if self.chosen_pickles:
            return "pickle"
        if self.other_pickles:
            return "twins" if self.first.keys() - {"pickle"} else ""
        return next((name for name in ("safetensors", "gguf", "exported", "keras") if name in self.first), "")

    @property
    def is_pickle_only(self) -> bool:
        """Whether there are weights in no other format."""
        return bool(self.chosen_pickles) and set(self.first) == {"pickle"}

    def is_replaced(self, path: str) -> bool:
        """Whether a file is one that loaders do not choose, because another one takes its place."""
        return path in self.other_pickles and "safetensors" in self.first


def find_weights(
    files: Iterable[HubFile], libraries: Iterable[str] = (), *, refuses_safetensors: bool = False
) -> Weights:
    """Return the weights in a list of files.

    Args:
        files: The files of a repository.
        libraries: The library and the tags of the repository.
        refuses_safetensors: Whether the project loads it without safetensors.

    """
    paths = sorted(file.path for file in files)
    has_plain_bin = not _PLAIN_BIN_LIBRARIES.isdisjoint(word.lower() for word in libraries)
    names = frozenset(paths)
    first: dict[Format, str] = {}
    pickles: list[str] = []
    for path in paths:
        format_ = _find_format(path, names, has_plain_bin=has_plain_bin)
        if format_ is None:
            continue
        first.setdefault(format_, path)
        if format_ == "pickle":
            pickles.append(path)
    safe_files = [path for path in paths if path.endswith(".safetensors") and not refuses_safetensors]
    twins = {(_get_folder(path), _get_weight_name(path)) for path in safe_files}
    in_parts = not _INDEX_FILES.isdisjoint(names)
    is_loaded = any(
        name in _LOADER_NAMES and (not folder or (in_parts and "/" not in folder)) for folder, name in twins
    )
    chosen = tuple(path for path in pickles if _is_chosen(path, twins, in_parts=in_parts, is_loaded=is_loaded))
    others = tuple(path for path in pickles if path not in set(chosen))
    return Weights(
        first=first, chosen_pickles=chosen, other_pickles=others, replacement=_find_replacement(others, safe_files)
    )


def _find_replacement(pickles: Sequence[str], safe_files: Sequence[str]) -> tuple[str, str] | None:
    """Return the first safetensors file of the same folder and name as a pickle file, and that pickle file."""
    paths = {(_get_folder(path), _get_weight_name(path)): path for path in reversed(safe_files)}
    twins = ((paths.get((_get_folder(path), _get_weight_name(path))), path) for path in pickles)
    return next(((safe, pickle) for safe, pickle in twins if safe), None)


def find_data(files: Sequence[HubFile]) -> Weights:
    """Return the same for a dataset: pickled files beside data, or alone."""
    paths = sorted(file.path for file in files)
    pickles = tuple(
        path for path in paths if _FORMATS.get(_get_ending(path)) == "pickle" and _get_ending(path) != "bin"
    )
    data = next((path for path in paths if _get_ending(path) in _DATA and not _is_description(path)), "")
    first: dict[Format, str] = {"safetensors": data} if data else {}
    if pickles:
        first["pickle"] = pickles[0]
    return Weights(first=first, chosen_pickles=() if data else pickles, other_pickles=pickles if data else ())


def find_programs(files: Iterable[HubFile]) -> tuple[str, ...]:
    """Return the programs and shell scripts among files."""
    return tuple(sorted(file.path for file in files if _get_ending(file.path) in _PROGRAMS))


def _find_format(path: str, names: frozenset[str], *, has_plain_bin: bool) -> Format | None:
    if path.endswith("saved_model.pb"):
        return "keras"
    ending = _get_ending(path)
    format_ = _FORMATS.get(ending)
    if ending == "bin":
        stem = path[: -len(".bin")]
        name = stem.rpartition("/")[2].lower()
        if _PICKLED_BIN.search(name):
            return "pickle"
        if ".mlpackage/" in path or f"{stem}.xml" in names or has_plain_bin:
            return "exported"
        if name.startswith("ggml-"):
            return "gguf"
    return format_


def _is_chosen(path: str, twins: set[tuple[str, str]], *, in_parts: bool, is_loaded: bool) -> bool:
    """Whether a loader chooses a pickle file.

    Loaders look for one name in one folder, and prefer the safetensors file of that name there. Other files than those
    of such a name are passed over only where loaders find the weights as safetensors.

    Args:
        path: A pickle file.
        twins: Folder and name of each safetensors file.
        in_parts: Whether the parts of the model have folders of their own.
        is_loaded: Whether loaders find a safetensors file under a name that they look for.
    """
    folder, name = _get_folder(path), _get_weight_name(path)
    stem = name.partition(".")[0]
    if stem in _TRAINING_STATE or stem.startswith(("rng_state_", "random_states_", "optimizer_")):
        return False
    if (folder, name) in twins:
        return False
    is_part = not folder or (in_parts and "/" not in folder)
    return not is_loaded or (is_part and name in _LOADER_NAMES)


def _get_weight_name(path: str) -> str:
    """Return the name under which a loader looks for a file of weights: without its ending and the number of its shard.

    It has the variant (``model.fp16``), which loaders choose only on request.
    """
    name = _SHARD.sub("", path.rpartition("/")[2]).rpartition(".")[0]
    return f"model{name.removeprefix('pytorch_model')}" if name.startswith("pytorch_model") else name


def _is_description(path: str) -> bool:
    """Whether a file describes a dataset, and holds nothing of it."""
    name = path.rpartition("/")[2].lower()
    return name in _DESCRIPTIONS or name.startswith(("changelog", "citation", "copying", "licen", "notice", "readme"))


def _get_ending(path: str) -> str:
    return path.rpartition("/")[2].rpartition(".")[2].lower() if "." in path else ""


def _get_folder(path: str) -> str:
    return path.rpartition("/")[0]
