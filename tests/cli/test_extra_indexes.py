"""Extra indexes of the user: requested as pip and uv would, and their names kept from the services."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from nerq_cli.ecosystems.pypi import PypiEcosystem
from nerq_cli.manifests.package_source import is_public_server
from nerq_cli.sources import endpoints
from nerq_cli.sources.endpoints import get_public_registry_url
from nerq_cli.sources.registries.config import indexes

AS_OF = ("--as-of", "2026-11-21")
SIMPLE = {"Content-Type": "application/vnd.pypi.simple.v1+json"}


@pytest.fixture(autouse=True)
def public(registry: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The public registry, on loopback, with no configuration that names another one."""
    monkeypatch.delenv("NERQ_PYPI_URL")
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(PypiEcosystem, "get_artefact_url", lambda _: f"{registry.site.url}/project/x")
    caches = (get_public_registry_url, is_public_server, indexes._is_public_url, indexes._get_public_endpoint)  # noqa: SLF001
    for cached in caches:
        cached.cache_clear()
    read = endpoints.read_endpoints
    # The services are those of the public, not addresses that the user chose.
    monkeypatch.setattr(endpoints, "read_endpoints", lambda environ: replace(read(environ), configured=frozenset()))
    registry.most_used()
    yield registry
    for cached in caches:
        cached.cache_clear()


class Index:
    """An index of a company: the simple API alone."""

    def __init__(self, site: Any, path: str = "/simple") -> None:
        self.site, self.path = site, path

    @property
    def url(self) -> str:
        return f"{self.site.url}{self.path}"

    def on(self, name: str, *versions: str) -> None:
        """List a package with these versions, oldest first."""
        files = [
            {
                "filename": f"{name.replace('-', '_')}-{version}-py3-none-any.whl",
                "upload-time": f"{2026 - age}-10-20T08:00:00.000000Z",
                "requires-python": ">=3.9",
            }
            for age, version in enumerate(reversed(versions))
        ]
        body = {"meta": {"api-version": "1.1"}, "name": name, "versions": list(versions), "files": files}
        self.site.on(f"{self.path}/{name}/", {"headers": SIMPLE, "body": body})

    @property
    def names(self) -> set[str]:
        """The names that were requested."""
        return {path.rstrip("/").rpartition("/")[2] for path in (request.path for request in self.site.requests)}


@pytest.fixture
def corp(other_site: Any) -> Index:
    return Index(other_site)


