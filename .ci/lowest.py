"""Write the lowest release of each direct dependency that pyproject.toml allows to a requirements file."""

from __future__ import annotations

import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from packaging.requirements import Requirement


def main(output: str, part: str = "project") -> None:
    """Read the dependencies of the project and its test group, or those of its extras (``extras``).

    They are two files, because the lowest releases of both do not go together.
    """
    settings = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    project = settings["project"]
    if part == "extras":
        texts = [text for group in project["optional-dependencies"].values() for text in group]
    else:
        texts = [*project["dependencies"], *settings["dependency-groups"]["test"]]
    lines = []
    for text in texts:
        requirement = Requirement(text)
        if requirement.name == project["name"]:
            continue  # an extra that brings another
        [lowest] = [clause.version for clause in requirement.specifier if clause.operator in (">=", "==")]
        extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
        lines.append(f"{requirement.name}{extras}=={lowest}")
    Path(output).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
