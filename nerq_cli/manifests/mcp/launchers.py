"""The packages and images that the command of an MCP server runs. No command is run to find out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

import msgspec

from nerq_cli.ecosystems import GENERIC, GITHUB, NPM, PYPI, EcosystemId, get_ecosystem
from nerq_cli.inventory import NOT_UNDERSTOOD, McpImage, McpPackage
from nerq_cli.manifests.mcp.addresses import clean_url, find_github_name
from nerq_cli.manifests.package_source import URL_PREFIX
from nerq_cli.patterns import compile_late

#: Most commands that contain one another (``cmd /c`` in ``env`` in ``sh -c``).
_MAX_WRAPPERS: Final = 5
#: Longest command read, in characters.
_MAX_LENGTH: Final = 20_000
#: A part that the client fills in: ``${VAR}``, ``$VAR``, ``%VAR%``, ``{{x}}``, ``<x>``.
VARIABLE: Final = compile_late(r"\$\{[^}]*\}|\$[A-Za-z_]\w*|%[A-Za-z_]\w*%|\{\{.*?\}\}|<[A-Za-z][^<>]*>|\{[a-z_]+\}")
_ASSIGNMENT: Final = compile_late(r"[A-Za-z_]\w*=.*", re.DOTALL)
_PROGRAM_SUFFIX: Final = compile_late(r"\.(?:exe|cmd|bat|ps1)$", re.IGNORECASE)
_URL: Final = compile_late(r"(?:https?|wss?)://\S+", re.IGNORECASE)
#: A local path: of a script, a directory or an archive.
_PATH: Final = compile_late(r"[./\\~]|[A-Za-z]:[\\/]|file:|\$\{?[A-Za-z]\w*\}?[/\\]")
#: Longest name of a package that is named by its address.
_MAX_ADDRESS: Final = 300
#: Starts of the reasons of packages from repositories, and the end of one that names a commit.
_GIT: Final = "git: "
_REPOSITORIES: Final = (_GIT, "hg: ", "svn: ", "bzr: ")
_COMMIT: Final = compile_late(r" @ [0-9a-f]{40}$")
_AT_VERSION: Final = compile_late(r"([A-Za-z0-9][\w.-]*(?:\[[\w,. -]*\])?)@([\w.!+*-]+)", re.ASCII)
_IMAGE: Final = compile_late(
    r"(?P<name>[a-z0-9][\w.-]*(?::\d+(?=/))?(?:/[a-z0-9][\w.-]*)*)(?::(?P<tag>[\w][\w.-]{0,127}))?"
    r"(?:@(?P<digest>[a-z0-9]+:[0-9a-fA-F]{32,}))?",
    re.ASCII,
)


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """What a command runs."""

    launcher: str = ""
    packages: tuple[McpPackage, ...] = ()
    image: McpImage | None = None
    #: A server that the package forwards to; as written.
    url: str = ""
    #: Whether it runs a file of the project, by its path.
    is_local: bool = False
    #: Whether a part that decides what runs is filled in when it starts.
    has_variable: bool = False


_Parser: TypeAlias = Callable[[str, list[str]], Launch]

# --- commands ---------------------------------------------------------------------------------------------------------

_SHELLS: Final = frozenset({"sh", "bash", "zsh", "dash", "fish", "ksh"})
_WINDOWS_SHELLS: Final = frozenset({"cmd", "powershell", "pwsh"})
_CONTAINER_TOOLS: Final = frozenset({"docker", "podman", "nerdctl"})
_NPX_TOOLS: Final = frozenset({"npx", "bunx", "pnpx"})
_SCRIPT_TOOLS: Final = frozenset({"node", "bun", "tsx", "ts-node", "deno"})
_PYTHON: Final = compile_late(r"(?:python|pypy|py)[0-9.]*w?")
#: Packages whose first URL is the server that they forward to.
_BRIDGES: Final = frozenset({"mcp-remote", "mcp-proxy", "supergateway", "mcp-remote-client"})
#: Programs that install a package or run an image. A command of one may be among the arguments of another command.
_INSTALLERS: Final = _CONTAINER_TOOLS | _NPX_TOOLS | {"npm", "pnpm", "yarn", "uv", "uvx", "pipx"}
#: Most arguments in which such a command is searched.
_MAX_INNER_WORDS: Final = 100
#: Commands that run the one after their own options.
_PREFIXES: Final = frozenset({"env", "exec", "sudo", "nohup", "time", "command"})


def parse_command(command: str, arguments: Sequence[str]) -> Launch:
    """Return what a command runs. ``command`` may hold its arguments. Never raises."""
    words = [*_split_command(command, has_arguments=bool(arguments)), *arguments]
    if sum(map(len, words)) > _MAX_LENGTH:
        return Launch()
    return _parse_words([word.strip() for word in words if word.strip()], _MAX_WRAPPERS)


def _split_command(command: str, *, has_arguments: bool) -> list[str]:
    """Return the words of a command; a path with spaces is one word."""
    command = command.strip()
    if not re.search(r"\s", command) or (_PATH.match(command) and _is_known(_get_program(command))):
        return [command]
    first = re.split(r"\s", command, maxsplit=1)[0]
    if _PATH.match(command) and not _is_known(_get_program(first)) and has_arguments:
        return [command]
    return split_words(command)


def split_words(text: str) -> list[str]:
    """Return the words of a line of a shell. A quote that is not closed counts as a character."""
    try:
        return shlex.split(text)
    except ValueError:  # a quote that is not closed
        return text.split()


def _get_program(word: str) -> str:
    """Return the name of a program without its directory and suffix, in lower case."""
    return _PROGRAM_SUFFIX.sub("", re.split(r"[/\\]", word)[-1]).lower()


def _is_known(program: str) -> bool:
    known = _SHELLS | _WINDOWS_SHELLS | _CONTAINER_TOOLS | _NPX_TOOLS | _SCRIPT_TOOLS | _PREFIXES
    return program in known or program in _PARSERS or _PYTHON.fullmatch(program) is not None


def _parse_words(words: list[str], depth: int) -> Launch:
    while words and _ASSIGNMENT.fullmatch(words[0]):
        words = words[1:]
    if not words or depth == 0:
        return Launch()
    program, arguments = _get_program(words[0]), words[1:]
    if program in _PREFIXES:
        return _parse_words(_skip_options(arguments, frozenset({"-u", "-C", "-g"})), depth - 1)
    if program in _WINDOWS_SHELLS:
        return _parse_windows_shell(arguments, depth)
    if program in _SHELLS:
        return _parse_shell(program, arguments, depth)
    parser = _parse_python if _PYTHON.fullmatch(program) else _PARSERS.get(program)
    if parser is not None:
        return parser(program, arguments)
    return _parse_other(program, words)


def _parse_other(program: str, words: Sequence[str]) -> Launch:
    """Return what a program runs that is not known: the command among its arguments (``op run -- npx server``)."""
    inner = _find_inner(words[1:])
    if inner.packages or inner.image:
        return inner
    return Launch(
        launcher="" if VARIABLE.search(words[0]) else program,
        is_local=bool(re.match(r"\.{1,2}[/\\]", words[0])),
        has_variable=bool(VARIABLE.search(words[0])),
    )


def _parse_windows_shell(arguments: list[str], depth: int) -> Launch:
    """Return what ``cmd /c npx ...`` or ``powershell -Command ...`` runs."""
    for index, word in enumerate(arguments):
        if word.lower() in {"/c", "/k", "-c", "-command"}:
            rest = arguments[index + 1 :]
            return _parse_words(split_words(rest[0]) if len(rest) == 1 else rest, depth - 1)
        if not word.startswith(("/", "-")):
            return _parse_words(arguments[index:], depth - 1)
    return Launch(launcher="cmd")


def _parse_shell(program: str, arguments: Sequence[str], depth: int) -> Launch:
    """Return what the commands after the ``-c`` of a shell run; without them it runs a file."""
    for index, word in enumerate(arguments[:-1]):
        if re.fullmatch(r"-[a-z]*c", word):
            return _parse_script(arguments[index + 1], depth)
    return Launch(launcher=program, is_local=True)


def _parse_script(script: str, depth: int) -> Launch:
    """Return what the commands of a shell run: the first that installs something, else the last."""
    launches = [
        _parse_words(split_words(part), depth - 1) for part in re.split(r"&&|\|\||[;\n|]", script) if part.strip()
    ]
    found = (launch for launch in launches if launch.packages or launch.image)
    return next(found, launches[-1] if launches else Launch())


class _Options(msgspec.Struct, frozen=True):
    """The options before the first other word, and the words from there on."""

    values: tuple[tuple[str, str], ...]
    rest: list[str]

    def get_all(self, *names: str) -> list[str]:
        """Return the values of all options with these names."""
        return [value for name, value in self.values if name in names]

    def get_last(self, *names: str) -> str:
        """Return the value of the last option with one of these names; empty if there is none."""
        return next(reversed(self.get_all(*names)), "")


def _read_options(words: Sequence[str], with_value: frozenset[str], *, valued_by_default: bool = False) -> _Options:
    """Split options from the words after them.

    ``with_value`` are those that take the next word; with ``valued_by_default`` they are those that take none.
    """
    values: list[tuple[str, str]] = []
    index = 0
    while index < len(words):
        word = words[index]
        if word == "--":
            index += 1
            break
        if not word.startswith("-") or word == "-":
            break
        name, equals, value = word.partition("=")
        index += 1
        if not equals and _takes_value(name, with_value, valued_by_default=valued_by_default):
            value = words[index] if index < len(words) else ""
            index += 1
        values.append((name, value))
    return _Options(tuple(values), list(words[index:]))


def _takes_value(name: str, listed: frozenset[str], *, valued_by_default: bool) -> bool:
    if not valued_by_default:
        return name in listed
    if name.startswith("--"):
        return name not in listed
    flags = name[1:]  # -it, or -ie VARIABLE
    without_value = next((index for index, flag in enumerate(flags) if f"-{flag}" not in listed), len(flags))
    return without_value == len(flags) - 1


def _skip_options(words: list[str], with_value: frozenset[str]) -> list[str]:
    return _read_options(words, with_value).rest


# --- npm --------------------------------------------------------------------------------------------------------------

_NPM_VALUES: Final = frozenset(
    {"-p", "--package", "-c", "--call", "--registry", "-w", "--workspace", "--prefix", "--cache", "--userconfig"}
    | {"-n", "--node-arg", "--node-options", "--loglevel", "--shell", "--script-shell", "--cwd", "-C", "--dir"}
    | {"--filter", "--allow-build", "--config"}
)


def _parse_npx(launcher: str, arguments: list[str]) -> Launch:
    """Return the packages of ``npx``, ``bunx``, ``npm exec``, ``pnpm dlx`` and ``yarn dlx``."""
    options = _read_options(arguments, _NPM_VALUES)
    specifiers = options.get_all("-p", "--package")
    index = options.get_last("--registry")
    rest = options.rest
    call = options.get_last("-c", "--call")
    if not specifiers and not rest and call:
        rest = split_words(call)
    if not specifiers and rest:
        specifiers, rest = rest[:1], rest[1:]
    return _build_launch(launcher, specifiers, [parse_npm_package(specifier, index) for specifier in specifiers], rest)


def _build_launch(
    launcher: str, specifiers: Sequence[str], packages: Sequence[McpPackage | None], rest: Sequence[str]
) -> Launch:
    """Return what a launcher starts: the packages that specifiers name, None for a path, with the arguments after.

    What such a package starts by its arguments (``npx dotenv-cli -- npx server``) is added.
    """
    inner = _find_inner(rest)
    return Launch(
        launcher=launcher,
        packages=tuple(dict.fromkeys((*(package for package in packages if package is not None), *inner.packages))),
        image=inner.image,
        url=_find_forwarded(packages, rest),
        is_local=None in packages,
        has_variable=inner.has_variable or any(VARIABLE.search(specifier) for specifier in specifiers),
    )


def _find_inner(words: Sequence[str]) -> Launch:
    """Return what commands among the arguments of another one install or run; an empty launch if there is none.

    A command is an argument as a whole, or the rest of the arguments.
    """
    found: list[Launch] = []
    for index, word in enumerate(words if len(words) <= _MAX_INNER_WORDS else ()):
        parts = split_words(word) if " " in word else [word]
        if not parts or _get_program(parts[0]) not in _INSTALLERS:
            continue
        is_rest = len(parts) == 1
        launch = _parse_words([*parts, *words[index + 1 :]] if is_rest else parts, 1)
        if launch.packages or launch.image:
            found.append(launch)
            if is_rest:
                break
    return Launch(
        launcher=found[0].launcher if found else "",
        packages=tuple(dict.fromkeys(package for launch in found for package in launch.packages)),
        image=next((launch.image for launch in found if launch.image), None),
        url=next((launch.url for launch in found if launch.url), ""),
        has_variable=any(launch.has_variable for launch in found),
    )


def parse_npm_package(specifier: str, index: str = "") -> McpPackage | None:
    """Return the package that a specifier of npm names; None for a path."""
    from nerq_cli.manifests.npm.npm_spec import parse_spec, split_name

    index = clean_url(index)
    name, requirement = split_name(specifier)
    variable = VARIABLE.search(specifier)
    if not variable and _PATH.match(specifier):
        return None
    if get_ecosystem(NPM).find_name_error(name):
        if variable:
            return _build_unnamed(specifier, "its name is in a variable")
        spec = parse_spec("", specifier, {})
        return _find_repository(_build_unnamed(specifier, spec.skip or NOT_UNDERSTOOD, spec.requirement))
    if variable:
        return McpPackage(ecosystem=NPM, name=name, skip_reason="its version is in a variable", index=index)
    spec = parse_spec(name, requirement, {})
    return _find_repository(
        McpPackage(
            ecosystem=NPM,
            name=spec.name,
            requirement=spec.requirement,
            skip_reason=NOT_UNDERSTOOD if spec.error else spec.skip,
            index=index,
            is_pinned=_is_pinned(NPM, spec.requirement, spec.skip),
        )
    )


def _build_unnamed(address: str, skip_reason: str, requirement: str = "") -> McpPackage:
    """Return a package that states no name on a registry: it is named by its address."""
    is_repository = skip_reason.startswith(_REPOSITORIES)
    source = skip_reason.partition(": ")[2].partition(" @ ")[0] if is_repository else ""
    repository = find_github_name(source)
    address = VARIABLE.sub("…", clean_url(re.sub(r"^(?:git|hg|svn|bzr)\+", "", address)))
    rest = address.partition("://")[2].rstrip("/")
    if rest:
        host, slash, path = rest.partition("/")
        name = f"{host}{slash}{path.partition('@')[0].removesuffix('.git')}"[:_MAX_ADDRESS]
    elif source:  # gitlab:owner/name
        name = source.replace(":", "/", 1)[:_MAX_ADDRESS]
    else:
        name = re.split(r"[/:]", address.rstrip("/"))[-1].partition("@")[0].removesuffix(".git")
    if skip_reason.startswith(URL_PREFIX):
        skip_reason = f"{URL_PREFIX}{VARIABLE.sub('…', clean_url(skip_reason.removeprefix(URL_PREFIX)))}"
    return McpPackage(
        ecosystem=GITHUB if repository else GENERIC,
        name=repository or name or "package",
        requirement=requirement,
        skip_reason=skip_reason,
        is_pinned=_is_pinned(GENERIC, requirement, skip_reason),
    )


def _find_repository(package: McpPackage) -> McpPackage:
    """Return the repository on GitHub that a package comes from; the package itself if it comes from elsewhere."""
    source, _, revision = package.skip_reason.removeprefix(_GIT).partition(" @ ")
    name = find_github_name(source) if package.skip_reason.startswith(_GIT) else ""
    ecosystem = get_ecosystem(GITHUB)
    if ecosystem.find_name_error(name) or not ecosystem.accepts_requirement(revision):
        return package
    return McpPackage(
        ecosystem=GITHUB,
        name=name,
        requirement=revision,
        is_pinned=ecosystem.parse_pin(revision) is not None,
    )


def _is_pinned(ecosystem: EcosystemId, requirement: str, skip_reason: str) -> bool:
    """Whether a version or a commit is fixed. Tags of a repository move."""
    if skip_reason.startswith(_REPOSITORIES):
        return _COMMIT.search(skip_reason) is not None
    return get_ecosystem(ecosystem).parse_pin(requirement) is not None


def _find_forwarded(packages: Sequence[McpPackage | None], words: Sequence[str]) -> str:
    """Return the URL of the server that a package forwards to; empty if it is no such package."""
    if not any(package is not None and package.name in _BRIDGES for package in packages):
        return ""
    return next((word for word in words if _URL.fullmatch(word)), "")


def _parse_npm(program: str, arguments: list[str]) -> Launch:
    """Return what ``npm exec``, ``pnpm dlx``, ``yarn dlx`` or ``bun x`` runs; other commands run the project."""
    options = _read_options(arguments, _NPM_VALUES)
    command = options.rest[0] if options.rest else ""
    if command in {"exec", "x", "dlx"} and not (program == "pnpm" and command == "exec"):
        given = [word for name, value in options.values for word in (name, value) if word]
        return _parse_npx(f"{program} {command}", [*given, *options.rest[1:]])
    return Launch(launcher=program, is_local=True)


def _parse_script_tool(program: str, arguments: list[str]) -> Launch:
    """Return what Node, Bun or Deno runs: a file, or a package by its specifier."""
    if program == "bun" and "x" in arguments[:2]:
        return _parse_npx("bunx", arguments[arguments.index("x") + 1 :])
    for index, word in enumerate(arguments):
        if program == "deno" and word.startswith(("npm:", "jsr:")):
            return _parse_deno(word, arguments[index + 1 :])
        if _URL.fullmatch(word) and not arguments[index - 1].startswith("-"):
            return Launch(launcher=program, packages=(_build_unnamed(word, f"{URL_PREFIX}{word}"),))
    return Launch(launcher=program, is_local=True)


def _parse_deno(specifier: str, rest: Sequence[str]) -> Launch:
    from nerq_cli.manifests.npm.deno_specifiers import parse_specifier

    parsed = parse_specifier(specifier)
    if parsed is None or parsed.error or VARIABLE.search(specifier):
        return Launch(launcher="deno", packages=(_build_unnamed(specifier, NOT_UNDERSTOOD),))
    package = McpPackage(
        ecosystem=parsed.ecosystem,
        name=parsed.name,
        requirement=parsed.requirement,
        skip_reason=parsed.skip_reason,
        is_pinned=get_ecosystem(NPM).parse_pin(parsed.requirement) is not None,
    )
    return Launch(launcher="deno", packages=(package,), url=_find_forwarded((package,), rest))


# --- Python -----------------------------------------------------------------------------------------------------------

#: Options of uv that take a value (``uv help tool run``, ``uv help run``).
_UV_VALUES: Final = frozenset(
    {"--from", "--with", "-w", "--with-editable", "--with-requirements", "--index", "--default-index", "-i"}
    | {"--index-url", "--extra-index-url", "-f", "--find-links", "--python", "-p", "--env-file", "-c", "--constraints"}
    | {"--overrides", "-b", "--build-constraints", "-P", "--upgrade-package", "--reinstall-package", "--resolution"}
    | {"--index-strategy", "--keyring-provider", "--prerelease", "--fork-strategy", "-C", "--config-setting"}
    | {"--config-settings-package", "--no-build-isolation-package", "--exclude-newer", "--link-mode", "--color"}
    | {"--no-build-package", "--no-binary-package", "--refresh-package", "--cache-dir", "--python-preference"}
    | {"--allow-insecure-host", "--directory", "--project", "--config-file", "--torch-backend", "--python-platform"}
    | {"--group", "--extra", "--package", "--only-group", "--no-group", "--no-extra", "--exclude-newer-package"}
)
_PIPX_VALUES: Final = frozenset(
    {"--spec", "--python", "--pip-args", "--index-url", "-i", "--with", "--backend", "--fetch-python"}
)
_INDEX_OPTIONS: Final = ("--default-index", "--index-url", "-i", "--index")


def _parse_uvx(launcher: str, arguments: list[str]) -> Launch:
    """Return the packages of ``uvx``, ``uv tool run`` and ``pipx run``."""
    options = _read_options(arguments, _PIPX_VALUES if launcher == "pipx" else _UV_VALUES)
    index = options.get_last(*_INDEX_OPTIONS)
    main = options.get_last("--from", "--spec")
    rest = options.rest
    if not main and rest:
        main, rest = rest[0], rest[1:]
    return _build_python_launch(launcher, [main, *options.get_all("--with", "-w")], index, rest)


def _parse_uv(program: str, arguments: list[str]) -> Launch:
    options = _read_options(arguments, _UV_VALUES)
    rest = options.rest
    if rest[:2] == ["tool", "run"]:
        return _parse_uvx("uvx", rest[2:])
    if rest[:1] != ["run"]:
        return Launch(launcher=program, is_local=bool(rest))
    inner = _read_options(rest[1:], _UV_VALUES)
    specifiers = inner.get_all("--with", "-w")
    launch = _build_python_launch("uv run", specifiers, inner.get_last(*_INDEX_OPTIONS), inner.rest)
    return msgspec.structs.replace(launch, is_local=True)


def _parse_pipx(program: str, arguments: list[str]) -> Launch:
    rest = _skip_options(arguments, frozenset())
    return _parse_uvx(program, rest[1:]) if rest[:1] == ["run"] else Launch(launcher=program)


def _build_python_launch(launcher: str, specifiers: Sequence[str], index: str, rest: Sequence[str]) -> Launch:
    # --with takes several packages, parted by commas outside of brackets
    parts = [part for text in specifiers for part in re.split(r",(?![^\[]*\])(?=\s*[A-Za-z])", text) if part.strip()]
    return _build_launch(launcher, parts, [parse_python_package(part.strip(), index) for part in parts], rest)


def parse_python_package(specifier: str, index: str = "") -> McpPackage | None:
    """Return the package that a specifier names: PEP 508, ``name@version`` of uv, or an address; None for a path."""
    from nerq_cli.manifests.package_source import url_reason
    from nerq_cli.manifests.python.pep508 import NotASpecifierError, parse_specifier

    if VARIABLE.search(specifier):
        return _build_unnamed(specifier, "its name or version is in a variable")
    if "://" in specifier and " @ " not in specifier and "@git+" not in specifier:
        return _find_repository(_build_unnamed(specifier, url_reason(specifier)))
    if _PATH.match(specifier):
        return None
    at_version = _AT_VERSION.fullmatch(specifier)
    if at_version:
        specifier = at_version[1] if at_version[2] == "latest" else f"{at_version[1]}=={at_version[2]}"
    try:
        parsed = parse_specifier(specifier)
    except NotASpecifierError:
        return _build_unnamed(re.split(r"[\[=<>!~;@ ]", specifier)[0], NOT_UNDERSTOOD)
    return _find_repository(
        McpPackage(
            ecosystem=PYPI,
            name=parsed.name,
            requirement=parsed.version,
            extras=parsed.extras,
            skip_reason=parsed.skip_reason,
            index=clean_url(index),
            is_pinned=_is_pinned(PYPI, parsed.version, parsed.skip_reason),
        )
    )


def _parse_python(program: str, arguments: list[str]) -> Launch:
    """Return what Python runs: a file or the current project; a module's package is not known by its name."""
    options = _read_options(arguments, frozenset({"-m", "-c", "-W", "-X"}))
    module = options.get_last("-m")
    if not module:
        return Launch(launcher=program, is_local=True)
    if module in {"uv", "pipx"}:
        return _PARSERS[module](module, options.rest)
    return Launch(launcher=f"{program} -m {module}")


