"""The panel: packages whose class is certain, with evidence that was recorded or entered by hand.

`docs/decisions/0007-panel.md` has the sources, the licences and what the panel can and cannot show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal, TypeAlias, cast

import msgspec

from nerq_cli import policy, scoring, signals
from nerq_cli.ecosystems import EcosystemId, get_ecosystem
from nerq_cli.facts import (
    ATTESTED,
    DEPRECATED,
    INSTALL_HOOK,
    PRERELEASE,
    SDIST,
    WHEEL,
    Adoption,
    AffectingAdvisory,
    Evidence,
    Fact,
    Found,
    History,
    Metadata,
    PackageInfo,
    Repository,
    Scorecard,
    SimilarName,
    T,
    Unknown,
)
from nerq_cli.inventory import Dependency, Package
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.policy import State
from nerq_cli.scoring.score import Score
from nerq_cli.sources.popularity import ranks

PanelClass: TypeAlias = Literal["healthy", "finished", "abandoned", "vulnerable"]
Setting: TypeAlias = Literal["full", "recorded"]

#: The moment of every measurement: 2026-11-28, 12:00 UTC.
AS_OF: Final = 1_795_867_200
DATA: Final = Path(__file__).with_name("data")
GOOD: Final = ("healthy", "finished")
DAY: Final = 86_400
#: Label of values that were entered by hand.
ENTERED: Final = "entered by hand"
_NOT_ENTERED: Final = "-"
#: Scorecard checks in the order of the column ``scorecard``: one character each, ``A`` = 10, ``-`` = inconclusive.
_CHECKS: Final = (
    "Code-Review",
    "Branch-Protection",
    "Dangerous-Workflow",
    "Token-Permissions",
    "Binary-Artifacts",
    "Signed-Releases",
    "Pinned-Dependencies",
    "Maintained",
    "Security-Policy",
)
#: Moment from which a licence on PyPI is taken as an SPDX expression (PEP 639): 2024-10-01.
_PEP_639: Final = 1_727_740_800


class Recorded(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was recorded about one row."""

    ecosystem: EcosystemId
    name: str
    version: str
    #: Newest version on a list of packages; empty = the list does not have the package.
    newest: str = ""
    #: PyPI: month of the newest version (``2015-06``).
    newest_month: str = ""
    #: npm: downloads in a month.
    downloads: int | None = None
    package_info: Found[PackageInfo] | None = None
    metadata: Found[Metadata] | None = None
    #: Advisories that affect the version, from dumps that end in 2024 (PyPI) and 2020 (npm).
    advisories: Found[tuple[AffectingAdvisory, ...]] | None = None
    history: Found[History] | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the panel: a version of a package, its class and its evidence."""

    kind: PanelClass
    package: Package
    version: str
    entered: Mapping[str, str]
    recorded: Recorded

    def __str__(self) -> str:
        """Return ``npm:lodash@4.17.4``."""
        return f"{self.package.ecosystem.lower()}:{self.package.name}@{self.version}"

    @property
    def is_good(self) -> bool:
        """Whether the version is right to use."""
        return self.kind in GOOD

    @property
    def is_malicious(self) -> bool:
        """Whether the version is recorded as malicious, or the package was removed for security."""
        return "mal" in self.entered["advisories"].split(",")

    @property
    def half(self) -> Literal["first", "second"]:
        """The half of the panel, by the hash of the name: all versions of a package are in one half."""
        digest = sha256(f"{self.package.ecosystem}/{self.package.name}".encode()).digest()
        return "second" if digest[0] % 2 else "first"


@dataclass(frozen=True, slots=True)
class Result:
    """The score and the state of one row."""

    row: Row
    score: Score
    state: State

    @property
    def value(self) -> float | None:
        """The score, 0-100; None when too little is known."""
        return self.score.value


@lru_cache(maxsize=1)
def read_panel() -> tuple[Row, ...]:
    """Return the rows, in the order of the file."""
    recorded = {(item.ecosystem, item.name, item.version): item for item in read_recorded()}
    header, *lines = (DATA / "entered.tsv").read_text(encoding="utf-8").splitlines()
    return tuple(_build_row(dict(zip(header.split("\t"), line.split("\t"), strict=True)), recorded) for line in lines)


def read_recorded() -> Iterator[Recorded]:
    """Yield what was recorded, in the order of the file."""
    for line in (DATA / "recorded.jsonl").read_bytes().splitlines():
        yield msgspec.json.decode(line, type=Recorded)


def _build_row(entered: Mapping[str, str], recorded: Mapping[tuple[EcosystemId, str, str], Recorded]) -> Row:
    ecosystem, name, version = cast("EcosystemId", entered["ecosystem"]), entered["name"], entered["version"]
    return Row(
        kind=cast("PanelClass", entered["class"]),
        package=Package(ecosystem=ecosystem, name=name),
        version=version,
        entered=entered,
        recorded=recorded.get((ecosystem, name, version)) or Recorded(ecosystem, name, version),
    )


# --- evidence --------------------------------------------------------------------------------------------------------


def build_evidence(row: Row, setting: Setting = "full") -> Evidence:
    """Return the evidence of a row: everything, or only what was recorded."""
    popularity = ranks.get_popularity(row.package)
    similar_name: Fact[SimilarName] = Found(ranks.find_similar_name(row.package), ranks.LABEL, popularity.retrieved_at)
    if setting == "recorded":
        return Evidence(
            package_info=row.recorded.package_info or _build_listed(row),
            metadata=row.recorded.metadata or Unknown("not recorded"),
            popularity=popularity,
            similar_name=similar_name,
            advisories=_build_recorded_advisories(row),
            history=row.recorded.history or Unknown("not recorded"),
        )
    return Evidence(
        package_info=_choose_package_info(row),
        metadata=_choose_metadata(row),
        popularity=popularity,
        similar_name=similar_name,
        advisories=_build_advisories(row),
        history=row.recorded.history or _find(History()),
        scorecard=_build_scorecard(row),
        repository=_build_repository(row),
        adoption=_find(build_adoption(row)),
    )


def _find(value: T) -> Found[T]:
    return Found(value, ENTERED, AS_OF)


def _build_listed(row: Row) -> Fact[PackageInfo]:
    """Return the newest version and its month, which is all that a list of packages has."""
    recorded = row.recorded
    if not recorded.newest or not recorded.newest_month:
        return Unknown("not recorded")
    versions = get_ecosystem(row.package.ecosystem).sort_newest_first({recorded.newest, row.version})
    return _find(
        PackageInfo(
            name=row.package.name,
            versions=tuple(versions),
            published=tuple(_get_time(recorded.newest_month) if v == recorded.newest else 0 for v in versions),
            flags=(0,) * len(versions),
            tags={"latest": recorded.newest},
            partial=True,
        )
    )


def _build_recorded_advisories(row: Row) -> Fact[tuple[AffectingAdvisory, ...]]:
    """Return the recorded advisories. The dumps are old: what they do not contain stays unknown."""
    return row.recorded.advisories or Unknown("the recorded advisories are old")


def _choose_package_info(row: Row) -> Fact[PackageInfo]:
    recorded = row.recorded.package_info
    if recorded and not recorded.value.date_problem and row.version in recorded.value.versions:
        return recorded
    return _find(_build_package_info(row))


def _build_package_info(row: Row) -> PackageInfo:
    """Return the versions that were entered: the first, the one in use, the newest, and recent ones before it."""
    published = _build_versions(row)
    versions = get_ecosystem(row.package.ecosystem).sort_newest_first(published)
    accounts, status = row.entered["accounts"], row.entered["status"]
    newest = next((v for v in versions if not _is_prerelease(row, v)), versions[0])
    return PackageInfo(
        name=row.package.name,
        versions=tuple(versions),
        published=tuple(published[version] for version in versions),
        flags=tuple(_build_flags(row, version, newest) for version in versions),
        tags={"latest": newest},
        status=status if status in ("deprecated", "security-holding") else "active",
        publishers=int(accounts.rstrip("o")),
        organisation=accounts.endswith("o"),
        has_attestation_data=True,
        has_hook_data=row.package.ecosystem == "npm",
        has_publisher_data=row.package.ecosystem == "npm",
        inactive=None if row.package.ecosystem == "npm" else False,
    )


def _build_versions(row: Row) -> dict[str, int]:
    """Return the publication times (epoch seconds UTC; 0 = not known) of the versions by name."""
    entered, newest = row.entered, row.recorded.newest or row.version
    published = {"0.0.1": _get_time(entered["first_released"])} if row.version != "0.0.1" else {}
    if entered["first_released"] == entered["released"]:
        published = {}
    published[newest] = _get_time(entered["newest_released"])
    count = int(entered["recent"])
    sort_newest_first = get_ecosystem(row.package.ecosystem).sort_newest_first
    for index, version in enumerate(_count_down(newest, count - 1), 1):
        if newest == row.version or sort_newest_first([row.version, version])[0] == version:
            published.setdefault(version, published[newest] - index * 700 * DAY // count)
    published[row.version] = _get_time(entered["released"])
    return published


def _count_down(version: str, count: int) -> Iterator[str]:
    """Yield up to ``count`` plausible versions before one: the last number that is not 0, less 1."""
    numbers = [int(number) for number in version.split(".") if number.isdigit()]
    while count > 0 and any(numbers[1:]):
        index = max(index for index, number in enumerate(numbers) if number)
        numbers[index] -= 1
        yield ".".join(map(str, numbers))
        count -= 1


def _is_prerelease(row: Row, version: str) -> bool:
    return get_ecosystem(row.package.ecosystem).is_prerelease(version)


def _build_flags(row: Row, version: str, newest: str) -> int:
    kind, is_attested = row.entered["install"][0], row.entered["install"][1] == "+"
    flags = PRERELEASE if _is_prerelease(row, version) else 0
    if row.package.ecosystem == "PyPI":
        flags |= (WHEEL | SDIST) if kind == "w" else SDIST
    elif kind in "gh" or (kind == "H" and version == row.version):
        flags |= INSTALL_HOOK
    if is_attested and version in (row.version, newest):
        flags |= ATTESTED
    return flags | (DEPRECATED if row.entered["status"] == "deprecated" else 0)


def _choose_metadata(row: Row) -> Fact[Metadata]:
    return row.recorded.metadata or _find(_build_metadata(row))


def _build_metadata(row: Row) -> Metadata:
    entered, is_npm = row.entered, row.package.ecosystem == "npm"
    letters, install, is_attested = entered["metadata"], entered["install"][0], entered["install"][1] == "+"
    licence = "" if entered["licence"] == _NOT_ENTERED else entered["licence"]
    is_expression = is_npm or _get_time(entered["released"]) >= _PEP_639
    pythons = _list_pythons(entered["released"])
    repository = f"https://code.example/{row.package.name}"
    return Metadata(
        version=row.version,
        summary="s" in letters,
        keywords="k" in letters,
        typed="t" in letters,
        required_interpreter=f">={pythons[0] if pythons else '2.7'}" if "i" in letters else "",
        python_classifiers=None if is_npm else pythons,
        readme=int(entered["readme"]),
        documentation=f"https://docs.example/{row.package.name}" if "d" in letters else "",
        changelog=f"{repository}/changes" if "c" in letters else "",
        homepage=f"https://{row.package.name}.example" if "h" in letters else "",
        repository=repository if entered["last_commit"] != _NOT_ENTERED else "",
        licence_expression=licence if is_expression else "",
        licence_classifiers=(),
        licence_text="" if is_expression else licence,
        inactive=None if is_npm else False,
        yanked=False,
        deprecated="no longer maintained" if entered["status"] == "deprecated" else "",
        hooks={"n": (), "g": ("node-gyp",), "h": ("postinstall",), "H": ("postinstall",)}[install] if is_npm else None,
        attested_repository=repository if is_attested else "",
        publishers=int(entered["accounts"].rstrip("o")),
        attested=is_attested,
    )


def _list_pythons(month: str) -> tuple[str, ...]:
    """Return the Pythons that were maintained in a month, oldest first: those a release of that time would name."""
    return tuple(
        python for python, (first, end) in PACKAGES.python_support.items() if first <= f"{month}-28" and month <= end
    )


def _build_advisories(row: Row) -> Found[tuple[AffectingAdvisory, ...]]:
    """Return the advisories that were entered; the recorded ones where none were, which mostly lack a severity."""
    if row.entered["advisories"] == _NOT_ENTERED:
        return row.recorded.advisories or _find(())
    newest = row.recorded.newest or row.version
    return _find(
        tuple(
            AffectingAdvisory(id=f"MAL-ENTERED-{row.package.name}", malware=True)
            if text == "mal"
            else AffectingAdvisory(
                id=f"ENTERED-{row.package.name}-{number}",
                severity=text.rstrip("!"),
                fixed_in=() if text.endswith("!") else (newest,),
            )
            for number, text in enumerate(row.entered["advisories"].split(","), 1)
        )
    )


def _build_scorecard(row: Row) -> Fact[Scorecard]:
    code = row.entered["scorecard"]
    if code == _NOT_ENTERED:
        return Unknown("not scanned", "Scorecard")
    checks = {name: int(mark, 16) for name, mark in zip(_CHECKS, code, strict=True) if mark != "-"}
    return _find(Scorecard(repository=f"code.example/{row.package.name}", date=AS_OF - 7 * DAY, checks=checks))


def _build_repository(row: Row) -> Fact[Repository]:
    entered = row.entered
    if entered["last_commit"] == _NOT_ENTERED:
        return Unknown("no repository known")
    open_items, _, closed_items = entered["items"].partition("/")
    return _find(
        Repository(
            name=f"code.example/{row.package.name}",
            link_status="attested" if entered["install"].endswith("+") else "confirmed",
            archived=entered["status"] == "archived",
            stars=_get_number(entered["stars"]),
            commits_90d=_get_number(entered["commits"]),
            last_commit=_get_time(entered["last_commit"]),
            open_items=_get_number(open_items),
            closed_items=_get_number(closed_items),
            open_issues=_get_number(entered["open_issues"]),
            security_policy=None if entered["policy"] == _NOT_ENTERED else entered["policy"] == "y",
        )
    )


def build_adoption(row: Row) -> Adoption:
    """Return the downloads of a week, which a list gives, and the dependents that were entered."""
    monthly = row.recorded.downloads
    downloads = monthly * 7 / 30 if monthly is not None else ranks.get_popularity(row.package).value.downloads
    return Adoption(downloads=downloads, dependents=_get_number(row.entered["dependents"]))


def _get_time(month: str) -> int:
    """Return the first second of a month (``2015-06``) in epoch seconds UTC; 0 when it was not entered."""
    if month == _NOT_ENTERED:
        return 0
    return int(datetime.strptime(month, "%Y-%m").replace(tzinfo=timezone.utc).timestamp())


def _get_number(text: str) -> int | None:
    return int(text) if text not in ("", _NOT_ENTERED) else None


# --- errors of what was entered --------------------------------------------------------------------------------------

#: Columns with counts.
_COUNTS: Final = ("recent", "readme", "stars", "commits", "open_issues", "dependents")


def disturb(row: Row, seed: int) -> Row:
    """Return a row whose entered counts are up to three times too high or too low, and whose checks are 2 points off.

    A count of 0 stays 0: that nothing happened is certain, how much happened is not.
    """
    entered = dict(row.entered)
    for name in _COUNTS:
        if number := _get_number(entered[name]):
            entered[name] = str(max(1, round(number * 3 ** _draw(row, name, seed))))
    if "/" in entered["items"]:
        entered["items"] = "/".join(
            str(round(int(part) * 3 ** _draw(row, f"items {index}", seed) if int(part) else 0))
            for index, part in enumerate(entered["items"].split("/"))
        )
    if entered["scorecard"] != _NOT_ENTERED:
        entered["scorecard"] = "".join(
            mark if mark in "-0A" else f"{min(10, max(1, round(int(mark, 16) + 2 * _draw(row, name, seed)))):X}"
            for name, mark in zip(_CHECKS, entered["scorecard"], strict=True)
        )
    return replace(row, entered=entered)


def _draw(row: Row, name: str, seed: int) -> float:
    """Return a number of -1 to 1 that depends on nothing but these."""
    return int.from_bytes(sha256(f"{row} {name} {seed}".encode()).digest()[:4], "big") / 2**31 - 1


# --- ablation --------------------------------------------------------------------------------------------------------

_SILENT: Final = Unknown("the source did not answer")


def _drop(**facts: object) -> Callable[[Evidence], Evidence]:
    return lambda evidence: msgspec.structs.replace(evidence, **facts)


def _drop_code_host(evidence: Evidence) -> Evidence:
    """Keep what deps.dev has of a repository: stars and open issues, and the link where it was attested."""
    if not isinstance(evidence.repository, Found):
        return evidence
    repository = evidence.repository.value
    return msgspec.structs.replace(
        evidence,
        repository=_find(
            Repository(
                name=repository.name,
                link_status="attested" if repository.link_status == "attested" else "declared",
                stars=repository.stars,
                open_issues=repository.open_issues,
                unread_reason="the code host did not answer",
            )
        ),
    )


def _drop_adoption(field: str) -> Callable[[Evidence], Evidence]:
    def drop(evidence: Evidence) -> Evidence:
        if not isinstance(evidence.adoption, Found):
            return evidence
        adoption = msgspec.structs.replace(evidence.adoption.value, **{field: None})
        is_empty = adoption.downloads is None and adoption.dependents is None
        return msgspec.structs.replace(evidence, adoption=_SILENT if is_empty else _find(adoption))

    return drop


def _keep_registry_and_advisories(evidence: Evidence) -> Evidence:
    names = ("package_info", "metadata", "advisories", "history", "popularity", "similar_name")
    return Evidence(**{name: getattr(evidence, name) for name in names})


#: Returns the evidence that is left without a source, by the name of the source.
ABLATIONS: Final[Mapping[str, Callable[[Evidence], Evidence]]] = {
    "registry": _drop(package_info=_SILENT, metadata=_SILENT),
    "advisories": _drop(advisories=_SILENT, history=_SILENT),
    "deps.dev": _drop_adoption("dependents"),
    "Scorecard": _drop(scorecard=_SILENT),
    "code host": _drop_code_host,
    "popularity list": _drop(popularity=_SILENT, similar_name=_SILENT),
    "downloads": _drop_adoption("downloads"),
    "every helpful service": _keep_registry_and_advisories,
}


# --- results ---------------------------------------------------------------------------------------------------------


def judge(row: Row, evidence: Evidence) -> Result:
    """Return the score and the state of a row."""
    measurement = signals.measure_package(PACKAGES, row.package.ecosystem, row.version, evidence, AS_OF)
    score = scoring.compute_score(PACKAGES, measurement)
    dependency = Dependency(
        package=row.package,
        version=row.version,
        requirement="",
        resolution="pinned",
        direct=True,
        groups=(),
        locations=(),
    )
    return Result(row, score, policy.judge_dependency(dependency, score, PACKAGES.threshold))


@lru_cache(maxsize=16)
def judge_panel(setting: Setting = "full", without: str = "") -> tuple[Result, ...]:
    """Return the results of all rows, in one setting, with or without one of the sources."""
    remove = ABLATIONS[without] if without else (lambda evidence: evidence)
    return tuple(judge(row, remove(build_evidence(row, setting))) for row in read_panel())


def judge_disturbed_panel(seed: int) -> tuple[Result, ...]:
    """Return the results of all rows with errors in what was entered."""
    return tuple(judge(row, build_evidence(disturb(row, seed))) for row in read_panel())


def compute_auc(results: Iterable[Result]) -> float:
    """Return the chance (0-1) that a good row scores more than a bad one; equal scores count half."""
    known = [(result.value, result.row.is_good) for result in results if result.value is not None]
    good, bad = ([value for value, is_good in known if is_good is wanted] for wanted in (True, False))
    wins = sum((a > b) + (a == b) / 2 for a in good for b in bad)
    return wins / (len(good) * len(bad))


def compute_rank_correlation(pairs: Iterable[tuple[float, float]]) -> float:
    """Return Spearman's rank correlation, -1 to 1."""
    xs, ys = (_rank(values) for values in zip(*pairs, strict=True))
    mean = (len(xs) + 1) / 2
    covariance = sum((x - mean) * (y - mean) for x, y in zip(xs, ys, strict=True))
    spread = (sum((x - mean) ** 2 for x in xs) * sum((y - mean) ** 2 for y in ys)) ** 0.5
    return covariance / spread if spread else 0.0


def _rank(values: Iterable[float]) -> list[float]:
    """Return the rank of each value, from 1; equal values share the mean of their ranks."""
    values = list(values)
    ordered = sorted(values)
    first = {value: index for index, value in reversed(list(enumerate(ordered, 1)))}
    count = {value: ordered.count(value) for value in first}
    return [first[value] + (count[value] - 1) / 2 for value in values]
