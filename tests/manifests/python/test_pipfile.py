from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nerq_cli.inventory import Declaration, DependencyFile, Location
from nerq_cli.manifests.python.pipfile import NAME, matches, read

FILE = """\
[[source]]
url = "https://${USER}:secret@registry.example/simple"
verify_ssl = true
name = "main"

[[source]]
url = "https://acme.example/simple"
name = "Acme"

[packages]
requests = {extras = ["socks"], version = "*"}
"urllib3[brotli, zstd]" = ">=2,<3"

[packages.acme-tool]
version = "~=1.2"
index = "acme"
sys_platform = "== 'win32'"
markers = "python_version < '3.12' or os_name == 'nt'"

[dev-packages]
pytest = "8.0"

[Docs]
sphinx = "==7.*"

[requires]
python_version = "3.12"

[scripts]
test = "pytest"

[pipenv]
allow_prereleases = true
"""


def only(text: str) -> Declaration:
    manifest = read(f"[packages]\n{text}", "Pipfile")
    assert manifest.problems == ()
    [declared] = manifest.declarations
    return declared


def messages(manifest: DependencyFile) -> list[tuple[int, str]]:
    return [(problem.line, problem.message) for problem in manifest.problems]


@pytest.mark.parametrize(("path", "wanted"), [("a/Pipfile", True), ("Pipfile.lock", False), ("pipfile", False)])
def test_it_wants_a_pipfile(path: str, *, wanted: bool) -> None:
    assert matches(PurePosixPath(path)) is wanted


@pytest.mark.parametrize("text", [FILE, "\ufeff" + FILE, FILE.replace("\n", "\r\n")])
def test_each_dependency_has_its_version_group_index_and_line(text: str) -> None:
    manifest = read(text, "a/Pipfile")
    assert (manifest.format, manifest.problems, manifest.notes) == (NAME, (), ())
    found = [(d.name, d.requirement, d.group, d.extras, d.location.line, d.index) for d in manifest.declarations]
    first, acme = "https://registry.example/simple", "https://acme.example/simple"
    assert found == [
        ("requests", "", "main", ("socks",), 11, first),
        ("urllib3", ">=2,<3", "main", ("brotli", "zstd"), 12, first),
        ("acme-tool", "~=1.2", "main", (), 14, acme),
        ("pytest", "==8.0", "dev", (), 21, first),
        ("sphinx", "==7.*", "dev:docs", (), 24, first),
    ]
    assert manifest.declarations[2].marker == "(python_version < '3.12' or os_name == 'nt') and sys_platform == 'win32'"


@pytest.mark.parametrize(
    ("value", "skip"),
    [
        ('{git = "https://u:p@git.example/a.git", ref = "1f", editable = true}', "git: https://git.example/a.git @ 1f"),
        ('{hg = "https://hg.example/a", version = "*"}', "hg: https://hg.example/a"),
        ('{path = "./a", editable = true}', "local path"),
        ('{file = "https://x.example/a.zip"}', "URL: https://x.example/a.zip"),
        ('{file = "a.zip"}', "local archive"),
        ('{version = "==1", index = "elsewhere"}', "index elsewhere, not defined in this file"),
    ],
)
def test_what_no_known_index_serves_says_where_it_comes_from(value: str, skip: str) -> None:
    found = only(f"a = {value}")
    assert (found.skip_reason, found.requirement) == (skip, "")


def test_what_lies_beside_the_file_is_never_looked_up() -> None:
    assert read('[packages]\nA_b = {path = "."}\n', "Pipfile").local_names == ("a-b",)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("packages = 1", 1, "packages must be a table, here it is an integer"),
        ("[packages]\na = 1", 2, "packages.a must be a version or a table, here it is an integer"),
        ('[packages]\na = "^1.2"', 2, '"a": not a version or a range of versions'),
        ('[packages]\na = "' + "1" * 5_000 + '"', 2, '"a": the version is longer than 4000 characters'),
        ('[packages]\n"a b" = "*"', 2, '"a b" cannot be the name of a package'),
        ("[packages]\na = {markers = 'x'}", 2, '"a": expected'),
        ("[[source]]\nname = 'x'", 1, "a source needs a url"),
        ("[packages]\na = '*'\na = '*'", 3, "not valid TOML"),
    ],
)
def test_what_cannot_be_read_is_a_problem_at_its_line(text: str, line: int, message: str) -> None:
    [(found, said)] = messages(read(text, "Pipfile"))
    assert found == line
    assert said.startswith(message)


def test_an_empty_file_declares_nothing_and_says_so() -> None:
    assert read("", "Pipfile").notes == ("the file declares nothing",)


def test_the_group_of_an_including_file_takes_the_place_of_main() -> None:
    manifest = read(FILE, "Pipfile", group="dev:x", constraint=True)
    assert [d.group for d in manifest.declarations] == ["dev:x", "dev:x", "dev:x", "dev", "dev:docs"]
    assert manifest.constraint
    assert only('a = "*"').location == Location(path="Pipfile", line=2)


@given(st.data())
@settings(deadline=None)
def test_damage_loses_no_dependency_in_silence(data: st.DataObject) -> None:
    lines = FILE.splitlines(keepends=True)
    at = data.draw(st.integers(0, len(lines) - 1))
    manifest = read("".join([*lines[:at], data.draw(st.sampled_from(lines)), *lines[at:]]), "Pipfile")
    assert manifest.problems or len(manifest.declarations) >= 5


@given(st.text() | st.text(alphabet="[packges]=\"'{}1.*\n"))
@settings(deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    assert read(text, "Pipfile").format == NAME
