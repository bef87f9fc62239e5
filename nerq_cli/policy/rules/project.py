"""Rules about what the project states: pins, lock files, scripts that may run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nerq_cli.ecosystems import GITHUB, get_ecosystem, is_hub
from nerq_cli.ecosystems.huggingface import DEFAULT_REVISION
from nerq_cli.policy.assessment import Assessment
from nerq_cli.policy.findings import Finding
from nerq_cli.policy.fix import describe_pin
from nerq_cli.policy.marks import read_mark
from nerq_cli.policy.rules.rule import PolicyRule, RuleInput, build_finding, build_undecided, list_judged
from nerq_cli.policy.settings import find_package_pattern

#: Caps of a repository of the Hub with which pinning its commit is good advice.
_CAPS_PINNING_ALLOWS: Final = frozenset({"no-licence", "remote-code"})


def _find_unpinned(rule_input: RuleInput) -> Iterator[Finding]:
    """Yield a finding for each dependency whose version no file fixes."""
    for assessment in list_judged(rule_input):
        dependency = assessment.dependency
        if dependency.resolution != "pinned":
            yield build_finding(assessment, _describe_unpinned(assessment))


def _describe_unpinned(assessment: Assessment) -> str:
    dependency, score = assessment.dependency, assessment.score
    if dependency.package.ecosystem == GITHUB:
        revision = dependency.requirement or "no revision, so that it is the default branch"
        is_advised = dependency.version and (score is None or {cap.id for cap in score.caps} <= {"no-licence"})
        advice = f"; pin it: {dependency.package.name}@{dependency.version}" if is_advised else ""
        return f"{revision}: its content may change at any time{advice}"
    if not is_hub(dependency.package.ecosystem):
        return f"{dependency.requirement or 'any version'}: no file fixes the version"
    revision = dependency.requirement or f"no revision, so that it is {DEFAULT_REVISION}"
    # The commit to pin would be the one that another cap is about: a file that is reported as unsafe, for example.
    is_advised = score is None or {cap.id for cap in score.caps} <= _CAPS_PINNING_ALLOWS
    advice = f"; {describe_pin(dependency.version, dependency.locations)}" if is_advised and dependency.version else ""
    return f"{revision}: its content may change at any time{advice}"


def _find_drift(rule_input: RuleInput) -> Iterator[Finding]:
    """Yield a finding for each declaration that its lock file does not satisfy, and for each manifest that changed."""
    for drift in (drift for file in rule_input.dependency_files for drift in file.drift):
        if drift.package is None:
            changed = f"the {drift.setting} have" if drift.setting else f"{drift.location.path} has"
            text = f"{changed} changed since {drift.lockfile} was written"
            yield Finding(text=text, locations=(drift.location,))
            continue
        lockfile_content = f"holds {', '.join(drift.locked_versions)}" if drift.locked_versions else "does not have it"
        if drift.locked_requirement:
            lockfile_content += f" for {drift.locked_requirement}"
        yield Finding(
            text=f"{drift.requirement or 'any version'} is required, but {drift.lockfile} {lockfile_content}",
            purl=drift.package.purl,
            name=drift.package.name,
            locations=(drift.location,),
        )


def _find_scripts(rule_input: RuleInput) -> Iterator[Finding]:
    """Yield a finding for each version that runs code when it is installed, and that no list decides about."""
    decided = {entry for file in rule_input.dependency_files for entry in file.decided_scripts}
    for assessment in list_judged(rule_input):
        mark = read_mark(assessment.marks, INSTALL_SCRIPT.id)
        if mark is False or _is_decided(assessment, decided, rule_input):
            continue
        if mark:
            yield build_finding(assessment, _describe_script(assessment))
        else:
            yield build_undecided(assessment, "not known whether it runs code when it is installed")


def _is_decided(assessment: Assessment, decided: set[str], rule_input: RuleInput) -> bool:
    """Whether the project decides about the scripts of a version: allows them, or keeps them from running."""
    dependency = assessment.dependency
    package = dependency.package
    if package.ecosystem == "npm" and decided & {package.name, f"{package.name}@{dependency.version}"}:
        return True
    return bool(find_package_pattern(rule_input.settings.allowed_scripts, package))


def _describe_script(assessment: Assessment) -> str:
    if get_ecosystem(assessment.dependency.package.ecosystem).install_code == "build":
        return "source archive only: its build code runs at installation"
    hooks = assessment.metadata.value.hooks if assessment.metadata is not None else None
    return f"runs a script at installation ({', '.join(hooks or ('install',))})"


UNPINNED: Final = PolicyRule(
    id="unpinned",
    level="allow",
    summary="No file fixes the version of a dependency.",
    explanation="Neither an exact requirement nor a lock file decides which version is installed: two installations "
    "may differ, and a version that was published a minute ago may be taken. What was scored is the version that would "
    "be installed today. A repository of the Hugging Face Hub or on GitHub is fixed by a commit alone: "
    "branches and tags move.",
    hint="pin it, or write a lock file",
    headings=("dependency without a fixed version", "dependencies without fixed versions"),
    count_phrases=("unpinned dependency", "unpinned dependencies"),
    check=_find_unpinned,
)
LOCK_DRIFT: Final = PolicyRule(
    id="lock-drift",
    level="warn",
    summary="A lock file does not fit what the project declares.",
    explanation="The manifest has changed since the lock file was written, so that an installation may take other "
    "versions than those that were scored. A run with such a file is incomplete: it exits 3 with --strict.",
    hint="write the lock file anew",
    headings=(
        "dependency that does not fit its lock file: the installed version is open",
        "dependencies that do not fit their lock files: the installed versions are open",
    ),
    count_phrases=("dependency that does not fit its lock file", "dependencies that do not fit their lock files"),
    leaves_incomplete=True,
    check=_find_drift,
)
INSTALL_SCRIPT: Final = PolicyRule(
    id="install-script",
    level="allow",
    summary="A version runs code when it is installed.",
    explanation="npm runs the scripts preinstall, install and postinstall of a package, and builds native code; pip "
    "runs the build of a source archive. What the project has decided about is believed: allowScripts in package.json "
    "(npm), allowBuilds and onlyBuiltDependencies (pnpm), and the list allow of this rule.",
    hint="review the script, then list the package in allowScripts of package.json, or under allow of this rule",
    headings=("dependency that runs code at installation", "dependencies that run code at installation"),
    count_phrases=("dependency that runs code at installation", "dependencies that run code at installation"),
    check=_find_scripts,
)
