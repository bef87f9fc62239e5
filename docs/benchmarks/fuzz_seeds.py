"""Examples of everything that nerq-cli reads, as real tools and services write it: where ``fuzz.py`` begins."""

from __future__ import annotations

import json
from base64 import b64encode

import locks

#: Packages in a generated lock file: a few, so that most mutations change its structure.
COUNT = 4

REQUIREMENTS = """\
# -*- coding: utf-8 -*-
--index-url https://user:secret@registry.example/simple
--extra-index-url https://other.example/simple
-r base.txt
-c constraints.txt
-e git+https://code.example/acme/demo.git@v1.2#egg=demo[extra]&subdirectory=lib
requests[socks,security]>=2.31,!=2.32.0,<3 ; python_version >= "3.9" and sys_platform == 'linux'  # why
numpy==1.26.4 \\
    --hash=sha256:0000000000000000000000000000000000000000000000000000000000000000 \\
    --hash=sha256:1111111111111111111111111111111111111111111111111111111111111111
demo @ https://files.example/demo-1.0-py3-none-any.whl
torch==2.1.0+cu118
./local/package
Django ~= 4.2.0
"""

PYPROJECT = """\
[project]
name = "acme-app"
version = "1.0"
dependencies = ["requests>=2.31,<3", "rich[jupyter]==13.7.0; python_version >= '3.9'", "demo @ git+https://code.example"]
dynamic = ["optional-dependencies"]
[project.optional-dependencies]
docs = ["sphinx>=7"]
[dependency-groups]
dev = ["pytest>=8", { include-group = "lint" }]
lint = ["ruff==0.5.0"]
[build-system]
requires = ["hatchling>=1.27"]
[tool.poetry.dependencies]
python = "^3.10"
httpx = { version = "^0.27", extras = ["http2"], optional = true }
many = [{ version = "<2", python = "<3.9" }, { version = ">=2", python = ">=3.9" }]
[tool.poetry.group.test.dependencies]
hypothesis = "*"
[tool.pdm.dev-dependencies]
test = ["pytest", "-e file:///${PROJECT_ROOT}/sub#egg=sub"]
[tool.hatch.envs.default]
dependencies = ["coverage[toml]>=7"]
[tool.uv]
dev-dependencies = ["mypy"]
[tool.uv.sources]
demo = { git = "https://code.example/demo", tag = "v1" }
local = { path = "../local", editable = true }
[[tool.uv.index]]
name = "acme"
url = "https://registry.example/simple"
[tool.setuptools.dynamic]
dependencies = { file = ["requirements.txt"] }
[tool.nerq]
threshold = 70
private = ["acme-*", "@acme/*"]
exclude = ["docs/**", "!docs/keep.txt"]
timeout = 20
"""

PACKAGE_JSON = """\
{
  "name": "web",
  "version": "1.0.0",
  "packageManager": "pnpm@9.0.0+sha512.abc",
  "workspaces": {"packages": ["packages/*", "!packages/old"], "catalog": {"react": "^18.0.0"}},
  "dependencies": {
    "react": "catalog:", "lodash": "npm:lodash-es@^4.17.21", "ui": "workspace:*", "@acme/tool": "~1.2.3 || >=2 <3",
    "git": "git+ssh://git@code.example/acme/git.git#semver:^1", "tar": "https://files.example/a.tgz",
    "short": "acme/short#v1", "range": "1.2.3 - 2.3.4", "tag": "latest", "local": "file:../local"
  },
  "devDependencies": {"typescript": "5.4.x"},
  "peerDependencies": {"vue": ">=3"},
  "peerDependenciesMeta": {"vue": {"optional": true}},
  "optionalDependencies": {"fsevents": "*"},
  "bundledDependencies": ["left"],
  "overrides": {"foo": {".": "1.0.0", "bar": "$react"}},
  "resolutions": {"**/baz": "2.0.0"},
  "pnpm": {"overrides": {"a>b": "1"}}
}
"""

SETUP_CFG = """\
[metadata]
name = acme-app
[options]
python_requires = >=3.9
install_requires =
    requests>=2.31 ; python_version < "3.12"
    rich
setup_requires = setuptools_scm
[options.extras_require]
docs = sphinx>=7; furo
test =
    pytest
    %(docs)s
"""

SETUP_PY = """\
from setuptools import setup
VERSION = "1.2"
BASE = ["requests>=2.31", "rich"]
EXTRAS = {"docs": ["sphinx"], ':python_version < "3.11"': ["tomli"]}
setup(name="app", install_requires=BASE + [f"core=={VERSION}", "a" "b"], extras_require={**EXTRAS, "all": [*BASE]})
"""

