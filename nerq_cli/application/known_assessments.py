"""Assessments of pinned versions that the projects of one run share: each version is assessed once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec
from msgspec.structs import replace

from nerq_cli.report.model import Assessment, SourceStatus

if TYPE_CHECKING:
    from nerq_cli.application.assess import ScanOptions
    from nerq_cli.inventory import Dependency, Package
    from nerq_cli.resolve.resolver import Declarations

#: Most assessments that are kept: each takes about 3 KB.
MAX_KEPT: Final = 60_000
#: Signature of the options, package, version, and the requirement where the proposed version depends on it.
_Key: TypeAlias = "tuple[bytes, Package, str, str | None]"
#: Options that an assessment of a pinned version depends on. Projects whose options also look at places or groups, or
#: that waive findings, share none.
_OPTIONS: Final = (
    *("threshold", "python", "policy", "find_upgrades", "score_latest", "keep_provenance", "keeps_facts"),
    "checks_fixes",
)


def encode_other(value: object) -> object:
    """Return what msgspec cannot encode as something that it can: views of dictionaries, paths."""
    return dict(value) if isinstance(value, Mapping) else repr(value)


#: Of sets and dictionaries in any order the same bytes.
ENCODER: Final = msgspec.msgpack.Encoder(order="deterministic", enc_hook=encode_other)


class KnownAssessments:
    """What is known of pinned versions, by the options of the project.

    A run keeps what it assessed only if every source answered. Where one did not, what a run lacks is its own.
    """

    def __init__(self) -> None:
        self._kept: dict[_Key, Assessment] = {}
        self._pending: dict[_Key, Assessment] = {}
        self._signature: tuple[ScanOptions, bytes] | None = None
        #: Whether the run since the last call of ``finish_run`` was given an assessment.
        self.is_used = False

    def split(
        self, packages: Sequence[Package], resolver: Declarations, options: ScanOptions
    ) -> tuple[list[Assessment], list[Package]]:
        """Return the assessments of the packages that are known as a whole, and the other packages."""
        signature = self._sign(options)
        if not signature or not self._kept:
            return [], list(packages)
        assessments: list[Assessment] = []
        others: list[Package] = []
        for package in packages:
            dependencies = resolver.resolve_pins(package)
            known = [self._find(signature, item) for item in dependencies or ()]
            if not known or None in known:
                others.append(package)
                continue
            self.is_used = True
            assessments += [
                replace(assessment, dependency=dependency)
                for dependency, assessment in zip(dependencies or (), known, strict=True)
                if assessment is not None
            ]
        return assessments, others

    def _find(self, signature: bytes, dependency: Dependency) -> Assessment | None:
        key = (signature, dependency.package, dependency.version or "", None)
        return self._kept.get(key) or self._kept.get((*key[:3], dependency.requirement))

    def add(self, assessments: Iterable[Assessment], resolver: Declarations, options: ScanOptions) -> None:
        """Add what a run assessed; it counts once the run is finished."""
        signature = self._sign(options)
        if not signature:
            return
        for assessment in assessments:
            if len(self._kept) + len(self._pending) >= MAX_KEPT:
                return
            dependency = assessment.dependency
            if assessment.score is None or dependency.skip_reason or dependency.resolution != "pinned":
                continue
            if self._find(signature, dependency) is not None:
                continue
            pins = resolver.resolve_pins(dependency.package)
            if pins is None or dependency not in pins:  # the registry spells the version in another way
                continue
            is_plain = assessment.state == "ok" and not assessment.fix and assessment.latest_upgrade is None
            key = (
                signature,
                dependency.package,
                dependency.version or "",
                None if is_plain else dependency.requirement,
            )
            self._pending[key] = assessment

    def finish_run(self, sources: Iterable[SourceStatus]) -> bool:
        """Keep what was added, if every source answered; return whether that is so."""
        is_whole = all(
            source.state in ("ok", "not offered", "not requested") and not source.note and not source.fallback
            for source in sources
        )
        if is_whole:
            self._kept.update(self._pending)
        self._pending = {}
        self.is_used = False
        return is_whole

    def _sign(self, options: ScanOptions) -> bytes:
        """Return what options with the same assessments have in common; empty if nothing may be shared."""
        if self._signature is not None and self._signature[0] is options:
            return self._signature[1]
        policy = options.policy
        is_own = options.waivers or options.age_rules or policy.subtrees or policy.group_thresholds or options.list_only
        content = [getattr(options, name) for name in _OPTIONS]
        signature = b"" if is_own else ENCODER.encode(content)
        self._signature = (options, signature)
        return signature
