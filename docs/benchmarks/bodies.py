"""How large the bodies of the stand-ins are: small by default; with ``real`` as large as those of the real services.

Then one package in three has an advisory instead of one in 25, and PyPI lists it too. Records of advisories have
1.8 kB, the mean of the PyPA database. One package in ten has 320 releases and one in fifty 2,000: their pages are of
hundreds of kilobytes, and of megabytes. npm packages require each other, as in a real lock file. Hashes and signatures
are random, so that bodies are compressed about as well as real ones.
"""

from __future__ import annotations

import random
import re
from base64 import b64encode
from typing import Any

_NUMBER = re.compile(r"-(\d{5})$")
_WORDS = ("the", "a", "of", "when", "user", "may", "read", "write", "path", "header", "request", "token", "attacker")
#: npm packages that require each other, and those of them that a project requires itself.
TREE_SIZE = 600
DIRECT_COUNT = 40
#: Bytes of a record.
_RECORD_BYTES = 1_800

#: Every version before it has the advisory of its package. It is the newest minor version of all packages.
FIXED = "4.9.0"
MODIFIED = "2026-06-01T00:00:00Z"

real = False


def number_of(name: str) -> int | None:
    """Return the number in the name of a package."""
    found = _NUMBER.search(name)
    return None if found is None else int(found[1])


def is_affected(name: str) -> bool:
    """Whether a package has an advisory."""
    number = number_of(name)
    return number is not None and number % (3 if real else 25) == 0


def is_affected_version(name: str, version: str) -> bool:
    """Whether a version of a package has its advisory."""
    return is_affected(name) and [int(part) for part in version.split(".")] < [int(part) for part in FIXED.split(".")]


def patches(name: str) -> int:
    """Return how many releases each of the forty minor versions has."""
    number = number_of(name)
    if not real or number is None:
        return 1
    return 50 if number % 50 == 7 else 8 if number % 10 == 3 else 1


def npm_version(number: int) -> str:
    """Return the version of an npm package that is in use."""
    return f"{1 + number % 4}.{number % 10}.0"


def npm_dependencies(number: int) -> dict[str, str]:
    """Return what a package of the tree requires: up to three packages of its own, and one that another requires too.

    The ranges admit the fixes of advisories, as most real ones do.
    """
    own = range(DIRECT_COUNT + 3 * number, DIRECT_COUNT + 3 * number + 3)
    required = [one for one in dict.fromkeys((*own, number + DIRECT_COUNT + 1)) if one < TREE_SIZE]
    return {f"module-{one:05}": f">={npm_version(one)}" for one in required}


def text(name: str, size: int) -> str:
    """Return words, always the same for one name."""
    chosen = random.Random(name)
    words = ""
    while len(words) < size:
        words += f"{chosen.choice(_WORDS)} "
    return words[:size]


def digest(seed: str, size: int) -> bytes:
    """Return random bytes, always the same for one seed."""
    return random.Random(seed).randbytes(size)


def listed_advisories(name: str, version: str) -> list[dict[str, Any]]:
    """Return what PyPI lists for a version that has an advisory."""
    if not real or not is_affected_version(name, version):
        return []
    return [
        {
            "id": f"GHSA-{name}",
            "aliases": [f"CVE-2026-1{name[-5:]}"],
            "details": text(f"GHSA-{name}", 1_000),
            "fixed_in": [FIXED],
            "link": f"https://advisories.example/GHSA-{name}",
            "source": "osv",
            "summary": None,
            "withdrawn": None,
        }
    ]


def details(record: dict[str, Any], size: int) -> dict[str, Any]:
    """Return what makes a record of that size one of the real size."""
    return {"details": text(record["id"], max(0, _RECORD_BYTES - size))} if real else {}


def file_fields(filename: str) -> dict[str, Any]:
    """Return the further fields of a file on a project page."""
    if not real:
        return {}
    digests = {"blake2b_256": 32, "md5": 16, "sha256": 32}
    return {
        "comment_text": "",
        "digests": {name: digest(f"{name} {filename}", size).hex() for name, size in digests.items()},
        "downloads": -1,
        "has_sig": False,
        "md5_digest": digest(f"md5 {filename}", 16).hex(),
        "python_version": "py3",
    }


def manifest_fields(name: str, version: str) -> dict[str, Any]:
    """Return the further fields of one version in a packument."""
    if not real:
        return {}
    seed, number = f"{name} {version}", number_of(name)
    return {
        "main": "dist/index.js",
        "module": "dist/index.mjs",
        "author": {"name": "ann", "email": "ann@demo.example"},
        "bugs": {"url": f"https://github.com/acme/{name}/issues"},
        "gitHead": digest(seed, 20).hex(),
        "scripts": {
            "build": "tsc -p .",
            "test": "node --test",
            "lint": "eslint src",
            "prepublishOnly": "npm run build",
        },
        "dependencies": {} if number is None else npm_dependencies(number),
        "devDependencies": {f"module-8{n:04}": f"^{n}.4.2" for n in range(8)},
        "_npmUser": {"name": "ann", "email": "ann@demo.example"},
        "_nodeVersion": "20.11.0",
        "_npmVersion": "10.2.4",
        "_npmOperationalInternal": {"host": "s3://packages.example", "tmp": f"tmp/{seed}_{digest(seed, 8).hex()}"},
        "_hasShrinkwrap": False,
        "dist": {
            "tarball": f"https://files.registry.example/{name}-{version}.tgz",
            "shasum": digest(seed, 20).hex(),
            "integrity": f"sha512-{b64encode(digest(seed, 64)).decode()}",
            "fileCount": 24,
            "unpackedSize": 123456,
            "signatures": [
                {
                    "keyid": "SHA256:0000000000000000000000000000000000000000000",
                    "sig": b64encode(digest(seed, 70)).decode(),
                }
            ],
        },
    }
