"""``nerq fleet``, whole: many repositories in one run, against registries on loopback."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from nerq_cli.application import fleet, fleet_projects
from nerq_cli.application.evidence_run import EvidenceRun
from nerq_cli.application.scan import run_scan
from nerq_cli.report.pages.fleet_document import build_schema
from tests.cli.conftest import AS_OF, Registry, Result, Services
from tests.sources.huggingface.conftest import CARD, HubStandIn

Nerq = Callable[..., Result]
CRITICAL: dict[str, Any] = {"database_specific": {"severity": "CRITICAL"}}
GIT = shutil.which("git") or ""
needs_git = pytest.mark.skipif(not GIT, reason="git is not installed")


def add(project: Path, name: str, *pins: str, **files: str) -> str:
    """Write a repository with a requirements file; other files by their name, ``_`` for the dot."""
    folder = project / name
    (folder / ".git").mkdir(parents=True, exist_ok=True)
    if pins:
        (folder / "requirements.txt").write_text("".join(f"{pin}\n" for pin in pins))
    for file_name, content in files.items():
        (folder / file_name.replace("_", ".")).write_text(content)
    return name


@pytest.fixture
def packages(registry: Registry, services: Services) -> Registry:
    """Three packages, of which one has an advisory in its old version."""
    registry.most_used()
    registry.pypi("demo", "1.0", "2.0")
    registry.pypi("other", "1.0", "1.1")
    registry.pypi("third", "3.0")
    registry.npm("left", "1.0.0", "1.1.0")
    services.advisory("demo", "1.0", identifier="GHSA-demo", **CRITICAL)
    return registry


def run(nerq: Nerq, *arguments: str) -> Result:
    return nerq("fleet", *arguments, "--as-of", AS_OF, "-f", "json")


def get_projects(result: Result) -> dict[str, Any]:
    return {project["name"]: project for project in result.json["projects"]}


def select_judged(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document without its sources, which have the number of requests."""
    return {key: value for key, value in document.items() if key != "sources"}


def list_uses(result: Result, project: str) -> set[tuple[str, str | None, float | None]]:
    """Return name, version and score of all dependencies of a project."""
    names = [item["name"] for item in result.json["projects"]]
    return {
        (package["name"], version["version"], version["score"])
        for package in result.json["packages"]
        for version in package["versions"]
        if names.index(project) in version["projects"]
    }


def test_a_row_is_what_a_scan_of_the_repository_gives(packages: Registry, project: Path, nerq: Nerq) -> None:
    lock = {
        "name": "web",
        "lockfileVersion": 3,
        "packages": {
            "": {"name": "web", "dependencies": {"left": "^1.0.0"}},
            "node_modules/left": {"version": "1.0.0", "resolved": f"{packages.site.url}/left/-/left-1.0.0.tgz"},
        },
    }
    names = [
        add(project, "pinned", "demo==1.0", "other==1.0"),
        add(project, "ranges", "demo>=1.0", "other<1.1", "gone==9.9"),
        add(project, "settings", "demo==1.0", "other==1.0", nerq_toml="threshold = 20\n"),
        add(project, "web"),
        add(project, "docs"),
        add(project, "broken", "demo==2.0", pyproject_toml="[project\n"),
    ]
    (project / "web" / "package.json").write_text(json.dumps(lock["packages"][""]))  # type: ignore[index]
    (project / "web" / "package-lock.json").write_text(json.dumps(lock))
    result = run(nerq, *names)
    jsonschema.validate(result.json, build_schema())
    assert nerq("schema", "fleet").json == build_schema()
    for name in names:
        row = get_projects(result)[name]
        scan = nerq("scan", name, "--as-of", AS_OF, "-f", "json")
        report = scan.json
        assert (row["exit"]["code"], row["exit"]["reason"]) == (scan.status, report["exit"]["reason"]), name
        assert row["complete"] == report["complete"]
        assert list_uses(result, name) == {
            (item["name"], item["version"], item["score"]) for item in report["dependencies"]
        }
    states = {name: row["state"] for name, row in get_projects(result).items()}
    assert states == {
        "pinned": "failing",
        "ranges": "failing",
        "settings": "failing",
        "web": "passed",
        "docs": "empty",
        "broken": "unreadable",
    }
    assert (result.status, result.json["exit"]["code"]) == (1, 1)


def test_each_package_is_asked_about_once(packages: Registry, project: Path, nerq: Nerq) -> None:
    names = [add(project, f"r{number}", "demo==2.0", "other==1.0", "third>=1") for number in range(4)]
    result = run(nerq, *names)
    asked = Counter(path for path in packages.paths if "third" in path or "demo" in path or "other" in path)
    assert asked
    assert set(asked.values()) == {1}
    assert (result.json["dependencies"], result.json["versions"]) == (12, 3)
    count = len(packages.paths)
    again = run(nerq, *names)
    assert select_judged(again.json) == select_judged(result.json)
    assert again.out == run(nerq, *names, "--offline").out
    assert len(packages.paths) == count


def test_a_failed_request_is_not_sent_again_for_every_repository(packages: Registry, project: Path, nerq: Nerq) -> None:
    for path in ("/pypi/third/json", "/pypi/third/3.0/json", "/simple/third/"):
        packages.site.on(path, {"status": 500})
    one = add(project, "r0", "third==3.0", "other==1.0")
    run(nerq, one, "--cache-dir", "one")
    alone = sum("third" in path for path in packages.paths)
    names = [one, *(add(project, f"r{number}", "third==3.0", "other==1.0") for number in range(1, 6))]
    result = run(nerq, *names)
    assert sum("third" in path for path in packages.paths) - alone < 2 * alone  # attempts depend on time; not 6 times
    assert {row["state"] for row in get_projects(result).values()} == {"incomplete"}
    assert not result.json["complete"]


