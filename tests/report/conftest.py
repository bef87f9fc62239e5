"""Reports to print: hand-made evidence, measured and scored by the real code, so that the numbers agree."""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest
from msgspec.structs import replace

from nerq_cli import scoring, signals
from nerq_cli.application.assess import ScanOptions
from nerq_cli.application.repositories import assess_repositories
from nerq_cli.ecosystems import HF_DATASET, HF_KERNEL, HF_MODEL, HF_SPACE, NPM, PYPI, EcosystemId
from nerq_cli.errors import ExitStatus
from nerq_cli.facts import (
    ATTESTED,
    SDIST,
    WHEEL,
    Absent,
    AffectingAdvisory,
    Evidence,
    Found,
    Merged,
    Metadata,
    Origin,
    PackageInfo,
    Popularity,
    Repository,
    Scorecard,
    SimilarName,
    Unknown,
)
from nerq_cli.hub_facts import CardMetadata, HubCard, HubEvidence, HubFile, HubOwner, HubScan
from nerq_cli.inventory import Declaration, Dependency, Location, Package
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.policy import State, judge_dependency, rules
from nerq_cli.policy.age import AgeRule, Availability
from nerq_cli.policy.assessment import pack_metadata
from nerq_cli.policy.baseline import compare, mark_findings, record_run
from nerq_cli.policy.findings import AppliedWaiver, Finding
from nerq_cli.policy.upgrade import Upgrade
from nerq_cli.policy.verdict import decide_exit
from nerq_cli.problem import Problem
from nerq_cli.report import RenderOptions
from nerq_cli.report.model import Assessment, DependencyFileSummary, Report, SourceStatus
from tests.signals.models.conftest import HEALTHY as HEALTHY_MODEL
from tests.signals.models.conftest import PICKLE, SHA, change

if TYPE_CHECKING:
    from nerq_cli.application.evidence_run import EvidenceProvider

#: 2026-11-21T02:40:00Z
AS_OF = 1_795_228_800
DAY = 86_400
GOLDEN = Path(__file__).parents[1] / "data" / "golden"
REGISTRY = {PYPI: "PyPI", NPM: "npm registry"}

Assess = Callable[..., Assessment]
Make = Callable[..., Report]
Screen = Callable[..., str]


def ago(days: float) -> int:
    return AS_OF - int(days * DAY)


def project(ecosystem: EcosystemId, name: str, releases: Sequence[tuple[str, float, int]]) -> Found[PackageInfo]:
    """``releases`` are (version, days ago, flags), newest first."""
    value = PackageInfo(
        name=name,
        versions=tuple(version for version, _, _ in releases),
        published=tuple(ago(days) for _, days, _ in releases),
        flags=tuple(flags for _, _, flags in releases),
        status="active",
        publishers=4,
        has_attestation_data=True,
    )
    return Found(value, REGISTRY[ecosystem], AS_OF - 14 * 60)


def metadata(ecosystem: EcosystemId, version: str, **changes: Any) -> Found[Metadata]:
    value = Metadata(
        version=version,
        summary=True,
        keywords=True,
        typed=True,
        required_interpreter=">=3.10" if ecosystem == PYPI else ">=18",
        readme=4_200,
        documentation="https://docs.example",
        changelog="https://changes.example",
        homepage="https://home.example",
        repository="https://git.example/it",
        licence_expression="MIT",
        hooks=() if ecosystem == NPM else None,
        python_classifiers=("3.12", "3.13") if ecosystem == PYPI else None,
    )
    return Found(msgspec.structs.replace(value, **changes), REGISTRY[ecosystem], AS_OF - 14 * 60)


def advisory(id_: str, severity: str, *fixed_in: str, **more: Any) -> AffectingAdvisory:
    return AffectingAdvisory(
        id=id_, severity=severity, fixed_in=fixed_in, link=f"https://advisories.example/{id_}", **more
    )


def dependency(
    ecosystem: EcosystemId,
    name: str,
    version: str | None,
    line: int,
    *,
    requirement: str | None = None,
    skip: str = "",
    group: str = "main",
    places: int = 1,
) -> Dependency:
    exact = ("==" if ecosystem == PYPI else "") + version if version else ""
    path = "requirements.txt" if ecosystem == PYPI else "package.json"
    how = "unresolved" if version is None else "pinned" if requirement is None else "range"
    return Dependency(
        package=Package(ecosystem=ecosystem, name=name),
        requirement=exact if requirement is None else requirement,
        version=version,
        resolution=how,  # type: ignore[arg-type]  # one of three words, chosen above
        direct=True,
        groups=(group,),
        locations=tuple(Location(path=path, line=line + more) for more in range(places)),
        skip_reason=skip,
    )


