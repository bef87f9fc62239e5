from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from nerq_cli.manifests.formats import detect_format
from nerq_cli.manifests.python import pixi, pyproject
from nerq_cli.manifests.python.conda_packages import CONDA_REASON

TABLES = """\
[{p}dependencies]
python = "3.11.*"
numpy = {{ version = "==1.26.4", channel = "conda-forge" }}
[{p}host-dependencies]
cmake = "*"
[{p}pypi-options]
extra-index-urls = ["https://u:p@extra.example/simple"]
[{p}pypi-dependencies]
requests = "==2.31.0"
any = "*"
flask = {{ version = ">=2", extras = ["async"], env-markers = "os_name == 'nt'" }}
own = {{ path = ".", editable = true }}
tool = {{ git = "https://git.example/tool.git", rev = "abc" }}
file = {{ url = "https://files.example/file-1.0-py3-none-any.whl" }}
corp = {{ version = ">1", index = "https://corp.example/simple" }}
[{p}target.win-64.pypi-dependencies]
pywin32 = ">=300"
[{p}feature.test.pypi-dependencies]
pytest = ">=8"
[{p}feature.test.target.osx-arm64.dependencies]
lld = ">=1"
"""
EXPECTED = [
    ("requests", "==2.31.0", "main", "", "", "", "pkg:pypi/requests"),
    ("any", "", "main", "", "", "", "pkg:pypi/any"),
    ("flask", ">=2", "main", "os_name == 'nt'", "", "", "pkg:pypi/flask"),
    ("own", "", "main", "", "local path", "", "pkg:pypi/own"),
    ("tool", "", "main", "", "git: https://git.example/tool.git @ abc", "", "pkg:pypi/tool"),
    ("file", "", "main", "", "URL: https://files.example/file-1.0-py3-none-any.whl", "", "pkg:pypi/file"),
    ("corp", ">1", "main", "", "", "https://corp.example/simple", "pkg:pypi/corp"),
    ("python", "3.11.*", "main", "", CONDA_REASON, "", "pkg:conda/python"),
    ("numpy", "==1.26.4", "main", "", CONDA_REASON, "", "pkg:conda/numpy"),
    ("cmake", "", "build", "", CONDA_REASON, "", "pkg:conda/cmake"),
    ("pywin32", ">=300", "main", 'sys_platform == "win32"', "", "", "pkg:pypi/pywin32"),
    ("pytest", ">=8", "dev:test", "", "", "", "pkg:pypi/pytest"),
    ("lld", ">=1", "dev:test", 'sys_platform == "darwin"', CONDA_REASON, "", "pkg:conda/lld"),
]


@pytest.mark.parametrize(
    ("reader", "prefix", "path"), [(pixi, "", "pixi.toml"), (pyproject, "tool.pixi.", "pyproject.toml")]
)
def test_packages_of_pypi_and_conda_are_read_by_feature_and_platform(reader: object, prefix: str, path: str) -> None:
    manifest = getattr(reader, "read")(TABLES.format(p=prefix), path)  # noqa: B009 - two modules
    assert manifest.problems == ()
    assert [
        (d.name, d.requirement, d.group, d.marker, d.skip_reason, d.index, d.package.purl)
        for d in manifest.declarations
    ] == EXPECTED
    assert manifest.declarations[0].extra_indexes == ("https://extra.example/simple",)
    assert manifest.declarations[2].extras == ("async",)
    assert manifest.local_names == ("own",)


def test_the_project_itself_is_left_out_in_a_pyproject() -> None:
    text = "[project]\nname = 'Own'\n[tool.pixi.pypi-dependencies]\nown = { path = '.', editable = true }\n"
    manifest = pyproject.read(text, "pyproject.toml")
    assert (manifest.declarations, manifest.local_names) == ((), ("own",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[pypi-dependencies]\na = 1", "must be a version or a table"),
        ("[dependencies]\na = 1", "must be a version or a table"),
        ("[pypi-dependencies]\na = '^1'", "is not a dependency specifier"),
    ],
)
def test_a_malformed_package_is_a_problem_on_its_line(text: str, message: str) -> None:
    [problem] = pixi.read(text, "pixi.toml").problems
    assert problem.line == 2
    assert message in problem.message


def test_pixi_toml_is_found() -> None:
    assert detect_format(PurePosixPath("a/pixi.toml")) == pixi.NAME
