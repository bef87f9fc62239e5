"""Rules about where packages come from and who publishes them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Final

from nerq_cli.policy.assessment import Assessment
from nerq_cli.policy.findings import Finding
from nerq_cli.policy.rules.rule import ForeignOrigin, PolicyRule, RuleInput, check_marks, find_cap_reason


def _find_foreign(rule_input: RuleInput) -> Iterator[Finding]:
    """Yield a finding for each package that may come from a place that only the project names."""
    for package, group in groupby(rule_input.foreign_origins, key=lambda origin: origin.package):
        origins = list(group)
        yield Finding(
            text=" and ".join(map(_describe_origin, origins)),
            purl=package.purl,
            name=package.name,
            locations=tuple(dict.fromkeys(location for origin in origins for location in origin.locations)),
        )


def _describe_origin(origin: ForeignOrigin) -> str:
    if ": " in origin.address or origin.address.startswith("replaced by"):
        return origin.address
    place = origin.named_at
    line = f":{place.line}" if place is not None and place.line else ""
    return f"may come from {origin.address}" + (f" ({place.path}{line})" if place is not None else "")


def _describe_lost_provenance(_assessment: Assessment) -> str:
    return "earlier versions were attested, this one is not"


def _describe_publisher(assessment: Assessment) -> str:
    signals = assessment.score.signals if assessment.score is not None else ()
    mismatch = next((signal.reason for signal in signals if signal.reason.startswith("attested by ")), "")
    return (
        find_cap_reason(assessment, "new-publisher")
        or mismatch
        or "published by another account or repository than before"
    )


FOREIGN_ORIGIN: Final = PolicyRule(
    id="foreign-origin",
    level="warn",
    summary="A package may come from a place that only the scanned project names.",
    explanation="An index, a registry, a repository or an archive that the project names may hold other code than the "
    "public package of that name, which is what was scored. A run with such a package is incomplete: it exits 3 with "
    "--strict. A place that your own configuration of pip, uv or npm names is none.",
    hint="if you trust the place, name it in your own configuration of pip, uv or npm",
    headings=(
        "package that may come from a place that only this project names",
        "packages that may come from places that only this project names",
    ),
    count_phrases=("package of foreign origin", "packages of foreign origin"),
    leaves_incomplete=True,
    is_grouped=True,
    check=_find_foreign,
)
PROVENANCE_LOST: Final = PolicyRule(
    id="provenance-lost",
    level="allow",
    summary="A version lacks the attestation that earlier ones had.",
    explanation="Earlier versions carry a provenance attestation of the registry, this one does not: it was built or "
    "uploaded in another way, as by someone who stole a token. The score has a cap of 60 for it while the version is "
    "under 14 days old; this rule has no such limit.",
    hint="find out how the version was published, or use one that is attested",
    headings=("version that lost its provenance", "versions that lost their provenance"),
    count_phrases=("version without its earlier provenance", "versions without their earlier provenance"),
    check=check_marks("provenance-lost", _describe_lost_provenance, "not known whether it is attested"),
)
PUBLISHER_CHANGED: Final = PolicyRule(
    id="publisher-changed",
    level="allow",
    summary="Another account or repository published the version than those before it, or than the package states.",
    explanation="npm: the version is the first one of its package by this account. PyPI: the repository that is "
    "attested differs from that of the version before. Versions of 30 days and more are not reported. A version that "
    "is attested by another repository than the package states is reported whatever its age.",
    hint="check that the handover is announced",
    headings=("version of a new publisher", "versions of new publishers"),
    count_phrases=("version of a new publisher", "versions of new publishers"),
    check=check_marks("publisher-changed", _describe_publisher, "not known who published it"),
)
