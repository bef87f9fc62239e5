"""Evidence of any form, from a generator of random numbers."""

from __future__ import annotations

from random import Random
from typing import Any

from nerq_cli.ecosystems import NPM, PYPI, EcosystemId
from nerq_cli.facts import (
    Absent,
    Adoption,
    AffectingAdvisory,
    Evidence,
    Found,
    History,
    LowerBound,
    Metadata,
    PackageInfo,
    Popularity,
    Repository,
    Scorecard,
    SimilarName,
    Unknown,
)
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.units import DAY

NOW = 1_790_000_000  # 2026-09-21
#: Ages in days on both sides of each limit.
_AGES = (
    *(0, 1, 3, 180, 600, 1900, 4000),
    *(
        int(spec.value) + number
        for id_, spec in PACKAGES.limits.items()
        if id_.endswith("_days")
        for number in (-1, 0, 1)
    ),
)
_VERSIONS = ("4.1.0", "4.0.0", "3.2.1", "2.0.0rc1", "1.10.2", "1.9", "0.4.0", "0.3.7", "0.3.1", "2021.4")
_LICENCES = ("", "MIT", "GPL-3.0-only", "AGPL-3.0-only", "LGPL-2.1-only", "BUSL-1.1", "nonsense", "see LICENSE")
_CLASSIFIERS = (
    "License :: OSI Approved :: MIT License",
    "License :: OSI Approved",
    "License :: Other/Proprietary License",
)
_INTERPRETERS = ("", ">=3.8", ">=3.11", "<3.8", "==2.7.*", ">=2.7, !=3.0.*", "nonsense")
_REPOSITORIES = (
    "",
    "https://github.com/demo/demo",
    "git+https://github.com/demo/demo.git",
    "https://code.example/demo/demo",
)


def _choose_moment(random: Random) -> int:
    return (
        NOW - (random.choice(_AGES) if random.random() < 0.7 else random.randrange(5000)) * DAY - random.randrange(DAY)
    )


def _choose_count(random: Random) -> int:
    return (
        random.choice((0, 1, 2, 3, 4, 5, 9, 10, 14, 15, 29, 30, 100, 1000))
        if random.random() < 0.6
        else random.randrange(10**6)
    )


def _maybe(random: Random, value: Any, probability: float = 0.8) -> Any:
    return value if random.random() < probability else None


