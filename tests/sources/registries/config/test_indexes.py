from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.ecosystems import NPM, PYPI
from nerq_cli.fetch.source import Endpoint
from nerq_cli.inventory import Location, Package
from nerq_cli.sources.endpoints import split_url
from nerq_cli.sources.registries.config.config_files import ProjectOrigin, redact_url
from nerq_cli.sources.registries.config.indexes import IndexConfig, IndexSearch, ProjectClaims, read_index_config
from nerq_cli.sources.registries.config.pip_uv import find_pip_files, find_uv_files

REQUESTS = Package(ecosystem=PYPI, name="requests")
LODASH = Package(ecosystem=NPM, name="lodash")
ACME_WEB = Package(ecosystem=NPM, name="@acme/web")

#: What a machine and its user have configured: files below the machine's root, and environment variables.
Read = Callable[..., IndexConfig]


class Machine:
    """A machine of its own below one directory: a system, a home and a project."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "home/user"
        self.project = root / "srv/project"
        self.home.mkdir(parents=True)
        self.project.mkdir(parents=True)

    def write(self, path: str, text: str) -> Path:
        """Write a file; ``~/`` and ``./`` mean the home and the project, ``/`` the machine's root."""
        base = {"~": self.home, ".": self.project, "": self.root}[path.partition("/")[0]]
        file = base / path.partition("/")[2]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def read(self, environ: Mapping[str, str] | None = None, *, trust: bool = False) -> IndexConfig:
        return read_index_config(environ or {}, cwd=self.project, home=self.home, root=self.root, trust_project=trust)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


# Without any configuration.


def test_an_unconfigured_machine_asks_the_public_registries_anonymously(machine: Machine) -> None:
    addresses = machine.read()
    assert addresses.pypi.url.startswith("https://")
    assert "pypi" in addresses.pypi.url
    assert addresses.npm.url.startswith("https://registry.")
    assert (addresses.pypi.headers, addresses.npm.identity) == ({}, "")
    assert addresses.origins == {"pypi": "default", "npm": "default"}
    assert (addresses.registries, addresses.warnings, addresses.extra_indexes) == ({}, (), ())
    assert addresses.project_claims == ProjectClaims()


