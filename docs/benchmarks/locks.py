"""Measures how fast each reader reads a lock file of its format, and what a whole listing takes.

    python docs/benchmarks/locks.py

Files are generated: 1,000 packages with four edges each. Prints milliseconds of processor time (best of twenty) and
MB/s per format, then processor time (best of five) and memory of whole commands.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from nerq_cli.manifests.formats import FORMATS

HASH = "sha256:" + "0" * 64
SRI = "sha512-" + "A" * 86 + "=="
PYPI = "https://registry.example/simple"
EDGES = 4


def edges(n: int, count: int) -> list[int]:
    """Return what a package needs: packages after it, so that there is no circle."""
    return [n + step for step in (1, 2, 3, 5)[:EDGES] if n + step < count]


def package_lock(count: int) -> str:
    """Write a package-lock.json of version 3."""
    packages: dict[str, object] = {"": {"name": "app", "dependencies": {f"p{n}": "^1.0.0" for n in range(10)}}}
    for n in range(count):
        packages[f"node_modules/p{n}"] = {
            "version": "1.0.0",
            "resolved": f"https://npm.example/p{n}/-/p{n}-1.0.0.tgz",
            "integrity": SRI,
            "dependencies": {f"p{to}": "^1.0.0" for to in edges(n, count)},
        }
    return json.dumps({"name": "app", "lockfileVersion": 3, "packages": packages}, indent=2)


def bun_lock(count: int) -> str:
    """Write a bun.lock."""
    lines = [
        '{\n  "lockfileVersion": 1,\n  "workspaces": {\n    "": { "name": "app", "dependencies": { "p0": "^1.0.0" } },'
    ]
    lines.append('  },\n  "packages": {')
    for n in range(count):
        needs = ", ".join(f'"p{to}": "^1.0.0"' for to in edges(n, count))
        lines.append(f'    "p{n}": ["p{n}@1.0.0", "", {{ "dependencies": {{ {needs} }} }}, "{SRI}"],\n')
    return "\n".join([*lines, "  }\n}\n"])


def yarn_classic(count: int) -> str:
    """Write a yarn.lock of Yarn 1."""
    lines = ["# yarn lockfile v1\n"]
    for n in range(count):
        lines.append(f'\np{n}@^1.0.0:\n  version "1.0.0"\n  resolved "https://npm.example/p{n}/-/p{n}-1.0.0.tgz#0"')
        lines.append(f"  integrity {SRI}")
        if edges(n, count):
            lines.append("  dependencies:\n" + "\n".join(f'    p{to} "^1.0.0"' for to in edges(n, count)))
    return "\n".join(lines) + "\n"


def yarn_berry(count: int) -> str:
    """Write a yarn.lock of a later Yarn."""
    lines = ["__metadata:\n  version: 8\n  cacheKey: 10\n"]
    lines.append('"app@workspace:.":\n  version: 0.0.0-use.local\n  resolution: "app@workspace:."\n  dependencies:')
    lines.append('    p0: "npm:^1.0.0"\n  languageName: unknown\n  linkType: soft\n')
    for n in range(count):
        lines.append(f'"p{n}@npm:^1.0.0":\n  version: 1.0.0\n  resolution: "p{n}@npm:1.0.0"')
        if edges(n, count):
            lines.append("  dependencies:\n" + "\n".join(f'    p{to}: "npm:^1.0.0"' for to in edges(n, count)))
        lines.append(f"  checksum: 10/{'0' * 64}\n  languageName: node\n  linkType: hard\n")
    return "\n".join(lines)


def pnpm(count: int) -> str:
    """Write a pnpm-lock.yaml of version 9."""
    lines = ["lockfileVersion: '9.0'\n\nimporters:\n  .:\n    dependencies:"]
    lines.append("      p0:\n        specifier: ^1.0.0\n        version: 1.0.0\n\npackages:\n")
    lines += [
        f"  p{n}@1.0.0:\n    resolution: {{integrity: {SRI}}}\n    engines: {{node: '>=18'}}\n" for n in range(count)
    ]
    lines.append("snapshots:\n")
    for n in range(count):
        needs = "\n".join(f"      p{to}: 1.0.0" for to in edges(n, count))
        lines.append(f"  p{n}@1.0.0:\n    dependencies:\n{needs}\n" if needs else f"  p{n}@1.0.0: {{}}\n")
    return "\n".join(lines)


def _files(n: int) -> str:
    names = (f"p{n}-1.0-py3-none-any.whl", f"p{n}-1.0.tar.gz")
    return "\n".join(f'    {{file = "{name}", hash = "{HASH}"}},' for name in names)


def poetry(count: int) -> str:
    """Write a poetry.lock of version 2."""
    lines = []
    for n in range(count):
        lines.append(f'[[package]]\nname = "p{n}"\nversion = "1.0"\ndescription = "What p{n} is"\noptional = false')
        lines.append(f'python-versions = ">=3.9"\ngroups = ["main"]\nfiles = [\n{_files(n)}\n]\n')
        if edges(n, count):
            lines.append("[package.dependencies]\n" + "\n".join(f'p{to} = ">=1.0"' for to in edges(n, count)) + "\n")
    return (
        "\n".join(lines)
        + f'\n[metadata]\nlock-version = "2.1"\npython-versions = ">=3.9"\ncontent-hash = "{"0" * 64}"\n'
    )


def uv(count: int) -> str:
    """Write a uv.lock."""
    lines = ['version = 1\nrevision = 3\nrequires-python = ">=3.9"\n\n[[package]]\nname = "app"\nversion = "1.0"']
    lines.append('source = { virtual = "." }\ndependencies = [{ name = "p0" }]\n')
    for n in range(count):
        needs = "\n".join(f'    {{ name = "p{to}" }},' for to in edges(n, count))
        wheel = f'{{ url = "https://files.example/p{n}-1.0-py3-none-any.whl", hash = "{HASH}", size = 12345 }}'
        lines.append(f'[[package]]\nname = "p{n}"\nversion = "1.0"\nsource = {{ registry = "{PYPI}" }}')
        lines.append(f"dependencies = [\n{needs}\n]\nwheels = [\n    {wheel},\n]\n")
    return "\n".join(lines)


def pdm(count: int) -> str:
    """Write a pdm.lock."""
    lines = ['[metadata]\ngroups = ["default"]\nstrategy = ["inherit_metadata"]\nlock_version = "4.5.0"\n']
    for n in range(count):
        needs = "\n".join(f'    "p{to}>=1.0",' for to in edges(n, count))
        lines.append(f'[[package]]\nname = "p{n}"\nversion = "1.0"\nrequires_python = ">=3.9"\nsummary = "What it is"')
        lines.append(f'groups = ["default"]\ndependencies = [\n{needs}\n]\nfiles = [\n{_files(n)}\n]\n')
    return "\n".join(lines)


def pylock(count: int) -> str:
    """Write a pylock.toml."""
    lines = ['lock-version = "1.0"\ncreated-by = "x"\n']
    hashes = f'hashes = {{ sha256 = "{"0" * 64}" }}'
    for n in range(count):
        needs = "".join(f'{{ name = "p{to}" }}, ' for to in edges(n, count))
        wheel = f'{{ name = "p{n}-1.0-py3-none-any.whl", url = "https://files.example/p{n}.whl", {hashes} }}'
        lines.append(f'[[packages]]\nname = "p{n}"\nversion = "1.0"\nindex = "{PYPI}"')
        lines.append(f"dependencies = [{needs}]\nwheels = [{wheel}]\n")
    return "\n".join(lines)


def pipfile_lock(count: int) -> str:
    """Write a Pipfile.lock."""
    default = {f"p{n}": {"hashes": [HASH, HASH], "index": "x", "version": "==1.0"} for n in range(count)}
    meta = {
        "hash": {"sha256": "0" * 64},
        "pipfile-spec": 6,
        "sources": [{"name": "x", "url": PYPI, "verify_ssl": True}],
    }
    return json.dumps({"_meta": meta, "default": default, "develop": {}}, indent=4)


def cyclonedx(count: int) -> str:
    """Write an SBOM."""
    purls = [f"pkg:pypi/p{n}@1.0" for n in range(count)]
    components = [{"type": "library", "bom-ref": p, "name": p, "version": "1.0", "purl": p} for p in purls]
    graph = [{"ref": p, "dependsOn": [purls[to] for to in edges(n, count)]} for n, p in enumerate(purls)]
    document = {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components, "dependencies": graph}
    return json.dumps(document, indent=2)


#: Reader, name of the file, and what writes it.
CASES: dict[str, tuple[str, str, Callable[[int], str]]] = {
    "package-lock.json v3": ("package-lock.json", "package-lock.json", package_lock),
    "yarn.lock v1": ("yarn.lock", "yarn.lock", yarn_classic),
    "yarn.lock berry": ("yarn.lock", "yarn.lock", yarn_berry),
    "pnpm-lock.yaml v9": ("pnpm-lock.yaml", "pnpm-lock.yaml", pnpm),
    "bun.lock": ("bun.lock", "bun.lock", bun_lock),
    "poetry.lock": ("poetry.lock", "poetry.lock", poetry),
    "uv.lock": ("uv.lock", "uv.lock", uv),
    "pdm.lock": ("pdm.lock", "pdm.lock", pdm),
    "pylock.toml": ("pylock.toml", "pylock.toml", pylock),
    "Pipfile.lock": ("Pipfile.lock", "Pipfile.lock", pipfile_lock),
    "CycloneDX JSON": ("sbom", "bom.json", cyclonedx),
}


def best(text: str, reader: str, name: str, count: int) -> float:
    """Return the least processor time of twenty readings, in seconds."""
    times = []
    for _ in range(20):
        started = time.process_time()
        manifest = FORMATS[reader].reader.read(text, name)
        times.append(time.process_time() - started)
        if manifest.problems or len(manifest.locked_packages) < count:
            sys.exit(f"{name}: {len(manifest.locked_packages)} packages, {manifest.problems[:1]}")
    return min(times)


def listing(folder: Path, name: str, text: str) -> tuple[float, float]:
    """Return the processor seconds and the megabytes that listing a file takes, start of the program included."""
    (folder / name).write_text(text)
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True); "
        "usage = resource.getrusage(resource.RUSAGE_CHILDREN); print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss)"
    )
    command = [sys.executable, "-m", "nerq_cli", "scan", "--list", str(folder / name)]
    usages = []
    for _ in range(5):
        printed = subprocess.run(
            [sys.executable, "-c", code, *command], capture_output=True, text=True, check=True
        ).stdout
        usages.append([float(value) for value in printed.split()])
    seconds, memory = (min(values) for values in zip(*usages, strict=True))
    return seconds, memory / (1024 if sys.platform != "darwin" else 1024 * 1024)


if __name__ == "__main__":
    for label, (reader, name, write) in CASES.items():
        text = write(1_000)
        took = best(text, reader, name, 1_000)
        size = len(text.encode()) / 1e6
        print(f"{label:<24} {size:5.2f} MB {took * 1e3:6.0f} ms {size / took:6.1f} MB/s   at most 150 ms", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for label, name, text, allowed in (
            ("nerq scan --list, 1,000 in uv.lock", "uv.lock", uv(1_000), "at most 0.4 s"),
            ("nerq scan --list, 1,000 in package-lock", "package-lock.json", package_lock(1_000), "at most 0.4 s"),
            (
                "nerq scan --list, 20,000 in package-lock",
                "package-lock.json",
                package_lock(20_000),
                "at most 2 s, 400 MB",
            ),
        ):
            seconds, megabytes = listing(Path(folder), name, text)
            print(f"{label:<44} {seconds:5.2f} s {megabytes:5.0f} MB   {allowed}", flush=True)
