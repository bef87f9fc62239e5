"""``nerq review`` as a whole command, and what reviews change in scans and checks."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import tomli

Nerq = Callable[..., Any]
AS_OF = ("--as-of", "2026-11-21")
TODAY = 1_795_262_400  # 2026-11-21T12:00:00Z
ANN = ("--who", "Ann <ann@acme.example>")


@pytest.fixture(autouse=True)
def demo(registry: Any, services: Any, project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one dependency that passes, on a fixed day."""
    registry.most_used()
    registry.pypi("demo", "1.0", "2.0")
    assert services
    (project / "requirements.txt").write_text("demo==1.0\n")
    monkeypatch.setattr("nerq_cli.application.session.read_clock", lambda: TODAY)
    return project


def add(nerq: Nerq, target: str = "pypi:demo==1.0", verdict: str = "ok", *more: str) -> Any:
    return nerq("review", "add", target, "--verdict", verdict, *ANN, *more)


def test_a_review_of_a_model_is_of_its_commit(nerq: Nerq, project: Path) -> None:
    assert add(nerq, f"hf:org/one@{'a' * 40}").status == 0
    assert add(nerq, f"hf:org/one@{'b' * 40}", "ok", "--since", "a" * 40).status == 0
    file = project / "nerq-reviews.toml"
    file.write_text(file.read_text().replace("a" * 40, "main"))
    result = nerq("review", "list")
    assert result.status == 2
    assert "reviews.version must be a whole commit" in result.err


def test_a_list_states_of_which_packages_it_is(nerq: Nerq) -> None:
    add(nerq)
    add(nerq, "npm:lodash@4.17.21")
    for names, first, last in (
        ((), "2 reviews in ", "nerq-reviews.toml\n"),
        (("pypi:demo",), "1 of 2 reviews in ", "nerq-reviews.toml is of pypi:demo\n"),
        (("pypi:other",), "0 of 2 reviews in ", "nerq-reviews.toml are of pypi:other\n"),
    ):
        text = nerq("review", "list", *names).err
        assert (text[: len(first)], text[-len(last) :]) == (first, last)


def scan(nerq: Nerq, *options: str) -> Any:
    return nerq("scan", *AS_OF, "--threshold", "50", "--format", "json", *options)


def findings(result: Any) -> list[tuple[str, str]]:
    return [(finding["id"], finding["level"]) for finding in result.json["findings"]]


def test_a_review_is_written_and_keeps_what_is_there(nerq: Nerq, project: Path) -> None:
    result = add(nerq, "pypi:demo==1.0", "ok", "--notes", "read it", "--file", "demo/*.py")
    assert (result.status, result.err) == (0, "")
    assert result.out == "wrote to nerq-reviews.toml: ok of pypi:demo 1.0 by Ann <ann@acme.example>\n"
    path = project / "nerq-reviews.toml"
    text = path.read_text().replace('verdict = "ok"', 'verdict   = "ok" # why')
    path.write_text(text)
    assert add(nerq, "npm:lodash@^4.17.0", "concern").status == 0
    assert path.read_text().startswith(text)
    first, second = tomli.loads(path.read_text())["reviews"]
    assert first | {"when": ""} == {
        "package": "pypi:demo",
        "version": "1.0",
        "verdict": "ok",
        "who": "Ann <ann@acme.example>",
        "when": "",
        "notes": "read it",
        "files": ["demo/*.py"],
    }
    assert (second["package"], second["version"]) == ("npm:lodash", "^4.17.0")
    jsonschema.validate(
        json.loads(json.dumps(tomli.loads(path.read_text()), default=str)), nerq("schema", "reviews").json
    )


