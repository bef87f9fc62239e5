"""Models, datasets, Spaces and kernels of the Hugging Face Hub in SBOMs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nerq_cli.inventory import Declaration, DependencyFile
from nerq_cli.manifests.sbom.sbom import read
from nerq_cli.resolve.lockfile import apply_lockfiles

SHA = "559062ad13d311b87b2c455e67dcd5f1c8f65111"


def read_cyclonedx(*components: dict[str, Any], **parts: Any) -> DependencyFile:
    document = {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": list(components), **parts}
    return read(json.dumps(document), "bom.json")


def model(*urls: str, name: str = "demo", version: str = "1.0", kind: str = "machine-learning-model") -> dict[str, Any]:
    references = [{"type": "website", "url": url} for url in urls]
    return {"type": kind, "name": name, "version": version, "externalReferences": references}


def describe(declaration: Declaration) -> tuple[str, str, str, str]:
    return declaration.ecosystem, declaration.name, declaration.requirement, declaration.skip_reason


@pytest.mark.parametrize(
    ("purl", "version", "expected"),
    [
        (f"pkg:huggingface/org/demo@{SHA.upper()}", "1.0", ("huggingface", "org/demo", SHA, "")),
        ("pkg:huggingface/gpt2", SHA, ("huggingface", "gpt2", SHA, "")),
        ("pkg:huggingface/org/demo@v1.0", "", ("huggingface", "org/demo", "v1.0", "")),
        ("pkg:huggingface/org/demo", "1.0", ("huggingface", "org/demo", "", "")),
        ("pkg:huggingface/datasets/org/data", "", ("huggingface-dataset", "org/data", "", "")),
        ("pkg:huggingface/spaces/org/app@main", "", ("huggingface-space", "org/app", "main", "")),
        ("pkg:huggingface/org/x?repository_url=https://huggingface.co", "", ("huggingface", "org/x", "", "")),
        (
            "pkg:huggingface/org/x?repository_url=https://user:secret@hub.example",
            "",
            ("huggingface", "org/x", "", "from another Hub: https://hub.example"),
        ),
    ],
)
def test_a_package_url_of_the_hub_is_a_repository(purl: str, version: str, expected: tuple[str, ...]) -> None:
    file = read_cyclonedx({"type": "machine-learning-model", "name": "x", "version": version, "purl": purl})
    assert [describe(item) for item in file.declarations] == [expected]
    assert (file.problems, file.notes, file.locked_packages) == ((), (), ())


def test_a_name_that_no_repository_can_have_is_a_problem() -> None:
    file = read_cyclonedx({"name": "x", "purl": "pkg:huggingface/org/a--b"})
    assert file.declarations == ()
    assert "names no repository" in file.problems[0].message


@pytest.mark.parametrize(
    ("component", "expected"),
    [
        (model("https://huggingface.co/org/demo"), ("huggingface", "org/demo", "", "")),
        (model("https://huggingface.co/org/demo", version=SHA), ("huggingface", "org/demo", SHA, "")),
        (model(f"https://hf.co/org/demo/tree/{SHA}"), ("huggingface", "org/demo", SHA, "")),
        (model("https://huggingface.co/org/demo/blob/main/README.md"), ("huggingface", "org/demo", "main", "")),
        (
            model("https://huggingface.co/datasets/org/data", kind="data"),
            ("huggingface-dataset", "org/data", "", ""),
        ),
        (  # one of the others is its base model
            model("https://huggingface.co/org/base", "https://huggingface.co/org/demo"),
            ("huggingface", "org/demo", "", ""),
        ),
    ],
)
def test_a_model_without_a_package_url_is_found_by_its_address(
    component: dict[str, Any], expected: tuple[str, ...]
) -> None:
    assert [describe(item) for item in read_cyclonedx(component).declarations] == [expected]


@pytest.mark.parametrize(
    "component",
    [
        model(),
        model("https://hub.example/org/demo"),
        model("https://huggingface.co.evil.example/org/demo"),
        model("https://huggingface.co/docs/hub"),
        model("https://huggingface.co/org/base", "https://huggingface.co/org/other"),
        model("https://[huggingface.co/org/demo"),
        model("https://huggingface.co/org/demo", kind="library"),
    ],
)
def test_without_a_clear_address_a_model_is_counted_as_not_listed(component: dict[str, Any]) -> None:
    file = read_cyclonedx(component)
    assert file.declarations == ()
    assert "without a package URL 1" in file.notes[0]


def test_the_subject_of_an_sbom_is_no_dependency_of_it() -> None:
    subject = {"type": "machine-learning-model", "name": "demo", "purl": "pkg:huggingface/org/demo"}
    assert read_cyclonedx(metadata={"component": subject}).declarations == ()


def test_repositories_stay_beside_locked_packages() -> None:
    file = read_cyclonedx(
        {"bom-ref": "r", "name": "requests", "purl": "pkg:pypi/requests@2.31.0"},
        {"bom-ref": "m", "name": "demo", "purl": "pkg:huggingface/org/demo", "scope": "optional"},
        metadata={"component": {"bom-ref": "app", "name": "app"}},
        dependencies=[{"ref": "app", "dependsOn": ["r", "m"]}],
    )
    [applied] = apply_lockfiles([file])
    assert [(item.name, item.group) for item in applied.declarations] == [
        ("requests", "main"),
        ("org/demo", "optional"),
    ]
    assert applied.problems == ()


def test_a_model_in_xml_is_found() -> None:
    text = """\
<bom xmlns="http://cyclonedx.org/schema/bom/1.5"><components>
  <component type="machine-learning-model"><name>demo</name><externalReferences>
    <reference type="website"><url>https://huggingface.co/org/demo</url></reference>
  </externalReferences></component>
</components></bom>"""
    assert [describe(item) for item in read(text, "bom.xml").declarations] == [("huggingface", "org/demo", "", "")]


def test_models_and_datasets_of_spdx_are_found() -> None:
    graph = [
        {"type": "ai_AIPackage", "spdxId": "urn:m", "name": "demo", "software_packageUrl": "pkg:huggingface/org/demo"},
        {
            "type": "dataset_DatasetPackage",
            "spdxId": "urn:d",
            "name": "data",
            "software_downloadLocation": "https://huggingface.co/datasets/org/data",
        },
    ]
    context = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
    file = read(json.dumps({"@context": context, "@graph": graph}), "bom.spdx.json")
    names = [("huggingface", "org/demo", "", ""), ("huggingface-dataset", "org/data", "", "")]
    assert [describe(item) for item in file.declarations] == names
    reference = {"referenceType": "purl", "referenceLocator": f"pkg:huggingface/org/demo@{SHA}"}
    package = {"SPDXID": "SPDXRef-m", "name": "demo", "externalRefs": [reference]}
    file = read(json.dumps({"spdxVersion": "SPDX-2.3", "packages": [package]}), "bom.spdx.json")
    assert [describe(item) for item in file.declarations] == [("huggingface", "org/demo", SHA, "")]
