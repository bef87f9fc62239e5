"""SPDX 2.3 in JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import msgspec

from nerq_cli.ecosystems import Kind
from nerq_cli.facts import Found
from nerq_cli.inventory import Dependency
from nerq_cli.patterns import compile_late
from nerq_cli.report.advisory import deduplicate_advisories
from nerq_cli.report.changes import (
    describe_changes,
    describe_comparison,
    list_removed,
    name_removed,
)
from nerq_cli.report.gaps import is_fully_checked, list_gaps
from nerq_cli.report.identifiers import build_uuid, hash_parts
from nerq_cli.report.issues import describe_score
from nerq_cli.report.json_lists import write_document
from nerq_cli.report.licences import find_licence
from nerq_cli.report.model import Assessment, Report
from nerq_cli.report.relations import find_relations
from nerq_cli.report.sanitize import TEXT_LIMIT, sanitize_text
from nerq_cli.report.uris import clean_link
from nerq_cli.report.wording import format_locations, format_timestamp

if TYPE_CHECKING:
    from nerq_cli.report import RenderOptions

_NO_ASSERTION: Final = "NOASSERTION"
_NONE: Final = "NONE"
_DOCUMENT_ID: Final = "SPDXRef-DOCUMENT"
_ROOT_ID: Final = "SPDXRef-project"
_TOOL: Final = "Tool: nerq-cli"
#: Namespace for documents of authors without a site of their own (SPDX 2.3, 6.5).
_NAMESPACE: Final = "https://spdx.org/spdxdocs/nerq-cli"
#: Characters that an identifier may not have (7.2).
_NOT_IN_ID: Final = compile_late(r"[^A-Za-z0-9.-]+", re.ASCII)
_LICENCE_REF: Final = compile_late(r"LicenseRef-[A-Za-z0-9.-]+", re.ASCII)
#: Relationship from the dependency to what requires it, by the kind of its groups; a main dependency has none.
_BACKWARD: Final = {
    "dev": "DEV_DEPENDENCY_OF",
    "build": "BUILD_DEPENDENCY_OF",
    "optional": "OPTIONAL_DEPENDENCY_OF",
    "extra": "OPTIONAL_DEPENDENCY_OF",
    "peer": "PROVIDED_DEPENDENCY_OF",
}
#: Purpose by the kind of the dependency (7.24: SPDX 2.3 has none for models, whose files are data); all others are
#: libraries.
_PURPOSES: Final[Mapping[Kind, str]] = {
    "model": "OTHER",
    "hosted-model": "OTHER",
    "dataset": "OTHER",
    "space": "APPLICATION",
    "mcp-server": "APPLICATION",
}
#: Most reasons of one dependency.
_MAX_REASONS: Final = 10
#: Most dependencies that are named as removed.
_MAX_REMOVED: Final = 50


def render(report: Report, options: RenderOptions) -> bytes:
    """Return the report as an SPDX document, with the moment of the report in place of the clock."""
    return b"".join(render_parts(report, options))


def render_parts(report: Report, options: RenderOptions) -> Iterator[bytes]:
    """Yield the parts of the same, an element at a time."""
    created = format_timestamp(report.as_of) or "1970-01-01T00:00:00Z"
    ids, changes = _build_ids(report), describe_changes(report)
    licence_refs: dict[str, str] = {}
    encode = msgspec.json.Encoder().encode
    lists = {
        "packages": [
            encode(_ROOT),
            *(
                encode(
                    _build_package(
                        assessment,
                        package_id,
                        created,
                        licence_refs,
                        changes.get(assessment.dependency.purl, ""),
                    )
                )
                for assessment, package_id in zip(report.dependencies, ids, strict=True)
            ),
        ],
        "relationships": list(map(encode, _build_relationships(report, ids))),
    }
    document: dict[str, Any] = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT_ID,
        "name": "project",
        "documentNamespace": "",
        "creationInfo": {"created": created, "creators": [f"{_TOOL}-{report.version}"]},
        "comment": _describe_run(report),
        "packages": [],
        "relationships": [],
    }
    if licence_refs:
        document["hasExtractedLicensingInfos"] = [
            {"licenseId": licence_id, "name": text, "extractedText": text} for text, licence_id in licence_refs.items()
        ]
    if comments := list(_describe_comparison(report)):
        document["annotations"] = [_annotate(created, comment) for comment in comments]
    content = chain([encode(document)], *lists.values())
    document["documentNamespace"] = f"{_NAMESPACE}-{build_uuid(*content)}"
    yield from write_document(document, lists, compact=options.compact)


#: The package of the project, whose name and version no dependency file has to state.
_ROOT: Final = {
    "SPDXID": _ROOT_ID,
    "name": "project",
    "downloadLocation": _NO_ASSERTION,
    "filesAnalyzed": False,
    "licenseConcluded": _NO_ASSERTION,
    "licenseDeclared": _NO_ASSERTION,
    "copyrightText": _NO_ASSERTION,
    "primaryPackagePurpose": "APPLICATION",
}


def _describe_run(report: Report) -> str:
    lines = [f"nerq-cli: exit status {report.exit.value}, {report.exit_reason}"]
    lines += [f"{gap.level}: {gap.text}" for gap in list_gaps(report)]
    return sanitize_text("; ".join(lines), TEXT_LIMIT)


def _describe_comparison(report: Report) -> Iterator[str]:
    """Yield what a comparison found, and the dependencies that this run lacks."""
    if report.comparison is not None:
        yield describe_comparison(report)
        if removed := list_removed(report):
            names = ", ".join(map(name_removed, removed[:_MAX_REMOVED]))
            more = f" and {len(removed) - _MAX_REMOVED:,} more" if len(removed) > _MAX_REMOVED else ""
            yield f"removed: {names}{more}"


def _annotate(created: str, comment: str) -> dict[str, str]:
    return {
        "annotator": _TOOL,
        "annotationDate": created,
        "annotationType": "OTHER",
        "comment": sanitize_text(comment, 2 * TEXT_LIMIT),
    }


def _build_ids(report: Report) -> list[str]:
    """Return a unique identifier for each dependency, made of its ecosystem, name and version."""
    ids: dict[str, None] = {}
    result = []
    for number, assessment in enumerate(report.dependencies):
        dependency = assessment.dependency
        text = "-".join((dependency.package.ecosystem.lower(), dependency.package.name, dependency.version or ""))
        base = _NOT_IN_ID.sub("-", text).strip("-")
        package_id = f"SPDXRef-{base}"
        if base != text or package_id in ids:  # another text may have the same characters left
            package_id = f"{package_id}-{hash_parts(dependency.purl)[:8]}"
        if package_id in ids:
            package_id = f"{package_id}-{number}"
        ids[package_id] = None
        result.append(package_id)
    return result


def _build_package(
    assessment: Assessment, package_id: str, created: str, licence_refs: dict[str, str], change: str
) -> dict[str, Any]:
    """Return a package; ``change`` is what differs from the earlier run."""
    dependency = assessment.dependency
    package: dict[str, Any] = {"SPDXID": package_id, "name": sanitize_text(dependency.package.name)}
    if dependency.version:
        package["versionInfo"] = sanitize_text(dependency.version)
    package |= {
        "downloadLocation": _NO_ASSERTION,
        "filesAnalyzed": False,
        "licenseConcluded": _NO_ASSERTION,
        "licenseDeclared": _declare_licence(assessment, licence_refs),
        "copyrightText": _NO_ASSERTION,
        "supplier": _describe_supplier(assessment),
        "primaryPackagePurpose": _PURPOSES.get(dependency.kind, "LIBRARY"),
    }
    homepage = clean_link(assessment.metadata.value.homepage or "") if assessment.metadata is not None else ""
    if homepage:
        package["homepage"] = homepage
    if released := format_timestamp(assessment.released_at):
        package["releaseDate"] = released
    if dependency.locations:
        package["sourceInfo"] = sanitize_text(f"declared in {format_locations(dependency.locations)}", TEXT_LIMIT)
    package["externalRefs"] = [
        {
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": sanitize_text(dependency.purl),
        },
        *_build_advisories(assessment),
    ]
    if assessment.state is not None:
        package["annotations"] = [_annotate(created, _describe_assessment(assessment))]
        if change:
            package["annotations"].append(_annotate(created, f"change: {change}"))
    return package


def _build_advisories(assessment: Assessment) -> Iterator[dict[str, str]]:
    for advisory in deduplicate_advisories(assessment.advisories) if assessment.advisories else ():
        link = clean_link(advisory.link) or next(filter(None, map(clean_link, advisory.links)), "")
        if link:
            comment = f"{advisory.id}, {advisory.severity}" + (f": {advisory.summary}" if advisory.summary else "")
            yield {
                "referenceCategory": "SECURITY",
                "referenceType": "advisory",
                "referenceLocator": link,
                "comment": sanitize_text(comment, TEXT_LIMIT),
            }


def _describe_assessment(assessment: Assessment) -> str:
    parts = [f"state {assessment.state}", describe_score(assessment), *assessment.reasons[:_MAX_REASONS]]
    if assessment.fix:
        parts.append(f"fix: {assessment.fix}")
    return "; ".join(parts)


def _describe_supplier(assessment: Assessment) -> str:
    """Return the owner of a repository, as the Hub or GitHub states it."""
    hosted = assessment.github.hosted if assessment.github is not None else None
    if isinstance(hosted, Found) and hosted.value.is_organisation is not None:
        account = sanitize_text(hosted.value.name.split("/")[1])
        return f"{'Organization' if hosted.value.is_organisation else 'Person'}: {account}"
    owner = assessment.hub.owner if assessment.hub is not None else None
    if not isinstance(owner, Found) or not (name := sanitize_text(owner.value.name)):
        return _NO_ASSERTION
    return f"{'Organization' if owner.value.is_organisation else 'Person'}: {name}"


def _declare_licence(assessment: Assessment, licence_refs: dict[str, str]) -> str:
    """Return the declared licence: NONE where the metadata have none, NOASSERTION where they were not read."""
    licence = find_licence(assessment)
    if licence.kind == "unknown":
        return _NO_ASSERTION
    if licence.kind == "none":
        return _NONE
    if licence.kind == "expression":
        for name in _LICENCE_REF.findall(licence.value):
            licence_refs.setdefault(name, name)
        return licence.value
    return licence_refs.setdefault(licence.value, f"LicenseRef-nerq-{hash_parts(licence.value)[:16]}")


def _build_relationships(report: Report, ids: Sequence[str]) -> Iterator[dict[str, str]]:
    dependencies = [assessment.dependency for assessment in report.dependencies]
    relations = find_relations(dependencies)
    yield _relate(_DOCUMENT_ID, "DESCRIBES", _ROOT_ID)
    for number in relations.direct:
        backward = _find_backward(dependencies[number])
        if backward:
            yield _relate(ids[number], backward, _ROOT_ID)
        else:
            yield _relate(_ROOT_ID, "DEPENDS_ON", ids[number])
    for parent, children in relations.children.items():
        for child in children:
            yield _relate(ids[parent], "DEPENDS_ON", ids[child])
    is_incomplete = report.errors or report.warnings or not (report.list_only or is_fully_checked(report))
    if is_incomplete:
        yield _relate(_ROOT_ID, "DEPENDS_ON", _NO_ASSERTION)
    elif not report.dependencies:
        yield _relate(_ROOT_ID, "DEPENDS_ON", _NONE)


def _relate(element: str, kind: str, related: str) -> dict[str, str]:
    return {"spdxElementId": element, "relationshipType": kind, "relatedSpdxElement": related}


def _find_backward(dependency: Dependency) -> str:
    """Return the relationship to the project of a dependency all of whose groups have one that is not main."""
    kinds = {_BACKWARD.get(group.partition(":")[0], "") for group in dependency.groups}
    return kinds.pop() if len(kinds) == 1 else ""