def assess_one(  # noqa: PLR0913 - every fact about a package can be set
    name: str,
    version: str | None = "2.31.0",
    line: int = 1,
    *,
    ecosystem: EcosystemId = PYPI,
    releases: Sequence[tuple[str, float, int]] | None = None,
    advisories: Sequence[AffectingAdvisory] | Unknown | None = (),
    fix: str = "",
    latest: str = "",
    behind: int | None = 0,
    state: State | None = None,
    first_reason: str = "",
    absent: bool = False,
    evidence: Evidence | None = None,
    fields: dict[str, Any] | None = None,
    **where: Any,
) -> Assessment:
    it = dependency(ecosystem, name, version, line, **where)
    if it.skip_reason:
        return Assessment(dependency=it, state="skipped", reasons=(it.skip_reason,))
    if version is None:
        return Assessment(dependency=it, state=state or "unknown", reasons=(first_reason,), fix=fix, in_registry=True)
    advisories = Unknown("no advisory source answered") if advisories is None else advisories
    releases = releases or ((version, 40, WHEEL | ATTESTED), ("1.0.0", 2_000, WHEEL))
    source = REGISTRY[ecosystem]
    if evidence is None:
        evidence = Evidence(
            package_info=Absent(source, AS_OF) if absent else project(ecosystem, name, releases),
            metadata=Absent(source, AS_OF) if absent else metadata(ecosystem, version, **(fields or {})),
            popularity=Found(
                Popularity(snapshot_date=ago(20), list_size=15_000, min_downloads=9_000.0, rank=120, downloads=4.1e7),
                "list of popular packages",
                ago(20),
            ),
            similar_name=Found(SimilarName(), "list of popular packages", ago(20)),
            advisories=advisories
            if isinstance(advisories, Unknown)
            else Found(tuple(advisories), "OSV", AS_OF - 14 * 60),
        )
    score = scoring.compute_score(PACKAGES, signals.measure_package(PACKAGES, ecosystem, version, evidence, AS_OF))
    found = state or judge_dependency(it, score, 70.0)
    reasons = tuple(filter(None, (first_reason, *(reason.text for reason in score.reasons))))
    if score.verdict and score.verdict not in reasons:
        reasons = (score.verdict, *reasons)
    released = next((ago(days) for v, days, _ in releases if v == version and not absent), 0)
    return Assessment(
        dependency=it,
        state=found,
        score=score,
        reasons=reasons,
        fix=fix,
        latest=latest or ("" if absent else releases[0][0]),
        latest_released_at=0 if latest or absent else ago(releases[0][1]),
        releases_behind=None if absent else behind,
        released_at=released,
        advisories=() if isinstance(advisories, Unknown) else tuple(advisories),
        in_registry=None if isinstance(evidence.package_info, Unknown) else isinstance(evidence.package_info, Found),
    )


def make(
    dependencies: Sequence[Assessment],
    *,
    warnings: tuple[str, ...] = (),
    errors: tuple[Problem, ...] = (),
    sources: tuple[SourceStatus, ...] | None = None,
    listed: bool = False,
    notes: tuple[str, ...] = (),
    strict: bool = False,
    elapsed: float = 0.62,
) -> Report:
    states = [one.state for one in dependencies if one.state]
    rule_input = rules.RuleInput(
        assessments=() if listed else dependencies, dependency_files=(), as_of=AS_OF, threshold=70.0
    )
    findings = rules.find_findings(rule_input)
    verdict = decide_exit(
        findings,
        threshold="70",
        below_count=states.count("below"),
        empty_reason="" if states else "the dependency files declare nothing",
        problem_count=len(errors),
        strict=strict,
    )
    code, reason = verdict.status, verdict.reason
    paths = dict.fromkeys(place.path for one in dependencies for place in one.dependency.locations)
    if listed:
        dependencies = [
            Assessment(
                dependency=one.dependency,
                state=None,
                reasons=(one.dependency.skip_reason,) * bool(one.dependency.skip_reason),
            )
            for one in dependencies
        ]
    return Report(
        version="0.1.0",
        methodology=PACKAGES,
        as_of=AS_OF,
        threshold=70.0,
        python="3.11",
        complete=not errors and "unknown" not in states,
        exit=ExitStatus.PASSED if listed and not errors else code,
        exit_reason="listed, not scored" if listed else reason,
        dependency_files=tuple(
            DependencyFileSummary(
                path=path,
                format="package-json" if path == "package.json" else "requirements",
                dependencies=sum(p.path == path for one in dependencies for p in one.dependency.locations),
                problems=tuple(problem for problem in errors if problem.path == path),
                notes=notes,
            )
            for path in paths
        ),
        dependencies=tuple(dependencies),
        findings=findings,
        sources=fresh_sources(len(dependencies)) if sources is None else sources,
        warnings=warnings,
        errors=errors,
        list_only=listed,
        elapsed=elapsed,
    )