ENVIRONMENT_YML = """\
name: acme
channels: [conda-forge]
dependencies: &deps
  - python=3.11
  - conda-forge::numpy >=1.26,<2
  - https://conda.example/noarch/tool-1.2-py_0.conda
  - pip:
      - requests[socks]>=2.31
      - "rich==13.7.0 ; python_version >= '3.8'"
      - -r requirements/base.txt
      - git+https://code.example/acme.git@v1
other: *deps
"""

PIPFILE = """\
[[source]]
name = "pypi"
url = "https://registry.example/simple"
verify_ssl = true
[packages]
requests = { version = ">=2", extras = ["socks"], markers = "python_version < '3.12'", index = "pypi" }
rich = "*"
demo = { git = "https://code.example/demo.git", ref = "v1", editable = true }
[dev-packages]
pytest = "==8.0"
[requires]
python_version = "3.11"
"""

SCRIPT = """\
#!/usr/bin/env python
# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "requests<3",
#   "rich",
# ]
# [tool.uv]
# exclude-newer = "2026-01-01T00:00:00Z"
# ///
import requests
"""

CYCLONEDX_XML = """\
<?xml version="1.0" encoding="UTF-8"?>
<bom xmlns="http://cyclonedx.org/schema/bom/1.5">
  <metadata><component type="application" bom-ref="app"><name>acme</name></component></metadata>
  <components>
    <component type="library" bom-ref="r"><group>@acme</group><name>core</name><version>2.31.0</version>
      <purl>pkg:npm/%40acme/core@2.31.0</purl>
      <components><component type="library"><name>in</name><purl>pkg:pypi/in@1</purl></component></components>
    </component>
  </components>
  <dependencies><dependency ref="app"><dependency ref="r"/></dependency></dependencies>
</bom>
"""

SPDX = {
    "spdxVersion": "SPDX-2.3",
    "SPDXID": "SPDXRef-DOCUMENT",
    "packages": [
        {
            "SPDXID": f"SPDXRef-{n}",
            "name": f"p{n}",
            "versionInfo": "1.0",
            "externalRefs": [{"referenceType": "purl", "referenceLocator": f"pkg:pypi/p{n}@1.0"}],
        }
        for n in range(COUNT)
    ],
    "relationships": [
        {"spdxElementId": "SPDXRef-0", "relationshipType": "DEPENDS_ON", "relatedSpdxElement": "SPDXRef-1"}
    ],
}

PACKAGE_LOCK_1 = {
    "name": "app",
    "lockfileVersion": 1,
    "requires": True,
    "dependencies": {
        "a": {"version": "1.0.0", "resolved": "https://registry.example/a/-/a-1.0.0.tgz", "requires": {"b": "^1.0.0"}},
        "b": {"version": "1.0.0", "dev": True, "dependencies": {"c": {"version": "npm:d@2.0.0", "bundled": True}}},
    },
}

DENO_JSON = """\
{
  // the import map
  "name": "@acme/app",
  "workspace": ["./a", "./b"],
  "imports": {
    "chalk": "npm:chalk@4",
    "rd": "npm:/react-dom@18/server",
    "@std/path": "jsr:@std/path@^1",
    "local": "./x.ts",
  },
  "scopes": { "./y/": { "debug": "npm:debug@4" } },
}
"""

MCP_JSON = """{
  // servers of the project
  "mcpServers": {
    "files": {"command": "npx", "args": ["-y", "@acme/files@1.2.3"], "env": {"API_KEY": "${KEY}"}},
    "git": {"command": "uvx", "args": ["--from", "mcp-git==1.0", "mcp-git"]},
    "image": {"command": "docker", "args": ["run", "-i", "--rm", "acme/x:1"]},
    "remote": {"type": "http", "url": "https://mcp.example/mcp", "headers": {"Authorization": "x"}},
  },
}
"""
MCP_TOML = """[mcp_servers.files]
command = "npx"
args = ["-y", "files"]
[mcp_servers.remote]
url = "https://mcp.example/mcp"
"""
MCP_YAML = """mcpServers:
  - name: files
    command: sh
    args: ["-c", "npx -y files"]
"""
SKILL_MD = """---
name: files
---
Run `npx -y files@1.0.0`, see https://docs.example/files.
"""
DENO_LOCK = {
    "version": "5",
    "specifiers": {"npm:chalk@4": "4.1.2", "npm:react-dom@18": "18.3.1_react@18.3.1", "jsr:@std/path@1": "1.0.8"},
    "jsr": {"@std/path@1.0.8": {"integrity": "00", "dependencies": ["npm:chalk@4"]}},
    "npm": {
        "chalk@4.1.2": {"integrity": "sha512-00", "dependencies": ["react@18.3.1", "style@npm:other@1.0.0"]},
        "react-dom@18.3.1_react@18.3.1": {"dependencies": ["react"], "optionalPeers": ["chalk@4"], "os": ["linux"]},
        "react@18.3.1": {"integrity": "sha512-00"},
    },
    "workspace": {"dependencies": ["npm:chalk@4"], "members": {"a": {"dependencies": ["npm:react-dom@18"]}}},
}