def test_the_public_registries_are_worked_out_only_when_they_are_needed(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib\n"
        "before = set(sys.modules)\n"
        "from nerq_cli.sources.registries.config.indexes import read_index_config\n"
        "here = pathlib.Path('.')\n"
        "addresses = read_index_config({}, cwd=here, home=here / 'home', root=here / 'root')\n"
        "heavy = {'packageurl', 'configparser', 'tomli', 'netrc', 'hashlib', 'httpx'} & (set(sys.modules) - before)\n"
        "assert not heavy, heavy\n"
        "addresses.npm\n"
        "assert 'packageurl' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)  # noqa: S603 - our own program


def test_a_users_token_for_the_public_registry_is_used_there(machine: Machine) -> None:
    host = IndexConfig().npm.url.partition("//")[2]
    machine.write("~/.npmrc", f"//{host}/:_authToken=s3cret\n")
    assert machine.read().npm.headers == bearer("s3cret")


def test_the_home_directory_is_the_one_the_environment_names(machine: Machine) -> None:
    machine.write("~/.npmrc", "registry=https://npm.example/\n")
    for variable in ("HOME", "USERPROFILE"):
        addresses = read_index_config({variable: str(machine.home)}, cwd=machine.project, root=machine.root)
        assert addresses.npm.url == "https://npm.example"


# PyPI: who decides.

PYPI_PLACES: list[tuple[str, Callable[[Machine, str], dict[str, str]]]] = [
    ("environment NERQ_PYPI_URL", lambda _, url: {"NERQ_PYPI_URL": url}),
    ("environment UV_DEFAULT_INDEX", lambda _, url: {"UV_DEFAULT_INDEX": url}),
    ("environment UV_INDEX_URL", lambda _, url: {"UV_INDEX_URL": url}),
    ("environment PIP_INDEX_URL", lambda _, url: {"PIP_INDEX_URL": url}),
    ("uv.toml (~/.config/uv/uv.toml)", lambda m, url: wrote(m, "~/.config/uv/uv.toml", f'index-url = "{url}"')),
    ("uv.toml ({root}/etc/xdg/uv/uv.toml)", lambda m, url: wrote(m, "/etc/xdg/uv/uv.toml", f'index-url = "{url}"')),
    ("uv.toml ({root}/etc/uv/uv.toml)", lambda m, url: wrote(m, "/etc/uv/uv.toml", f'index-url = "{url}"')),
    (
        "pip.conf ({root}/venv/pip.conf)",
        lambda m, url: {**wrote(m, "/venv/pip.conf", ini(url)), "VIRTUAL_ENV": f"{m.root}/venv"},
    ),
    ("pip.conf (~/.config/pip/pip.conf)", lambda m, url: wrote(m, "~/.config/pip/pip.conf", ini(url))),
    ("pip.conf (~/.pip/pip.conf)", lambda m, url: wrote(m, "~/.pip/pip.conf", ini(url))),
    ("pip.conf ({root}/etc/pip.conf)", lambda m, url: wrote(m, "/etc/pip.conf", ini(url))),
    ("pip.conf ({root}/etc/xdg/pip/pip.conf)", lambda m, url: wrote(m, "/etc/xdg/pip/pip.conf", ini(url))),
]


def wrote(machine: Machine, path: str, text: str) -> dict[str, str]:
    machine.write(path, text)
    return {}


def ini(url: str, *, section: str = "global", option: str = "index-url") -> str:
    return f"[{section}]\n{option} = {url}\n"


def test_of_all_places_that_name_an_index_the_first_one_decides(machine: Machine) -> None:
    environ: dict[str, str] = {}
    for number, (origin, configure) in reversed(list(enumerate(PYPI_PLACES))):
        environ |= configure(machine, f"https://pypi{number}.example/simple")
        addresses = machine.read(environ)
        assert addresses.pypi == Endpoint(url=f"https://pypi{number}.example")
        assert addresses.origins["pypi"] == origin.format(root=machine.root)


def test_the_file_that_pip_config_file_names_stands_in_for_the_users(machine: Machine) -> None:
    named = machine.write("~/special.conf", "[global]\nextra-index-url = https://more.example/simple\n")
    machine.write("~/.config/pip/pip.conf", ini("https://user.example/simple"))
    machine.write("/etc/pip.conf", ini("https://system.example/simple"))
    addresses = machine.read({"PIP_CONFIG_FILE": str(named)})
    assert addresses.pypi.url == "https://system.example"
    assert addresses.extra_indexes == ("https://more.example/simple",)
    assert machine.read({"PIP_CONFIG_FILE": str(machine.home / "missing")}).pypi.url == "https://user.example"
    assert machine.read({"PIP_CONFIG_FILE": os.devnull}).registries == {}


def test_what_pip_install_is_told_counts_before_what_pip_is_told(machine: Machine) -> None:
    machine.write("~/.config/pip/pip.conf", ini("https://user.example/simple"))
    machine.write("/etc/pip.conf", ini("https://install.example/simple", section="install"))
    assert machine.read().pypi.url == "https://install.example"


def test_what_only_pip_download_is_told_still_counts_before_the_public_index(machine: Machine) -> None:
    machine.write("/etc/pip.conf", ini("https://download.example/simple", section="download"))
    assert machine.read().pypi.url == "https://download.example"


@pytest.mark.parametrize("option", ["index-url", "index_url", "INDEX-URL", "--index-url"])
def test_options_of_pip_are_known_in_every_spelling(machine: Machine, option: str) -> None:
    machine.write("/etc/pip.conf", ini("https://pypi.example/simple", option=option))
    assert machine.read().pypi.url == "https://pypi.example"


def test_an_empty_variable_says_nothing(machine: Machine) -> None:
    empty = {"NERQ_PYPI_URL": " ", "PIP_INDEX_URL": "", "NERQ_NPM_URL": "", "npm_config_registry": ""}
    assert machine.read(empty).registries == {}


def test_uv_reads_no_other_file_than_the_one_it_is_given(machine: Machine) -> None:
    machine.write("~/.config/uv/uv.toml", 'index-url = "https://user.example/simple"')
    named = machine.write("/uv.toml", '[pip]\nindex-url = "https://named.example/simple"')
    assert machine.read({"UV_CONFIG_FILE": str(named)}).pypi.url == "https://named.example"
    assert machine.read({"UV_NO_CONFIG": "1"}).registries == {}


def test_an_index_table_of_uv_that_is_the_default_replaces_the_public_one(machine: Machine) -> None:
    machine.write(
        "~/.config/uv/uv.toml",
        """
        extra-index-url = ["https://c.example/simple"]
        [[index]]
        url = "https://a.example/simple"
        [[index]]
        name = "main"
        url = "https://b.example/simple"
        default = true
        [[index]]
        url = "https://pinned.example/simple"
        explicit = true
        """,
    )
    addresses = machine.read()
    assert addresses.pypi.url == "https://b.example"
    assert addresses.extra_indexes == ("https://a.example/simple", "https://c.example/simple")


def test_further_indexes_are_listed_once_from_everywhere_without_their_passwords(machine: Machine) -> None:
    machine.write(
        "/etc/pip.conf", "[global]\nextra-index-url =\n  https://u:s3cret@one.example/simple/\n  file:///srv/wheels\n"
    )
    addresses = machine.read(
        {
            "UV_INDEX": "corp=https://two.example/simple https://one.example/simple",
            "UV_EXTRA_INDEX_URL": "https://three.example",
            "PIP_EXTRA_INDEX_URL": "https://main.example/simple",
            "PIP_INDEX_URL": "https://main.example/simple/",
        }
    )
    assert addresses.extra_indexes == (
        "https://two.example/simple",
        "https://one.example/simple",
        "https://three.example",
        "file:///srv/wheels",
    )


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("https://PyPI.Example:443/simple/", "https://pypi.example"),
        ("http://pypi.example:80/a/simple", "http://pypi.example/a"),
        ("http://pypi.example:8080/a/+simple/", "http://pypi.example:8080/a/+simple"),
        ("https://pypi.example/group", "https://pypi.example/group"),
        ("https://[2001:DB8::1]:8443/simple", "https://[2001:db8::1]:8443"),
        ("https://pypi.example/simple?x=1#y", "https://pypi.example"),
    ],
)
def test_an_index_is_asked_at_its_root_in_one_spelling(machine: Machine, written: str, url: str) -> None:
    assert machine.read({"PIP_INDEX_URL": written}).pypi.url == url


@pytest.mark.parametrize(
    "written",
    [
        "file:///srv/simple",
        "./wheels",
        "pypi.example/simple",
        "https://",
        "https://pypi.example:port/simple",
        "https://[::1/simple",
        "https://${HOST}/simple",
        "https://exämple/simple",
        "ftp://pypi.example",
    ],
)
def test_what_cannot_be_asked_is_not_replaced_by_the_public_index(machine: Machine, written: str) -> None:
    addresses = machine.read({"PIP_INDEX_URL": written})
    assert addresses.pypi == Endpoint(url="")
    [warning] = addresses.warnings
    assert warning.startswith("environment PIP_INDEX_URL names ")
    assert warning.endswith("no PyPI package from there is looked up")


# PyPI: who we are.


def test_credentials_in_a_url_go_into_the_header_and_not_into_the_url(machine: Machine) -> None:
    addresses = machine.read({"PIP_INDEX_URL": "https://us%40er:s3%3Acret@pypi.example/simple"})
    assert addresses.pypi.url == "https://pypi.example"
    assert addresses.pypi.headers == basic("us@er", "s3:cret")


def test_a_token_without_a_password_is_a_user_name(machine: Machine) -> None:
    assert machine.read({"PIP_INDEX_URL": "https://token@pypi.example/simple"}).pypi.headers == basic("token", "")


def test_different_credentials_have_different_identities_that_do_not_contain_them(machine: Machine) -> None:
    identities = {
        machine.read({"PIP_INDEX_URL": f"https://user:{password}@pypi.example/simple"}).pypi.identity
        for password in ("one", "two", "one")
    }
    assert len(identities) == 2
    assert {len(identity) for identity in identities} == {12}


