"""Read VEX documents as waivers: OpenVEX 0.2, and CycloneDX with an analysis of each vulnerability. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import msgspec
from msgspec.structs import replace

from nerq_cli.ecosystems import find_purl_package, get_ecosystem, normalise_name
from nerq_cli.errors import ConfigError
from nerq_cli.inventory import Location, Package
from nerq_cli.patterns import compile_late
from nerq_cli.policy.settings import has_wildcards
from nerq_cli.policy.waivers import Waiver
from nerq_cli.problem import Problem

#: Largest document, in bytes.
MAX_BYTES: Final = 16 * 1024 * 1024
#: Most statements of all products of a document.
_MAX_STATEMENTS: Final = 200_000
#: Problems that are reported of one document.
_MAX_PROBLEMS: Final = 20
#: Longest text that is kept, in characters.
_MAX_LENGTH: Final = 1_000

#: Statuses of OpenVEX 0.2, and its justifications of ``not_affected``.
STATUSES: Final = ("not_affected", "affected", "fixed", "under_investigation")
JUSTIFICATIONS: Final = (
    "component_not_present",
    "vulnerable_code_not_present",
    "vulnerable_code_not_in_execute_path",
    "vulnerable_code_cannot_be_controlled_by_adversary",
    "inline_mitigations_already_exist",
)
#: Statuses that waive.
_WAIVING: Final = frozenset({"not_affected", "fixed"})
#: Status in OpenVEX for each state of an analysis in CycloneDX.
_STATES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "resolved": "fixed",
        "resolved_with_pedigree": "fixed",
        "exploitable": "affected",
        "in_triage": "under_investigation",
        "false_positive": "not_affected",
        "not_affected": "not_affected",
    }
)
#: Justification in OpenVEX for those of CycloneDX that mean the same; the others are free text there.
_CDX_JUSTIFICATIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "code_not_present": "vulnerable_code_not_present",
        "code_not_reachable": "vulnerable_code_not_in_execute_path",
        "protected_by_mitigating_control": "inline_mitigations_already_exist",
    }
)
_OTHER_CDX_JUSTIFICATIONS: Final = frozenset(
    {
        "requires_configuration",
        "requires_dependency",
        "requires_environment",
        "protected_by_compiler",
        "protected_at_runtime",
        "protected_at_perimeter",
    }
)
#: Stands for a product without a name.
_UNNAMED: Final = "(no name)"
#: Reference of the scanned project in CycloneDX documents of this program.
PROJECT_REF: Final = "nerq:project"
_OPENVEX_CONTEXT: Final = "https://openvex.dev/ns"
_OPENVEX_VERSIONS: Final = ("", "/v0.2.0")
_TIME: Final = compile_late(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d*)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)


class VexDocument(NamedTuple):
    """The statements of a document."""

    #: In the order of their time. Those that do not waive are among them: they end earlier ones.
    waivers: tuple[Waiver, ...] = ()
    #: When each was made, in microseconds since the epoch, and whether it names a version.
    times: tuple[tuple[int, bool], ...] = ()
    #: Number of statements about packages of no ecosystem that is read.
    foreign_count: int = 0


def read_vex(content: bytes, path: str) -> VexDocument:
    """Return the statements of a VEX document.

    Raises:
        ConfigError: it is not JSON, of no known format, or statements lack what the format requires; it lists them.
    """
    reader = _Reader(path)
    try:
        document = msgspec.json.decode(content.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reader.report(f"is not JSON: {error}")
    else:
        reader.read(document)
    if reader.problems:
        raise ConfigError(f"{path}: it is no VEX document that can be used", problems=tuple(reader.problems))
    return reader.build()


def merge_documents(documents: Iterable[VexDocument]) -> tuple[Waiver, ...]:
    """Return the statements of several documents in the order of their time: the last one decides.

    Of the statements of one moment those about one version come last.
    """
    pairs = [pair for document in documents for pair in zip(document.times, document.waivers, strict=True)]
    return tuple(waiver for _, waiver in sorted(pairs, key=lambda pair: pair[0]))


class OwnProduct(NamedTuple):
    """A project that is scanned, as its manifest names it."""

    package: Package
    #: Empty if the manifest states none.
    version: str
    #: As in locations; empty for the scanned directory.
    directory: str

    def is_named(self, product: str) -> bool:
        """Return whether a product is this one: by name, and by version where the product has one."""
        subject = _parse_purl(product)
        ecosystem = get_ecosystem(self.package.ecosystem)
        if subject is None:
            name, _, version = product.partition("@") if not product.startswith("@") else _split_scoped(product)
            if product.startswith("pkg:") or normalise_name(ecosystem.id, name) != self.package.name:
                return False
        else:
            version = subject.version
            if subject.package != self.package:
                return False
        return not version or bool(self.version and ecosystem.is_same_version(version, self.version))


def select_products(
    waivers: Iterable[Waiver], own: Sequence[OwnProduct], named: Iterable[str]
) -> tuple[tuple[Waiver, ...], dict[str, int]]:
    """Return the waivers that apply, and the number of the others by their product.

    A statement about a part of a product applies if the product is a scanned project, to what that has in its
    directory, or if the user named it.

    Args:
        waivers: of any source.
        own: the scanned projects.
        named: products that the user named, with or without their version.
    """
    accepted = frozenset(named)
    selected: list[Waiver] = []
    others: dict[str, int] = {}
    for waiver in waivers:
        if not waiver.product or not accepted.isdisjoint((waiver.product, waiver.product.rpartition("@")[0])):
            selected.append(replace(waiver, product="") if waiver.product else waiver)
            continue
        directories = sorted({product.directory for product in own if product.is_named(waiver.product)})
        if not directories:
            others[waiver.product] = others.get(waiver.product, 0) + 1
        selected += [
            replace(waiver, product="", directory=directory)
            for directory in (directories if "" not in directories else ("",))
        ]
    return tuple(selected), others


def _split_scoped(text: str) -> tuple[str, str, str]:
    name, separator, version = text[1:].partition("@")
    return f"@{name}", separator, version


class _Subject(NamedTuple):
    """A package that a statement is about."""

    package: Package
    #: Empty for all versions.
    version: str


class _Decision(NamedTuple):
    """What a statement decides."""

    status: str
    justification: str
    reason: str


class _Reader:
    """Reads one document, and collects problems."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._author = ""
        self._entries: list[tuple[tuple[int, bool], Waiver]] = []
        self._foreign_count = 0
        self.problems: list[Problem] = []

    def report(self, message: str, hint: str = "") -> None:
        """Add a problem."""
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(Problem(path=self._path, message=message, hint=hint))

    def build(self) -> VexDocument:
        """Return the statements."""
        entries = sorted(self._entries, key=lambda entry: entry[0])
        times, waivers = [time for time, _ in entries], [waiver for _, waiver in entries]
        return VexDocument(tuple(waivers), tuple(times), self._foreign_count)

    def read(self, document: object) -> None:
        """Read a document of either format."""
        if isinstance(document, dict) and document.get("bomFormat") == "CycloneDX":
            self._read_cyclonedx(document)
        elif isinstance(document, dict) and _is_openvex(document.get("@context")):
            self._read_openvex(document)
        else:
            hint = "OpenVEX 0.2 and CycloneDX JSON with vulnerabilities[].analysis are"
            self.report("is no VEX document of a format that is read", hint)

    # --- OpenVEX

    def _read_openvex(self, document: Mapping[str, Any]) -> None:
        self._author = _take_text(document.get("author"))
        if not self._author:
            self.report("the document has no author")
        moment = self._read_time(document.get("last_updated") or document.get("timestamp"), "timestamp")
        if not document.get("timestamp"):
            self.report("the document has no timestamp")
        statements = document.get("statements")
        if not isinstance(statements, list):
            self.report("statements must be a list")
            return
        for number, statement in enumerate(statements):
            place = f"statements[{number}]"
            if not isinstance(statement, dict):
                self.report(f"{place} must be an object")
                continue
            ids = self._read_vulnerability(statement.get("vulnerability"), place)
            decision = self._read_status(statement, place)
            time = statement.get("last_updated") or statement.get("timestamp")
            stated_at = self._read_time(time, f"{place}.timestamp") if time else moment
            products = statement.get("products", [])
            if not isinstance(products, list) or not all(isinstance(item, (dict, str)) for item in products):
                self.report(f"{place}.products must be a list of products")
            elif ids and decision is not None:
                for product in products:
                    self._add_product(product, ids, decision, stated_at)

    def _read_vulnerability(self, value: object, place: str) -> tuple[str, ...]:
        if isinstance(value, str):
            value = {"name": value}
        name = value.get("name") if isinstance(value, dict) else None
        if not isinstance(value, dict) or not isinstance(name, str) or not name.strip():
            self.report(f"{place}.vulnerability has no name")
            return ()
        aliases = value.get("aliases", [])
        if not isinstance(aliases, list) or not all(isinstance(alias, str) for alias in aliases):
            self.report(f"{place}.vulnerability.aliases must be a list of texts")
            return ()
        return _unique_ids([name, *aliases])

    def _read_status(self, statement: Mapping[str, Any], place: str) -> _Decision | None:
        status = statement.get("status")
        if status not in STATUSES:
            self.report(f"{place}.status must be one of {', '.join(STATUSES)}")
            return None
        justification = statement.get("justification", "")
        if justification and justification not in JUSTIFICATIONS:
            self.report(f"{place}.justification must be one of {', '.join(JUSTIFICATIONS)}")
            return None
        impact = _take_text(statement.get("impact_statement"))
        if status == "not_affected" and not justification and not impact:
            self.report(f"{place} is not_affected, and has neither a justification nor an impact_statement")
            return None
        texts = (justification, impact, _take_text(statement.get("status_notes")))
        return _Decision(status, justification, _join_texts(*texts) or status)

    def _add_product(
        self, product: Mapping[str, Any] | str, ids: tuple[str, ...], decision: _Decision, stated_at: int
    ) -> None:
        subject = _find_subject(product)
        subcomponents = [] if isinstance(product, str) else _as_list(product.get("subcomponents"))
        if isinstance(product, str) or not subcomponents:
            self._add(subject, ids, decision, stated_at)
            return
        limit = _name_product(product)
        for subcomponent in subcomponents:
            part = _find_subject(subcomponent) if isinstance(subcomponent, (dict, str)) else None
            self._add(part, ids, decision, stated_at, product=limit)

    # --- CycloneDX

    def _read_cyclonedx(self, document: Mapping[str, Any]) -> None:
        metadata = document.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        self._author = _find_cyclonedx_author(metadata)
        moment = self._read_time(metadata.get("timestamp"), "metadata.timestamp")
        product = metadata.get("component")
        limit, product_subject = (_name_component(product), _find_component(product)) if product else ("", None)
        purls = dict(_iter_component_purls([product, *_as_list(document.get("components"))]))
        vulnerabilities = document.get("vulnerabilities", [])
        if not isinstance(vulnerabilities, list):
            self.report("vulnerabilities must be a list")
            return
        for number, vulnerability in enumerate(vulnerabilities):
            place = f"vulnerabilities[{number}]"
            if not isinstance(vulnerability, dict):
                self.report(f"{place} must be an object")
                continue
            analysis = vulnerability.get("analysis")
            if analysis is None or (isinstance(analysis, dict) and "state" not in analysis):
                continue  # it states that the vulnerability is known, and decides nothing
            ids = self._read_cyclonedx_ids(vulnerability, place)
            decision = self._read_analysis(analysis, place)
            if not ids or decision is None:
                continue
            time = analysis.get("lastUpdated") or analysis.get("firstIssued")
            stated_at = self._read_time(time, f"{place}.analysis") if time else moment
            for affected in _as_list(vulnerability.get("affects")):
                reference = affected.get("ref") if isinstance(affected, dict) else None
                if not isinstance(reference, str):
                    self.report(f"{place}.affects has an entry without ref")
                    continue
                subject = _resolve_reference(reference, purls)
                part_of = "" if subject is not None and subject == product_subject else limit
                self._add_affected(affected, subject, ids, decision, stated_at, product=part_of)

    def _read_cyclonedx_ids(self, vulnerability: Mapping[str, Any], place: str) -> tuple[str, ...]:
        id_ = vulnerability.get("id")
        if not isinstance(id_, str) or not id_.strip():
            self.report(f"{place} has no id")
            return ()
        references = [entry.get("id") for entry in _as_list(vulnerability.get("references")) if isinstance(entry, dict)]
        return _unique_ids([id_, *(reference for reference in references if isinstance(reference, str))])

    def _read_analysis(self, analysis: object, place: str) -> _Decision | None:
        state = analysis.get("state") if isinstance(analysis, dict) else None
        if not isinstance(analysis, dict) or not isinstance(state, str) or state not in _STATES:
            self.report(f"{place}.analysis.state must be one of {', '.join(_STATES)}")
            return None
        justification = analysis.get("justification", "")
        if justification and justification not in {*_CDX_JUSTIFICATIONS, *_OTHER_CDX_JUSTIFICATIONS}:
            known = ", ".join((*_CDX_JUSTIFICATIONS, *sorted(_OTHER_CDX_JUSTIFICATIONS)))
            self.report(f"{place}.analysis.justification must be one of {known}")
            return None
        texts = (justification, _take_text(analysis.get("detail")))
        first = state if state == "false_positive" or not any(texts) else ""
        status = _STATES[state]
        openvex_justification = _CDX_JUSTIFICATIONS.get(justification, "") if status == "not_affected" else ""
        return _Decision(status, openvex_justification, _join_texts(first, *texts))

    def _add_affected(
        self,
        affected: Mapping[str, Any],
        subject: _Subject | None,
        ids: tuple[str, ...],
        decision: _Decision,
        stated_at: int,
        *,
        product: str,
    ) -> None:
        """Add the statements about one component: of the versions that are listed, unless its purl has one."""
        entries = [entry for entry in _as_list(affected.get("versions")) if isinstance(entry, dict)]
        if subject is None or subject.version or not entries:
            self._add(subject, ids, decision, stated_at, product=product)
            return
        for entry in entries:
            version = entry.get("version")
            if isinstance(version, str) and version.strip():
                self._add(_Subject(subject.package, version.strip()), ids, decision, stated_at, product=product)
            elif (
                decision.status not in _WAIVING
            ):  # a range that is not evaluated ends earlier statements, and waives nothing
                self._add(subject, ids, decision, stated_at, product=product)
            else:
                self._foreign_count += 1

    # --- both

    def _add(
        self, subject: _Subject | None, ids: tuple[str, ...], decision: _Decision, stated_at: int, *, product: str = ""
    ) -> None:
        if subject is None:
            self._foreign_count += 1
            return
        if len(self._entries) >= _MAX_STATEMENTS:
            if len(self._entries) == _MAX_STATEMENTS and not self.problems:
                self.report(f"has more than {_MAX_STATEMENTS:,} statements about packages")
            return
        package = subject.package
        waiver = Waiver(
            package=f"{get_ecosystem(package.ecosystem).purl_type}:{package.name}",
            version=subject.version,
            advisories=ids,
            reason=decision.reason,
            status=decision.status,
            justification=decision.justification,
            author=self._author,
            waives=decision.status in _WAIVING,
            product=product,
            location=Location(path=self._path, line=0),
        )
        self._entries.append(((stated_at, bool(subject.version)), waiver))

    def _read_time(self, value: object, place: str) -> int:
        """Return a time in microseconds since the epoch; 0 for one that is not stated."""
        if value is None or value == "":
            return 0
        match = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is not None:
            day, clock, fraction, zone = match.groups()
            zone = "+00:00" if zone in (None, "Z", "z") else zone
            try:
                moment = datetime.fromisoformat(f"{day}T{clock}.{(fraction or '').ljust(6, '0')}{zone}")
                seconds = (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)).total_seconds()
                return int(seconds) * 1_000_000 + moment.microsecond
            except (ValueError, OverflowError):
                pass
        self.report(f"{place} is no time such as 2026-11-21T12:00:00Z")
        return 0


