"""What the libraries that a project pins do with a repository: which files they load, and whether code in them runs.

Each fact was read in the releases themselves, or in the advisory that is named:

- torch < 2.6: ``torch.load`` runs code in pickle files by default (``weights_only=False``), and can be made to run it
  with ``weights_only=True`` too (CVE-2025-32434, critical, fixed in 2.6.0).
- torch < 2.10: a crafted file corrupts memory in spite of ``weights_only=True`` (CVE-2026-24747, high).
- transformers loads ``pytorch_model.bin`` by itself where there is no safetensors file. 4.37.0 and later pass
  ``weights_only=True``; 4.52.0 and later refuse pickle files with torch < 2.6 (pull request 37785).
- datasets < 2.20 runs the loading script of a dataset unasked (2.16 added the switch ``trust_remote_code``, 2.20.0 set
  it to False, pull request 6954); 4.0.0 and later run none (pull request 7592).
- kernels < 0.14 loads kernels of any publisher; 0.14.0 added ``trust_remote_code`` for those it does not trust.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from nerq_cli.ecosystems.pep440 import parse_version

_TORCH_SAFE_DEFAULT: Final = (2, 6)
_TORCH_SOUND_UNPICKLER: Final = (2, 10)
_TRANSFORMERS_REFUSAL: Final = (4, 52)
_DATASETS_SWITCH_OFF: Final = (2, 20)
_DATASETS_WITHOUT_SCRIPTS: Final = (4, 0)
_KERNELS_TRUST: Final = (0, 14)


class Loader(msgspec.Struct, frozen=True):
    """A library that a project pins, at the lowest version of its lock files."""

    name: str
    version: str
    #: The first two numbers of the version.
    release: tuple[int, int]

    def __str__(self) -> str:
        """Return name and version as text."""
        return f"{self.name} {self.version}"


class Loaders(msgspec.Struct, frozen=True):
    """The libraries that a project pins. Each is None if it is not pinned, or its version cannot be read."""

    torch: Loader | None = None
    transformers: Loader | None = None
    datasets: Loader | None = None
    kernels: Loader | None = None

    @property
    def pickle_danger(self) -> str:
        """Why loading a pickle file can run code in it; empty if it is not known to."""
        if self.torch is not None and self.torch.release < _TORCH_SAFE_DEFAULT:
            return f"{self.torch} can run code in pickle files (CVE-2025-32434, fixed in 2.6.0)"
        return ""

    @property
    def pickle_doubt(self) -> str:
        """Which lesser advisory concerns loading a pickle file; empty if there is none."""
        if self.torch is not None and _TORCH_SAFE_DEFAULT <= self.torch.release < _TORCH_SOUND_UNPICKLER:
            return f"crafted files can corrupt memory in {self.torch} (CVE-2026-24747, fixed in 2.10.0)"
        return ""

    @property
    def pickle_refusal(self) -> str:
        """Why transformers does not load a pickle file; empty if it does."""
        if self.pickle_danger and self.transformers is not None and self.transformers.release >= _TRANSFORMERS_REFUSAL:
            return f"{self.transformers} refuses pickle files with {self.torch}"
        return ""

    @property
    def runs_scripts(self) -> bool | None:
        """Whether a loading script of a dataset runs: True = without being asked, False = never, None = if asked."""
        if self.datasets is None:
            return None
        if self.datasets.release >= _DATASETS_WITHOUT_SCRIPTS:
            return False
        return True if self.datasets.release < _DATASETS_SWITCH_OFF else None

    @property
    def trusts_every_kernel(self) -> bool:
        """Whether kernels of any publisher are loaded without being asked."""
        return self.kernels is not None and self.kernels.release < _KERNELS_TRUST


def read_loaders(libraries: Iterable[tuple[str, str]]) -> Loaders:
    """Return the libraries among pinned packages (name, version); of several versions the lowest counts."""
    found: dict[str, Loader] = {}
    for name, version in libraries:
        key = name.lower()
        parsed = parse_version(version) if key in Loaders.__struct_fields__ else None
        if parsed is None:
            continue
        major, minor = (*parsed.release, 0)[:2]
        loader = Loader(key, version, (major, minor))
        if key not in found or (loader.release, version) < (found[key].release, found[key].version):
            found[key] = loader
    return Loaders(**found)