def test_no_secret_is_shown(machine: Machine) -> None:
    machine.write("~/.netrc", "machine pypi.example login me password s3cret-netrc\n")
    machine.write("~/.npmrc", "registry=https://npm.example/\n//npm.example/:_authToken=s3cret-token\ns3cret-line\n")
    machine.write("/etc/pip.conf", "s3cret-junk\n[global]\nextra-index-url=https://u:s3cret@more.example/simple\n")
    addresses = machine.read({"UV_INDEX_URL": "https://pypi.example", "NERQ_PYPI_URL": "https://u:s3cret/@x:y"})
    assert "s3cret" not in repr(addresses)
    assert "s3cret" not in repr((addresses.pypi, addresses.npm, addresses.warnings, addresses.origins))
    assert addresses.warnings


def test_a_netrc_file_knows_hosts(machine: Machine) -> None:
    machine.write("~/.netrc", "machine PyPI.example login me password pass\nmachine other.example login x password y\n")
    assert machine.read({"PIP_INDEX_URL": "https://pypi.example:8443/simple"}).pypi.headers == basic("me", "pass")
    assert machine.read({"PIP_INDEX_URL": "https://pypi.example.org/simple"}).pypi.headers == {}


def test_a_netrc_file_may_be_elsewhere(machine: Machine) -> None:
    machine.write("~/.netrc", "machine pypi.example login wrong password wrong\n")
    path = machine.write("/secrets", "machine pypi.example login me password pass\n")
    environ = {"PIP_INDEX_URL": "https://pypi.example/simple", "NETRC": str(path)}
    assert machine.read(environ).pypi.headers == basic("me", "pass")


def test_a_netrc_file_is_called_differently_on_windows(machine: Machine) -> None:
    machine.write("~/_netrc", "machine pypi.example login me password pass\n")
    assert machine.read({"PIP_INDEX_URL": "https://pypi.example/simple"}).pypi.headers == basic("me", "pass")


def test_a_netrc_entry_for_everybody_is_sent_to_nobody(machine: Machine) -> None:
    machine.write("~/.netrc", "default login me password pass\n")
    assert machine.read({"PIP_INDEX_URL": "https://pypi.example/simple"}).pypi.headers == {}
    assert machine.read().pypi.headers == {}


def test_a_broken_netrc_file_is_a_warning(machine: Machine) -> None:
    machine.write("~/.netrc", "machine pypi.example login me password pass\n\nmachin s3cret\n")
    addresses = machine.read({"PIP_INDEX_URL": "https://pypi.example/simple"})
    assert addresses.pypi.headers == {}
    [warning] = addresses.warnings
    assert warning.startswith("~/.netrc line ")


def test_credentials_in_the_url_count_before_netrc(machine: Machine) -> None:
    machine.write("~/.netrc", "machine pypi.example login me password pass\n")
    assert machine.read({"PIP_INDEX_URL": "https://a:b@pypi.example"}).pypi.headers == basic("a", "b")


def test_uv_keeps_credentials_under_the_name_of_the_index(machine: Machine) -> None:
    environ = {
        "UV_DEFAULT_INDEX": "my-corp.1=https://pypi.example/simple",
        "UV_INDEX_MY_CORP_1_USERNAME": "me",
        "UV_INDEX_MY_CORP_1_PASSWORD": "pass",
    }
    assert machine.read(environ).pypi.headers == basic("me", "pass")


def test_credentials_under_the_name_of_something_that_cannot_be_asked_are_not_kept(machine: Machine) -> None:
    environ = {"UV_DEFAULT_INDEX": "corp=./wheels", "UV_INDEX_CORP_PASSWORD": "pass"}
    assert machine.read(environ).pypi == Endpoint(url="")


# npm: who decides.


def npmrc(url: str) -> str:
    return f"registry={url}\n"


def test_of_all_places_that_name_an_npm_registry_the_first_one_decides(machine: Machine) -> None:
    environ = {"npm_config_prefix": str(machine.root / "usr")}
    machine.write("/usr/etc/npmrc", npmrc("https://global.example"))
    assert machine.read(environ).npm.url == "https://global.example"
    assert machine.read(environ).origins["npm"] == f"npmrc ({machine.root}/usr/etc/npmrc)"
    machine.write("~/.npmrc", npmrc("https://user.example"))
    assert machine.read(environ).npm.url == "https://user.example"
    assert machine.read(environ).origins["npm"] == ".npmrc (~/.npmrc)"
    environ["NPM_CONFIG_REGISTRY"] = "https://environment.example/"
    assert machine.read(environ).npm.url == "https://environment.example"
    assert machine.read(environ).origins["npm"] == "environment npm_config_registry"
    environ["NERQ_NPM_URL"] = "https://ours.example/"
    assert machine.read(environ).npm.url == "https://ours.example"
    assert machine.read(environ).origins["npm"] == "environment NERQ_NPM_URL"


def test_the_environment_says_where_the_files_of_npm_are(machine: Machine) -> None:
    user = machine.write("~/other-npmrc", "@acme:registry=https://acme.example\n")
    shared = machine.write("/shared-npmrc", npmrc("https://global.example"))
    addresses = machine.read({"NPM_CONFIG_USERCONFIG": str(user), "npm_config_globalconfig": str(shared)})
    assert addresses.npm.url == "https://global.example"
    assert addresses.find_endpoint(ACME_WEB).url == "https://acme.example"


def test_a_scope_has_a_registry_of_its_own(machine: Machine) -> None:
    machine.write("~/.npmrc", "registry=https://npm.example/\n@acme:registry=https://acme.example/npm/\n")
    addresses = machine.read({"NERQ_NPM_URL": "https://ours.example", "PIP_INDEX_URL": "https://pypi.example"})
    assert addresses.find_endpoint(ACME_WEB).url == "https://acme.example/npm"
    assert addresses.find_endpoint(LODASH).url == "https://ours.example"
    assert addresses.find_endpoint(Package(ecosystem=NPM, name="@other/web")).url == "https://ours.example"
    assert addresses.find_endpoint(REQUESTS).url == "https://pypi.example"
    assert addresses.origins["@acme"] == ".npmrc (~/.npmrc)"


def test_a_scope_can_be_given_in_the_environment(machine: Machine) -> None:
    machine.write("~/.npmrc", "@acme:registry=https://acme.example/\n")
    addresses = machine.read({"npm_config_@acme:registry": "https://environment.example"})
    assert addresses.npm_scopes == {"@acme": Endpoint(url="https://environment.example")}
    assert addresses.origins["@acme"] == "environment npm_config_@acme:registry"