def _is_openvex(context: object) -> bool:
    text = (
        context if isinstance(context, str) else next((item for item in _as_list(context) if isinstance(item, str)), "")
    )
    return text.startswith(_OPENVEX_CONTEXT) and text.removeprefix(_OPENVEX_CONTEXT).rstrip("/") in _OPENVEX_VERSIONS


def _find_subject(product: Mapping[str, Any] | str) -> _Subject | None:
    """Return the package of a product or subcomponent, by its id or its identifiers."""
    if isinstance(product, str):
        return _parse_purl(product)
    identifiers = product.get("identifiers")
    purl = identifiers.get("purl") if isinstance(identifiers, dict) else None
    candidates = (text for text in (product.get("@id"), purl) if isinstance(text, str))
    return next((subject for text in candidates if (subject := _parse_purl(text)) is not None), None)


def _name_product(product: Mapping[str, Any]) -> str:
    """Return how a product is named: its package URL in normal form, else what stands there; never empty."""
    identifiers = product.get("identifiers")
    texts = (product.get("@id"), identifiers.get("purl") if isinstance(identifiers, dict) else None)
    return _format_subject(_find_subject(product)) or next(filter(None, map(_take_text, texts)), "") or _UNNAMED


def _find_component(component: object) -> _Subject | None:
    purl = component.get("purl") if isinstance(component, dict) else None
    return _parse_purl(purl) if isinstance(purl, str) else None


