"""Facts as answers that can be stored and sent: those of recordings, and those that a service gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast, get_args, get_type_hints

import msgspec

from nerq_cli.application.recording_file import Answer, State, compute_sha256
from nerq_cli.decoders import build_json_decoder
from nerq_cli.facts import Absent, Advisory, Evidence, Fact, Found, LowerBound, Merged, PackageInfo, Unknown
from nerq_cli.github_facts import GithubEvidence
from nerq_cli.hub_facts import HubEvidence
from nerq_cli.inventory import Package, Release

if TYPE_CHECKING:
    from nerq_cli.evidence.registry_lookup import PackageFacts
    from nerq_cli.sources.deps_dev import DependencyTree

# What asks: `Answer.call`.
PACKAGES: Final = "packages"
RECORDS: Final = "records"
RELEASES: Final = "releases"
ADVISORIES: Final = "advisories"
LOCAL: Final = "local"
REPOSITORIES: Final = "repositories"
GITHUB: Final = "github"
DEPENDENCIES: Final = "dependencies"
#: Field of the answer about what a registry publishes about a package.
PACKAGE_INFO: Final = "package_info"
#: Version of the answers about a package.
NO_VERSION: Final = ""

#: The fields of evidence, and what stands in those that were not looked up.
DEFAULTS: Final[Mapping[str, Fact[Any]]] = {
    name: cast("Fact[Any]", getattr(Evidence(), name)) for name in Evidence.__struct_fields__
}
#: The facts of the evidence about a repository, and the begin of the names of those about others that it depends on.
HUB_FIELDS: Final = ("repository", "card", "owner")
HUB_TABLES: Final = ("bases", "used")
#: The facts of the evidence about a repository on GitHub.
GITHUB_FIELDS: Final = tuple(name for name in GithubEvidence.__struct_fields__ if name != "reference")
#: Digits of a SHA-256.
_DIGEST_LENGTH: Final = 64


class FactWriter:
    """Turns facts into answers, and values that several answers share."""

    def __init__(self, digest_length: int = _DIGEST_LENGTH) -> None:
        """Begin without answers. Values are known by this many digits of their SHA-256."""
        self._digest_length = digest_length
        self._answers: dict[tuple[str, str, str, str, str], Answer] = {}
        #: JSON by its digest.
        self.values: dict[str, bytes] = {}

    def __len__(self) -> int:
        """Return the number of answers."""
        return len(self._answers)

    @property
    def answers(self) -> list[Answer]:
        """All answers, in an order that follows from what they are about."""
        return sorted(self._answers.values(), key=_get_key)

    def keep(self, call: str, package: Package, version: str, field: str, fact: Fact[Any]) -> None:
        """Keep a fact."""
        digest = ""
        if isinstance(fact, Found):
            content = msgspec.json.encode(fact.value)
            digest = compute_sha256(content)[: self._digest_length]
            self.values[digest] = content
        key = (call, package.ecosystem, package.name, version, field)
        self._answers[key] = _describe_fact(key, fact, digest)

    def keep_packages(self, package_facts: PackageFacts) -> None:
        """Keep what registries publish about packages."""
        for package, fact in package_facts.package_info.items():
            self.keep(PACKAGES, package, NO_VERSION, PACKAGE_INFO, fact)

    def keep_records(self, facts: Mapping[Package, Found[tuple[Advisory, ...]]]) -> None:
        """Keep the advisory records of packages."""
        for package, fact in facts.items():
            self.keep(RECORDS, package, NO_VERSION, RECORDS, fact)

    def keep_evidence(self, call: str, evidence: Mapping[Release, Evidence]) -> None:
        """Keep the evidence about releases; of one about which nothing is known, that it was looked up."""
        for release, facts in evidence.items():
            kept_count = len(self)
            for field, default in DEFAULTS.items():
                fact = getattr(facts, field)
                if fact != default:
                    self.keep(call, release.package, release.version, field, fact)
            if len(self) == kept_count:
                self.keep(call, release.package, release.version, "advisories", facts.advisories)

    def keep_dependencies(self, facts: Mapping[Release, Fact[DependencyTree]]) -> None:
        """Keep the dependencies of releases."""
        for release, fact in facts.items():
            self.keep(DEPENDENCIES, release.package, release.version, DEPENDENCIES, fact)


class FactReader:
    """Finds facts in answers.

    Raises:
        ValueError: an answer has a field that there is not, or no value of its type.
        KeyError: the value of an answer is missing.
    """

    def __init__(self, answers: Iterable[Answer], values: Mapping[str, bytes]) -> None:
        self._facts: dict[tuple[str, str, str, str], dict[str, Fact[Any]]] = {}
        decoded: dict[tuple[str, Callable[[bytes], Any]], Any] = {}
        for answer in answers:
            key = (answer.call, answer.ecosystem, answer.name, answer.version)
            self._facts.setdefault(key, {})[answer.field] = _build_fact(answer, values, decoded)

    @property
    def facts(self) -> Iterator[Fact[Any]]:
        """All facts."""
        return (fact for facts in self._facts.values() for fact in facts.values())

    def find(self, call: str, package: Package, version: str = NO_VERSION) -> Mapping[str, Fact[Any]]:
        """Return the facts about a package or a version of it, by field."""
        return self._facts.get((call, package.ecosystem, package.name, version), {})

    def find_evidence(self, call: str, releases: Iterable[Release]) -> dict[Release, Evidence]:
        """Return the evidence about those releases of which there are answers."""
        found = ((release, self.find(call, release.package, release.version)) for release in releases)
        return {release: Evidence(**facts) for release, facts in found if facts}


def _get_key(answer: Answer) -> tuple[str, ...]:
    return answer.ecosystem, answer.name, answer.version, answer.call, answer.field


def _describe_fact(key: tuple[str, str, str, str, str], fact: Fact[Any], digest: str) -> Answer:
    call, ecosystem, name, version, field = key
    return Answer(
        call=call,
        ecosystem=ecosystem,
        name=name,
        version=version,
        field=field,
        state=_get_state(fact),
        source=fact.source,
        retrieved_at=0 if isinstance(fact, Unknown) else fact.retrieved_at,
        reason=fact.reason if isinstance(fact, (Unknown, Absent, LowerBound)) else "",
        token=fact.token if isinstance(fact, Unknown) else "",
        unevaluable=fact.unevaluable if isinstance(fact, Unknown) else (),
        origins=fact.origins if isinstance(fact, Merged) else None,
        sha256=digest,
    )


def _get_state(fact: Fact[Any]) -> State:
    if isinstance(fact, Unknown):
        return "unknown"
    if isinstance(fact, Absent):
        return "absent"
    return "lower-bound" if isinstance(fact, LowerBound) else "found"


def _build_fact(
    answer: Answer, values: Mapping[str, bytes], decoded: dict[tuple[str, Callable[[bytes], Any]], Any]
) -> Fact[Any]:
    """Return the fact of an answer. Values that were decoded before are shared."""
    decode = _get_decode(answer.call, answer.field)
    if answer.state == "unknown":
        return Unknown(answer.reason, answer.source, answer.token, answer.unevaluable)
    if answer.state == "absent":
        return Absent(answer.source, answer.retrieved_at, answer.reason)
    key = (answer.sha256, decode)
    if key not in decoded:
        decoded[key] = decode(values[answer.sha256])
    value = decoded[key]
    if answer.state == "lower-bound":
        return LowerBound(value, answer.source, answer.retrieved_at, answer.reason)
    if answer.origins is not None:
        return Merged(value, answer.source, answer.retrieved_at, answer.origins)
    return Found(value, answer.source, answer.retrieved_at)


@lru_cache(maxsize=256)
def _get_decode(call: str, field: str) -> Callable[[bytes], Any]:
    """Return the decoder of the values of a field of the answers to a call.

    Raises:
        ValueError: there is no such field.
    """
    if call == RECORDS and field == RECORDS:
        return build_json_decoder(tuple[Advisory, ...]).decode
    if call == DEPENDENCIES and field == DEPENDENCIES:
        from nerq_cli.sources.deps_dev import DependencyTree

        return build_json_decoder(DependencyTree).decode
    if call == REPOSITORIES:
        if field not in HUB_FIELDS and field.partition(":")[0] not in HUB_TABLES:
            message = f"evidence about repositories has no field {field}"
            raise ValueError(message)
        found, *_ = get_args(get_type_hints(HubEvidence)[field if field in HUB_FIELDS else "repository"])
        return build_json_decoder(cast("type[Any]", get_args(found)[0])).decode
    if call == GITHUB:
        if field not in GITHUB_FIELDS:
            message = f"evidence about repositories has no field {field}"
            raise ValueError(message)
        found, *_ = get_args(get_type_hints(GithubEvidence)[field])
        return build_json_decoder(cast("type[Any]", get_args(found)[0])).decode
    if field not in DEFAULTS:
        message = f"evidence has no field {field}"
        raise ValueError(message)
    found, *_ = get_args(get_type_hints(Evidence)[field])
    [type_] = get_args(found) or (PackageInfo,)
    return build_json_decoder(cast("type[Any]", type_)).decode