def test_a_scope_whose_registry_cannot_be_asked_is_not_looked_up_anywhere(machine: Machine) -> None:
    machine.write("~/.npmrc", "@acme:registry=https://${ACME_HOST}/\n")
    addresses = machine.read()
    assert addresses.find_endpoint(ACME_WEB) == Endpoint(url="")
    assert "no npm package from there is looked up" in addresses.warnings[0]


@pytest.mark.parametrize(
    ("line", "url"),
    [
        ("registry = https://npm.example/", "https://npm.example"),
        ("registry='https://npm.example/'", "https://npm.example"),
        ('"registry"="https://npm.example/"', "https://npm.example"),
        ("registry=https://npm.example/a ; ours", "https://npm.example/a"),
        ("registry=https://npm.example/a#ours", "https://npm.example/a"),
        ("registry=https://npm.example/a\\;b", "https://npm.example/a;b"),
        ("registry=https://${NAME}.example/", "https://npm.example"),
        ("registry=https://npm${MISSING?}.example/", "https://npm.example"),
        ("registry=https://npm.example/\\${NAME}", "https://npm.example/${NAME}"),
        ("${KEY}=https://npm.example/", "https://npm.example"),
        ("\ufeffregistry=https://npm.example/\r\nfund=false", "https://npm.example"),
        (
            "; registry=https://x.example\n# registry=https://x.example\n\nregistry=https://npm.example",
            "https://npm.example",
        ),
        ("registry=https://npm.example\n[section]\nregistry=https://x.example\njunk", "https://npm.example"),
        ("registry=https://x.example\nregistry=https://npm.example", "https://npm.example"),
    ],
)
def test_an_npmrc_is_read_as_npm_reads_it(machine: Machine, line: str, url: str) -> None:
    machine.write("~/.npmrc", line)
    addresses = machine.read({"NAME": "npm", "KEY": "registry"})
    assert addresses.npm.url == url
    assert addresses.warnings == ()


def test_lines_that_are_no_settings_are_named_by_number(machine: Machine) -> None:
    machine.write("~/.npmrc", "fund=false\n\njunk\nregistry=https://npm.example\n")
    assert machine.read().npm.url == "https://npm.example"
    assert machine.read().warnings == ("~/.npmrc line 3 is not key=value",)
    machine.write("~/.npmrc", "junk\nmore junk\nregistry=https://npm.example\n")
    assert machine.read().warnings == ("~/.npmrc line 1 is not key=value (nor are 1 more)",)


# npm: who we are.


@pytest.mark.parametrize(
    ("settings", "headers"),
    [
        ("//npm.example/:_authToken=t0ken", bearer("t0ken")),
        ("//NPM.example:_authToken=t0ken", bearer("t0ken")),
        ("//npm.example/team/:_authToken=t0ken", bearer("t0ken")),
        ("//npm.example/:_authToken=no\n//npm.example/team/:_authToken=t0ken", bearer("t0ken")),
        ("//npm.example/:_authToken=${TOKEN}", bearer("from-environment")),
        ("//npm.example/:_auth=bWU6cGFzcw==", basic("me", "pass")),
        ("//npm.example/:username=me\n//npm.example/:_password=cGFzcw==", basic("me", "pass")),
        ("//npm.example/:username=me\n//npm.example/:_password=a", basic("me", "")),
        ("//npm.example/:_authToken=t0ken\n//npm.example/:_auth=bWU6cGFzcw==", bearer("t0ken")),
        ("//npm.example/:username=me", {}),
        ("//npm.example/tea/:_authToken=t0ken", {}),
        ("//npm.example.org/:_authToken=t0ken", {}),
        ("//npm.example:8443/:_authToken=t0ken", {}),
        ("//:_authToken=t0ken", {}),
        ("_authToken=t0ken", {}),
    ],
)
def test_npm_files_credentials_under_host_and_path(machine: Machine, settings: str, headers: dict[str, str]) -> None:
    machine.write("~/.npmrc", f"registry=https://npm.example/team/\n{settings}\n")
    addresses = machine.read({"TOKEN": "from-environment"})
    assert addresses.npm.headers == headers
    assert bool(addresses.npm.identity) == bool(headers)


@pytest.mark.parametrize("token", ["${MISSING}", "t\x0bken", "töken", "two words"])
def test_a_token_that_cannot_be_one_is_not_sent(machine: Machine, token: str) -> None:
    machine.write("~/.npmrc", f"registry=https://npm.example/\n//npm.example/:_authToken={token}\n")
    addresses = machine.read()
    assert addresses.npm.headers == {}
    [warning] = addresses.warnings
    assert warning.startswith("npm's credentials for npm.example are not usable")


def test_credentials_in_the_environment_and_in_a_url_are_known_to_npm_too(machine: Machine) -> None:
    environ = {"npm_config_//npm.example/:_authToken": "t0ken", "npm_config_registry": "https://npm.example"}
    assert machine.read(environ).npm.headers == bearer("t0ken")
    assert machine.read({"NERQ_NPM_URL": "https://me:pass@npm.example"}).npm.headers == basic("me", "pass")


# What the project says.

PROJECT_INDEX = '[tool.uv]\nindex-url = "https://evil.example/simple"\n'


def test_an_index_that_only_the_project_names_is_not_asked_but_told(machine: Machine) -> None:
    machine.write("./pyproject.toml", PROJECT_INDEX)
    machine.write("~/.netrc", "machine evil.example login me password pass\n")
    addresses = machine.read()
    assert addresses.pypi == IndexConfig().pypi
    assert addresses.project_index == "https://evil.example/simple"
    assert addresses.find_claimed_registry(REQUESTS) == "https://evil.example/simple"
    assert addresses.find_claimed_registry(LODASH) == ""


def test_a_registry_that_only_the_project_names_is_not_asked_but_told(machine: Machine) -> None:
    machine.write(
        "./.npmrc", "registry=https://evil.example/\n@acme:registry=https://worse.example/${SECRET}\n${SECRET}=1\n"
    )
    addresses = machine.read({"SECRET": "s3cret"})
    assert addresses.npm == IndexConfig().npm
    assert addresses.find_claimed_registry(LODASH) == "https://evil.example"
    assert addresses.find_claimed_registry(ACME_WEB) == "https://worse.example/${SECRET}"
    assert addresses.find_claimed_registry(REQUESTS) == ""
    assert "s3cret" not in repr(addresses)


