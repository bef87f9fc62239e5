"""What several signals ask of the same evidence, worked out once."""

from __future__ import annotations

from functools import cached_property, lru_cache

from nerq_cli import methodology
from nerq_cli.ecosystems import PYPI, EcosystemId
from nerq_cli.facts import (
    Evidence,
    Fact,
    Found,
    Metadata,
    PackageInfo,
    Repository,
    Scorecard,
    T,
    Unknown,
)
from nerq_cli.signals.signal import Signal, build_missing, build_unknown, days_between


class Context:
    """The evidence about one version at one moment, with the derived facts that more than one signal needs."""

    def __init__(self, ecosystem: EcosystemId, version: str, evidence: Evidence, as_of: int) -> None:
        """Take the version in use, everything known about it, and the moment (epoch seconds UTC) to judge it at."""
        self.ecosystem = ecosystem
        self.version = version
        self.evidence = evidence
        self.as_of = as_of
        self.package_info: PackageInfo | None = _get_value(evidence.package_info)
        self.metadata: Metadata | None = _get_value(evidence.metadata)
        self.repository: Repository | None = _get_value(evidence.repository)

    @cached_property
    def row(self) -> int | None:
        """Index of the version in use in the project's version table."""
        if self.package_info is None:
            return None
        try:
            return self.package_info.versions.index(self.version)
        except ValueError:
            return None

    @cached_property
    def published_at(self) -> int:
        """When the version in use was published; 0 where that is unknown or not credible."""
        if self.package_info is None or self.row is None or self.package_info.date_problem:
            return 0
        return self.package_info.published[self.row]

    @cached_property
    def version_days(self) -> int | None:
        """Age of the version in use in whole UTC days."""
        return days_between(self.published_at, self.as_of) if self.published_at else None

    @cached_property
    def package_days(self) -> int | None:
        """Age of the package: days since its first publication.

        Where not all versions are known, the oldest of them tells only that the package is no younger.
        """
        if self.package_info is None or self.package_info.date_problem:
            return None
        dates = [date for date in self.package_info.published if date]
        days = days_between(min(dates), self.as_of) if dates else None
        if self.package_info.partial and days is not None and days < methodology.YOUNG_DAYS:
            return None
        return days

    @cached_property
    def stable_rows(self) -> tuple[int, ...]:
        """Rows of final, non-yanked, non-empty versions, newest first."""
        return () if self.package_info is None else self.package_info.stable_rows

    @cached_property
    def days_since_release(self) -> int | None:
        """Days since the newest stable release by date; None when no credible date is known."""
        if self.package_info is None or self.package_info.date_problem or not self.newest_stable:
            return None
        dates = self.package_info.published
        newest = max((dates[row] for row in self.stable_rows), default=0)
        return days_between(newest, self.as_of) if newest else None

    @cached_property
    def newest_stable(self) -> str:
        """The highest stable version; empty when there is none."""
        return "" if self.package_info is None else self.package_info.newest_stable

    @cached_property
    def is_deprecated(self) -> bool:
        """Whether the package as a whole is deprecated or archived, by its registry or its repository."""
        status = self.package_info.status if self.package_info else None
        return status in ("deprecated", "archived") or bool(self.repository and self.repository.archived)

    @cached_property
    def days_since_commit(self) -> int | None:
        """Days since the last known commit; None when none is known."""
        repository = self.repository
        if repository is None:
            return None
        if repository.commits_90d:
            return 0
        return days_between(repository.last_commit, self.as_of) if repository.last_commit else None

    @cached_property
    def is_finished(self) -> bool:
        """Whether the package counts as finished: done rather than abandoned.

        Stable from 1.0, not deprecated, its newest version without an unfixed advisory, with a README, fewer than 15
        open issues where that is known, and with a sign of life (a stable release in 5 years or a commit in 24
        months; npm packages need none, since old code keeps working there).
        """
        return (
            self._has_major_version
            and not self.is_deprecated
            and not self._has_unfixed_advisory
            and bool(self.metadata and self.metadata.readme)
            and self._has_few_open_issues
            and self._is_active
        )

    @property
    def _has_major_version(self) -> bool:
        major = self.newest_stable.lstrip("v").split("!")[-1].split(".")[0]
        return major.isdigit() and int(major) >= 1

    @property
    def _has_unfixed_advisory(self) -> bool:
        advisories = self.evidence.advisories
        if not isinstance(advisories, Found) or self.version != self.newest_stable:
            return False
        return any(not advisory.fixed_in and not advisory.malware for advisory in advisories.value)

    @property
    def _has_few_open_issues(self) -> bool:
        issues = self.repository.open_issues if self.repository else None
        return issues is None or issues < methodology.OPEN_ISSUE_LIMIT

    @property
    def _is_active(self) -> bool:
        if self.ecosystem != PYPI:
            return True
        if self.days_since_release is not None and self.days_since_release <= methodology.STALE_DAYS:
            return True
        return self.days_since_commit is not None and self.days_since_commit <= methodology.INACTIVE_DAYS

    @cached_property
    def scorecard(self) -> Fact[Scorecard]:
        """Scorecard results, unless they are too old or the repository is another package's."""
        fact = self.evidence.scorecard
        if self.repository is not None and self.repository.link_status == "foreign":
            return Unknown("the linked repository belongs to another package")
        if isinstance(fact, Found) and days_between(fact.value.date, self.as_of) > methodology.SCORECARD_DAYS:
            return Unknown("Scorecard result is over 90 days old", fact.source)
        return fact

    @cached_property
    def repository_share(self) -> float:
        """The part of their weight repository signals keep: less when a famous repository is merely claimed."""
        repository = self.repository
        if repository is None or repository.link_status in ("attested", "confirmed") or repository.stars is None:
            return 1.0
        downloads = self._downloads
        if downloads is None:
            return 1.0
        # A star stands for far more than one download; what matters is repository fame without package use.
        ratio = (repository.stars + 1) / (downloads + 1)
        return methodology.UNVERIFIED_SHARE if ratio > methodology.STARJACK_RATIO else 1.0

    @property
    def _downloads(self) -> float | None:
        adoption, popularity = self.evidence.adoption, self.evidence.popularity
        if isinstance(adoption, Found) and adoption.value.downloads is not None:
            return adoption.value.downloads
        return popularity.value.downloads if isinstance(popularity, Found) else None