def _name_component(component: object) -> str:
    """Return how a component of CycloneDX is named; empty for the project in a document that this program wrote."""
    if not isinstance(component, dict):
        return _UNNAMED
    if component.get("bom-ref") == PROJECT_REF and "purl" not in component:
        return ""
    texts = (component.get(key) for key in ("group", "name"))
    name = "/".join(filter(None, map(_take_text, texts)))
    version = _take_text(component.get("version"))
    plain = f"{name}@{version}" if name and version else name
    return _format_subject(_find_component(component)) or _take_text(component.get("purl")) or plain or _UNNAMED


def _format_subject(subject: _Subject | None) -> str:
    if subject is None:
        return ""
    return f"{subject.package.purl}@{subject.version}" if subject.version else subject.package.purl


def _parse_purl(text: str) -> _Subject | None:
    """Return the package and version of a package URL; None if it is none of an ecosystem that is read."""
    if not text.startswith("pkg:"):
        return None
    from packageurl import PackageURL

    try:
        purl = PackageURL.from_string(text)
    except ValueError:
        return None
    package = find_purl_package(purl.type, purl.namespace, purl.name)
    if package is None or has_wildcards(package[1]):  # a wildcard would match other packages
        return None
    ecosystem, name = package
    return _Subject(Package(ecosystem=ecosystem, name=normalise_name(ecosystem, name)), purl.version or "")


