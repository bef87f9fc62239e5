"""A file of credentials that has, or leads to, the name of a dependency file: no message repeats a value of it."""

from __future__ import annotations

import pytest

from nerq_cli.manifests.formats import FORMATS

#: Stands for each value. A name of a package cannot have it, so that no reader takes it for one.
SECRET = "hunter2+/S3cr3t"  # noqa: S105 - an example
FILES = {
    "environment": f"AWS_SECRET_ACCESS_KEY={SECRET}\nTOKEN = '{SECRET}'\nexport PASSWORD={SECRET}\n",
    "process environment": f"HOME=/root\0TOKEN={SECRET}\0PATH=/bin\0",
    "key": f"-----BEGIN PRIVATE KEY-----\n{'MIIEvQIBADANBgkqhkiG9w0BAQEF' * 2}{SECRET}==\n-----END PRIVATE KEY-----\n",
    "netrc": f"machine host.example\nlogin me\npassword {SECRET}\n",
    "ini": f"[default]\naws_secret_access_key = {SECRET}\n[options]\ninstall_requires =\n  a {SECRET}\n",
    "yaml": f"password: {SECRET}\ndependencies:\n- pip:\n  - a ^{SECRET}\n- a ! {SECRET}\n",
    "json": f'{{"password": "{SECRET}", "dependencies": {{"a": "{SECRET},"}}, "lockfileVersion": "{SECRET}"}}',
    "broken json": f'{{"password": "{SECRET}" "x": 1}}',
    "toml": f"password = '{SECRET}'\n[project]\nversion = '{SECRET}'\ndependencies = ['a {SECRET}', '{SECRET}']\n",
    "poetry": f"[tool.poetry.dependencies]\na = '{SECRET}'\n[packages]\nb = '{SECRET}'\n",
    "broken toml": f"password = {SECRET}\n",
    "lock": f"version = '{SECRET}'\n[[package]]\nname = 'a'\nversion = '{SECRET}'\n"
    f"[metadata]\nlock-version = '{SECRET}'",
    "lock of names": f"version = 1\n[[package]]\nname = 'a'\nversion = '{SECRET}'\ndependencies = ['a {SECRET}']\n",
    "yarn": f'# yarn lockfile v1\n\n"a@^1":\n  version "{SECRET}"\n  {SECRET}\n',
    "pnpm": f"lockfileVersion: '{SECRET}'\npackages:\n  a: {SECRET}\n",
    "requirements": f"a =>{SECRET}\nb=={SECRET} x\n--password={SECRET}\na --hash={SECRET}\n-e {SECRET} x ; {SECRET}\n",
    "addresses": f"-r https://me:{SECRET}@host.example/?t={SECRET}\na @ https://me:{SECRET}@host.example/ x\n",
    "bill of materials": f'{{"bomFormat": "CycloneDX", "specVersion": "{SECRET}", "components": ["{SECRET}", '
    f'{{"name": "a", "purl": "pkg:pypi/a?t={SECRET}"}}]}}',
    "spdx": f'{{"spdxVersion": "{SECRET}", "packages": ["{SECRET}"]}}',
    "python": f"setup(install_requires=['a {SECRET}'], x='{SECRET})\n",
    "script": f"# /// script\n# dependencies = ['a {SECRET}']\n# password = {SECRET}\n# ///\n",
}


@pytest.mark.parametrize("content", FILES)
@pytest.mark.parametrize("name", FORMATS)
def test_no_message_repeats_a_value(name: str, content: str) -> None:
    read = FORMATS[name].reader.read(FILES[content], "file", constraint=False, group="")
    for problem in read.problems:
        assert "S3cr3t" not in problem.message + problem.text + problem.hint
    assert "S3cr3t" not in "".join(read.notes)
