from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from nerq_cli.inventory import ADVISORIES_ONLY, NOT_CHECKABLE, Edge
from nerq_cli.manifests.discovery import embedded_sboms
from nerq_cli.manifests.discovery.installed import read_installed

SITE = Path("env/lib/python3.11/site-packages")
PURLS = [
    "pkg:pypi/alpha@1.0",
    "pkg:cargo/openssl@0.10.64",
    "pkg:cargo/alpha-rust@0.1.0?download_url=file://.",
    "pkg:npm/%40babel/core@7.24.0",
    "pkg:pypi/Vendored.Lib@2.0",
    "pkg:rpm/almalinux/openssl-libs@1.1.1k-12.el8_9",
    "pkg:cargo/openssl@0.10.64",
    "pkg:cargo/noversion",
    "not a purl",
    "",
    "pkg:pypi/alpha@1.0#extension",
]


def cyclonedx(*purls: str) -> str:
    components = [
        {"type": "library", "bom-ref": f"{n}", "name": "x", "purl": purl}
        if purl
        else {"type": "library", "bom-ref": f"{n}", "name": "zlib", "version": "1.3"}
        for n, purl in enumerate(purls)
    ]
    root = {"component": {"type": "library", "bom-ref": "root", "name": "alpha", "purl": "pkg:pypi/alpha@1.0"}}
    return json.dumps(
        {"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": root, "components": components}, indent=1
    )


def install(folder: Path, *, sboms: dict[str, str], direct_url: str = "") -> None:
    info = folder / SITE / "alpha-1.0.dist-info"
    for name, text in {"METADATA": "Name: alpha\nVersion: 1.0\n", **sboms}.items():
        file = info / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    if direct_url:
        (info / "direct_url.json").write_text(direct_url)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_components_are_listed_under_the_distribution_that_carries_them(folder: Path) -> None:
    install(folder, sboms={"sboms/a.cdx.json": cyclonedx(*PURLS), "sboms/readme.txt": "no SBOM"})
    environment = read_installed(Path("env"))
    assert environment.problems == ()
    alpha, *components = environment.locked_packages
    assert [(c.package.purl, c.version, c.skip_reason.removeprefix("inside alpha 1.0")) for c in components] == [
        ("pkg:cargo/openssl", "0.10.64", ADVISORIES_ONLY),
        ("pkg:cargo/alpha-rust", "0.1.0", NOT_CHECKABLE),
        ("pkg:npm/%40babel/core", "7.24.0", ADVISORIES_ONLY),
        ("pkg:pypi/vendored-lib", "2.0", ADVISORIES_ONLY),
        ("pkg:rpm/almalinux/openssl-libs", "1.1.1k-12.el8_9", NOT_CHECKABLE),
        ("pkg:cargo/noversion", "", NOT_CHECKABLE),
        ("pkg:generic/zlib", "1.3", NOT_CHECKABLE),
    ]
    assert alpha.edges == tuple(Edge(target=component.key) for component in components)
    location = components[0].location
    assert location.path.endswith("alpha-1.0.dist-info/sboms/a.cdx.json")
    assert "cargo/openssl" in "\n".join(Path(location.path).read_text().splitlines()[location.line - 1 :][:6])


def test_components_of_a_distribution_from_elsewhere_are_not_checkable(folder: Path) -> None:
    direct_url = '{"url": "https://git.example/alpha", "vcs_info": {"vcs": "git", "commit_id": "abc"}}'
    install(folder, sboms={"sboms/a.json": cyclonedx("pkg:cargo/openssl@0.10.64")}, direct_url=direct_url)
    _, component = read_installed(Path("env")).locked_packages
    assert component.skip_reason == f"inside alpha 1.0{NOT_CHECKABLE}"


@pytest.mark.parametrize("text", ["{", "{}", "\x00"])
def test_a_damaged_sbom_leaves_the_run_incomplete_and_the_rest_is_listed(folder: Path, text: str) -> None:
    install(folder, sboms={"sboms/a.json": text, "sboms/b.json": cyclonedx("pkg:cargo/openssl@0.10.64")})
    environment = read_installed(Path("env"))
    assert [problem.level for problem in environment.problems] == ["incomplete"]
    assert [package.name for package in environment.locked_packages] == ["alpha", "openssl"]


def test_links_are_not_followed_and_numbers_are_limited(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_sboms, "MAX_SBOMS", 2)
    monkeypatch.setattr(embedded_sboms, "MAX_COMPONENTS", 3)
    sboms = {f"sboms/{n}.json": cyclonedx(f"pkg:cargo/a{n}@1.0.0", f"pkg:cargo/b{n}@1.0.0") for n in range(3)}
    install(folder, sboms=sboms)
    outside = folder / "outside.json"
    outside.write_text(cyclonedx("pkg:cargo/secret@1.0.0"))
    os.symlink(outside, folder / SITE / "alpha-1.0.dist-info" / "sboms" / "0-link.json")  # noqa: PTH211 - as elsewhere
    names = [package.name for package in read_installed(Path("env")).locked_packages]
    assert names == ["alpha", "a0", "b0", "a1"]
