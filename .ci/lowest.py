"""Write the lowest release of each direct dependency that pyproject.toml allows to a requirements file."""

from __future__ import annotations

import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from packaging.requirements import Requirement


def main() -> None:
    """Read the project's own dependencies, those of its extras and those of its test group."""
    settings = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    project = settings["project"]
    of_extras = [text for texts in project["optional-dependencies"].values() for text in texts]
    lines = []
    for text in (*project["dependencies"], *of_extras, *settings["dependency-groups"]["test"]):
        requirement = Requirement(text)
        if requirement.name == project["name"]:
            continue  # an extra that brings another
        [lowest] = [clause.version for clause in requirement.specifier if clause.operator in (">=", "==")]
        extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
        lines.append(f"{requirement.name}{extras}=={lowest}")
    Path(sys.argv[1]).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
