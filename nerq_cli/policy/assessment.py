"""One dependency with all that a run knows about it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from nerq_cli.decoders import build_msgpack_decoder_late
from nerq_cli.facts import AffectingAdvisory, Fact, Found, Merged, Metadata, Origin
from nerq_cli.inventory import Dependency
from nerq_cli.policy import State
from nerq_cli.policy.age import Availability
from nerq_cli.policy.reviews import ReviewResult
from nerq_cli.policy.upgrade import Upgrade
from nerq_cli.scoring.score import Score

if TYPE_CHECKING:
    from nerq_cli.github_facts import GithubEvidence
    from nerq_cli.hub_facts import HubEvidence
    from nerq_cli.insight.provenance import ProvenanceFacts
    from nerq_cli.insight.watch import WatchedFacts

#: End of the reason that names records which exist and cannot be evaluated.
UNEVALUABLE: Final = "cannot be compared with this version"


class WithoutWaived(msgspec.Struct, frozen=True, kw_only=True):
    """The score of a version without the advisories that waivers name."""

    #: 0 to 100; None if it could not be scored.
    value: float | None
    #: Number of these advisories.
    advisories: int
    #: Their ids and aliases.
    ids: tuple[str, ...]
    #: Whether the state would be ``ok``.
    passes: bool


class Assessment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One dependency with its score and state."""

    dependency: Dependency
    #: None when the dependency is only listed.
    state: State | None
    #: None when it was not scored: listed only, skipped, or no version known.
    score: Score | None = None
    #: Sentences, worst first; not empty unless the state is ``ok``.
    reasons: tuple[str, ...] = ()
    #: A version to move to or an instruction; empty when none is known.
    fix: str = ""
    #: Whether age rules let tools install the version of ``fix`` today; None without such a version or such rules.
    availability: Availability | None = None
    #: Newest stable version; empty when not known.
    latest: str = ""
    #: When that was published (epoch seconds UTC; 0 = not known).
    latest_released_at: int = 0
    #: Number of stable releases after the version in use; None when not known.
    releases_behind: int | None = None
    #: When the version in use was published (epoch seconds UTC; 0 = not known).
    released_at: int = 0
    #: Advisories that affect the version in use.
    advisories: tuple[AffectingAdvisory, ...] = ()
    #: Whether the registry has the package; None when the registry did not answer.
    in_registry: bool | None = None
    #: Whether the registry has the package, and is known never to have had the version that is asked for.
    is_missing_version: bool = False
    #: For a dependency below the threshold: the version that passes, or else the one with the highest score.
    upgrade: Upgrade | None = None
    #: The version ``latest``, where it was scored.
    latest_upgrade: Upgrade | None = None
    #: What :func:`pack_metadata` returns; empty without metadata.
    packed_metadata: bytes = b""
    #: Lowest passing score of this dependency, 0 to 100; None if it is that of the run.
    threshold: float | None = None
    #: Ids of the advisories that newer versions fix, of which none can be installed. Without the list of versions it is
    #: not known of any.
    uninstallable_fixes: tuple[str, ...] = ()
    #: For a version below the threshold: the score without the advisories that waivers name; None if they name none.
    without_waived: WithoutWaived | None = None
    #: What the policy rules in force look at beside the score; None if there is no evidence. See ``policy.marks``.
    marks: int | None = None
    #: What the reviews of the version in use come to; None without any review of the package.
    review: ReviewResult | None = None
    #: What the provenance of the version is read from; None unless the options of the run keep it.
    provenance: ProvenanceFacts | None = None
    #: Of a repository of the Hugging Face Hub what is known of it; None of everything else.
    hub: HubEvidence | None = None
    #: The same of a source repository on GitHub.
    github: GithubEvidence | None = None
    #: What a later run compares with beside the score; None unless the run is to be compared.
    watched: WatchedFacts | None = None

    @property
    def metadata(self) -> Found[Metadata] | None:
        """Metadata of the version in use, each field with its source; None if no registry has any."""
        return _unpack_metadata(self.packed_metadata) if self.packed_metadata else None


def pack_metadata(fact: Fact[Metadata]) -> bytes:
    """Return metadata in a third of the memory; empty if none were found. Few reports show any."""
    if not isinstance(fact, Found):
        return b""
    origins = fact.origins if isinstance(fact, Merged) else {}
    return msgspec.msgpack.encode((fact.value, fact.source, fact.retrieved_at, origins))


_DECODER: Final = build_msgpack_decoder_late(tuple[Metadata, str, int, dict[str, Origin]])


# A report reads the metadata of one dependency several times before it turns to the next.
@lru_cache(maxsize=1)
def _unpack_metadata(content: bytes) -> Found[Metadata]:
    return Merged(*_DECODER.decode(content))
