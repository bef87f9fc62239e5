from __future__ import annotations

import time

import pytest

from nerq_cli.manifests.python.archive_names import find_other_artefact, guess_requirement


@pytest.mark.parametrize(
    "file",
    [
        "python_dateutil-2.8.2-py2.py3-none-any.whl",
        "Python.Dateutil-2.8.2.0-1-py3-none-any.whl",
        "python-dateutil-2.8.2.tar.gz",
        "python_dateutil-2.8.2.zip",
        "https://files.example/x/python_dateutil-2.8.2%2Bcu118-py3-none-any.whl#sha256=00",
        "python-dateutil-2.8.2-beta-build.tar.gz",
        "python_dateutil.whl",
        "other.tar.gz",
        f"{'bad-' * 100_000}2.0.tar.gz",
        f"python_dateutil-{'9' * 200}-py3-none-any.whl.zip",
        "https://files.example/download/abc",
    ],
)
def test_a_file_of_the_package_or_with_an_unknown_name_is_accepted(file: str) -> None:
    assert find_other_artefact([file], "Python-DateUtil", "2.8.2") == ""


@pytest.mark.parametrize(
    "file",
    [
        "bad-2.8.2-py2.py3-none-any.whl",
        "python_dateutil-2.8.3-py2.py3-none-any.whl",
        "bad-2.8.2.tar.gz",
        "python-dateutil-2.8.3.tar.gz",
        "dateutil-2.8.2.zip",
        "https://files.example/bad-2.0-py3-none-any.whl?x=/python_dateutil-2.8.2-py3-none-any.whl",
    ],
)
def test_a_file_of_another_package_or_version_is_found(file: str) -> None:
    own = "python_dateutil-2.8.2-py3-none-any.whl"
    assert find_other_artefact([own, file], "python-dateutil", "2.8.2") == file


@pytest.mark.parametrize(
    ("address", "requirement"),
    [
        ("https://files.example/bad-2.0-py3-none-any.whl", "==2.0"),
        ("git+https://code.example/acme/bad@2.0", "==2.0"),
        ("git+ssh://git@code.example/acme/bad.git@v2.0#egg=bad", "==2.0"),
        ("git+ssh://git@code.example/acme/bad.git", ""),
        ("git+https://code.example/acme/bad@main", ""),
        ("git+https://code.example/acme/bad@1234567", ""),
        ("git+https://code.example/acme/bad@release/2.0", ""),
        ("file:///home/x/croot/bad_2.0/work", "==2.0"),
        ("file:///home/x/croot/bad_2.0_1700000000000/work/python", "==2.0"),
        ("file:///croot/bad_1700000000000/work", ""),
    ],
)
def test_an_address_with_an_exact_version_states_it(address: str, requirement: str) -> None:
    assert guess_requirement(address) == requirement


@pytest.mark.parametrize("version", ["9" * 5_000, "1." + "9" * 5_000])
def test_a_version_with_more_digits_than_python_converts_is_none(version: str) -> None:
    assert find_other_artefact(["demo-1.0-py3-none-any.whl"], "demo", version) == ""
    assert guess_requirement(f"https://files.example/demo-{version}.tar.gz") == ""


def test_a_long_address_is_read_in_no_time() -> None:
    begun = time.process_time()
    assert guess_requirement("/demo" + "_1.1" * 10_000) == ""
    assert time.process_time() - begun < 2
