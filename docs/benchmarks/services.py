"""Stand-ins for the services beside the registries: OSV, deps.dev, Scorecard, GitHub, EPSS, KEV.

Every twenty-fifth package (``package-00000``, ``module-00025``...; every third with the sizes of ``bodies.py``) has
one advisory, which affects every version before its fix. deps.dev knows every version, and one repository for each
package.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import bodies
from bodies import FIXED, MODIFIED
from registry import versions

#: Where each service is below the address of the stand-in, by the variable that says so.
PLACES = {
    "NERQ_OSV_URL": "/osv",
    "NERQ_DEPS_DEV_URL": "/deps-dev",
    "NERQ_SCORECARD_URL": "/scorecard",
    "NERQ_GITHUB_URL": "/github",
    "NERQ_EPSS_URL": "/epss",
    "NERQ_KEV_URL": "/kev",
    "NERQ_NPM_DOWNLOADS_URL": "/npm-downloads",
    "NERQ_PYPISTATS_URL": "/pypistats",
}
#: What npm audit asks.
NPM_AUDIT = "/-/npm/v1/security/advisories/bulk"


def environment(address: str) -> dict[str, str]:
    """Return the variables that point nerq at the stand-ins, by another name than the registries have.

    A host receives a limited number of requests at a time: services are on other hosts than registries.
    """
    own_address = address.replace("127.0.0.1", "localhost")
    return {variable: own_address + path for variable, path in PLACES.items()}


def answers(path: str) -> bool:
    """Whether a path belongs to one of the services."""
    return path.startswith((*PLACES.values(), NPM_AUDIT))


def answer(path: str, body: bytes = b"") -> tuple[int, bytes]:
    """Return status and body."""
    split = urlsplit(path)
    route = next((one for start, one in ROUTES.items() if split.path.startswith(start)), None)
    said = None if route is None else route(_Asked(split.path, parse_qs(split.query), json.loads(body) if body else {}))
    return (404, b"{}") if said is None else (200, json.dumps(said).encode())


class _Asked(NamedTuple):
    path: str
    query: dict[str, list[str]]
    body: dict[str, Any]


def _lists(asked: _Asked) -> dict[str, Any]:
    return {"results": [_hits(one) for one in asked.body["queries"]]}


def _query(asked: _Asked) -> dict[str, Any]:
    name = asked.body["package"]["name"]
    return {"vulns": [record(name)] if _hits(asked.body) else []}


def _vulnerability(asked: _Asked) -> dict[str, Any]:
    return record(asked.path.rpartition("GHSA-")[2])


def _probabilities(asked: _Asked) -> dict[str, Any]:
    cves = asked.query["cve"][0].split(",")
    return {"total": len(cves), "data": [{"cve": cve, "epss": "0.01234", "percentile": "0.5"} for cve in cves]}


def _catalogue(_: _Asked) -> dict[str, Any]:
    return {"catalogVersion": "2026.11.20", "count": 1, "vulnerabilities": [{"cveID": "CVE-1999-0001"}]}


def _rest(asked: _Asked) -> dict[str, Any]:
    owner, name = unquote(asked.path).split("/")[-2:]
    return {"full_name": f"{owner}/{name}", "archived": False, "stargazers_count": 500, "open_issues_count": 7}


def _graphql(asked: _Asked) -> dict[str, Any]:
    variables = asked.body["variables"]
    return {"data": {f"r{n}": _hosted(variables, n) for n in range(50) if f"o{n}" in variables}}


def _hits(query: dict[str, Any]) -> dict[str, Any]:
    name = query["package"]["name"]
    is_listed = bodies.is_affected_version(name, query["version"]) if "version" in query else bodies.is_affected(name)
    return {"vulns": [{"id": f"GHSA-{name}", "modified": MODIFIED}]} if is_listed else {}


def record(name: str) -> dict[str, Any]:
    """Return the OSV record of a package's advisory."""
    ecosystem, kind = ("npm", "SEMVER") if name.startswith("module") else ("PyPI", "ECOSYSTEM")
    made: dict[str, Any] = {
        "id": f"GHSA-{name}",
        "modified": MODIFIED,
        "published": MODIFIED,
        "aliases": [f"CVE-2026-1{name[-5:]}"],
        "summary": f"A hole in {name}",
        "affected": [
            {
                "package": {"ecosystem": ecosystem, "name": name},
                "ranges": [{"type": kind, "events": [{"introduced": "0"}, {"fixed": FIXED}]}],
                "versions": [version for version, _ in versions(name) if version.endswith(".0")],
            }
        ],
        "database_specific": {"severity": "MODERATE"},
    }
    return {**made, **bodies.details(made, len(json.dumps(made)))}