def test_credentials_that_the_project_brings_or_asks_for_are_not_used(machine: Machine) -> None:
    machine.write("~/.npmrc", npmrc("https://npm.example/"))
    machine.write("./.npmrc", "//npm.example/:_authToken=${TOKEN}\n")
    machine.write("./uv.toml", '[[index]]\nname = "corp"\nurl = "https://pypi.example/simple"\ndefault = true\n')
    environ = {"TOKEN": "t0ken", "UV_INDEX_CORP_PASSWORD": "pass", "PIP_INDEX_URL": "https://pypi.example/simple"}
    addresses = machine.read(environ)
    assert addresses.npm == Endpoint(url="https://npm.example")
    assert addresses.pypi == Endpoint(url="https://pypi.example")


def test_a_server_that_the_user_names_as_well_is_asked_with_what_the_user_has_for_it(machine: Machine) -> None:
    machine.write("~/.npmrc", "//npm.example/:_authToken=t0ken\n")
    machine.write("./.npmrc", "registry=https://npm.example/group/\n@acme:registry=https://npm.example/acme/\n")
    machine.write("./uv.toml", 'index-url = "https://pypi.example/group/simple"\n')
    machine.write("~/.netrc", "machine pypi.example login me password pass\n")
    addresses = machine.read({"UV_INDEX": "https://pypi.example/simple"})
    assert (addresses.npm.url, addresses.npm.headers) == ("https://npm.example/group", bearer("t0ken"))
    assert addresses.find_endpoint(ACME_WEB).url == "https://npm.example/acme"
    assert (addresses.pypi.url, addresses.pypi.headers) == ("https://pypi.example/group", basic("me", "pass"))
    assert addresses.project_claims == ProjectClaims()
    assert addresses.origins["pypi"] == f"uv.toml ({machine.project}/uv.toml)"
    assert [addresses.find_claimed_registry(package) for package in (REQUESTS, LODASH, ACME_WEB)] == ["", "", ""]


def test_credentials_in_the_users_url_do_not_follow_to_another_path_on_the_server(machine: Machine) -> None:
    machine.write("./uv.toml", 'index-url = "https://shared.example/stranger/simple"\n')
    machine.write("~/.config/pip/pip.conf", ini("https://me:pass@shared.example/acme/simple"))
    assert machine.read().pypi == Endpoint(url="https://shared.example/stranger")


@pytest.mark.parametrize("theirs", ["http://npm.example/", "https://npm.example:8443/", "https://npm.example.org/"])
def test_another_scheme_port_or_host_is_another_server(machine: Machine, theirs: str) -> None:
    machine.write("~/.npmrc", "registry=https://npm.example/\n//npm.example/:_authToken=t0ken\n")
    machine.write("./.npmrc", npmrc(theirs))
    addresses = machine.read()
    assert addresses.npm.url == "https://npm.example"
    assert addresses.find_claimed_registry(LODASH) == theirs.rstrip("/")


def test_two_addresses_that_cannot_be_asked_are_not_the_same_server(machine: Machine) -> None:
    machine.write("./uv.toml", 'index-url = "./theirs"\n')
    addresses = machine.read({"PIP_INDEX_URL": "./ours"})
    assert addresses.origins["pypi"] == "environment PIP_INDEX_URL"
    assert addresses.project_index == "./theirs"


def test_a_trusted_project_is_taken_at_its_word(machine: Machine) -> None:
    machine.write(
        "./pyproject.toml",
        """
        [[tool.uv.index]]
        name = "corp"
        url = "https://pypi.example/simple"
        default = true
        [[tool.uv.index]]
        url = "https://more.example/simple"
        """,
    )
    machine.write("./.npmrc", "registry=https://npm.example/\n//npm.example/:_authToken=${TOKEN}\n")
    addresses = machine.read({"UV_INDEX_CORP_USERNAME": "me", "TOKEN": "t0ken"}, trust=True)
    assert (addresses.pypi.url, addresses.pypi.headers) == ("https://pypi.example", basic("me", ""))
    assert (addresses.npm.url, addresses.npm.headers) == ("https://npm.example", bearer("t0ken"))
    assert addresses.extra_indexes == ("https://more.example/simple",)
    assert addresses.project_claims == ProjectClaims()


def test_a_project_that_names_what_is_asked_anyway_or_the_public_registry_says_nothing_new(machine: Machine) -> None:
    public = IndexConfig()
    machine.write("./uv.toml", f'index-url = "{public.pypi.url}/simple/"\n')
    machine.write("./.npmrc", f"registry={public.npm.url}/\n@acme:registry={public.npm.url}\n")
    for environ in ({}, {"PIP_INDEX_URL": "https://mirror.example/simple", "NERQ_NPM_URL": "https://mirror.example"}):
        addresses = machine.read(environ)
        assert addresses.project_index == ""
        assert [addresses.find_claimed_registry(package) for package in (REQUESTS, LODASH, ACME_WEB)] == ["", "", ""]


def test_a_scope_of_the_users_is_not_touched_by_what_the_project_says_of_the_rest(machine: Machine) -> None:
    machine.write("~/.npmrc", "@acme:registry=https://acme.example\n")
    machine.write("./.npmrc", npmrc("https://other.example"))
    addresses = machine.read()
    assert addresses.find_claimed_registry(ACME_WEB) == ""
    assert addresses.find_claimed_registry(LODASH) == "https://other.example"


def test_a_scope_that_project_and_user_place_alike_is_not_elsewhere() -> None:
    scopes = {"@acme": Endpoint(url="https://acme.example")}
    claims = ProjectClaims(npm_scopes={"@acme": "https://acme.example"})
    assert IndexConfig(npm_scopes=scopes, project_claims=claims).find_claimed_registry(ACME_WEB) == ""


@pytest.mark.parametrize("variable", ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "NERQ_PYPI_URL"])
def test_an_index_the_user_sets_over_the_projects_leaves_it_nothing_to_say(machine: Machine, variable: str) -> None:
    machine.write("./pyproject.toml", PROJECT_INDEX)
    assert machine.read({variable: "https://pypi.example/simple"}).project_index == ""