def test_a_name_that_one_repository_withholds_is_sent_for_none(packages: Registry, project: Path, nerq: Nerq) -> None:
    packages.pypi("acme-core", "1.0")
    packages.pypi("acme-tool", "1.0")
    names = [
        add(project, "secret", "acme-core==1.0", "other==1.0", nerq_toml='private = ["acme-core"]\n'),
        add(project, "careless", "acme-core==1.0", "demo==2.0", nerq_toml='public = ["acme-*"]\n'),
        add(project, "tool", "demo==2.0", pyproject_toml='[project]\nname = "acme-tool"\nversion = "1.0"\n'),
        add(project, "user", "acme-tool==1.0"),
        add(project, "apart", "demo==2.0"),
    ]
    result = run(nerq, *names)
    assert not [path for path in packages.paths if "acme" in path]
    projects = get_projects(result)
    assert projects["secret"]["state"] == "passed"  # declared private by its own settings, as in a scan
    assert projects["careless"]["state"] == projects["user"]["state"] == "incomplete"
    assert projects["careless"]["withheld"] == projects["user"]["withheld"] == 1
    assert projects["careless"]["withheld_by"] == ["secret"]
    assert projects["secret"]["withheld_from"] == ["careless"]
    assert projects["apart"]["withheld_from"] == projects["apart"]["withheld_by"] == []
    for form in ("table", "markdown", "html"):
        words = " ".join(nerq("fleet", *names, "--as-of", AS_OF, "-f", form).out.split())
        assert "2 not looked up, the names withheld by secret, tool." in words
        assert "1 not looked up: withheld" in words or form == "table"
    reasons = [
        version["reason"]
        for package in result.json["packages"]
        if package["name"].startswith("acme")
        for version in package["versions"]
    ]
    assert sorted(reasons) == [
        "not sent: withheld by secret, another project of this fleet",
        "not sent: withheld by tool, another project of this fleet",
    ]
    assert projects["apart"]["state"] == "passed"


@pytest.mark.parametrize(
    "settings",
    [
        'private = ["zz-*", "pypi:most"]\n',
        'fail-below = 3\nprivate = [\n  "zz-*",  # ours\n  "most",\n]\n',
        "private = ['zz-*', 'most'\nthreshold = \n",
    ],
    ids=["valid", "unknown setting", "no TOML"],
)
def test_a_pattern_of_one_repository_holds_for_all(
    packages: Registry, project: Path, nerq: Nerq, settings: str
) -> None:
    packages.pypi("zz-b", "1.0")
    packages.pypi("most", "1.0")
    names = [
        add(project, "declares", "other==1.0", nerq_toml=settings),
        add(project, "uses", "zz-b==1.0", "most==1.0", "demo==2.0", nerq_toml='public = ["zz-*", "most"]\n'),
    ]
    result = run(nerq, *names)
    assert not [path for path in packages.paths if "zz-" in path or "most" in path]
    row = get_projects(result)["uses"]
    assert (row["state"], row["withheld"]) == ("incomplete", 2)
    assert {name for name, version, score in list_uses(result, "uses") if score is not None} == {"demo"}
    assert get_projects(run(nerq, names[1]))["uses"]["state"] == "passed"


def test_a_pattern_counts_without_dependency_files_and_for_popular_names(
    packages: Registry, project: Path, nerq: Nerq
) -> None:
    packages.pypi("requests", "2.0")
    names = [add(project, "docs", nerq_toml='private = ["requests"]\n'), add(project, "user", "requests==2.0")]
    assert get_projects(run(nerq, *names))["user"]["withheld"] == 1
    assert not [path for path in packages.paths if "requests" in path]


def test_what_a_repository_with_wrong_settings_provides_is_withheld(
    packages: Registry, project: Path, nerq: Nerq
) -> None:
    packages.pypi("acme-tool", "1.0")
    metadata = '[project]\nname = "acme-tool"\nversion = "1.0"\n'
    names = [
        add(project, "tool", nerq_toml="threshold = 'x'\n", pyproject_toml=metadata),
        add(project, "user", "acme-tool==1.0"),
    ]
    assert get_projects(run(nerq, *names))["user"]["withheld"] == 1
    assert not [path for path in packages.paths if "acme" in path]