def fresh_sources(n: int) -> tuple[SourceStatus, ...]:
    return (
        SourceStatus(
            name="PyPI", state="ok", subjects=n, answered_subjects=n, from_cache=n, oldest_response=AS_OF - 14 * 60
        ),
        SourceStatus(name="OSV", state="ok", subjects=n, answered_subjects=n, from_cache=n, oldest_response=AS_OF - 60),
    )


HEALTHY = [
    "attrs",
    "click",
    "flask",
    "jinja2",
    "markupsafe",
    "itsdangerous",
    "werkzeug",
    "certifi",
    "idna",
    "urllib3",
    "charset-normalizer",
    "packaging",
    "numpy",
    "pandas",
    "six",
    "pluggy",
    "iniconfig",
    "pytest",
    "httpx",
    "anyio",
    "sniffio",
    "h11",
    "httpcore",
    "rich",
    "pygments",
    "mdurl",
    "typer",
]

PILLOW = (
    advisory(
        "GHSA-56pw-mpj4-fxww",
        "high",
        "10.0.1",
        aliases=("CVE-2023-4863", "PYSEC-2023-175"),
        summary="libwebp: out-of-bounds write in the bundled library",
        exploited=False,
        epss=0.02,
    ),
    advisory("GHSA-8ghj-p4vj-mr35", "medium", "10.0.0", summary="uncontrolled memory use when text is measured"),
)
DJANGO = tuple(advisory(f"PYSEC-2023-{n}", severity, "3.2.25") for n, severity in enumerate(["high", "medium", "low"]))


def leads_to(one: Assessment, version: str, value: float | None, **more: Any) -> Assessment:
    """Return the assessment with an upgrade."""
    clears = value is not None and value >= 70 and not more.get("provisional")
    way = Upgrade(
        **{
            "version": version,
            "value": value,
            "grade": "A" if clears else None if value is None else "C",
            "provisional": False,
            "in_range": False,
            "passes": clears,
            "fixed_advisories": tuple(advisory.id for advisory in one.advisories),
            "released_at": one.latest_released_at if version == one.latest else 0,
            **more,
        }
    )
    return replace(one, upgrade=way, latest_upgrade=way if version == one.latest else None, fix=version)


def requests_of_2018() -> Assessment:
    one = assess_one(
        "requests",
        "2.19.1",
        31,
        releases=(("2.34.2", 80, WHEEL | ATTESTED), ("2.19.1", 3_083, WHEEL), ("2.0.0", 4_700, SDIST)),
        advisories=(
            advisory(
                "GHSA-x84v-xcm2-53pg",
                "high",
                "2.20.0",
                aliases=("CVE-2018-18074",),
                summary="credentials are sent on when a redirect leaves the host",
            ),
            advisory("GHSA-j8r2-6x86-q33q", "medium", "2.31.0", aliases=("CVE-2023-32681",)),
            advisory("GHSA-9wx4-h78v-vm56", "medium", "2.32.0"),
        ),
        fix="2.34.2",
        behind=32,
        fields={"readme": None, "typed": False, "licence_expression": None, "licence_text": "Apache 2.0"},
        places=3,
    )
    return leads_to(one, "2.34.2", 93.1)


def pillow() -> Assessment:
    releases = (("12.0.0", 36, WHEEL | ATTESTED), ("9.5.0", 1_330, WHEEL), ("2.0.0", 4_900, SDIST))
    return leads_to(
        assess_one("pillow", "9.5.0", 27, releases=releases, advisories=PILLOW, fix="10.0.1", behind=14),
        "10.0.1",
        69.4,
    )


def django() -> Assessment:
    one = assess_one(
        "django", "3.2.19", 12, advisories=DJANGO, fix="3.2.25", behind=41, latest="6.1", requirement=">=3.2,<3.2.20"
    )
    return leads_to(one, "3.2.25", 90.0, excluding_ranges=">=3.2,<3.2.20")


def lodash() -> Assessment:
    one = assess_one(
        "lodash",
        "4.17.15",
        9,
        ecosystem=NPM,
        releases=(("4.17.21", 2_100, WHEEL), ("4.17.15", 2_680, WHEEL), ("0.1.0", 5_300, WHEEL)),
        advisories=(advisory("GHSA-35jh-r3h4-6jhm", "high", "4.17.21"),),
        fix="4.17.21",
        requirement="^4.17.0",
        behind=6,
    )
    return leads_to(one, "4.17.21", 88.2, provisional=True, in_range=True)


