"""The objects of the ecosystems: one for each id, complete, and cheap to import."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

import nerq_cli.ecosystems
from nerq_cli.ecosystems import (
    ECOSYSTEMS,
    OTHER,
    Ecosystem,
    EcosystemId,
    find_ecosystem,
    get_ecosystem,
    normalise_name,
)
from nerq_cli.facts import PackageInfo
from nerq_cli.inventory import Package, Release, strip_purl_version

PACKAGE = Path(nerq_cli.ecosystems.__file__).parent


def test_every_id_has_its_own_object() -> None:
    objects = tuple(get_ecosystem(ecosystem_id) for ecosystem_id in get_args(EcosystemId))
    assert tuple(ecosystem.id for ecosystem in objects) == get_args(EcosystemId)
    assert (
        tuple(ecosystem for ecosystem in objects if ecosystem.has_advisories and ecosystem.registry_api) == ECOSYSTEMS
    )
    assert len({ecosystem.purl_type for ecosystem in objects}) == len(objects)
    assert all(find_ecosystem(ecosystem.id) is ecosystem for ecosystem in ECOSYSTEMS)
    assert find_ecosystem("crates.io") is get_ecosystem("crates.io")
    assert find_ecosystem("conda") is None


@pytest.mark.parametrize(
    "values", [{item.purl_type for item in ECOSYSTEMS}, {item.registry_name for item in ECOSYSTEMS}]
)
def test_no_two_ecosystems_share_a_purl_type_or_a_registry(values: set[str]) -> None:
    assert len(values) == len(ECOSYSTEMS)


def test_no_two_ecosystems_share_a_target_prefix() -> None:
    prefixes = [prefix for one in get_args(EcosystemId) for prefix in get_ecosystem(one).target_prefixes]
    assert len(prefixes) == len(set(prefixes))


@pytest.mark.parametrize("ecosystem", ECOSYSTEMS)
def test_a_pin_is_a_requirement_that_its_version_satisfies(ecosystem: Ecosystem) -> None:
    pin = ecosystem.format_pin("1.2.3")
    assert ecosystem.parse_pin(pin) == "1.2.3"
    assert ecosystem.satisfies(pin, "1.2.3")
    assert not ecosystem.satisfies(pin, "1.2.4")


def test_names_and_package_urls_follow_the_ecosystem() -> None:
    assert normalise_name("PyPI", "Zope.Interface") == "zope-interface"
    assert normalise_name("npm", "JSONStream") == "JSONStream"
    package = Package(ecosystem="npm", name="@babel/core")
    assert (package.key, package.purl) == ("npm/@babel/core", "pkg:npm/%40babel/core")
    assert Release(package=package, version="7.0.0").purl == "pkg:npm/%40babel/core@7.0.0"


def test_packages_of_conda_are_listed_under_their_own_names() -> None:
    package = Package(ecosystem="conda", name="_libgcc_mutex")
    assert (package.key, package.purl) == ("conda/_libgcc_mutex", "pkg:conda/_libgcc_mutex")
    conda = get_ecosystem("conda")
    assert (conda.parse_pin("==0.1"), conda.parse_pin("=0.1"), conda.parse_pin("==0.1,<1")) == ("0.1", None, None)
    assert conda.choose_version("==0.1", PackageInfo(name="x")).version == "0.1"


@pytest.mark.parametrize("ecosystem", ECOSYSTEMS)
def test_an_empty_name_is_the_name_of_no_package(ecosystem: Ecosystem) -> None:
    assert ecosystem.find_name_error("")
    assert not ecosystem.find_name_error("demo")


def test_an_id_without_an_object_fails_the_type_check(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    package = tmp_path / "nerq_cli" / "ecosystems"
    package.mkdir(parents=True)
    for name in ("__init__.py", "protocol.py"):
        shutil.copy(PACKAGE / name, package)

    def check_types() -> str:
        options = ["--ignore-missing-imports", "--follow-imports=silent", "--explicit-package-bases", "--config-file="]
        command = [sys.executable, "-m", "mypy", *options, str(package)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout  # noqa: S603 - the type checker

    assert "[return]" not in check_types()
    protocol = package / "protocol.py"
    protocol.write_text(protocol.read_text().replace('    "npm",\n', '    "npm",\n    "Hex",\n', 1))
    assert "Missing return statement  [return]" in check_types()


def test_the_version_libraries_are_imported_by_the_first_version_only() -> None:
    code = (
        "import sys, nerq_cli.inventory, nerq_cli.ecosystems as e\n"
        "heavy = lambda: sorted({'packaging', 'nodesemver'} & set(sys.modules))\n"
        "print(heavy())\n"
        "e.get_ecosystem('PyPI').parse_version('1.0'); e.get_ecosystem('npm').satisfies('^1', '1.0.0')\n"
        "print(heavy())\n"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - the interpreter itself
    assert finished.stdout.split("\n")[:2] == ["[]", "['nodesemver', 'packaging']"]


@pytest.mark.parametrize(
    ("name", "purl"),
    [
        ("ghcr.io/acme/server", "pkg:docker/acme/server@1.0?repository_url=ghcr.io"),
        ("localhost:5000/server", "pkg:docker/server@1.0?repository_url=localhost:5000"),
        ("docker.io/library/redis", "pkg:docker/library/redis@1.0"),
        ("acme/server", "pkg:docker/acme/server@1.0"),
        ("redis", "pkg:docker/redis@1.0"),
    ],
)
def test_the_purl_of_an_image_has_its_registry_as_a_qualifier(name: str, purl: str) -> None:
    release = Release(package=Package(ecosystem=OTHER, name=f"docker/{name}"), version="1.0")
    assert release.purl == purl
    assert strip_purl_version(purl) == release.package.purl


def test_the_version_of_a_purl_is_stripped_and_no_scope() -> None:
    assert strip_purl_version("pkg:npm/%40acme/x@1.0") == "pkg:npm/%40acme/x"
    assert strip_purl_version("pkg:npm/%40acme/x") == "pkg:npm/%40acme/x"