PIXI_TOML = """\
[workspace]
name = "acme"
channels = ["conda-forge"]
platforms = ["linux-64", "win-64"]
[dependencies]
python = "3.11.*"
numpy = { version = "==1.26.4", channel = "conda-forge" }
[pypi-options]
extra-index-urls = ["https://user:secret@other.example/simple"]
[pypi-dependencies]
requests = "==2.31.0"
flask = { version = ">=2", extras = ["async"], env-markers = "os_name == 'nt'" }
own = { path = ".", editable = true }
tool = { git = "https://code.example/tool.git", rev = "abc" }
[target.win-64.pypi-dependencies]
pywin32 = ">=300"
[feature.test.target.osx-arm64.dependencies]
lld = ">=1"
"""

PIXI_LOCK = """\
version: 6
environments:
  default:
    channels:
    - url: https://conda.example/conda-forge/
    indexes:
    - https://registry.example/simple
    packages:
      linux-64:
      - conda: https://conda.example/conda-forge/linux-64/python-3.12.7-hc5c86c4_0_cpython.conda
      - pypi: https://files.example/requests-2.31.0-py3-none-any.whl
      - pypi: ./
packages:
- conda: https://conda.example/conda-forge/linux-64/python-3.12.7-hc5c86c4_0_cpython.conda
  sha256: 00
  depends:
  - __glibc >=2.17
- pypi: https://files.example/requests-2.31.0-py3-none-any.whl
  name: requests
  version: 2.31.0
  sha256: 00
  requires_dist:
  - idna<4,>=2.5
  - pysocks!=1.5.7,>=1.5.6 ; extra == 'socks'
- pypi: ./
  name: acme
  version: 0.1.0
  editable: true
"""

CONDA_LOCK = """\
version: 1
metadata:
  platforms: [linux-64, osx-64]
package:
- name: python
  version: '3.12.7'
  manager: conda
  platform: linux-64
  url: https://conda.example/python.conda
  dependencies: {_libgcc_mutex: '>=0.1'}
  hash: {sha256: '00'}
- name: requests
  version: '2.31.0'
  manager: pip
  platform: linux-64
  url: https://files.example/requests.whl
  dependencies: {idna: '>=2.5,<4', python: '>=3.8'}
  category: main
  optional: false
- name: own
  version: '1.0'
  manager: pip
  platform: linux-64
  source: {type: url, url: git+https://code.example/own.git@abc}
"""

#: Path and content of examples of each dependency file format.
FORMATS: dict[str, list[tuple[str, str]]] = {
    "pyproject": [("pyproject.toml", PYPROJECT)],
    "package.json": [("package.json", PACKAGE_JSON)],
    "requirements": [("requirements.txt", REQUIREMENTS), ("requirements.in", "requests\nrich>=13\n")],
    "setup.cfg": [("setup.cfg", SETUP_CFG)],
    "setup.py": [("setup.py", SETUP_PY)],
    "environment.yml": [("environment.yml", ENVIRONMENT_YML)],
    "Pipfile": [("Pipfile", PIPFILE)],
    "poetry.lock": [("poetry.lock", locks.poetry(COUNT))],
    "uv.lock": [("uv.lock", locks.uv(COUNT))],
    "pdm.lock": [("pdm.lock", locks.pdm(COUNT))],
    "pylock.toml": [("pylock.toml", locks.pylock(COUNT))],
    "Pipfile.lock": [("Pipfile.lock", locks.pipfile_lock(COUNT))],
    "package-lock.json": [
        ("package-lock.json", locks.package_lock(COUNT)),
        ("npm-shrinkwrap.json", json.dumps(PACKAGE_LOCK_1, indent=2)),
    ],
    "yarn.lock": [("yarn.lock", locks.yarn_classic(COUNT)), ("yarn.lock", locks.yarn_berry(COUNT))],
    "pnpm-lock.yaml": [("pnpm-lock.yaml", locks.pnpm(COUNT))],
    "bun.lock": [("bun.lock", locks.bun_lock(COUNT))],
    "deno.json": [("deno.json", DENO_JSON)],
    "deno.lock": [("deno.lock", json.dumps(DENO_LOCK, indent=2))],
    "pixi.toml": [("pixi.toml", PIXI_TOML)],
    "pixi.lock": [("pixi.lock", PIXI_LOCK)],
    "conda-lock.yml": [("conda-lock.yml", CONDA_LOCK)],
    "mcp": [
        (".mcp.json", MCP_JSON),
        (".codex/config.toml", MCP_TOML),
        (".continue/config.yaml", MCP_YAML),
    ],
    "skill": [(".claude/skills/x/SKILL.md", SKILL_MD)],
    "sbom": [("bom.json", locks.cyclonedx(COUNT)), ("bom.xml", CYCLONEDX_XML), ("spdx.json", json.dumps(SPDX))],
    "script": [("tool.py", SCRIPT)],
}