def test_what_pip_is_told_does_not_change_what_uv_reads_in_the_project(machine: Machine) -> None:
    machine.write("./pyproject.toml", PROJECT_INDEX)
    addresses = machine.read({"PIP_INDEX_URL": "https://pypi.example/simple"})
    assert addresses.pypi.url == "https://pypi.example"
    assert addresses.project_index == "https://evil.example/simple"


@pytest.mark.parametrize("variable", ["npm_config_registry", "NERQ_NPM_URL"])
def test_a_registry_the_user_sets_over_the_projects_leaves_it_nothing_to_say(machine: Machine, variable: str) -> None:
    machine.write("./.npmrc", npmrc("https://evil.example"))
    assert machine.read({variable: "https://npm.example"}).find_claimed_registry(LODASH) == ""


def test_further_indexes_of_the_project_are_claims_unless_the_user_has_them_too(machine: Machine) -> None:
    machine.write(
        "./uv.toml", 'extra-index-url = ["https://more.example/simple", "https://u:p@other.example/simple"]\n'
    )
    addresses = machine.read({"PIP_EXTRA_INDEX_URL": "https://more.example/simple"})
    assert addresses.extra_indexes == ("https://more.example/simple",)
    assert addresses.project_claims.extra_indexes == ("https://other.example/simple",)


def test_uv_toml_takes_the_place_of_the_pyproject_beside_it(machine: Machine) -> None:
    machine.write("./pyproject.toml", PROJECT_INDEX)
    machine.write("./uv.toml", 'index-url = "https://other.example/simple"')
    assert machine.read().project_index == "https://other.example/simple"


def test_a_file_of_the_project_that_is_a_link_out_of_it_is_not_read(machine: Machine) -> None:
    secret = machine.write("~/elsewhere", "registry=https://secret.example\n")
    (machine.project / ".npmrc").symlink_to(secret)
    config = machine.read()
    assert config.project_claims == ProjectClaims()
    assert ["leads out of the project" in warning for warning in config.warnings] == [True]


def test_the_whole_repository_around_the_scanned_directory_is_the_project(machine: Machine) -> None:
    machine.write("/srv/.npmrc", "registry=https://outer.example\n@acme:registry=https://acme.example\n")
    machine.write("/srv/uv.toml", 'index-url = "https://outer.example/simple"')
    machine.write("./.npmrc", npmrc("https://inner.example"))
    location = Location(path=".npmrc", line=1)
    assert machine.read().project_claims == ProjectClaims(
        npm_registry="https://inner.example", origins=(ProjectOrigin(NPM, "https://inner.example", location),)
    )
    (machine.root / "srv/.git").mkdir()
    assert machine.read().project_claims == ProjectClaims(
        pypi_index="https://outer.example/simple",
        npm_registry="https://inner.example",
        npm_scopes={"@acme": "https://acme.example"},
        origins=(
            ProjectOrigin(PYPI, "https://outer.example/simple", Location(path="../uv.toml", line=1)),
            ProjectOrigin(NPM, "https://outer.example", Location(path="../.npmrc", line=1)),
            ProjectOrigin(NPM, "https://acme.example", Location(path="../.npmrc", line=2), "@acme"),
            ProjectOrigin(NPM, "https://inner.example", location),
        ),
    )


def test_the_home_directory_is_the_users_even_when_it_is_scanned_or_a_repository(machine: Machine) -> None:
    machine.write("~/.npmrc", npmrc("https://npm.example"))
    (machine.home / ".git").mkdir()
    (machine.home / "project").mkdir()
    for cwd in (machine.home, machine.home / "project"):
        addresses = read_index_config({}, cwd=cwd, home=machine.home, root=machine.root)
        assert addresses.npm.url == "https://npm.example"
        assert addresses.project_claims == ProjectClaims()


def test_a_file_of_the_project_that_the_user_points_npm_at_is_the_users(machine: Machine) -> None:
    path = machine.write("./.npmrc", "registry=https://npm.example/\n//npm.example/:_authToken=${TOKEN}\n")
    addresses = machine.read({"NPM_CONFIG_USERCONFIG": str(path), "TOKEN": "t0ken"})
    assert addresses.npm.headers == bearer("t0ken")


# Addresses written elsewhere in a project.


def test_an_index_written_in_a_file_is_recognised_in_any_spelling(machine: Machine) -> None:
    addresses = machine.read({"PIP_INDEX_URL": "https://pypi.example/simple", "NERQ_NPM_URL": "https://npm.example"})
    assert addresses.is_default_index("https://u:p@PYPI.example:443/simple/")
    assert addresses.is_default_index("https://pypi.example")
    assert addresses.is_default_index(IndexConfig().pypi.url + "/simple")
    assert addresses.is_default_index("https://npm.example/", ecosystem=NPM)
    assert not addresses.is_default_index("https://pypi.example/other/simple")
    assert not addresses.is_default_index("http://pypi.example/simple")
    assert not addresses.is_default_index("https://npm.example/")
    assert not addresses.is_default_index("")


def test_nothing_is_the_default_where_the_default_cannot_be_asked(machine: Machine) -> None:
    addresses = machine.read({"PIP_INDEX_URL": "./wheels"})
    assert not addresses.is_default_index("./wheels")
    assert not addresses.is_default_index("")


# Bad files.


@pytest.mark.parametrize(
    "text", ["index-url = [", "index-url = 'a' 'b'", f"index-url = {'9' * 5000}", f"i = {'[' * 9000}"]
)
def test_a_uv_toml_that_is_not_toml_is_a_warning(machine: Machine, text: str) -> None:
    machine.write("~/.config/uv/uv.toml", text)
    [warning] = machine.read().warnings
    assert warning == "~/.config/uv/uv.toml line 1 is not TOML"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("index = 3", "index is not a list of tables"),
        ("index = [3]", "index is not a list of tables"),
        ("index-url = 3", "index-url is not text"),
        ("pip.extra-index-url = [3]", "extra-index-url is not text"),
        ("index = [{name = 'x', default = true}, {url = '', default = true}]", ""),
        ("pip = 3", ""),
    ],
)
def test_settings_of_uv_of_the_wrong_kind_say_nothing(machine: Machine, text: str, what: str) -> None:
    machine.write("~/.config/uv/uv.toml", text)
    addresses = machine.read()
    assert addresses.registries == {}
    assert addresses.warnings == ((f"uv.toml (~/.config/uv/uv.toml): {what}",) if what else ())


