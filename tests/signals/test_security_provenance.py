"""S4 where the table of versions does not tell, but the manifest of the version does."""

from __future__ import annotations

import pytest

from nerq_cli.ecosystems import NPM
from nerq_cli.facts import ATTESTED, Absent, Evidence, Fact, Found, Metadata, PackageInfo, Unknown
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.signals.context import Context
from nerq_cli.signals.security import measure_provenance
from nerq_cli.signals.signal import Signal

NOW = 1_790_000_000  # 2026-09-21
MAY_2022 = 1_651_363_200
DOWN = Unknown("npm.example: connection refused", "npm")
TABLE = PackageInfo(name="demo", versions=("2.0.0", "1.0.0"), published=(NOW - 864_000, MAY_2022), flags=(0, ATTESTED))


def judged(*, attested: bool | None, project: Fact[PackageInfo] | None = None, version: str = "2.0.0") -> Signal:
    evidence = Evidence(
        package_info=Found(TABLE, "deps.dev", NOW) if project is None else project,
        metadata=Found(Metadata(version=version, attested=attested), "npm", NOW),
    )
    [signal] = measure_provenance(Context(PACKAGES, NPM, version, evidence, NOW), PACKAGES.signals["provenance"])
    assert isinstance(signal, Signal)
    return signal


def test_the_manifest_alone_tells_of_an_attestation() -> None:
    signal = judged(attested=True)
    assert (signal.value, signal.source) == (80, "npm")
    assert judged(attested=True, project=DOWN).value == 80


def test_without_the_earlier_versions_none_is_not_called_lost() -> None:
    signal = judged(attested=False)
    assert signal.value == 50
    assert "earlier versions were not read" in signal.reason
    assert judged(attested=False, project=DOWN).value == 50


def test_a_version_older_than_attestations_could_not_have_one() -> None:
    assert judged(attested=False, version="1.0.0").state == "not_applicable"


@pytest.mark.parametrize(
    ("project", "reason"),
    [
        (None, "the registry does not list attestations"),
        (DOWN, DOWN.reason),
        (Absent("npm", NOW, "no such package"), "no such package"),
    ],
)
def test_what_nobody_tells_is_unknown(project: Fact[PackageInfo] | None, reason: str) -> None:
    signal = judged(attested=None, project=project)
    assert (signal.state, signal.reason) == ("unknown", reason)


def test_the_table_of_versions_goes_before_the_manifest() -> None:
    stated = Found(PackageInfo("demo", ("2.0.0",), (NOW,), (ATTESTED,), has_attestation_data=True), "npm", NOW)
    assert judged(attested=False, project=stated).value == 80
    assert judged(attested=False, project=stated, version="9.9.9").value == 50
