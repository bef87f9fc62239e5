"""Parse repository ids from URLs."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from nerq_cli.inventory import RepositoryId
from nerq_cli.patterns import compile_late
from nerq_cli.sources.text import NOT_OWNERS, parse_repository_url

#: A host, an owner (GitLab: nested groups) and a name.
_REPOSITORY = compile_late(r"([a-z0-9.-]+\.[a-z]{2,})((?:/[a-z0-9_.~-]+){2,8})", re.IGNORECASE | re.ASCII)
_MAX_LENGTH: Final = 200
#: Owner and name of the usual address, which the general way takes ten times as long for.
_GITHUB: Final = "github.com"
_USUAL = compile_late(r"(?:https://)?github\.com/([A-Za-z0-9-]{1,60})/([A-Za-z0-9_-]{1,120})", re.ASCII)


def parse_repository_id(url: object) -> RepositoryId | None:
    """Return the repository of a link, a clone address or ``github.com/owner/name``; None for anything else."""
    return _parse_repository_id(url) if isinstance(url, str) and url else None


@lru_cache(maxsize=16_384)
def _parse_repository_id(url: str) -> RepositoryId | None:
    if (match := _USUAL.fullmatch(url)) and match[1] not in NOT_OWNERS:
        spelling = f"{_GITHUB}/{match[1]}/{match[2]}"
        return RepositoryId(id=spelling.lower(), spelling=spelling)
    text = url.strip()
    if _REPOSITORY.fullmatch(text):
        text = f"https://{text}"
    spelling = parse_repository_url(text).removeprefix("https://")
    if len(spelling) > _MAX_LENGTH or not _REPOSITORY.fullmatch(spelling):
        return None
    host, _, path = spelling.partition("/")
    return RepositoryId(id=spelling.lower(), spelling=f"{host.lower()}/{path}")