@pytest.mark.parametrize(
    "text", ["index uv = [", "[tool.uv]\nindex = ", "tool = 'uv index'", "tool.uv = 'index'", "uv"]
)
def test_a_pyproject_without_usable_settings_is_nothing_to_warn_about(machine: Machine, text: str) -> None:
    machine.write("./pyproject.toml", text)
    assert machine.read().warnings == ()
    assert machine.read().project_claims == ProjectClaims()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("junk\n[global]\nindex-url = https://pypi.example/simple\n", 1),
        ("[global]\njunk\nindex-url = https://pypi.example/simple\n", 2),
        ("[\n\n[]\n[global]\nindex-url = https://pypi.example/simple\n", 1),
        ("junk\n[global]\nindex-url = https://pypi.example/simple\nmore junk\n", 1),
        ("[a]\nb = 1\n  [global]\nx\n[global]\nindex-url = https://pypi.example/simple\n", 4),
    ],
)
def test_lines_that_pip_would_stop_at_are_named_and_the_others_read(machine: Machine, text: str, line: int) -> None:
    machine.write("/etc/pip.conf", text)
    addresses = machine.read()
    assert addresses.pypi.url == "https://pypi.example"
    assert addresses.warnings[0].startswith(f"{machine.root}/etc/pip.conf line {line} is not key = value in a section")


def test_a_section_given_twice_is_read_twice(machine: Machine) -> None:
    machine.write("/etc/pip.conf", ini("https://a.example") + ini("https://pypi.example"))
    assert machine.read().pypi.url == "https://pypi.example"