def build_unread(id_: str, context: Context) -> Signal:
    """Return the unknown signal of what neither the code host nor Scorecard told, with what each of them says."""
    fact, scorecard = context.evidence.repository, context.scorecard
    if context.repository is None:
        return build_missing(id_, fact)
    scorecard_reason = (
        f"{scorecard.source or 'Scorecard'}: {scorecard.reason}" if isinstance(scorecard, Unknown) else ""
    )
    reason = "; ".join(filter(None, (context.repository.unread_reason, scorecard_reason))) or "not stated"
    return build_unknown(id_, reason, fact.source)


def _get_value(fact: Fact[T]) -> T | None:
    return fact.value if isinstance(fact, Found) else None


@lru_cache(maxsize=64)
def find_maintained_pythons(as_of: int) -> tuple[str, ...]:
    """Return the Pythons (``3.11``, ...) released and still supported upstream on that day, oldest first."""
    from datetime import datetime, timezone

    today = datetime.fromtimestamp(as_of, timezone.utc).date().isoformat()
    return tuple(
        version
        for version, (first_release, end_of_life) in methodology.PYTHON_SUPPORT.items()
        if first_release <= today <= end_of_life
    )


@lru_cache(maxsize=4096)
def allows_python(specifier: str, pythons: tuple[str, ...]) -> bool:
    """Whether a ``requires_python`` admits any of these Pythons; one that cannot be read admits them all."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        specifiers = SpecifierSet(specifier)
    except InvalidSpecifier:
        return True
    return any(specifiers.contains(f"{python}.{micro}", prereleases=True) for python in pythons for micro in (99, 1, 0))


@lru_cache(maxsize=4096)
def mentions_python(specifier: str, pythons: tuple[str, ...]) -> bool:
    """Whether a ``requires_python`` spells out one of these Pythons."""
    return any(python in specifier for python in pythons)
