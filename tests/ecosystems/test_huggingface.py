"""Repositories of the Hugging Face Hub: names, revisions, package URLs, links."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.ecosystems import (
    EcosystemId,
    find_purl_package,
    get_ecosystem,
    get_hub_ecosystem,
    huggingface,
    is_hub,
)
from nerq_cli.inventory import Package, Release, find_repository

SHA = "0123456789abcdef0123456789abcdef01234567"
OTHER_TEXTS = ("a b", "a\n", "a\x00b", "a" * 256)
HUB_IDS: list[EcosystemId] = ["huggingface", "huggingface-dataset", "huggingface-space", "huggingface-kernel"]


def test_four_ecosystems_are_on_the_hub() -> None:
    assert [one for one in get_args(EcosystemId) if is_hub(one)] == HUB_IDS
    assert [get_hub_ecosystem(one).kind for one in HUB_IDS] == ["model", "dataset", "space", "kernel"]
    assert not any(get_ecosystem(one).has_advisories for one in HUB_IDS)
    with pytest.raises(ValueError, match="npm is not on the Hub"):
        get_hub_ecosystem("npm")


@pytest.mark.parametrize(
    ("ecosystem", "name", "purl"),
    [
        ("huggingface", "Qwen/Qwen3-4B", f"pkg:huggingface/Qwen/Qwen3-4B@{SHA}"),
        ("huggingface", "gpt2", f"pkg:huggingface/gpt2@{SHA}"),
        ("huggingface-dataset", "openai/gsm8k", f"pkg:huggingface/datasets/openai/gsm8k@{SHA}"),
        ("huggingface-dataset", "squad", f"pkg:huggingface/datasets/squad@{SHA}"),
        ("huggingface-space", "owner/demo", f"pkg:huggingface/spaces/owner/demo@{SHA}"),
        (
            "huggingface-kernel",
            "kernels-community/activation",
            f"pkg:huggingface/kernels/kernels-community/activation@{SHA}",
        ),
    ],
)
def test_a_package_url_names_the_kind_and_is_read_back(ecosystem: EcosystemId, name: str, purl: str) -> None:
    release = Release(package=Package(ecosystem=ecosystem, name=name), version=SHA)
    assert release.purl == purl
    namespace, _, base_name = purl.removeprefix("pkg:huggingface/").partition("@")[0].rpartition("/")
    assert find_purl_package("huggingface", namespace, base_name) == (ecosystem, name)


def test_repositories_of_different_kinds_have_keys_of_their_own() -> None:
    assert len({Package(ecosystem=one, name="a/b").key for one in HUB_IDS}) == len(HUB_IDS)


@pytest.mark.parametrize("name", ["gpt2", "Qwen/Qwen3-4B", "a/b_c.d", "01-ai/Yi-6B", "_a/b", "a/" + "b" * 96])
def test_a_valid_name_is_accepted(name: str) -> None:
    assert all(get_ecosystem(one).find_name_error(name) == "" for one in HUB_IDS)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "a/",
        "/b",
        "a/b/c",
        "../b",
        "a/..",
        "a/b..c",
        "a--b/c",
        "a/-b",
        "a/b-",
        ".a/b",
        "a/b.git",
        "a b",
        "a/b\n",
        "a/b\x1b[31m",
        "a/b%2f",
        "ä/b",
        "a\\b",
        "a/b?c",
        "a/b#c",
        "a/" + "b" * 97,
    ],
)
def test_a_name_with_traversal_or_other_characters_is_refused(name: str) -> None:
    assert all(get_ecosystem(one).find_name_error(name) for one in HUB_IDS)


@pytest.mark.parametrize("revision", ["main", "v1.0", "refs/pr/1", "refs/convert/parquet", "a/b", SHA, SHA[:7], "é"])
def test_a_revision_is_accepted(revision: str) -> None:
    assert get_ecosystem("huggingface").accepts_requirement(revision)


@pytest.mark.parametrize(
    "revision",
    [
        *[
            "../a",
            "a/../b",
            "/a",
            "a/",
            "a//b",
            "a~1",
            "a^",
            "a:b",
            "a?",
            "a*",
            "a[b",
            "a\\b",
            "a@{1}",
            "a.lock",
            "a.lock/b",
            "a.",
            "a/.b",
        ],
        *OTHER_TEXTS,
    ],
)
def test_what_is_no_reference_of_git_is_refused(revision: str) -> None:
    assert not get_ecosystem("huggingface").accepts_requirement(revision)


def test_only_a_whole_commit_is_a_pin() -> None:
    ecosystem = get_ecosystem("huggingface")
    assert ecosystem.parse_pin(SHA.upper()) == SHA
    assert [ecosystem.parse_pin(text) for text in ("", "main", SHA[:39], f"{SHA}0", f"{SHA}\n", "v1")] == [None] * 6
    assert ecosystem.is_same_version(SHA, SHA.upper())


@pytest.mark.parametrize(
    ("path", "link"),
    [
        ("/Qwen/Qwen3-4B", ("huggingface", "Qwen/Qwen3-4B", "")),
        ("/gpt2", ("huggingface", "gpt2", "")),
        ("/gpt2/tree/main", ("huggingface", "gpt2", "main")),
        ("/a/b/resolve/v1.0/x/model.bin?download=true", ("huggingface", "a/b", "v1.0")),
        ("/a/b/blob/refs%2Fpr%2F1/x", ("huggingface", "a/b", "refs/pr/1")),
        ("/a/b/tree/refs/pr/1", ("huggingface", "a/b", "refs/pr/1")),
        ("/a/b/discussions", ("huggingface", "a/b", "")),
        ("/datasets/a/b/tree/main/data#top", ("huggingface-dataset", "a/b", "main")),
        ("/datasets/squad", ("huggingface-dataset", "squad", "")),
        ("/spaces/a/b", ("huggingface-space", "a/b", "")),
        ("/kernels/a/b", ("huggingface-kernel", "a/b", "")),
        ("/api/models/a/b/revision/v1", ("huggingface", "a/b", "v1")),
        ("/api/datasets/a/b", ("huggingface-dataset", "a/b", "")),
        ("/", None),
        ("/docs/hub", None),
        ("/api/organizations/a", None),
        ("/datasets", None),
        ("/buckets/a/b", None),
    ],
)
def test_a_link_leads_to_its_repository(path: str, link: tuple[EcosystemId, str, str] | None) -> None:
    assert huggingface.parse_hub_path(path) == (link and huggingface.HubLink(*link))


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("//a/b", ("huggingface", "a/b", "")),
        ("//gpt2@v1", ("huggingface", "gpt2", "v1")),
        ("//a/b@v1/file.bin", ("huggingface", "a/b", "v1")),
        ("//datasets/a/b@refs/pr/1/x.csv", ("huggingface-dataset", "a/b", "refs/pr/1")),
        ("//datasets/a/b@refs%2Fpr%2F1/x.csv", ("huggingface-dataset", "a/b", "refs/pr/1")),
        ("//buckets/a/b", None),
        ("//", None),
        ("//datasets", None),
    ],
)
def test_a_uri_leads_to_its_repository(text: str, link: tuple[EcosystemId, str, str] | None) -> None:
    assert huggingface.parse_hub_uri(text) == (link and huggingface.HubLink(*link))


@given(st.text(max_size=80))
def test_no_text_raises(text: str) -> None:
    huggingface.parse_hub_path(text)
    huggingface.parse_hub_uri(text)
    for ecosystem_id in HUB_IDS:
        ecosystem = get_ecosystem(ecosystem_id)
        ecosystem.accepts_requirement(text)
        if not ecosystem.find_name_error(text):
            assert ".." not in text
            assert text.isascii()
            assert text.isprintable()


def test_a_repository_on_github_is_found_by_its_name() -> None:
    repository = find_repository(Package(ecosystem="github", name="acme/demo"))
    assert repository is not None
    assert repository.id == "github.com/acme/demo"
    assert find_repository(Package(ecosystem="npm", name="acme")) is None
