"""The settings of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.policy.settings import DEFAULT_POLICY, PolicySettings
from nerq_cli.policy.waivers import Waiver


class Value(NamedTuple):
    """A value that is set, and where."""

    value: object
    #: ``nerq.toml:3``, ``NERQ_THRESHOLD`` or ``--threshold``.
    origin: str


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a project, or of a run."""

    #: Lowest passing score, 0 to 100.
    threshold: float = PACKAGES.threshold
    #: Glob patterns of package names (``acme-*``, ``@acme/*``) that no service receives.
    private: tuple[str, ...] = ()
    #: Glob patterns of package names that services may receive although an extra index may have the package.
    public: tuple[str, ...] = ()
    #: Path patterns in .gitignore syntax.
    exclude: tuple[str, ...] = ()
    #: Seconds, above 0; None if not set.
    timeout: float | None = None
    #: None if not set.
    strict: bool | None = None
    #: Dependency groups to scan; empty for all.
    groups: tuple[str, ...] = ()
    #: Whether to leave out development groups; None if not set.
    no_dev: bool | None = None
    #: Whether to leave out the configurations of MCP clients and agent skills; None if not set.
    no_mcp: bool | None = None
    #: Whether to leave out the models, datasets, Spaces and kernels that source files refer to; None if not set.
    no_models: bool | None = None
    #: File of the run to compare with; relative to the directory of ``path`` if that sets it. Empty for none.
    baseline: str = ""
    #: Whether settings in subdirectories make the check of these stricter; ``waivers``: and may waive there.
    nested: bool | str = False
    #: Address of the service at which evidence is looked up, without a trailing slash; empty for none.
    service: str = ""
    #: Whether nothing is computed that the service does not have; None if not set.
    service_only: bool | None = None
    #: Levels of the rules, and thresholds of groups, packages and dimensions.
    policy: PolicySettings = DEFAULT_POLICY
    #: Findings that are accepted for a time.
    waivers: tuple[Waiver, ...] = ()
    #: The file of the settings; empty if there is none.
    path: str = ""
    #: Each setting that makes the run accept or see less than the defaults, as text.
    weakenings: tuple[str, ...] = ()
    #: Sentences for the user.
    warnings: tuple[str, ...] = ()
    #: Each value that is set, by its dotted key (``rules.licence.allow``).
    values: Mapping[str, Value] = {}
