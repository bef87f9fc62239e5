"""S6 over the shipped lists: how often an honest name would be suspected, and how often a forged one is.

The rates are printed (``pytest -s``) and recorded in the JUnit report.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final

import pytest

from nerq_cli.ecosystems import NPM, PYPI, EcosystemId, normalise_name
from nerq_cli.facts import Adoption, Evidence, Found, PackageInfo, Popularity, SimilarName, Unknown
from nerq_cli.inventory import Package
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.signals.context import Context
from nerq_cli.signals.security import measure_name_confusion
from nerq_cli.signals.signal import Flag
from nerq_cli.sources.popularity.ranks import find_similar_name, get_popularity, is_listed, load_list
from nerq_cli.sources.popularity.typosquat import NameIndex, NameMatch, parse_scope, split_words, strip_separators

ECOSYSTEMS: tuple[EcosystemId, ...] = (PYPI, NPM)
NOW: Final = 1_793_491_200  # 2026-11-01, the day of the lists
YOUNG: Final = NOW - 100 * 86_400
#: The largest share of honest names that may be suspected, and the smallest of forged ones that must be.
ALLOWED, WANTED = 0.005, 0.99
COMPARED_NAMES: Final = int(PACKAGES.limits["compared_names"].value)
BITS: Final = COMPARED_NAMES.bit_length()
Tell = Callable[[str, object], None]


def dice() -> random.Random:
    return random.Random(7)  # noqa: S311 - not for secrets


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Tell:
    def say(what: str, value: object) -> None:
        record_property(what, value)
        print(f"{what}: {value}")  # noqa: T201 - the rates are there to be read

    return say


def suspected(
    ecosystem: EcosystemId, standing: Found[Popularity], like: SimilarName, downloads: float | None = None
) -> bool:
    """Judge a name of which nothing good is known: young, and published by nobody who publishes the other."""
    ours = PackageInfo("ours", ("1.0.0",), (YOUNG,), (0,), publisher_tags=("aa",))
    evidence = Evidence(
        package_info=Found(ours, "registry", NOW),
        popularity=standing,
        similar_name=Found(like, "list", NOW),
        similar_package=Found(PackageInfo("theirs", publisher_tags=("zz",)), "registry", NOW),
        adoption=Unknown("not asked") if downloads is None else Found(Adoption(downloads), "downloads", NOW),
    )
    context = Context(PACKAGES, ecosystem, "1.0.0", evidence, NOW)
    return any(isinstance(said, Flag) for said in measure_name_confusion(context, PACKAGES.signals["name_confusion"]))


# --- honest names: each popular one, as if it were not on the list


def shared_scopes(ecosystem: EcosystemId) -> list[str]:
    """Return the scopes that would be known without any one name under them."""
    uses = Counter(map(parse_scope, load_list(ecosystem).names))
    return [one for one in uses if one and uses[one] > 1]


@lru_cache(maxsize=2)
def likenesses_to_others(ecosystem: EcosystemId) -> Callable[[int], set[NameMatch]]:
    """Return what tells the likenesses of the name at a place to the others.

    The list is halved once for each bit of a place: a name is looked for in the halves that do not hold it, and every
    other name is in at least one of them.
    """
    names, scopes = load_list(ecosystem).names[:COMPARED_NAMES], shared_scopes(ecosystem)
    halves = {
        (bit, side): NameIndex(
            ecosystem, [n if (place >> bit) & 1 == side else "" for place, n in enumerate(names)], scopes
        )
        for bit in range(BITS)
        for side in (0, 1)
    }

    def like(place: int) -> set[NameMatch]:
        apart = (halves[bit, 1 - ((place >> bit) & 1)] for bit in range(BITS))
        return {found for half in apart if (found := half.find_match(names[place])) is not None}

    return like


def resembled(ecosystem: EcosystemId, likeness: NameMatch) -> SimilarName:
    name = load_list(ecosystem).names[likeness.position]
    downloads = get_popularity(Package(ecosystem=ecosystem, name=name)).value.downloads
    return SimilarName(name, likeness.position + 1, likeness.reason, downloads or 0.0)


@pytest.mark.parametrize("ecosystem", ECOSYSTEMS)
def test_halves_of_the_list_miss_no_likeness_that_the_list_without_a_name_has(ecosystem: EcosystemId) -> None:
    names, like = load_list(ecosystem).names[:COMPARED_NAMES], likenesses_to_others(ecosystem)
    for place in dice().sample(range(len(names)), 20):
        without = [*names[:place], "", *names[place + 1 :]]
        whole = NameIndex(ecosystem, without, shared_scopes(ecosystem)).find_match(names[place])
        assert whole in like(place) if whole else not like(place)


@pytest.mark.parametrize("ecosystem", ECOSYSTEMS)
def test_hardly_any_popular_name_would_be_suspected_for_its_name(ecosystem: EcosystemId, tell: Tell) -> None:
    """The worst case for each: under a year old, no publisher shared, and the likeness that speaks most against it."""
    like, resembling = likenesses_to_others(ecosystem), 0
    names = load_list(ecosystem).names[:COMPARED_NAMES]
    worst: list[tuple[float, str]] = []
    for place, name in enumerate(names):
        standing = get_popularity(Package(ecosystem=ecosystem, name=name))
        others = [resembled(ecosystem, one) for one in (like(place) if name else ())]
        resembling += bool(others)
        against = [other for other in others if suspected(ecosystem, standing, other)]
        if against:
            other = max(against, key=lambda one: one.downloads)
            times = other.downloads / (standing.value.downloads or 1.0)
            worst.append(
                (times, f"{name} (rank {place + 1}): {other.name}, {other.similarity}, {times:,.0f} times as used")
            )
    judged = sum(map(bool, names))
    tell(f"{ecosystem}: resemble another of the {judged:,} most popular names", f"{resembling / judged:.2%}")
    tell(f"{ecosystem}: would be suspected (allowed: {ALLOWED:.2%})", f"{len(worst) / judged:.2%}, {len(worst)}")
    for number, (_, why) in enumerate(sorted(worst, reverse=True)[:10], 1):
        tell(f"{ecosystem}: worst {number}", why)
    assert judged > 0.99 * COMPARED_NAMES
    assert len(worst) / judged <= ALLOWED


@pytest.mark.parametrize("ecosystem", ECOSYSTEMS)
def test_no_listed_name_is_suspected_at_all(ecosystem: EcosystemId) -> None:
    packages = [Package(ecosystem=ecosystem, name=name) for name in load_list(ecosystem).names if name]
    assert not any(suspected(ecosystem, get_popularity(one), find_similar_name(one)) for one in packages)


# --- forged names: popular ones changed in the ways of the literature

Form = Callable[[str, random.Random], str]
NEXT_KEY: Final = {
    key: other
    for row in ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")
    for key, other in zip(row, row[1:] + row[-2], strict=True)
}
LOOKS_LIKE: Final = {"o": "0", "0": "o", "l": "1", "1": "l", "i": "l", "s": "5", "m": "rn", "w": "vv", "d": "cl"}


def spot(name: str, rng: random.Random) -> int:
    """Return a place between two letters or digits."""
    return rng.choice([i for i in range(len(name) - 1) if name[i].isalnum() and name[i + 1].isalnum()] or [0])


def separated(name: str, rng: random.Random) -> str:
    at = spot(name, rng) + 1
    return name.replace("-", "") if "-" in name else f"{name[:at]}-{name[at:]}"


def look_alike(name: str, rng: random.Random) -> str:
    places = [i for i, character in enumerate(name) if character in LOOKS_LIKE]
    at = rng.choice(places or [len(name)])
    return name[:at] + LOOKS_LIKE[name[at]] + name[at + 1 :] if places else ""


def repeated(name: str, rng: random.Random) -> str:
    at = spot(name, rng)
    return name[:at] + name[at] + name[at:]


def omitted(name: str, rng: random.Random) -> str:
    at = spot(name, rng)
    return name[:at] + name[at + 1 :]


def swapped(name: str, rng: random.Random) -> str:
    at = spot(name, rng)
    return name[:at] + name[at + 1] + name[at] + name[at + 2 :]


def mistyped(name: str, rng: random.Random) -> str:
    at = spot(name, rng)
    return name[:at] + NEXT_KEY.get(name[at], "") + name[at + 1 :]


def bit_flipped(name: str, rng: random.Random) -> str:
    at = spot(name, rng)
    other = chr(ord(name[at]) ^ 1)
    return name[:at] + other + name[at + 1 :] if other.isalnum() else ""


def slipped_twice(name: str, rng: random.Random) -> str:
    return mistyped(repeated(name, rng), rng)


def reordered(name: str, _: random.Random) -> str:
    first, dash, rest = name.partition("-")
    return rest + dash + first if rest else ""


def affixed(before: str, after: str) -> Form:
    return lambda name, _: before + name + after


def bare(name: str, _: random.Random) -> str:
    return name.partition("/")[2]


def dashed(name: str, _: random.Random) -> str:
    return name[1:].replace("/", "-")


def scope_mistyped(name: str, rng: random.Random) -> str:
    return f"@{mistyped(parse_scope(name), rng)}/{bare(name, rng)}"


#: Ways to change a name, and how long both names have to be (separators left out) for the likeness to say anything.
SLIPS: Final[dict[str, tuple[Form, int]]] = {
    "other separators": (separated, 4),
    "a look-alike character": (look_alike, 4),
    "a repeated character": (repeated, 5),
    "an omitted character": (omitted, 5),
    "swapped characters": (swapped, 5),
    "the key beside": (mistyped, 5),
    "a flipped bit": (bit_flipped, 5),
    "two slips": (slipped_twice, 10),
    "words in another order": (reordered, 4),
    "a digit behind": (affixed("", "2"), 5),
}
AFFIXES: Final[dict[EcosystemId, tuple[tuple[str, str], ...]]] = {
    PYPI: (("python-", ""), ("py", ""), ("", "-python"), ("", "-cli"), ("", "-py")),
    NPM: (("node-", ""), ("js-", ""), ("", "-js"), ("", ".js"), ("", "-cli"), ("", "js")),
}
SCOPES: Final[dict[str, tuple[Form, int]]] = {
    "the bare name": (bare, 8),
    "a dash for the slash": (dashed, 4),
    "the scope mistyped": (scope_mistyped, 5),
}


def forms(ecosystem: EcosystemId) -> dict[str, tuple[Form, int]]:
    """Return the ways to change a name without a scope."""
    affixes = {f"{before}…{after}": (affixed(before, after), 4) for before, after in AFFIXES[ecosystem]}
    made_up = {"a made-up scope": (affixed("@acme-made-up/", ""), 6)} if ecosystem == NPM else {}
    return {**SLIPS, **affixes, **made_up}


def sample(names: Iterable[str]) -> list[str]:
    return dice().sample([name for name in names if name], 200)


def caught(ecosystem: EcosystemId, names: Iterable[str], form: Form, shortest: int) -> Counter[str]:
    """Count what is said of the names that a form makes of these."""
    rng, counts = dice(), Counter[str]()
    for name in names:
        forged = Package(ecosystem=ecosystem, name=normalise_name(ecosystem, form(name, rng)))
        if forged.name in {"", normalise_name(ecosystem, name)} or is_listed(forged):
            continue
        short = min(len(strip_separators(name)), len(strip_separators(forged.name))) < shortest
        if short or (form is bare and (len(split_words(forged.name)) < 2 or parse_scope(name) == "types")):
            counts["say too little"] += 1
            continue
        like, standing = find_similar_name(forged), get_popularity(forged)
        counts["forged"] += 1
        counts["resemble"] += bool(like.name)
        counts["the very name"] += like.name == name
        counts["suspected"] += suspected(ecosystem, standing, like, PACKAGES.limits["obscure_downloads"].value - 1.0)
        counts["suspected by rank alone"] += suspected(ecosystem, standing, like)
    return counts


def in_words(counts: Counter[str]) -> str:
    forged = counts["forged"]
    shares = (f"{counts[what] / forged:.0%} {what}" for what in counts if what not in {"forged", "say too little"})
    return f"{forged} forged; {', '.join(shares)}; {counts['say too little']} say too little"


PLAIN: Final[list[Any]] = [(ecosystem, way) for ecosystem in ECOSYSTEMS for way in forms(ecosystem)]


@pytest.mark.parametrize(("ecosystem", "way"), PLAIN)
def test_a_forged_name_is_suspected(ecosystem: EcosystemId, way: str, tell: Tell) -> None:
    """Young, hardly used, and published by somebody else: the name decides."""
    names = sample(name for name in load_list(ecosystem).names[:COMPARED_NAMES] if not name.startswith("@"))
    counts = caught(ecosystem, names, *forms(ecosystem)[way])
    tell(f"{ecosystem}: {way}", in_words(counts))
    assert counts["forged"] > 50
    assert counts["suspected"] / counts["forged"] >= WANTED


@pytest.mark.parametrize("way", SCOPES)
def test_a_forged_scope_is_suspected(way: str, tell: Tell) -> None:
    names = sample(name for name in load_list(NPM).names[:COMPARED_NAMES] if name.startswith("@"))
    counts = caught(NPM, names, *SCOPES[way])
    tell(f"{NPM}: {way}", in_words(counts))
    assert counts["forged"] > 50
    assert counts["suspected"] / counts["forged"] >= WANTED