def _bulk(asked: _Asked) -> dict[str, Any]:
    return {
        name: [
            {
                "id": 1_000_000 + (bodies.number_of(name) or 0),
                "url": f"https://advisories.example/GHSA-{name}",
                "title": f"A hole in {name}",
                "severity": "moderate",
                "vulnerable_versions": f"<{FIXED}",
                "cwe": ["CWE-22"],
                "cvss": {"score": 5.3, "vectorString": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N"},
            }
        ]
        for name in asked.body
        if bodies.is_affected(name)
    }


def _responses(body: dict[str, Any], key: str, field: str, said: Callable[[dict[str, str]], Any]) -> dict[str, Any]:
    return {"responses": [{"request": one, field: said(one[key])} for one in body["requests"]]}


def _version(key: dict[str, str]) -> dict[str, Any]:
    times = dict(versions(key["name"]))
    return {
        "versionKey": key,
        "publishedAt": times.get(key["version"], "2024-01-01T00:00:00") + "Z",
        "licenses": ["MIT"],
        "relatedProjects": [
            {
                "projectKey": {"id": f"github.com/acme/{key['name']}"},
                "relationProvenance": "UNVERIFIED_METADATA",
                "relationType": "SOURCE_REPO",
            }
        ],
    }


def _findings(key: dict[str, str]) -> dict[str, Any]:
    newest = {**key, "version": versions(key["name"])[-1][0]}
    return {"requestedVersion": {"versionKey": key}, "defaultVersion": {"versionKey": newest, "isDefault": True}}


def _project(key: dict[str, str]) -> dict[str, Any]:
    checks = ("Code-Review", "Maintained", "Token-Permissions", "Security-Policy", "Contributors", "Binary-Artifacts")
    return {
        "projectKey": key,
        "starsCount": 900,
        "openIssuesCount": 12,
        "license": "MIT",
        "scorecard": {"date": "2026-11-16T00:00:00Z", "checks": [{"name": one, "score": 7} for one in checks]},
    }


def _hosted(variables: dict[str, str], n: int) -> dict[str, Any]:
    counted = {"totalCount": 20}
    return {
        "nameWithOwner": f"{variables[f'o{n}']}/{variables[f'n{n}']}",
        "isArchived": False,
        "stargazerCount": 900,
        "openIssues": counted,
        "closedIssues": {"totalCount": 80},
        "openPulls": counted,
        "closedPulls": {"totalCount": 80},
        "defaultBranchRef": {"target": {"committedDate": "2026-11-01T00:00:00Z", "history": counted}},
    }


#: What is answered, by how the path begins.
ROUTES: dict[str, Callable[[_Asked], dict[str, Any]]] = {
    "/osv/v1/querybatch": _lists,
    "/osv/v1/query": _query,  # what pip-audit asks
    "/osv/v1/vulns/GHSA-": _vulnerability,
    "/deps-dev/v3alpha/versionbatch": lambda asked: _responses(asked.body, "versionKey", "version", _version),
    "/deps-dev/v3alpha/findingsbatch": lambda asked: _responses(asked.body, "versionKey", "findings", _findings),
    "/deps-dev/v3alpha/projectbatch": lambda asked: _responses(asked.body, "projectKey", "project", _project),
    "/epss": _probabilities,
    "/kev": _catalogue,
    "/github/repos/": _rest,
    "/github/graphql": _graphql,
    NPM_AUDIT: _bulk,
}
