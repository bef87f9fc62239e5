"""Certificates that the configuration of the user's package managers names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from nerq_cli.fetch.ca_bundle import CaBundle
from nerq_cli.sources.registries.config.indexes import read_index_config

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"


def read(tmp_path: Path, files: Mapping[str, str], environ: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
    """Return the origin and the path or text of each bundle on a machine with these files."""
    (tmp_path / "home").mkdir()
    (tmp_path / "project").mkdir()
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    config = read_index_config(environ or {}, cwd=tmp_path / "project", home=tmp_path / "home", root=tmp_path)
    assert config.warnings == ()
    return [_show(bundle, tmp_path) for bundle in config.ca_bundles]


def _show(bundle: CaBundle, root: Path) -> tuple[str, str]:
    return bundle.origin, bundle.pem or bundle.path.replace(str(root), "")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"home/.pip/pip.conf": "[global]\ncert = /srv/ca.pem\n"}, ("pip.conf (~/.pip/pip.conf)", "/srv/ca.pem")),
        ({"home/.pip/pip.conf": "[install]\ncert = ~/ca.pem\n"}, ("pip.conf (~/.pip/pip.conf)", "/home/ca.pem")),
        ({"home/.npmrc": "cafile=/srv/ca.pem\n"}, (".npmrc (~/.npmrc)", "/srv/ca.pem")),
        ({"home/.npmrc": "cafile = ~/ca.pem\n"}, (".npmrc (~/.npmrc)", "/home/ca.pem")),
        ({"home/.npmrc": f'ca="{PEM}"\n'.replace("\nM", "\\nM").replace("\n-", "\\n-")}, (".npmrc (~/.npmrc)", PEM)),
        ({"home/.yarnrc": 'cafile "/srv/ca.pem"\n'}, (".yarnrc (~/.yarnrc)", "/srv/ca.pem")),
        ({"home/.yarnrc.yml": "httpsCaFilePath: /srv/ca.pem\n"}, (".yarnrc.yml (~/.yarnrc.yml)", "/srv/ca.pem")),
        (
            {"home/.bunfig.toml": '[install]\ncafile = "/srv/ca.pem"\n'},
            (".bunfig.toml (~/.bunfig.toml)", "/srv/ca.pem"),
        ),
    ],
    ids=["pip", "pip for install", "npm", "npm at home", "npm's text", "Yarn 1", "Yarn 2", "Bun"],
)
def test_the_files_of_the_user_name_certificates(
    tmp_path: Path, files: Mapping[str, str], expected: tuple[str, str]
) -> None:
    assert read(tmp_path, files) == [expected]


def test_several_certificates_of_one_npmrc_are_read(tmp_path: Path) -> None:
    one, two = (PEM.replace("MIIB", text).replace("\n", "\\n") for text in ("AAAA", "BBBB"))
    [(_, pem)] = read(tmp_path, {"home/.npmrc": f'ca[]="{one}"\nca[]="{two}"\n'})
    assert pem == f"{PEM.replace('MIIB', 'AAAA')}\n{PEM.replace('MIIB', 'BBBB')}"


def test_the_environment_goes_before_the_files(tmp_path: Path) -> None:
    files = {"home/.pip/pip.conf": "[global]\ncert = /old/ca.pem\n", "home/.npmrc": "cafile=/old/ca.pem\n"}
    environ = {"PIP_CERT": "/new/ca.pem", "npm_config_cafile": "/new/ca.pem"}
    assert read(tmp_path, files, environ) == [("environment npm_config_cafile", "/new/ca.pem")]


def test_a_scanned_project_names_no_certificates(tmp_path: Path) -> None:
    files = {
        "project/.npmrc": "cafile=/evil/ca.pem\n",
        "project/.yarnrc.yml": "httpsCaFilePath: /evil/ca.pem\n",
        "project/bunfig.toml": '[install]\ncafile = "/evil/ca.pem"\n',
        "project/pip.conf": "[global]\ncert = /evil/ca.pem\n",
    }
    assert read(tmp_path, files) == []
