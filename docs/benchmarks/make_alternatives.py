"""Write the tables of alternatives that are shipped in nerq_cli/insight/data.

    python docs/benchmarks/make_alternatives.py                    # from docs/reference/python-alternatives.toml
    python docs/benchmarks/make_alternatives.py DIRECTORY DATE     # also from the npm package module-replacements

DIRECTORY is the unpacked package (``npm pack module-replacements``), DATE the day of its release. Of its manifests the
names, the kinds, the versions of Node.js and the addresses are kept; its descriptions and examples are not.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomli

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "docs" / "reference" / "python-alternatives.toml"
DATA = ROOT / "nerq_cli" / "insight" / "data"
#: The order in which alternatives are kept.
MANIFESTS = ("preferred", "native", "micro-utilities")
#: Base of the addresses of each type, as dist/util.js of the package has them.
BASES = {
    "mdn": "https://developer.mozilla.org/en-US/docs/",
    "node": "https://nodejs.org/",
    "e18e": "https://e18e.dev/docs/replacements/",
}
HOME = "https://github.com/es-tooling/module-replacements"
#: Ids that are no name of a package on the registry: the kind and the name in their place; None leaves the pair out.
CORRECTIONS: dict[str, tuple[str, str] | None] = {
    "day.js": ("package", "dayjs"),
    "node:fs": ("builtin", "node:fs"),
    "Teleport": None,
    "tsc": ("package", "typescript"),
}
KINDS = {"documented": "package", "native": "builtin", "simple": "expression", "removal": "removal"}


def build_python() -> str:
    table: dict[str, Any] = tomli.loads(SOURCE.read_text(encoding="utf-8"))
    meta = {**table["meta"], "date": str(table["meta"]["date"]), "version": "", "url": ""}
    pairs: dict[str, list[list[str]]] = {}
    for kind in ("builtin", "package"):
        for row in table[kind]:
            entry = [kind, row["use"], row.get("since", ""), row["reason"], row["source"]]
            pairs.setdefault(row["name"], []).append(entry)
    return format_table(meta, pairs)


def format_table(meta: dict[str, str], pairs: dict[str, list[list[str]]]) -> str:
    lines = [
        f"{json.dumps(name)}: {json.dumps(entries, ensure_ascii=False)}" for name, entries in sorted(pairs.items())
    ]
    body = ",\n".join(lines)
    return f'{{"meta": {json.dumps(meta)}, "pairs": {{\n{body}\n}}}}\n'


def build_npm(directory: Path, date: str) -> str:
    package = json.loads((directory / "package.json").read_text(encoding="utf-8"))
    pairs: dict[str, list[list[str]]] = {}
    for name in MANIFESTS:
        manifest = json.loads((directory / "manifests" / f"{name}.json").read_text(encoding="utf-8"))
        for mapping in manifest["mappings"].values():
            entries = pairs.setdefault(mapping["moduleName"], [])
            entries += (entry for entry in read_mapping(mapping, manifest["replacements"]) if entry not in entries)
    meta = {
        "name": "module replacements of e18e",
        "licence": package["license"],
        "date": date,
        "version": package["version"],
        "url": HOME,
    }
    return format_table(meta, {name: entries for name, entries in pairs.items() if entries})


def read_mapping(mapping: dict[str, Any], replacements: dict[str, Any]) -> Iterator[list[str]]:
    for id_ in mapping["replacements"]:
        replacement = replacements[id_]
        engines = {item["engine"]: item.get("minVersion", "") for item in replacement.get("engines", ())}
        if engines and "nodejs" not in engines and replacement["type"] == "native":
            continue  # another runtime alone has it
        kind, use = KINDS[replacement["type"]], replacement.get("replacementModule", id_.removeprefix("snippet::"))
        if use in CORRECTIONS:
            correction = CORRECTIONS[use]
            if correction is None:
                continue
            kind, use = correction
        use = "" if kind == "removal" else use
        url = find_url(mapping.get("url")) or find_url(replacement.get("url")) or HOME
        yield [kind, use, engines.get("nodejs", ""), "", url]


def find_url(url: dict[str, str] | str | None) -> str:
    if isinstance(url, dict):
        return f"{BASES[url['type']]}{url['id']}"
    return url or ""


if __name__ == "__main__":
    (DATA / "python.json").write_text(build_python(), encoding="utf-8")
    if len(sys.argv) > 1:
        (DATA / "npm.json").write_text(build_npm(Path(sys.argv[1]), sys.argv[2]), encoding="utf-8")