def not_found() -> Assessment:
    return assess_one(
        "acme-utils",
        "1.2",
        3,
        absent=True,
        advisories=None,
        fix='if it is yours, add it to private = ["acme-*"]',
        evidence=Evidence(package_info=Absent("PyPI", AS_OF)),
    )


def no_version() -> Assessment:
    return assess_one(
        "celery",
        None,
        8,
        requirement=">=99",
        first_reason="no version satisfies >=99",
        fix="nearest: 5.6.2, 5.6.1",
    )


def old_release() -> Assessment:
    return assess_one(
        "pytz",
        "2023.3",
        32,
        releases=(("2026.2", 30, WHEEL), ("2023.3", 1_300, WHEEL), ("2004a", 5_000, SDIST)),
    )


def findings_report(healthy: int = len(HEALTHY)) -> Report:
    odd = [
        pillow(),
        django(),
        requests_of_2018(),
        old_release(),
        not_found(),
        no_version(),
        lodash(),
        assess_one("acme-web", None, 40, skip="local path", group="dev"),
        assess_one("fork", None, 41, skip="git: https://git.example/fork @ 1a2b3c"),
    ]
    return make(
        [*(assess_one(name, line=50 + n) for n, name in enumerate(HEALTHY[:healthy])), *odd],
        warnings=("NERQ_TIMEOUT is not a number and is ignored",),
        notes=("dependencies are dynamic: not listed here",),
    )


def provisional_report(n: int = 40) -> Report:
    """Every package passes apart from its advisories, which are unknown."""
    down = SourceStatus(name="OSV", state="unavailable", subjects=n, reason="connection refused")
    known = SourceStatus(name="PyPI", state="ok", subjects=n, answered_subjects=n, oldest_response=AS_OF - 5)
    fine = [
        assess_one(f"package-{i}", line=i + 1, advisories=None, fields={"readme": 100 * (i % 30)}) for i in range(n)
    ]
    return make([*fine, no_version()], sources=(known, down))


PROBLEM = Problem(
    path="requirements.txt",
    line=3,
    column=6,
    message="not a requirement: expected a version specifier after the name",
    text="this is not a requirement",
    hint="write 'this==1.0', or start the line with # for a comment",
)

HOSTILE = "\x1b[31mred\x1b[0m \u202eevil\u202c [bold]loud[/bold] [link=https://x.example]click[/link]\r\nline\x00\x9b2J"


def hostile_report() -> Report:
    broken = advisory("GHSA-\x1b]8;;https://x.example\x07evil", "high", "9\u202e", summary=HOSTILE * 1_000)
    one = assess_one("evil", line=1, advisories=(broken,), fix=HOSTILE, first_reason=HOSTILE + "x" * 1_000_000)
    wide = assess_one("chinese", line=2, advisories=(broken,), first_reason="这个包已被弃用,请使用另一个包。" * 12)
    place = Location(path="требования/\x1b[2J要求\udce9.txt", line=7)
    moved = replace(
        one, dependency=replace(one.dependency, requirement=HOSTILE, resolution="range", locations=(place,))
    )
    return make(
        [moved, wide],
        warnings=(HOSTILE,),
        errors=(Problem(path=HOSTILE, line=2, column=30, message=HOSTILE, text=HOSTILE * 40, hint=HOSTILE),),
        notes=(HOSTILE,),
    )


#: Everything that a format may take for markup or a command.
ATTACK = (
    "<script>alert(1)</script><img src=x onerror=alert(1)> | cell | `code` **bold** _it_ ~~no~~ $x$ "
    "[link](https://x.example) ![image](https://x.example/i.png) https://x.example www.x.example @octocat #1 !1 "
    "\x1b[31mred\x1b[0m \u202eevil\u2066 ::error::boom\r\n::error file=a::boom\n##vso[task.complete]x\n"
    "##teamcity[x] section_start:1:x\n--- x\n]]></failure></testsuite> --> \ufffe\x00\x07 {0} [a](1) "
    "%0A%0D::error::x \\ \" ' </details></td></table>\n# Title\n> x\n- x\n1. x\n"
    "<!-- </code> &#64;octocat &lt;b&gt; \udce9"
)
FORMULAS = ("=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", " =1", "=cmd|' /C calc'!A0", "＝1", "\x00=1", "\u202e=1")  # noqa: RUF001


