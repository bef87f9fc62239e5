"""``nerq fix``: the proposed versions in dependency files."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Nerq = Callable[..., Any]
AS_OF = ("--as-of", "2026-11-21")
HOLE = {"id": "PYSEC-2026-1", "aliases": [], "details": "A hole.", "fixed_in": ["2.0"], "link": "", "withdrawn": None}


@pytest.fixture
def hole(registry: Any) -> None:
    """A project whose version 1.0 has an advisory, which 2.0 fixes."""
    registry.pypi("demo", "1.0", "2.0", "3.0", vulnerabilities={"1.0": [HOLE]})


REQUIREMENTS = "# top\r\n-r base.txt\r\ndemo == 1.0 ; python_version > '3'  # why\r\nother==1.0"


def test_a_dry_run_prints_a_diff_that_git_applies_and_writes_nothing(
    nerq: Nerq, registry: Any, hole: None, project: Path
) -> None:
    registry.pypi("other", "1.0")
    registry.pypi("based", "1.0", "2.0", vulnerabilities={"1.0": [{**HOLE, "id": "PYSEC-2026-2"}]})
    (project / "requirements.txt").write_bytes(REQUIREMENTS.encode())
    (project / "base.txt").write_text("based[x]==1.0\n")
    result = nerq("fix", *AS_OF)
    assert result.status == 1
    assert "-demo == 1.0 ; python_version > '3'  # why" in result.out
    assert "+demo == 2.0 ; python_version > '3'  # why" in result.out
    assert "demo 1.0 -> 2.0: requirements.txt:3: == 1.0 -> == 2.0" in result.err
    assert (project / "requirements.txt").read_bytes() == REQUIREMENTS.encode()
    patch = project / "x.patch"
    patch.write_bytes(result.out.encode())
    subprocess.run(["git", "apply", "--check", str(patch)], check=True, cwd=project)  # noqa: S603, S607


def test_write_changes_the_versions_and_no_other_byte(nerq: Nerq, registry: Any, hole: None, project: Path) -> None:
    registry.pypi("other", "1.0")
    registry.pypi("based", "1.0", "2.0", vulnerabilities={"1.0": [{**HOLE, "id": "PYSEC-2026-2"}]})
    (project / "requirements.txt").write_bytes(b"\xef\xbb\xbf" + REQUIREMENTS.encode())
    (project / "base.txt").write_text("based[x]==1.0\n")
    (project / "requirements.txt").chmod(0o640)
    result = nerq("fix", "--write", *AS_OF)
    assert result.status == 0
    assert result.out == ""
    expected = b"\xef\xbb\xbf" + REQUIREMENTS.replace("demo == 1.0", "demo == 2.0").encode()
    assert (project / "requirements.txt").read_bytes() == expected
    assert (project / "requirements.txt").stat().st_mode & 0o777 == 0o640
    assert (project / "base.txt").read_text() == "based[x]==2.0\n"
    assert sorted(path.name for path in project.iterdir()) == ["base.txt", "requirements.txt"]
    again = nerq("fix", *AS_OF)
    assert (again.status, again.out) == (0, "")
    assert "nothing to fix" in again.err


PYPROJECT = """[project]
name = "app"
version = "1"
dependencies = [ "demo>=0.5,<2" , 'other==1.0' ]  # both

[project.optional-dependencies]
more = [
    "demo[x]~=1.0",  # kept
]

[dependency-groups]
dev = [{ include-group = "t" }, "demo"]
t = []
"""


def test_pyproject_keeps_its_operators_and_every_other_character(
    nerq: Nerq, registry: Any, hole: None, project: Path
) -> None:
    registry.pypi("other", "1.0")
    (project / "pyproject.toml").write_text(PYPROJECT)
    (project / "uv.lock").write_text(
        (
            'version = 1\nrevision = 3\nrequires-python = ">=3.9"\n\n[[package]]\nname = "app"\nversion = "1"\n'
            'source = { virtual = "." }\ndependencies = [{ name = "demo" }, { name = "other" }]\n\n'
            '[[package]]\nname = "demo"\nversion = "1.0"\nsource = { registry = "INDEX" }\n\n'
            '[[package]]\nname = "other"\nversion = "1.0"\nsource = { registry = "INDEX" }\n'
        ).replace("INDEX", f"{registry.site.url}/simple")
    )
    before = (project / "uv.lock").read_bytes()
    result = nerq("fix", "--write", *AS_OF)
    assert (project / "pyproject.toml").read_text() == (
        PYPROJECT.replace(">=0.5,<2", ">=2.0,<3").replace("~=1.0", "~=2.0").replace('"demo"]', '"demo>=2.0"]')
    ), result.err
    assert (project / "uv.lock").read_bytes() == before
    assert "then run:\n  uv lock --upgrade-package demo\n" in result.err


POETRY = """[tool.poetry]
name = "app"
version = "1"

