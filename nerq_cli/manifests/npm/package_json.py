"""package.json: the dependencies of an npm project, in the forms of npm, Yarn, pnpm and Bun.

Dependencies from a repository, a URL, a directory or the workspace are listed and never looked up. All others are a
version, a range or a dist-tag of a package in the registry.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Final

from msgspec.structs import replace

from nerq_cli.ecosystems import NPM
from nerq_cli.ecosystems.npm import find_name_error
from nerq_cli.inventory import NOT_UNDERSTOOD, Declaration, DependencyFile, Include, Location
from nerq_cli.manifests.npm import install_scripts
from nerq_cli.manifests.npm.npm_entries import LOCAL_REASONS
from nerq_cli.manifests.npm.npm_spec import Catalogs, NpmSpec, is_catalog_missing, parse_spec, split_name
from nerq_cli.manifests.package_source import WORKSPACE
from nerq_cli.manifests.syntax.json_document import JsonNode, NotJsonError, parse_json
from nerq_cli.manifests.syntax.problems import ProblemList, list_examples
from nerq_cli.manifests.syntax.quote import quote_text
from nerq_cli.patterns import compile_late
from nerq_cli.problem import Problem
from nerq_cli.resolve.settings import BUN_OVERRIDES, NPM_OVERRIDES, YARN_RESOLUTIONS, dump_mapping

NAME: Final = "package.json"

#: Sections with dependencies, and the group of each (npm's documentation of package.json).
GROUPS: Final[Mapping[str, str]] = {
    "dependencies": "main",
    "devDependencies": "dev",
    "optionalDependencies": "optional",
    "peerDependencies": "peer",
}
#: Fields with the names of bundled dependencies; npm accepts both spellings.
BUNDLE_FIELDS: Final = ("bundleDependencies", "bundledDependencies")

#: Start of the skip reason of a package in whose place another one is installed.
REPLACED_PREFIX: Final = "replaced by"
#: Longest name in a reason, in characters (npm's limit).
_MAX_NAME_LENGTH: Final = 214
#: What pnpm installs in place of a package that an override removes.
_REMOVED: Final = "-"
#: One version and nothing else.
_EXACT_VERSION = compile_late(r"[=v]?\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?", re.ASCII)


def matches(path: PurePosixPath) -> bool:
    """Whether the file is a package.json."""
    return path.name == NAME


def read(
    text: str, path: str, *, constraint: bool = False, group: str = "", workspace_catalogs: Catalogs | None = None
) -> DependencyFile:
    """Return the declarations of a package.json. Errors in the text are in ``problems``; nothing is raised.

    The globs in ``includes`` match the package.json files of the workspaces. Their order counts: one that begins with
    ``!`` excludes files that earlier ones match.

    Args:
        text: the content of the file.
        path: its path in messages.
        constraint: whether it only limits versions.
        group: the group in place of ``main``, from the including file.
        workspace_catalogs: catalogs from another file of the workspace.
    """
    reader = _PackageJsonReader(text, path, workspace_catalogs)
    declarations = tuple(
        _set_group(declaration, group, constraint=constraint) for declaration in reader.read_declarations()
    )
    includes = tuple(reader.read_includes())
    local_names = {
        reader.read_name(),
        *(declaration.name for declaration in declarations if declaration.skip_reason in LOCAL_REASONS),
    }
    name, version = reader.read_name(), reader.read_version()
    return DependencyFile(
        path=path,
        format=NAME,
        local_versions=((name, version),) if name and version else (),
        declarations=declarations,
        includes=includes,
        constraint=constraint,
        local_names=tuple(sorted(local_names - {""})),
        overridden_names=tuple(reader.find_overridden_names()),
        settings=tuple(reader.read_settings()),
        decided_scripts=tuple(reader.read_decided_scripts()),
        unlocked_problems=make_override_note(path, reader.conditional_overrides),
        problems=reader.problems.problems,
    )


def read_catalogs(text: str) -> Catalogs:
    """Return the catalogs in a package.json, where Bun has them."""
    return _PackageJsonReader(text, "").read_catalogs()


def _set_group(declaration: Declaration, group: str, *, constraint: bool) -> Declaration:
    if constraint:
        return replace(declaration, group="constraint")
    return replace(declaration, group=group) if group and declaration.group == "main" else declaration


class _PackageJsonReader:
    """Reads one package.json."""

    def __init__(self, text: str, path: str, workspace_catalogs: Catalogs | None = None) -> None:
        self.text = text.removeprefix("\ufeff")
        self.path = path
        self.workspace_catalogs = workspace_catalogs or {}
        self.problems = ProblemList(path, self.text)
        #: Overrides that apply to some packages only, with their lines.
        self.conditional_overrides: list[tuple[str, int]] = []
        self._root = self._parse_document()

    def read_name(self) -> str:
        """Return the name of the package; empty if it has none."""
        name = self._root.get("name")
        return name.data if name is not None and isinstance(name.data, str) else ""

    def read_version(self) -> str:
        """Return the version of the package; empty if it has none."""
        version = self._root.get("version")
        text = version.data.strip() if version is not None and isinstance(version.data, str) else ""
        return text if _EXACT_VERSION.fullmatch(text) else ""

    def read_declarations(self) -> Iterator[Declaration]:
        """Yield the declarations in the order of `GROUPS`, then the exact versions of overrides."""
        catalogs = self.read_catalogs()
        markers = {
            "main": ("bundled", self._read_bundled_names()),
            "peer": ("optional peer", self._find_optional_peers()),
        }
        for section, group in GROUPS.items():
            marker, names = markers.get(group, ("", ()))
            for name, member in self._get_members(self._root, section).items():
                spec = self._parse_spec(name, member, catalogs)
                if spec is not None:
                    yield self._make_declaration(name, spec, member, group, marker if name in names else "")
        yield from self._read_overrides(catalogs)

    def read_includes(self) -> Iterator[Include]:
        """Yield the globs of workspaces."""
        field = self._root.get("workspaces")
        if field is not None and isinstance(field.data, dict):
            field = field.data.get("packages")
        for glob, node in () if field is None else self._iter_strings(field, "workspaces"):
            pattern = build_workspace_glob(glob)
            if pattern:
                yield Include(pattern=pattern, line=self.problems.line_index.line_number(node.offset), format=NAME)

    def _parse_spec(self, name: str, member: JsonNode, catalogs: Catalogs) -> NpmSpec | None:
        specifier = member.data
        if not isinstance(specifier, str):
            self.problems.add_problem(
                f"the version of {quote_text(name)} must be a string, not {member.kind}", member.offset
            )
            return None if find_name_error(name) else NpmSpec(name, skip=NOT_UNDERSTOOD)
        error = find_name_error(name)
        if error:
            self.problems.add_problem(f"{quote_text(name)} is no package name: {error}", member.key_offset)
            return None
        spec = parse_spec(name, specifier, catalogs)
        error = spec.error or find_name_error(spec.name)
        if error:
            self.problems.add_problem(f"{quote_text(name)} cannot be installed: {error}", member.offset)
            return NpmSpec(name, skip=NOT_UNDERSTOOD)
        return spec

    def _make_declaration(
        self, name: str, spec: NpmSpec, member: JsonNode, group: str, marker: str = ""
    ) -> Declaration:
        return Declaration(
            ecosystem=NPM,
            name=spec.name,
            requirement=spec.requirement,
            group=group,
            location=Location(path=self.path, line=self.problems.line_index.line_number(member.key_offset)),
            marker=marker,
            alias=name if spec.name != name else "",
            skip_reason=spec.skip,
        )

    def _read_overrides(self, catalogs: Catalogs) -> Iterator[Declaration]:
        """Yield the overrides of npm, Yarn and pnpm that apply everywhere, and sources other than the registry."""
        references = self._read_references()
        holders = (
            (self._root, "overrides"),
            (self._root, "resolutions"),
            (_find_members(self._root, "pnpm"), "overrides"),
        )
        for holder, section in holders:
            for key, member, offset, is_inner in _iter_leaves(self._get_members(holder, section)):
                line = self.problems.line_index.line_number(offset)
                version = member.data if isinstance(member.data, str) else ""
                is_conditional = is_inner or not is_plain_override(key)
                override = make_override(
                    key,
                    version,
                    Location(path=self.path, line=line),
                    catalogs,
                    references=references,
                    is_conditional=is_conditional,
                )
                if override is not None:
                    yield override
                elif is_conditional and version:
                    self.conditional_overrides.append((key, line))

    def _read_references(self) -> dict[str, str]:
        """Return the specifiers that ``$name`` in an override stands for."""
        sections = ("optionalDependencies", "devDependencies", "dependencies")  # the last one wins
        return {
            name: specifier
            for section in sections
            for name, specifier in _select_strings(_find_members(self._root, section)).items()
        }

    def find_overridden_names(self) -> Iterator[str]:
        """Yield the direct dependencies that Yarn and pnpm may override; npm refuses to."""
        for holder, section in ((self._root, "resolutions"), (_find_members(self._root, "pnpm"), "overrides")):
            yield from filter(None, map(find_overridden_name, _find_members(holder, section)))

    def read_decided_scripts(self) -> Iterator[str]:
        """Yield the packages whose install scripts the file allows or refuses."""
        return install_scripts.read_package_json(self._root)

    def read_settings(self) -> Iterator[tuple[str, str]]:
        """Yield the overrides as npm, Yarn and Bun have them; those of pnpm are in further files."""
        if not self._root or self.problems.problems:
            return
        overrides = {key: _convert(node) for key, node in _find_members(self._root, "overrides").items()}
        yield NPM_OVERRIDES, dump_mapping(overrides)
        resolutions = _select_strings(_find_members(self._root, "resolutions"))
        by_name: dict[str, dict[str, str]] = {}
        for key, specifier in resolutions.items():
            by_name.setdefault(parse_override_name(key), {})[key] = specifier.removeprefix("npm:")
        yield YARN_RESOLUTIONS, dump_mapping(by_name)
        bun_overrides = dump_overrides_of_bun(overrides or resolutions)
        if '"$' not in bun_overrides:
            yield BUN_OVERRIDES, bun_overrides

    def read_catalogs(self) -> Catalogs:
        """Return the catalogs of the workspace and of the file itself (Bun: at the top or in ``workspaces``)."""
        catalogs = {name: dict(catalog) for name, catalog in self.workspace_catalogs.items()}
        for holder in (self._root, _find_members(self._root, "workspaces")):
            named_catalogs = _find_members(holder, "catalogs")
            for name in named_catalogs:
                catalogs.setdefault(name, {}).update(_select_strings(_find_members(named_catalogs, name)))
            catalogs.setdefault("default", {}).update(_select_strings(_find_members(holder, "catalog")))
        return catalogs

    def _read_bundled_names(self) -> set[str]:
        """Return the names of bundled dependencies; the value true means all of them."""
        names: set[str] = set()
        for field_name in BUNDLE_FIELDS:
            field = self._root.get(field_name)
            if field is not None and field.data is True:
                names.update(self._get_members(self._root, "dependencies"))
            elif field is not None and field.data is not False:
                names.update(name for name, _ in self._iter_strings(field, field_name))
        return names

    def _find_optional_peers(self) -> set[str]:
        meta = self._get_members(self._root, "peerDependenciesMeta")
        flags = {name: self._get_members(meta, name).get("optional") for name in meta}
        return {name for name, flag in flags.items() if flag is not None and flag.data is True}

    def _parse_document(self) -> Mapping[str, JsonNode]:
        try:
            node = parse_json(self.text)
        except NotJsonError as error:
            self.problems.add_problem(f"not valid JSON: {error}", error.offset, hint=error.hint)
            return {}
        return self._as_object(node, "the file")

    def _get_members(self, holder: Mapping[str, JsonNode], key: str) -> Mapping[str, JsonNode]:
        """Return the members of an object inside another one; none if it is missing. Other types are reported."""
        member = holder.get(key)
        return {} if member is None else self._as_object(member, key)

    def _as_object(self, node: JsonNode, label: str) -> Mapping[str, JsonNode]:
        if isinstance(node.data, dict):
            return node.data
        if (node.data is not None and node.data != []) or label == "the file":  # [] is {} for tools that know no maps
            self.problems.add_problem(f"{label[:60]} must be an object, not {node.kind}", node.offset)
        return {}

    def _iter_strings(self, node: JsonNode, label: str) -> Iterator[tuple[str, JsonNode]]:
        if not isinstance(node.data, list):
            if node.data is not None:
                self.problems.add_problem(f"{label} must be an array, not {node.kind}", node.offset)
            return
        for item in node.data:
            if isinstance(item.data, str):
                yield item.data, item
            else:
                self.problems.add_problem(f"an item of {label} must be a string, not {item.kind}", item.offset)


def parse_override_name(key: str) -> str:
    """Return the package that a key of overrides names.

    npm and pnpm write ``name@range``, pnpm ``parent>name``, Yarn ``parent/name`` and ``**/name``.
    """
    *parents, last = key.rpartition(">")[2].strip().split("/")
    is_scoped = bool(parents) and parents[-1].startswith("@")
    return split_name(f"{parents[-1]}/{last}" if is_scoped else last)[0]


def find_overridden_name(key: str) -> str:
    """Return the package that a key of overrides names; empty if it applies only below another package."""
    name = parse_override_name(key)
    parents = key.removesuffix(key[key.rfind(name) :]) if name else key
    return name if parents in {"", "**/"} else ""


def dump_overrides_of_bun(overrides: Mapping[str, object]) -> str:
    """Return the one text for overrides that are equal for Bun."""
    return dump_mapping(
        {
            name: value.removeprefix(f"npm:{name}@") if isinstance(value, str) else value
            for name, value in overrides.items()
        }
    )


def is_plain_override(key: str) -> bool:
    """Whether a key of overrides is that of one package, wherever and at whatever version it is required."""
    return key in (name := parse_override_name(key), f"**/{name}")


def make_override_note(path: str, conditional_overrides: Sequence[tuple[str, int]]) -> tuple[Problem, ...]:
    """Return the note on overrides that do not apply everywhere, given with their lines; none without any."""
    if not conditional_overrides:
        return ()
    names = dict.fromkeys(parse_override_name(key) for key, _ in conditional_overrides)
    message = "overrides below other packages, or of some versions only, decide nothing without a lock file: "
    message += list_examples([quote_text(name) for name in names])
    return (Problem(path=path, line=conditional_overrides[0][1], message=message, level="note"),)


def make_override(
    key: str,
    specifier: str,
    location: Location,
    catalogs: Catalogs,
    *,
    references: Mapping[str, str],
    is_conditional: bool,
) -> Declaration | None:
    """Return the constraint that one override sets; None if it neither sets versions nor changes the source.

    Args:
        key: what is overridden.
        specifier: what is installed in its place.
        location: where it is.
        catalogs: the catalogs of the workspace.
        references: the specifiers of direct dependencies, which ``$name`` stands for.
        is_conditional: whether it applies only to some packages or versions, so that it does not hold elsewhere.
    """
    name, specifier = parse_override_name(key), specifier.strip()
    if specifier.startswith("$"):
        specifier = references.get(specifier[1:], "").strip()
    if specifier in ("", _REMOVED) or find_name_error(name):
        return None
    spec = parse_spec(name, specifier, catalogs)
    if spec.name == name and not spec.skip and spec.requirement and not spec.error:
        requirement, skip_reason = spec.requirement, ""
        if is_conditional:
            return None
    else:
        if spec.error or is_catalog_missing(spec.skip) or spec.skip == WORKSPACE:
            return None
        is_other_package = not spec.skip and spec.name != name
        skip_reason = f"{REPLACED_PREFIX} {spec.name[:_MAX_NAME_LENGTH]}" if is_other_package else spec.skip
        requirement = spec.requirement if spec.skip and spec.name == name else ""
        if not skip_reason:
            return None
    return Declaration(
        ecosystem=NPM,
        name=name,
        requirement=requirement,
        group="constraint",
        location=location,
        skip_reason=skip_reason,
        override_of="" if skip_reason else NAME,
    )


def _iter_leaves(members: Mapping[str, JsonNode]) -> Iterator[tuple[str, JsonNode, int, bool]]:
    """Yield the key, value and offset of nested overrides, and whether each applies below another package only.

    npm: ``{"name": {".": "1.2.3", "inner": …}}``.
    """
    pending = [(key, member, member.key_offset, False) for key, member in reversed([*members.items()])]
    while pending:
        key, member, offset, is_inner = pending.pop()
        if isinstance(member.data, dict):
            pending += [
                (key, node, offset, is_inner) if inner == "." else (inner, node, node.key_offset, True)
                for inner, node in reversed([*member.data.items()])
            ]
        else:
            yield key, member, offset, is_inner


def _find_members(holder: Mapping[str, JsonNode], key: str) -> Mapping[str, JsonNode]:
    """Return the members of an object inside another one; none if it is missing or has another type."""
    member = holder.get(key)
    return member.data if member is not None and isinstance(member.data, dict) else {}


def _convert(node: JsonNode) -> object:
    """Return the value of a parsed document."""
    if isinstance(node.data, dict):
        return {key: _convert(member) for key, member in node.data.items()}
    return None if isinstance(node.data, list) else node.data


def _select_strings(members: Mapping[str, JsonNode]) -> dict[str, str]:
    return {name: text for name, member in members.items() if isinstance(text := member.data, str)}


def build_workspace_glob(glob: str) -> str:
    """Return the glob of the package.json files in the directories that a workspace glob matches."""
    positive_glob = glob.lstrip("!")
    negation = "!" * ((len(glob) - len(positive_glob)) % 2)
    folder = re.sub(r"^\.?/+", "", positive_glob.replace("\\", "/")).rstrip("/")
    return f"{negation}{folder}/{NAME}" if folder not in {"", "."} else ""


def match_workspace_globs(patterns: Iterable[str], directory: str) -> bool:
    """Whether the globs of a workspace match a directory, relative to its root; the last one that matches counts."""
    is_member = False
    for pattern in patterns:
        if fnmatchcase(f"{directory}/{NAME}", pattern.lstrip("!").replace("**/", "*")):
            is_member = not pattern.startswith("!")
    return is_member
