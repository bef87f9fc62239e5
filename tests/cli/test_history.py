"""``nerq history`` and ``nerq badge``, whole, against registries on loopback."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from msgspec.structs import replace

from nerq_cli.application.history import choose_series, reconstruct_histories
from nerq_cli.application.session import Session
from nerq_cli.application.settings import Settings
from nerq_cli.insight.snapshots import pack_summary, unpack_row, unpack_summary
from nerq_cli.inventory import Package
from nerq_cli.report.pages.history import draw_sparkline
from nerq_cli.report.pages.history_document import build_schema, format_day
from nerq_cli.store.file import DatabaseFile
from nerq_cli.store.history import HistoryFile
from tests.cli.conftest import AS_OF, Registry, Result, Services

Nerq = Callable[..., Result]
NAME = "PyPI/demo@2.0"
CRITICAL = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NERQ_CACHE_DIR", str(tmp_path / "history-cache"))
    return tmp_path / "history-cache"


@pytest.fixture
def demo(registry: Registry, directory: Path) -> Registry:
    registry.pypi("demo", "1.0", "2.0")
    registry.most_used()
    return registry


@pytest.fixture
def file(demo: Registry, directory: Path, nerq: Nerq) -> Iterator[HistoryFile]:
    """The history after one check of today."""
    nerq("check", "pypi:demo==2.0")
    opened = HistoryFile.open(directory, now=1)
    yield opened
    opened.close()


def copy_back(file: HistoryFile, rise: int = 0) -> None:
    """Fill the 90 days before today; those before the newest 40 have a score that is ``rise`` points lower."""
    [today] = file.read_snapshots(NAME)
    for age in range(1, 90):
        numbers = bytearray(today.numbers)
        if age >= 40:
            value = int.from_bytes(numbers[:2], "little") - 10 * rise
            numbers[:2] = value.to_bytes(2, "little")
        file.put_snapshots({NAME: today._replace(day=today.day - age, numbers=bytes(numbers))})


def test_a_check_leaves_a_snapshot_with_what_the_report_has(file: HistoryFile, nerq: Nerq) -> None:
    [row] = file.read_snapshots(NAME)
    snapshot = unpack_row(row, "2.0")
    assert snapshot is not None
    report = nerq("check", "pypi:demo==2.0", "-f", "json").json
    [shown] = report["dependencies"]
    assert snapshot.value == shown["score"]
    assert snapshot.grade == shown["grade"]
    assert snapshot.coverage == pytest.approx(shown["coverage"], abs=0.01)
    assert sum(signal.points for signal in snapshot.signals) == pytest.approx(snapshot.total, abs=0.1)
    assert format_day(snapshot.day) == report["as_of"][:10]
    assert len(file.read_snapshots(NAME)) == 1


@pytest.mark.parametrize("option", [["--no-cache"], ["--as-of", AS_OF]])
def test_a_run_without_a_cache_or_about_the_past_leaves_none(
    option: list[str], demo: Registry, directory: Path, nerq: Nerq
) -> None:
    nerq("check", "pypi:demo==2.0", *option)
    assert not (directory / "history.sqlite3").exists()


def test_a_run_that_learned_less_does_not_replace_a_snapshot(file: HistoryFile, nerq: Nerq) -> None:
    [row] = file.read_snapshots(NAME)
    file.put_snapshots({NAME: row._replace(coverage=1000, mark=1)})
    nerq("check", "pypi:demo==2.0", "--refresh")
    assert [snapshot.mark for snapshot in file.read_snapshots(NAME)] == [1]


def test_the_history_of_a_target_has_trend_and_steps(file: HistoryFile, nerq: Nerq) -> None:
    copy_back(file, rise=15)
    result = nerq("history", "pypi:demo")
    assert result.status == 0
    assert result.err == ""
    assert "improving: +15.0 points over 13 weeks" in result.out
    assert "(+15.0)" in result.out
    document = nerq("history", "pypi:demo==2.0", "-f", "json").json
    jsonschema.validate(document, build_schema())
    [target] = document["targets"]
    assert target["trend"]["direction"] == "improving"
    assert len(target["snapshots"]) == 90
    assert target["steps"][0]["change"] == 15.0
    markdown = nerq("history", "pypi:demo", "-f", "markdown").out
    assert "| score | " in markdown
    assert "(+15.0)" in markdown


def test_files_get_the_format_of_their_suffix(file: HistoryFile, nerq: Nerq, tmp_path: Path) -> None:
    copy_back(file, rise=15)
    names = ["page.html", "page.md", "page.json", "page.txt"]
    options = [option for name in names for option in ("-o", str(tmp_path / name))]
    result = nerq("history", "pypi:demo", *options)
    html, markdown, document, text = ((tmp_path / name).read_text(encoding="utf-8") for name in names)
    assert html.count("<svg") == 2
    assert "dashed: threshold 70" in html
    assert "improving: +15.0 points over 13 weeks" in html
    assert "<script" not in html
    assert "(+15.0)" in markdown
    assert json.loads(document)["schema"] == 1
    assert text == result.out
    project = tmp_path / "scanned"
    project.mkdir()
    (project / "requirements.txt").write_text("demo==2.0\n")
    nerq("scan", str(project))
    html = nerq("history", "--project", str(project), "-f", "html").out
    assert "Median score of the dependencies" in html


def test_the_same_history_gives_the_same_bytes(file: HistoryFile, nerq: Nerq) -> None:
    copy_back(file)
    tomorrow = format_day(file.read_snapshots(NAME)[-1].day + 1)
    first, second = (nerq("history", "pypi:demo", "-f", "json", "--as-of", tomorrow) for _ in range(2))
    assert first.out == second.out
    assert first.json["targets"][0]["trend"]["direction"] == "stable"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pypi:unheard"], "there is no history of pypi:unheard"),
        (["pypi:demo==9.0"], "there is no history of pypi:demo==9.0"),
        (["mcp:io.example/server"], "stands for packages"),
        ([], "there is no target"),
        (["--project"], "there is no history of the project"),
        (["--project", "nowhere"], "is no directory"),
    ],
)
def test_what_has_no_history_is_an_error(arguments: list[str], message: str, file: HistoryFile, nerq: Nerq) -> None:
    result = nerq("history", *arguments)
    assert result.status == 2
    assert message in result.err
    assert result.out == ""


def test_a_history_of_a_newer_version_is_an_error_and_a_warning_of_a_check(
    demo: Registry, directory: Path, nerq: Nerq
) -> None:
    directory.mkdir()
    connection = sqlite3.connect(directory / "history.sqlite3")
    connection.execute("PRAGMA user_version = 9")
    connection.close()
    content = (directory / "history.sqlite3").read_bytes()
    result = nerq("history", "pypi:demo")
    assert result.status == 2
    assert "newer version of nerq-cli" in result.err
    check = nerq("check", "pypi:demo==2.0")
    assert check.status in (0, 1)
    assert "newer version of nerq-cli" in check.err
    assert (directory / "history.sqlite3").read_bytes() == content


def test_damaged_snapshots_are_left_out(file: HistoryFile, nerq: Nerq) -> None:
    [row] = file.read_snapshots(NAME)
    file.put_snapshots({NAME: row._replace(day=row.day - 1, numbers=b"\x00")})
    file.put_snapshots({NAME: row._replace(day=row.day - 2, legend=b"\xc1")})
    file.put_snapshots({NAME: row._replace(day=row.day - 3, texts=(1, b"\xc1"))})
    document = nerq("history", "pypi:demo", "-f", "json").json
    assert len(document["targets"][0]["snapshots"]) == 1


def test_a_project_has_a_history_and_the_dependencies_that_moved(file: HistoryFile, nerq: Nerq, tmp_path: Path) -> None:
    project = tmp_path / "scanned"
    project.mkdir()
    (project / "requirements.txt").write_text("demo==2.0\n")
    nerq("scan", str(project))
    [row] = file.read_projects(os.path.realpath(project))
    assert row.members == (NAME,)
    summary = unpack_summary(row.summary)
    assert summary is not None
    assert (summary.dependencies, summary.scored) == (1, 1)
    copy_back(file, rise=12)
    for age in range(1, 90):
        median = (summary.median or 0) - (12 if age >= 40 else 0)
        content = pack_summary(replace(summary, median=median))
        file.put_project(os.path.realpath(project), row._replace(day=row.day - age, summary=content))
    document = nerq("history", "--project", str(project), "-f", "json").json
    jsonschema.validate(document, build_schema())
    assert document["project"]["trend"]["direction"] == "improving"
    assert [moved["target"] for moved in document["project"]["moved"]] == ["demo"]
    text = nerq("history", "--project", str(project)).out
    assert "median score" in text
    assert "improving: +12.0 points" in text
    assert "improving: +12.0 points" in nerq("history", "--project", str(project), "-f", "markdown").out
    assert "Score of demo" in nerq("history", "--project", str(project), "-f", "html").out


def test_a_target_is_compared_with_the_project_and_its_past(
    file: HistoryFile, demo: Registry, nerq: Nerq, project: Path
) -> None:
    demo.npm("other", "1.0.0")
    demo.pypi("third", "1.0", license_expression=None, project_urls={}, summary="")
    (project / "requirements.txt").write_text("demo==2.0\nthird==1.0\n")
    (project / "package.json").write_text('{"dependencies": {"other": "1.0.0"}}')
    nerq("scan", ".")
    copy_back(file, rise=15)
    standing = nerq("history", "pypi:demo", "-f", "json").json["targets"][0]["standing"]
    assert standing["project"]["place"] == "highest of 3"
    assert (standing["project"]["member"], standing["project"]["name"]) == (True, project.name)
    assert (standing["past"]["count"], standing["outside"]) == (89, None)
    text = nerq("history", "pypi:demo").out
    assert "in your project: highest of 3" in text
    assert "against its own past: " in text
    assert "highest of 3 in" in nerq("history", "pypi:demo", "-f", "html").out
    assert "highest of 3 in" in nerq("history", "pypi:demo", "-f", "markdown").out
    lowest = nerq("history", "pypi:third", "-f", "json").json["targets"][0]["standing"]
    assert lowest["project"]["lower"] == 0
    assert lowest["past"] is None


def test_another_version_than_that_of_the_project_is_compared_as_another(
    file: HistoryFile, demo: Registry, nerq: Nerq, project: Path
) -> None:
    demo.pypi("third", "1.0", license_expression=None, project_urls={}, summary="")
    (project / "requirements.txt").write_text("demo==1.0\nthird==1.0\n")
    (project / "package.json").unlink(missing_ok=True)
    [used] = [item for item in nerq("scan", ".", "-f", "json").json["dependencies"] if item["name"] == "demo"]
    document = nerq("report", "pypi:demo==2.0", "-f", "json").json["peers"]["project"]
    assert (document["member"], document["used"]) == (True, [{"version": "1.0", "score": used["score"]}])
    text = f"the project uses 1.0 ({used['score']:.1f}); 2.0 would be the highest of 2 in "
    assert text in " ".join(nerq("report", "pypi:demo==2.0").out.split())
    assert "would be" not in nerq("report", "pypi:demo==1.0").out


def test_a_part_of_a_project_leaves_no_snapshot_of_it(file: HistoryFile, nerq: Nerq, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("demo==2.0\n")
    nerq("scan", str(tmp_path / "requirements.txt"))
    assert file.read_projects(os.path.realpath(tmp_path)) == []


def test_past_month_ends_are_reconstructed_from_what_has_dates(
    demo: Registry, services: Services, directory: Path, nerq: Nerq, tmp_path: Path
) -> None:
    services.advisory("demo", "1.0", identifier="GHSA-aaaa-bbbb-cccc", summary="bad", severity=CRITICAL)
    path = tmp_path / "page.html"
    result = nerq("history", "--reconstruct", "pypi:demo", "--as-of", AS_OF, "-f", "json", "-o", str(path))
    assert result.status == 0, result.err
    jsonschema.validate(result.json, build_schema())
    [target] = result.json["targets"]
    assert (target["snapshots"], target["trend"]["direction"]) == ([], "too little history")
    made = target["reconstruction"]
    dates = {item["date"]: item for item in (*made["gaps"], *made["snapshots"])}
    assert len(dates) == 24
    assert dates["2025-09-30"]["reason"] == "no stable version had been published"
    assert {item["origin"] for item in made["snapshots"]} == {"reconstructed"}
    versions = {date: item["version"] for date, item in dates.items() if "version" in item}
    assert (versions["2025-10-31"], versions["2026-09-30"], versions["2026-10-31"]) == ("1.0", "1.0", "2.0")
    limits = {date: [cap["id"] for cap in item.get("caps", [])] for date, item in dates.items()}
    assert "critical-no-fix" in limits["2026-01-31"]
    assert not any("critical" in cap for cap in limits["2025-12-31"])
    assert not any("critical" in cap for cap in limits["2026-10-31"])
    assert all({"status", "adoption", "publishers"} <= {*item["unknown"]} for item in made["snapshots"])
    page = path.read_text(encoding="utf-8")
    assert "13 of 13 are reconstructed: hollow points" in page
    assert "Reconstructed: the version that was newest at each month end" in page
    sent = len([*demo.paths, *services.site.requests])
    for form in ("table", "markdown"):
        text = nerq("history", "--reconstruct", "pypi:demo", "--as-of", AS_OF, "-f", form).out
        assert "Reconstructed: the version that was newest at each month end" in text
        assert "Not known of those days" in text.replace("\n", " ")
    again = nerq("history", "--reconstruct", "pypi:demo", "--as-of", AS_OF, "-f", "json")
    assert again.out == result.out
    assert len([*demo.paths, *services.site.requests]) == sent, "the evidence is warm"
    history = HistoryFile.open(directory, now=1)
    assert history.list_versions("PyPI/demo") == []
    history.close()


def test_the_months_open_no_file_of_their_own(demo: Registry, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    original = DatabaseFile.__init__

    def count(self: DatabaseFile, path: Path, *, now: int) -> None:
        opened.append(path)
        original(self, path, now=now)

    monkeypatch.setattr(DatabaseFile, "__init__", count)
    with Session.open(Settings(), Path()) as session:
        reconstruct_histories(["pypi:demo"], session)
    assert len(opened) == len(set(opened))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pypi:demo==2.0"], "--reconstruct scores the version that was newest"),
        (["hf:org/model"], "--reconstruct takes packages"),
        (["mcp:io.example/server"], "stands for packages"),
        (["pypi:unheard"], "PyPI has no unheard"),
        (["demo"], "demo may be the package on PyPI and npm"),
        (["--project"], "--reconstruct is about packages"),
    ],
)
def test_what_cannot_be_reconstructed_is_an_error(
    arguments: list[str], message: str, demo: Registry, nerq: Nerq
) -> None:
    result = nerq("history", "--reconstruct", *arguments)
    assert result.status == 2
    assert message in f"{result.err}"
    assert result.out == ""


def test_a_day_before_the_first_snapshot_is_reconstructed_and_the_error_names_that_snapshot(
    file: HistoryFile, nerq: Nerq, tmp_path: Path
) -> None:
    result = nerq("history", "--reconstruct", "pypi:demo", "--as-of", AS_OF, "-f", "json")
    assert result.status == 0, result.err
    assert result.json["targets"][0]["snapshots"] == []
    assert result.json["targets"][0]["reconstruction"]["snapshots"]
    first = format_day(file.read_snapshots(NAME)[0].day)
    early = nerq("history", "pypi:demo", "--as-of", "2025-01-15")
    assert early.status == 2
    assert f"there is no history of pypi:demo up to 2025-01-15: its first snapshot is of {first}" in early.err
    (tmp_path / "requirements.txt").write_text("demo==2.0\n", encoding="utf-8")
    nerq("scan", str(tmp_path))
    early = nerq("history", "--project", str(tmp_path), "--as-of", "2025-01-15")
    assert (early.status, "up to 2025-01-15: its first snapshot is of" in early.err) == (2, True)


def test_recorded_and_reconstructed_scores_are_told_apart(file: HistoryFile, nerq: Nerq) -> None:
    result = nerq("history", "--reconstruct", "demo", "-f", "json")
    [target] = result.json["targets"]
    assert [item["origin"] for item in target["snapshots"]] == ["recorded"]
    assert {item["origin"] for item in target["reconstruction"]["snapshots"]} == {"reconstructed"}
    assert len(file.read_snapshots(NAME)) == 1


def test_a_private_name_is_not_looked_up(demo: Registry, nerq: Nerq, project: Path) -> None:
    (project / "nerq.toml").write_text('private = ["demo"]\n')
    result = nerq("history", "--reconstruct", "pypi:demo")
    assert result.status == 2
    assert "is not looked up" in result.err
    assert demo.paths == []


def test_evidence_that_is_missing_is_not_a_score(demo: Registry, nerq: Nerq) -> None:
    result = nerq("history", "--reconstruct", "pypi:demo", "--offline", "--strict", "-f", "json")
    assert result.status == 3
    assert result.json["complete"] is False
    assert result.json["targets"][0]["reconstruction"]["snapshots"] == []
    assert len(result.json["targets"][0]["reconstruction"]["gaps"]) == 24


def test_of_two_versions_in_turns_the_higher_one_is_the_series(file: HistoryFile) -> None:
    [row] = file.read_snapshots(NAME)
    made = unpack_row(row, "2.0")
    assert made is not None
    taken = [replace(made, day=day, version="10.0" if day % 2 else "9.0") for day in range(2, 10)]
    series = choose_series(taken, Package(ecosystem="PyPI", name="demo"))
    assert [(item.day, item.version) for item in series] == [
        (2, "9.0"), (3, "10.0"), (5, "10.0"), (7, "10.0"), (9, "10.0"),
    ]  # fmt: skip


def test_all_revisions_of_a_repository_count(file: HistoryFile) -> None:
    [row] = file.read_snapshots(NAME)
    made = unpack_row(row, "2.0")
    assert made is not None
    taken = [replace(made, day=day, version="ab" if day % 2 else "cd") for day in range(2, 10)]
    assert len(choose_series(taken, Package(ecosystem="huggingface", name="org/demo"))) == 8


def test_a_sparkline_does_not_enlarge_small_changes() -> None:
    assert set(draw_sparkline([(1, 80.0), (2, 81.0), (3, 80.0)], "12345678", 10)) <= {"4", "5"}
    assert draw_sparkline([(1, 0.0), (3, 100.0)], "12345678", 10) == "1 8"
    assert draw_sparkline([(1, None)], "12345678", 10) == ""


def test_a_badge_is_an_image_with_score_grade_and_date(file: HistoryFile, nerq: Nerq, tmp_path: Path) -> None:
    path = tmp_path / "badge.svg"
    result = nerq("badge", "pypi:demo==2.0", "-o", str(path), "--as-of", AS_OF)
    assert (result.status, result.out) == (0, "")
    root = ET.fromstring(path.read_text(encoding="utf-8"))  # noqa: S314 - written by the program under test
    texts = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[0] == "nerq demo 2.0"
    assert texts[1].endswith(f" on {AS_OF}, stale after 30 days")
    assert "Stale after 2026-12-21" in path.read_text(encoding="utf-8")
    assert "http" not in path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    endpoint = json.loads(nerq("badge", "pypi:demo==2.0", "-f", "shields", "--as-of", AS_OF).out)
    assert (endpoint["schemaVersion"], endpoint["label"], endpoint["message"]) == (1, *texts)


def test_a_badge_of_what_is_not_known_is_grey(demo: Registry, nerq: Nerq, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("demo==2.0\n")
    endpoint = json.loads(nerq("badge", "--project", str(tmp_path), "-f", "shields", "--offline").out)
    assert endpoint["message"].startswith("unknown")
    assert endpoint["color"] == "#6b6b6b"


def test_a_badge_of_what_fails_a_rule_is_not_green(
    demo: Registry, nerq: Nerq, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo.most_used()
    (project / "requirements.txt").write_text("demo==2.0\n")
    for command in (("badge", "--project", "."), ("badge", "pypi:demo==2.0")):
        endpoint = json.loads(nerq(*command, "-f", "shields").out)
        assert "fails" not in endpoint["message"]
        assert endpoint["color"] == "#1a7f37"
    assert nerq("review", "add", "pypi:demo==2.0", "--verdict", "reject", "--who", "Ann").status == 0
    assert nerq("scan", ".").status == 1
    endpoint = json.loads(nerq("badge", "--project", ".", "-f", "shields").out)
    assert endpoint["message"].startswith("fails 1 rule, lowest ")
    assert endpoint["color"] == "#b42318"
    endpoint = json.loads(nerq("badge", "pypi:demo==2.0", "-f", "shields").out)
    assert endpoint["message"].startswith("fails 1 rule, ")
    assert endpoint["color"] == "#b42318"
    endpoint = json.loads(nerq("badge", "--project", ".", "-f", "shields", "--offline", "--no-cache").out)
    assert endpoint["message"].startswith("fails 1 rule, not all checked, ")


@pytest.mark.parametrize("name", ["badge.png", "badge.pdf", "badge"])
def test_a_badge_has_no_format_of_another_suffix(demo: Registry, nerq: Nerq, tmp_path: Path, name: str) -> None:
    result = nerq("badge", "pypi:demo==2.0", "-o", str(tmp_path / name))
    assert result.status == 2
    assert "there is no format with the suffix" in result.err
    assert not (tmp_path / name).exists()
    assert nerq("badge", "pypi:demo==2.0", "-f", "svg", "-o", str(tmp_path / name)).status == 0


def test_a_badge_needs_a_target_that_exists(demo: Registry, nerq: Nerq, tmp_path: Path) -> None:
    assert nerq("badge").status == 2
    assert nerq("badge", "--project", "nowhere").status == 2
    assert nerq("badge", "pypi:demo==2.0", "-o", str(tmp_path / "no" / "badge.svg")).status == 2
