"""Age rules of uv, pip, Poetry, PDM, Pipenv and pixi."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec.structs import replace

from nerq_cli.ecosystems import PYPI, normalise_name
from nerq_cli.inventory import Location
from nerq_cli.manifests.age_rules.values import Age, make_rule, parse_age_or_moment, parse_moment, parse_number
from nerq_cli.manifests.syntax.toml_document import TomlDocument, TomlField
from nerq_cli.patterns import compile_late
from nerq_cli.policy.age import AgeException, AgeRule
from nerq_cli.units import DAY

_UV_KEY: Final = "exclude-newer"
#: Files that ``uv pip`` installs from.
_REQUIREMENTS: Final = (".txt", ".in")
_PIP_KEY: Final = "uploaded-prior-to"
_POETRY_KEY: Final = "min-release-age"
_PIPENV_KEY: Final = "cool-down-period"
#: The forms of duration that PDM and Pipenv accept.
_PDM_DURATION: Final = compile_late(r"\d{1,6}[dhw]")
_PIPENV_DURATION: Final = compile_late(r"\d{1,6}d")
#: The one form of duration that pip accepts: whole days.
_PIP_DAYS: Final = compile_late(r"P(\d{1,6})D")


def read_uv(text: str, path: str) -> Iterator[AgeRule]:
    """Yield the rules of a uv.toml, or of ``[tool.uv]`` in a pyproject.toml: for a project, and for ``uv pip``.

    The rule of an index applies to the packages that a source takes from it, and that of the default one to all others.
    """
    if _UV_KEY not in text:
        return
    document = TomlDocument(text, path)
    table = document.root.get_path("tool", "uv") if path.endswith("pyproject.toml") else document.root
    indexes = _list_uv_indexes(table)
    exceptions = tuple(_read_uv_packages(table.get(f"{_UV_KEY}-package")))
    exceptions = (*exceptions, *_read_uv_sources(table, indexes))
    field = next((field for _, is_default, field in indexes if is_default), table.get(_UV_KEY))
    yield from _make_uv_rule(table, field, exceptions)
    pip = table.get("pip")
    if isinstance(pip.value, dict):
        own = (*_read_uv_packages(pip.get(f"{_UV_KEY}-package")), *exceptions)
        for rule in _make_uv_rule(pip, pip.get(_UV_KEY), own):
            yield replace(rule, setting=f"pip.{rule.setting}", endings=_REQUIREMENTS)


def _list_uv_indexes(table: TomlField) -> list[tuple[str, bool, TomlField]]:
    """Return the indexes that have a rule: each with its name, whether it is the default one, and the rule."""
    index = table.get("index")
    if not isinstance(index.value, list):
        return []
    entries = [entry for entry in index.elements() if _is_table(entry) and entry.get(_UV_KEY).value is not None]
    return [
        (str(entry.get("name").value or ""), entry.get("default").value is True, entry.get(_UV_KEY))
        for entry in entries
    ]


def _read_uv_sources(table: TomlField, indexes: Sequence[tuple[str, bool, TomlField]]) -> Iterator[AgeException]:
    """Yield the packages that come from an index with a rule of its own."""
    fields = {name: field for name, _, field in indexes if name}
    if not fields:
        return
    for package, source in table.get("sources").items():
        entries = source.value if isinstance(source.value, list) else [source.value]
        names = [entry.get("index") for entry in entries if isinstance(entry, dict)]
        for name in names:
            if isinstance(name, str) and name in fields and not (age := _read_uv_age(fields[name])).problem:
                yield AgeException(pattern=normalise_name(PYPI, package), seconds=age.seconds, before=age.before)


def _read_uv_age(field: TomlField) -> Age:
    return Age(seconds=0) if field.value is False else parse_uv_value(field.value)


def _make_uv_rule(table: TomlField, field: TomlField, exceptions: tuple[AgeException, ...]) -> Iterator[AgeRule]:
    if field.value is None:
        # Without a rule for all packages, those of the table have one each.
        if any(exception.seconds or exception.before for exception in exceptions):
            field = table.get(f"{_UV_KEY}-package")
            yield make_rule("uv", PYPI, field.name, "…", Age(), _locate(field), exceptions)
        return
    yield make_rule("uv", PYPI, _UV_KEY, field.value, _read_uv_age(field), _locate(field), exceptions)


def parse_uv_value(value: object) -> Age:
    """Return a value of uv: a time, a date or a duration."""
    return parse_age_or_moment(value)


def _read_uv_packages(table: TomlField) -> Iterator[AgeException]:
    for name, field in table.items():
        age = _read_uv_age(field)
        if not age.problem:
            yield AgeException(pattern=normalise_name(PYPI, name), seconds=age.seconds, before=age.before)


def read_pip(text: str, path: str) -> Iterator[AgeRule]:
    """Yield the rule of a pip configuration file; ``[install]`` counts before ``[global]``."""
    if _PIP_KEY not in text.replace("_", "-").lower():
        return
    found: dict[str, AgeRule] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("["):
            section = line[1:].partition("]")[0]
            continue
        key, separator, value = line.replace(":", "=", 1).partition("=") if "=" not in line else line.partition("=")
        if separator and key.strip().lower().replace("_", "-").removeprefix("--") == _PIP_KEY:
            location = Location(path=path, line=number)
            found[section] = make_rule("pip", PYPI, _PIP_KEY, value.strip(), parse_pip_value(value.strip()), location)
    rule = found.get("install") or found.get("global")
    if rule is not None:
        yield rule


def parse_pip_value(value: str) -> Age:
    """Return a value of pip: a time or date, which is its beginning, or a number of whole days (``P7D``)."""
    if match := _PIP_DAYS.fullmatch(value.strip()):
        return Age(seconds=int(match[1]) * DAY)
    moment = parse_moment(value)
    if moment is None:
        return Age(
            problem="neither a date or time (ISO 8601) nor a number of days such as P7D, which is all pip accepts"
        )
    return Age(before=moment - (DAY if len(value.strip()) == len("2026-11-29") else 0))


def read_poetry(text: str, path: str) -> Iterator[AgeRule]:
    """Yield the rule of a poetry.toml, or of the configuration of a user."""
    if _POETRY_KEY not in text:
        return
    table = TomlDocument(text, path).root.get("solver")
    field, excluded = table.get(_POETRY_KEY), table.get(f"{_POETRY_KEY}-exclude")
    if field.value is None:
        return
    names = excluded.value.split(",") if isinstance(excluded.value, str) else excluded.value
    exceptions = tuple(
        AgeException(pattern=normalise_name(PYPI, name.strip()))
        for name in (names if isinstance(names, list) else ())
        if isinstance(name, str)
    )
    age = parse_number(field.value, "days")
    yield make_rule("Poetry", PYPI, f"solver.{_POETRY_KEY}", field.value, age, _locate(field), exceptions)


def read_pyproject(text: str, path: str) -> Iterator[AgeRule]:
    """Yield the rules of uv, PDM and pixi in a pyproject.toml."""
    if _UV_KEY in text:
        yield from read_uv(text, path)
        table = TomlDocument(text, path).root.get_path("tool", "pdm", "resolution")
        yield from _read_pdm(table.get(_UV_KEY), _UV_KEY, table.get(f"{_UV_KEY}-override"))
        yield from _read_pixi(TomlDocument(text, path).root.get_path("tool", "pixi"))


def read_pdm(text: str, path: str) -> Iterator[AgeRule]:
    """Yield the rule of a pdm.toml, or of the configuration of a user."""
    if _UV_KEY in text:
        strategy = TomlDocument(text, path).root.get("strategy")
        yield from _read_pdm(strategy.get(_UV_KEY), f"strategy.{_UV_KEY}", None)


def _read_pdm(field: TomlField, setting: str, overrides: TomlField | None) -> Iterator[AgeRule]:
    if field.value is None:
        return
    exceptions = []
    for name, override in () if overrides is None else overrides.items():
        age = Age(seconds=0) if override.value is False else _parse_pdm(override.value)
        if not age.problem:
            pattern = normalise_name(PYPI, name)
            exceptions.append(AgeException(pattern=pattern, seconds=age.seconds, before=age.before))
    age = _parse_pdm(field.value)
    yield make_rule("PDM", PYPI, setting, field.value, age, _locate(field), tuple(exceptions))


def _parse_pdm(value: object) -> Age:
    """Return a value of PDM: a number of days, hours or weeks, a time, or a date, which is its beginning."""
    text = str(value).strip()
    moment = parse_moment(text)
    if moment is not None:
        return Age(before=moment - (DAY if len(text) == len("2026-11-29") else 0))
    if _PDM_DURATION.fullmatch(text):
        return parse_age_or_moment(text)
    return Age(problem="neither a date or time nor a duration such as 7d, 12h or 1w, which is all PDM accepts")


def read_pipfile(text: str, path: str) -> Iterator[AgeRule]:
    """Yield the rule of a Pipfile: a number of days (``7d``); Pipenv ignores any other value."""
    if _PIPENV_KEY not in text:
        return
    field = TomlDocument(text, path).root.get("pipenv").get(_PIPENV_KEY)
    if field.value is not None:
        is_valid = isinstance(field.value, str) and _PIPENV_DURATION.fullmatch(field.value)
        age = parse_age_or_moment(field.value) if is_valid else Age(problem="not a number of days such as 7d: ignored")
        yield make_rule("Pipenv", PYPI, _PIPENV_KEY, field.value, age, _locate(field))


def read_pixi(text: str, path: str) -> Iterator[AgeRule]:
    """Yield the rule of a pixi.toml for packages of PyPI: a duration, a date or a time."""
    if _UV_KEY in text:
        yield from _read_pixi(TomlDocument(text, path).root)


def _read_pixi(root: TomlField) -> Iterator[AgeRule]:
    """Yield the rule of ``pypi-exclude-newer``, else of ``exclude-newer``, with the exemptions of PyPI packages.

    Both stand in the table ``workspace``, which was ``project``; each is the limit or a table with it. Up to pixi 0.83
    the exemptions are a table at the top.
    """
    workspace = root.get("workspace") if root.get("workspace").value is not None else root.get("project")
    fields = [workspace.get(f"pypi-{_UV_KEY}"), workspace.get(_UV_KEY)]
    exemptions = [root.get(f"pypi-{_UV_KEY}"), *(field.get("exemptions") for field in fields[:1] if _is_table(field))]
    limits = [field.get("cutoff") if _is_table(field) else field for field in fields]
    limit = next((field for field in limits if field.value is not None), None)
    if limit is None:
        return
    exceptions = tuple(
        exception for table in exemptions if _is_table(table) for exception in _read_pixi_exemptions(table)
    )
    age = parse_age_or_moment(limit.value)
    setting = f"pypi-{_UV_KEY}" if limit is limits[0] else _UV_KEY
    yield make_rule("pixi", PYPI, setting, limit.value, age, _locate(limit), exceptions)


def _read_pixi_exemptions(table: TomlField) -> Iterator[AgeException]:
    for name, field in table.items():
        value = field.get("cutoff").value if _is_table(field) else field.value
        age = Age(seconds=0) if value in (None, "*", "now") else parse_age_or_moment(value)
        if not age.problem:
            yield AgeException(pattern=normalise_name(PYPI, name), seconds=age.seconds, before=age.before)


def _is_table(field: TomlField) -> bool:
    return isinstance(field.value, dict)


def _locate(field: TomlField) -> Location:
    return Location(path=field.document.path, line=field.line)