def test_a_file_that_cannot_be_opened_is_a_warning(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.write("~/.npmrc", npmrc("https://npm.example"))

    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied", str(path), mode)

    monkeypatch.setattr(Path, "open", refuse)
    assert machine.read().warnings == ("~/.npmrc cannot be read (PermissionError)",)


def test_folders_and_pipes_are_no_configuration_files(machine: Machine) -> None:
    (machine.project / ".npmrc").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(machine.project / "uv.toml")
    assert machine.read() == IndexConfig(origins={"pypi": "default", "npm": "default"})


junk = st.one_of(
    st.text(),
    st.text("[]=:;#\"'\\ \n\t$ {}@/index-urldefaultmachinepassword", max_size=80),
    st.binary().map(lambda data: data.decode("latin-1")),
)


@given(
    texts=st.fixed_dictionaries(dict.fromkeys(("~/.npmrc", "./.npmrc", "~/.netrc", "/etc/pip.conf", "./uv.toml"), junk))
)
def test_no_file_whatever_is_in_it_does_more_than_warn(
    tmp_path_factory: pytest.TempPathFactory, texts: dict[str, str]
) -> None:
    machine = Machine(tmp_path_factory.mktemp("machine"))
    for path, text in texts.items():
        machine.write(path, "").write_bytes(f"{text}\nindex".encode("utf-8", "surrogatepass"))
    addresses = machine.read()
    assert addresses.pypi.url == IndexConfig().pypi.url or addresses.origins["pypi"] != "default"
    assert addresses.npm.headers.keys() <= {"Authorization"}


@given(url=st.text(max_size=60) | st.text(":/@[]%.-aZ0 \x00\x1b?#ü", max_size=40).map("https://".__add__))
def test_every_url_has_one_spelling_that_is_safe_to_show(url: str) -> None:
    address, _ = split_url(url)
    assert split_url(address)[0] == address
    assert "@" not in address.partition("//")[2].partition("/")[0]
    assert redact_url(url).isascii()
    assert redact_url(url).isprintable()


# Where files are looked for on each system.


def test_pip_looks_where_its_documentation_says_on_macos(tmp_path: Path) -> None:
    home = tmp_path / "Users/me"
    system = tmp_path / "Library/Application Support/pip/pip.conf"
    legacy = home / ".pip/pip.conf"
    found = find_pip_files({}, home=home, root=tmp_path, platform="darwin")
    assert found == (home / ".config/pip/pip.conf", legacy, system)
    own = home / "Library/Application Support/pip"
    own.mkdir(parents=True)
    assert find_pip_files({}, home=home, root=tmp_path, platform="darwin") == (own / "pip.conf", legacy, system)


def test_pip_and_uv_look_where_their_documentation_says_on_windows(tmp_path: Path) -> None:
    environ = {"APPDATA": str(tmp_path / "Roaming"), "PROGRAMDATA": str(tmp_path / "ProgramData")}
    home = tmp_path / "Users/me"
    assert find_pip_files(environ, home=home, root=tmp_path, platform="win32") == (
        tmp_path / "Roaming/pip/pip.ini",
        home / "pip/pip.ini",
        tmp_path / "ProgramData/pip/pip.ini",
    )
    assert find_pip_files({}, home=home, root=tmp_path, platform="win32") == (home / "pip/pip.ini",)
    assert find_uv_files(environ, home=home, root=tmp_path, platform="win32") == (
        tmp_path / "Roaming/uv/uv.toml",
        tmp_path / "ProgramData/uv/uv.toml",
    )


def test_the_xdg_directories_are_obeyed_when_they_are_absolute(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": "/cfg", "XDG_CONFIG_DIRS": "/one:relative:/two"}
    assert find_pip_files(environ, home=tmp_path, root=tmp_path, platform="linux") == (
        Path("/cfg/pip/pip.conf"),
        tmp_path / ".pip/pip.conf",
        tmp_path / "etc/pip.conf",
        Path("/two/pip/pip.conf"),
        Path("/one/pip/pip.conf"),
    )
    assert find_uv_files({"XDG_CONFIG_HOME": "cfg"}, home=tmp_path, root=tmp_path, platform="linux") == (
        tmp_path / ".config/uv/uv.toml",
        tmp_path / "etc/xdg/uv/uv.toml",
        tmp_path / "etc/uv/uv.toml",
    )


def test_a_further_index_on_this_disk_tells_by_itself_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "simple" / "ours").mkdir(parents=True)
    indexes = f"file://{tmp_path}/simple https://more.example/simple"
    environ = {"HOME": str(tmp_path), "PIP_EXTRA_INDEX_URL": indexes}
    addresses = read_index_config(environ, cwd=tmp_path, root=tmp_path)
    ours, theirs = Package(ecosystem=PYPI, name="ours"), Package(ecosystem=PYPI, name="theirs")
    assert addresses.find_extra_indexes(ours) == (f"file://{tmp_path}/simple",)
    assert addresses.find_extra_indexes(theirs) == ()
    assert addresses.find_search(ours) == IndexSearch(merged=(Endpoint(url="https://more.example"),))
    assert addresses.find_extra_indexes(Package(ecosystem=NPM, name="ours")) == ()


def test_a_further_index_that_is_no_address_may_have_every_package(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "PIP_EXTRA_INDEX_URL": "http://[more.example/simple"}
    addresses = read_index_config(environ, cwd=tmp_path, root=tmp_path)
    assert addresses.find_extra_indexes(Package(ecosystem=PYPI, name="ours")) == ("http://[more.example/simple",)


def test_the_address_given_to_this_program_overrules_further_indexes(tmp_path: Path) -> None:
    environ = {
        "HOME": str(tmp_path),
        "PIP_EXTRA_INDEX_URL": "https://more.example/simple",
        "NERQ_PYPI_URL": "https://pypi.example",
    }
    addresses = read_index_config(environ, cwd=tmp_path, root=tmp_path)
    package = Package(ecosystem=PYPI, name="ours")
    assert (addresses.find_extra_indexes(package), addresses.find_search(package)) == ((), IndexSearch())


SEARCHES: dict[str, tuple[dict[str, str], IndexSearch]] = {
    "pip": (
        {"PIP_EXTRA_INDEX_URL": "https://a.example/simple https://b.example/root/dev/+simple/"},
        IndexSearch(
            merged=(
                Endpoint(url="https://a.example"),
                Endpoint(url="https://b.example/root/dev/+simple", is_simple_index=True),
            )
        ),
    ),
    "uv": (
        {"UV_INDEX": "a=https://a.example/simple https://b.example/whl/cpu"},
        IndexSearch(
            first=(Endpoint(url="https://a.example"), Endpoint(url="https://b.example/whl/cpu", is_simple_index=True))
        ),
    ),
    "both": (
        {
            "UV_INDEX": "https://a.example/simple https://b.example/simple",
            "PIP_EXTRA_INDEX_URL": "https://a.example/simple/ https://c.example/simple",
        },
        IndexSearch(
            first=(Endpoint(url="https://b.example"),),
            merged=(Endpoint(url="https://a.example"), Endpoint(url="https://c.example")),
        ),
    ),
    "an unsafe strategy": (
        {"UV_INDEX": "https://a.example/simple", "UV_INDEX_STRATEGY": "unsafe-first-match"},
        IndexSearch(merged=(Endpoint(url="https://a.example"),)),
    ),
    "pages": ({"PIP_FIND_LINKS": "https://a.example/wheels", "UV_FIND_LINKS": "https://b.example"}, IndexSearch()),
    "the default one": (
        {"PIP_INDEX_URL": "https://a.example/simple", "PIP_EXTRA_INDEX_URL": "https://a.example/simple/"},
        IndexSearch(),
    ),
    "no index": ({"PIP_NO_INDEX": "1", "PIP_EXTRA_INDEX_URL": "https://a.example/simple"}, IndexSearch()),
}


@pytest.mark.parametrize("case", SEARCHES)
def test_extra_indexes_are_searched_as_pip_and_uv_do(machine: Machine, case: str) -> None:
    environ, search = SEARCHES[case]
    addresses = machine.read(environ)
    assert addresses.find_search(Package(ecosystem=PYPI, name="ours")) == search
    assert addresses.find_search(LODASH) == IndexSearch()


def test_the_default_index_is_used_as_it_is_given(machine: Machine) -> None:
    def read(**environ: str) -> Endpoint:
        return machine.read(environ).pypi

    assert read(PIP_INDEX_URL="https://a.example/simple/") == Endpoint(url="https://a.example")
    as_given = Endpoint(url="https://a.example/+simple", is_simple_index=True)
    assert read(PIP_INDEX_URL="https://a.example/+simple/") == as_given
    assert as_given.scope == "https://a.example/+simple/"
    assert read(NERQ_PYPI_URL="https://a.example/pypi") == Endpoint(url="https://a.example/pypi")


def test_flat_and_explicit_indexes_of_uv_are_not_searched(machine: Machine) -> None:
    machine.write(
        "~/.config/uv/uv.toml",
        '[[index]]\nname = "a"\nurl = "https://a.example/simple"\nexplicit = true\n'
        '[[index]]\nname = "b"\nurl = "https://b.example/wheels"\nformat = "flat"\n'
        '[[index]]\nname = "c"\nurl = "https://c.example/simple"\n',
    )
    addresses = machine.read()
    assert addresses.find_search(REQUESTS) == IndexSearch(first=(Endpoint(url="https://c.example"),))
    assert addresses.explicit_indexes == ("https://a.example/simple",)
    requested = [addresses.is_requested(f"https://{name}.example/simple") for name in "abcd"]
    assert requested == [True, False, True, False]
    assert not addresses.is_requested("https://c.example/wheels.html")


def test_the_credentials_of_an_extra_index_are_its_own(machine: Machine) -> None:
    machine.write("~/.netrc", "machine b.example login me password netrc\n")
    environ = {"PIP_EXTRA_INDEX_URL": "https://u:p@a.example/simple https://b.example/simple https://c.example/simple"}
    search = machine.read(environ).find_search(REQUESTS)
    assert [dict(endpoint.headers) for endpoint in search.merged] == [basic("u", "p"), basic("me", "netrc"), {}]


def test_a_user_without_a_password_gives_way_to_netrc_and_a_token_does_not(machine: Machine) -> None:
    machine.write("~/.netrc", "machine b.example login me password netrc\n")
    environ = {
        "PIP_EXTRA_INDEX_URL": "https://me@b.example/simple https://token@c.example/simple https://me:@b.example/two/simple"
    }
    search = machine.read(environ).find_search(REQUESTS)
    headers = [dict(endpoint.headers) for endpoint in search.merged]
    assert headers == [basic("me", "netrc"), basic("token", ""), basic("me", "")]
