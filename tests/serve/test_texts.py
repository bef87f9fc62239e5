"""No text of a client is an error of the service."""

from __future__ import annotations

import random
from typing import Final
from urllib.parse import quote

import pytest

from tests.serve.conftest import Client, Registry

SEEDS: Final = (
    *("pkg:pypi/alpha@1.0", "pkg:npm/%40scope/beta@1.0.0", "npm:beta@^1", "pypi:alpha==1.0", "@scope/x@latest"),
    *("mcp:io.github.a/b@1", "github:a/b@v1", "https://github.com/a/b", "alpha[extra]>=1,<2", "pkg:github/a/b@v1"),
    *("pkg:generic/x", "pkg:huggingface/a@c0ffee?x=y#z"),
)
CHARACTERS: Final = "%@:/?#[]\\\x00\x1f\n\r\t\u00e9\u6f22\U0001f600\u202e '\"<>=!~^*&;,+ab1.0-_"


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_target_is_answered_or_refused(client: Client, registry: Registry, seed: int) -> None:
    registry.most_used()
    registry.pypi("alpha", "1.0")
    source = random.Random(seed)  # noqa: S311 - the same each time
    for _ in range(25):
        letters = list(source.choice(SEEDS))
        for _ in range(source.randint(0, 4)):
            place = source.randrange(len(letters) + 1)
            letters[place : place + source.randint(0, 1)] = source.choice(CHARACTERS) * source.randint(0, 2)
        text = "".join(letters)
        replies = [
            client.get("/v1/preflight", target=text),
            client.request("GET", f"/v1/packages/{quote(text, safe=':/@')}"),
            client.request("GET", f"/badge/{quote(text, safe='')}.svg"),
        ]
        [entry] = client.post("/v1/preflight:batch", {"targets": [text]}).json["results"]
        statuses = {reply.status for reply in replies} | {entry["status"]}
        assert statuses <= {200, 300, 400, 404, 422, 503}, text
        assert entry["target"] == text