def scan(nerq: Callable[..., Any], project: Path, *lines: str) -> dict[str, Any]:
    """Return the dependencies of a project with these requirements, by name."""
    (project / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    result = nerq("scan", *AS_OF, "--format", "json", "--no-cache")
    assert result.out, result.err
    return {one["name"]: one for one in result.json["dependencies"]}


def sent(services_site: Any) -> set[str]:
    """Return the names of packages that any service received."""
    text = b"\n".join(request.body + request.path.encode() for request in services_site.requests).decode()
    names = ("acme-lib", "demo", "acme-common", "other", "numpy")
    return {name for name in names if f'"{name}"' in text or f"/{name}" in text}


def asked(registry: Any, name: str) -> bool:
    """Whether the public registry was asked for a name."""
    return any(f"/{name}/" in path for path in registry.paths)


@pytest.mark.parametrize("variable", ["PIP_EXTRA_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL"])
def test_a_package_of_an_extra_index_is_judged_and_sent_to_no_service(
    nerq: Any, project: Path, public: Any, corp: Index, services_site: Any, monkeypatch: Any, variable: str
) -> None:
    monkeypatch.setenv(variable, corp.url)
    corp.on("acme-lib", "1.0", "1.1")
    public.pypi("demo", "1.0")
    found = scan(nerq, project, "acme-lib>=1.0", "demo==1.0")
    assert found["acme-lib"]["version"] == "1.1"
    assert found["acme-lib"]["state"] != "not-judged"
    assert sent(services_site) == {"demo"}
    assert {"acme-lib", "demo"} <= corp.names


def test_pip_takes_the_best_version_of_all_indexes(
    nerq: Any, project: Path, public: Any, corp: Index, services_site: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", corp.url)
    corp.on("acme-common", "1.0", "3.0")
    corp.on("other", "1.0")
    public.pypi("acme-common", "1.0", "2.0")
    public.pypi("other", "1.0", "2.0")
    found = scan(nerq, project, "acme-common", "other")
    assert (found["acme-common"]["version"], found["other"]["version"]) == ("3.0", "2.0")

    assert sent(services_site) == set()


def test_uv_takes_the_first_index_that_has_a_package_and_asks_no_other(
    nerq: Any, project: Path, public: Any, corp: Index, monkeypatch: Any
) -> None:
    team = Index(corp.site, "/team/simple")
    monkeypatch.setenv("UV_INDEX", f"team={team.url} corp={corp.url}")
    team.on("acme-common", "1.0")
    corp.on("acme-common", "3.0")
    corp.on("other", "1.5")
    public.pypi("acme-common", "9.0")
    public.pypi("other", "9.0")
    public.pypi("demo", "1.0")
    found = scan(nerq, project, "acme-common", "other", "demo")
    assert {name: one["version"] for name, one in found.items()} == {
        "acme-common": "1.0",
        "other": "1.5",
        "demo": "1.0",
    }
    assert (asked(public, "acme-common"), asked(public, "other"), asked(public, "demo")) == (False, False, True)


def test_an_unsafe_strategy_of_uv_and_an_index_that_pip_has_too_do_not_end_the_search(
    nerq: Any, project: Path, public: Any, corp: Index, monkeypatch: Any
) -> None:
    corp.on("acme-common", "1.0")
    public.pypi("acme-common", "2.0")
    monkeypatch.setenv("UV_INDEX", corp.url)
    assert scan(nerq, project, "acme-common")["acme-common"]["version"] == "1.0"
    monkeypatch.setenv("UV_INDEX_STRATEGY", "unsafe-best-match")
    assert scan(nerq, project, "acme-common")["acme-common"]["version"] == "2.0"
    monkeypatch.delenv("UV_INDEX_STRATEGY")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", corp.url)
    assert scan(nerq, project, "acme-common")["acme-common"]["version"] == "2.0"


@pytest.mark.parametrize("name", ["pip.conf", "uv.toml"])
def test_the_files_of_the_user_name_extra_indexes(
    nerq: Any, project: Path, public: Any, corp: Index, name: str, tmp_path: Path
) -> None:
    path = tmp_path / "home" / ".config" / name.partition(".")[0] / name
    path.parent.mkdir(parents=True)
    texts = {
        "pip.conf": f"[global]\nextra-index-url = {corp.url}\n",
        "uv.toml": f'[[index]]\nname = "corp"\nurl = "{corp.url}"\n',
    }
    path.write_text(texts[name], encoding="utf-8")
    corp.on("acme-lib", "1.0")
    assert scan(nerq, project, "acme-lib")["acme-lib"]["version"] == "1.0"


def test_credentials_are_sent_to_their_own_index_only(
    nerq: Any, project: Path, public: Any, corp: Index, services_site: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", corp.url.replace("//", "//user:secret@"))
    corp.on("acme-common", "1.0")
    public.pypi("acme-common", "1.0")
    scan(nerq, project, "acme-common", "numpy==1.26.0")
    assert corp.site.requests
    assert all("authorization" in request.headers for request in corp.site.requests)
    others = [*public.site.requests, *services_site.requests]
    assert others
    assert not any("authorization" in request.headers for request in others)


def test_an_index_that_gives_no_answer_makes_no_name_public_and_none_unknown_to_all(
    nerq: Any, project: Path, public: Any, corp: Index, services_site: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", corp.url)
    for name in ("acme-lib", "demo", "numpy"):
        corp.site.on(f"/simple/{name}/", {"status": 403})
    public.pypi("demo", "1.0")
    public.pypi("numpy", "1.26.0")
    found = scan(nerq, project, "acme-lib==1.0", "demo==1.0", "numpy==1.26.0")
    assert found["acme-lib"]["state"] == "unknown"
    assert "refused access (403)" in json.dumps(found["acme-lib"])
    assert found["demo"]["state"] != "not-judged"
    assert sent(services_site) == {"numpy"}
    result = nerq("scan", *AS_OF, "--format", "json", "--no-cache")
    assert not any(finding["id"] == "not-on-index" for finding in result.findings)


def test_a_package_that_no_index_has_is_reported(
    nerq: Any, project: Path, public: Any, corp: Index, services_site: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", corp.url)
    public.pypi("demo", "1.0")
    scan(nerq, project, "acme-lib==1.0", "demo==1.0")
    result = nerq("scan", *AS_OF, "--format", "json", "--no-cache")
    assert [finding["name"] for finding in result.findings] == ["acme-lib"]
    assert sent(services_site) == {"demo"}


@pytest.mark.parametrize("path", ["/root/dev/+simple", "/whl/cpu", "/+simple/"])
@pytest.mark.parametrize("variable", ["PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL"])
def test_an_index_whose_address_does_not_end_in_simple_is_used_as_it_is(
    nerq: Any, project: Path, public: Any, other_site: Any, monkeypatch: Any, path: str, variable: str
) -> None:
    index = Index(other_site, path.rstrip("/"))
    monkeypatch.setenv(variable, f"{other_site.url}{path}")
    index.on("acme-lib", "1.0")
    index.on("numpy", "1.26.0")
    assert scan(nerq, project, "acme-lib")["acme-lib"]["version"] == "1.0"
    paths = {request.path for request in other_site.requests}
    assert paths <= {f"{index.path}/{name}/" for name in ("acme-lib", *indexes_probe())}
    assert all("vnd.pypi.simple.v1+json" in request.headers["accept"] for request in other_site.requests)


def indexes_probe() -> tuple[str, ...]:
    """Return the name that an index is tried with."""
    from nerq_cli.ecosystems import PYPI
    from nerq_cli.sources.popularity.ranks import get_most_used

    return (get_most_used(PYPI),)


def test_the_html_form_of_an_index_is_read(
    nerq: Any, project: Path, public: Any, corp: Index, monkeypatch: Any
) -> None:
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", corp.url)
    body = b'<!DOCTYPE html><html><body><a href="../../acme_lib-1.2-py3-none-any.whl#sha256=0">acme</a></body></html>'
    corp.site.on("/simple/acme-lib/", {"headers": {"Content-Type": "text/html"}, "body": body})
    assert scan(nerq, project, "acme-lib")["acme-lib"]["version"] == "1.2"


def test_the_project_json_of_an_extra_index_is_read_where_it_offers_one(
    nerq: Any, project: Path, public: Any, corp: Index, monkeypatch: Any
) -> None:
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", corp.url)
    corp.on("acme-lib", "1.0")
    corp.site.on("/pypi/acme-lib/json", {"body": public.page("acme-lib", ("1.0",), "1.0")})
    found = scan(nerq, project, "acme-lib==1.0")["acme-lib"]
    assert "MIT" in json.dumps(found)
    assert any("/pypi/acme-lib/json" in request.path for request in corp.site.requests)


SOURCES = """\
[project]
name = "mine"
version = "1"
dependencies = ["acme-lib", "demo"]

[tool.uv.sources]
acme-lib = {{ index = "corp" }}

[[tool.uv.index]]
name = "corp"
url = "{url}"
explicit = true
"""


@pytest.mark.parametrize("is_explicit", [False, True])
def test_a_package_that_the_project_assigns_to_an_index_of_the_user_comes_from_there_alone(
    nerq: Any, project: Path, public: Any, corp: Index, tmp_path: Path, *, is_explicit: bool
) -> None:
    path = tmp_path / "home/.config/uv/uv.toml"
    path.parent.mkdir(parents=True)
    flag = "explicit = true\n" if is_explicit else ""
    path.write_text(f'[[index]]\nname = "corp"\nurl = "{corp.url}"\n{flag}', encoding="utf-8")
    (project / "pyproject.toml").write_text(SOURCES.format(url=corp.url), encoding="utf-8")
    corp.on("acme-lib", "1.0")
    corp.on("demo", "7.0")
    public.pypi("acme-lib", "9.0")
    public.pypi("demo", "1.0")
    result = nerq("scan", *AS_OF, "--format", "json", "--no-cache")
    found = {one["name"]: one["version"] for one in result.json["dependencies"]}
    assert found == {"acme-lib": "1.0", "demo": "1.0" if is_explicit else "7.0"}
    assert not asked(public, "acme-lib")
    assert ("demo" in corp.names) is not is_explicit


NAMED = (
    '[project]\nname = "x"\nversion = "1"\ndependencies = ["acme-lib", "demo"]\n'
    '[tool.uv.sources]\nacme-lib = { index = "Corp" }\n'
)


@pytest.mark.parametrize("variable", ["UV_INDEX", "UV_DEFAULT_INDEX", "uv.toml", "uv.toml, explicit"])
def test_an_index_that_only_the_user_defines_is_found_by_its_name(
    nerq: Any, project: Path, public: Any, corp: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    if variable.startswith("uv.toml"):
        path = tmp_path / "home/.config/uv/uv.toml"
        path.parent.mkdir(parents=True)
        flag = "explicit = true\n" if "explicit" in variable else ""
        path.write_text(f'[[index]]\nname = "corp"\nurl = "{corp.url}"\n{flag}', encoding="utf-8")
    else:
        monkeypatch.setenv(variable, f"corp={corp.url}")
    (project / "pyproject.toml").write_text(NAMED, encoding="utf-8")
    corp.on("acme-lib", "1.0")
    corp.on("demo", "7.0")
    public.pypi("acme-lib", "9.0")
    public.pypi("demo", "1.0")
    result = nerq("scan", *AS_OF, "--format", "json", "--no-cache")
    found = {one["name"]: one["version"] for one in result.json["dependencies"]}
    assert found == {"acme-lib": "1.0", "demo": "1.0" if "explicit" in variable else "7.0"}
    assert not [finding for finding in result.findings if finding["id"] == "foreign-origin"]
    assert not asked(public, "acme-lib")


def test_an_index_that_nobody_defines_is_not_requested(
    nerq: Any, project: Path, public: Any, corp: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_INDEX", f"other={corp.url}")
    (project / "pyproject.toml").write_text(NAMED, encoding="utf-8")
    public.pypi("demo", "1.0")
    result = nerq("scan", *AS_OF, "--format", "json", "--no-cache")
    [item] = [one for one in result.json["dependencies"] if one["name"] == "acme-lib"]
    assert item["skip_reason"] == "index Corp, not defined in this file"
    assert "acme-lib" not in corp.names
    assert not asked(public, "acme-lib")


def test_a_package_that_the_project_assigns_to_an_index_of_its_own_is_not_requested(
    nerq: Any, project: Path, public: Any, corp: Index
) -> None:
    (project / "pyproject.toml").write_text(SOURCES.format(url=corp.url), encoding="utf-8")
    public.pypi("demo", "1.0")
    result = nerq("scan", *AS_OF, "--format", "json", "--no-cache")
    states = {one["name"]: one["state"] for one in result.json["dependencies"]}
    assert states["acme-lib"] == "not-judged"
    assert corp.site.requests == []
    assert not asked(public, "acme-lib")


def test_an_index_of_the_user_that_a_requirements_file_names_is_requested(
    nerq: Any, project: Path, public: Any, corp: Index, monkeypatch: Any
) -> None:
    team = Index(corp.site, "/team/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", corp.url)
    team.on("acme-lib", "1.0")
    found = scan(nerq, project, f"--extra-index-url {team.url}", "acme-lib")
    assert found["acme-lib"]["version"] == "1.0"


def test_the_public_index_may_be_the_extra_one(
    nerq: Any, project: Path, public: Any, corp: Index, services_site: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", corp.url)
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{public.site.url}/simple")
    corp.on("acme-lib", "1.0")
    public.pypi("demo", "1.0")
    found = scan(nerq, project, "acme-lib==1.0", "demo==1.0")
    assert {one["state"] == "not-judged" for one in found.values()} == {False}
    assert sent(services_site) == {"demo"}


def test_a_name_that_the_user_declares_public_is_sent(
    nerq: Any, project: Path, public: Any, corp: Index, services_site: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", corp.url)
    (project / "nerq.toml").write_text('public = ["acme-common"]\nprivate = ["acme-lib*"]\n', encoding="utf-8")
    for name in ("acme-common", "other", "acme-lib"):
        corp.on(name, "1.0")
        public.pypi(name, "1.0")
    found = scan(nerq, project, "acme-common==1.0", "other==1.0", "acme-lib==1.0")
    assert sent(services_site) == {"acme-common"}
    assert found["acme-lib"]["state"] == "skipped"
    assert "acme-lib" not in corp.names


def test_a_lock_file_that_states_the_public_index_leaves_no_choice(
    nerq: Any, project: Path, public: Any, corp: Index, services_site: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", corp.url)
    lock = (
        'version = 1\nrequires-python = ">=3.9"\n\n[[package]]\nname = "x"\nversion = "1"\n'
        'source = { virtual = "." }\ndependencies = [{ name = "demo" }, { name = "acme-lib" }]\n\n'
        f'[[package]]\nname = "demo"\nversion = "1.0"\nsource = {{ registry = "{public.site.url}/simple" }}\n\n'
        f'[[package]]\nname = "acme-lib"\nversion = "1.0"\nsource = {{ registry = "{corp.url}" }}\n'
    )
    head = '[project]\nname = "x"\nversion = "1"\ndependencies = ["demo", "acme-lib"]\n'
    (project / "pyproject.toml").write_text(head, encoding="utf-8")
    (project / "uv.lock").write_text(lock, encoding="utf-8")
    corp.on("acme-lib", "1.0")
    public.pypi("demo", "1.0")
    result = nerq("scan", *AS_OF, "--format", "json", "--no-cache")
    assert {one["state"] == "not-judged" for one in result.json["dependencies"]} == {False}
    assert corp.names == {"acme-lib"} | ({"json"} & corp.names)
    assert not asked(public, "acme-lib")
    assert sent(services_site) == {"demo"}


def test_a_page_of_archives_is_not_requested_and_hides_names(
    nerq: Any, project: Path, public: Any, corp: Index, monkeypatch: Any
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", f"{corp.site.url}/wheels.html")
    public.pypi("demo", "1.0")
    assert scan(nerq, project, "demo==1.0")["demo"]["state"] == "not-judged"
    assert corp.site.requests == []


def test_the_address_given_to_this_program_overrules_extra_indexes(
    nerq: Any, project: Path, public: Any, corp: Index, monkeypatch: Any
) -> None:
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", corp.url)
    monkeypatch.setenv("NERQ_PYPI_URL", public.site.url)
    public.pypi("demo", "1.0")
    assert scan(nerq, project, "demo==1.0")["demo"]["state"] != "not-judged"
    assert corp.site.requests == []


def test_a_check_of_one_package_searches_the_same_indexes(
    nerq: Any, project: Path, public: Any, corp: Index, services_site: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", corp.url)
    corp.on("acme-lib", "1.0", "1.1")
    result = nerq("check", "acme-lib", *AS_OF, "--format", "json", "--no-cache")
    assert result.json["dependencies"][0]["version"] == "1.1"
    assert sent(services_site) == set()


def test_a_local_build_of_an_extra_index_is_judged(
    nerq: Any, project: Path, public: Any, corp: Index, monkeypatch: Any
) -> None:
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", corp.url)
    corp.on("acme-lib", "1.0+cpu")
    assert scan(nerq, project, "acme-lib==1.0+cpu")["acme-lib"]["state"] != "not-judged"


@pytest.mark.parametrize("variable", ["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX"])
def test_an_index_may_refer_to_the_public_one_for_what_it_does_not_have(
    nerq: Any, project: Path, public: Any, corp: Index, services_site: Any, monkeypatch: Any, variable: str
) -> None:
    monkeypatch.setenv(variable, corp.url)
    corp.on("acme-lib", "1.0")
    for name in ("demo", "other"):
        corp.site.on(f"/simple/{name}/", {"status": 302, "headers": {"Location": f"{public.site.url}/simple/{name}/"}})
    public.pypi("demo", "1.0", "2.0")
    found = scan(nerq, project, "acme-lib", "demo==1.0", "other")
    assert (found["acme-lib"]["version"], found["demo"]["version"]) == ("1.0", "1.0")
    assert found["demo"]["releases_behind"] == 1
    assert found["other"]["in_registry"] is False
    assert sent(services_site) == {"demo"}
    assert asked(public, "acme-lib") is (variable == "PIP_EXTRA_INDEX_URL")


def test_an_index_that_refers_to_another_server_is_not_followed(
    nerq: Any, project: Path, public: Any, corp: Index, services_site: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", corp.url)
    corp.site.on("/simple/demo/", {"status": 302, "headers": {"Location": f"{services_site.url}/simple/demo/"}})
    assert "redirects to" in json.dumps(scan(nerq, project, "demo==1.0"))
    assert sent(services_site) == set()
