"""Agent skills: folders with a ``SKILL.md``, listed with the packages, URLs and commands that they name. Not scored.

Sources of the directories: the documentation of Claude Code, Codex, Cursor, Kiro, opencode and GitHub Copilot.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

import msgspec

from nerq_cli.ecosystems import GENERIC
from nerq_cli.inventory import Declaration, DependencyFile, Location, McpImage, McpPackage
from nerq_cli.patterns import compile_late

NAME: Final = "skill"
#: Name of the file, and the directories of a project in which clients look for folders with one.
FILE_NAME: Final = "SKILL.md"
DIRECTORIES: Final = (".claude", ".agents", ".github", ".cursor", ".codex", ".kiro", ".opencode", ".gemini")
_SKILLS: Final = ("skills", "skill")
#: Most entries kept of each kind; a skill names a few.
_MAX_ITEMS: Final = 100
#: Longest text read, in characters.
_MAX_LENGTH: Final = 1_000_000
_MAX_NAME: Final = 100
_FRONT_MATTER: Final = compile_late(r"\A---[ \t]*\n(.{0,20000}?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)
_NAME_LINE: Final = compile_late(r"^name:[ \t]*[\"']?([^\"'\n]{1,200})", re.MULTILINE)
_URL: Final = compile_late(r"\b(?:https?|wss?)://[^\s<>\"'`)\]}\\|]{1,2000}")
_CODE: Final = compile_late(
    r"^[ \t]*(?:```|~~~)[^\n]*\n(.*?)^[ \t]*(?:```|~~~)|`([^`\n]{2,500})`", re.MULTILINE | re.DOTALL
)
_INSTALL: Final = compile_late(
    r"^(?:\$ )?(?:sudo )?(?:(?P<pypi>(?:python3? -m )?pip3? install|uv pip install|uv add|pipx install)|"
    r"(?P<npm>npm (?:install|i|add)|pnpm add|yarn add|bun add))[ \t]+(?P<rest>[^\n;&|#]{1,1000})",
    re.MULTILINE,
)
_COMMAND: Final = compile_late(r"^(?:\$ )?([a-z][\w.-]{0,40})(?=[ \t]+\S)", 8)


class Skill(msgspec.Struct, frozen=True, kw_only=True):
    """One skill, and what its text names. Nothing of it is run."""

    name: str
    location: Location
    #: Packages that its commands install or run.
    packages: tuple[McpPackage, ...] = ()
    images: tuple[McpImage, ...] = ()
    #: Without credentials, query and fragment.
    urls: tuple[str, ...] = ()
    #: Names of the programs in its blocks of code.
    commands: tuple[str, ...] = ()


def matches(path: PurePosixPath) -> bool:
    """Whether the file is the text of a skill in a directory of skills."""
    parts = path.parts
    return path.name == FILE_NAME and any(
        part in DIRECTORIES and parts[index + 1] in _SKILLS for index, part in enumerate(parts[:-2])
    )


def read_skill(path: str, text: str) -> Skill:
    """Return the skill of a ``SKILL.md``. Never raises; a text without front matter has the name of its folder."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")[:_MAX_LENGTH]
    header = _FRONT_MATTER.match(text)
    stated = _NAME_LINE.search(header[1]) if header else None
    name = stated[1].strip() if stated else ""
    packages: dict[McpPackage, None] = {}
    images: dict[McpImage, None] = {}
    commands: dict[str, None] = {}
    for code in _iter_code(text):
        _collect(code, packages, images, commands)
    return Skill(
        name=(name or PurePosixPath(path).parent.name)[:_MAX_NAME],
        location=Location(path=path, line=1),
        packages=tuple(packages)[:_MAX_ITEMS],
        images=tuple(images)[:_MAX_ITEMS],
        urls=tuple(_list_urls(text))[:_MAX_ITEMS],
        commands=tuple(commands)[:_MAX_ITEMS],
    )


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> DependencyFile:
    """Return a skill as one dependency that is listed and not scored, and what it names as a note."""
    skill = read_skill(path, text)
    declaration = Declaration(
        ecosystem=GENERIC,
        name=skill.name or "skill",
        requirement="",
        group=group or "skill",
        location=skill.location,
        skip_reason="local path: an agent skill of the project",
    )
    return DependencyFile(
        path=path,
        format=NAME,
        declarations=(declaration,),
        constraint=constraint,
        notes=tuple(_describe(skill)),
    )


def _iter_code(text: str) -> Iterator[str]:
    """Yield the blocks of code, and code inside of lines."""
    for match in _CODE.finditer(text):
        yield match[1] if match[1] is not None else match[2]


def _collect(
    code: str, packages: dict[McpPackage, None], images: dict[McpImage, None], commands: dict[str, None]
) -> None:
    from nerq_cli.manifests.mcp.launchers import (
        iter_known_commands,
        parse_npm_package,
        parse_python_package,
        split_words,
    )

    for launch in iter_known_commands(code):
        packages |= dict.fromkeys(launch.packages)
        if launch.image is not None:
            images[launch.image] = None
    for match in _INSTALL.finditer(code):
        parse = parse_python_package if match["pypi"] else parse_npm_package
        for word in split_words(match["rest"]):
            package = None if word.startswith("-") else parse(word)
            if package is not None and not package.skip_reason:
                packages[package] = None
    commands |= dict.fromkeys(match[1] for match in _COMMAND.finditer(code))


def _list_urls(text: str) -> dict[str, None]:
    from nerq_cli.manifests.mcp.addresses import clean_url

    return dict.fromkeys(clean_url(match[0].rstrip(".,;:*_")) for match in _URL.finditer(text))


def _describe(skill: Skill) -> Iterator[str]:
    names = [*(package.package.purl for package in skill.packages), *(image.package.purl for image in skill.images)]
    for label, items in (("packages", names), ("URLs", skill.urls), ("commands", skill.commands)):
        if items:
            more = f" and {len(items) - _MAX_SHOWN} more" if len(items) > _MAX_SHOWN else ""
            yield f"names {label}: {', '.join(items[:_MAX_SHOWN])}{more}"


#: Entries of each kind in a note.
_MAX_SHOWN: Final = 10
