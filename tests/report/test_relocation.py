from __future__ import annotations

import pytest
from msgspec.structs import replace

from nerq_cli.inventory import Location
from nerq_cli.policy.findings import AppliedWaiver, Finding
from nerq_cli.report import FORMATS, RenderOptions
from nerq_cli.report.model import Report
from nerq_cli.report.relocation import relocate_report

RELOCATED = {name for name, report_format in FORMATS.items() if report_format.has_repository_paths}


def list_paths(report: Report) -> set[str]:
    places = [place for one in report.dependencies for place in one.dependency.locations]
    places += [place for finding in report.findings for place in finding.locations]
    places += [finding.waiver.location for finding in report.findings if finding.waiver and finding.waiver.location]
    files = [path for file in report.dependency_files for path in (file.path, file.lockfile)]
    problems = [*report.errors, *(problem for file in report.dependency_files for problem in file.problems)]
    return {*(place.path for place in places), *files, *(problem.path for problem in problems)}


@pytest.mark.parametrize("name", ["mixed", "broken", "waived", "graph"])
def test_every_place_moves_by_the_directory(request: pytest.FixtureRequest, name: str) -> None:
    report: Report = request.getfixturevalue(name)
    moved = relocate_report(replace(report, directory="a/b"))
    assert len(list_paths(moved)) == len(list_paths(report))
    assert all(not path or path.startswith("a/b/") for path in list_paths(moved))
    assert relocate_report(moved) is moved


def test_a_report_of_the_root_stays(mixed: Report) -> None:
    assert relocate_report(mixed) is mixed


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("uv.lock", "a/b/uv.lock"),
        ("./x/../uv.lock", "a/b/uv.lock"),
        ("..\\c\\uv.lock", "a/c/uv.lock"),
        ("../../../uv.lock", "../uv.lock"),
        ("/x/uv.lock", "/x/uv.lock"),
        ("C:/x/uv.lock", "C:/x/uv.lock"),
        ("<command line>", "<command line>"),
        ("", ""),
    ],
)
def test_a_path_is_joined_to_the_directory(calm: Report, path: str, expected: str) -> None:
    location = Location(path=path, line=3)
    waiver = AppliedWaiver(reason="r", location=location)
    finding = Finding(text="t", locations=(location,), waiver=waiver)
    [moved] = relocate_report(replace(calm, directory="a/b", findings=(finding,))).findings
    assert moved.waiver is not None
    assert moved.locations == (moved.waiver.location,) == (Location(path=expected, line=3),)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_formats_that_readers_look_files_up_by_have_paths_of_the_repository(name: str, mixed: Report) -> None:
    at_root = FORMATS[name].render(mixed, RenderOptions())
    below = FORMATS[name].render(replace(mixed, directory="services/web"), RenderOptions())
    assert (b"services/web/requirements.txt" in below) == (name in RELOCATED)
    assert (at_root == below) == (name not in RELOCATED)


def test_the_formats_are_those_of_code_hosts_and_ci_systems() -> None:
    assert {"sarif", "github", "gitlab", "gitlab-codequality", "gitlab-dependency-scanning", "junit"} == RELOCATED