def _build_package(random: Random, versions: tuple[str, ...], quiet: int) -> PackageInfo:
    count = len(versions)
    dates = sorted((_choose_moment(random) - quiet for _ in versions), reverse=True)
    if random.random() < 0.25:  # a young package
        dates = [NOW - (NOW - date) // 20 for date in dates]
    if random.random() < 0.15:  # all of them on one day, which may be at a limit
        dates = dates[:1] * count
    if random.random() < 0.1:
        dates = [0 if random.random() < 0.5 else date for date in dates]
    mostly = 0 if random.random() < 0.7 else 2
    flags = tuple(random.choice((0, 8, 24, 16, 24, 32, 40, 64, 128, 256, 1)) | mostly for _ in versions)
    partial = random.random() < 0.15
    return PackageInfo(
        name="demo",
        versions=versions,
        published=tuple(dates),
        flags=flags,
        interpreter_indexes=(0,) * count,
        interpreters=("",),
        tags={"latest": versions[0]} if versions and random.random() < 0.5 else {},
        status=random.choice(
            (None, *("active",) * 12, "archived", "deprecated", "quarantined", "unpublished", "security-holding")
        ),
        publishers=_maybe(random, random.randrange(4)),
        publisher_tags=random.choice(((), ("aa",), ("aa", "bb"))),
        organisation=_maybe(random, random.random() < 0.2),
        has_attestation_data=random.random() < 0.6,
        has_hook_data=random.random() < 0.6,
        has_publisher_data=random.random() < 0.6,
        inactive=_maybe(random, random.random() < 0.1),
        date_problem="dates in the future" if random.random() < 0.05 else "",
        partial=partial,
    )


def _build_metadata(random: Random, version: str) -> Metadata:
    def flip(probability: float = 0.5) -> bool:
        return random.random() < probability

    def url(text: str) -> Any:
        return _maybe(random, text if flip() else "", 0.95)

    return Metadata(
        version=version,
        summary=_maybe(random, flip(0.9)),
        keywords=_maybe(random, flip()),
        typed=_maybe(random, flip()),
        required_interpreter=_maybe(random, random.choice(_INTERPRETERS)),
        python_classifiers=_maybe(random, random.choice(((), ("2.7",), ("3.6", "3.7"), ("3.11", "3.12")))),
        readme=_maybe(random, random.choice((0, 120, 400, 1499, 5000, random.randrange(4000)))),
        documentation=url("https://docs.example"),
        changelog=url("https://docs.example/changes"),
        homepage=url("https://demo.example"),
        repository=_maybe(random, random.choice(_REPOSITORIES), 0.95),
        licence_expression=_maybe(random, random.choice(_LICENCES), 0.6),
        licence_classifiers=_maybe(
            random, random.choice(((), _CLASSIFIERS[:1], _CLASSIFIERS[1:2], _CLASSIFIERS[2:])), 0.6
        ),
        licence_text=_maybe(random, random.choice(_LICENCES), 0.6),
        inactive=_maybe(random, flip(0.1)),
        yanked=_maybe(random, flip(0.05)),
        deprecated=_maybe(random, "use another one" if flip(0.1) else ""),
        hooks=_maybe(random, random.choice(((), (), ("node-gyp",), ("install",), ("install", "postinstall")))),
        attested_repository=_maybe(random, random.choice(("", "github.com/demo/demo", "github.com/other/demo"))),
        previous_repository=_maybe(random, random.choice(("", "github.com/demo/demo"))),
        publishers=_maybe(random, random.randrange(3)),
        attested=_maybe(random, flip()),
    )


def _build_advisories(random: Random) -> tuple[AffectingAdvisory, ...]:
    if random.random() < 0.5:
        return ()
    ids = [f"X-{number}" for number in range(8)]
    return tuple(
        AffectingAdvisory(
            id=id_,
            aliases=tuple(random.sample((*ids, "CVE-2026-0001"), random.choice((0, 0, 0, 1, 2)))),
            severity=random.choice(("low", "medium", "high", "critical", "unknown", "none of them")),
            fixed_in=random.choice(((), ("4.1.0",), ("0.1.0",), ("1.10.2", "4.2.0"))),
            malware=random.random() < 0.05,
            exploited=random.choice((None, False, False, False, True)),
            epss=random.choice((None, 0.0, 0.01, 0.0999, 0.1, 0.4999, 0.5, 0.97)),
            unread=random.choice(((), (), (), (), (), (), (id_,), ("X-9",))),
        )
        for id_ in random.choices(ids, k=random.choice((1, 1, 2, 3, 7)))
    )


def _build_repository(random: Random, quiet: int) -> Repository:
    is_unread = random.random() < 0.3
    commits = _maybe(random, random.choice((0, 0, 1, 2, 3, 7, 13, 50)), 0.6)
    return Repository(
        "github.com/demo/demo",
        link_status=random.choice(("attested", "confirmed", "declared", "declared", "dead", "foreign")),
        archived=_maybe(random, random.random() < 0.1),
        stars=_maybe(random, _choose_count(random)),
        commits_90d=0 if quiet and commits else commits,
        last_commit=_maybe(random, _choose_moment(random) - quiet, 0.6),
        open_items=_maybe(random, _choose_count(random)),
        closed_items=_maybe(random, _choose_count(random)),
        open_issues=_maybe(random, random.choice((0, 3, 14, 15, 29, 30, 500))),
        security_policy=_maybe(random, random.random() < 0.5),
        unread_reason="not read" if is_unread else "",
        is_unread=is_unread,
    )


def draw_evidence(random: Random) -> tuple[EcosystemId, str, Evidence]:
    """Return an ecosystem, a version and evidence about it."""

    def fact(value: Any, probability: float = 0.85) -> Any:
        if random.random() < probability:
            return Found(value, "source", NOW)
        return Absent("source", NOW) if random.random() < 0.2 else Unknown("no answer", random.choice(("", "source")))

    checks = (*PACKAGES.signals["repository_hygiene"].levels, "Maintained", "Security-Policy", "Fuzzing")
    versions = tuple(version for version in _VERSIONS if random.random() < random.choice((0.3, 0.8)))
    version = (
        random.choice(versions) if versions and random.random() < 0.9 else random.choice((*_VERSIONS, "", "nightly"))
    )
    # Seconds without a release or commit. Few packages would look abandoned by chance.
    quiet = random.choice((0, 0, 0, 0, 700, 1000, 1800, 2900)) * DAY
    listed = random.random() < (0.1 if quiet else 0.3)
    popularity = Popularity(
        snapshot_date=NOW,
        list_size=15_000,
        min_downloads=7_000.0,
        rank=random.choice((1, 999, 1000, 1001, 9000)) if listed else None,
        downloads=random.choice((1e8, 1e6, 12_345.0, 1e4, 30.0)) if listed else None,
    )
    similar = SimilarName("demos", random.choice((4, 4, 5000, 5001)), "close", random.choice((1e4, 1e6, 1e8)))
    advisories = fact(_build_advisories(random), 0.9)
    if isinstance(advisories, Found) and random.random() < 0.1:
        advisories = LowerBound(advisories.value, "source", NOW, "some records were not read")
    scorecard = Scorecard(
        "github.com/demo/demo",
        NOW - random.choice((1, 90, 91)) * DAY,
        {check: random.choice((-1, 0, 0, 1, 3, 5, 7, 10, 10)) for check in checks if random.random() < 0.7},
    )
    adoption = Adoption(
        downloads=_maybe(random, float(random.choice((0, 1, 2, 10, 999, 1000, _choose_count(random))))),
        dependents=_maybe(random, random.choice((0, 1, 9, 10, _choose_count(random)))),
    )
    history = History(
        old_advisories=_maybe(random, random.choice((0, 0, 1, 5))),
        fixed_advisories=random.choice((0, 1, 5)),
        malicious_version=(malicious := random.choice(("", "", "", "0.1"))),
        malicious_at=_choose_moment(random) if malicious else 0,
        fixes_predecessor=random.random() < 0.1,
    )
    token = random.choice(("", "", "GITHUB_TOKEN"))
    repository = fact(_build_repository(random, quiet), 0.6)
    if isinstance(repository, Unknown):
        repository = Unknown("no answer", repository.source, token)
    evidence = Evidence(
        package_info=fact(_build_package(random, versions, quiet), 0.95),
        metadata=fact(_build_metadata(random, version), 0.92),
        popularity=fact(popularity),
        similar_name=fact(similar if random.random() < 0.6 else SimilarName()),
        similar_package=fact(PackageInfo(name="demos", publisher_tags=random.choice(((), ("aa",), ("cc",))))),
        advisories=advisories,
        history=fact(history),
        scorecard=fact(scorecard, 0.6),
        repository=repository,
        adoption=fact(adoption),
    )
    return random.choice((PYPI, NPM)), version, evidence