class HubAnswers:
    """Answers about repositories, by kind and name; what has none is unknown."""

    def __init__(self, **evidence: HubEvidence) -> None:
        self.evidence = evidence

    def collect_repositories(self, keys: Sequence[tuple[Package, str]]) -> dict[tuple[Package, str], HubEvidence]:
        unread = HubEvidence(repository=Unknown("missing or private", "Hugging Face", "HF_TOKEN"))
        return {key: self.evidence.get(key[0].name.rpartition("/")[2].replace("-", "_"), unread) for key in keys}


def refer(ecosystem: EcosystemId, name: str, revision: str = "", line: int = 1) -> Declaration:
    location = Location(path="app.py", line=line)
    return Declaration(ecosystem=ecosystem, name=name, requirement=revision, group="models", location=location)


def assess_hub(declarations: Sequence[Declaration], answers: HubAnswers) -> list[Assessment]:
    options = ScanOptions(as_of=AS_OF, threshold=70.0)
    return list(assess_repositories(declarations, (), options, cast("EvidenceProvider", answers)))


def models_report() -> Report:
    """A package, an MCP server, and repositories of each kind: good, unsafe, without scans, not found."""
    unsafe = change(id="acme/unsafe", scans=(HubScan("model.bin", "unsafe"),), files=PICKLE)
    answers = HubAnswers(
        demo_1b=HEALTHY_MODEL,
        tagged=change(id="acme/tagged"),
        unsafe=unsafe,
        texts=change(kind="dataset", id="acme/texts", scans_done=None, files=(HubFile("train.parquet"),)),
        chat=change(kind="space", id="acme/chat", sdk="gradio", stage="RUNNING", used_models=("acme/demo-1b",)),
        flash=change(kind="kernel", id="acme/flash", files=(HubFile("build/flash.so"),)),
    )
    declarations = [
        refer(HF_MODEL, "acme/demo-1b"),
        refer(HF_MODEL, "acme/tagged", "v1", 2),
        refer(HF_MODEL, "acme/unsafe", SHA, 3),
        refer(HF_MODEL, "acme/missing", line=4),
        refer(HF_DATASET, "acme/texts", line=5),
        refer(HF_SPACE, "acme/chat", line=6),
        refer(HF_KERNEL, "acme/flash", line=7),
    ]
    return make(
        [
            assess_one("requests"),
            assess_one("mcp-files", "1.0.0", ecosystem=NPM, group="mcp"),
            *assess_hub(declarations, answers),
        ]
    )


#: What a card, an account or a licence may hold: escape codes, markup, a formula, a link, a command of CI systems.
HOSTILE_CARD = "=cmd|' /C calc'!A0\x1b[31m<script>alert(1)</script>\u202e[x](javascript:1)\n::error::|`a`\x00"


def hostile_models_report() -> Report:
    header = CardMetadata(
        licence=("other",),
        licence_name=HOSTILE_CARD,
        licence_link=HOSTILE_CARD,
        base_models=(HOSTILE_CARD,),
        base_model_relation=HOSTILE_CARD,
        datasets=(HOSTILE_CARD,),
        metrics=(HOSTILE_CARD,),
        languages=(HOSTILE_CARD,),
        new_version=HOSTILE_CARD,
    )
    texts = dict.fromkeys(("author", "pipeline_tag", "library", "model_type", "gated", "sdk", "stage"), HOSTILE_CARD)
    evidence = change(
        HEALTHY_MODEL,
        card=header,
        architectures=(HOSTILE_CARD,),
        tags=(HOSTILE_CARD,),
        files=(HubFile(HOSTILE_CARD), HubFile(f"{HOSTILE_CARD}.bin")),
        scans=(HubScan(HOSTILE_CARD, HOSTILE_CARD, virus=True),),
        **texts,
    )
    card = HubCard(
        "".join(f"## {heading} {HOSTILE_CARD}\n\n{HOSTILE_CARD * 9}\n\n" for heading in ("Limitations", "Bias"))
    )
    owner = HubOwner(HOSTILE_CARD, is_organisation=True)
    evidence = replace(evidence, card=Found(card, "Hub", AS_OF), owner=Found(owner, "Hub", AS_OF))
    kinds: dict[str, EcosystemId] = {
        "model": HF_MODEL,
        "dataset": HF_DATASET,
        "space": HF_SPACE,
    }
    answers = HubAnswers(
        **{
            kind: replace(evidence, repository=replace_value(evidence.repository, kind=kind, id=f"acme/{kind}"))
            for kind in kinds
        }
    )
    declarations = [refer(ecosystem, f"acme/{kind}", HOSTILE_CARD) for kind, ecosystem in kinds.items()]
    return make(assess_hub(declarations, answers))


def replace_value(fact: Any, **fields: Any) -> Any:
    return replace(fact, value=replace(fact.value, **fields))


