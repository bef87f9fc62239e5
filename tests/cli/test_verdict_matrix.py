"""A matrix of verdicts: rows are ways to lose what is known or to pass what is unknown, columns are the outputs.

Each row is one project, scanned as a table, as JSON, with ``--strict`` and with a threshold of 0. Where the details of
a row have tests of their own, the row names the file. Further statements of this kind are properties of whole runs:

- one version, one score, however it was asked for: ``test_same_score.py``;
- knowledge of the moment of ``--as-of``: ``test_as_of.py``;
- the id of an advisory at every width and in every format: ``test_advisory_visible.py``;
- severity through all aliases: ``test_alias_severity.py``;
- services that are away or break off: ``test_services.py``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

AS_OF = ("--as-of", "2026-11-21")
Nerq = Callable[..., Any]
CRITICAL: dict[str, Any] = {"database_specific": {"severity": "CRITICAL"}}
HIGH: dict[str, Any] = {"database_specific": {"severity": "HIGH"}}
MEDIUM: dict[str, Any] = {"database_specific": {"severity": "MODERATE"}}
LOW: dict[str, Any] = {"database_specific": {"severity": "LOW"}}
TODAY, LONG_AGO = "2026-11-20T00:00:00Z", "2020-07-01T00:00:00Z"


class World:
    """The project, the registries, the services and the local database of one row."""

    def __init__(
        self, project: Path, registry: Any, services: Any, nerq: Nerq, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.project, self.registry, self.services, self._nerq = project, registry, services, nerq
        self.monkeypatch = monkeypatch
        registry.most_used()
        registry.pypi("good", "1.0")

    def write(self, name: str, text: str) -> None:
        (self.project / name).parent.mkdir(parents=True, exist_ok=True)
        (self.project / name).write_text(text)

    def require(self, *lines: str) -> None:
        """Require these lines, and one package that passes."""
        self.write("requirements.txt", "".join(f"{line}\n" for line in (*lines, "good==1.0")))

    def depend(self, requirement: str) -> None:
        self.write("package.json", json.dumps({"name": "app", "dependencies": {"x": requirement}}))

    def lock(self, version: str) -> None:
        self.depend(f"^{version}")
        root = {"name": "app", "dependencies": {"x": f"^{version}"}}
        packages = {"": root, "node_modules/x": {"version": version}}
        self.write("package-lock.json", json.dumps({"name": "app", "lockfileVersion": 3, "packages": packages}))

    def record(self, id_: str, *versions: str, modified: str = TODAY, ecosystem: str = "npm", **more: Any) -> None:
        """Import one record about ``x`` into the local database."""
        affected = {"package": {"ecosystem": ecosystem, "name": "x"}, **more.pop("affected", {"versions": [*versions]})}
        record = {"id": id_, "modified": modified, "published": modified, "affected": [affected], **more}
        folder = self.project.parent / "records"
        folder.mkdir(exist_ok=True)
        (folder / f"{id_}.json").write_text(json.dumps(record))
        assert self._nerq("db", "import", str(folder)).status == 0


Setup = Callable[[World], object]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One project and what is printed of its package ``x``."""

    setups: tuple[Setup, ...]
    state: str
    #: Exit statuses: as a rule, with ``--strict``, with ``-t 0``, with both.
    exits: tuple[int, int, int, int]
    score: float | str | None = "any"
    findings: tuple[str, ...] = ()
    advisories: tuple[str, ...] = ()
    #: What the table or the JSON report states.
    words: tuple[str, ...] = ()
    #: Name of the package.
    name: str = "x"
    #: Whether the table may say ``PASS``.
    passes: bool = False


def silence(world: World) -> None:
    world.services.silent()


def npm(*versions: str, **more: Any) -> Setup:
    return lambda world: world.registry.npm("x", *versions, **more)


def pypi(*versions: str, **more: Any) -> Setup:
    return lambda world: world.registry.pypi("x", *versions, **more)


def osv(id_: str, *versions: str, **more: Any) -> Setup:
    return lambda world: world.services.advisory("x", *versions, identifier=id_, **more)


def database(id_: str, *versions: str, **more: Any) -> Setup:
    return lambda world: world.record(id_, *versions, **more)


def requirements(*lines: str) -> Setup:
    return lambda world: world.require(*lines)


def manifest(requirement: str) -> Setup:
    return lambda world: world.depend(requirement)


def lock(version: str) -> Setup:
    return lambda world: world.lock(version)


def write(name: str, text: str) -> Setup:
    return lambda world: world.write(name, text)


