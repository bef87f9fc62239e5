"""Name and version in the file name of a wheel or a source archive."""

from __future__ import annotations

import re
from urllib.parse import unquote


def split_file_name(file_name: str) -> tuple[str, str]:
    """Return name and requirement (``==1.0``) of the file name of a wheel or a source archive, else the name alone."""
    from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename

    try:
        name, version = (parse_wheel_filename if file_name.endswith(".whl") else parse_sdist_filename)(file_name)[:2]
    except (InvalidSdistFilename, InvalidWheelFilename):
        return file_name, ""
    return name, f"=={version}"


def guess_requirement(path: str) -> str:
    """Return the version that a path or a URL ends in as a requirement; empty if it ends in no file name with one."""
    bare_path = re.split(r"[?#]", path, maxsplit=1)[0]
    return split_file_name(unquote(re.split(r"[/\\]", bare_path)[-1]))[1]