def attack_report() -> Report:
    """A package that attacks each format with every text that its author or the project can write."""
    record = advisory(
        "GHSA-@octocat-<b>|`x`",
        "high",
        "2.0|<b>`@octocat",
        aliases=(ATTACK,),
        summary=ATTACK,
        severity_from=ATTACK,
        links=("javascript:alert(1)", "https://x.example/)|<b>", "https://x.example/a(b)_c_*d*|"),
    )
    assessments = []
    for number, formula in enumerate(FORMULAS):
        one = assess_one("evil", "1.0", line=1, advisories=(record,), first_reason=formula, fix=ATTACK)
        named = replace(
            one.dependency,
            package=Package(ecosystem=NPM if number % 2 else PYPI, name=f"@x/<script>|`{number}`--><b>@octocat"),
            version=f'1.0"><svg onload=1>|@octocat ::error::{number}',
            requirement=formula if number % 2 else ATTACK,
            locations=(Location(path=f"a:b,c%0A|<b>@octocat/{ATTACK}/{number}.txt", line=3),),
            groups=(ATTACK,),
            parents=(ATTACK,),
            via=(ATTACK,),
            aliases=(ATTACK,),
        )
        found = metadata(
            PYPI,
            "1.0",
            licence_expression=ATTACK.replace("\udce9", ""),  # which no stored answer has
            repository="javascript:alert(1)",
            homepage='https://x.example/"><script>',
            documentation="https://user:password@x.example/",
        )
        reasons = (formula, ATTACK)
        assessments.append(
            replace(
                one,
                dependency=named,
                packed_metadata=pack_metadata(found),
                reasons=reasons,
                latest=ATTACK,
                latest_upgrade=None,
            )
        )
    report = make(
        assessments,
        warnings=(ATTACK,),
        errors=(Problem(path=ATTACK, line=2, column=30, message=ATTACK, text=ATTACK, hint=ATTACK),),
        notes=(ATTACK,),
        sources=(SourceStatus(name=ATTACK, state="partial", subjects=2, answered_subjects=1, reason=ATTACK),),
    )
    waiver = AppliedWaiver(
        reason=ATTACK, until="2026-12-31", owner=ATTACK, location=Location(path="pyproject.toml", line=4)
    )
    findings = [
        Finding(id="lock-drift", text=ATTACK, purl=one.dependency.purl, name=one.dependency.package.name)
        for one in assessments
    ]
    findings += [
        Finding(id="malicious", text=ATTACK, locations=assessments[0].dependency.locations, waiver=waiver),
        Finding(id="malicious", text=ATTACK, name=ATTACK, purl=ATTACK, change="new"),
    ]
    return replace(report, findings=(*report.findings, *findings), exit_reason=ATTACK)


def many_report(n: int) -> Report:
    """A large project: every one of ``n`` packages fails."""
    pattern = [pillow(), requests_of_2018(), old_release(), *(assess_one(name) for name in HEALTHY[:5])]
    return make(
        [
            replace(
                one := pattern[i % len(pattern)],
                dependency=replace(one.dependency, package=Package(ecosystem=PYPI, name=f"package-{i}")),
                state="below",
            )
            for i in range(n)
        ]
    )


def everything_report() -> Report:
    """One package with evidence of every kind of source."""
    repository = Repository(
        "example/it", link_status="confirmed", stars=900, commits_90d=2, open_items=40, closed_items=60
    )
    evidence = Evidence(
        package_info=project(PYPI, "whole", (("2.0", 20, WHEEL), ("1.9", 400, WHEEL | ATTESTED), ("1.0", 900, SDIST))),
        metadata=metadata(PYPI, "2.0", licence_expression=""),
        popularity=Unknown("list not loaded"),
        similar_name=Found(SimilarName(name="hole", rank=40, similarity="one letter", downloads=1e7), "list", ago(20)),
        advisories=Found((), "OSV", AS_OF),
        scorecard=Found(
            Scorecard("example/it", ago(3), {"Code-Review": 2, "Branch-Protection": 1, "Signed-Releases": 0}),
            "Scorecard",
            ago(3),
        ),
        repository=Found(repository, "code host", AS_OF),
    )
    registry = metadata(PYPI, "2.0")
    merged = Merged(
        registry.value, registry.source, registry.retrieved_at, {"licence_expression": Origin("deps.dev", AS_OF)}
    )
    assessment = assess_one("whole", "2.0", evidence=evidence, releases=(("2.0", 20, WHEEL),))
    return make([replace(assessment, packed_metadata=pack_metadata(merged))])


