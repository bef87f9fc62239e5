"""Feeds damaged and hostile inputs to every reader of nerq-cli, and counts what none of them may do.

    python docs/benchmarks/fuzz.py [--minutes 12] [--seed 1] [--area NAME] [--number N] [--save DIRECTORY]

Examples of every dependency file, settings file, configuration file, registry response and advisory record are changed
at random and read in this process, one after the other, on one core. Counted are exceptions that are not nerq-cli's own
("foreign"), and inputs that take more than two seconds of processor time. The N-th input of an area depends on the seed
alone, so ``--area NAME --number N`` repeats it; ``--save`` keeps the inputs that were found.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import random
import re
import resource
import signal
import string
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import fuzz_seeds as seeds
import msgspec

from nerq_cli.config import read_config_file
from nerq_cli.ecosystems import ECOSYSTEMS, NPM, PYPI
from nerq_cli.errors import NerqError
from nerq_cli.fetch.source import Endpoint, Paged, Response, Source
from nerq_cli.inventory import AdvisoryId, Package, Release, RepositoryId, Subject
from nerq_cli.manifests.discovery.gitignore import compile_rules, is_ignored
from nerq_cli.manifests.formats import FORMATS
from nerq_cli.manifests.read_file import CannotReadError, decode_text
from nerq_cli.report.sanitize import defuse_ci_commands, defuse_json, sanitize_text
from nerq_cli.resolve.graph import Graph
from nerq_cli.resolve.lockfile import apply_lockfiles
from nerq_cli.resolve.resolver import resolve
from nerq_cli.signals import licences
from nerq_cli.sources import deps_dev, text
from nerq_cli.sources.advisories import epss, kev, osv, osv_record
from nerq_cli.sources.popularity import downloads
from nerq_cli.sources.registries import npm, provenance, pypi
from nerq_cli.sources.registries.config.indexes import read_index_config
from nerq_cli.sources.repositories import github, scorecard
from nerq_cli.sources.repository_url import parse_repository_id
from nerq_cli.targets import parse_target
from nerq_cli.vulnerabilities.matching import build_history, find_unevaluable, match_advisories

#: Seconds of processor time above which an input is slow, and after which it is ended.
SLOW, ENDED = 2.0, 10.0
#: Seconds after which the process ends: a library holds the interpreter and lets no signal through.
STUCK = 120
#: Largest input in bytes, and memory that the process may take.
MAX_BYTES, MAX_MEMORY = 400_000, 4 << 30
#: nerq-cli's own exceptions: what a reader may raise.
OWN = (NerqError, CannotReadError)

Read = Callable[[bytes], object]
S = TypeVar("S", bound=Subject)


class Hang(BaseException):
    """An input took longer than ``ENDED``. No ``except Exception`` catches it."""


@dataclass
class Area:
    """One kind of input: what reads it, and the examples to begin with."""

    name: str
    examples: list[tuple[Read, bytes]]
    inputs: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    slow: int = 0
    foreign: int = 0


@dataclass
class Findings:
    """What was found, each once: the same exception at the same place is one finding."""

    directory: Path | None
    known: dict[str, str] = field(default_factory=dict)

    def add(self, area: Area, number: int, key: str, details: str, data: bytes) -> None:
        if key in self.known:
            return
        self.known[key] = f"{area.name} --number {number}"
        print(f"\n{key}\n  --area {area.name!r} --number {number}, {len(data):,} bytes\n{details}", flush=True)
        if self.directory is not None:
            name = re.sub(r"[^\w.-]+", "-", f"{area.name}-{number}")
            (self.directory / name).write_bytes(data)


# Mutations

TOKENS = re.compile(rb"[\w.@/-]+|\s+|[^\w\s]")
#: Words that readers may take for something else, divided by white space.
WORDS = r"""
null true -1 NaN 1e999 -0 0x10 [] {} "" __proto__ constructor ../../etc/passwd ${X} %(x)s {{x}} $(x) `x` ' " \ \u0000
\ud800 \x00 /* */ // # <!-- ]]> --- ... !!python/object:x !!int &a; xmlns='x' == >= ~= === ^ || git+https:// file: npm:
workspace:* catalog: pkg:npm/%40a/b@1 @ **/ [!a- [[:alpha:]] 2026-02-30T25:61:61Z 9999-12-31T23:59:59Z 0000-00-00 1!1
1+1+1 1.0-0-0 CVSS:3.1/AV:N http://[ http://a:99999/ ::1 xn--a
"""
#: Characters that count as white space, line ends, letters or digits for some libraries, or have no width.
CHARACTERS = (
    "\u2028 \u202e \ufeff \u00a0 \u0130 \u00df \ufb01 \u0660 \uff11\uff12 \u2167 \u01c5 \u1e9e \U0001f468\u200d"
)
NASTY = [
    b"",
    *(word.encode() for word in WORDS.split()),
    *(word.encode() for word in CHARACTERS.split(" ")),
    *(word.encode() for word in ("<<: *a", "&a [*a]", "? ", ": ", "- ", "| ", "> ", "%YAML 9", "-r requirements.txt")),
    *(word.encode() for word in ("<!DOCTYPE x [<!ENTITY a 'b'>]>", "a" * 300, "1." * 200 + "1", "9" * 400)),
    *(word.encode() for word in ("CVSS:4.0/" + "AV:N/" * 50, "\u0301" * 50)),
    *(b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x1b[31m", b"\x7f", b"\x85"),
]
NESTS = [
    (b"[", b"]"),
    (b"{", b"}"),
    (b"(", b")"),
    (b'{"a":', b"}"),
    (b'[{"a":[', b"]}]"),
    (b"<a>", b"</a>"),
    (b"- ", b""),
    (b"((", b")"),
    (b"not ", b""),
    (b"a.", b""),
    (b"a[", b"]"),
    (b"a OR (", b")"),
    (b"/*", b"*/"),
    (b"**/", b""),
    (b"*a", b""),
    (b"x and ", b""),
    (b"{a: ", b"}"),
    (b"? ", b""),
    (b"a=[", b"]"),
    (b"[a.", b"]"),
    (b"'\"", b""),
    (b"\\", b""),
    (b"a-", b""),
    (b"a@", b""),
    (b"||", b""),
    (b"!", b""),
    (b"<!--", b""),
    (b"&", b";"),
    (b"\n ", b""),
]


VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    1e308,
    2**63,
    2**64,
    10**400,
    "",
    "x",
    "1",
    "\ud800",
    "\x00",
    "x" * 70_000,
    [],
    {},
    [[]],
    [None],
    [1],
    ["x"],
    [{}],
    {"": ""},
    {"x": None},
    {"x": []},
    {"x": {"x": {"x": {}}}},
    {"type": []},
    {"name": {}},
)


def flip(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 8)):
        if data:
            data[rng.randrange(len(data))] = rng.choice((rng.randrange(256), ord(rng.choice(string.printable))))


def truncate(data: bytearray, rng: random.Random) -> None:
    del data[rng.randint(0, len(data)) :]


def delete(data: bytearray, rng: random.Random) -> None:
    start = rng.randint(0, len(data))
    del data[start : start + rng.choice((1, 1, 2, 5, 20, 200))]


def insert_nasty(data: bytearray, rng: random.Random) -> None:
    start = rng.randint(0, len(data))
    data[start:start] = rng.choice(NASTY)


def replace_token(data: bytearray, rng: random.Random) -> None:
    start, end = choose_token(data, rng)
    data[start:end] = rng.choice(NASTY)


def choose_token(data: bytearray, rng: random.Random) -> tuple[int, int]:
    match = TOKENS.search(data, rng.randint(0, len(data)))
    return (match.start(), match.end()) if match else (len(data), len(data))


def choose_count(rng: random.Random) -> int:
    """Return 10 to 100,000, large numbers seldom."""
    return int(10 ** rng.triangular(1, 5, 1))


def repeat_token(data: bytearray, rng: random.Random) -> None:
    start, end = choose_token(data, rng)
    data[start:start] = bytes(data[start:end]) * min(choose_count(rng), MAX_BYTES // (end - start + 1))


def repeat_line(data: bytearray, rng: random.Random) -> None:
    """Repeat a line, or a few, with a number of its own in each copy."""
    lines = bytes(data).split(b"\n")
    first = rng.randrange(len(lines))
    block = b"\n".join(lines[first : first + rng.choice((1, 1, 2, 3, 6))])
    copies = min(choose_count(rng), MAX_BYTES // (len(block) + 8))
    word = re.search(rb"[a-z]{1,20}", block)
    if word is None or rng.random() < 0.3:
        pieces = [block] * copies
    else:
        pieces = [block[: word.end()] + b"%d" % number + block[word.end() :] for number in range(copies)]
    data[:] = b"\n".join([*lines[:first], *pieces, *lines[first:]])


def nest(data: bytearray, rng: random.Random) -> None:
    opening, closing = rng.choice(NESTS)
    depth = choose_count(rng)
    start, end = choose_token(data, rng)
    data[start:end] = opening * depth + bytes(data[start:end]) + closing * depth * (rng.random() < 0.7)


def enlarge_number(data: bytearray, rng: random.Random) -> None:
    numbers = list(re.finditer(rb"\d+", data))
    if numbers:
        match = rng.choice(numbers)
        large = (
            b"9" * choose_count(rng),
            b"1e%d" % choose_count(rng),
            b"-1",
            b"18446744073709551616",
            b"0" * 400 + b"1",
        )
        data[match.start() : match.end()] = rng.choice(large)


def mix_line_ends(data: bytearray, rng: random.Random) -> None:
    ends = (b"\r\n", b"\r", b"\n", b"\x0b", b"\x0c", "\u2028".encode(), b"\n\n", b" \\\n", b"\t\n")
    data[:] = re.sub(rb"\n", lambda _: rng.choice(ends), bytes(data))


def swap_lines(data: bytearray, rng: random.Random) -> None:
    lines = bytes(data).split(b"\n")
    for _ in range(rng.randint(1, 5)):
        first, second = rng.randrange(len(lines)), rng.randrange(len(lines))
        lines[first], lines[second] = lines[second], lines[first]
    data[:] = b"\n".join(lines)


def indent(data: bytearray, rng: random.Random) -> None:
    lines = bytes(data).split(b"\n")
    step = rng.choice((b" ", b"\t", b"  "))
    data[:] = b"\n".join(step * min(number, 2_000) + line for number, line in enumerate(lines))


def replace_value(data: bytearray, rng: random.Random) -> None:
    """Put a value of another type where JSON, TOML or YAML has one."""
    values = list(re.finditer(rb'(?<=[:=,\[{] )\s*("[^"]*"|\d+|true|false|null|\{[^{}]*\}|\[[^\[\]]*\])', data))
    if values:
        match = rng.choice(values)
        data[match.start(1) : match.end(1)] = rng.choice(
            (
                b"null",
                b"[]",
                b"{}",
                b"0",
                b"-1",
                b"1.5",
                b"true",
                b'""',
                b'"x"',
                b"[[]]",
                b'{"a": 1}',
                b"1e400",
                b"[null, 1]",
            )
        )


def change_json(data: bytearray, rng: random.Random) -> None:
    """Change one value of a JSON document, which stays one; else as ``replace_value``."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        replace_value(data, rng)
        return
    parents: list[Any] = [[document]]
    for parent in parents:
        parents += [child for child in iter_children(parent) if isinstance(child, dict | list) and child]
        if len(parents) > 2_000:
            break
    parent = rng.choice(parents)
    key = rng.choice(list(parent)) if isinstance(parent, dict) else rng.randrange(len(parent))
    if isinstance(parent, dict) and rng.random() < 0.2:
        parent[rng.choice(NASTY).decode("utf-8", "replace")] = parent[key]
    elif isinstance(parent, list) and rng.random() < 0.2:
        parent += [parent[key]] * min(choose_count(rng), 2_000, MAX_BYTES // (len(data) + 1))
    else:
        parent[key] = rng.choice((*VALUES, rng.choice(NASTY).decode("utf-8", "replace")))
    data[:] = json.dumps(document if parent is not parents[0] else parent[0]).encode()


def iter_children(parent: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return parent.values() if isinstance(parent, dict) else parent


def encode_differently(data: bytearray, rng: random.Random) -> None:
    decoded = bytes(data).decode("utf-8", "replace")
    encoding = rng.choice(("utf-16", "utf-32", "utf-8-sig", "latin-1", "utf-7", "utf-16-le"))
    data[:] = decoded.encode(encoding, "replace")


MUTATIONS: list[tuple[Callable[[bytearray, random.Random], None], int]] = [
    (flip, 4),
    (truncate, 2),
    (delete, 4),
    (insert_nasty, 6),
    (replace_token, 8),
    (repeat_token, 3),
    (repeat_line, 3),
    (nest, 4),
    (enlarge_number, 3),
    (mix_line_ends, 1),
    (swap_lines, 2),
    (indent, 1),
    (replace_value, 4),
    (change_json, 10),
    (encode_differently, 1),
]


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Return a changed copy of an input, at most ``MAX_BYTES`` long."""
    changed = bytearray(data)
    functions, weights = zip(*MUTATIONS, strict=True)
    for function in rng.choices(functions, weights, k=rng.choice((1, 1, 1, 2, 2, 3, 5))):
        function(changed, rng)
        del changed[MAX_BYTES:]
    return bytes(changed)


# Readers

DEMO, NPM_DEMO = Package(ecosystem=PYPI, name="demo"), Package(ecosystem=NPM, name="demo")
RELEASE, NPM_RELEASE = Release(package=DEMO, version="1.0"), Release(package=NPM_DEMO, version="1.0.0")
REPOSITORY = RepositoryId(id="github.com/acme/demo", spelling="github.com/acme/demo")
MOMENT = 1_800_000_000
PATHS = ("build/a.py", "docs/x/generated/y", "dist/keep.txt", "a/b/c/d/e/f/g.lock", "x" * 200, "a/" * 100 + "z")


def read_dependency_file(name: str, path: str) -> Read:
    reader = FORMATS[name].reader

    def read(data: bytes) -> None:
        dependency_file = reader.read(decode_text(data), path)
        [applied, *_] = apply_lockfiles([dependency_file]) or [dependency_file]
        resolve(applied.declarations, {}, python="3.11")
        if dependency_file.locked_packages:
            graph = Graph(applied, applied.importers or ())
            list(graph.find_paths(dependency_file.locked_packages[0].package, limit=5))
        for problem in applied.problems[:50]:
            sanitize_text(problem.message, 400)

    return read


def parse_response(source: Source[S, Any], subject: S, content_type: str = "application/json") -> Read:
    [request] = source.requests([subject], Endpoint(url="https://registry.example"))

    def read(data: bytes) -> None:
        response = Response(status=200, body=data, content_type=content_type)
        for _, value in source.parse(request, response):
            msgspec.json.encode(value)
        if isinstance(source, Paged):
            list(source.request_more(request, response))

    return read


def read_settings(directory: Path, name: str) -> Read:
    def read(data: bytes) -> None:
        path = directory / name
        path.write_bytes(data)
        read_config_file(path)

    return read


def read_package_manager_config(directory: Path, name: str) -> Read:
    home, project = directory / "home", directory / "project"

    def read(data: bytes) -> None:
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        (project / path.name.lstrip(".")).parent.mkdir(parents=True, exist_ok=True)
        try:
            config = read_index_config({"HOME": str(home)}, cwd=project, home=home, root=directory / "root")
            for package in (DEMO, NPM_DEMO, Package(ecosystem=NPM, name="@acme/demo")):
                config.is_public(package)
                config.find_extra_indexes(package)
        finally:
            path.unlink()

    return read


def read_ignore_patterns(data: bytes) -> None:
    lines = data.decode("utf-8", "surrogateescape")[:100_000].splitlines()  # what is read of a .gitignore
    rules = [compile_rules("/work", [line for line in lines if line.strip() and not line.startswith("#")])]
    for path in PATHS:
        is_ignored(rules, f"/project/{path}")


def read_record(parse: Callable[[bytes], Any]) -> Read:
    def read(data: bytes) -> None:
        record = parse(data)
        for package, version in ((DEMO, "1.1"), (NPM_DEMO, "1.2.0")):
            match_advisories([record], package, version)
            find_unevaluable([record], package, version)
            build_history([record], package, version, None, MOMENT)

    return read


def each_text(read: Callable[[str], object], limit: int = MAX_BYTES) -> Read:
    """Return a reader of one text, of at most as many characters as can reach it."""
    return lambda data: read(data.decode("utf-8", "replace")[:limit])


def read_version(version: str) -> None:
    for ecosystem in ECOSYSTEMS:
        parsed = ecosystem.parse_version(version)
        if parsed is not None:
            _ = parsed < ecosystem.parse_version("1.0.0")
        ecosystem.is_prerelease(version)
        ecosystem.normalise_name(version)
        ecosystem.find_name_error(version)
        ecosystem.supports_interpreter(">=3", version)
        text.is_version(version)


def read_range(requirement: str) -> None:
    for ecosystem in ECOSYSTEMS:
        parsed = ecosystem.parse_requirement(requirement)
        ecosystem.parse_pin(requirement)
        ecosystem.accepts_requirement(requirement)
        ecosystem.supports_interpreter(requirement, "3.11")
        if parsed is not None:
            for version in ("1.0", "1.2.3", "2.0.0-rc.1", "5.4.3"):
                parsed.allows(version)
                parsed.is_above(version)
            _ = parsed.reference_version


def sanitize(value: str) -> None:
    sanitize_text(value, 200)
    sanitize_text(value)
    defuse_ci_commands(value)
    defuse_json(json.dumps(value))
    text.clean_text(value, 400)
    text.measure_readme(value)


def read_licence(value: str) -> None:
    for parse in (licences.parse_expression, licences.parse_text):
        licence = parse(text.clean_text(value, text.MAX_LICENCE))
        licences.classify_terms(licence.expression if hasattr(licence, "expression") else value)
    licences.parse_classifiers((value,))


def read_url(value: str) -> None:
    text.clean_url(value)
    text.parse_repository_url(value)
    text.parse_forge_url(value)
    parse_repository_id(value)
    text.parse_timestamp(value)


def encode(value: object) -> bytes:
    return json.dumps(value, indent=1).encode()


def list_examples(name: str) -> list[tuple[str, str]]:
    """Return the examples of a dependency file format; of one without any an empty file, with a note."""
    if name not in seeds.FORMATS:
        print(f"no example of {name} in fuzz_seeds.py: it begins with an empty file")
    return seeds.FORMATS.get(name, [(FORMATS[name].file_patterns.split(",")[0], "")])


def build_areas(directory: Path) -> list[Area]:
    areas = [
        Area(name, [(read_dependency_file(name, path), example.encode()) for path, example in list_examples(name)])
        for name in FORMATS
    ]
    settings = [("nerq.toml", seeds.NERQ_TOML), ("pyproject.toml", seeds.PYPROJECT)]
    responses = {
        "PyPI responses": [
            (parse_response(pypi.PROJECT_JSON, DEMO), encode(seeds.PYPI_JSON)),
            (parse_response(pypi.RELEASE_JSON, RELEASE), encode(seeds.PYPI_JSON)),
            (parse_response(pypi.SIMPLE_API, DEMO, "application/vnd.pypi.simple.v1+json"), encode(seeds.SIMPLE_JSON)),
            (parse_response(pypi.SIMPLE_API, DEMO, "text/html"), seeds.SIMPLE_HTML.encode()),
        ],
        "npm responses": [
            (parse_response(npm.PACKUMENT, NPM_DEMO), encode(seeds.PACKUMENT)),
            (parse_response(npm.VERSION_MANIFEST, NPM_RELEASE), encode(seeds.PACKUMENT["versions"]["1.0.0"])),
            (parse_response(npm.LATEST, NPM_DEMO), encode(seeds.PACKUMENT["versions"]["1.0.0"])),
        ],
        "provenance": [
            (
                parse_response(provenance.create_integrity_source({RELEASE: "demo-1.0-py3-none-any.whl"}), RELEASE),
                encode(seeds.INTEGRITY),
            ),
            (parse_response(provenance.NPM_ATTESTATIONS, NPM_RELEASE), encode(seeds.ATTESTATIONS)),
        ],
        "services": [
            (parse_response(deps_dev.VERSIONS, RELEASE), encode(seeds.DEPS_DEV_VERSIONS)),
            (parse_response(deps_dev.VERSION, RELEASE), encode(seeds.DEPS_DEV_VERSIONS["responses"][0]["version"])),
            (parse_response(deps_dev.REPOSITORIES, REPOSITORY), encode(seeds.DEPS_DEV_PROJECTS)),
            (parse_response(github.create_graphql_source(MOMENT), REPOSITORY), encode(seeds.GRAPHQL)),
            (parse_response(scorecard.SCORECARD_SOURCE, REPOSITORY), encode(seeds.CHECKS)),
            (parse_response(epss.EPSS_SOURCE, AdvisoryId(id="CVE-2025-12345")), encode(seeds.EPSS)),
            (parse_response(kev.CatalogueSource(), kev.CATALOGUE_ID), encode(seeds.KEV)),
            (parse_response(downloads.NPM_DOWNLOADS, NPM_DEMO), encode(seeds.DOWNLOADS)),
            (parse_response(downloads.PYPISTATS, DEMO), encode(seeds.DOWNLOADS)),
        ],
        "OSV": [
            (parse_response(osv.create_affecting_source(), RELEASE), encode(seeds.OSV_LIST)),
            (parse_response(osv.RECORD_SOURCE, AdvisoryId(id=seeds.OSV_RECORD["id"])), encode(seeds.OSV_RECORD)),
            (read_record(osv_record.parse_record), encode(seeds.OSV_RECORD)),
            (read_record(osv_record.parse_yaml_record), encode(seeds.OSV_RECORD)),
        ],
    }
    texts: dict[str, tuple[Callable[[str], object], list[str], int]] = {
        "versions": (read_version, seeds.VERSIONS, MAX_BYTES),
        "ranges": (read_range, seeds.RANGES, MAX_BYTES),
        "targets": (parse_target, seeds.TARGETS, 100_000),  # a command line is not longer
        "sanitizing": (sanitize, seeds.TEXTS, MAX_BYTES),
        "licences": (read_licence, seeds.LICENCES, MAX_BYTES),
        "addresses": (read_url, seeds.URLS, MAX_BYTES),
    }
    return [
        *areas,
        Area("settings", [(read_settings(directory, name), example.encode()) for name, example in settings]),
        Area(".gitignore", [(read_ignore_patterns, seeds.GITIGNORE.encode())]),
        Area(
            "registry config",
            [
                (read_package_manager_config(directory, name), example.encode())
                for name, example in seeds.CONFIGS.items()
            ],
        ),
        *(Area(name, examples) for name, examples in responses.items()),
        *(
            Area(name, [(each_text(read, limit), example.encode("utf-8", "replace")) for example in examples])
            for name, (read, examples, limit) in texts.items()
        ),
    ]


# The run


def create_input(area: Area, seed: int, number: int) -> tuple[Read, bytes]:
    """Return the N-th input of an area. The first ones are the examples as they are."""
    if number < len(area.examples):
        return area.examples[number]
    rng = random.Random(f"{seed} {area.name} {number}")
    read, example = rng.choice(area.examples)
    return read, mutate(example, rng)


def find_place(error: BaseException) -> str:
    """Return the last line of nerq-cli in a traceback."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "nerq_cli" in frame.filename]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"


def run_input(area: Area, number: int, seed: int, findings: Findings) -> None:
    read, data = create_input(area, seed, number)
    signal.setitimer(signal.ITIMER_PROF, ENDED)
    started = time.process_time()
    try:
        read(data)
    except OWN as error:
        if number < len(area.examples):
            findings.add(area, number, f"EXAMPLE of {area.name} is refused", f"  {error}", data)
    except (Exception, Hang) as error:  # noqa: BLE001 - they are what is looked for
        signal.setitimer(signal.ITIMER_PROF, 0)
        if not isinstance(error, Hang):
            area.foreign += 1
            details = "".join(traceback.format_exception(error)[-6:])[-1_500:]
            findings.add(area, number, f"FOREIGN {type(error).__name__} at {find_place(error)}", details, data)
        else:
            findings.add(area, number, f"ENDED at {find_place(error)}", "", data)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    taken = time.process_time() - started
    area.inputs += 1
    area.seconds += taken
    area.slowest = max(area.slowest, taken)
    if taken > SLOW:
        area.slow += 1
        findings.add(area, number, f"SLOW {area.name} {taken:.0f} s", f"  {taken:.1f} s", data)


def iterate(areas: list[Area], minutes: float) -> Iterator[tuple[Area, int]]:
    """Yield inputs until the time is over, of each area for the same time."""
    end, last_watch = time.monotonic() + minutes * 60, 0.0
    numbers = {area.name: count() for area in areas}
    while time.monotonic() < end:
        if time.monotonic() > last_watch + 1:
            last_watch = time.monotonic()
            faulthandler.dump_traceback_later(STUCK, exit=True)
        area = min(areas, key=lambda one: one.seconds + one.inputs * 1e-4)
        yield area, next(numbers[area.name])


def show(areas: list[Area], findings: Findings) -> None:
    print(f"\n{'area':<20}{'inputs':>12}{'per second':>12}{'slowest':>10}{'slow':>8}{'foreign':>10}")
    total = Area("all", [])
    for area in areas:
        total.inputs, total.seconds = total.inputs + area.inputs, total.seconds + area.seconds
        total.slow, total.foreign = total.slow + area.slow, total.foreign + area.foreign
        total.slowest = max(total.slowest, area.slowest)
    for area in (*areas, total):
        rate = area.inputs / area.seconds if area.seconds else 0
        print(f"{area.name:<20}{area.inputs:>12,}{rate:>12,.0f}{area.slowest:>8.2f} s{area.slow:>8}{area.foreign:>10}")
    print(f"{len(findings.known)} findings")


def end_input(*_: object) -> None:
    raise Hang


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--area", default="", help="only this area")
    parser.add_argument("--number", type=int, help="only this input of the area")
    parser.add_argument("--save", type=Path, help="directory for the inputs that were found")
    arguments = parser.parse_args()
    if arguments.save:
        arguments.save.mkdir(parents=True, exist_ok=True)
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    signal.signal(signal.SIGPROF, end_input)
    warnings.simplefilter("error")  # a warning of a library would reach the terminal of the user
    findings = Findings(arguments.save)
    with tempfile.TemporaryDirectory() as directory:
        areas = [one for one in build_areas(Path(directory)) if arguments.area in ("", one.name)]
        if arguments.number is not None:
            run_input(areas[0], arguments.number, arguments.seed, findings)
        else:
            for area, number in iterate(areas, arguments.minutes):
                run_input(area, number, arguments.seed, findings)
        show(areas, findings)
    return 1 if findings.known else 0


if __name__ == "__main__":
    sys.exit(main())
