"""What the settings of a project accept more than those of an earlier state did."""

from __future__ import annotations

from pathlib import Path

import pytest

from nerq_cli.config import Config, read_config_file
from nerq_cli.config.weaker import find_weaker


def read(folder: Path, text: str) -> Config:
    file = folder / "nerq.toml"
    file.write_text(text)
    return read_config_file(file)


CASES = [
    ("threshold = 80", "threshold = 60", "threshold 80 → 60"),
    ("", "threshold = 60", "threshold 70 → 60"),
    ("threshold = 80", "", "threshold 80 → 70"),
    ("strict = true", "", "strict true → not set"),
    ("", "strict = false", "strict not set → false"),
    ("", "no-dev = true", "no-dev false → true"),
    ("", 'baseline = "b.json"', "baseline not set → b.json"),
    ("", 'service = "https://a.example"', "service not set → https://a.example"),
    ('exclude = ["a/"]', 'exclude = ["a/", "b/"]', "exclude + b/"),
    ("", 'private = ["acme-*"]', "private + acme-*"),
    ("", 'groups = ["main"]', "groups all → main"),
    ("", "report-only = true", "report-only false → true"),
    ('[rules]\nlicence = "deny"', "", "rules.licence deny → allow"),
    ("", '[rules]\nmalicious = "warn"', "rules.malicious deny → warn"),
    ("", '[rules.vulnerability]\nhigh = "warn"', "rules.vulnerability.high deny → warn"),
    ("", '[rules.vulnerability]\nkev = "warn"', "rules.vulnerability.kev deny → warn"),
    ("", '[rules.vulnerability]\nonly-fixable = ["medium", "low", "high"]', "only-fixable + high"),
    ("[rules.vulnerability]\nepss = 0.5", "", "rules.vulnerability.epss 0.5 → not set"),
    ("[rules.vulnerability]\nepss = 0.5", "[rules.vulnerability]\nepss = 0.9", "epss 0.5 → 0.9"),
    ('[rules.too-new]\nmin-age = "14d"', '[rules.too-new]\nmin-age = "7d"', "rules.too-new.min-age 14d → 7d"),
    ('[rules.licence]\nallow = ["MIT"]', '[rules.licence]\nallow = ["MIT", "ISC"]', "rules.licence.allow + ISC"),
    ('[rules.licence]\ndeny = ["AGPL-3.0-only"]', '[rules.licence]\ndeny = ["ISC"]', "licence.deny - AGPL-3.0-only"),
    (
        '[rules.install-script]\nallow = ["a"]',
        '[rules.install-script]\nallow = ["a", "b"]',
        "rules.install-script.allow + b",
    ),
    ("", '[[waivers]]\npackage = "a"\nrule = "yanked"\nreason = "r"\nuntil = 2026-12-01', "waivers + "),
    ("", "[thresholds.groups]\ndev = 50", "thresholds.groups.dev 70 → 50"),
    ("[thresholds.packages]\na = 90", "", "thresholds.packages.a 90 → 70"),
    ("[thresholds.dimensions]\nsecurity = 80", "", "thresholds.dimensions.security 80 → 0"),
]


@pytest.mark.parametrize(("old", "new", "words"), CASES)
def test_each_setting_that_accepts_more_is_named_and_the_reverse_is_not(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    before, after = read(tmp_path, old), read(tmp_path, new)
    [weaker] = find_weaker(before, after)
    assert words in weaker
    assert list(find_weaker(before, before)) == []
    if "licence.deny" not in words:  # that one gives up one licence for another
        assert list(find_weaker(after, before)) == []
