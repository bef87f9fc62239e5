"""The version or the action that fixes a dependency."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from nerq_cli.ecosystems import EcosystemId, get_ecosystem
from nerq_cli.facts import AffectingAdvisory, PackageInfo
from nerq_cli.inventory import Dependency, Location
from nerq_cli.scoring.score import Score


def suggest_fix(
    dependency: Dependency,
    score: Score | None,
    package_info: PackageInfo | None,
    advisories: Iterable[AffectingAdvisory],
) -> str:
    """Return the version that fixes the advisories, a newer version, or an action; empty if the evidence has none."""
    if score is None or dependency.version is None:
        return ""
    fixing = find_fixing_version(dependency.package.ecosystem, dependency.version, advisories)
    if fixing:
        return fixing
    cap_ids = {cap.id for cap in score.caps}
    latest = package_info.newest_stable if package_info is not None else ""
    if latest and latest != dependency.version and cap_ids & {"yanked", "python-eol"}:
        return latest
    if "fresh" in cap_ids:
        return "wait a few days"
    return ""


def find_newer_fixes(ecosystem_id: EcosystemId, version: str, advisory: AffectingAdvisory) -> tuple[str, ...]:
    """Return the smallest version above this one that fixes an advisory, and the newest; one if they are the same.

    The smallest is on the branch in use if that branch has a fix. Empty if no newer version fixes it.
    """
    ecosystem = get_ecosystem(ecosystem_id)
    newer_fixes = [fix for fix in advisory.fixed_in if not ecosystem.is_at_least(version, fix)]
    if len(newer_fixes) <= 1:
        return tuple(newer_fixes)
    newer_fixes = ecosystem.sort_newest_first(newer_fixes)
    newest, smallest = newer_fixes[0], newer_fixes[-1]
    return (smallest,) if ecosystem.is_same_version(smallest, newest) else (smallest, newest)


def find_fixing_version(ecosystem_id: EcosystemId, version: str, advisories: Iterable[AffectingAdvisory]) -> str:
    """Return the smallest version that fixes every advisory that has a fix, or an empty string.

    For each advisory that is the smallest fixed version above the one in use; the largest of those fixes them all.
    """
    required_fixes = [
        fixes[0] for advisory in advisories if (fixes := find_newer_fixes(ecosystem_id, version, advisory))
    ]
    return get_ecosystem(ecosystem_id).sort_newest_first(required_fixes)[0] if required_fixes else ""


# --- repositories of the Hub

_PYTHON_SUFFIXES: Final = (".py", ".pyw", ".pyi", ".ipynb")
_JAVASCRIPT_SUFFIXES: Final = (
    ".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx", ".vue", ".svelte", ".astro", ".html", ".htm",
)  # fmt: skip
_COMMAND_SUFFIXES: Final = (
    ".sh", ".bash", ".zsh", ".ksh", ".slurm", ".sbatch", ".bat", ".cmd", ".ps1", ".psm1", ".env", ".dockerfile",
)  # fmt: skip
#: Names of files of commands and containers, and what such names begin with.
_COMMAND_NAMES: Final = ("procfile", "makefile", "justfile", "dockerfile", "containerfile", ".env")
_COMMAND_STARTS: Final = ("dockerfile.", "containerfile.", "docker-compose", "compose.", ".env.")
_WORKFLOWS: Final = "/.github/workflows/"


def describe_pin(commit: str, locations: Sequence[Location]) -> str:
    """Return what to write to pin a repository of the Hub to a commit, as the first file that refers to it has it."""
    path = f"/{locations[0].path}".lower() if locations else ""
    name = path.rpartition("/")[2]
    if name.endswith(_PYTHON_SUFFIXES):
        return f'pin it: revision="{commit}"'
    if name.endswith(_JAVASCRIPT_SUFFIXES):
        return f'pin it: revision: "{commit}"'
    if name.endswith(_COMMAND_SUFFIXES) or name in _COMMAND_NAMES or name.startswith(_COMMAND_STARTS):
        return f"pin it: --revision {commit}"
    if _WORKFLOWS in path:
        return f"pin it: --revision {commit}"
    return f"pin it: revision {commit}"