def test_a_model_that_another_project_declares_private_is_not_sent(
    packages: Registry, other_site: Any, project: Path, nerq: Nerq, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = HubStandIn(other_site)
    monkeypatch.setenv("NERQ_HF_URL", hub.url)
    for name in ("zz-lab/secret", "zz-lab/base"):
        hub.add_model(name, card=CARD * 20)
    names = [
        add(project, "declares", "other==1.0", nerq_toml='private = ["hf:zz-lab"]\n'),
        add(project, "uses", "other==1.0"),
    ]
    code = 'from transformers import AutoModel\n\nAutoModel.from_pretrained("zz-lab/secret")\n'
    (project / "uses" / "app.py").write_text(code)
    result = run(nerq, *names)
    assert "zz-lab/secret" in {name for name, _, _ in list_uses(result, "uses")}
    assert not [request for request in other_site.requests if "zz-lab" in request.path]
    run(nerq, names[1])
    assert [request for request in other_site.requests if "zz-lab" in request.path]


def test_what_the_user_declares_public_is_asked_about(
    packages: Registry, project: Path, nerq: Nerq, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages.pypi("acme-tool", "1.0")
    monkeypatch.setenv("NERQ_PUBLIC", "acme-tool")
    names = [
        add(project, "tool", "demo==2.0", pyproject_toml='[project]\nname = "acme-tool"\nversion = "1.0"\n'),
        add(project, "user", "acme-tool==1.0"),
    ]
    assert get_projects(run(nerq, *names))["user"]["state"] == "passed"


def test_settings_that_accept_more_are_named(packages: Registry, project: Path, nerq: Nerq) -> None:
    waiver = '[[waivers]]\npackage = "pypi:demo"\nadvisory = "GHSA-demo"\nreason = "known"\nuntil = 2027-01-01\n'
    names = [
        add(project, "plain", "other==1.0"),
        add(project, "lax", "demo==1.0", nerq_toml="threshold = 1\nreport-only = true\n"),
        add(project, "waived", "demo==1.0", nerq_toml=waiver),
    ]
    result = run(nerq, *names)
    projects = get_projects(result)
    assert projects["plain"]["weaker"] == []
    assert any(text.startswith("threshold 70") for text in projects["lax"]["weaker"])
    assert projects["lax"]["below_fleet"] == 1
    assert projects["waived"]["waived"] >= 1
    assert any("waivers" in text for text in projects["waived"]["weaker"])
    assert result.json["packages"][0]["name"] == "demo"
    assert result.json["packages"][0]["versions"][0]["below"] is True
    table = nerq("fleet", *names, "--as-of", AS_OF).out
    assert "accept more than those of this run" in " ".join(table.split())
    strict = run(nerq, *names, "--no-config")
    assert {row["state"] for row in get_projects(strict).values()} == {"passed", "failing"}
    assert get_projects(strict)["lax"]["state"] == "failing"


LAX = """\
threshold = 10
exclude = ["generated/**", "a-long-name-of-a-directory/**", "another-long-name-of-a-directory/**", "third/**"]
report-only = true

[rules]
not-on-index = "allow"
malicious = "warn"
lock-drift = "allow"

[[waivers]]
package = "pypi:demo"
advisory = "GHSA-demo"
reason = "known"
until = 2027-01-01
"""


def test_what_a_project_weakens_is_not_cut_away(packages: Registry, project: Path, nerq: Nerq) -> None:
    name = add(project, "lax", "demo==1.0", "third==x y", nerq_toml=LAX)
    row = get_projects(run(nerq, name))[name]
    assert (row["below_fleet"], row["below"], row["waived"] > 0) == (1, 0, True)
    assert len(row["weaker"]) >= 5
    for form in ("markdown", "html", "table"):
        page = " ".join(nerq("fleet", name, "--as-of", AS_OF, "-f", form).out.split())
        assert "…" not in page
        if form == "table":  # cells are folded
            assert all(word in page for word in ("run;", "waived;", "settings", "accept"))
            continue
        assert "1 below the threshold of this run" in page
        for text in row["weaker"]:
            assert text.split(" ")[0] in page, text


def test_counts_have_the_right_number(packages: Registry, project: Path, nerq: Nerq) -> None:
    for number, name in enumerate(("a", "b")):
        add(project, name, f"demo=={1 + number}.0")
    words = " ".join(nerq("fleet", "a", "--as-of", AS_OF).out.split())
    assert "1 dependency, 1 different version of 1 package; 1 package below 70, in 1 project." in words
    words = " ".join(nerq("fleet", "a", "b", "--as-of", AS_OF, "--top", "1").out.split())
    assert "2 dependencies, 2 different versions of 1 package; 1 package below 70, in 1 project." in words
    assert "1 more project is in the JSON and CSV reports." in words


def test_a_version_that_is_not_known_is_none(packages: Registry, project: Path, nerq: Nerq) -> None:
    names = [add(project, "a", "other==1.0"), add(project, "b", "other==")]
    document = run(nerq, *names).json
    assert {version["version"] for package in document["packages"] for version in package["versions"]} == {"1.0", None}
    assert document["versions"] == 1
    assert "several versions" not in nerq("fleet", *names, "--as-of", AS_OF).out
    names.append(add(project, "c", "other==1.1"))
    words = " ".join(nerq("fleet", *names, "--as-of", AS_OF).out.split())
    assert "other 2 3 1.0 (1), 1.1 (1), not known (1)" in words


def test_a_project_that_only_reports_is_failing_and_does_not_fail(
    packages: Registry, project: Path, nerq: Nerq
) -> None:
    result = run(nerq, add(project, "quiet", "demo==1.0", nerq_toml="report-only = true\n"))
    assert (result.status, get_projects(result)["quiet"]["state"]) == (0, "failing")
    assert not result.json["projects"][0]["exit"]["code"]


def test_what_cannot_be_read_is_an_entry_and_the_others_go_on(packages: Registry, project: Path, nerq: Nerq) -> None:
    (project / "file").write_text("")
    good = add(project, "good", "other==1.0")
    names = ["missing", "file", add(project, "bad", "other==1.0", nerq_toml="threshold = 'x'\n"), good]
    result = run(nerq, *names)
    projects = get_projects(result)
    assert {name: row["state"] for name, row in projects.items()} == {
        "missing": "unreadable",
        "file": "unreadable",
        "bad": "unreadable",
        "good": "passed",
    }
    assert projects["missing"]["exit"] == {"code": 2, "reason": "missing does not exist"}
    assert "not a directory" in projects["file"]["exit"]["reason"]
    assert (result.status, result.json["complete"]) == (2, False)
    assert run(nerq, *names, add(project, "failing", "demo==1.0")).status == 1


def test_settings_that_cannot_be_used_are_stated_as_a_scan_states_them(
    packages: Registry, project: Path, nerq: Nerq
) -> None:
    names = [
        add(project, "unknown", "other==1.0", pyproject_toml="[tool.nerq]\nfail-below = 3\n"),
        add(project, "waiver", "other==1.0", nerq_toml='[[waivers]]\npackage = "pypi:demo"\n'),
        add(project, "nested", "other==1.0", nerq_toml="nested = true\n"),
    ]
    (project / "nested" / "sub").mkdir()
    (project / "nested" / "sub" / "requirements.txt").write_text("demo==2.0\n")
    (project / "nested" / "sub" / "nerq.toml").write_text("threshhold = 3\n")
    projects = get_projects(run(nerq, *names))
    for name in names:
        reason = projects[name]["exit"]["reason"]
        first, *_ = nerq("scan", name).err.splitlines()
        assert "it cannot be used" not in reason
        assert reason.startswith(first), name
        assert projects[name]["state"] == "unreadable"
    assert projects["unknown"]["exit"]["reason"].startswith("unknown/pyproject.toml:2: there is no setting")


def test_problems_have_their_place(packages: Registry, project: Path, nerq: Nerq) -> None:
    name = add(project, "bad", "other==1.0", "third==x y")
    [problem] = get_projects(run(nerq, name))["bad"]["problems"]
    assert problem.startswith("bad/requirements.txt:2")


def test_a_bug_with_one_project_stops_no_other(
    packages: Registry, project: Path, nerq: Nerq, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(inputs: Any, *arguments: Any, **options: Any) -> Any:
        if "odd" in inputs.paths[0]:
            raise RecursionError("too deep")
        return run_scan(inputs, *arguments, **options)

    monkeypatch.setattr("nerq_cli.application.fleet_projects.run_scan", fail)
    result = run(nerq, add(project, "odd", "other==1.0"), add(project, "good", "other==1.0"))
    projects = get_projects(result)
    assert projects["odd"]["exit"]["reason"] == "it could not be read: RecursionError: too deep"
    assert projects["good"]["state"] == "passed"


@pytest.mark.parametrize(
    ("kinds", "status"),
    [
        (("good",), 0),
        (("empty",), 4),
        (("good", "empty"), 0),
        (("good", "unknown"), 3),
        (("unknown", "missing"), 2),
        (("missing", "failing", "unknown"), 1),
    ],
)
def test_the_exit_status_is_that_of_the_worst(
    packages: Registry, project: Path, nerq: Nerq, kinds: tuple[str, ...], status: int
) -> None:
    add(project, "good", "other==1.0")
    add(project, "empty")
    packages.site.on("/pypi/third/json", {"status": 500})
    packages.site.on("/simple/third/", {"status": 500})
    add(project, "unknown", "third", "other==1.0")
    add(project, "failing", "demo==1.0")
    result = run(nerq, *kinds, "--strict")
    assert result.status == status
    loose = run(nerq, *kinds, "--no-strict")
    assert loose.status == (0 if status == 3 else status)
    assert result.json["complete"] is loose.json["complete"] is (status in (0, 4))


def test_a_list_names_repositories_beside_it(packages: Registry, project: Path, nerq: Nerq) -> None:
    (project / "lists").mkdir()
    add(project, "team/shop", "other==1.0")
    add(project, "shop", "other==1.0")
    list_file = project / "lists" / "fleet.txt"
    list_file.write_text("# ours\n\n../team/shop\n../shop\n../team/../shop\n")
    assert list(get_projects(run(nerq, "--list", str(list_file)))) == ["team/shop", "project/shop"]
    missing = nerq("fleet", "--list", "none.txt")
    assert (missing.status, "none.txt: cannot be read" in missing.err) == (2, True)
    assert nerq("fleet").status == 2


def test_a_comment_follows_a_path(packages: Registry, project: Path, nerq: Nerq) -> None:
    for name in ("a", "b", "c #1"):
        add(project, name, "other==1.0")
    (project / "fleet.txt").write_text("  # all\na # one\nb\t# two\nc #1\n#d\n")
    assert list(get_projects(run(nerq, "--list", "fleet.txt"))) == ["a", "b", "c #1"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no names that are not UTF-8")
def test_a_name_that_is_not_utf_8_need_not_exist(packages: Registry, project: Path, nerq: Nerq) -> None:
    add(project, "good", "other==1.0")
    (project / "fleet.txt").write_bytes(b"good\n\xff\n")
    for arguments in (("--list", "fleet.txt"), ("good", os.fsdecode(b"\xff"))):
        result = run(nerq, *arguments)
        good, missing = result.json["projects"]
        assert (result.status, good["state"], missing["state"]) == (2, "passed", "unreadable")
        assert missing["exit"]["reason"].endswith("does not exist")


@pytest.mark.skipif(sys.platform != "linux", reason="as above")
def test_every_project_has_its_history_beside_a_name_that_is_not_utf_8(
    packages: Registry, project: Path, nerq: Nerq
) -> None:
    names = [os.fsdecode(b"b\xffd"), "good"]
    for name in names:
        add(project, name, "other==1.0")
    nerq("fleet", *names, "-f", "json")
    again = nerq("fleet", *names, "-f", "json").json
    assert [row["trend"]["direction"] for row in again["projects"]] == ["same", "same"]


@pytest.mark.skipif(sys.platform != "linux", reason="as above")
def test_a_setting_that_is_not_utf_8_stops_no_other(packages: Registry, project: Path, nerq: Nerq) -> None:
    names = [add(project, "odd", "other==1.0"), add(project, "good", "other==1.0")]
    (project / "odd" / "nerq.toml").write_bytes(b'private = ["\xff", "zz-*"]\n')
    projects = get_projects(run(nerq, *names))
    assert (projects["odd"]["state"], projects["good"]["state"]) == ("unreadable", "passed")


def test_a_path_that_no_system_has_stops_no_other(packages: Registry, project: Path, nerq: Nerq) -> None:
    add(project, "good", "other==1.0")
    (project / "fleet.txt").write_text(f"good\n{'a' * 300}\na\0b\n{'b' * 300}@v1\n")
    result = run(nerq, "--list", "fleet.txt")
    states = [row["state"] for row in result.json["projects"]]
    assert (result.status, states) == (2, ["passed", *["unreadable"] * 3])
    assert all("does not exist" in row["exit"]["reason"] for row in result.json["projects"][1:])
    empty = nerq("fleet", "")
    assert (empty.status, "empty name" in empty.err) == (2, True)


def test_a_commit_needs_git(packages: Registry, project: Path, nerq: Nerq, monkeypatch: pytest.MonkeyPatch) -> None:
    add(project, "work", "other==1.0")
    monkeypatch.setenv("PATH", str(project))
    [row] = run(nerq, "work@v1").json["projects"]
    assert row["exit"] == {"code": 2, "reason": "git is needed to read v1, and is not installed"}


def test_nothing_below_is_stated_of_what_was_checked(packages: Registry, project: Path, nerq: Nerq) -> None:
    packages.site.on("/pypi/third/json", {"status": 500})
    packages.site.on("/simple/third/", {"status": 500})
    names = [add(project, "a", "other==1.0"), add(project, "b", "third", "other==1.0"), add(project, "c")]
    texts = {
        "No dependency could be read.": ["missing"],
        "There is no dependency.": ["c"],
        "No version in use is below the threshold.": ["a"],
        "No version that could be scored is below the threshold.": [*names, "missing"],
    }
    for text, given in texts.items():
        for form in ("table", "markdown", "html"):
            assert text in nerq("fleet", *given, "--as-of", AS_OF, "-f", form).out, (text, form)


def git(folder: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    identity = {
        f"GIT_{role}_{what}": "a@mail.example" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    result = subprocess.run(  # noqa: S603 - of the test
        [GIT, *arguments],
        cwd=folder,
        env={**environment, **identity, "GIT_CONFIG_NOSYSTEM": "1"},
        check=True,
        capture_output=True,
        timeout=60,
    )
    return result.stdout.decode().strip()


@needs_git
def test_bare_repositories_and_references_need_no_work_tree(packages: Registry, project: Path, nerq: Nerq) -> None:
    work = project / "work"
    work.mkdir()
    git(work, "init", "-q", "-b", "main")
    (work / "requirements.txt").write_text("-r base.in\n")
    (work / "base.in").write_text("demo==1.0\n")
    (work / "nerq.toml").write_text("threshold = 60\n")
    git(work, "add", "-A")
    git(work, "commit", "-q", "-m", "first")
    git(work, "tag", "old")
    (work / "base.in").write_text("demo==2.0\nother==1.0\n")
    git(work, "add", "-A")
    git(work, "commit", "-q", "-m", "second")
    git(project, "clone", "-q", "--bare", "work", "bare.git")
    (work / "base.in").write_text("third==3.0\n")
    result = run(nerq, "work", "work@old", "bare.git", "bare.git@old", "bare.git@gone", "work@--help")
    projects = get_projects(result)
    assert list_uses(result, "work") == {("third", "3.0", list_uses(result, "work").pop()[2])}
    assert {name for name, _, _ in list_uses(result, "bare.git")} == {"demo", "other"}
    assert projects["bare.git"]["commit"] == git(work, "rev-parse", "main")
    assert projects["bare.git@old"]["commit"] == projects["work@old"]["commit"] == git(work, "rev-parse", "old")
    assert projects["bare.git@old"]["threshold"] == 60
    assert projects["bare.git@old"]["state"] == projects["work@old"]["state"] == "failing"
    for name in ("bare.git@gone", "work@--help"):
        assert projects[name]["state"] == "unreadable"
        assert "there is no commit" in projects[name]["exit"]["reason"]
        assert "--since" not in projects[name]["exit"]["reason"]
    assert not (project / "bare.git" / "index").exists()
    assert run(nerq, "bare.git", "--offline").json["projects"][0]["state"] == "passed"


def commit_all(folder: Path) -> None:
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "first")


def write_linked(folder: Path) -> None:
    (folder / "requirements.txt").symlink_to("../outside.txt")
    (folder / "svc").mkdir()
    (folder / "svc" / "requirements.txt").write_text("other==1.0\n")


def write_absolute(folder: Path) -> None:
    write_linked(folder)
    (folder / "requirements.txt").unlink()
    (folder / "requirements.txt").symlink_to(folder.parent.absolute() / "outside.txt")


def write_settings_link(folder: Path) -> None:
    (folder / "requirements.txt").write_text("other==1.0\n")
    (folder / "nerq.toml").symlink_to("../outside.txt")


def write_including(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "requirements.txt").write_text("demo==1.0\n")
    (folder / "sub" / "requirements.txt").write_text("-r ../../outside.txt\n-c ../../../gone.txt\n-r gone.txt\n")


@needs_git
@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need a right")
@pytest.mark.parametrize("write", [write_linked, write_absolute, write_settings_link, write_including])
def test_a_commit_is_judged_as_its_checkout(
    packages: Registry, project: Path, nerq: Nerq, write: Callable[[Path], None]
) -> None:
    (project / "outside.txt").write_text("third==3.0\n")
    work = project / "work"
    work.mkdir()
    write(work)
    commit_all(work)
    git(project, "clone", "-q", "--bare", "work", "bare.git")
    result = run(nerq, "work", "work@main", "bare.git")
    rows = result.json["projects"]
    assert nerq("scan", "work", "--as-of", AS_OF).status == 2
    texts = [json.dumps([row["problems"], row["exit"]]).replace("work/", "") for row in rows]
    assert len({*texts}) == 1, texts
    for row in rows:
        for key in ("state", "complete", "dependencies", "below", "dependency_files"):
            assert row[key] == rows[0][key], (row["name"], key)
        assert row["exit"]["code"] == 2
    assert "nerq-tree" not in result.out
    assert "third" not in result.out
    assert select_judged(run(nerq, "work", "work@main", "bare.git").json) == select_judged(result.json)


@needs_git
def test_a_submodule_that_a_bare_repository_lacks_is_stated(packages: Registry, project: Path, nerq: Nerq) -> None:
    part = project / "part"
    part.mkdir()
    (part / "requirements.txt").write_text("demo==1.0\n")
    commit_all(part)
    add(project, "work", "other==1.0")
    (project / "work" / ".git").rmdir()
    git(project / "work", "init", "-q", "-b", "main")
    git(project / "work", "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(part), "lib")
    commit_all(project / "work")
    git(project, "clone", "-q", "--bare", "work", "bare.git")
    [row] = run(nerq, "bare.git").json["projects"]
    assert (row["state"], row["complete"], row["exit"]["code"]) == ("incomplete", False, 0)
    assert row["problems"] == ["lib: a submodule that cannot be read"]
    assert run(nerq, "bare.git", "--strict").status == 3
    assert get_projects(run(nerq, "work@main"))["work@main"]["state"] == "failing"


@needs_git
def test_each_name_stands_for_one_project(packages: Registry, project: Path, nerq: Nerq) -> None:
    work = project / "work"
    work.mkdir()
    (work / "requirements.txt").write_text("other==1.0\n")
    commit_all(work)
    git(project, "clone", "-q", "--bare", "work", "bare.git")
    given = ("work", "work@HEAD", "work/.git", "work/.git@main", "work@main", "bare.git", "bare.git@HEAD")
    result = run(nerq, *given)
    rows = [(row["name"], row["ref"]) for row in result.json["projects"]]
    assert rows == [("work", None), ("work@HEAD", "HEAD"), ("work@main", "main"), ("bare.git", "HEAD")]
    assert {row["state"] for row in result.json["projects"]} == {"passed"}
    [package] = result.json["packages"]
    assert package["projects"] == 4
    assert list(get_projects(run(nerq, "work/.git"))) == ["work@HEAD"]


def test_an_interrupted_run_goes_on_where_it_stopped(
    packages: Registry, project: Path, nerq: Nerq, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [add(project, f"r{number}", "other==1.0", f"demo=={1 + number % 2}.0") for number in range(6)]
    judge = fleet_projects.judge_project
    judged: list[str] = []

    def watch(source: Any, *arguments: Any) -> Any:
        if len(judged) == 4:
            judged.append("stop")
            raise KeyboardInterrupt
        judged.append(source.name)
        return judge(source, *arguments)

    whole = run(nerq, *names, "--cache-dir", "other")
    cache = Path(os.environ["NERQ_CACHE_DIR"])
    monkeypatch.setattr(fleet, "judge_project", watch)
    assert run(nerq, *names).status == 130
    assert judged == ["r0", "r1", "r2", "r3", "stop"]
    add(project, "r1", "third==3.0")
    add(project, "r2", nerq_toml="threshold = 71\n")
    resumed = run(nerq, *names)
    assert judged[5:] == ["r1", "r2", "r4", "r5"]
    assert get_projects(resumed)["r0"] == get_projects(whole)["r0"]
    assert {name for name, _, _ in list_uses(resumed, "r1")} == {"third"}
    assert get_projects(resumed)["r2"]["threshold"] == 71
    run(nerq, *names)
    assert judged[9:] == names  # a run that came to its end leaves nothing to take up
    assert not list((cache / "fleet").iterdir())
    judged[:] = judged[:1]
    assert run(nerq, *names).status == 130
    assert list((cache / "fleet").iterdir())
    assert nerq("cache", "clear").status == 0
    assert not (cache / "fleet").exists()


def test_what_another_repository_withholds_by_now_is_judged_again(
    packages: Registry, project: Path, nerq: Nerq, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages.pypi("acme-core", "1.0")
    names = [add(project, "user", "acme-core==1.0"), add(project, "secret", "other==1.0")]
    judge = fleet_projects.judge_project
    stops = [True]

    def stop(source: Any, *arguments: Any) -> Any:
        if source.name == "secret" and stops:
            stops.clear()
            raise KeyboardInterrupt
        return judge(source, *arguments)

    monkeypatch.setattr(fleet, "judge_project", stop)
    assert run(nerq, *names).status == 130
    add(project, "secret", "acme-core==1.0", nerq_toml='private = ["acme-core"]\n')
    assert get_projects(run(nerq, *names))["user"]["withheld"] == 1


@pytest.mark.skipif(sys.platform != "linux", reason="the second process is a fork, on Linux only")
def test_two_processes_and_one_that_was_killed_give_the_same_report(
    packages: Registry, project: Path, nerq: Nerq
) -> None:
    names = [add(project, f"r{number:02}", "other==1.0", f"demo=={1 + number % 2}.0") for number in range(24)]
    serial = run(nerq, *names)
    start = (
        "import os\nfrom nerq_cli.application import fleet, fleet_workers\n"
        "os.sched_getaffinity = lambda _: {0, 1}\njudge, first = fleet.judge_project, os.getpid()\n"
        "def log(source, *rest):\n"
        "    open('log', 'a').write(f'{os.getpid() == first} {source.name}\\n')\n"
        "    import time; time.sleep(0.02)\n    return judge(source, *rest)\n"
        "fleet.judge_project = log\n"
    )
    main = "from nerq_cli.__main__ import main\nmain()\n"
    command = [sys.executable, "-c", f"{start}{main}", "fleet", *names, "--as-of", AS_OF, "-f", "json", "--quiet"]
    both = subprocess.run(command, capture_output=True, check=False, timeout=120)  # noqa: S603 - of the test
    assert (both.stderr.count(b"\n"), both.returncode) == (1, serial.status)  # the reason of the status
    assert select_judged(json.loads(both.stdout)) == select_judged(serial.json)
    log = (project / "log").read_text().split()
    assert {*log[::2]} == {"True", "False"}
    assert sorted(log[1::2]) == names
    (project / "log").unlink()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:  # noqa: S603 - as above
        while not (project / "log").exists() or len((project / "log").read_text().split()) < 16:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    time.sleep(0.3)  # the second process ends when the first is gone
    killed = {*(project / "log").read_text().split()[1::2]}
    (project / "log").unlink()
    resumed = subprocess.run(command, capture_output=True, check=False, timeout=120)  # noqa: S603 - as above
    assert select_judged(json.loads(resumed.stdout)) == select_judged(serial.json)
    again = {*(project / "log").read_text().split()[1::2]}
    assert len(again) < len(names)
    assert len(again & killed) <= 2  # what each process was at


def test_the_trend_is_that_since_the_last_run(
    packages: Registry, services: Services, project: Path, nerq: Nerq
) -> None:
    names = [add(project, "shop", "other==1.0", "demo==2.0"), add(project, "site", "other==1.0")]
    first = nerq("fleet", *names, "-f", "json").json
    assert first["trend"] == {"worse": 0, "better": 0, "same": 0, "unclear": 0, "new": 2}
    add(project, "shop", "other==1.0", "demo==1.0")
    second = nerq("fleet", *names, add(project, "new", "third==3.0"), "-f", "json").json
    directions = {row["name"]: row["trend"]["direction"] for row in second["projects"]}
    assert directions == {"shop": "worse", "site": "same", "new": "new"}
    assert second["trend"] == {"worse": 1, "better": 0, "same": 1, "unclear": 0, "new": 1}
    assert second["projects"][0]["trend"]["below"] == 0
    add(project, "shop", "other==1.0", "demo==2.0")
    table = nerq("fleet", *names).out
    assert "1 better, 1 the same" in " ".join(table.split())
    page = nerq("fleet", *names, "-f", "markdown", "--top", "3").out
    assert "the same" in page
    history = nerq("history", "--project", "shop", "-f", "json")
    assert history.status == 0


def test_the_worst_packages_come_first_with_who_uses_them(packages: Registry, project: Path, nerq: Nerq) -> None:
    names = [
        add(project, "a", "demo==1.0", "other==1.0"),
        add(project, "b", "demo==2.0", "other==1.1"),
        add(project, "c", "demo==1.0"),
    ]
    result = run(nerq, *names)
    worst = result.json["packages"][0]
    assert (worst["ecosystem"], worst["name"], worst["latest"], worst["projects"]) == ("PyPI", "demo", "2.0", 3)
    assert [(item["version"], item["projects"], item["direct"]) for item in worst["versions"]] == [
        ("1.0", [0, 2], 2),
        ("2.0", [1], 1),
    ]
    assert worst["versions"][0]["advisories"] == ["GHSA-demo"]
    assert worst["versions"][0]["fix"] == "2.0"
    text = nerq("fleet", *names, "--as-of", AS_OF, "--top", "1").out
    assert "demo 1.0" in text
    assert "a, c" in text
    assert "2 more projects are in the JSON and CSV reports" in text
    assert "Packages in several versions" in text


def test_every_format_is_written(packages: Registry, project: Path, nerq: Nerq) -> None:
    hostile = add(project, "=cmd", "demo==1.0", "other==1.0")
    evil = add(project, "<script>", "other==1.0")
    outputs = [option for suffix in ("txt", "json", "csv", "md", "html") for option in ("-o", f"out.{suffix}")]
    result = nerq("fleet", hostile, evil, "--as-of", AS_OF, *outputs)
    assert result.status == 1
    rows = list(csv.DictReader(io.StringIO((project / "out.csv").read_text())))
    assert [(row["project"], row["name"], row["version"]) for row in rows] == [
        ("'=cmd", "demo", "1.0"),
        ("'=cmd", "other", "1.0"),
        ("<script>", "other", "1.0"),
    ]
    assert rows[0]["below"] == "true"
    page = (project / "out.html").read_text()
    assert "<script>" not in page
    assert "default-src" in page
    assert json.loads((project / "out.json").read_text())["schema"] == 1
    assert "| demo 1.0 |" in (project / "out.md").read_text()
    assert "Worst packages" in (project / "out.txt").read_text()
    assert nerq("fleet", hostile, "-o", "out.xml").status == 2


def test_nothing_is_kept_without_a_cache(packages: Registry, project: Path, nerq: Nerq, tmp_path: Path) -> None:
    names = [add(project, f"r{number}", "demo==2.0") for number in range(3)]
    result = run(nerq, *names, "--no-cache")
    assert result.status == 0
    assert Counter(path for path in packages.paths if "demo" in path).most_common(1)[0][1] == 1
    assert not (tmp_path / "cache").exists()


def test_answers_are_refreshed_once(packages: Registry, project: Path, nerq: Nerq) -> None:
    names = [add(project, f"r{number}", "demo==2.0", "other>=1") for number in range(3)]
    run(nerq, *names)
    before = Counter(packages.paths)
    run(nerq, *names, "--refresh")
    after = Counter(packages.paths)
    assert {path: after[path] - before[path] for path in before if "demo" in path or "other" in path} == {
        path: 1 for path in before if "demo" in path or "other" in path
    }


def watch_evidence(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the number of releases of each collection of evidence."""
    counts: list[int] = []
    collect = EvidenceRun.collect_evidence

    def watch(self: Any, releases: Any, facts: Any) -> Any:
        counts.append(len(releases))
        return collect(self, releases, facts)

    monkeypatch.setattr(EvidenceRun, "collect_evidence", watch)
    return counts


def test_evidence_of_a_pinned_version_is_read_once(
    packages: Registry, project: Path, nerq: Nerq, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = watch_evidence(monkeypatch)
    names = [add(project, f"r{number}", "demo==2.0", "other==1.0") for number in range(4)]
    names.append(add(project, "more", "demo==2.0", "third>=1", nerq_toml="threshold = 1\n"))
    result = run(nerq, *names)
    assert [count for count in counts if count] == [3, 2]  # over all; then the project with a threshold of its own
    assert {row["state"] for row in get_projects(result).values()} == {"passed"}


@pytest.mark.parametrize("kind", ["silent", "partial"])
def test_rows_are_those_of_a_scan_where_a_source_does_not_answer(
    packages: Registry, services: Services, project: Path, nerq: Nerq, kind: str
) -> None:
    if kind == "silent":
        services.silent()
    else:
        packages.site.on("/pypi/third/json", {"status": 500})
        packages.site.on("/pypi/third/3.0/json", {"status": 500})
    names = [
        add(project, "a", "demo==2.0", "third==3.0"),
        add(project, "b", "demo==2.0", "other==1.0"),
        add(project, "c", "demo==1.0", "other==1.0", "third"),
    ]
    result = run(nerq, *names, "--strict")
    for name, row in get_projects(result).items():
        scan = nerq("scan", name, "--as-of", AS_OF, "--strict", "--offline", "-f", "json").json
        assert (row["exit"]["code"], row["complete"]) == (scan["exit"]["code"], scan["complete"])
        assert list_uses(result, name) == {
            (item["name"], item["version"], item["score"]) for item in scan["dependencies"]
        }
    assert result.status == (3 if kind == "silent" else 1)
    states = {name: row["state"] for name, row in get_projects(result).items()}
    assert states["a"] == "incomplete"
    assert states["b"] == ("incomplete" if kind == "silent" else "passed")


def test_a_service_that_a_project_names_is_not_asked(packages: Registry, project: Path, nerq: Nerq) -> None:
    address = f"{packages.site.url}/service"
    name = add(project, "own", "other==1.0", nerq_toml=f'service = "{address}"\n')
    assert get_projects(run(nerq, name))["own"]["state"] == "passed"
    assert not [path for path in packages.paths if path.startswith("/service")]


def test_a_package_of_an_index_of_the_user_is_asked_about_there_alone(
    packages: Registry, project: Path, nerq: Nerq
) -> None:
    packages.pypi("acme-core", "1.0")
    index = f"--index-url {packages.site.url}/own/simple\n"
    names = [add(project, "own"), add(project, "plain", "acme-core==1.0", "other==1.0")]
    (project / "own" / "requirements.txt").write_text(f"{index}acme-core==1.0\n")
    result = run(nerq, *names)
    acme = [path for path in packages.paths if "acme" in path]
    assert acme
    assert all(path.startswith("/own/") for path in acme)
    assert get_projects(result)["plain"]["withheld"] == 1


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no names that are not UTF-8")
def test_names_that_are_not_utf_8_are_shown(packages: Registry, project: Path, nerq: Nerq) -> None:
    odd = os.fsencode(project) + b"/b\xffd"
    os.makedirs(odd + b"/d\xfer/.git")  # noqa: PTH103 - a name in bytes
    for folder, pin in ((odd, b"other==1.0\n"), (odd + b"/d\xfer", b"third==x y\n")):
        with open(folder + b"/requirements.txt", "wb") as file:  # noqa: PTH123 - as above
            file.write(pin)
    add(project, "good", "other==1.0")
    for arguments in (("-o", "out.csv"), ("-f", "table"), ("-f", "html"), ("-f", "markdown")):
        result = nerq("fleet", os.fsdecode(odd), "good", "--as-of", AS_OF, *arguments)
        assert result.status == 2
    projects = get_projects(run(nerq, os.fsdecode(odd), "good"))
    assert projects["good"]["state"] == "passed"
    row = next(row for name, row in projects.items() if name != "good")
    assert (row["state"], row["dependency_files"]) == ("unreadable", 2), row["exit"]


def test_a_cache_that_cannot_be_used_is_stated(packages: Registry, project: Path, nerq: Nerq) -> None:
    (project / "file").write_text("")
    names = [add(project, f"r{number}", "other==1.0") for number in range(2)]
    result = run(nerq, *names, "--cache-dir", "file")
    assert {row["state"] for row in get_projects(result).values()} == {"passed"}
    assert any("file" in warning for warning in result.json["warnings"])
