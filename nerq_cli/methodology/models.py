"""The methodology for repositories of the Hugging Face Hub: every number behind the score of a model.

Datasets, Spaces and kernels are scored by the same table; signals that cannot apply to them are left out.
`docs/decisions/` has the reasons.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.methodology.types import CapSpec, Curve, Limit, Methodology, SignalSpec

_SIGNALS: Final[Mapping[str, SignalSpec]] = MappingProxyType(
    {
        spec.id: spec
        for spec in (
            # --- security
            SignalSpec(
                id="file_scan",
                label="H1",
                dimension="security",
                weight=40,
                name="file scan",
                description="the worst result of the Hub's scanners for a file of this commit; a level that is not "
                "listed here counts as suspicious, and leaves the score provisional. Datasets, Spaces and kernels: for "
                "the files that may hold code",
                levels={
                    "clean": 100,
                    "caution": 60,
                    "suspicious": 40,
                    "unlisted": 40,
                    "unsafe, not loaded": 25,
                    "unsafe": 0,
                    "virus": 0,
                },
                reference="levels of the Hub; scanners miss and over-report (arXiv 2508.15987), so it is no gate alone",
                unknown_when="the scans are not done, or not in the answer (the score is provisional)",
                not_applicable_when="a dataset, Space or kernel without a file that may hold code",
            ),
            SignalSpec(
                id="weight_format",
                label="H2",
                dimension="security",
                weight=30,
                name="weight format",
                description="format of the files that loaders choose: some can run code while they are loaded",
                levels={"safetensors": 100, "gguf": 95, "exported": 85, "twins": 80, "keras": 50, "pickle": 30},
                reference="44.9 % of popular models hold pickle files (arXiv 2508.15987)",
                unknown_when="files not listed",
                not_applicable_when="no files with weights or data; Spaces and kernels",
            ),
            SignalSpec(
                id="remote_code",
                label="H3",
                dimension="security",
                weight=20,
                name="remote code",
                description="whether loading can run code of the repository: auto_map, the tag custom_code, Python "
                "files, loading scripts of datasets; kernels are code. Programs and shell scripts in a model or "
                "dataset count less",
                levels={"none": 100, "present": 40, "programs": 20},
                reference="study of trust_remote_code (arXiv 2601.14163)",
                unknown_when="neither the configuration nor all files were read",
                not_applicable_when="Spaces: their code runs on the Hub",
            ),
            SignalSpec(
                id="pinning",
                label="H4",
                dimension="security",
                weight=10,
                name="pinning",
                description="what the scanned project refers to: a commit, a branch or tag, or no revision (main) and "
                "a range of versions of a kernel",
                levels={"commit": 100, "branch or tag": 60, "none": 40},
                reference="Scorecard Pinned-Dependencies",
                not_applicable_when="no project refers to it",
            ),
            # --- maintenance
            SignalSpec(
                id="age",
                label="H5",
                dimension="maintenance",
                weight=60,
                name="age",
                description="days since the repository was created; at most a level where its last change is old",
                curves={"days": Curve(((0, 20), (7, 50), (30, 80), (90, 100)))},
                levels={"changed over 2 years ago": 75, "changed over 4 years ago": 55},
                reference="Woodruff 2025 (attacks last days); Scorecard 90 days. A model is finished by nature",
                unknown_when="no date of creation",
            ),
            SignalSpec(
                id="status",
                label="H6",
                dimension="maintenance",
                weight=40,
                name="status",
                description="whether its author names a successor; for Spaces, whether it runs",
                levels={"normal": 100, "superseded": 60, "stopped": 60, "failed": 30},
                reference="Miller 2025 (explicit notices)",
                unknown_when="header of the card, or stage of the Space, not read; a stage that is not known",
            ),
            # --- documentation
            SignalSpec(
                id="card",
                label="H7",
                dimension="documentation",
                weight=60,
                name="card",
                description="text of the card, and the share of the topics of its kind that it treats: summary, "
                "intended use, limits or bias, training data, training method, evaluation, how to use, contact or "
                "citation. Datasets: without evaluation; Spaces and kernels: without data, training and evaluation. A "
                "card that asks readers to run a download counts nothing",
                curves={"characters": Curve(((0, 10), (400, 60), (1500, 85), (3000, 100)))},
                levels={"length": 0.4, "topics": 0.6, "no card": 5, "dangerous command": 0},
                reference="study of 32,111 cards (arXiv 2402.05160); the Hub's template; a copy of a model of May 2026 "
                "whose card led to malware",
                unknown_when="card not read",
            ),
            SignalSpec(
                id="evaluation",
                label="H8",
                dimension="documentation",
                weight=40,
                name="evaluation",
                description="results (in the header, or a section with numbers), else named metrics; a section about "
                "limits",
                levels={"results": 60, "metrics": 30, "limits": 40},
                reference="the least filled sections of the same study",
                unknown_when="card not read",
                not_applicable_when="datasets, Spaces and kernels",
            ),
            # --- compliance
            SignalSpec(
                id="licence",
                label="H9",
                dimension="compliance",
                weight=60,
                name="licence",
                description="category of the declared licence; of several, the strictest",
                levels={
                    "permissive": 100,
                    "copyleft": 80,
                    "use-restricted": 60,
                    "family": 60,
                    "non-commercial": 40,
                    "other": 40,
                    "other without text": 25,
                    "none": 10,
                },
                reference="the Hub's list of licences; scale of the licence of packages",
                unknown_when="header of the card not read",
            ),
            SignalSpec(
                id="lineage",
                label="H10",
                dimension="compliance",
                weight=40,
                name="lineage",
                description="base model declared, or itself one; training datasets declared. Datasets: sources "
                "declared. Spaces: models declared. At most a level where its licence is looser than that of its base",
                levels={"base": 50, "datasets": 50, "none": 0, "looser licence": 20},
                reference="the Hub's specification of cards",
                unknown_when="header of the card or a base model not read",
                not_applicable_when="kernels",
            ),
            # --- community
            SignalSpec(
                id="publisher",
                label="H11",
                dimension="community",
                weight=50,
                name="publisher",
                description="who publishes: a verified organisation, another one, a person with 10 or more models; at "
                "most a level where the name may be mistaken for that of a well-known organisation",
                levels={
                    "verified organisation": 100,
                    "organisation": 80,
                    "established person": 65,
                    "person": 50,
                    "look-alike": 15,
                },
                reference="Socket alerts for unknown authors; Valiev 2018",
                unknown_when="overview of the owner not read",
            ),
            SignalSpec(
                id="adoption",
                label="H12",
                dimension="community",
                weight=50,
                name="adoption",
                description="0.7 x downloads in 30 days + 0.3 x likes (Spaces: likes alone)",
                levels={
                    "downloads": 0.7,
                    "likes": 0.3,
                    "least": 25,
                    "per tenfold downloads": 15,
                    "per tenfold likes": 33,
                    "young limit": 50,
                },
                reference="log10 as in SourceRank; every request counts as a download, so the weight is low",
                unknown_when="downloads or likes not in the answer",
            ),
        )
    }
)

_CAPS: Final[Mapping[str, CapSpec]] = MappingProxyType(
    {
        cap.id: cap
        for cap in (
            CapSpec(id="virus", limit=0, condition="a scanner of the Hub found a virus", signal="file_scan"),
            CapSpec(
                id="unsafe",
                limit=10,
                condition="a file is reported as unsafe, and no safe format takes its place",
                signal="file_scan",
            ),
            CapSpec(
                id="young-pickle",
                limit=40,
                condition="pickle files only, under 30 days old, by an author without another model",
                signal="weight_format",
            ),
            CapSpec(
                id="name-clone",
                limit=40,
                condition="named like a well-known repository or organisation of somebody else, without a base model",
                signal="publisher",
            ),
            CapSpec(
                id="unsafe-twin",
                limit=60,
                condition="a file is reported as unsafe that loaders do not choose",
                signal="file_scan",
            ),
            CapSpec(
                id="remote-code",
                limit=60,
                condition="the project lets code of the repository run, and does not pin its commit",
                signal="remote_code",
            ),
            CapSpec(
                id="unsafe-part",
                limit=60,
                condition="it loads another model (base of an adapter, model of a Space) that is reported as unsafe",
                signal="file_scan",
            ),
            CapSpec(
                id="pickle-loader",
                limit=69,
                condition="loaders choose a pickle file, and the project pins a torch that can run code in it (< 2.6)",
                signal="weight_format",
            ),
            CapSpec(id="no-licence", limit=74, condition="no licence is declared", signal="licence"),
        )
    }
)

_LIMITS: Final[Mapping[str, Limit]] = MappingProxyType(
    {
        limit.id: limit
        for limit in (
            Limit("young_days", 30, "days", "a repository is young for this long"),
            Limit("look_alike_days", 365, "days", "a name like a well-known one caps a repository for this long"),
            Limit("quiet_days", 2 * 365.25, "days", "after this time without a change age counts less"),
            Limit("very_quiet_days", 4 * 365.25, "days", "after this time without a change age counts least"),
            Limit("established_models", 10, "models", "from this number a person is an established publisher"),
            Limit("topic_words", 8, "words", "a section treats its topic from this length, a list or a table on"),
        )
    }
)

MODELS: Final = Methodology(
    version="1.0",
    target="models",
    dimensions=MappingProxyType(
        {"security": 40.0, "maintenance": 15.0, "documentation": 20.0, "compliance": 15.0, "community": 10.0}
    ),
    signals=_SIGNALS,
    caps=_CAPS,
    limits=_LIMITS,
    grades=PACKAGES.grades,
    coverage_labels=PACKAGES.coverage_labels,
    threshold=PACKAGES.threshold,
    dimension_floor=PACKAGES.dimension_floor,
    coverage_floor=PACKAGES.coverage_floor,
    low_coverage=PACKAGES.low_coverage,
    # Several ordinary levels lie below the 30 of packages: only 0 makes sure that no fact that is lost lets one pass.
    range_low=0.0,
    range_high=PACKAGES.range_high,
    verified_days=90,
    required_signal="file_scan",
)
