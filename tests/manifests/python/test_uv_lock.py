from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nerq_cli.ecosystems import get_ecosystem
from nerq_cli.ecosystems.pypi import PypiEcosystem
from nerq_cli.inventory import DependencyFile, Edge, Importer, Location, LockedPackage
from nerq_cli.manifests import package_source
from nerq_cli.manifests.python.uv_lock import NAME, matches, read

REGISTRY = 'source = { registry = "https://registry.example/simple" }'

FILE = f"""\
version = 1
revision = 3
requires-python = ">=3.10"
resolution-markers = [
    "python_full_version >= '3.12'",
    "python_full_version < '3.12'",
]

[manifest]
members = [
    "acme-app",
    "acme-lib",
]

[[package]]
name = "acme-app"
version = "0.1.0"
source = {{ editable = "." }}
dependencies = [
    {{ name = "acme-lib", extra = ["fast"] }},
    {{ name = "numpy", version = "1.26.4", {REGISTRY}, marker = "python_full_version < '3.12'" }},
    {{ name = "numpy", version = "2.1.0", {REGISTRY}, marker = "python_full_version >= '3.12'" }},
]

[package.optional-dependencies]
all = [
    {{ name = "acme-app", extra = ["cli", "all"] }},
]
cli = [
    {{ name = "rich" }},
]

[package.dev-dependencies]
dev = [
    {{ name = "acme-app", extra = ["cli"] }},
    {{ name = "tool" }},
]
docs = [
    {{ name = "tool" }},
]

[package.metadata]
requires-dist = [
    {{ name = "acme-lib", extras = ["fast"], editable = "packages/lib" }},
    {{ name = "numpy", marker = "python_full_version < '3.12'", specifier = "<2" }},
    {{ name = "numpy", marker = "python_full_version >= '3.12'", specifier = ">=2" }},
    {{ name = "rich", marker = "extra == 'cli'", specifier = ">=13" }},
]
provides-extras = ["all", "cli"]

[package.metadata.requires-dev]
docs = [{{ name = "Tool", specifier = "~=1.0" }}]

[[package]]
name = "acme-lib"
source = {{ virtual = "packages\\\\lib" }}
dependencies = [
    {{ name = "colorama", marker = "sys_platform == 'win32'" }},
]

[package.optional-dependencies]
fast = [
    {{ name = "rich" }},
]
slow = [
    {{ name = "tool" }},
]

[[package]]
name = "colorama"
version = "0.4.6"
{REGISTRY}
wheels = [
    {{ url = "https://files.example/a.whl", hash = "sha256:0a", size = 10, upload-time = "2024-01-01T00:00:00Z" }},
    {{ url = "https://files.example/b.whl", hash = "sha256:0b", size = 10, upload-time = "2024-01-01T00:00:00Z" }},
    {{ url = "https://files.example/c.whl", hash = "sha256:0c", size = 10 }},
]

[[package]]
name = "numpy"
version = "1.26.4"
{REGISTRY}
resolution-markers = [
    "python_full_version < '3.12'",
]
sdist = {{ url = "https://files.example/n.tar.gz", hash = "sha256:0d" }}

[[package]]
name = "numpy"
version = "2.1.0"
{REGISTRY}

[[package]]
name = "rich"
version = "13.7.0"
source = {{ git = "https://t@git.example/rich?rev=main#1f2e" }}

[[package]]
name = "tool"
version = "1.0"
source = {{ path = "tool.whl" }}
"""


def locking(text: str) -> DependencyFile:
    return read(f"version = 1\n{text}", "uv.lock")


def only(manifest: DependencyFile) -> LockedPackage:
    assert manifest.problems == ()
    return manifest.locked_packages[0]


def messages(manifest: DependencyFile) -> list[tuple[int, str]]:
    return [(problem.line, problem.message) for problem in manifest.problems]


@pytest.mark.parametrize(
    ("path", "wanted"), [("a/uv.lock", True), ("tool.py.lock", True), ("pdm.lock", False), ("uv.toml", False)]
)
def test_it_wants_uv_lock_and_the_locks_of_scripts(path: str, *, wanted: bool) -> None:
    assert matches(PurePosixPath(path)) is wanted


@pytest.mark.parametrize("text", [FILE, "\ufeff" + FILE, FILE.replace("\n", "\r\n")])
def test_the_whole_graph_is_there(text: str) -> None:
    manifest = read(text, "a/uv.lock")
    assert manifest.problems == ()
    assert (manifest.format, manifest.locked_filenames) == (NAME, ("pyproject.toml",))
    assert manifest.local_names == ("acme-app", "acme-lib", "tool")
    assert manifest.importers == (
        Importer(
            path="",
            name="acme-app",
            edges=(
                Edge(target="acme-lib"),
                Edge(target="numpy@1.26.4", requirement="<2"),
                Edge(target="numpy@2.1.0", requirement=">=2"),
                Edge(target="rich@13.7.0", group="extra:all"),
                Edge(target="rich@13.7.0", group="extra:cli", requirement=">=13"),
                Edge(target="tool@1.0", group="dev"),
                Edge(target="rich@13.7.0", group="dev"),
                Edge(target="tool@1.0", group="dev:docs", requirement="~=1.0"),
            ),
        ),
        Importer(
            path="packages/lib",
            name="acme-lib",
            edges=(
                Edge(target="colorama@0.4.6"),
                Edge(target="rich@13.7.0", group="extra:fast"),
                Edge(target="tool@1.0", group="extra:slow"),
            ),
        ),
    )


