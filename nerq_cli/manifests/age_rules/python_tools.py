"""Age rules of uv, pip, Poetry, PDM and Pipenv."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nerq_cli.ecosystems import PYPI, normalise_name
from nerq_cli.inventory import Location
from nerq_cli.manifests.age_rules.values import Age, make_rule, parse_age_or_moment, parse_moment, parse_number
from nerq_cli.manifests.syntax.toml_document import TomlDocument, TomlField
from nerq_cli.patterns import compile_late
from nerq_cli.policy.age import AgeException, AgeRule
from nerq_cli.units import DAY

_UV_KEY: Final = "exclude-newer"
_PIP_KEY: Final = "uploaded-prior-to"
_POETRY_KEY: Final = "min-release-age"
_PIPENV_KEY: Final = "cool-down-period"
#: The forms of duration that PDM and Pipenv accept.
_PDM_DURATION: Final = compile_late(r"\d{1,6}[dhw]")
_PIPENV_DURATION: Final = compile_late(r"\d{1,6}d")
#: The one form of duration that pip accepts: whole days.
_PIP_DAYS: Final = compile_late(r"P(\d{1,6})D")


def read_uv(text: str, path: str) -> Iterator[AgeRule]:
    """Yield the rule of a uv.toml, or of ``[tool.uv]`` in a pyproject.toml."""
    if _UV_KEY not in text:
        return
    document = TomlDocument(text, path)
    table = document.root.get_path("tool", "uv") if path.endswith("pyproject.toml") else document.root
    exceptions = tuple(_read_uv_packages(table.get(f"{_UV_KEY}-package")))
    field = table.get(_UV_KEY)
    if field.value is None:
        # Without a rule for all packages, those of the table have one each.
        if any(exception.seconds or exception.before for exception in exceptions):
            field = table.get(f"{_UV_KEY}-package")
            yield make_rule("uv", PYPI, field.name, "…", Age(), _locate(field), exceptions)
        return
    age = Age(seconds=0) if field.value is False else parse_uv_value(field.value)
    yield make_rule("uv", PYPI, _UV_KEY, field.value, age, _locate(field), exceptions)


def parse_uv_value(value: object) -> Age:
    """Return a value of uv: a time, a date or a duration."""
    return parse_age_or_moment(value)


def _read_uv_packages(table: TomlField) -> Iterator[AgeException]:
    for name, field in table.items():
        age = Age(seconds=0) if field.value is False else parse_uv_value(field.value)
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
    """Yield the rules of uv and PDM in a pyproject.toml."""
    if _UV_KEY in text:
        yield from read_uv(text, path)
        table = TomlDocument(text, path).root.get_path("tool", "pdm", "resolution")
        yield from _read_pdm(table.get(_UV_KEY), _UV_KEY, table.get(f"{_UV_KEY}-override"))


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


def _locate(field: TomlField) -> Location:
    return Location(path=field.document.path, line=field.line)
