"""Collects the facts about repositories of the Hugging Face Hub: models, datasets, Spaces and kernels.

There are two rounds: the repositories; then, as soon as each is known, its card, its owner, its files if the answer
has none, the scan results of its files if the answer has none, and the repositories it is built on (base models, and
the models of a Space), at one level.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from msgspec.structs import replace

from nerq_cli.ecosystems import HF_DATASET, HF_MODEL, get_hub_ecosystem, huggingface
from nerq_cli.facts import NOT_REQUESTED, Absent, Fact, Found, Unknown
from nerq_cli.fetch.run import FetchRun
from nerq_cli.fetch.source import Endpoint
from nerq_cli.hub_facts import (
    NO_REVISION,
    HubCard,
    HubEvidence,
    HubFile,
    HubOwner,
    HubRepository,
    can_run_code,
    is_archive,
)
from nerq_cli.inventory import AccountId, HubPaths, Package, Release
from nerq_cli.sources import huggingface as hub
from nerq_cli.sources.endpoints import Endpoints
from nerq_cli.sources.huggingface.answers import FileScans, is_mere_data, select_files

#: A repository and the revision of it that is used; empty stands for ``main``.
HubTarget: TypeAlias = tuple[Package, str]

#: Repositories that one repository is built on and that are looked up, at most: a merge has rarely more.
MAX_RELATED: Final = 8
PRIVATE: Final = Unknown("the name was not sent: it is private")
_NOT_A_REPOSITORY: Final = Unknown("not the name of a repository on the Hub")
_NO_REPOSITORY: Final = "the Hub has no such repository"
_TOO_MANY: Final = Unknown(f"not requested: more than {MAX_RELATED} repositories are named")
_HIDDEN: Final = Unknown("missing or private", hub.LABEL, hub.TOKEN_VARIABLE)
_REFUSED: Final = Unknown("the Hub refuses it to you", hub.LABEL)
_REFUSED_ANONYMOUS: Final = Unknown("the Hub refuses it without a token", hub.LABEL, hub.TOKEN_VARIABLE)
_FORBIDDEN: Final = Unknown("the Hub refuses it to you (403)", hub.LABEL)
_FORBIDDEN_ANONYMOUS: Final = Unknown("the Hub refuses it (403)", hub.LABEL, hub.TOKEN_VARIABLE)
_RESTRICTED: Final = Unknown(hub.LEGAL_REFUSAL, hub.LABEL)
_DISABLED: Final = Unknown("not read: the repository is disabled on the Hub", hub.LABEL)
_NO_COMMIT: Final = Unknown("the Hub states no commit", hub.LABEL)


class HubLookup:
    """Access to the Hub in one run. For use by one thread."""

    def __init__(
        self, run: FetchRun, endpoints: Endpoints, *, is_private: Callable[[Package], bool] = lambda _: False
    ) -> None:
        """Use ``is_private`` to decide which names are never sent, those that a card names included."""
        self._run = run
        self._endpoint: Endpoint = endpoints["huggingface"]
        # A Hub that the user named for this tool may receive private names, as other services do.
        self._is_private = (lambda _: False) if "huggingface" in endpoints.configured else is_private

    def collect(self, references: Sequence[HubTarget]) -> dict[HubTarget, HubEvidence]:
        """Return the evidence about each repository, in the order given.

        A repository that was renamed has its new name in the evidence.

        Raises:
            ConfigError: the proxy or the certificates that the environment names cannot be used.
        """
        ranges = dict.fromkeys(reference for reference in references if _is_version_range(*reference))
        targets = {one: _build_release(*one) for one in dict.fromkeys(references) if one not in ranges}
        public = [release for release in targets.values() if self._may_send(release.package)]
        self._run.start(hub.REPOSITORIES, public, self._endpoint, self._begin_details)
        unresolved: dict[HubTarget, HubEvidence] = {}
        if ranges:
            for reference, fact in self._resolve_ranges(ranges).items():
                if isinstance(fact, Found):
                    targets[reference] = fact.value
                else:
                    unresolved[reference] = HubEvidence(repository=fact)
            public = [release for release in targets.values() if self._may_send(release.package)]
            self._run.start(hub.REPOSITORIES, public, self._endpoint, self._begin_details)
        repositories = self._fetch_repositories(public)
        releases = [release for fact in repositories.values() if (release := _find_commit(fact)) is not None]
        related = {target: self._list_related(repositories.get(release)) for target, release in targets.items()}
        related_releases = [one for group in related.values() for one in group.values() if isinstance(one, Release)]
        accounts = [account for fact in repositories.values() if (account := _find_owner(fact)) is not None]
        unlisted = [release for fact in repositories.values() if (release := _find_unlisted(fact)) is not None]
        scanned = [paths for fact in repositories.values() if (paths := _find_scannable(fact)) is not None]
        cards, owners, files, scans, answers = self._run.fetch_all(
            [
                (hub.CARDS, releases, self._endpoint),
                (hub.OWNERS, accounts, self._endpoint),
                (hub.FILES, unlisted, self._endpoint),
                (hub.SCANS, scanned, self._endpoint),
                (hub.REPOSITORIES, [one for one in related_releases if one not in repositories], self._endpoint),
            ]
        )
        scans |= self._run.fetch(hub.SCANS, [*_iter_listed_scannable(repositories.values(), files)], self._endpoint)
        repositories.update((release, self._read_answer(release, fact)) for release, fact in answers.items())
        evidence = {
            target: self._build_evidence(release, repositories, related[target], cards, owners, files, scans)
            for target, release in targets.items()
        }
        return {target: evidence.get(target) or unresolved[target] for target in dict.fromkeys(references)}

    def _resolve_ranges(self, references: Iterable[HubTarget]) -> dict[HubTarget, Fact[Release]]:
        """Return the commit of the newest version that each range of a kernel allows, or why there is none."""
        packages = [package for package, _ in references if self._may_send(package)]
        facts = self._run.fetch(hub.REFERENCES, packages, self._endpoint)
        return {
            (package, version_range): self._resolve_range(package, version_range, facts.get(package))
            for package, version_range in references
        }

    def _resolve_range(
        self, package: Package, version_range: str, fact: Fact[hub.ReferencesAnswer] | None
    ) -> Fact[Release]:
        if fact is None:
            return PRIVATE if self._is_private(package) else _NOT_A_REPOSITORY
        if isinstance(fact, Absent):
            return replace(fact, reason=_NO_REPOSITORY)
        if isinstance(fact, Unknown):
            return fact
        answer = fact.value
        if answer.state != "found":
            return self._explain_refusal(answer.state)
        name = huggingface.choose_kernel_version(version_range, answer.tags, answer.branches)
        if not name:
            return Absent(fact.source, fact.retrieved_at, f"{NO_REVISION} that meets {version_range[:100]}")
        commit = answer.tags.get(name) or answer.branches[name]
        return Found(Release(package=package, version=commit), fact.source, fact.retrieved_at)

    def collect_lineage(
        self, bases: Iterable[HubRepository], datasets: Iterable[str]
    ) -> tuple[dict[str, Fact[HubCard]], dict[str, Fact[HubRepository]]]:
        """Return the cards of base models and the training datasets of these names, by id.

        Datasets are looked up as far as their names may be sent and can be those of repositories.

        Raises:
            ConfigError: the proxy or the certificates that the environment names cannot be used.
        """
        commits = {base.id: _find_commit(Found(base, hub.LABEL, 0)) for base in bases}
        packages = {name: Package(ecosystem=HF_DATASET, name=name) for name in datasets}
        releases = {name: _build_release(package, "") for name, package in packages.items() if self._may_send(package)}
        cards, answers = self._run.fetch_all(
            [
                (hub.CARDS, [commit for commit in commits.values() if commit is not None], self._endpoint),
                (hub.REPOSITORIES, [*releases.values()], self._endpoint),
            ]
        )
        return (
            {id_: _NO_COMMIT if commit is None else _read_card(cards[commit]) for id_, commit in commits.items()},
            {
                name: self._read_answer(releases[name], answers[releases[name]])
                if name in releases
                else PRIVATE
                if self._is_private(package)
                else _NOT_A_REPOSITORY
                for name, package in packages.items()
            },
        )

    def _begin_details(self, facts: Mapping[Release, Fact[hub.HubAnswer]]) -> None:
        """Request what follows from new answers about repositories, while others are under way."""
        repositories = [self._read_answer(release, fact) for release, fact in facts.items()]
        related = (one for fact in repositories for one in self._list_related(fact).values())
        self._run.start(hub.CARDS, filter(None, map(_find_commit, repositories)), self._endpoint)
        self._run.start(hub.FILES, filter(None, map(_find_unlisted, repositories)), self._endpoint, self._begin_scans)
        self._run.start(hub.SCANS, filter(None, map(_find_scannable, repositories)), self._endpoint)
        self._run.start(hub.REPOSITORIES, [one for one in related if isinstance(one, Release)], self._endpoint)
        accounts = [account for fact in repositories if (account := _find_owner(fact)) is not None]
        self._run.start(hub.OWNERS, accounts, self._endpoint)

    def _begin_scans(self, files: Mapping[Release, Fact[hub.FileList]]) -> None:
        """Request the scan results of files that were just listed."""
        self._run.start(hub.SCANS, _iter_scannable(files), self._endpoint)

    def _fetch_repositories(self, releases: Iterable[Release]) -> dict[Release, Fact[HubRepository]]:
        facts = self._run.fetch(hub.REPOSITORIES, list(releases), self._endpoint)
        return {release: self._read_answer(release, fact) for release, fact in facts.items()}

    def _read_answer(self, release: Release, fact: Fact[hub.HubAnswer]) -> Fact[HubRepository]:
        """Return the repository in an answer, or the reason why there is none."""
        if isinstance(fact, Absent):
            return replace(fact, reason=_NO_REPOSITORY)
        if isinstance(fact, Unknown):
            return fact
        answer = fact.value
        if answer.repository is not None:
            return Found(answer.repository, fact.source, fact.retrieved_at)
        if answer.state == "no revision":
            reason = f"{NO_REVISION} {release.version[:100]}"
            return Absent(fact.source, fact.retrieved_at, reason)
        return self._explain_refusal(answer.state)

    def _explain_refusal(self, state: hub.AnswerState) -> Unknown:
        if state == "hidden":
            return _HIDDEN
        if state == "restricted":
            return _RESTRICTED
        if state == "forbidden":
            return _FORBIDDEN if self._endpoint.identity else _FORBIDDEN_ANONYMOUS
        return _REFUSED if self._endpoint.identity else _REFUSED_ANONYMOUS

    def _may_send(self, package: Package) -> bool:
        return not self._is_private(package) and not get_hub_ecosystem(package.ecosystem).find_name_error(package.name)

    def _list_related(self, fact: Fact[HubRepository] | None) -> dict[str, Release | Unknown]:
        """Return the repositories that a repository names, or why each is not looked up."""
        if not isinstance(fact, Found):
            return {}
        related: dict[str, Release | Unknown] = {}
        for name in _name_related(fact.value):
            package = Package(ecosystem=HF_MODEL, name=name)
            if get_hub_ecosystem(HF_MODEL).find_name_error(name):
                related[name] = _NOT_A_REPOSITORY
            elif self._is_private(package):
                related[name] = PRIVATE
            elif sum(isinstance(one, Release) for one in related.values()) >= MAX_RELATED:
                related[name] = _TOO_MANY
            elif package.name != fact.value.id:
                related[name] = _build_release(package, "")
        return related

    def _build_evidence(
        self,
        release: Release,
        repositories: Mapping[Release, Fact[HubRepository]],
        related: Mapping[str, Release | Unknown],
        cards: Mapping[Release, Fact[hub.CardAnswer]],
        owners: Mapping[AccountId, Fact[HubOwner]],
        files: Mapping[Release, Fact[hub.FileList]],
        scans: Mapping[HubPaths, Fact[FileScans]],
    ) -> HubEvidence:
        fact = repositories.get(release)
        if fact is None:
            return HubEvidence(repository=PRIVATE if self._is_private(release.package) else _NOT_A_REPOSITORY)
        if not isinstance(fact, Found):
            return HubEvidence(repository=fact)
        commit, account, unlisted = _find_commit(fact), _find_owner(fact), _find_unlisted(fact)
        no_card = _DISABLED if fact.value.disabled else _NO_COMMIT
        card_fact = no_card if commit is None else cards[commit]
        needs_scans = _needs_scans(fact.value)
        if unlisted is not None:
            fact = _add_files(fact, files[unlisted])
        fact = _add_scans(fact, scans, is_needed=needs_scans)
        facts = {
            name: one if isinstance(one, Unknown) else repositories.get(one, NOT_REQUESTED)
            for name, one in related.items()
        }
        is_space = fact.value.kind == "space"
        return HubEvidence(
            repository=_add_metadata(fact, card_fact),
            card=_read_card(card_fact),
            owner=NOT_REQUESTED if account is None else owners[account],
            bases={} if is_space else facts,
            used=facts if is_space else {},
        )


def _is_version_range(package: Package, revision: str) -> bool:
    return get_hub_ecosystem(package.ecosystem).kind == "kernel" and huggingface.is_version_range(revision)


def _build_release(package: Package, revision: str) -> Release:
    """Return a repository at a revision, as the sources of the Hub take it."""
    commit = get_hub_ecosystem(package.ecosystem).parse_pin(revision)
    return Release(package=package, version=commit or revision or huggingface.DEFAULT_REVISION)


def _get_package(repository: HubRepository) -> Package:
    """Return a repository under its present name."""
    ecosystem = next(one for one in huggingface.HUB_ECOSYSTEMS if one.kind == repository.kind)
    return Package(ecosystem=ecosystem.id, name=repository.id)


def _find_commit(fact: Fact[HubRepository]) -> Release | None:
    """Return a repository at its commit; None if there is none, or if it may not be read."""
    if not isinstance(fact, Found) or not fact.value.sha or fact.value.disabled:
        return None
    return Release(package=_get_package(fact.value), version=fact.value.sha)


def _find_unlisted(fact: Fact[HubRepository]) -> Release | None:
    """Return a repository at its commit if the answer about it has no files, or none with a size."""
    release = _find_commit(fact)
    if release is None or not isinstance(fact, Found):
        return None
    files = fact.value.files
    is_listed = files is not None and (not files or any(file.size is not None for file in files))
    return None if is_listed else release


def _find_owner(fact: Fact[HubRepository]) -> AccountId | None:
    if not isinstance(fact, Found) or not fact.value.author:
        return None
    # The name of an owner has the characters of a part of the name of a repository.
    is_name = "/" not in fact.value.author and not get_hub_ecosystem(HF_MODEL).find_name_error(fact.value.author)
    return AccountId(name=fact.value.author) if is_name else None


def _name_related(repository: HubRepository) -> tuple[str, ...]:
    """Return the names of the models that a repository is built on."""
    if repository.kind == "space":
        return repository.used_models or ()
    card_bases = repository.card.base_models if repository.card is not None else None
    return tuple(dict.fromkeys((*(repository.verified_bases or ()), *(card_bases or ()))))


def _add_files(fact: Found[HubRepository], files: Fact[hub.FileList]) -> Found[HubRepository]:
    """Return a repository with the files of its tree beside those that the answer about it has.

    A file that is in that answer and not in the whole tree makes the list incomplete: both are about one commit.
    """
    if not isinstance(files, Found):
        return fact
    tree, repository = files.value, fact.value
    in_tree = {file.path for file in tree.files}
    others = [file for file in repository.files or () if file.path not in in_tree]
    kept, left_out = select_files((*tree.files, *others))
    is_contradicted = bool(others) and not (tree.is_cut or tree.more_files)
    is_part = tree.is_cut or is_contradicted  # at least one more
    more_files = max(tree.more_files, repository.more_files) + left_out * is_contradicted + is_part
    return replace(fact, value=replace(repository, files=kept, more_files=more_files, is_list_cut=is_part))


def _find_scannable(fact: Fact[HubRepository]) -> HubPaths | None:
    """Return the files whose scan results have to be requested; None if there are none, or none are listed yet."""
    release = _find_commit(fact)
    if release is None or not isinstance(fact, Found) or not _needs_scans(fact.value) or _find_unlisted(fact):
        return None
    return _select_scannable(release, fact.value.files or ())


def _iter_listed_scannable(
    facts: Iterable[Fact[HubRepository]], files: Mapping[Release, Fact[hub.FileList]]
) -> Iterator[HubPaths]:
    """Yield the same as ``_iter_scannable``, together with the files that the answers about repositories have."""
    for fact in facts:
        release = _find_unlisted(fact)
        if release is None or not isinstance(fact, Found) or not _needs_scans(fact.value):
            continue
        paths = _select_scannable(release, _add_files(fact, files[release]).value.files or ())
        if paths is not None:
            yield paths


def _iter_scannable(files: Mapping[Release, Fact[hub.FileList]]) -> Iterator[HubPaths]:
    """Yield the files whose scan results have to be requested, of repositories whose files were listed apart."""
    for release, fact in files.items():
        paths = _select_scannable(release, fact.value.files) if isinstance(fact, Found) else None
        if paths is not None:
            yield paths


def _needs_scans(repository: HubRepository) -> bool:
    """Whether scan results are requested by file: the answers about models have them, but those without files."""
    return repository.scans_done is None and (repository.kind != "model" or repository.files is None)


def _select_scannable(release: Release, files: Iterable[HubFile]) -> HubPaths | None:
    """Return the files that may hold code, as many as are requested, archives last; None without any."""
    paths = sorted((file.path for file in files if can_run_code(file.path)), key=lambda path: (is_archive(path), path))
    return HubPaths(release=release, paths=tuple(paths[: hub.MAX_SCANNED])) if paths else None


def _add_scans(
    fact: Found[HubRepository], scans: Mapping[HubPaths, Fact[FileScans]], *, is_needed: bool
) -> Found[HubRepository]:
    """Return a repository with the scan results of its files, or why they are not known."""
    repository, release = fact.value, _find_commit(fact)
    if not is_needed or release is None or repository.files is None:
        return fact
    code_count = sum(can_run_code(file.path) for file in repository.files)
    # Files of data are left out first: if there is one in the list, no other file is missing.
    has_data = any(is_mere_data(file.path) for file in repository.files)
    hidden_count = 0 if has_data and not repository.is_list_cut else repository.more_files
    paths = _select_scannable(release, repository.files)
    result = Found(FileScans(), fact.source, fact.retrieved_at) if paths is None else scans[paths]
    if not isinstance(result, Found):
        problem = result.reason or "not in the answer"
        return replace(fact, value=replace(repository, scan_problem=problem, unscanned_files=code_count + hidden_count))
    unscanned_count = code_count - result.value.answered + hidden_count
    done = replace(
        repository,
        scans_done=True,
        scans=result.value.scans,
        scanned_files=code_count + hidden_count,
        unscanned_files=unscanned_count,
    )
    return replace(fact, value=done)


def _add_metadata(fact: Found[HubRepository], card: Fact[hub.CardAnswer]) -> Found[HubRepository]:
    """Return a repository with the metadata of its card, where the answer about it has none."""
    if fact.value.has_card_data or not isinstance(card, Found) or card.value.card is None or card.value.problem:
        return fact
    return replace(fact, value=replace(fact.value, card=card.value.metadata, has_card_data=True))


def _read_card(fact: Fact[hub.CardAnswer]) -> Fact[HubCard]:
    if not isinstance(fact, Found):
        return fact
    if fact.value.card is None:
        token = "" if fact.value.refusal == hub.LEGAL_REFUSAL else hub.TOKEN_VARIABLE
        return Unknown(fact.value.refusal, fact.source, token)
    return Found(fact.value.card, fact.source, fact.retrieved_at)
