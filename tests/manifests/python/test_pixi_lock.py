from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from nerq_cli.inventory import DependencyFile, Edge
from nerq_cli.manifests.formats import detect_format
from nerq_cli.manifests.python.conda_packages import CONDA_REASON
from nerq_cli.manifests.python.pixi_lock import NAME, read

CONDA = "https://conda.example/conda-forge"
FILES = "https://registry.example/files"
FILE = f"""\
version: 6
environments:
  default:
    channels:
    - url: {CONDA}/
    indexes:
    - https://registry.example/simple
    packages:
      linux-64:
      - conda: {CONDA}/linux-64/_libgcc_mutex-0.1-conda_forge.tar.bz2
      - conda: {CONDA}/linux-64/python-3.12.7-hc5c86c4_0_cpython.conda
      - pypi: {FILES}/requests-2.31.0-py3-none-any.whl
      - pypi: {FILES}/idna-3.7-py3-none-any.whl
      - pypi: ./
      win-64:
      - conda: {CONDA}/win-64/python-3.12.7-hce54a09_0_cpython.conda
      - pypi: {FILES}/requests-2.31.0-py3-none-any.whl
      - pypi: ./
  test:
    channels: []
    packages:
      linux-64:
      - pypi: {FILES}/requests-2.31.0-py3-none-any.whl
      - pypi: https://other.example/pytest-8.0-py3-none-any.whl
packages:
- conda: {CONDA}/linux-64/_libgcc_mutex-0.1-conda_forge.tar.bz2
  sha256: 00
- conda: {CONDA}/linux-64/python-3.12.7-hc5c86c4_0_cpython.conda
  sha256: 00
  depends:
  - _libgcc_mutex >=0.1
  - __glibc >=2.17
- conda: {CONDA}/win-64/python-3.12.7-hce54a09_0_cpython.conda
  sha256: 00
- pypi: {FILES}/requests-2.31.0-py3-none-any.whl
  name: requests
  version: 2.31.0
  sha256: 00
  requires_dist:
  - idna<4,>=2.5
  - certifi>=2017.4.17
  - pysocks!=1.5.7,>=1.5.6 ; extra == 'socks'
- pypi: {FILES}/idna-3.7-py3-none-any.whl
  name: idna
  version: '3.7'
  sha256: 00
- pypi: https://other.example/pytest-8.0-py3-none-any.whl
  name: pytest
  version: '8.0'
- pypi: ./
  name: acme
  version: 0.1.0
  editable: true
"""

OLD = f"""\
version: 5
environments:
  default:
    packages:
      linux-64:
      - conda: {CONDA}/noarch/tzdata-2024a-h0_0.conda
      - pypi: {FILES}/idna-3.7-py3-none-any.whl
packages:
- kind: conda
  name: tzdata
  version: 2024a
  build: h0_0
  url: {CONDA}/noarch/tzdata-2024a-h0_0.conda
  sha256: 00
- kind: pypi
  name: idna
  version: '3.7'
  url: {FILES}/idna-3.7-py3-none-any.whl
  sha256: 00
"""


def summarise(lock: DependencyFile) -> list[tuple[str, str, tuple[str, ...], bool, str]]:
    return [(p.package.purl, p.version, p.groups, p.optional, p.skip_reason) for p in lock.locked_packages]


def test_packages_are_listed_once_with_the_environments_that_have_them() -> None:
    lock = read(FILE, "pixi.lock")
    assert lock.problems == ()
    assert summarise(lock) == [
        ("pkg:conda/_libgcc_mutex", "0.1", ("main",), True, CONDA_REASON),
        ("pkg:conda/python", "3.12.7", ("main",), False, CONDA_REASON),
        ("pkg:pypi/requests", "2.31.0", ("dev:test", "main"), False, ""),
        ("pkg:pypi/idna", "3.7", ("main",), True, ""),
        ("pkg:pypi/pytest", "8.0", ("dev:test",), False, ""),
        ("pkg:pypi/acme", "0.1.0", ("main",), False, "local path"),
    ]
    assert lock.local_names == ("acme",)


def test_edges_indexes_hashes_and_lines_are_read() -> None:
    _, python, requests, _, pytest_, _ = read(FILE, "pixi.lock").locked_packages
    assert python.edges == (Edge(target="conda:_libgcc_mutex@0.1", requirement=">=0.1"),)
    assert requests.edges == (Edge(target="pypi:idna@3.7", requirement="<4,>=2.5"),)
    assert (requests.index, pytest_.index) == ("https://registry.example/simple", "https://other.example")
    assert (requests.has_hash, pytest_.has_hash) == (True, False)
    assert FILE.splitlines()[requests.location.line - 1].startswith("- pypi: ")


def test_version_5_has_the_names_of_all_packages() -> None:
    assert summarise(read(OLD, "pixi.lock")) == [
        ("pkg:conda/tzdata", "2024a", ("main",), False, CONDA_REASON),
        ("pkg:pypi/idna", "3.7", ("main",), False, ""),
    ]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 0, "the file is empty"),
        ("- a\n", 1, "a lock file is a mapping, not a list"),
        ("a: [\n", 2, "not valid YAML"),
        ("version: 3\n", 1, '"3" is not supported'),
        ("packages: []\n", 0, "no version: not a lock of pixi"),
        ("version: 6\npackages: a\n", 2, "packages must be a list"),
        ("version: 6\npackages:\n- pypi: ./\n  name: '!'\n", 3, "cannot be the name of a package"),
        ("version: 6\npackages:\n- pypi: https://h.example/a.whl\n  name: a\n", 3, '"a" has no version'),
        ("version: 6\npackages:\n- conda: nonsense\n", 3, "a package needs a name"),
        ("version: 6\npackages:\n- {pypi: ./, name: a, requires_dist: ['!']}\n", 3, "not a dependency specifier"),
    ],
)
def test_what_is_damaged_is_a_problem_at_its_place(text: str, line: int, message: str) -> None:
    [problem] = read(text, "pixi.lock").problems
    assert problem.line == line
    assert message in problem.message


def test_it_is_found() -> None:
    assert detect_format(PurePosixPath("a/pixi.lock")) == NAME