# --- containers -------------------------------------------------------------------------------------------------------

#: Options of ``docker run`` and ``podman run`` without a value; all others have one.
_CONTAINER_FLAGS: Final = frozenset(
    {"-i", "--interactive", "-t", "--tty", "--rm", "-d", "--detach", "--init", "--privileged", "--read-only", "-q"}
    | {"--no-healthcheck", "--oom-kill-disable", "-P", "--publish-all", "--sig-proxy", "--disable-content-trust"}
    | {"--quiet", "--help", "--replace", "--tls-verify", "--env-host", "--http-proxy", "--no-hosts", "--no-hostname"}
    | {"--passwd", "--rmi", "--read-only-tmpfs", "--use-api-socket", "--unsetenv-all", "--rootfs"}
)
_CONTAINER_VALUES: Final = frozenset({"-H", "--host", "-c", "--context", "--config", "-l", "--log-level"})


def _parse_container(program: str, arguments: list[str]) -> Launch:
    rest = _skip_options(arguments, _CONTAINER_VALUES)
    if rest[:1] == ["container"]:
        rest = rest[1:]
    if rest[:1] not in (["run"], ["create"]):
        return Launch(launcher=program, is_local=rest[:1] in (["exec"], ["compose"]))
    words = _read_options(rest[1:], _CONTAINER_FLAGS, valued_by_default=True).rest
    if not words:
        return Launch(launcher=program)
    has_variable = VARIABLE.search(words[0]) is not None
    return Launch(launcher=program, image=parse_image(words[0]), has_variable=has_variable)