def test_each_package_has_its_version_source_marker_and_line() -> None:
    app, lib, colorama, old, new, rich, tool = read(FILE, "a/uv.lock").locked_packages
    assert (app.skip_reason, app.location.line) == ("workspace member", 15)
    assert (lib.skip_reason, lib.version) == ("workspace member", "")
    assert lib.edges == (Edge(target="colorama@0.4.6"), Edge(target="rich@13.7.0"))
    assert colorama == LockedPackage(
        key="colorama@0.4.6",
        ecosystem="PyPI",
        name="colorama",
        version="0.4.6",
        location=Location(path="a/uv.lock", line=69),
        edges=(),
        marker="sys_platform == 'win32'",
        index="https://registry.example/simple",
        has_hash=True,
    )
    assert (old.marker, old.optional, old.has_hash) == ("python_full_version < '3.12'", False, True)
    assert (new.marker, new.has_hash) == ("python_full_version >= '3.12'", False)
    assert (rich.skip_reason, rich.marker) == ("git: https://git.example/rich @ 1f2e", "")
    assert tool.skip_reason == "local archive"


def test_edges_without_a_version_lead_to_all_that_are_called_so() -> None:
    manifest = locking(
        f'[manifest]\nrequirements = [{{ name = "a", specifier = ">=1" }}, {{ name = "x", marker = "m" }}]\n'
        f'[manifest.dependency-groups]\ndev = [{{ name = "b" }}]\n'
        f'[[package]]\nname = "a"\nversion = "1"\n{REGISTRY}\n'
        f'[[package]]\nname = "a"\nversion = "2"\n{REGISTRY}\n'
        f'[[package]]\nname = "b"\nversion = "1"\n{REGISTRY}\ndependencies = [{{ name = "a" }}]\n'
    )
    assert manifest.problems == ()
    both = (Edge(target="a@1", requirement=">=1"), Edge(target="a@2", requirement=">=1"))
    assert manifest.importers == (Importer(edges=(*both, Edge(target="b@1", group="dev"))),)
    assert manifest.locked_packages[2].edges == (Edge(target="a@1"), Edge(target="a@2"))


def test_entries_that_only_their_source_tells_apart_stay_apart() -> None:
    source = '{ url = "https://x.example/a.whl" }'
    manifest = locking(
        f'[[package]]\nname = "a"\nversion = "1"\n{REGISTRY}\n'
        f'[[package]]\nname = "a"\nversion = "1"\nsource = {source}\n'
        f'[[package]]\nname = "b"\nversion = "1"\n{REGISTRY}\n'
        f'dependencies = [{{ name = "a", version = "1", source = {source} }}]\n'
    )
    assert [one.key for one in manifest.locked_packages] == ["a@1", "a@1#2", "b@1"]
    assert manifest.locked_packages[1].skip_reason == "URL: https://x.example/a.whl"
    assert manifest.locked_packages[2].edges == (Edge(target="a@1#2"),)


def test_the_lock_of_a_script_is_for_that_script() -> None:
    asked = 'version = 1\n[manifest]\nrequirements = [{ name = "a" }]\n'
    manifest = read(f'{asked}[[package]]\nname = "a"\nversion = "1"\n{REGISTRY}\n', "tools/build.py.lock")
    assert manifest.locked_filenames == ("build.py",)
    assert manifest.importers == (Importer(edges=(Edge(target="a@1"),)),)


def test_a_file_without_a_project_has_no_roots() -> None:
    assert locking(f'[[package]]\nname = "a"\nversion = "1"\n{REGISTRY}\n').importers is None


def test_without_a_workspace_only_the_directory_of_the_file_is_the_project() -> None:
    manifest = locking(
        '[[package]]\nname = "a"\nsource = { virtual = "." }\n'
        '[[package]]\nname = "b"\nsource = { directory = "../b" }\n'
    )
    assert [one.skip_reason for one in manifest.locked_packages] == ["workspace member", "local path"]
    assert manifest.importers == (Importer(name="a"),)


@pytest.mark.parametrize(
    ("source", "skip", "index"),
    [
        ('registry = "https://u:p@r.example/simple"', "", "https://r.example/simple"),
        ('registry = "../wheels"', "local path", ""),
        ('git = "https://git.example/a?tag=v1"', "git: https://git.example/a @ v1", ""),
        ('git = "https://git.example/a"', "git: https://git.example/a", ""),
    ],
)
def test_a_package_says_where_it_comes_from(source: str, skip: str, index: str) -> None:
    one = only(locking(f'[[package]]\nname = "a"\nversion = "1"\nsource = {{ {source} }}\n'))
    assert (one.skip_reason, one.index) == (skip, index)