NERQ_TOML = """\
threshold = 65
private = ["acme-*", "@acme/*"]
public = ["requests", "left-*"]
exclude = ["docs/**", "/build", "*.lock", "!keep/"]
timeout = 12.5
strict = true
groups = ["main", "docs"]
no-dev = false
"""

GITIGNORE = """\
# what is built
build/
*.py[cod]
/dist
!dist/keep.txt
docs/**/generated
**/node_modules/**
a[!b-d]?e*\\ \\#
foo**bar
"""

#: Configuration files of package managers: path below the home directory, and content.
CONFIGS: dict[str, str] = {
    ".npmrc": "registry=https://registry.example/\n@acme:registry=https://npm.example/\n"
    '//npm.example/:_authToken=${TOKEN}\n//npm.example/:_auth=dTpw\nca[]="a"\n; why\n',
    ".config/pip/pip.conf": "[global]\nindex-url = https://user:secret@registry.example/simple\n"
    "extra-index-url =\n    https://other.example/simple\n    https://third.example\n"
    "no-index = false\n[install]\ntrusted-host = x\n",
    ".config/uv/uv.toml": 'index-url = "https://registry.example/simple"\nextra-index-url = ["https://other.example"]\n'
    '[[index]]\nname = "acme"\nurl = "https://index.example/simple"\ndefault = true\nexplicit = false\n',
    ".yarnrc.yml": 'npmRegistryServer: "https://registry.example"\nnpmScopes:\n  acme:\n'
    '    npmRegistryServer: "https://npm.example"\n    npmAuthToken: "${TOKEN-x}"\n',
    ".yarnrc": 'registry "https://registry.example"\n"@acme:registry" "https://npm.example"\n',
    ".bunfig.toml": '[install]\nregistry = { url = "https://registry.example", token = "$TOKEN" }\n'
    '[install.scopes]\nacme = "https://user:pass@npm.example"\n',
    ".netrc": "machine registry.example login user password secret\ndefault login a password b\nmacdef init\n  x\n\n",
}

OSV_RECORD = {
    "schema_version": "1.6.0",
    "id": "GHSA-aaaa-bbbb-cccc",
    "modified": "2026-01-02T00:00:00Z",
    "published": "2025-12-01T00:00:00.123Z",
    "aliases": ["CVE-2025-12345", "PYSEC-2025-1"],
    "summary": "Something is wrong",
    "details": "What is wrong, at length",
    "severity": [
        {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"},
        {"type": "CVSS_V4", "score": "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:N/VA:N/SC:N/SI:N/SA:N"},
    ],
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "demo", "purl": "pkg:pypi/demo"},
            "ranges": [
                {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.2.3"}, {"introduced": "2a1"}]}
            ],
            "versions": ["1.0", "1.1.post1"],
        },
        {
            "package": {"ecosystem": "npm", "name": "demo"},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": "1.0.0-rc.1"}, {"last_affected": "1.4.0"}]}],
        },
    ],
    "references": [{"type": "WEB", "url": "https://docs.example/advisory"}],
    "database_specific": {"severity": "HIGH", "malicious-packages-origins": []},
}