def test_the_person_is_the_one_that_git_knows(nerq: Nerq, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    unsigned = nerq("review", "add", "pypi:demo==1.0", "--verdict", "ok")
    assert unsigned.status == 2
    assert "not known who signs" in unsigned.err
    subprocess.run(["git", "init", "-q", "."], check=True)  # noqa: S607 - git of the path
    subprocess.run(["git", "config", "user.name", "Bob"], check=True)  # noqa: S607
    subprocess.run(["git", "config", "user.email", "bob@acme.example"], check=True)  # noqa: S607
    assert nerq("review", "add", "pypi:demo==1.0", "--verdict", "ok").status == 0
    assert "Bob <bob@acme.example>" in (project / "nerq-reviews.toml").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pypi:demo", "--verdict", "ok"), "names no version"),
        (("demo", "--verdict", "ok"), "may be a package of PyPI or of npm"),
        (("pypi:demo==1.0", "--verdict", "fine"), "must be one of ok, concern, reject"),
        (("pypi:demo==1.0", "--verdict", "ok", "--when", "2027-01-01"), "2027-01-01 is a day of the future"),
        (("pypi:demo==1.0", "--verdict", "ok", "--since", "1.0"), "is the version that was reviewed"),
        (("pypi:demo==2.0", "--verdict", "ok", "--since", "3.0"), "must be an earlier version"),
        (("hf:org/one@main", "--verdict", "ok"), "must be a whole commit"),
        (("hf:org/one@0123abc", "--verdict", "ok"), "must be a whole commit"),
        (("github:org/one@v1", "--verdict", "ok"), "must be a whole commit"),
        ((f"hf:org/one@{'a' * 40}", "--verdict", "ok", "--since", "main"), "must be a whole commit"),
    ],
)
def test_mistakes_write_nothing(nerq: Nerq, project: Path, arguments: tuple[str, ...], message: str) -> None:
    result = nerq("review", "add", *arguments, *ANN)
    assert result.status == 2
    assert message in " ".join(result.err.split())
    assert not (project / "nerq-reviews.toml").exists()


def test_the_same_review_again_is_refused(nerq: Nerq) -> None:
    assert add(nerq).status == 0
    again = add(nerq)
    assert again.status == 2
    assert "has this review already" in again.err


def test_a_review_is_shown_and_changes_no_score(nerq: Nerq) -> None:
    before = scan(nerq).json["dependencies"][0]
    assert "review" not in before
    assert add(nerq, "pypi:demo==1.0", "ok", "--notes", "read it").status == 0
    result = scan(nerq)
    after = result.json["dependencies"][0]
    assert (after["review"], [review["who"] for review in after["reviews"]]) == ("ok", ["Ann <ann@acme.example>"])
    assert {key: value for key, value in after.items() if key not in ("review", "reviews")} == before
    jsonschema.validate(result.json, nerq("schema").json)
    assert "reviewed: 1 ok" in nerq("scan", *AS_OF).out
    assert "review: ok by Ann (2026-11-21): read it" in nerq("check", "pypi:demo==1.0", *AS_OF).out
    assert "review: ok by Ann" in nerq("scan", *AS_OF, "--format", "html").out
    assert ",ok,Ann <ann@acme.example>," in nerq("scan", *AS_OF, "--format", "csv").out


def test_an_objection_fails_a_score_that_passes(nerq: Nerq) -> None:
    assert scan(nerq).status == 0
    assert add(nerq, "pypi:demo==1.0", "reject", "--notes", "sends data home").status == 0
    result = scan(nerq)
    assert (result.status, findings(result)) == (1, [("review-rejected", "deny")])
    assert "sends data home" in result.json["findings"][0]["text"]
    assert scan(nerq, "--allow", "review-rejected").status == 0
    assert nerq("check", "pypi:demo==1.0", *AS_OF, "--threshold", "50").status == 1


def test_a_concern_warns(nerq: Nerq) -> None:
    assert add(nerq, "pypi:demo==1.0", "concern").status == 0
    result = scan(nerq)
    assert (result.status, findings(result)) == (0, [("review-concern", "warn")])


def test_the_rule_wants_a_review_of_the_version_in_use(nerq: Nerq, project: Path) -> None:
    unreviewed = scan(nerq, "--deny", "reviewed")
    assert (unreviewed.status, findings(unreviewed)) == (1, [("reviewed", "deny")])
    assert add(nerq, "pypi:demo==2.0").status == 0
    assert scan(nerq, "--deny", "reviewed").status == 1
    assert add(nerq, "pypi:demo==1.0").status == 0
    assert scan(nerq, "--deny", "reviewed").status == 0
    (project / "nerq.toml").write_text('[rules]\nreviewed = "deny"\n')
    assert scan(nerq, "--no-config").status == 0
    assert scan(nerq).status == 0