def levels_report() -> Report:
    """Findings of every level: one that fails, one that is as before, one that warns, one that is waived."""
    report = findings_report(3)
    absent = next(finding for finding in report.findings if finding.name == "acme-utils")
    location = Location(path="nerq.toml", line=12)
    waiver = AppliedWaiver(reason="no fix yet", until="2027-01-31", owner="web team", location=location)
    return replace(
        report,
        findings=(
            replace(absent, text="warned about", level="warn", name="pytz", purl="pkg:pypi/pytz", change="worse"),
            replace(absent, text="waived", waiver=waiver, severity="high", version="9.5.0"),
            replace(absent, text="known before", change="unchanged"),
            replace(absent, text="fails the run", change="new"),
        ),
    )


def graph_report() -> Report:
    """Two projects with lock files: ``web`` has a chain of three packages, the last of which fails."""

    def locked(one: Assessment, path: str, **changes: Any) -> Assessment:
        found = replace(one.dependency, locations=(Location(path=path, line=7),), **changes)
        return replace(one, dependency=found)

    web, api = "web/package-lock.json", "api/uv.lock"
    indirect = {"direct": False, "via": ("express",)}
    return make(
        [
            locked(assess_one("express", "4.18.0", ecosystem=NPM), web),
            locked(assess_one("body-parser", "1.2.0", ecosystem=NPM), web, parents=("express",), **indirect),
            locked(assess_one("send", "0.18.0", ecosystem=NPM), web, parents=("express",), **indirect),
            locked(lodash(), web, parents=("body-parser", "send"), **indirect),
            locked(assess_one("react", "18.2.0", ecosystem=NPM, group="dev"), web),
            locked(assess_one("flask"), api),
            locked(no_version(), api, direct=False),
        ]
    )


def varied_report(count: int) -> Report:
    """Return a report whose packages differ in every number and text, half of them with advisories."""
    random = Random(7)  # noqa: S311 - nothing is kept secret
    words = [f"{a}{b}" for a in "bcdfglmnprst" for b in ("ala", "ero", "ino", "udu")]

    def text(length: int) -> str:
        return " ".join(random.choices(words, k=length))

    def build(n: int) -> Assessment:
        name = f"{random.choice(words)}-{random.choice(words)}-{n}"
        version = f"{random.randrange(9)}.{random.randrange(40)}.{random.randrange(20)}"
        newest = random.uniform(1, 900)
        one = assess_one(
            name,
            version,
            n + 1,
            releases=(("99.0", newest, 8), (version, newest + random.uniform(1, 900), 8), ("0.1", 4_000, 8)),
            behind=random.randrange(60),
            first_reason=text(6),
            fields={"readme": random.randrange(9_000), "homepage": f"https://{name}.example"},
        )
        ids = [f"GHSA-{random.getrandbits(60):x}" for _ in range(random.randrange(3))]
        template: Any = {
            "fixed_in": ("99.0",),
            "severity": "high",
            "summary": text(12),
            "link": f"https://advisories.example/{n}",
        }
        upgrade: Any = {"version": "99.0", "value": random.uniform(60, 99), "fixed_advisories": tuple(ids)}
        upgrade |= {"grade": "A", "provisional": False, "in_range": True}
        return replace(
            one, advisories=tuple(AffectingAdvisory(id=id_, **template) for id_ in ids), upgrade=Upgrade(**upgrade)
        )

    return make([build(n) for n in range(count)])


@pytest.fixture(autouse=True)
def calm_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clear the settings of the machine that runs the tests."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LC_ALL", "TERM"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def assess() -> Assess:
    return assess_one


@pytest.fixture
def report_of() -> Make:
    return make


@pytest.fixture
def findings() -> Report:
    return findings_report()


@pytest.fixture
def compared() -> Report:
    """A run beside an earlier one that lacked a package, had another one, and knew other versions and scores."""
    after = findings_report(3)
    earlier = [
        replace(entry, dependency=replace(entry.dependency, version="5.0"))
        if entry.dependency.package.name == "django"
        else replace(entry, score=assess_one("pillow").score, advisories=())
        if entry.dependency.package.name == "pillow"
        else entry
        for entry in findings_report(2).dependencies
        if entry.dependency.package.name != "requests"
    ]
    earlier.append(assess_one("idna", line=3))
    rule_input = rules.RuleInput(assessments=earlier, dependency_files=(), as_of=AS_OF, threshold=70.0)
    before = record_run(earlier, rules.find_findings(rule_input), "2.0", label="main at 1a2b3c4d5", notes=("a note",))
    run = record_run(after.dependencies, (), "2.0")
    findings, comparison = mark_findings(before, run, after.findings, compare(before, run))
    verdict = decide_exit(findings, threshold="70", below_count=4)
    return replace(after, findings=findings, comparison=comparison, exit_reason=verdict.reason)


