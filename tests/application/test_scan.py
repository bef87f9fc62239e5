"""The stages in their order, with a world made of dictionaries."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as replace_fields

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from nerq_cli.application import check as packages_check
from nerq_cli.application import scan as pipeline
from nerq_cli.application.assess import ScanOptions
from nerq_cli.application.repositories import RepositoryKey
from nerq_cli.config import Config
from nerq_cli.ecosystems import PYPI, get_ecosystem
from nerq_cli.errors import ExitStatus
from nerq_cli.evidence.registry_lookup import PackageFacts
from nerq_cli.facts import (
    PRERELEASE,
    WHEEL,
    YANKED,
    Absent,
    Advisory,
    AffectingAdvisory,
    Evidence,
    Fact,
    Found,
    Metadata,
    PackageInfo,
    Popularity,
    SimilarName,
    Unknown,
)
from nerq_cli.github_facts import GithubEvidence
from nerq_cli.hub_facts import HubEvidence, HubFile, HubRepository
from nerq_cli.inventory import Declaration, DependencyFile, Location, Package, Release
from nerq_cli.policy import rules
from nerq_cli.policy.findings import Finding, Level
from nerq_cli.privacy import PrivacyRules
from nerq_cli.report import FORMATS, RenderOptions
from nerq_cli.report.model import Assessment, Report, SourceStatus
from nerq_cli.sources.deps_dev import DependencyNode, DependencyTree

AS_OF = 1_795_228_800
DAY = 86_400
OPTIONS = ScanOptions(as_of=AS_OF, threshold=70, python="3.12.4")
RULES = PrivacyRules(config=Config())


def hole(id_: str, severity: str = "high", *fixed: str) -> AffectingAdvisory:
    return AffectingAdvisory(id=id_, severity=severity, fixed_in=fixed)


@dataclass
class Listed:
    """A package of the world: its versions (newest first) with their flags, and what is known to be wrong with each.

    ``silent`` are the versions whose advisories nobody can tell, ``lost`` those nothing is known of at all.
    """

    versions: Mapping[str, int]
    holes: Mapping[str, Sequence[AffectingAdvisory]] = field(default_factory=dict)
    silent: Sequence[str] = ()
    lost: Sequence[str] = ()
    yanked: Sequence[str] = ()

    def project(self, name: str) -> PackageInfo:
        return PackageInfo(
            name=name,
            versions=tuple(self.versions),
            published=tuple(AS_OF - (100 + 50 * row) * DAY for row in range(len(self.versions))),
            flags=tuple(self.versions.values()),
            status="active",
            publishers=3,
            has_attestation_data=True,
        )


@dataclass
class World:
    """All there is, and how often somebody asked. What is not in it does not exist; what is silent is down."""

    packages: Mapping[str, Listed]
    silent: Sequence[str] = ()
    asked: list[list[str]] = field(default_factory=list)
    pinned: list[list[str]] = field(default_factory=list)
    repositories: Mapping[RepositoryKey, HubEvidence] = field(default_factory=dict)
    trees: Mapping[str, Fact[DependencyTree]] = field(default_factory=dict)

    def collect_packages(self, packages: Sequence[Package], pinned: Sequence[Release] = ()) -> PackageFacts:
        self.pinned.append([release.key for release in pinned])
        return PackageFacts({package: self._project(package) for package in packages})

    def find_package_records(
        self,
        packages: Sequence[Package],  # noqa: ARG002
        neighbours: Sequence[Release],  # noqa: ARG002
        package_facts: PackageFacts,  # noqa: ARG002
    ) -> dict[Package, Found[tuple[Advisory, ...]]]:
        return {}

    def find_local_evidence(self, releases: Sequence[Release]) -> dict[Release, Evidence]:
        return dict.fromkeys(releases, Evidence()) if self.silent else {}

    def find_advisories(self, releases: Sequence[Release], package_facts: PackageFacts) -> dict[Release, Evidence]:
        return {release: Evidence() for release in releases if release.package in package_facts.package_info}

    def find_dependencies(
        self,
        releases: Sequence[Release],
        package_facts: PackageFacts,  # noqa: ARG002
    ) -> dict[Release, Fact[DependencyTree]]:
        return {release: self.trees[release.key] for release in releases if release.key in self.trees}

    def collect_repositories(self, keys: Sequence[RepositoryKey]) -> dict[RepositoryKey, HubEvidence]:
        return {key: self.repositories.get(key, HubEvidence()) for key in keys}

    def collect_github(self, keys: Sequence[RepositoryKey]) -> dict[RepositoryKey, GithubEvidence]:
        return {key: GithubEvidence() for key in keys}

    def collect_evidence(self, releases: Sequence[Release], package_facts: PackageFacts) -> dict[Release, Evidence]:
        self.asked.append([release.key for release in releases])
        return {release: self._evidence(release, package_facts.package_info[release.package]) for release in releases}

    def describe_sources(self) -> tuple[SourceStatus, ...]:
        return (SourceStatus(name="PyPI", state="ok", subjects=1, answered_subjects=1),)

    def _project(self, package: Package) -> Fact[PackageInfo]:
        if package.name in self.silent:
            return Unknown("connection refused", "PyPI")
        listed = self.packages.get(package.name)
        return Absent("PyPI", AS_OF) if listed is None else Found(listed.project(package.name), "PyPI", AS_OF)

    def _evidence(self, release: Release, project: Fact[PackageInfo]) -> Evidence:
        listed = self.packages.get(release.package.name)
        if listed is None or not isinstance(project, Found):
            return Evidence(package_info=project)
        if release.version in listed.lost:
            return Evidence()
        silent = release.version in listed.silent
        holes = tuple(listed.holes.get(release.version, ()))
        metadata = Metadata(
            version=release.version,
            summary=True,
            keywords=True,
            required_interpreter=">=3.10",
            readme=4_000,
            documentation="https://docs.example",
            repository="https://git.example/it",
            licence_expression="MIT",
            python_classifiers=("3.12",),
            yanked=release.version in listed.yanked or bool(listed.versions.get(release.version, 0) & YANKED),
        )
        return Evidence(
            package_info=project,
            metadata=Found(metadata, "PyPI", AS_OF),
            popularity=Found(
                Popularity(snapshot_date=AS_OF, list_size=9, min_downloads=1.0, rank=3, downloads=1e7), "list", AS_OF
            ),
            similar_name=Found(SimilarName(), "list", AS_OF),
            advisories=Unknown("not in the cache") if silent else Found(holes, "OSV", AS_OF),
        )


def manifest(*lines: str) -> DependencyFile:
    """A requirements file of ``name==1.0`` or ``name>=1,<2``."""
    declared = []
    for number, line in enumerate(lines, 1):
        name = re.split("[<>=]", line)[0]
        declared.append(
            Declaration(
                ecosystem=PYPI,
                name=name,
                requirement=line.removeprefix(name),
                group="main",
                location=Location(path="a.txt", line=number),
            )
        )
    return DependencyFile(path="a.txt", format="requirements", declarations=tuple(declared))


def scan(world: World, *lines: str, options: ScanOptions = OPTIONS) -> Report:
    return pipeline.scan_project([manifest(*lines)], RULES, options, world)


def check(world: World, line: str) -> Assessment:
    report, _ = packages_check.check_packages([manifest(line).declarations], RULES, OPTIONS, world)
    [one] = report.dependencies
    return one


def demo(**holes: AffectingAdvisory) -> Listed:
    """Six versions; a hole of the name ``v2_0`` is one of all versions up to 2.0."""
    order = ("3.0", "2.5", "2.2", "2.1", "2.0", "1.0")
    return Listed(
        dict.fromkeys(order, WHEEL),
        {
            version: tuple(
                one
                for last, one in holes.items()
                if order.index(version) >= order.index(last.removeprefix("v").replace("_", "."))
            )
            for version in order
        },
    )


# --- what is asked


def test_the_world_is_told_of_which_packages_only_pinned_versions_matter() -> None:
    world = World({"demo": demo(), "other": demo(), "third": demo()})
    scan(world, "demo==2.0", "demo==2.1", "other==2.0", "other>=1", "third", "lost==1.0")
    assert [sorted(some) for some in world.pinned] == [["pypi/demo@2.0", "pypi/demo@2.1", "pypi/lost@1.0"]]


def test_a_version_that_a_lock_file_settles_is_pinned() -> None:
    world = World({"demo": demo()})
    [declared] = manifest("demo>=1").declarations
    locked = replace(manifest(), declarations=(replace(declared, locked_version="2.0"),))
    pipeline.scan_project([locked], RULES, OPTIONS, world)
    assert world.pinned == [["pypi/demo@2.0"]]


def test_constraints_alone_pin_nothing() -> None:
    world = World({"demo": demo()})
    [declared] = manifest("demo==2.0").declarations
    limits = replace(manifest(), declarations=(replace(declared, group="constraint"),))
    pipeline.scan_project([limits], RULES, OPTIONS, world)
    assert world.pinned == [[]]


def test_development_dependencies_can_be_left_out() -> None:
    dev, main = manifest("demo==2.0", "other==2.0").declarations
    both = replace(manifest(), declarations=(replace(dev, group="dev:docs"), main))
    report = pipeline.scan_project([both], RULES, replace(OPTIONS, no_dev=True), World({"other": demo()}))
    assert [one.dependency.package.name for one in report.dependencies] == ["other"]


def test_a_version_that_does_not_exist_is_unknown_and_has_no_way_out() -> None:
    [one] = scan(World({"demo": demo()}), "demo==2.0.1").dependencies
    assert (one.state, one.upgrade) == ("unknown", None)
    assert one.fix.startswith("nearest: 2.1, 2.0")


# --- the way out


def test_the_way_out_is_the_smallest_version_in_the_range_whose_score_clears() -> None:
    world = World({"demo": demo(v2_0=hole("A", "critical", "2.1"), v2_1=hole("B", "high", "2.2"))})
    [one] = scan(world, "demo==2.0").dependencies
    way = one.upgrade
    assert one.state == "below"
    assert way is not None
    assert (way.version, way.passes, way.in_range, way.excluding_ranges) == ("2.2", True, False, "")
    assert way.fixed_advisories == ("A", "B")
    assert one.fix == "2.2"
    assert world.asked == [["pypi/demo@2.0"], ["pypi/demo@2.2", "pypi/demo@3.0"]]
    assert one.latest_upgrade is not None
    assert one.latest_upgrade.version == "3.0"


def test_all_that_might_serve_are_asked_about_at_once_each_once_and_none_that_is_known() -> None:
    holes = {"v2_0": hole("A", "critical", "2.1")}
    world = World({"demo": demo(**holes), "other": demo(**holes), "fine": demo()})
    scan(world, "demo==2.0", "demo==2.1", "other==2.0", "other==1.0", "fine==1.0")
    assert world.asked[1:] == [["pypi/demo@3.0", "pypi/other@2.1", "pypi/other@3.0"]]


def test_where_nothing_is_below_nothing_more_is_asked() -> None:
    world = World({"demo": demo()})
    report = scan(world, "demo==2.0", "lost==1.0")
    assert world.asked == [["pypi/demo@2.0", "pypi/lost@1.0"]]
    assert [one.upgrade for one in report.dependencies] == [None, None]


def test_where_nothing_clears_what_helps_most_is_named_as_not_enough() -> None:
    forever = hole("B", "high")
    world = World({"demo": demo(v2_0=hole("A", "critical", "2.1"), v3_0=forever)})
    [one] = scan(world, "demo==2.0").dependencies
    assert one.upgrade is not None
    assert (one.upgrade.passes, one.upgrade.fixed_advisories) == (False, ("A",))
    assert one.score is not None
    assert one.upgrade.value is not None
    assert (one.score.value or 0) < one.upgrade.value < 70


def test_where_nothing_helps_there_is_no_way_out() -> None:
    [one] = scan(World({"demo": demo(v3_0=hole("A", "critical"))}), "demo==2.0").dependencies
    assert one.upgrade is None
    assert one.fix == ""
    [newest] = scan(World({"demo": demo(v3_0=hole("A", "critical"))}), "demo==3.0").dependencies
    assert newest.upgrade is None


def test_what_is_not_known_of_the_way_out_leaves_it_without_a_number() -> None:
    listed = replace_fields(demo(v2_0=hole("A", "critical", "2.1")), lost=("2.1", "3.0"))
    [one] = scan(World({"demo": listed}), "demo==2.0").dependencies
    assert one.upgrade is not None
    assert (one.upgrade.version, one.upgrade.value, one.upgrade.grade) == ("2.1", None, None)
    assert (one.upgrade.passes, one.upgrade.fixed_advisories) == (False, ("A",))


def test_a_way_out_whose_advisories_nobody_knows_is_provisional_and_clears_nothing() -> None:
    listed = replace_fields(demo(v2_0=hole("A", "critical", "2.1")), silent=("2.1", "3.0"))
    [one] = scan(World({"demo": listed}), "demo==2.0").dependencies
    assert one.upgrade is not None
    assert (one.upgrade.version, one.upgrade.provisional, one.upgrade.passes) == ("2.1", True, False)


def test_a_version_that_turns_out_to_be_yanked_is_no_way_out() -> None:
    listed = replace_fields(demo(v2_0=hole("A", "critical", "2.1")), yanked=("2.1",))
    [one] = scan(World({"demo": listed}), "demo==2.0").dependencies
    assert one.upgrade is not None
    assert one.upgrade.version == "3.0"


def test_what_lies_outside_the_range_is_marked() -> None:
    world = World({"demo": demo(v2_1=hole("A", "critical", "2.2"))})
    [one] = scan(world, "demo>=2,<2.2").dependencies
    assert one.dependency.version == "2.1"
    assert one.upgrade is not None
    assert (one.upgrade.version, one.upgrade.in_range, one.upgrade.excluding_ranges) == ("2.2", False, ">=2,<2.2")


def test_check_scores_the_newest_beside_the_one_in_use() -> None:
    world = World({"demo": demo(v2_0=hole("A", "low", "2.1"))})
    one = check(world, "demo==2.0")
    assert one.state == "ok"
    assert one.upgrade is None
    assert one.latest_upgrade is not None
    assert one.latest_upgrade.version == "3.0"
    assert one.latest_upgrade.fixed_advisories == ("A",)
    alone = check(world, "demo==3.0")
    assert alone.latest_upgrade is None
    assert alone.score is not None
    assert alone.score.value == one.latest_upgrade.value


def test_check_names_the_way_out_too() -> None:
    world = World({"demo": demo(v2_0=hole("A", "critical", "2.1"))})
    one = check(world, "demo==2.0")
    assert one.upgrade is not None
    assert one.upgrade.version == "2.1"
    assert len(world.asked) == 2


FLAGS = st.sampled_from([WHEEL, WHEEL, WHEEL | YANKED, WHEEL | PRERELEASE])
ORDER = ("4.0", "3.1", "3.0", "2.1", "2.0", "1.0")


@st.composite
def packages(draw: st.DrawFn) -> Listed:
    listed = {version: draw(FLAGS) for version in ORDER}
    advisories = [
        hole(
            f"A{n}",
            draw(st.sampled_from(["low", "medium", "high", "critical"])),
            *draw(st.lists(st.sampled_from(ORDER))),
        )
        for n in range(3)
    ]
    holes = {version: draw(st.lists(st.sampled_from(advisories), unique_by=lambda one: one.id)) for version in ORDER}
    return Listed(
        listed, holes, silent=draw(st.lists(st.sampled_from(ORDER))), lost=draw(st.lists(st.sampled_from(ORDER)))
    )


@given(packages(), st.sampled_from([*(f"demo=={version}" for version in ORDER), "demo>=2,<3", "demo"]))
def test_a_way_out_is_newer_final_not_yanked_better_and_scores_as_it_would_alone(listed: Listed, line: str) -> None:
    world = World({"demo": listed})
    [one] = scan(world, line).dependencies
    way = one.upgrade
    assert way is None or one.state == "below"
    if way is None:
        return
    tried = world.asked[1]
    assert len(tried) <= 3
    in_use = one.dependency.version or ""
    assert get_ecosystem(PYPI).sort_newest_first([way.version, in_use])[0] == way.version != in_use
    assert listed.versions[way.version] == WHEEL
    [alone] = scan(world, f"demo=={way.version}").dependencies
    value = alone.score.value if alone.score is not None else None
    assert (way.value, way.passes) == (value, alone.state == "ok")
    if way.value is not None and one.score is not None and one.score.value is not None:
        assert way.value > one.score.value
    assert way.passes or not any(clears(listed, key) for key in tried)


def clears(listed: Listed, key: str) -> bool:
    [one] = scan(World({"demo": listed}), key.removeprefix("pypi/").replace("@", "==")).dependencies
    return one.state == "ok"


# --- findings


def test_a_name_that_no_index_knows_is_a_finding_and_no_pass() -> None:
    report = scan(World({"demo": demo()}), "demo==3.0", "lost==1.0", "lost>=2", "gone")
    assert [(one.id, one.name, len(one.locations)) for one in report.findings if one.id == "not-on-index"] == [
        ("not-on-index", "gone", 1),
        ("not-on-index", "lost", 2),
    ]
    assert (report.exit, report.exit_reason) == (ExitStatus.BELOW, "2 names in no public index")
    assert report.count_state("unknown") == 3
    assert all(one.score is None or one.score.value is None for one in report.dependencies if one.in_registry is False)


def test_a_name_nobody_could_be_asked_about_is_no_finding() -> None:
    report = scan(World({}, silent=("demo",)), "demo==3.0", "demo>=2")
    assert {(one.id, one.level, one.undecided) for one in report.findings} == {("score-unknown", "warn", True)}
    assert report.exit is ExitStatus.PASSED
    assert not report.complete


def test_a_name_that_stays_here_is_no_finding() -> None:
    private = PrivacyRules(config=Config(), local_names={(PYPI, "lost")})
    report = pipeline.scan_project([manifest("lost==1.0")], private, OPTIONS, World({}))
    assert report.findings == ()
    assert report.exit is ExitStatus.PASSED


def test_a_list_has_no_findings() -> None:
    assert scan(World({}), "lost==1.0", options=replace(OPTIONS, list_only=True)).findings == ()


@pytest.mark.parametrize(
    ("level", "leaves_incomplete", "options", "status"),
    [
        ("deny", False, OPTIONS, ExitStatus.BELOW),
        ("deny", True, OPTIONS, ExitStatus.BELOW),
        ("warn", False, replace(OPTIONS, strict=True), ExitStatus.PASSED),
        ("warn", True, OPTIONS, ExitStatus.PASSED),
        ("warn", True, replace(OPTIONS, strict=True), ExitStatus.INCOMPLETE),
    ],
)
def test_a_rule_is_one_row(
    monkeypatch: pytest.MonkeyPatch, level: Level, *, leaves_incomplete: bool, options: ScanOptions, status: ExitStatus
) -> None:
    rule = rules.PolicyRule(
        id="short-name",
        level=level,
        leaves_incomplete=leaves_incomplete,
        summary="A name is short.",
        explanation="Short names are easily mistyped.",
        headings=("name is short", "names are short"),
        count_phrases=("short name", "short names"),
        hint="choose a longer name",
        check=lambda known: [
            Finding(text="it has four letters", name=one.dependency.package.name, locations=one.dependency.locations)
            for one in known.assessments
            if len(one.dependency.package.name) <= 4
        ],
    )
    monkeypatch.setattr(rules, "RULES", (*rules.RULES, rule))
    report = scan(World({"demo": demo()}), "demo==3.0", options=options)
    assert report.exit is status
    assert "1 short name" in report.exit_reason

    text = FORMATS["table"].render(report, RenderOptions()).decode()
    for words in ("1 name is short", "it has four letters", "→ choose a longer name", f"exit {status.value} ("):
        assert words in text
    document = json.loads(FORMATS["json"].render(report, RenderOptions()))
    [finding] = document["findings"]
    assert (finding["level"], finding["undecided"]) == (level, leaves_incomplete)
    assert document["complete"] is not leaves_incomplete
    assert (finding["id"], finding["name"], finding["text"]) == ("short-name", "demo", "it has four letters")
    assert document["exit"]["code"] == status.value


def hub_declaration(name: str, revision: str = "", *, line: int = 1, trusts: bool | None = None) -> Declaration:
    return Declaration(
        ecosystem="huggingface",
        name=name,
        requirement=revision,
        group="main",
        location=Location(path="app.py", line=line),
        trusts_remote_code=trusts,
    )


def test_repositories_of_the_hub_are_scored_beside_packages() -> None:
    package, sha = Package(ecosystem="huggingface", name="acme/tiny"), "a" * 40
    repository = HubRepository(
        kind="model", id="acme/tiny", sha=sha, author="acme", files=(HubFile("model.safetensors"),), scans_done=True
    )
    world = World(
        {}, repositories={(package, ""): HubEvidence(repository=Found(repository, "Hugging Face Hub", AS_OF))}
    )
    declarations = [
        hub_declaration("acme/tiny"),
        hub_declaration("acme/tiny", line=9),
        hub_declaration("acme/tiny", sha, line=5),
    ]
    floating, pinned = pipeline.assess_declarations(declarations, OPTIONS, world)
    assert (floating.dependency.version, floating.dependency.resolution) == (sha, "range")
    assert [place.line for place in floating.dependency.locations] == [1, 9]
    assert floating.dependency.purl == f"pkg:huggingface/acme/tiny@{sha}"
    assert floating.fix == ""  # a pin would not settle what is not known
    assert floating.score is not None
    assert floating.in_registry is True
    assert (pinned.dependency.version, pinned.dependency.resolution, pinned.in_registry) == (sha, "pinned", None)
    assert pinned.state == "unknown"  # nothing is known about it


def test_repositories_are_listed_without_a_lookup() -> None:
    world = World({})
    file = DependencyFile(path="app.py", format="references", declarations=(hub_declaration("acme/tiny", "main"),))
    report = pipeline.scan_project([file], RULES, replace(OPTIONS, list_only=True), world)
    assert [entry.dependency.requirement for entry in report.dependencies] == ["main"]


def test_a_floating_reference_is_scored_at_the_commit_in_the_cache_of_the_client() -> None:
    package, cached, newest = Package(ecosystem="huggingface", name="acme/tiny"), "a" * 40, "b" * 40
    evidence = {
        revision: HubEvidence(
            repository=Found(HubRepository(kind="model", id="acme/tiny", sha=sha, author="acme"), "Hub", AS_OF)
        )
        for revision, sha in ((cached, cached), ("", newest))
    }
    world = World({}, repositories={(package, revision): facts for revision, facts in evidence.items()})
    [floating] = pipeline.assess_declarations(
        [replace(hub_declaration("acme/tiny"), locked_version=cached)], OPTIONS, world
    )
    assert (floating.dependency.version, floating.dependency.resolution) == (cached, "range")
    assert floating.reasons[-1] == "version in use: the commit in the cache of huggingface_hub"
    assert floating.dependency.version == cached
    [other] = pipeline.assess_declarations([hub_declaration("acme/tiny")], OPTIONS, world)
    assert other.dependency.version == newest
    assert not any("huggingface_hub" in reason for reason in other.reasons)


def test_the_dependencies_of_a_pinned_mcp_server_are_judged_as_its_own() -> None:
    pinned = Declaration(
        ecosystem="npm",
        name="demo-server",
        requirement="1.0.0",
        group="mcp",
        location=Location(path=".mcp.json", line=3),
    )
    floating = replace(pinned, name="other-server", requirement="")
    tree = DependencyTree(
        (DependencyNode("deep", "2.0.0", 2, ("near",)), DependencyNode("near", "1.5.0", 1, ("demo-server",)))
    )
    listed = {name: Listed({version: 0}) for name, version in (("demo-server", "1.0.0"), ("other-server", "1.0.0"))}
    listed |= {"near": Listed({"1.5.0": 0}), "deep": Listed({"2.0.0": 0})}
    world = World(listed, trees={"npm/demo-server@1.0.0": Found(tree, "deps.dev", AS_OF)})
    file = DependencyFile(path=".mcp.json", format="mcp", declarations=(pinned, floating))
    report = pipeline.scan_project([file], RULES, OPTIONS, world)
    rows = {entry.dependency.package.name: entry.dependency for entry in report.dependencies}
    assert {name: (row.version, row.direct, row.via, row.parents) for name, row in rows.items()} == {
        "demo-server": ("1.0.0", True, (), ()),
        "other-server": ("1.0.0", True, (), ()),
        "near": ("1.5.0", False, ("demo-server",), ("demo-server",)),
        "deep": ("2.0.0", False, ("demo-server",), ("near",)),
    }
    assert {row.kind for row in rows.values()} == {"mcp-server", "package"}
    checked, _ = packages_check.check_packages([[pinned]], RULES, OPTIONS, world)
    assert [entry.dependency.package.name for entry in checked.dependencies] == ["demo-server"]
