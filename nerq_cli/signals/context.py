"""The evidence about one version, with the values that several signals derive from it."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import cached_property, lru_cache
from typing import Final

from nerq_cli.ecosystems import EcosystemId, get_ecosystem
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
from nerq_cli.methodology.types import Methodology, SignalSpec
from nerq_cli.patterns import compile_late
from nerq_cli.signals.provenance import find_mismatch
from nerq_cli.signals.signal import Signal, build_missing, build_unknown, days_between
from nerq_cli.units import DAY

#: Major versions from here on are years.
FIRST_YEAR: Final = 1990
#: Start of the ids of repositories on the code host that is read.
_GITHUB_PREFIX: Final = "github.com/"
_LINE: Final = compile_late(r"v?(?:[0-9]{1,9}!)?(?P<major>[0-9]{1,9})(?:\.(?P<minor>[0-9]{1,9}))?")


@lru_cache(maxsize=16_384)
def find_line(version: str) -> str:
    """Return the release line of a version: ``4`` of 4.2.1, ``0.3`` of 0.3.7; empty for one without a number."""
    numbers = _LINE.match(version)
    if not numbers:
        return ""
    major, minor = numbers["major"], numbers["minor"] or "0"
    return major if int(major) else f"0.{minor}"


class Context:
    """The evidence about one version at one moment (epoch seconds UTC), and the methodology to measure it by."""

    def __init__(
        self, methodology: Methodology, ecosystem: EcosystemId, version: str, evidence: Evidence, as_of: int
    ) -> None:
        self.methodology = methodology
        self.ecosystem = ecosystem
        self.version = version
        self.evidence = evidence
        self.as_of = as_of
        self.package_info: PackageInfo | None = _get_value(evidence.package_info)
        self.metadata: Metadata | None = _get_value(evidence.metadata)
        self.repository: Repository | None = _get_value(evidence.repository)

    def limit(self, id_: str) -> float:
        """Return the value of one of the methodology's limits."""
        return self.methodology.limits[id_].value

    @cached_property
    def row(self) -> int | None:
        """Index of the version in the package's table of versions; None when it is not listed."""
        if self.package_info is None:
            return None
        try:
            return self.package_info.versions.index(self.version)
        except ValueError:
            return None

    @cached_property
    def published_at(self) -> int:
        """Publication of the version (epoch seconds UTC); 0 when unknown or not credible."""
        if self.package_info is None or self.row is None or self.package_info.date_problem:
            return 0
        return self.package_info.published[self.row]

    @cached_property
    def version_days(self) -> int | None:
        """Age of the version in whole UTC days; None when it is not known, or the version was released later."""
        if not self.published_at or self.is_released_later:
            return None
        return days_between(self.published_at, self.as_of)

    @cached_property
    def is_released_later(self) -> bool:
        """Whether the version was published on a later day than the moment."""
        return self.published_at // DAY > self.as_of // DAY

    @cached_property
    def package_days(self) -> int | None:
        """Whole UTC days since the first publication of the package.

        When not all versions are known, the oldest known one is a lower bound: an age below the limit is then None.
        """
        if self.package_info is None or self.package_info.date_problem:
            return None
        dates = [date for date in self.package_info.published if date and date // DAY <= self.as_of // DAY]
        days = days_between(min(dates), self.as_of) if dates else None
        if self.package_info.partial and days is not None and days < self.limit("young_days"):
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
        newest = max((dates[row] for row in self.stable_rows if dates[row] // DAY <= self.as_of // DAY), default=0)
        return days_between(newest, self.as_of) if newest else None

    @cached_property
    def newest_stable(self) -> str:
        """The highest stable version; empty when there is none."""
        return "" if self.package_info is None else self.package_info.newest_stable

    @cached_property
    def days_since_previous(self) -> int | None:
        """Whole UTC days between the version and the one published before it; None when not known."""
        if self.package_info is None or not self.published_at or self.package_info.partial:
            return None
        earlier_dates = [date for date in self.package_info.published if 0 < date < self.published_at]
        return days_between(max(earlier_dates), self.published_at) if earlier_dates else None

    @cached_property
    def is_newer_than_stable(self) -> bool:
        """Whether the version is the newest stable one or a newer one, such as a pre-release."""
        if not self.newest_stable:
            return False
        return get_ecosystem(self.ecosystem).is_at_least(self.version, self.newest_stable)

    @cached_property
    def days_behind(self) -> int | None:
        """Whole UTC days from the publication of the version to that of the newest stable one; None when not known.

        A version published later than the newest one, on an older release line, is 0 days behind.
        """
        if self.package_info is None or not self.published_at or self.newest_stable not in self.package_info.versions:
            return None
        newest_at = self.package_info.published[self.package_info.versions.index(self.newest_stable)]
        return days_between(self.published_at, newest_at) if newest_at else None

    @cached_property
    def majors_behind(self) -> int | None:
        """Number of major versions that the newest stable one is ahead; None for versions without a number.

        Versions named after a year (from 1990 on) count as one major version.
        """
        major, newest = _parse_major(self.version), _parse_major(self.newest_stable)
        if major is None or newest is None:
            return None
        if newest >= FIRST_YEAR:
            return int(major < FIRST_YEAR)
        return max(0, newest - major)

    @cached_property
    def is_newest_of_line(self) -> bool:
        """Whether the version is the newest of its release line, and that line still gets releases."""
        package_info, line = self.package_info, find_line(self.version)
        if package_info is None or package_info.partial or not line or not self.version_days:
            return False
        newest_row = next((row for row in self.stable_rows if find_line(package_info.versions[row]) == line), None)
        return newest_row == self.row and self.version_days <= self.limit("line_days")

    @cached_property
    def has_newer_fix(self) -> bool:
        """Whether a newer version fixes a known advisory of this one."""
        advisories, ecosystem = self.evidence.advisories, get_ecosystem(self.ecosystem)
        return isinstance(advisories, Found) and any(
            not ecosystem.is_at_least(self.version, fixed)
            for advisory in advisories.value
            for fixed in advisory.fixed_in
        )

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
    def is_widely_used(self) -> bool | None:
        """Whether the package is one of the most used; None without a list."""
        popularity = _get_value(self.evidence.popularity)
        if popularity is None:
            return None
        return popularity.rank is not None and popularity.rank <= self.limit("widely_used_rank")

    @cached_property
    def unread_token(self) -> str:
        """Environment variable of the token with which more of the repository would be read; empty if none would be."""
        fact = self.evidence.repository
        return self.repository.unread_token if self.repository else fact.token if isinstance(fact, Unknown) else ""

    @cached_property
    def is_repository_unread(self) -> bool:
        """Whether GitHub may have what was not read: that the repository is archived or gone.

        Why it was not read makes no difference: for lack of a token, without a network, or because GitHub was down.
        """
        if self.repository is not None:
            return self.repository.is_unread
        fact = self.evidence.repository
        if not isinstance(fact, Unknown) or not fact.source:  # no repository is named, or its name may not be sent
            return False
        named_url = (self.metadata.attested_repository or self.metadata.repository or "") if self.metadata else ""
        return bool(fact.token) or not named_url or _GITHUB_PREFIX in named_url.lower()

    @cached_property
    def is_activity_read(self) -> bool:
        """Whether it is known when the last commit was, or that there is no repository to have any.

        That no repository exists is known where the metadata name none and deps.dev was read.
        """
        if self.repository is not None:
            return self.repository.last_commit is not None or self.repository.commits_90d is not None
        adoption = _get_value(self.evidence.adoption)
        is_deps_dev_read = adoption is not None and adoption.dependents is not None
        return is_deps_dev_read and self.metadata is not None and not self.metadata.repository

    @cached_property
    def is_inactive(self) -> bool:
        """Whether no commit is known within the limit."""
        return self.days_since_commit is None or self.days_since_commit > self.limit("inactive_days")

    @cached_property
    def is_quiet(self) -> bool:
        """Whether no stable release is known within the limit."""
        return self.days_since_release is None or self.days_since_release > self.limit("inactive_days")

    @cached_property
    def may_be_archived(self) -> bool:
        """Whether the repository was not read, and nothing else shows that the package is maintained."""
        if self.repository is not None and self.repository.archived is not None:
            return False
        if self._names_no_repository:
            return False
        # Scorecard gives an archived repository 0; its result counts for 90 days.
        if isinstance(self.scorecard, Found) and self.scorecard.value.checks.get("Maintained", 0) > 0:
            return False
        return self.is_quiet

    @property
    def _names_no_repository(self) -> bool:
        """Whether neither the metadata nor deps.dev name a repository, and both were read."""
        if self.repository is not None or self.metadata is None or self.metadata.repository:
            return False
        return not self.is_repository_unread

    @cached_property
    def is_finished(self) -> bool | None:
        """Whether the package counts as finished rather than abandoned; None when a fact that decides it is unknown.

        Stable from 1.0, not deprecated, its newest version without an unfixed advisory, few open issues, and active (a
        stable release or a commit within the limits, or widely used; npm packages need none of these, since old code
        keeps working there).
        """
        conditions = (
            self.has_major_version,
            not self.is_deprecated,
            self._has_no_unfixed_advisory,
            self._has_few_open_issues,
            self._is_active,
        )
        if False in conditions:
            return False
        return None if None in conditions else True

    @cached_property
    def maintained_pythons(self) -> tuple[str, ...]:
        """The Pythons (``3.11``, ...) released and supported upstream at the moment, oldest first."""
        today = datetime.fromtimestamp(self.as_of, timezone.utc).date().isoformat()
        support = self.methodology.python_support
        return tuple(python for python, (first, end) in support.items() if first <= today <= end)

    @property
    def has_major_version(self) -> bool:
        """Whether the newest stable version is 1.0 or higher."""
        major = self.newest_stable.lstrip("v").split("!")[-1].split(".")[0]
        return major.isdigit() and int(major) >= 1

    @property
    def _has_no_unfixed_advisory(self) -> bool | None:
        advisories = self.evidence.advisories
        if self.version != self.newest_stable:
            return True
        if not isinstance(advisories, Found):
            return None
        unfixed = [advisory for advisory in advisories.value if not advisory.fixed_in and not advisory.malware]
        if unfixed and all(advisory.is_unread for advisory in unfixed):
            return None
        return not unfixed

    @property
    def _has_few_open_issues(self) -> bool | None:
        issues = self.repository.open_issues if self.repository else None
        return None if issues is None else issues < self.limit("finished_issues")

    @property
    def _is_active(self) -> bool | None:
        if not get_ecosystem(self.ecosystem).uses_python or self.is_widely_used:
            return True
        if self.days_since_release is not None and self.days_since_release <= self.limit("stale_days"):
            return True
        if isinstance(self.scorecard, Found) and self.scorecard.value.checks.get("Maintained", 0) > 0:
            return True
        if self.days_since_commit is not None:
            return self.days_since_commit <= self.limit("inactive_days")
        is_read = self.repository is not None and self.is_activity_read
        return False if is_read and self.is_widely_used is not None else None

    @cached_property
    def scorecard(self) -> Fact[Scorecard]:
        """Scorecard results; Unknown when they are too old or the repository is another package's."""
        fact = self.evidence.scorecard
        if self.repository is not None and self.repository.link_status == "foreign":
            return Unknown("the linked repository belongs to another package")
        if isinstance(fact, Found) and days_between(fact.value.date, self.as_of) > self.limit("scorecard_days"):
            return Unknown("Scorecard result is over 90 days old", fact.source)
        return fact

    @cached_property
    def repository_share(self) -> float:
        """Part of their weight repository signals keep (0-1).

        Less than 1 when the link is not confirmed and the repository far more popular than the package.
        """
        repository = self.repository
        if repository is None or repository.stars is None:
            return 1.0
        if repository.link_status in ("attested", "confirmed") and not find_mismatch(self.metadata):
            return 1.0
        downloads = self._downloads
        if downloads is None:
            return 1.0
        # Downloads outnumber stars by far: more stars than downloads mean a popular repository and an unused package.
        ratio = (repository.stars + 1) / (downloads + 1)
        return self.limit("unverified_share") if ratio > self.limit("starjack_ratio") else 1.0

    @property
    def _downloads(self) -> float | None:
        adoption, popularity = self.evidence.adoption, self.evidence.popularity
        if isinstance(adoption, Found) and adoption.value.downloads is not None:
            return adoption.value.downloads
        return popularity.value.downloads if isinstance(popularity, Found) else None


def _parse_major(version: str) -> int | None:
    numbers = _LINE.match(version)
    return int(numbers["major"]) if numbers else None


def build_unread(spec: SignalSpec, context: Context) -> Signal:
    """Return the unknown signal of a fact that neither the code host nor Scorecard gave, with the reason of each."""
    fact, scorecard = context.evidence.repository, context.scorecard
    if context.repository is None:
        return build_missing(spec, fact)
    reasons = [context.repository.unread_reason]
    if isinstance(scorecard, Unknown):
        reasons.append(f"{scorecard.source or 'Scorecard'}: {scorecard.reason}")
    reason = "; ".join(filter(None, reasons)) or "not stated"
    return build_unknown(spec, reason, fact.source, context.repository.unread_token)


def _get_value(fact: Fact[T]) -> T | None:
    return fact.value if isinstance(fact, Found) else None


@lru_cache(maxsize=4096)
def allows_python(specifier: str, pythons: tuple[str, ...]) -> bool:
    """Whether a ``requires_python`` matches any of these Pythons; an invalid one matches them all."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        specifiers = SpecifierSet(specifier)
    except InvalidSpecifier:
        return True
    return any(specifiers.contains(f"{python}.{micro}", prereleases=True) for python in pythons for micro in (99, 1, 0))


@lru_cache(maxsize=4096)
def mentions_python(specifier: str, pythons: tuple[str, ...]) -> bool:
    """Whether a ``requires_python`` names one of these Pythons."""
    return any(python in specifier for python in pythons)
