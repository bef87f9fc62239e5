"""Collects the facts about source repositories on GitHub that are dependencies by themselves.

GitHub is asked first: only a repository that it shows to everyone is looked up elsewhere, because a name that is
missing there may be a private one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from msgspec.structs import replace

from nerq_cli.ecosystems import GITHUB, get_ecosystem
from nerq_cli.evidence import merge, repository_link
from nerq_cli.evidence.advisory_lookup import (
    add_exploitation,
    collect_cves,
    fetch_exploit_probabilities,
    fetch_exploited_cves,
)
from nerq_cli.evidence.service_lookup import MAX_ANONYMOUS, TOO_MANY_REPOSITORIES, ServiceLookup
from nerq_cli.facts import (
    NOT_REQUESTED,
    Absent,
    AffectingAdvisory,
    Fact,
    Found,
    Metadata,
    Repository,
    Scorecard,
    Unknown,
)
from nerq_cli.github_facts import (
    MAX_COMMITS,
    NO_REVISION,
    GithubEvidence,
    GithubFiles,
    GithubRevision,
    HostedRepository,
)
from nerq_cli.inventory import Package, Release, RepositoryId, find_repository
from nerq_cli.sources import deps_dev
from nerq_cli.sources.advisories import osv
from nerq_cli.sources.deps_dev import RepositoryInfo
from nerq_cli.sources.repositories import github, scorecard
from nerq_cli.sources.repositories.github_revisions import FILES, HEAD, REVISIONS
from nerq_cli.units import DAY, NO_LIMIT
from nerq_cli.vulnerabilities.matching import match_advisories, select_known_advisories

#: A repository and the revision of it that is used; empty stands for its default branch.
GithubTarget: TypeAlias = tuple[Package, str]

PRIVATE_NAME: Final = Unknown("the name was not sent: it is private")
#: GitHub gives the same answer about both.
MISSING: Final = Unknown("missing or private on GitHub", github.LABEL)
_MISSING_ANONYMOUS: Final = Unknown(
    f"missing or private on GitHub; a private one is read with a {github.TOKEN_VARIABLE} only", github.LABEL
)
_NOT_PUBLIC: Final = Unknown("not requested: GitHub does not show the repository to everyone")
_NO_COMMIT: Final = Unknown("the commit in use is not known")
_EMPTY: Final = "the repository has no commit"
#: Words of GitHub for a licence text that it does not recognise.
_NOT_RECOGNISED: Final = "NOASSERTION"
UNRECOGNISED_LICENCE: Final = "licence text that GitHub does not recognise"


class GithubLookup:
    """Access to GitHub, deps.dev, Scorecard and OSV for repositories in one run. For use by one thread."""

    def __init__(
        self, services: ServiceLookup, *, as_of: int, known_until: int = NO_LIMIT, is_private: Callable[[Package], bool]
    ) -> None:
        """Use ``is_private`` to decide which names are never sent. Moments are in epoch seconds UTC."""
        self._services = services
        self._run = services.run
        self._endpoints = services.endpoints
        self._as_of = as_of
        self._known_until = known_until
        # A GitHub that the user named for this tool may receive private names, as other services do.
        self._is_private = (lambda _: False) if "github" in services.endpoints.configured else is_private

    def collect(self, targets: Sequence[GithubTarget]) -> dict[GithubTarget, GithubEvidence]:
        """Return the evidence about each repository, in the order given.

        A repository that was renamed has its new name in the evidence.

        Raises:
            ConfigError: the proxy or the certificates that the environment names cannot be used.
        """
        targets = list(dict.fromkeys(targets))
        packages = [package for package in dict.fromkeys(package for package, _ in targets) if self._may_send(package)]
        hosted = self._fetch_hosted(packages, [target for target in targets if target[0] in packages])
        present = {package: _get_present_package(package, hosted[package]) for package in packages}
        public_ids = {
            package: RepositoryId(id=fact.value.name.lower(), spelling=fact.value.name)
            for package, fact in hosted.items()
            if isinstance(fact, Found) and self._is_shown(fact.value)
        }
        infos, scorecards = self._fetch_details([*public_ids.values()])
        readable = [target for target in targets if isinstance(hosted.get(target[0]), Found)]
        revisions = self._fetch_revisions(readable)
        commits = {
            target: Release(package=present[target[0]], version=fact.value.commit)
            for target in readable
            if isinstance(fact := revisions[target], Found)
        }
        files = self._run.fetch(FILES, [*dict.fromkeys(commits.values())], self._endpoints["github"]) if commits else {}
        public_commits = [commit for target, commit in commits.items() if target[0] in public_ids]
        advisories = self._fetch_advisories(list(dict.fromkeys(public_commits)))
        evidence: dict[GithubTarget, GithubEvidence] = {}
        for target in targets:
            package = target[0]
            if package not in hosted:
                evidence[target] = GithubEvidence(hosted=PRIVATE_NAME, repository=PRIVATE_NAME)
                continue
            public_id, commit = public_ids.get(package), commits.get(target)
            info = _NOT_PUBLIC if public_id is None else infos[public_id]
            found_files = files[commit] if commit is not None else _NO_COMMIT
            evidence[target] = GithubEvidence(
                hosted=hosted[package],
                repository=self._build_repository(
                    package, hosted[package], info, revisions.get((package, ""), NOT_REQUESTED)
                ),
                revision=revisions.get(target, NOT_REQUESTED),
                files=found_files,
                scorecard=_NOT_PUBLIC if public_id is None else scorecards[public_id],
                metadata=_read_licence(hosted[package], found_files, commit.version if commit is not None else ""),
                advisories=_NO_COMMIT if commit is None else advisories.get(commit, _NOT_PUBLIC),
            )
        return evidence

    def _may_send(self, package: Package) -> bool:
        return not self._is_private(package) and not get_ecosystem(GITHUB).find_name_error(package.name)

    def _is_shown(self, hosted: HostedRepository) -> bool:
        """Return whether everyone may read a repository: what is read without a token is shown to everyone."""
        is_private = bool(self._endpoints["github"].identity) if hosted.private is None else hosted.private
        return not is_private and not hosted.taken_down

    def _fetch_hosted(
        self, packages: Sequence[Package], targets: Sequence[GithubTarget]
    ) -> dict[Package, Fact[HostedRepository]]:
        endpoint = self._endpoints["github"]
        ids = {package: repository_id for package in packages if (repository_id := find_repository(package))}
        if not endpoint.identity and len(ids) > MAX_ANONYMOUS:
            return dict.fromkeys(packages, TOO_MANY_REPOSITORIES)
        if not ids:
            return {}
        self._run.start(REVISIONS, _list_releases(targets, is_anonymous=not endpoint.identity), endpoint)
        facts = github.fetch_repositories(self._run, [*ids.values()], endpoint, as_of=self._as_of)
        missing = MISSING if endpoint.identity else _MISSING_ANONYMOUS
        return {
            package: missing if facts[repository_id] == github.NOT_REACHABLE else facts[repository_id]
            for package, repository_id in ids.items()
        }

    def _fetch_details(
        self, ids: Sequence[RepositoryId]
    ) -> tuple[Mapping[RepositoryId, Fact[RepositoryInfo]], Mapping[RepositoryId, Fact[Scorecard]]]:
        """Return what deps.dev has about repositories, and the newest results of Scorecard."""
        if not ids:
            return {}, {}
        infos = deps_dev.collect_repositories(self._run, ids, self._endpoints["deps-dev"])
        missing = [id_ for id_ in ids if not isinstance(fact := infos[id_], Found) or fact.value.scorecard is None]
        own = scorecard.fetch_scorecards(self._run, missing, self._endpoints["scorecard"]) if missing else {}
        return infos, {
            id_: repository_link.choose_scorecard(infos[id_], own.get(id_, scorecard.NEVER_SCANNED)) for id_ in ids
        }

    def _fetch_revisions(self, targets: Sequence[GithubTarget]) -> dict[GithubTarget, Fact[GithubRevision]]:
        """Return the commit of each target; without a token also that of the default branch of each repository."""
        endpoint = self._endpoints["github"]
        releases = _list_releases(targets, is_anonymous=not endpoint.identity)
        facts = self._run.fetch(REVISIONS, releases, endpoint) if releases else {}
        return {
            (release.package, "" if release.version == HEAD else release.version): _explain_revision(release, fact)
            for release, fact in facts.items()
        }

    def _fetch_advisories(self, commits: Sequence[Release]) -> dict[Release, Fact[tuple[AffectingAdvisory, ...]]]:
        if not commits:
            return {}
        records = osv.fetch_commit_advisories(self._run, commits, self._endpoints["osv"], known_until=self._known_until)
        affecting: dict[Release, Fact[tuple[AffectingAdvisory, ...]]] = {}
        for commit, fact in records.items():
            if not isinstance(fact, Found):
                affecting[commit] = fact
                continue
            known = select_known_advisories(fact.value, self._known_until)
            found = match_advisories(known, commit.package, commit.version)
            affecting[commit] = Found(found, fact.source, fact.retrieved_at)
        cves = collect_cves(affecting)
        return dict(
            add_exploitation(
                affecting,
                fetch_exploited_cves(self._services, cves),
                fetch_exploit_probabilities(self._services, cves),
                self._known_until,
            )
        )

    def _build_repository(
        self,
        package: Package,
        hosted: Fact[HostedRepository],
        info: Fact[RepositoryInfo],
        newest: Fact[GithubRevision],
    ) -> Fact[Repository]:
        """Return a repository with what deps.dev adds, and the commits of its default branch if GitHub counted none."""
        if not isinstance(hosted, Found) or hosted.value.taken_down:
            return hosted if not isinstance(hosted, Found) else Unknown("taken down", github.LABEL)
        repository_id = RepositoryId(id=hosted.value.name.lower(), spelling=hosted.value.name)
        fact = merge.merge_repository(
            repository_id, package, NOT_REQUESTED, NOT_REQUESTED, info, hosted, as_of=self._as_of
        )
        if not isinstance(fact, Found):  # pragma: no cover - it has what GitHub answered
            return fact
        changes: dict[str, object] = {"link_status": "attested"}
        times = newest.value.newest if isinstance(newest, Found) else ()
        if fact.value.last_commit is None and times:
            changes |= {"last_commit": times[0], "commits_90d": _count_commits(times, self._as_of)}
        return replace(fact, value=replace(fact.value, **changes))


def _list_releases(targets: Iterable[GithubTarget], *, is_anonymous: bool) -> list[Release]:
    """Return the revisions to look up: without a token GitHub counts no commits, and those of the branch are listed."""
    wanted = dict.fromkeys((package, revision or HEAD) for package, revision in targets)
    if is_anonymous:
        wanted |= dict.fromkeys((package, HEAD) for package, _ in targets)
    return [Release(package=package, version=revision) for package, revision in wanted]


def _explain_revision(release: Release, fact: Fact[GithubRevision]) -> Fact[GithubRevision]:
    """Return the commit of a revision; Absent if the repository, which exists, does not have it."""
    if isinstance(fact, Unknown) or (isinstance(fact, Found) and fact.value.commit):
        return fact
    reason = _EMPTY if release.version == HEAD else f"{NO_REVISION} {release.version[:100]}"
    return Absent(fact.source, fact.retrieved_at, reason)


def _get_present_package(package: Package, fact: Fact[HostedRepository]) -> Package:
    """Return a repository under its present name."""
    name = get_present_name(fact)
    return Package(ecosystem=GITHUB, name=name) if name else package


def get_present_name(fact: Fact[HostedRepository]) -> str:
    """Return the present name of a repository, ``owner/name``, in lower case; empty if it was not read."""
    return fact.value.name.removeprefix(github.HOST_PREFIX).lower() if isinstance(fact, Found) else ""


def _count_commits(times: Sequence[int], as_of: int) -> int | None:
    """Return the commits in the 90 days before a moment; None if the list does not reach back to it.

    A list that is full may leave some out: there are at least as many as make no difference any more.
    """
    if times[-1] > as_of and len(times) >= MAX_COMMITS:
        return None
    start = as_of // DAY * DAY - github.COMMIT_WINDOW_DAYS * DAY
    return sum(start <= time <= as_of for time in times)


def _read_licence(hosted: Fact[HostedRepository], files: Fact[GithubFiles], version: str) -> Fact[Metadata]:
    """Return the licence that GitHub recognises, in the form of the metadata of a package; "" if there is none.

    GitHub names none for a repository without a text of a licence, and for some whose text it cannot place: the files
    decide.
    """
    if not isinstance(hosted, Found):
        return hosted
    licence = hosted.value.licence
    has_file = isinstance(files, Found) and any(
        file.name.lower().startswith(("licen", "copying", "unlicense")) for file in files.value.files
    )
    metadata = Metadata(version=version, repository=f"https://{hosted.value.name}", homepage=hosted.value.homepage)
    if licence == _NOT_RECOGNISED or (not licence and has_file):
        metadata = replace(metadata, licence_text=UNRECOGNISED_LICENCE)
    elif licence or isinstance(files, Found):
        metadata = replace(metadata, licence_expression=licence)
    return Found(metadata, hosted.source, hosted.retrieved_at)
