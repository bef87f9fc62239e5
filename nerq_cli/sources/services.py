"""Where the services that are no package registries are asked, and which repositories they can be asked about."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from nerq_cli.inventory import RepositoryId
from nerq_cli.sources.addresses.places import split
from nerq_cli.sources.question import Endpoint
from nerq_cli.sources.text import repository

#: An owner (GitLab: groups within groups) and a name, on a host.
_REPOSITORY = re.compile(r"([a-z0-9.-]+\.[a-z]{2,})((?:/[a-z0-9_.~-]+){2,8})", re.IGNORECASE | re.ASCII)
_LONGEST: Final = 200
#: Seconds for which a service that gave no answer at all is left alone, so that the runs after that need not wait.
RESTS: Final = 900


def service(environ: Mapping[str, str], variable: str, default: str) -> Endpoint:
    """Return where a service is: what the variable says, else its default.

    A variable that holds no URL gives an endpoint without one: nothing is sent elsewhere instead.
    """
    written = environ.get(variable, "").strip()
    return Endpoint(url=split(written)[0] if written else default)


def repository_id(address: object) -> RepositoryId | None:
    """Return the repository that a link, a clone address or ``github.com/owner/name`` means; None for anything else."""
    return _repository_id(address) if isinstance(address, str) and address else None


@lru_cache(maxsize=16_384)
def _repository_id(address: str) -> RepositoryId | None:
    text = address.strip()
    if _REPOSITORY.fullmatch(text):
        text = f"https://{text}"
    spelling = repository(text).removeprefix("https://")
    if len(spelling) > _LONGEST or not _REPOSITORY.fullmatch(spelling):
        return None
    host, _, path = spelling.partition("/")
    return RepositoryId(id=spelling.lower(), spelling=f"{host.lower()}/{path}")
