"""Reports about more than packages: kinds, revisions, commits, methodologies, model cards."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import msgspec
import pytest

from nerq_cli.ecosystems import HF_MODEL, NPM, PYPI, EcosystemId
from nerq_cli.inventory import Dependency, Package
from nerq_cli.methodology.models import MODELS
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.report import FORMATS, RenderOptions, wording
from nerq_cli.report.formats import cyclonedx, spdx
from nerq_cli.report.formats import json as json_report
from nerq_cli.report.issues import list_issues
from nerq_cli.report.model import Report
from nerq_cli.report.model_cards import read_model_card
from nerq_cli.report.terminal import detail, summary
from tests.signals.models.conftest import SHA

Screen = Callable[..., str]
#: What a reader of the format would run, open or be misled by.
DANGEROUS = ("\x1b", "\u202e", "\x00")


def document(report: Report, format_name: str = "cyclonedx") -> Any:
    return json.loads(b"".join(FORMATS[format_name].render_parts(report, RenderOptions())))


def component(report: Report, name: str) -> Any:
    return next(one for one in document(report)["components"] if one["name"] == name)


def build(ecosystem: Any, *groups: str, direct: bool = True, requirement: str = "") -> Dependency:
    return Dependency(
        package=Package(ecosystem=ecosystem, name="acme/it"),
        requirement=requirement,
        version=SHA,
        resolution="range",
        direct=direct,
        groups=groups,
        locations=(),
    )


@pytest.mark.parametrize(
    ("dependency", "kind"),
    [
        (build(PYPI, "main"), "package"),
        (build(HF_MODEL, "models"), "model"),
        (build(HF_MODEL, "mcp"), "model"),
        (build(NPM, "mcp"), "mcp-server"),
        (build(NPM, "mcp", "main"), "package"),
        (build(NPM, "mcp", direct=False), "package"),
        (build("generic", "hosted-model"), "hosted-model"),
        (build("github", "main"), "repository"),
        (build("github", "mcp"), "mcp-server"),
    ],
)
def test_the_kind_follows_from_ecosystem_and_groups(dependency: Dependency, kind: str) -> None:
    assert dependency.kind == kind


@pytest.mark.parametrize(
    ("revision", "text", "ecosystem"),
    [
        ("", "floating: main", "huggingface"),
        ("main", "floating: main", "huggingface"),
        ("v1", "branch or tag v1", "huggingface-kernel"),
        ("refs/pr/1", "reference refs/pr/1", "huggingface"),
        (SHA, "", "huggingface"),
        (">=1,<2", "versions >=1,<2", "huggingface-kernel"),
        ("a,b", "branch or tag a,b", "huggingface"),
    ],
)
def test_a_revision_is_described_as_what_it_is(revision: str, text: str, ecosystem: EcosystemId) -> None:
    assert wording.describe_revision(revision, ecosystem) == text


def test_prose_has_twelve_digits_of_a_commit_and_data_has_all(models: Report, screen: Screen) -> None:
    assert wording.shorten_version(SHA) == SHA[:12]
    assert wording.shorten_version("1.2.3") == "1.2.3"
    names = {issue.label for issue in list_issues(models)}
    assert f"acme/unsafe {SHA[:12]}" in names
    for width in (80, 120, 200):
        table = screen(summary.render_text, models, width=width).partition("next:")[0]
        assert SHA[:12] in table
        assert SHA not in table
    rows = json.loads(json_report.render(models, RenderOptions()))["dependencies"]
    assert {row["version"] for row in rows if row["kind"] == "model"} == {SHA, None}
    assert f"pkg:huggingface/acme/unsafe@{SHA}" in {row["purl"] for row in rows}


def test_every_row_of_json_and_csv_has_its_kind(models: Report) -> None:
    rows = json.loads(json_report.render(models, RenderOptions()))["dependencies"]
    kinds = {row["name"]: row["kind"] for row in rows}
    assert kinds["requests"] == "package"
    assert kinds["mcp-files"] == "mcp-server"
    assert [kinds[f"acme/{name}"] for name in ("demo-1b", "texts", "chat", "flash")] == [
        "model",
        "dataset",
        "space",
        "kernel",
    ]
    text = b"".join(FORMATS["csv"].render_parts(models, RenderOptions())).decode()
    assert {row["name"]: row["kind"] for row in csv.DictReader(StringIO(text))} == kinds


def test_a_score_of_another_methodology_names_it(models: Report) -> None:
    rows = json.loads(json_report.render(models, RenderOptions()))["dependencies"]
    named = {row["name"]: row["methodology"] for row in rows}
    assert named["requests"] is None
    assert named["acme/texts"] == f"models {MODELS.version}"
    assert wording.describe_methodologies(models) == f"packages {PACKAGES.version}, models {MODELS.version}"


def test_a_card_names_the_methodology_of_its_score(models: Report, screen: Screen) -> None:
    by_name = {one.dependency.package.name: one for one in models.dependencies}
    assert f"methodology models {MODELS.version}," in screen(detail.render_text, by_name["acme/texts"], models)
    assert f"methodology {PACKAGES.version}," in screen(detail.render_text, by_name["requests"], models)


def test_the_reason_of_a_provisional_score_is_that_of_its_methodology(models: Report, screen: Screen) -> None:
    texts = next(one for one in models.dependencies if one.dependency.package.name == "acme/texts")
    assert texts.state == "unknown"
    assert texts.reasons[0].startswith("file scan not known: ")
    card = screen(detail.render_text, texts, models)
    assert "advisories" not in card
    assert "the scan of its files is not known" in " ".join(card.split())


def test_the_token_for_a_hidden_repository_is_one_of_the_hub(models: Report, screen: Screen) -> None:
    missing = next(one for one in models.dependencies if one.dependency.package.name == "acme/missing")
    assert "a Hugging Face token (HF_TOKEN) may settle" in screen(detail.render_text, missing, models)


def test_packages_alone_have_no_column_of_kinds(findings: Report, models: Report, screen: Screen) -> None:
    assert " Kind " in screen(summary.render_text, models, width=160)
    assert " Kind " not in screen(summary.render_text, findings, width=160)


def test_the_column_of_names_is_headed_by_what_it_lists(findings: Report, models: Report, screen: Screen) -> None:
    only_models = msgspec.structs.replace(
        models, dependencies=tuple(one for one in models.dependencies if one.dependency.kind == "model")
    )
    for report, heading in ((findings, "Package"), (models, "Dependency"), (only_models, "Model")):
        page = b"".join(FORMATS["html"].render_parts(report, RenderOptions())).decode()
        assert f">{heading}</th>" in page
        assert f" {heading} " in screen(summary.render_text, report, width=160)
        assert f"| {heading} |" in b"".join(FORMATS["markdown"].render_parts(report, RenderOptions())).decode()
    assert wording.name_kinds({None}) == ("Dependency", "dependency", "dependencies")


def test_more_than_one_kind_is_counted_as_dependencies(findings: Report, models: Report) -> None:
    assert wording.count_assessments(models.dependencies) == f"{len(models.dependencies)} dependencies"
    assert wording.count_assessments(findings.dependencies).endswith(" packages")
    only_models = [one for one in models.dependencies if one.dependency.kind == "model"]
    assert wording.count_assessments(only_models) == f"{len(only_models)} models"
    assert wording.count_assessments(only_models[:1]) == "1 model"


def test_many_unknown_repositories_share_a_row(models: Report, screen: Screen) -> None:
    missing = next(one for one in models.dependencies if one.dependency.package.name == "acme/missing")
    texts = next(one for one in models.dependencies if one.dependency.package.name == "acme/texts")
    report = msgspec.structs.replace(models, dependencies=(missing,) * 30 + (texts,) * 30, findings=())
    page = " ".join(screen(summary.render_text, report, width=120).split())
    assert "30 models could not be judged" in page
    assert "30 datasets score 70 or above, but file scan not known" in page


def test_a_model_has_a_model_card(models: Report) -> None:
    found = component(models, "demo-1b")
    assert found["type"] == "machine-learning-model"
    assert found["purl"] == f"pkg:huggingface/acme/demo-1b@{SHA}"
    assert found["group"] == "acme"
    assert found["supplier"] == {"name": "acme"}
    assert found["licenses"] == [{"expression": "Apache-2.0", "acknowledgement": "declared"}]
    card = found["modelCard"]
    assert card["modelParameters"]["datasets"] == [{"type": "dataset", "name": "acme/texts"}]
    assert card["considerations"]["useCases"][0].endswith('(heading "Intended use", line 5)')
    assert card["considerations"]["technicalLimitations"][0].endswith('(heading "Limitations", line 9)')
    assert "performanceMetrics" in card["quantitativeAnalysis"]


def test_what_is_not_known_of_a_model_has_no_field(models: Report) -> None:
    found = component(models, "missing")
    assert found["type"] == "machine-learning-model"
    assert not {"modelCard", "supplier", "licenses", "version"} & set(found)


def test_the_other_kinds_are_data_applications_and_libraries(models: Report) -> None:
    texts = component(models, "texts")
    assert texts["type"] == "data"
    assert texts["purl"] == f"pkg:huggingface/datasets/acme/texts@{SHA}"
    assert texts["data"][0]["type"] == "dataset"
    assert texts["data"][0]["governance"] == {"owners": [{"organization": {"name": "acme"}}]}
    assert component(models, "chat")["type"] == "application"
    assert component(models, "flash")["type"] == "library"
    assert component(models, "mcp-files")["type"] == "application"
    assert component(models, "requests")["type"] == "library"
    assert all("modelCard" not in component(models, name) for name in ("texts", "chat", "flash", "requests"))


def test_spdx_has_the_purpose_and_the_publisher(models: Report) -> None:
    packages = {one["name"]: one for one in json.loads(spdx.render(models, RenderOptions()))["packages"]}
    assert packages["acme/demo-1b"]["primaryPackagePurpose"] == "OTHER"
    assert packages["acme/demo-1b"]["supplier"] == "Organization: acme"
    assert packages["acme/demo-1b"]["licenseDeclared"] == "Apache-2.0"
    assert packages["acme/chat"]["primaryPackagePurpose"] == "APPLICATION"
    assert packages["acme/flash"]["primaryPackagePurpose"] == "LIBRARY"
    assert packages["acme/missing"]["supplier"] == "NOASSERTION"


def test_sarif_has_the_kind_of_what_is_no_package(models: Report) -> None:
    results = document(models, "sarif")["runs"][0]["results"]
    kinds = {result["properties"].get("purl", ""): result["properties"].get("kind") for result in results}
    assert kinds[f"pkg:huggingface/acme/unsafe@{SHA}"] == "model"
    assert all(kind is None for purl, kind in kinds.items() if purl.startswith("pkg:pypi/"))


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_no_format_passes_on_what_a_card_holds(hostile_models: Report, name: str) -> None:
    text = b"".join(FORMATS[name].render_parts(hostile_models, RenderOptions())).decode()
    decoded = text.encode().decode("unicode_escape", "ignore") if name in ("json", "cyclonedx", "spdx") else text
    assert not [sign for sign in DANGEROUS if sign in text or sign in decoded]
    if name == "html":
        assert "<script>alert" not in text
    if name == "csv":
        cells = [cell for row in csv.reader(StringIO(text)) for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    if name in ("github", "table"):
        assert "\n::error::" not in text


def test_the_statements_of_a_card_are_short_and_have_their_place(hostile_models: Report) -> None:
    card = read_model_card(hostile_models.dependencies[0])
    assert card is not None
    for statement in card.statements.values():
        assert len(statement.quote) <= 120
        assert statement.pointer
    for one in document(hostile_models)["components"]:
        assert len(json.dumps(one)) < 40_000


def test_the_same_report_gives_the_same_bytes(models: Report) -> None:
    assert cyclonedx.render(models, RenderOptions()) == cyclonedx.render(models, RenderOptions())
