"""Files of reviews: every key, every mistake with its place, imports, and the schema."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import tomli
from jsonschema import Draft202012Validator

from nerq_cli.config.reviews import ReviewFile, build_schema, compute_digest, read_reviews
from nerq_cli.errors import ConfigError
from nerq_cli.inventory import Location, Package
from nerq_cli.policy.reviews import Review
from nerq_cli.problem import Problem

TODAY = date(2026, 11, 21)
ENTRY = '[[reviews]]\npackage = "pypi:Demo_X"\nversion = "1.2"\nverdict = "ok"\nwho = "Ann"\nwhen = 2026-11-02\n'


def read(folder: Path, text: str) -> ReviewFile:
    path = folder / "nerq-reviews.toml"
    path.write_text(text, encoding="utf-8")
    return read_reviews(path, TODAY)


def problems(folder: Path, text: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as failure:
        read(folder, text)
    return failure.value.problems


def edit(key: str, value: str | None) -> str:
    """Return the entry with another value of a key, without it, or with one more."""
    lines = [line for line in ENTRY.splitlines() if not line.startswith(f"{key} =")]
    return "\n".join([*lines, *([f"{key} = {value}"] if value is not None else [])]) + "\n"


def test_every_key_is_read(tmp_path: Path) -> None:
    text = f"schema = 1\n{ENTRY}since = '1.1'\nnotes = 'read   it'\nfiles = ['demo/*.py']\n"
    assert read(tmp_path, text).reviews == (
        Review(
            package=Package(ecosystem="PyPI", name="demo-x"),
            version="1.2",
            verdict="ok",
            who="Ann",
            when="2026-11-02",
            notes="read it",
            files=("demo/*.py",),
            since="1.1",
            location=Location(path=str(tmp_path / "nerq-reviews.toml"), line=2),
        ),
    )
    validator = Draft202012Validator(build_schema())
    document = tomli.loads(edit("when", '"2026-11-02"'))
    assert list(validator.iter_errors(document)) == []


@pytest.mark.parametrize(
    ("key", "value", "line", "message", "hint"),
    [
        ("package", None, 1, "the review has no package", 'add package = "pypi:requests"'),
        ("version", None, 1, "the review has no version", "add version"),
        ("who", None, 1, "the review has no who", "add who"),
        ("when", None, 1, "the review has no when", 'add when = "2026-11-02"'),
        ("verdict", '"okay"', 6, "reviews.verdict must be one of ok, concern, reject", "did you mean 'ok'?"),
        ("when", "2026-11-23", 6, "reviews.when 2026-11-23 is a day of the future", "today is 2026-11-21"),
        ("when", '"soon"', 6, "reviews.when must be a day, such as", ""),
        ("package", '"demo"', 6, "reviews.package must begin with an ecosystem", 'write "pypi:demo" or "npm:demo"'),
        ("package", '"pyp:demo"', 6, "reviews.package must begin with an ecosystem", "did you mean 'pypi'?"),
        ("package", '"npm:@acme/*"', 6, "reviews.package must be the name of one package", ""),
        ("version", '"^1.2"', 6, "reviews.version is neither a version nor a range of PyPI", ""),
        ("since", '">=1"', 7, "reviews.since must be one version where differences were read", ""),
        ("since", '"1.2.0"', 7, "reviews.since is the version that was reviewed", ""),
        ("files", "[]", 7, "reviews.files must be a list of texts that is not empty", ""),
        ("score", "100", 7, "there is no key 'reviews.score'", ""),
    ],
)
def test_every_mistake_has_its_place(
    tmp_path: Path, key: str, value: str | None, line: int, message: str, hint: str
) -> None:
    [problem] = problems(tmp_path, edit(key, value))
    assert problem.line == line
    assert problem.message.startswith(message)
    assert problem.hint.startswith(hint)


def test_a_review_of_tomorrow_is_one_of_another_time_zone(tmp_path: Path) -> None:
    assert len(read(tmp_path, edit("when", "2026-11-22")).reviews) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("reviews = 1\n", "reviews must be an array of tables"),
        ("schema = 2\n", "has format 2, and this version of nerq reads 1"),
        ("schema = 'x'\n", "schema must be 1"),
        ("[[reviews\n", "is not TOML"),
        ("[[audits]]\n", "there is no key 'audits'"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, text: str, message: str) -> None:
    assert message in problems(tmp_path, text)[0].message


def test_the_same_review_twice_is_one(tmp_path: Path) -> None:
    assert len(read(tmp_path, ENTRY + ENTRY).reviews) == 1


def test_a_link_out_of_the_project_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text(ENTRY)
    (tmp_path / "project").mkdir()
    path = tmp_path / "project" / "nerq-reviews.toml"
    path.symlink_to(tmp_path / "other.toml")
    with pytest.raises(ConfigError) as failure:
        read_reviews(path, TODAY)
    assert "link out of its directory" in failure.value.problems[0].message


def add_import(folder: Path, content: bytes, **more: Any) -> str:
    (folder / "team.toml").write_bytes(content)
    values = {"name": "team", "path": "team.toml", "sha256": compute_digest(content), **more}
    return "[[imports]]\n" + "".join(f'{key} = "{value}"\n' for key, value in values.items())


def test_imports_are_read_with_their_name(tmp_path: Path) -> None:
    file = read(tmp_path, ENTRY + add_import(tmp_path, ENTRY.replace("Ann", "Bob").encode()))
    assert [(review.who, review.origin) for review in file.reviews] == [("Ann", ""), ("Bob", "team")]


def test_what_an_import_imports_itself_is_left_out(tmp_path: Path) -> None:
    nested = ENTRY + '[[imports]]\nname = "x"\npath = "x.toml"\nsha256 = "' + "0" * 64 + '"\n'
    assert len(read(tmp_path, add_import(tmp_path, nested.encode())).reviews) == 1


def test_line_ends_that_git_converts_are_no_change(tmp_path: Path) -> None:
    text = add_import(tmp_path, ENTRY.encode())
    (tmp_path / "team.toml").write_bytes(ENTRY.replace("\n", "\r\n").encode())
    assert len(read(tmp_path, text).reviews) == 1


def test_a_changed_import_is_refused(tmp_path: Path) -> None:
    text = add_import(tmp_path, ENTRY.encode())
    (tmp_path / "team.toml").write_text(ENTRY.replace("ok", "reject"))
    [problem] = problems(tmp_path, text)
    assert "is not the file that was imported as team" in problem.message
    (tmp_path / "team.toml").unlink()
    assert "the import team is not at team.toml" in problems(tmp_path, text)[0].message


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"path": "/etc/x.toml"}, "imports.path must be the path of a .toml file"),
        ({"sha256": "abc"}, "imports.sha256 must be 64 hexadecimal digits"),
        ({"url": "http://acme.example/x.toml"}, "imports.url must begin with https://"),
        ({"url": "https://u:p@acme.example/x.toml"}, "imports.url must begin with https://"),
        ({"name": "../x"}, "imports.name must have letters"),
    ],
)
def test_mistakes_in_imports(tmp_path: Path, more: dict[str, str], message: str) -> None:
    assert message in problems(tmp_path, add_import(tmp_path, ENTRY.encode(), **more))[0].message


def test_two_imports_of_one_name(tmp_path: Path) -> None:
    text = add_import(tmp_path, ENTRY.encode())
    assert problems(tmp_path, text + text)[0].message == "two imports have the name team"