def _iter_component_purls(components: Sequence[object]) -> Iterator[tuple[str, str]]:
    """Yield reference and package URL of components, those inside others too."""
    stack = list(components)
    while stack:
        component = stack.pop()
        if not isinstance(component, dict):
            continue
        reference, purl = component.get("bom-ref"), component.get("purl")
        if isinstance(reference, str) and isinstance(purl, str):
            yield reference, purl
        stack += _as_list(component.get("components"))


def _resolve_reference(reference: str, purls: Mapping[str, str]) -> _Subject | None:
    """Return the package of a reference: of this document, of another one (BOM-Link), or a package URL itself."""
    fragment = unquote(reference.partition("#")[2]) if reference.startswith("urn:cdx:") else ""
    candidates = (purls.get(reference, ""), reference, purls.get(fragment, ""), fragment)
    return next((subject for text in candidates if (subject := _parse_purl(text)) is not None), None)


def _find_cyclonedx_author(metadata: Mapping[str, Any]) -> str:
    """Return who made a document: its authors, else its supplier or manufacturer; empty if it names none."""
    names = [_take_text(author.get("name")) for author in _as_list(metadata.get("authors")) if isinstance(author, dict)]
    for key in ("supplier", "manufacturer", "manufacture"):
        organisation = metadata.get(key)
        if not any(names) and isinstance(organisation, dict):
            names = [_take_text(organisation.get("name"))]
    return ", ".join(filter(None, names))[:_MAX_LENGTH]


def _unique_ids(ids: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(id_.strip() for id_ in ids if id_.strip()))


def _as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _take_text(value: object) -> str:
    return " ".join(value.split())[:_MAX_LENGTH] if isinstance(value, str) else ""


def _join_texts(*texts: str) -> str:
    return ": ".join(filter(None, texts))[:_MAX_LENGTH]