def test_without_the_settings_of_the_project_its_reviews_do_not_count(
    nerq: Nerq, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert add(nerq).status == 0
    assert scan(nerq, "--no-config", "--deny", "reviewed").status == 1
    central = tmp_path / "central"
    central.mkdir()
    (central / "nerq.toml").write_text('[rules]\nreviewed = "deny"\n')
    monkeypatch.setenv("NERQ_CONFIG", str(central / "nerq.toml"))
    assert scan(nerq).status == 1
    (central / "nerq-reviews.toml").write_text((project / "nerq-reviews.toml").read_text())
    assert scan(nerq).status == 0


def test_a_broken_file_ends_a_scan(nerq: Nerq, project: Path) -> None:
    (project / "nerq-reviews.toml").write_text("[[reviews]]\nwhen = 2030-01-01\n")
    result = nerq("scan", *AS_OF)
    assert result.status == 2
    assert "nerq-reviews.toml:2" in result.err
    assert "day of the future" in result.err
    assert "Traceback" not in result.err


def test_reviews_that_a_change_adds_are_stated(nerq: Nerq, project: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@acme.example")
        subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)  # noqa: S603, S607 - arguments of the test

    assert add(nerq, "pypi:demo==1.0", "reject").status == 0
    git("init", "-q", ".")
    git("add", ".")
    git("commit", "-qm", "first")
    text = (project / "nerq-reviews.toml").read_text()
    (project / "nerq-reviews.toml").write_text(text.replace('"reject"', '"ok"'))
    [note] = [
        note
        for note in scan(nerq, "--since", "HEAD").json["comparison"]["notes"]
        if note.startswith("nerq-reviews.toml accepts more than at HEAD")
    ]
    assert "ok of pypi:demo 1.0 by Ann" in note
    assert "without reject of pypi:demo 1.0 by Ann" in note


def test_an_import_is_pinned_and_renewed(nerq: Nerq, project: Path) -> None:
    assert add(nerq, "pypi:demo==1.0").status == 0
    (project / "nerq-reviews.toml").rename(project / "team.toml")
    result = nerq("review", "import", "team.toml")
    assert (result.status, result.err) == (0, "")
    assert "+ pypi:demo 1.0: ok by Ann (2026-11-21)" in result.out
    assert scan(nerq, "--deny", "reviewed").status == 0
    (project / "team.toml").write_text((project / "team.toml").read_text().replace("1.0", "2.0"))
    refused = nerq("scan", *AS_OF)
    assert refused.status == 2
    assert "is not the file that was imported as team" in " ".join(refused.err.split())
    renewed = nerq("review", "import", "team.toml")
    assert renewed.status == 0
    assert scan(nerq, "--deny", "reviewed").status == 1
    assert len(tomli.loads((project / "nerq-reviews.toml").read_text())["imports"]) == 1


def test_an_import_from_an_address_is_kept_beside(nerq: Nerq, project: Path, site: Any) -> None:
    assert add(nerq, "pypi:demo==1.0").status == 0
    content = (project / "nerq-reviews.toml").read_text()
    (project / "nerq-reviews.toml").unlink()
    site.on("/team/audits.toml", {"body": content.encode()})
    address = f"{site.url}/team/audits.toml"
    wrong = nerq("review", "import", address, "--sha256", "0" * 64)
    assert wrong.status == 2
    assert not (project / "nerq-reviews").exists()
    assert nerq("review", "import", address, "--name", "platform").status == 0
    assert (project / "nerq-reviews" / "platform.toml").read_text() == content
    assert scan(nerq, "--deny", "reviewed").status == 0
    listed = nerq("review", "list")
    assert listed.out == "pypi:demo 1.0: ok by Ann (2026-11-21, from platform)\n"
    assert [entry["origin"] for entry in nerq("review", "list", "--format", "json").json] == ["platform"]


@pytest.mark.parametrize("source", ["http://acme.example/x.toml", "https://u:p@acme.example/x.toml", "ftp://x/y.toml"])
def test_addresses_that_are_not_fetched(nerq: Nerq, project: Path, source: str) -> None:
    result = nerq("review", "import", source)
    assert result.status == 2
    assert "must begin with https://" in " ".join(result.err.split())
    assert not (project / "nerq-reviews.toml").exists()


def test_a_lost_server_loses_nothing(nerq: Nerq, project: Path, site: Any) -> None:
    assert add(nerq).status == 0
    before = (project / "nerq-reviews.toml").read_bytes()
    result = nerq("review", "import", f"{site.url}/missing.toml", "--name", "x")
    assert result.status == 2
    assert (project / "nerq-reviews.toml").read_bytes() == before