_FILE = {
    "filename": "demo-1.0-py3-none-any.whl",
    "packagetype": "bdist_wheel",
    "upload_time_iso_8601": "2026-01-02T03:04:05.000000Z",
    "requires_python": ">=3.9",
    "yanked": False,
    "yanked_reason": None,
}
PYPI_JSON = {
    "info": {
        "name": "demo",
        "version": "1.0",
        "summary": "What it is",
        "description": "# Demo\n\n```\ncode\n```\n<!-- no -->" + "word " * 50,
        "license_expression": "MIT OR (Apache-2.0 WITH LLVM-exception)",
        "license": "MIT",
        "classifiers": ["License :: OSI Approved :: MIT License", "Typing :: Typed"],
        "keywords": "a, b",
        "requires_python": ">=3.9,<4",
        "project_urls": {"Source": "https://github.com/acme/demo.git", "Changelog": "https://docs.example"},
        "yanked": False,
    },
    "releases": {"0.9": [_FILE], "1.0": [_FILE, {**_FILE, "packagetype": "sdist", "filename": "demo-1.0.tar.gz"}]},
    "urls": [_FILE],
    "ownership": {"roles": [{"role": "Owner", "user": "ann"}], "organization": "acme"},
    "vulnerabilities": [{"id": "PYSEC-2025-1", "aliases": ["CVE-2025-1"], "fixed_in": ["1.1"], "summary": "x"}],
    "last_serial": 1,
}
SIMPLE_JSON = {
    "meta": {"api-version": "1.4"},
    "project-status": {"status": "active"},
    "name": "demo",
    "versions": ["0.9", "1.0"],
    "files": [
        {
            "filename": "demo-1.0-py3-none-any.whl",
            "upload-time": "2026-01-02T03:04:05.000000Z",
            "requires-python": ">=3.9",
            "yanked": "why",
            "provenance": "https://registry.example/p",
        }
    ],
}
SIMPLE_HTML = """\
<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.3">
<meta name="pypi:project-status" content="archived"></head><body>
<a href="../../files/demo-1.0-py3-none-any.whl#sha256=00" data-requires-python="&gt;=3.9" data-yanked="x"
 data-provenance="https://registry.example/p">demo-1.0-py3-none-any.whl</a><br/>
<a href="demo-0.9.tar.gz">demo-0.9.tar.gz</a></body></html>
"""
_MANIFEST = {
    "name": "demo",
    "version": "1.0.0",
    "description": "What it is",
    "license": {"type": "MIT"},
    "repository": {"type": "git", "url": "git+https://github.com/acme/demo.git"},
    "scripts": {"postinstall": "node x.js"},
    "engines": {"node": ">=18"},
    "deprecated": "use left",
    "dist": {"signatures": [{"keyid": "k", "sig": "s"}], "attestations": {"url": "https://registry.example/a"}},
    "maintainers": [{"name": "ann", "email": "a@mail.example"}],
    "_npmUser": {"name": "ann"},
    "keywords": ["a"],
    "types": "x.d.ts",
}
PACKUMENT = {
    "name": "demo",
    "dist-tags": {"latest": "1.0.0", "next": "2.0.0-rc.1"},
    "time": {"created": "2020-01-01T00:00:00.000Z", "1.0.0": "2026-01-02T03:04:05.678Z"},
    "maintainers": [{"name": "ann"}],
    "readme": "# Demo " + "word " * 50,
    "versions": {"1.0.0": _MANIFEST, "2.0.0-rc.1": {**_MANIFEST, "version": "2.0.0-rc.1"}},
}


def _sign(kind: str, predicate: object, subject: str = "demo-1.0-py3-none-any.whl") -> str:
    statement = {"subject": [{"name": subject}], "predicateType": kind, "predicate": predicate}
    return b64encode(json.dumps(statement).encode()).decode()