def parse_image(reference: str) -> McpImage | None:
    """Return the parts of the reference of an image; None if it is none."""
    reference = re.sub(r"^(?:docker|oci|https?)://", "", reference)
    match = _IMAGE.fullmatch(reference)
    if match is None:
        return None
    return McpImage(name=match["name"], tag=match["tag"] or "", digest=(match["digest"] or "").lower())


def iter_known_commands(text: str) -> Iterator[Launch]:
    """Yield what the commands in a text of shell lines run, of those that install a package or run an image."""
    for line in text.splitlines():
        words = split_words(line.strip().removeprefix("$ "))[:100]
        if words and _is_known(_get_program(words[0])):
            launch = _parse_words(words, _MAX_WRAPPERS)
            if launch.packages or launch.image:
                yield launch


_PARSERS: Final[dict[str, _Parser]] = {
    **dict.fromkeys(_NPX_TOOLS, _parse_npx),
    **dict.fromkeys(("npm", "pnpm", "yarn"), _parse_npm),
    **dict.fromkeys(_SCRIPT_TOOLS, _parse_script_tool),
    **dict.fromkeys(_CONTAINER_TOOLS, _parse_container),
    "uvx": _parse_uvx,
    "uv": _parse_uv,
    "pipx": _parse_pipx,
}