[tool.poetry.dependencies]
python = "^3.9"
demo = "^1.0" # why
other = { version = "1.0", extras = ["a"] }

[tool.poetry.group.dev.dependencies.third]
optional = true
version = "~1.0"
"""


def test_tables_of_poetry(nerq: Nerq, registry: Any, hole: None, project: Path) -> None:
    for number, name in enumerate(("other", "third")):
        registry.pypi(name, "1.0", "2.0", vulnerabilities={"1.0": [{**HOLE, "id": f"PYSEC-2026-9{number}"}]})
    (project / "pyproject.toml").write_text(POETRY)
    result = nerq("fix", "--write", *AS_OF)
    assert (project / "pyproject.toml").read_text() == (
        POETRY.replace('"^1.0" #', '"^2.0" #').replace('version = "1.0"', 'version = "2.0"').replace("~1.0", "~2.0")
    ), result.err


def npm_advisory(services: Any, site: Any, name: str) -> None:
    affected = {
        "package": {"ecosystem": "npm", "name": name},
        "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "2.0.0"}]}],
    }
    services.advisory(name, "1.0.0", identifier=f"GHSA-{name}", affected=[affected], summary="A hole.")


def test_package_json_keeps_carets_aliases_and_refuses_what_has_its_version_elsewhere(
    nerq: Nerq, registry: Any, services: Any, services_site: Any, project: Path
) -> None:
    for name in ("lone", "real", "cata", "peer"):
        registry.npm(name, "1.0.0", "2.0.0")
        npm_advisory(services, services_site, name)
    text = """{
\t"name": "app",
  "dependencies": {"lone": "^1.0.0", "other-name": "npm:real@~1.0.0",
      "cata" : "catalog:"},
  "devDependencies": { "lone":"1.0.0" },
  "peerDependencies": { "peer": ">=1.0.0 <2" }
}
"""
    (project / "package.json").write_text(text)
    (project / "pnpm-workspace.yaml").write_text("packages: ['.']\ncatalog:\n  cata: ^1.0.0\nminimumReleaseAge: 0\n")
    (project / "pnpm-lock.yaml").write_text(PNPM_LOCK)
    result = nerq("fix", "--write", *AS_OF)
    assert (project / "package.json").read_text() == (
        text.replace('"^1.0.0"', '"^2.0.0"').replace("~1.0.0", "~2.0.0").replace('"lone":"1.0.0"', '"lone":"2.0.0"')
    ), result.err
    assert "cata 1.0.0 -> 2.0.0: package.json:4: its version is in a catalog: change it there" in result.err
    assert "peer 1.0.0 -> 2.0.0: package.json:6: a peer dependency" in result.err
    assert "  pnpm install\n" in result.err
    assert result.status == 1


PNPM_LOCK = """lockfileVersion: '9.0'

settings:
  autoInstallPeers: true
  excludeLinksFromLockfile: false

catalogs:
  default:
    cata:
      specifier: ^1.0.0
      version: 1.0.0

importers:

  .:
    dependencies:
      cata:
        specifier: 'catalog:'
        version: 1.0.0
      lone:
        specifier: ^1.0.0
        version: 1.0.0
      other-name:
        specifier: npm:real@~1.0.0
        version: real@1.0.0
      peer:
        specifier: '>=1.0.0 <2'
        version: 1.0.0

packages:

  cata@1.0.0:
    resolution: {integrity: sha512-AA==}

  lone@1.0.0:
    resolution: {integrity: sha512-AA==}

  peer@1.0.0:
    resolution: {integrity: sha512-AA==}

  real@1.0.0:
    resolution: {integrity: sha512-AA==}

