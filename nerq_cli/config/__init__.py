"""Settings of nerq: ``nerq.toml``, ``.nerq.toml``, or ``[tool.nerq]`` in pyproject.toml, at the root of the scan.

One file applies: the nearest one at or above the start of the scan, within the repository and below the home directory.
Files in subdirectories are part of the scanned project. They do not apply, unless that file lets them be stricter.
Environment variables outweigh the file, and options of the command line outweigh both.
"""

from __future__ import annotations

from nerq_cli.config.files import (
    find_nested,
    find_private_strings,
    read_config,
    read_config_file,
    read_directory_config,
)
from nerq_cli.config.model import Config, Value
from nerq_cli.config.patterns import compile_patterns, find_private_pattern, find_public_pattern

__all__ = [
    "Config",
    "Value",
    "compile_patterns",
    "find_nested",
    "find_private_pattern",
    "find_private_strings",
    "find_public_pattern",
    "read_config",
    "read_config_file",
    "read_directory_config",
]
