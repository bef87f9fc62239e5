from __future__ import annotations

import time
from pathlib import PurePosixPath

import pytest

from nerq_cli.inventory import Edge, Location
from nerq_cli.manifests.formats import detect_format
from nerq_cli.manifests.python.conda_lock import NAME, read
from nerq_cli.manifests.python.conda_packages import CONDA_REASON, make_conda_declaration, parse_file_url


def entry(name: str, version: str, manager: str, platform: str, **more: str) -> str:
    lines = {"name": name, "version": f"'{version}'", "manager": manager, "platform": platform, **more}
    return "- " + "\n  ".join(f"{key}: {value}" for key, value in lines.items()) + "\n"


HASH = {"hash": "{sha256: '00'}"}
PYTHON = {"url": "https://conda.example/python.conda", "dependencies": "{_libgcc_mutex: '>=0.1'}", **HASH}
REQUESTS = {
    "url": "https://files.example/requests.whl",
    "dependencies": "{idna: '>=2.5,<4', python: '>=3.8'}",
    "category": "main",
    "optional": "false",
    **HASH,
}
FILE = "version: 1\nmetadata:\n  platforms: [linux-64, osx-64]\npackage:\n" + "".join(
    (
        entry("_libgcc_mutex", "0.1", "conda", "linux-64", **HASH),
        entry("python", "3.12.7", "conda", "linux-64", **PYTHON),
        entry("python", "3.12.7", "conda", "osx-64", **PYTHON),
        entry("requests", "2.31.0", "pip", "linux-64", **REQUESTS),
        entry("requests", "2.31.0", "pip", "osx-64", **REQUESTS),
        entry("idna", "3.7", "pip", "linux-64", url="https://files.example/idna.whl", category="docs", **HASH),
        entry("own", "1.0", "pip", "linux-64", source="{type: url, url: git+https://git.example/own.git@abc}"),
    )
)


def test_packages_are_listed_once_for_all_platforms() -> None:
    lock = read(FILE, "conda-lock.yml")
    assert lock.problems == ()
    assert [
        (p.package.purl, p.version, p.groups, p.optional, p.skip_reason, p.index) for p in lock.locked_packages
    ] == [
        ("pkg:conda/_libgcc_mutex", "0.1", ("main",), True, CONDA_REASON, ""),
        ("pkg:conda/python", "3.12.7", ("main",), False, CONDA_REASON, ""),
        ("pkg:pypi/requests", "2.31.0", ("main",), False, "", "https://files.example"),
        ("pkg:pypi/idna", "3.7", ("dev:docs",), True, "", "https://files.example"),
        ("pkg:pypi/own", "1.0", ("main",), True, "git: https://git.example/own.git @ abc", ""),
    ]
    _, python, requests, idna, own = lock.locked_packages
    assert python.edges == (Edge(target="conda:_libgcc_mutex@0.1", requirement=">=0.1"),)
    assert requests.edges == (
        Edge(target="pypi:idna@3.7", requirement=">=2.5,<4"),
        Edge(target="conda:python@3.12.7", requirement=">=3.8"),
    )
    assert (idna.has_hash, own.has_hash) == (True, False)
    assert FILE.splitlines()[requests.location.line - 1] == "- name: requests"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 0, "the file is empty"),
        ("version: 2\n", 1, '"2" is not supported'),
        ("package: []\n", 0, "no version: not of conda-lock"),
        ("version: 1\n", 0, "package must be a list"),
        ("version: 1\npackage: a\n", 2, "package must be a list"),
        ("version: 1\npackage:\n- {name: a, version: '1', manager: cargo}\n", 3, "is of no known manager"),
        ("version: 1\npackage:\n- {name: a, manager: pip}\n", 3, '"a" has no version'),
        ("version: 1\npackage:\n- {name: '', version: '1', manager: conda}\n", 3, "a package needs a name"),
    ],
)
def test_what_is_damaged_is_a_problem_at_its_place(text: str, line: int, message: str) -> None:
    [problem] = read(text, "conda-lock.yml").problems
    assert problem.line == line
    assert message in problem.message


@pytest.mark.parametrize("name", ["conda-lock.yml", "conda-lock.yaml", "gpu.conda-lock.yml"])
def test_it_is_found(name: str) -> None:
    assert detect_format(PurePosixPath("a") / name) == NAME


@pytest.mark.parametrize(
    ("address", "package"),
    [
        ("https://conda.example/linux-64/_libgcc_mutex-0.1-conda_forge.tar.bz2", ("_libgcc_mutex", "0.1")),
        ("./a-b-1.0-0.conda", ("a-b", "1.0")),
        ("~x-1-b.conda", ("x", "1")),
        ("a-1-b.conda", None),
        ("/a-1-b.zip", None),
        ("https://conda.example/py" + "thon-3.12.7-hc5c86c4_0_cpython.conda" * 600, None),
    ],
)
def test_the_file_of_a_package_names_it(address: str, package: tuple[str, str] | None) -> None:
    begun = time.process_time()
    assert parse_file_url(address) == package
    assert time.process_time() - begun < 2


@pytest.mark.parametrize("requirement", ["[" + "version=1," * 8_000, "=1" * 20_000, "1 " * 20_000])
def test_a_long_requirement_is_judged_in_no_time(requirement: str) -> None:
    begun = time.process_time()
    declaration = make_conda_declaration("a", requirement, "main", Location(path="e.yml", line=1))
    assert (declaration.requirement, time.process_time() - begun < 2) == (requirement, True)
