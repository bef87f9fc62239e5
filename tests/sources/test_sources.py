"""The table of sources: what its rows give to the rest of the program."""

from __future__ import annotations

import subprocess
import sys

import pytest

from nerq_cli.errors import ConfigError
from nerq_cli.sources import SOURCES, SourceInfo, is_required
from nerq_cli.sources.endpoints import read_endpoint, read_endpoints


@pytest.mark.parametrize("row", SOURCES.values(), ids=lambda row: row.id)
def test_a_row_is_complete_and_its_variable_follows_the_rule(row: SourceInfo) -> None:
    assert all((row.id, row.label, row.credit.content, row.credit.terms, row.credit.homepage))
    assert row.variable.startswith("NERQ_")
    assert row.variable.endswith("_URL")
    assert row.max_age >= row.absent_max_age > 0


def test_ids_variables_and_labels_are_unique() -> None:
    for values in (
        [row.id for row in SOURCES.values()],
        [row.variable for row in SOURCES.values()],
        [row.label for row in SOURCES.values()],
    ):
        assert len(values) == len(set(values))


@pytest.mark.parametrize("row", [row for row in SOURCES.values() if row.url], ids=lambda row: row.id)
def test_the_variable_of_each_source_replaces_its_endpoint_and_its_mirrors(row: SourceInfo) -> None:
    default = read_endpoint(row.id, {})
    assert default.url.startswith("https://")
    assert not default.url.endswith("/")
    endpoints = read_endpoints({row.variable: "http://127.0.0.1:1/x/"})
    assert [endpoint.url for endpoint in endpoints.by_source[row.id]] == ["http://127.0.0.1:1/x"]
    assert endpoints.configured == {row.id}


@pytest.mark.parametrize("value", ["garbage", "ftp://x", "http://[::1", "http://x:99999", "file:///tmp", "https://"])
@pytest.mark.parametrize("row", SOURCES.values(), ids=lambda row: row.id)
def test_a_variable_that_holds_no_url_is_an_error_that_names_it(row: SourceInfo, value: str) -> None:
    with pytest.raises(ConfigError, match=row.variable) as caught:
        read_endpoints({row.variable: value})
    assert row.variable in caught.value.hint


def test_a_run_is_complete_without_the_optional_sources_only() -> None:
    assert {row.id for row in SOURCES.values() if not row.required} == {
        "deps-dev",
        "scorecard",
        "github",
        "npm-downloads",
        "pypistats",
    }
    assert not is_required("deps.dev")
    assert is_required("OSV")


def test_the_table_imports_no_source_and_no_http_library() -> None:
    watch = (
        "import sys\n"
        "import nerq_cli.sources\n"
        "sys.exit(repr([name for name in sys.modules if name.startswith('nerq_cli.sources.') or name == 'httpx']))\n"
    )
    done = subprocess.run([sys.executable, "-c", watch], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.stderr.strip() == "[]"


def test_a_variable_of_other_tools_replaces_an_endpoint_and_makes_no_name_public() -> None:
    mirror = read_endpoints({"HF_ENDPOINT": "https://mirror.example/hub/", "HF_TOKEN": "hf_demo"})
    assert mirror["huggingface"].url == "https://mirror.example/hub"
    assert mirror["huggingface"].headers == {"Authorization": "Bearer hf_demo"}
    assert "huggingface" not in mirror.configured
    own = read_endpoints({"NERQ_HF_URL": "https://own.example", "HF_ENDPOINT": "https://mirror.example"})
    assert own["huggingface"].url == "https://own.example"
    assert "huggingface" in own.configured
    with pytest.raises(ConfigError, match="HF_ENDPOINT"):
        read_endpoints({"HF_ENDPOINT": "mirror"})
