"""A stand-in for the Hugging Face Hub: repositories, cards, trees and owners, with its statuses, headers and limits."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections import Counter
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from tests.conftest import Request, Site, Turn

SHA = "0123456789abcdef0123456789abcdef01234567"
CARD = "---\nlicense: apache-2.0\nbase_model: org/base\n---\n# Demo\n\nA model.\n"
#: States of a file that every scanner is done with, as the Hub states them.
SAFE = {"status": "safe", "avScan": {"status": "safe"}, "pickleImportScan": {"status": "unscanned"}}
#: Requests of an anonymous address in a window of 5 minutes (hub-docs, rate-limits.md).
QUOTAS = {"api": 500, "resolvers": 3_000}


def build_model(name: str, **fields: Any) -> dict[str, Any]:
    """Return the answer about a model."""
    return {
        "id": name,
        "author": name.partition("/")[0],
        "sha": SHA,
        "createdAt": "2025-01-02T03:04:05.000Z",
        "lastModified": "2025-02-03T04:05:06.000Z",
        "gated": False,
        "private": False,
        "disabled": False,
        "downloads": 1234,
        "likes": 56,
        "tags": ["safetensors", "license:apache-2.0"],
        "pipeline_tag": "text-generation",
        "library_name": "transformers",
        "cardData": {"license": "apache-2.0", "language": "en"},
        "config": {"architectures": ["DemoForCausalLM"], "model_type": "demo"},
        "safetensors": {"parameters": {"BF16": 7_000}, "total": 7_000},
        "siblings": [
            {"rfilename": "README.md", "size": 12, "blobId": "a" * 40},
            {
                "rfilename": "model.safetensors",
                "size": 14_000,
                "blobId": "b" * 40,
                "lfs": {"size": 14_000, "sha256": "c" * 64, "pointerSize": 135},
            },
        ],
        "securityRepoStatus": {"scansDone": True, "filesWithIssues": []},
    } | fields


class HubStandIn:
    """Serves what the reference says. Paths are those of the Hub below an optional prefix."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.url = site.url
        self.delay = 0.0
        #: By kind ("models") and name.
        self.repositories: dict[tuple[str, str], dict[str, Any]] = {}
        self.cards: dict[str, str] = {}
        #: Turn in place of the answer, by path.
        self.turns: dict[str, Turn] = {}
        self.renamed: dict[str, str] = {}
        self.organisations: dict[str, dict[str, Any]] = {}
        self.users: dict[str, dict[str, Any]] = {}
        #: Rows of a tree by name, and rows of a page.
        self.trees: dict[str, list[dict[str, Any]]] = {}
        self.page_size = 1_000
        #: Commits of the branches and tags of repositories, by name.
        self.branches: dict[str, dict[str, str]] = {}
        self.tags: dict[str, dict[str, str]] = {}
        #: Scan states of files (``securityFileStatus``), by name and path; all others are safe.
        self.file_states: dict[tuple[str, str], Any] = {}
        self.tokens = {"hf_good"}
        self.quotas = dict(QUOTAS)
        self.window = 300
        self.counts: Counter[str] = Counter()
        self.window_began = time.monotonic()
        self._lock = threading.Lock()
        site.serve_all(self._answer)

    def add_model(self, name: str, *, card: str = CARD, **fields: Any) -> None:
        """Add a model with a card."""
        self.repositories["models", name] = build_model(name, **fields)
        self.cards[name] = card

    @property
    def paths(self) -> list[str]:
        """The requests so far, without their queries."""
        return [request.path.partition("?")[0] for request in self.site.requests]

    def _answer(self, request: Request) -> Turn:
        parts = urlsplit(request.path)
        bucket = "resolvers" if "/resolve/" in parts.path else "api"
        remaining, seconds = self._count(bucket)
        headers = {
            "RateLimit": f'"{bucket}";r={max(remaining, 0)};t={seconds}',
            "RateLimit-Policy": f'"fixed window";"{bucket}";q={self.quotas[bucket]};w={self.window}',
        }
        if remaining < 0:
            return {"status": 429, "headers": headers, "body": {"error": "rate limited"}}
        turn = self.turns.get(parts.path) or self._serve(parts.path, parse_qs(parts.query), request)
        return {**turn, "headers": {**headers, **turn.get("headers", {})}, "delay": turn.get("delay", self.delay)}

    def _count(self, bucket: str) -> tuple[int, int]:
        with self._lock:
            now = time.monotonic()
            if now - self.window_began >= self.window:
                self.counts.clear()
                self.window_began = now
            self.counts[bucket] += 1
            seconds = max(int(self.window - (now - self.window_began)) + 1, 1)
            return self.quotas[bucket] - self.counts[bucket], seconds

    def _serve(self, path: str, query: dict[str, list[str]], request: Request) -> Turn:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token and token not in self.tokens:
            message = {"X-Error-Message": "Invalid credentials in Authorization header"}
            return {"status": 401, "headers": message, "body": {}}
        segments = path.strip("/").split("/")
        if segments[0] == "api" and segments[1] in ("organizations", "users"):
            found = (self.organisations if segments[1] == "organizations" else self.users).get(unquote(segments[2]))
            return {"status": 404, "body": {}} if found is None else {"body": found}
        if segments[0] == "api":
            return self._serve_repository(segments, query, request, has_token=bool(token))
        return self._serve_card(path, has_token=bool(token))

    def _serve_repository(
        self, segments: list[str], query: dict[str, list[str]], request: Request, *, has_token: bool
    ) -> Turn:
        kind, rest = segments[1], "/".join(segments[2:])
        if rest.endswith("/refs"):
            rest += "/main"
        name, view, revision = next(
            (name, view, unquote(revision))
            for view in ("revision", "tree", "paths-info", "refs")
            for name, _, revision in [rest.partition(f"/{view}/")]
            if revision
        )
        if name in self.renamed:
            location = f"/api/{kind}/{self.renamed[name]}/{view}/{revision}"
            location += "?" + "&".join(f"{key}={value}" for key, values in query.items() for value in values)
            return {"status": 307, "headers": {"Location": location}, "body": b""}
        repository = self.repositories.get((kind, name))
        if repository is None or (repository.get("private") and not has_token):
            code = {"X-Error-Code": "RepoNotFound"}
            return {"status": 404 if has_token else 401, "headers": code, "body": {"error": "Repository not found"}}
        commits = {*self.branches.get(name, {}).values(), *self.tags.get(name, {}).values()}
        if revision in commits:
            repository = repository | {"sha": revision}
        elif revision not in ("main", "v1", repository.get("sha")):
            return {"status": 404, "headers": {"X-Error-Code": "RevisionNotFound"}, "body": {}}
        serve = {
            "revision": lambda: self._serve_fields(kind, repository, query),
            "refs": lambda: self._serve_references(name),
            "paths-info": lambda: self._serve_paths(kind, name, request, has_token=has_token),
            "tree": lambda: self._serve_tree(name, segments, query),
        }
        return serve[view]()

    def _serve_fields(self, kind: str, repository: dict[str, Any], query: dict[str, list[str]]) -> Turn:
        fields = set(repository)
        if "expand" in query:
            fields &= {"id", *query["expand"]}
        elif "securityStatus" not in query or kind != "models":
            fields -= {"securityRepoStatus"}
        return {"body": {key: value for key, value in repository.items() if key in fields}}

    def _serve_tree(self, name: str, segments: list[str], query: dict[str, list[str]]) -> Turn:
        start = int(query.get("cursor", ["0"])[0])
        rows = self.trees.get(name, [])
        end = start + self.page_size
        if "expand" in query:
            end = start + 50
            rows = [row | {"securityFileStatus": self.file_states.get((name, row["path"]), SAFE)} for row in rows]
        # As the Hub does it: a link to itself, also where a mirror passes it on.
        url = f"https://hub.example/{'/'.join(segments)}?recursive=true&cursor={end}"
        return {"body": rows[start:end], "headers": {"Link": f'<{url}>; rel="next"'} if end < len(rows) else {}}

    def _serve_references(self, name: str) -> Turn:
        kinds = (("heads", self.branches.get(name, {"main": SHA})), ("tags", self.tags.get(name, {})))
        heads, tags = (
            [{"name": one, "ref": f"refs/{kind}/{one}", "targetCommit": commit} for one, commit in named.items()]
            for kind, named in kinds
        )
        return {"body": {"branches": heads, "tags": tags, "converts": []}}

    def _serve_paths(self, kind: str, name: str, request: Request, *, has_token: bool) -> Turn:
        """Return the files of these paths that exist; their scans with ``expand`` alone."""
        if self.repositories[kind, name].get("gated") and not has_token:
            return {"status": 401, "headers": {"X-Error-Code": "GatedRepo"}, "body": {}}
        asked = json.loads(request.body)
        if request.method != "POST" or len(asked["paths"]) > 1_000:
            return {"status": 413, "body": {"error": "too many parameters"}}
        siblings = [row["rfilename"] for row in self.repositories[kind, name].get("siblings", ())]
        paths = {*siblings, *(row["path"] for row in self.trees.get(name, ()))}
        rows = [{"type": "file", "path": path, "size": 1, "oid": "a" * 40} for path in asked["paths"] if path in paths]
        if asked.get("expand"):
            for row in rows:
                row["securityFileStatus"] = self.file_states.get((name, str(row["path"])), SAFE)
        return {"body": rows}

    def _serve_card(self, path: str, *, has_token: bool) -> Turn:
        name = path.strip("/").partition("/resolve/")[0]
        gated = self.repositories.get(("models", name), {}).get("gated")
        if gated and not has_token:
            return {"status": 401, "headers": {"X-Error-Code": "GatedRepo"}, "body": b""}
        card = self.cards.get(name)
        if card is None:
            return {"status": 404, "headers": {"X-Error-Code": "EntryNotFound"}, "body": b""}
        headers = {"Content-Type": "text/plain; charset=utf-8", "Content-Encoding": "gzip"}
        return {"body": gzip.compress(card.encode(), 1), "headers": headers}


@pytest.fixture
def hub(site: Site) -> HubStandIn:
    """A stand-in for the Hub with one model, its base model and its owner."""
    stand_in = HubStandIn(site)
    stand_in.add_model("org/demo", cardData={"license": "apache-2.0", "base_model": "org/base"})
    stand_in.add_model("org/base")
    stand_in.organisations["org"] = {"name": "org", "isVerified": True, "numModels": 9, "numFollowers": 12}
    return stand_in