PUBLIC = "/".join(get_ecosystem("PyPI").get_artefact_url().split("/")[:3])
FILES = "https://files.example"


@pytest.mark.parametrize(
    ("registry", "file", "index", "extra"),
    [
        ("https://proxy.example/simple", FILES, FILES, ()),
        ("https://proxy.example/simple", "https://proxy.example", "https://proxy.example/simple", ()),
        ("https://proxy.example/simple", "", "https://proxy.example/simple", ()),
        (f"{PUBLIC}/simple", FILES, f"{PUBLIC}/simple", ()),
        (f"{PUBLIC}/simple", "https://proxy.example", f"{PUBLIC}/simple", ("https://proxy.example",)),
    ],
)
def test_the_files_of_a_package_decide_beside_its_registry_whether_it_is_public(
    registry: str, file: str, index: str, extra: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PypiEcosystem, "is_registry_url", lambda _, url: url == FILES)
    package_source.is_public_server.cache_clear()
    wheel = f'wheels = [{{ url = "{file}/packages/a-1-py3-none-any.whl", hash = "sha256:00" }}]\n' if file else ""
    one = only(locking(f'[[package]]\nname = "a"\nversion = "1"\nsource = {{ registry = "{registry}" }}\n{wheel}'))
    assert (one.index, one.extra_indexes, one.skip_reason) == (index, extra, "")
    package_source.is_public_server.cache_clear()


@pytest.mark.parametrize("files", ["wheels = [\n    {own},\n    {other},\n    {own},\n]", "sdist = {other}"])
def test_the_artefact_of_another_package_is_an_index_of_its_own(files: str) -> None:
    file_name = "bad-2.0-py3-none-any.whl" if "wheels" in files else "bad-2.0.tar.gz"
    address = f"https://files.example/packages/{file_name}"
    other = f'{{ url = "{address}", hash = "sha256:00", size = 1 }}'
    own = other.replace(file_name, "six-1.17.0-py2.py3-none-any.whl").replace("}", " }").replace("  }", " }")
    artefacts = files.replace("{own}", own).replace("{other}", other)
    entry = only(locking(f'[[package]]\nname = "six"\nversion = "1.17.0"\n{REGISTRY}\n{artefacts}\n'))
    assert (entry.version, entry.index, entry.extra_indexes) == ("1.17.0", address, ())


def test_extras_that_include_one_another_end() -> None:
    extras = "".join(f'e{number} = [{{ name = "p", extra = ["e{number + 1}"] }}]\n' for number in range(1_500))
    manifest = locking(
        f'[[package]]\nname = "p"\nsource = {{ virtual = "." }}\n[package.optional-dependencies]\n{extras}'
    )
    assert manifest.problems[0].message.startswith("extras include more than 100,000 dependencies of other extras")


def test_before_0_4_packages_were_called_distributions() -> None:
    assert only(locking(f'[[distribution]]\nname = "a"\nversion = "1"\n{REGISTRY}\n')).location.line == 2


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 0, "the file is empty"),
        ("[[package]]\n", 0, "no version: not a lock file of uv, or truncated"),
        ("version = 2\n", 1, 'version "2" is not supported'),
        ("version = true\n", 1, 'version "…" is not supported'),
        ("version = 1\n[manifest]\nmembers = ['a']\n", 3, '"a" is required here, but not in this file'),
        ("version = 1\n[[package]]\nname='a'\nversion='1'\n", 2, '"a" has no known source'),
        ("version = 1\n[[package]]\nname='a'\nversion='1'\nsource='x+y'\n", 5, "source must be a table"),
        (
            "version = 1\n[[package]]\nname='a'\nsource={url='https://x'}\ndependencies=[{name='b'}]\n",
            5,
            '"b" is required here, but not in this file',
        ),
    ],
)
def test_a_file_that_is_not_uvs_or_not_whole_is_a_problem(text: str, line: int, message: str) -> None:
    assert (line, message) in messages(read(text, "uv.lock"))


@given(st.data())
@settings(deadline=None)
def test_damage_loses_no_package_in_silence(data: st.DataObject) -> None:
    lines = FILE.splitlines(keepends=True)
    start = data.draw(st.integers(0, len(lines)))
    damaged = (
        lines[:start] + data.draw(st.lists(st.sampled_from(lines))) + lines[start + data.draw(st.integers(0, 3)) :]
    )
    manifest = read("".join(damaged), "uv.lock")
    assert manifest.problems or len(manifest.locked_packages) == damaged.count("[[package]]\n")


@given(st.integers(0, len(FILE)))
@settings(deadline=None)
def test_what_is_left_of_a_file_that_is_cut_off_is_read_or_refused(length: int) -> None:
    manifest = read(FILE[:length], "uv.lock")
    assert manifest.problems or len(manifest.locked_packages) == FILE[:length].count("[[package]]\n")


@given(st.text() | st.text(alphabet="[]{}=\"'packgevrsion.\n1,"))
@settings(deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    assert read(text, "uv.lock").problems
