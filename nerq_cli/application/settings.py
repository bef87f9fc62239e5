"""The settings of a run: as given by the user, and completed from the project's configuration."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from nerq_cli.errors import UsageError

if TYPE_CHECKING:
    from nerq_cli.config import Config, Value


class OptionalSource(str, Enum):
    """A source that is used only on request, because it takes many requests."""

    DOWNLOADS = "downloads"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How evidence is gathered and judged, as given by the user; None means "not given".

    Raises:
        UsageError: the threshold or the timeout is not a finite number, or two settings contradict each other.
    """

    #: Score a dependency must reach, 0-100.
    threshold: float | None = None
    #: Name of a threshold.
    preset: str | None = None
    #: Whether the run passes whatever it finds.
    report_only: bool = False
    #: Ids of the rules to give each level.
    deny: Sequence[str] | None = None
    warn: Sequence[str] | None = None
    allow: Sequence[str] | None = None
    #: Whether a run that could not check everything fails.
    strict: bool | None = None
    #: Use cached responses only, and send no request.
    offline: bool = False
    #: Send every request again, whether its response is cached or not.
    refresh: bool = False
    #: Neither read nor write the cache.
    no_cache: bool = False
    #: Apply no settings file.
    no_config: bool = False
    #: Directory of the cache and the advisory database.
    cache_dir: Path | None = None
    #: Seconds that gathering evidence may take, above 0.
    timeout: float | None = None
    #: Sources to use beside the default ones.
    optional_sources: Sequence[OptionalSource] | None = None
    #: Age in days above which the advisory database is refused.
    max_db_age: float | None = None
    #: Moment that ages are measured from: a date, or an ISO 8601 time.
    as_of: str | None = None
    #: Python version that would install the packages.
    python: str | None = None
    #: VEX documents whose statements waive findings.
    vex: Sequence[Path] | None = None
    #: Address of the service at which evidence is looked up; empty for none.
    service: str | None = None
    #: Whether nothing is computed that the service does not have.
    service_only: bool = False
    #: Products on parts of which their statements apply, beside those that the scanned project names.
    vex_products: Sequence[str] | None = None

    def __post_init__(self) -> None:
        """Check the numbers: NaN compares as false with every score."""
        for option, value in (("--threshold", self.threshold), ("--timeout", self.timeout)):
            if value is not None and not math.isfinite(value):
                raise UsageError(f"{option} {value} is not a finite number")
        if self.offline and self.refresh:
            raise UsageError("--offline and --refresh contradict each other", hint="leave one of them out")
        if self.service_only and self.offline:
            raise UsageError("--service-only and --offline contradict each other", hint="leave one of them out")

    @property
    def downloads(self) -> bool:
        """Whether download counts are requested."""
        return OptionalSource.DOWNLOADS in (self.optional_sources or ())


def read_options(settings: Settings) -> dict[str, Value]:
    """Return the values that the user gave as options.

    Raises:
        UsageError: there is no such preset or rule.
    """
    from nerq_cli.config import Value

    values: dict[str, Value] = {
        "timeout": Value(settings.timeout, "--timeout"),
        "strict": Value(settings.strict, "--strict" if settings.strict else "--no-strict"),
        "report-only": Value(settings.report_only or None, "--report-only"),
        "service-only": Value(settings.service_only or None, "--service-only"),
    }
    if settings.service is not None:
        values["service"] = Value(_read_service(settings.service), "--service")
    if settings.threshold is not None:
        values["threshold"] = Value(abs(settings.threshold), "--threshold")
    if settings.preset is not None:
        values["preset"] = Value(_read_preset(settings.preset), "--policy")
    for level in ("deny", "warn", "allow"):
        ids = getattr(settings, level) or ()
        if ids:
            from nerq_cli.config.layers import read_levels
            from nerq_cli.config.values import SettingError

            try:
                levels = read_levels(ids, level, f"--{level}")
            except SettingError as error:
                raise UsageError(f"--{level}: {error}", hint=error.hint) from error
            if contradicting := [key for key in levels if key in values]:
                id_ = contradicting[0].split(".")[1]
                raise UsageError(f"--{level} {id_} contradicts another option", hint="give each rule one level")
            values.update(levels)
    return {key: value for key, value in values.items() if value.value is not None}


def _read_service(address: str) -> str:
    from nerq_cli.config.table import SETTINGS
    from nerq_cli.config.values import SettingError

    try:
        return str(SETTINGS["service"].kind.read(address)) if address.strip() else ""
    except SettingError as error:
        raise UsageError(f"--service {error}", hint=error.hint) from error


def _read_preset(name: str) -> str:
    from nerq_cli.policy.settings import PRESETS

    if name not in PRESETS:
        known = ", ".join(f"{preset} ({points:g})" for preset, points in PRESETS.items())
        raise UsageError(f"--policy: there is no policy {name!r}", hint=f"the policies are {known}")
    return name


def resolve_strict(config: Config) -> bool:
    """Return whether an incomplete run fails: with ``service-only`` it does, else as it is set, else in CI jobs."""
    return bool(config.service_only) or (is_ci() if config.strict is None else config.strict)


def is_ci() -> bool:
    """Return whether this runs in a CI job."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false", "no")


def parse_as_of(text: str | None) -> int:
    """Return the moment that ages are measured from, in epoch seconds UTC; by default now.

    Raises:
        UsageError: the text is not a date or time.
    """
    if text is None:
        return int(time.time())
    from datetime import datetime, timezone

    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise UsageError(
            f"--as-of {text!r} is not a date or time", hint="write 2026-11-21 or 2026-11-21T12:00:00Z"
        ) from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp())


def parse_python(text: str | None) -> str:
    """Return the Python version that would install the packages; by default the running one.

    Raises:
        UsageError: the text is not a version with at least a major and a minor number.
    """
    if text is None:
        return ".".join(map(str, sys.version_info[:3]))
    from packaging.version import Version

    try:
        version = Version(text)
    except ValueError as error:  # InvalidVersion, or a number with more digits than Python converts
        raise UsageError(f"--python {text!r} is not a version", hint="write 3.12 or 3.12.4") from error
    if len(version.release) == 1:
        raise UsageError(f"--python {text!r} has no minor version", hint="write 3.12 or 3.12.4")
    return str(version)