@pytest.fixture
def aged(findings: Report) -> Report:
    """Proposed versions that age rules leave out for a while, for good, and not at all; and a threshold of its own."""
    rule = AgeRule(
        tool="pnpm",
        ecosystem=PYPI,
        setting="minimumReleaseAge",
        value="10080",
        location=Location(path="pnpm-workspace.yaml", line=3),
        seconds=7 * DAY,
    )
    availability = {
        "pillow": Availability(
            state="later",
            installable_at=AS_OF + 3 * DAY - 60,
            rules=(rule,),
            overrides=('minimumReleaseAgeExclude: ["pillow"]',),
        ),
        "django": Availability(state="never", rules=(rule,)),
        "requests": Availability(state="now"),
        "lodash": Availability(state="unknown", rules=(rule,)),
    }
    return replace(
        findings,
        dependencies=tuple(
            replace(
                one,
                availability=availability.get(one.dependency.package.name),
                threshold=80.0 if one.dependency.package.name == "pillow" else None,
            )
            for one in findings.dependencies
        ),
    )


@pytest.fixture
def calm() -> Report:
    return make([assess_one(name, line=n + 1) for n, name in enumerate(HEALTHY[:3])])


@pytest.fixture
def mixed() -> Report:
    return findings_report(1)


@pytest.fixture
def doubtful() -> Report:
    return provisional_report(4)


@pytest.fixture
def provisional() -> Report:
    return provisional_report()


@pytest.fixture
def broken() -> Report:
    return make([pillow(), assess_one("click")], errors=(PROBLEM,))


@pytest.fixture
def listed() -> Report:
    return make(findings_report().dependencies, listed=True, sources=())


@pytest.fixture
def empty() -> Report:
    return make([], sources=())


@pytest.fixture
def hostile() -> Report:
    return hostile_report()


@pytest.fixture
def models() -> Report:
    return models_report()


@pytest.fixture
def hostile_models() -> Report:
    return hostile_models_report()


@pytest.fixture
def attack() -> Report:
    return attack_report()


@pytest.fixture
def waived(findings: Report) -> Report:
    """The findings, one of which is waived, one is new and one is as before."""
    waiver = AppliedWaiver(
        reason="no input reaches it",
        until="2026-12-31",
        owner="web team",
        location=Location(path="pyproject.toml", line=12),
    )
    by_name = {one.dependency.package.name: one.dependency for one in findings.dependencies}

    def found(name: str, advisory_id: str, **more: Any) -> Finding:
        one = by_name[name]
        return Finding(
            id="vulnerability",
            text=f"{advisory_id} affects it",
            purl=one.purl,
            name=name,
            version=one.version or "",
            advisory=advisory_id,
            severity="high",
            locations=one.locations,
            **more,
        )

    others = [finding for finding in findings.findings if finding.id != "vulnerability"]
    return replace(
        findings,
        findings=(
            *others,
            found("pillow", "GHSA-56pw-mpj4-fxww", waiver=waiver),
            found("requests", "GHSA-x84v-xcm2-53pg", change="new"),
            found("lodash", "GHSA-35jh-r3h4-6jhm", change="unchanged"),
        ),
    )


@pytest.fixture
def read_back() -> Callable[[str], Any]:
    """Import a module of a program that reads reports; skip the test where it is not installed."""

    def load(name: str) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # theirs
            if os.environ.get("NERQ_TEST_READERS"):
                return importlib.import_module(name)
            return pytest.importorskip(name)

    return load


@pytest.fixture
def everything() -> Report:
    return everything_report()


@pytest.fixture
def levels() -> Report:
    return levels_report()


@pytest.fixture
def graph() -> Report:
    return graph_report()


@pytest.fixture
def varied() -> Callable[[int], Report]:
    return varied_report


@pytest.fixture
def many() -> Callable[[int], Report]:
    return many_report


@pytest.fixture
def screen() -> Screen:
    """Return the text that a function renders, in a given width and encoding."""

    def printed(draw: Callable[..., str], *about: object, **options: Any) -> str:
        return draw(*about, RenderOptions(**{"width": 80, **options}))

    return printed


@pytest.fixture
def golden() -> Callable[[str, bytes], None]:
    """Compare with a golden file; NERQ_UPDATE_GOLDEN=1 writes it anew."""
    return partial(_compare)


def _compare(name: str, found: bytes) -> None:
    path = GOLDEN / name
    if os.environ.get("NERQ_UPDATE_GOLDEN") == "1":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(found)
    assert found.decode() == path.read_bytes().decode()


@pytest.fixture
def exits() -> type[ExitStatus]:
    return ExitStatus