def answer_everything(status: int) -> Setup:
    def let(world: World) -> None:
        for name in ("x", "requests", "boto3", "good"):
            for path in (f"/pypi/{name}/json", f"/pypi/{name}/1.0/json", f"/simple/{name}/"):
                world.registry.site.on(path, {"status": status, "body": {}})

    return let


EVERY_VERSION = {"ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}]}
MISMATCHED = {"affected": [{"package": {"ecosystem": "PyPI", "name": "x"}, "versions": ["9.0"]}]}
WHEEL = "https://files.example/x-1.2.3-py3-none-any.whl"
DOWN = ("DEPS_DEV", "SCORECARD", "GITHUB", "EPSS", "KEV", "NPM_DOWNLOADS", "PYPISTATS")


def close_helpful_services(world: World) -> None:
    for name in DOWN:
        world.monkeypatch.setenv(f"NERQ_{name}_URL", "http://127.0.0.1:9")


ROWS: dict[str, Row] = {
    # A1, in detail: test_gone_versions.py
    "removed malware, pinned": Row(
        setups=(silence, npm("3.7.1"), database("MAL-1", "3.7.2"), manifest("3.7.2")),
        state="below",
        score=0.0,
        exits=(1, 1, 1, 1),
        findings=("malicious",),
        advisories=("MAL-1",),
        words=("not listed by the registry",),
    ),
    "removed malware, locked": Row(
        setups=(silence, npm("3.7.1"), database("MAL-1", "3.7.2"), lock("3.7.2")),
        state="below",
        score=0.0,
        exits=(1, 1, 1, 1),
        findings=("malicious",),
        advisories=("MAL-1",),
    ),
    "removed malware, range": Row(
        setups=(silence, npm("3.7.1"), database("MAL-1", "3.7.2"), manifest("~3.7.2")),
        state="below",
        score=0.0,
        exits=(1, 1, 1, 1),
        findings=("malicious",),
        advisories=("MAL-1",),
    ),
    "removed malware, two removed": Row(
        setups=(silence, npm("3.7.1", removed=("3.7.3",)), database("MAL-1", "3.7.2"), manifest("~3.7.2")),
        state="below",
        score=0.0,
        exits=(1, 1, 1, 1),
        findings=("malicious",),
        advisories=("MAL-1",),
    ),
    "removed malware of OSV": Row(
        setups=(pypi("1.0", "3.0"), osv("MAL-1", "2.0"), requirements("x==2.0")),
        state="below",
        score=0.0,
        exits=(1, 1, 1, 1),
        findings=("malicious",),
        advisories=("MAL-1",),
    ),
    "malware that left the registry": Row(
        setups=(database("MAL-1", "1.0.0"), lock("1.0.0")),
        state="below",
        score=0.0,
        exits=(1, 1, 1, 1),
        findings=("malicious", "not-on-index"),
        advisories=("MAL-1",),
    ),
    "malware that npm holds": Row(
        setups=(silence, npm("0.0.1-security"), database("MAL-1", affected=EVERY_VERSION), manifest("^1.0.0")),
        state="below",
        score=0.0,
        exits=(1, 1, 1, 1),
        findings=("malicious",),
        advisories=("MAL-1",),
        words=("removed from npm for security; a placeholder is left (MAL-1)",),
    ),
    "removed version with an advisory": Row(
        setups=(pypi("1.0", "3.0"), osv("GHSA-1", "2.0", **HIGH), requirements("x==2.0")),
        state="below",
        score=None,
        exits=(1, 1, 1, 1),
        advisories=("GHSA-1",),
        words=("not listed by the registry",),
    ),
    "removed version without a record": Row(
        setups=(npm("1.0.0", "1.2.0"), lock("1.1.0")),
        state="unknown",
        score=None,
        exits=(0, 3, 0, 3),
        words=("not listed by the registry",),
    ),
    "version that an advisory names as its fix": Row(
        setups=(
            npm("1.0.0", "1.2.0"),
            database(
                "GHSA-1", affected={"ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.1.0"}]}]}
            ),
            manifest("1.1.0"),
        ),
        state="unknown",
        score=None,
        exits=(0, 3, 0, 3),
        words=("not listed by the registry",),
    ),
    # A2 and A3, in detail: test_not_judged.py
    "local build": Row(
        setups=(
            lambda world: world.registry.pypi("torch", "1.13.0", "3.0"),
            lambda world: world.services.advisory("torch", "1.13.0", identifier="GHSA-1", **CRITICAL),
            requirements("torch==1.13.0+cu117"),
        ),
        name="torch",
        state="below",
        exits=(1, 1, 1, 1),
        advisories=("GHSA-1",),
        words=("judged as 1.13.0; what the local build +cu117 changes was not checked",),
    ),
    "local build of an unknown package": Row(
        setups=(requirements("x==1.0+cu117"),),
        state="not-judged",
        score=None,
        exits=(0, 3, 0, 3),
        words=("local version: not on a public index",),
    ),
    "URL": Row(
        setups=(requirements(f"x @ {WHEEL}"),),
        state="not-judged",
        score=None,
        exits=(0, 3, 0, 3),
        findings=("foreign-origin",),
        words=("URL: https://files.example/",),
    ),
    "URL of malware": Row(
        setups=(database("MAL-1", "1.2.3", ecosystem="PyPI"), requirements(f"x @ {WHEEL}")),
        state="below",
        score=0.0,
        exits=(1, 1, 1, 1),
        findings=("malicious", "foreign-origin"),
        advisories=("MAL-1",),
    ),
    "repository": Row(
        setups=(requirements("x @ git+https://code.example/a/x@v1.2.3"),),
        state="not-judged",
        score=None,
        exits=(0, 3, 0, 3),
        findings=("foreign-origin",),
        words=("git: https://code.example/a/x @ v1.2.3",),
    ),
    "conda": Row(
        setups=(requirements("x @ file:///croot/x_1700000000000/work"),),
        state="not-judged",
        score=None,
        exits=(0, 3, 0, 3),
        words=("local file: /croot/x",),
    ),
    "archive": Row(
        setups=(requirements("./vendor/x-1.2.3-py3-none-any.whl"),),
        state="not-judged",
        score=None,
        exits=(0, 3, 0, 3),
        words=("local archive ./vendor/x",),
    ),
    "archive with an advisory": Row(
        setups=(
            database("GHSA-1", "1.2.3", ecosystem="PyPI", **CRITICAL),
            requirements("./vendor/x-1.2.3-py3-none-any.whl"),
        ),
        state="below",
        score=None,
        exits=(1, 1, 1, 1),
        advisories=("GHSA-1",),
    ),
    "directory": Row(
        setups=(requirements("./x"),),
        state="skipped",
        score=None,
        passes=True,
        exits=(0, 0, 0, 0),
        words=("local path ./x",),
    ),
    "private name": Row(
        setups=(write("nerq.toml", 'private = ["x"]\n'), requirements("x==1.0")),
        state="skipped",
        score=None,
        passes=True,
        exits=(0, 0, 0, 0),
        words=("private name (matches x)",),
    ),
    # A4, in detail: test_foreign_origins.py
    "extra index": Row(
        setups=(requirements("--extra-index-url https://pkgs.example/simple", "x==1.0"),),
        state="not-judged",
        score=None,
        exits=(0, 3, 0, 3),
        findings=("foreign-origin",),
        words=("may come from",),
    ),
    "malware from an extra index": Row(
        setups=(
            database("MAL-1", "1.0", ecosystem="PyPI"),
            requirements("--extra-index-url https://pkgs.example/simple", "x==1.0"),
        ),
        state="below",
        score=0.0,
        exits=(1, 1, 1, 1),
        findings=("malicious", "foreign-origin"),
        advisories=("MAL-1",),
    ),
    # A5, in detail: test_index_at_fault.py
    "index without anything": Row(
        setups=(answer_everything(404), requirements("x==1.0")),
        state="unknown",
        score=None,
        exits=(0, 3, 0, 3),
        words=("this index has none of the most used packages either",),
    ),
    "index that refuses everything": Row(
        setups=(answer_everything(405), requirements("x==1.0")),
        state="unknown",
        score=None,
        exits=(0, 3, 0, 3),
        words=("this index has no project JSON",),
    ),
    "name that its registry does not have": Row(
        setups=(requirements("x==1.0"),),
        state="unknown",
        score=None,
        exits=(1, 1, 1, 1),
        findings=("not-on-index",),
        words=("anyone could register",),
    ),
    # A6, in detail: test_advisory_visible.py
    "advisory of a version that passes": Row(
        setups=(pypi("1.0", "2.0"), osv("GHSA-1", "2.0", **LOW), requirements("x==2.0")),
        state="ok",
        passes=True,
        exits=(0, 0, 0, 0),
        advisories=("GHSA-1",),
    ),
    # A7 and B1, in detail: test_lower_bound.py
    "record that cannot be compared": Row(
        setups=(
            silence,
            npm("1.0.0", "2.0.0"),
            database("GHSA-1", affected={"ranges": [{"type": "SEMVER", "events": [{}]}]}),
            manifest("2.0.0"),
        ),
        state="unknown",
        exits=(0, 3, 0, 3),
        words=("advisories not checked",),
    ),
    # A8
    "list that its record contradicts": Row(
        setups=(pypi("1.0", "2.0"), osv("GHSA-1", "2.0", **HIGH, **MISMATCHED), requirements("x==2.0")),
        state="below",
        exits=(1, 1, 1, 1),
        advisories=("GHSA-1",),
        words=("contradictory: OSV lists this version, its record does not",),
    ),
    # B1
    "old database with a medium advisory": Row(
        setups=(
            silence,
            npm("1.0.0", "2.0.0"),
            database("GHSA-1", "2.0.0", modified=LONG_AGO, **MEDIUM),
            manifest("2.0.0"),
        ),
        state="unknown",
        exits=(0, 3, 0, 3),
        advisories=("GHSA-1",),
        words=("there may be further advisories",),
    ),
    "old database with malware": Row(
        setups=(silence, npm("1.0.0", "2.0.0"), database("MAL-1", "2.0.0", modified=LONG_AGO), manifest("2.0.0")),
        state="below",
        score=0.0,
        exits=(1, 1, 1, 1),
        findings=("malicious",),
        advisories=("MAL-1",),
    ),
    # B2
    "helpful services that are away": Row(
        setups=(close_helpful_services, pypi("1.0", "2.0"), requirements("x==2.0")),
        state="ok",
        exits=(0, 0, 0, 0),
        words=("deps.dev",),
    ),
    # B6
    "advisories that nobody answered": Row(
        setups=(silence, pypi("1.0", "2.0"), requirements("x==2.0")),
        state="unknown",
        exits=(0, 3, 0, 3),
        words=("advisories not checked",),
    ),
    "nothing wrong": Row(
        setups=(pypi("1.0", "2.0"), requirements("x==2.0")),
        state="ok",
        passes=True,
        exits=(0, 0, 0, 0),
    ),
}