_SLSA = "https://slsa.dev/provenance/v1"
_WORKFLOW = {"workflow": {"repository": "https://github.com/acme/demo", "ref": "refs/tags/v1"}}
INTEGRITY = {
    "version": 1,
    "attestation_bundles": [
        {
            "publisher": {"kind": "GitHub", "repository": "acme/demo", "workflow": "release.yml"},
            "attestations": [
                {"version": 1, "envelope": {"statement": _sign(_SLSA, {}), "signature": "c2ln"}},
            ],
        }
    ],
}
ATTESTATIONS = {
    "attestations": [
        {
            "predicateType": _SLSA,
            "bundle": {
                "dsseEnvelope": {
                    "payload": _sign(
                        _SLSA, {"buildDefinition": {"externalParameters": _WORKFLOW}}, "pkg:npm/demo@1.0.0"
                    ),
                    "payloadType": "application/vnd.in-toto+json",
                }
            },
        }
    ]
}
_KEY = {"system": "PYPI", "name": "demo", "version": "1.0"}
CHECKS = {
    "date": "2026-01-02T00:00:00Z",
    "checks": [{"name": "Code-Review", "score": 7}, {"name": "Maintained", "score": -1}],
}
DEPS_DEV_VERSIONS = {
    "responses": [
        {
            "request": {"versionKey": _KEY},
            "version": {
                "versionKey": _KEY,
                "publishedAt": "2026-01-02T03:04:05Z",
                "licenses": ["MIT", "non-standard"],
                "links": [{"label": "SOURCE_REPO", "url": "https://github.com/acme/demo"}],
                "attestations": [{"verified": True, "sourceRepository": "https://github.com/acme/demo"}],
                "relatedProjects": [{"projectKey": {"id": "github.com/acme/demo"}, "relationType": "SOURCE_REPO"}],
            },
        }
    ],
    "nextPageToken": "",
}
DEPS_DEV_PROJECTS = {
    "responses": [
        {
            "request": {"projectKey": {"id": "github.com/acme/demo"}},
            "project": {"projectKey": {"id": "github.com/acme/demo"}, "starsCount": 9, "scorecard": CHECKS},
        }
    ]
}
GRAPHQL = {
    "data": {
        "r0": {
            "nameWithOwner": "acme/demo",
            "isArchived": False,
            "stargazerCount": 9,
            "licenseInfo": {"spdxId": "MIT"},
            "openIssues": {"totalCount": 3},
            "closedIssues": {"totalCount": 30},
            "defaultBranchRef": {"target": {"committedDate": "2026-01-02T03:04:05Z", "history": {"totalCount": 12}}},
            "npm": {"text": '{"name": "demo"}'},
            "python": {"text": '[project]\nname = "demo"\n'},
        }
    },
    "errors": [{"type": "NOT_FOUND", "path": ["r1"], "message": "x"}],
}
OSV_LIST = {
    "results": [{"vulns": [{"id": "GHSA-aaaa-bbbb-cccc", "modified": "2026-01-02T00:00:00Z"}], "next_page_token": "t"}]
}
EPSS = {"total": 1, "data": [{"cve": "CVE-2025-12345", "epss": "0.97123", "percentile": "0.9"}]}
KEV = {
    "catalogVersion": "2026.01.02",
    "count": 1,
    "vulnerabilities": [{"cveID": "CVE-2025-12345", "dateAdded": "2026-01-01"}],
}
DOWNLOADS = {"downloads": 12345, "package": "demo", "data": {"last_week": 12345}}

VERSIONS = [
    "1.2.3",
    "1!2.0.0rc1.post2.dev3+local.1",
    "v1.0",
    "2024.1.15",
    "1.0.0-alpha.1+build.5",
    "0.0.0-0.3.7",
    "1.*",
    "x",
]
RANGES = [
    ">=1.0,<2,!=1.5.*,~=1.2",
    "==1.2.3",
    "===wild",
    "^1.2.3 || ~2.0 - 3",
    "1.2.3 - 2.3.4",
    ">=1 <2 || 5.x",
    "*",
    "latest",
    "<=1.0.0-rc.1 >0.0.0-0",
]
TARGETS = [
    "requests==2.31.0",
    "npm:@acme/demo@^1.2",
    "pkg:pypi/demo@1.0?extension=whl#sub",
    "pypi:Demo[extra]>=1,<2",
    "lodash@4",
]
TEXTS = [
    "plain",
    "\x1b[31mred\x1b[0m \x1b]8;;https://x.example\x07link\x1b]8;;\x07",
    "a\u202eb\u200bc\ufeff",
    "##[error]x ::set",
    "section_start:1:x travis_fold:start",
    "| a | b |\n`code` <b>&amp;</b> [x](https://x.example)",
    "\ud7ff\U0001f600\u0301",
]
LICENCES = [
    "MIT",
    "MIT OR (Apache-2.0 AND BSD-3-Clause)",
    "GPL-2.0-only WITH Classpath-exception-2.0",
    "SEE LICENSE IN x",
    "License :: OSI Approved",
]
URLS = [
    "git+ssh://git@github.com:22/acme/demo.git#main",
    "github:acme/demo",
    "https://gitlab.com/a/b/c/-/tree/main",
    "https://bitbucket.org/a/b",
    "http://[::1]:80/x?y#z",
    "git@code.example:acme/demo.git",
]