snapshots:

  cata@1.0.0: {}

  lone@1.0.0: {}

  peer@1.0.0: {}

  real@1.0.0: {}
"""


def test_hashes_generated_files_and_constraints(nerq: Nerq, registry: Any, hole: None, project: Path) -> None:
    (project / "requirements.txt").write_text("demo==1.0 \\\n    --hash=sha256:" + "0" * 64 + "\n")
    result = nerq("fix", "--write", *AS_OF)
    assert result.status == 1
    assert "pinned by hash" in result.err
    assert "pip-compile --generate-hashes --upgrade-package demo==2.0" in result.err

    generated = "#\n# This file is autogenerated by pip-compile with Python 3.12\n# by the following command:\n#\n"
    generated += "#    pip-compile requirements.in\n#\ndemo==1.0\n    # via -r requirements.in\n"
    (project / "requirements.txt").write_text(generated)
    result = nerq("fix", "--write", *AS_OF)
    assert "it is a generated file: run pip-compile requirements.in --upgrade-package demo" in result.err
    assert (project / "requirements.txt").read_text() == generated

    (project / "requirements.txt").unlink()
    (project / "requirements.lock").write_text("demo==1.0\n")
    result = nerq("fix", "--write", *AS_OF)
    assert "requirements.lock:1: it is a lock file" in result.err
    assert (project / "requirements.lock").read_text() == "demo==1.0\n"
    (project / "requirements.lock").unlink()

    (project / "requirements.txt").write_text("-c limits.txt\ndemo>=1.0\n")
    (project / "limits.txt").write_text("demo<2  # not yet\n")
    result = nerq("fix", "--write", *AS_OF)
    assert (project / "requirements.txt").read_text() == "-c limits.txt\ndemo>=2.0\n", result.err
    assert (project / "limits.txt").read_text() == "demo>=2.0,<3  # not yet\n"


def test_other_projects_of_a_repository_stay_as_they_are(nerq: Nerq, registry: Any, hole: None, project: Path) -> None:
    (project / "app").mkdir()
    (project / "app/pyproject.toml").write_text('[project]\nname = "app"\nversion = "1"\ndependencies = ["demo"]\n')
    (project / "app/uv.lock").write_text(
        (
            'version = 1\nrequires-python = ">=3.9"\n\n[[package]]\nname = "app"\nversion = "1"\n'
            'source = { virtual = "." }\ndependencies = [{ name = "demo" }]\n\n'
            '[[package]]\nname = "demo"\nversion = "1.0"\nsource = { registry = "INDEX" }\n'
        ).replace("INDEX", f"{registry.site.url}/simple")
    )
    others = {"app/docs/requirements.txt": "demo==3.0\n", "tools/constraints.txt": "demo<2\n"}
    for name, text in others.items():
        (project / name).parent.mkdir()
        (project / name).write_text(text)
    result = nerq("fix", "--write", *AS_OF)
    assert '"demo>=2.0"' in (project / "app/pyproject.toml").read_text(), result.err
    assert {name: (project / name).read_text() for name in others} == others


def test_a_transitive_dependency_is_named_with_what_moves_it(
    nerq: Nerq, registry: Any, hole: None, project: Path
) -> None:
    registry.pypi("direct", "1.0")
    (project / "pyproject.toml").write_text('[project]\nname = "app"\nversion = "1"\ndependencies = ["direct"]\n')
    (project / "uv.lock").write_text(
        (
            'version = 1\nrequires-python = ">=3.9"\n\n[[package]]\nname = "app"\nversion = "1"\n'
            'source = { virtual = "." }\ndependencies = [{ name = "direct" }]\n\n'
            '[[package]]\nname = "direct"\nversion = "1.0"\nsource = { registry = "INDEX" }\n'
            'dependencies = [{ name = "demo" }]\n\n'
            '[[package]]\nname = "demo"\nversion = "1.0"\nsource = { registry = "INDEX" }\n'
        ).replace("INDEX", f"{registry.site.url}/simple")
    )
    before = {path.name: path.read_bytes() for path in project.iterdir()}
    result = nerq("fix", "--write", *AS_OF)
    assert "run:\n  uv lock --upgrade-package demo\n" in result.err
    assert {path.name: path.read_bytes() for path in project.iterdir()} == before


def test_a_version_that_an_age_rule_leaves_out_is_not_written(
    nerq: Nerq, registry: Any, hole: None, project: Path
) -> None:
    registry.pypi("demo", "1.0", "2.0", vulnerabilities={"1.0": [HOLE]})
    text = (
        '[project]\nname = "app"\nversion = "1"\ndependencies = ["demo==1.0"]\n[tool.uv]\nexclude-newer = "40 days"\n'
    )
    (project / "pyproject.toml").write_text(text)
    result = nerq("fix", "--write", *AS_OF)
    assert result.status == 1
    assert "demo 1.0 -> 2.0: installable in 9 days" in result.err
    assert (project / "pyproject.toml").read_text() == text


def test_only_some_dependencies(nerq: Nerq, registry: Any, hole: None, project: Path) -> None:
    registry.pypi("plain", "1.0", "2.0", yanked=True)
    (project / "requirements.txt").write_text("demo==1.0\nplain==1.0\n")
    assert {"+demo==2.0", "+plain==2.0"} < {*nerq("fix", *AS_OF).out.splitlines()}
    for option in (("--security-only",), ("--only", "demo")):
        lines = nerq("fix", *option, *AS_OF).out.splitlines()
        assert "+demo==2.0" in lines
        assert "+plain==2.0" not in lines
    wrong = nerq("fix", "--only", "dmeo", *AS_OF)
    assert (wrong.status, "did you mean demo?" in wrong.err) == (2, True)


def state_requirements(registry: Any, name: str, version: str, *requirements: str) -> None:
    """Let the registry have the requirements of one release."""
    page = registry.page(name, (version,), version, requires_dist=list(requirements))
    registry.site.on(f"/pypi/{name}/{version}/json", {"body": page})


def test_a_package_is_changed_in_all_declarations_or_in_none(
    nerq: Nerq, registry: Any, hole: None, project: Path
) -> None:
    registry.pypi("other", "1.0", "2.0", yanked=True)
    texts = {
        "requirements.txt": "-r base.txt\ndemo == 1.0\nother==1.0\n",
        "base.txt": "demo<=1.0\n",
        "alone.txt": "demo==1.0\n",
    }
    for name, text in texts.items():
        (project / name).write_text(text)
    result = nerq("fix", "--write", *AS_OF)
    assert result.status == 1
    assert "base.txt:1: <=1.0 excludes 2.0" in result.err
    assert "requirements.txt:2: base.txt:1 declares <=1.0, which excludes it: move both" in result.err
    assert (project / "requirements.txt").read_text() == texts["requirements.txt"].replace("other==1.0", "other==2.0")
    assert (project / "base.txt").read_text() == texts["base.txt"]


def test_alternatives_by_marker_do_not_hold_each_other_back(
    nerq: Nerq, registry: Any, hole: None, project: Path
) -> None:
    text = "demo==1.0 ; python_version < '3.12'\ndemo==3.0 ; python_version >= '3.12'\n"
    (project / "requirements.txt").write_text(text)
    result = nerq("fix", "--write", "--python", "3.11", *AS_OF)
    assert (project / "requirements.txt").read_text() == text.replace("demo==1.0", "demo==2.0"), result.err


PINS = "demo==1.0\nparent==1.0\n"


@pytest.mark.parametrize(
    ("requirement", "is_written"),
    [
        ("demo<2,>=0.5", False),
        ("Demo (<2)", False),
        ("demo<2 ; python_version >= '3'", False),
        ("demo>=0.5", True),
        ("demo<2 ; python_version < '3'", True),
        ("demo<2 ; extra == 'old'", True),
        ("demo<1", True),  # it could not be installed before either
        ("nothing that can be read <", True),
    ],
)
def test_what_a_pinned_package_requires_is_kept(
    nerq: Nerq, registry: Any, hole: None, project: Path, requirement: str, *, is_written: bool
) -> None:
    registry.pypi("parent", "1.0")
    state_requirements(registry, "parent", "1.0", requirement)
    (project / "requirements.txt").write_text(PINS)
    result = nerq("fix", "--write", *AS_OF)
    assert (project / "requirements.txt").read_text() == (
        PINS.replace("demo==1.0", "demo==2.0") if is_written else PINS
    )
    assert result.status == (0 if is_written else 1)
    assert ("parent 1.0 requires demo" in result.err) != is_written
    assert "not known" not in result.err


def test_an_extra_that_is_declared_counts(nerq: Nerq, registry: Any, hole: None, project: Path) -> None:
    registry.pypi("parent", "1.0")
    state_requirements(registry, "parent", "1.0", "demo<2 ; extra == 'old'")
    (project / "requirements.txt").write_text("demo==1.0\nparent[old]==1.0\n")
    assert "demo 1.0 -> 2.0: requirements.txt:1: parent 1.0 requires demo<2" in nerq("fix", *AS_OF).err


def test_packages_that_require_each_other_move_together(nerq: Nerq, registry: Any, hole: None, project: Path) -> None:
    registry.pypi("parent", "1.0", "2.0", vulnerabilities={"1.0": [{**HOLE, "id": "PYSEC-2026-2"}]})
    state_requirements(registry, "parent", "1.0", "demo<2")
    state_requirements(registry, "parent", "2.0", "demo>=2")
    page = registry.page("parent", ("1.0", "2.0"), "1.0", vulnerabilities={"1.0": [{**HOLE, "id": "PYSEC-2026-2"}]})
    page["info"]["requires_dist"] = ["demo<2"]
    registry.site.on("/pypi/parent/1.0/json", {"body": page})
    (project / "requirements.txt").write_text(PINS)
    for name in ("demo", "parent"):
        alone = nerq("fix", "--only", name, *AS_OF)
        assert (alone.status, alone.out) == (1, ""), name
    assert "parent 1.0 -> 2.0: requirements.txt:2: parent 2.0 requires demo>=2" in alone.err
    assert nerq("fix", "--write", *AS_OF).status == 0
    assert (project / "requirements.txt").read_text() == "demo==2.0\nparent==2.0\n"


def test_requirements_that_are_not_known_are_named(nerq: Nerq, registry: Any, hole: None, project: Path) -> None:
    registry.pypi("parent", "1.0")
    registry.site.on("/pypi/parent/1.0/json", {"status": 404})
    (project / "requirements.txt").write_text(PINS)
    result = nerq("fix", *AS_OF)
    assert "+demo==2.0" in result.out
    assert "the new versions are not compared with what" in result.err
    assert "parent 1.0" in result.err


def test_private_packages_are_not_looked_up(nerq: Nerq, registry: Any, hole: None, project: Path) -> None:
    (project / "nerq.toml").write_text('private = ["acme-*"]\n')
    (project / "requirements.txt").write_text("demo==1.0\nacme-core==1.0\n")
    result = nerq("fix", *AS_OF)
    assert "+demo==2.0" in result.out
    assert "acme-core 1.0 may require" in result.err
    assert not [path for path in registry.paths if "acme" in path]


def test_each_line_is_listed_once_with_its_own_version(nerq: Nerq, registry: Any, services: Any, project: Path) -> None:
    registry.pypi("demo", "1.0", "1.1", "2.0", vulnerabilities={"1.0": [HOLE], "1.1": [HOLE]})
    (project / "pyproject.toml").write_text(
        '[tool.poetry]\nname = "app"\nversion = "1"\n[tool.poetry.dependencies]\npython = "^3.9"\n'
        'demo = [\n  { version = "1.0", python = "<3.10" },\n  { version = "1.1", python = ">=3.10" },\n]\n'
    )
    for folder, version in (("a", "1.0"), ("b", "1.1")):
        (project / folder).mkdir()
        (project / folder / "requirements.txt").write_text(f"demo=={version}\n")
    result = nerq("fix", *AS_OF)
    listed = [line.strip() for line in result.err.splitlines() if line.startswith("  demo ")]
    assert sorted(listed) == [
        "demo 1.0 -> 2.0: a/requirements.txt:1: ==1.0 -> ==2.0",
        "demo 1.0 -> 2.0: pyproject.toml:7: 1.0 -> 2.0",
        "demo 1.1 -> 2.0: b/requirements.txt:1: ==1.1 -> ==2.0",
        "demo 1.1 -> 2.0: pyproject.toml:8: 1.1 -> 2.0",
    ]


def test_alternatives_on_one_line_are_both_changed(nerq: Nerq, registry: Any, project: Path) -> None:
    registry.pypi("demo", "1.0", "1.1", "2.0", vulnerabilities={"1.0": [HOLE], "1.1": [HOLE]})
    text = (
        '[tool.poetry]\nname = "app"\nversion = "1"\n[tool.poetry.dependencies]\npython = "^3.9"\n'
        'demo = [{ version = "1.0", python = "<3.10" }, { version = "1.1", python = ">=3.10" }]\n'
    )
    (project / "pyproject.toml").write_text(text)
    result = nerq("fix", "--write", *AS_OF)
    assert (project / "pyproject.toml").read_text() == text.replace('"1.0", p', '"2.0", p').replace('"1.1"', '"2.0"')
    assert result.err.count("demo 1.0 -> 2.0: pyproject.toml:6: 1.0 -> 2.0") == 1
    assert result.err.count("demo 1.1 -> 2.0: pyproject.toml:6: 1.1 -> 2.0") == 1


@pytest.mark.parametrize("scanned", [(), ("requirements.txt",)])
def test_the_diff_of_a_link_is_that_of_its_target(
    nerq: Nerq, hole: None, project: Path, scanned: tuple[str, ...]
) -> None:
    (project / "lists").mkdir()
    (project / "lists/requirements-all.txt").write_text("demo==1.0\n")
    (project / "requirements.txt").symlink_to("lists/requirements-all.txt")
    result = nerq("fix", *scanned, *AS_OF)
    assert result.out.count("+++ b/lists/requirements-all.txt") == 1
    assert result.out.count("+demo==2.0") == 1
    patch = project / "x.patch"
    patch.write_text(result.out)
    subprocess.run(["git", "apply", str(patch)], check=True, cwd=project)  # noqa: S603, S607
    assert (project / "lists/requirements-all.txt").read_text() == "demo==2.0\n"
    (project / "lists/requirements-all.txt").write_text("demo==1.0\n")
    assert nerq("fix", "--write", *scanned, *AS_OF).status == 0
    assert (project / "requirements.txt").is_symlink()
    assert (project / "lists/requirements-all.txt").read_text() == "demo==2.0\n"


def test_what_cannot_be_written_safely_is_not_written(
    nerq: Nerq, hole: None, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("demo==1.0\n")
    (project / "requirements.txt").symlink_to(outside)
    result = nerq("fix", "--write", "requirements.txt", *AS_OF)
    assert (result.status, "leads out of the project" in result.err) == (2, True)
    assert outside.read_text() == "demo==1.0\n"
    (project / "requirements.txt").unlink()
    (project / "requirements.txt").write_text("demo==1.0\n")

    from nerq_cli.application import fix

    plan_fixes = fix.plan_fixes

    def change_meanwhile(*arguments: Any, **options: Any) -> Any:
        plan = plan_fixes(*arguments, **options)
        (project / "requirements.txt").write_text("demo==1.0  # mine\n")
        return plan

    monkeypatch.setattr(fix, "plan_fixes", change_meanwhile)
    result = nerq("fix", "--write", *AS_OF)
    assert (result.status, "has changed since it was read" in result.err) == (2, True)
    assert (project / "requirements.txt").read_text() == "demo==1.0  # mine\n"


def test_what_there_is_nothing_to_fix_about(nerq: Nerq, registry: Any, project: Path) -> None:
    assert nerq("fix", *AS_OF).status == 4
    assert nerq("fix", "-", *AS_OF).status == 2
    (project / "requirements.txt").write_text("demo ==\n")
    assert nerq("fix", "--write", *AS_OF).status == 2


def test_a_diff_gives_no_command_to_a_ci_system(nerq: Nerq, hole: None, project: Path) -> None:
    (project / "requirements.txt").write_text(
        "# x\n#\x1b[31m red\n::error::x\ndemo==1.0\n".replace("::error::x\n", "# ##[error]x\n")
    )
    result = nerq("fix", *AS_OF)
    assert "+demo==2.0" in result.out
    assert "\x1b" not in result.out
    assert "##[" not in result.out
    assert json.dumps(result.out)