@pytest.fixture
def world(nerq: Nerq, registry: Any, services: Any, project: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(project, registry, services, nerq, monkeypatch)


def scan(nerq: Nerq, *options: str) -> Any:
    return nerq("scan", *AS_OF, "--timeout", "20", *options)


@pytest.mark.parametrize("name", ROWS)
def test_a_row(nerq: Nerq, world: World, name: str) -> None:
    row = ROWS[name]
    for setup in row.setups:
        setup(world)

    result = scan(nerq, "-f", "json")
    [x] = [one for one in result.json["dependencies"] if one["name"] == row.name]
    assert (x["state"], x["score"] if row.score != "any" else "any") == (row.state, row.score)
    assert x["state"] in {"ok", "below"} or x.get("grade") is None
    assert not x.get("provisional") or x["grade"] is None
    assert tuple(dict.fromkeys(finding["id"] for finding in result.findings)) == row.findings
    ids = {finding["id"] for finding in result.json["findings"]}
    rules = {"below": "score-below-threshold", "unknown": "score-unknown", "not-judged": "not-judged"}
    assert ids & {*rules.values()} >= {*filter(None, [rules.get(row.state)])}
    assert tuple(advisory["id"] for advisory in x.get("advisories") or ()) == row.advisories
    assert "nearest: " not in result.out

    options: tuple[tuple[str, ...], ...] = ((), ("--strict",), ("-t", "0"), ("-t", "0", "--strict"))
    assert tuple(int(scan(nerq, *some).status) for some in options) == row.exits
    assert tuple(int(scan(nerq, "-f", "json", *some).status) for some in options) == row.exits

    table = scan(nerq, "--all").out
    verdict = "FAIL" if row.exits[0] else "PASS" if row.passes else "INCOMPLETE"
    assert (
        next(line.split()[0] for line in table.splitlines()[1:] if line.split()[:1] and line.split()[0].isupper())
        == verdict
    )
    for text in row.advisories:
        assert text in table
    for text in row.words:
        assert text in result.out or text in " ".join(table.split())


def test_malware_fails_at_every_threshold_and_nothing_unknown_passes_a_strict_run() -> None:
    for row in ROWS.values():
        assert ("malicious" in row.findings) is (row.exits == (1, 1, 1, 1) and row.score == 0.0)
        assert row.state not in {"unknown", "not-judged"} or (row.exits[1] and row.exits[3])
        assert row.state != "below" or row.exits[:2] == (1, 1)
