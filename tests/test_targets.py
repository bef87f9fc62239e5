"""Targets that are not packages: repositories of the Hub and on GitHub."""

from __future__ import annotations

import pytest

from nerq_cli.errors import UsageError
from nerq_cli.sources import SOURCES
from nerq_cli.targets import parse_target

SHA = "0123456789abcdef0123456789abcdef01234567"
HUB = str(SOURCES["huggingface"].url)


@pytest.mark.parametrize(
    ("target", "ecosystem", "name", "requirement"),
    [
        ("hf:Qwen/Qwen3-4B", "huggingface", "Qwen/Qwen3-4B", ""),
        (f"HF-Model:gpt2@{SHA}", "huggingface", "gpt2", SHA),
        ("hf-dataset:a/b@refs/convert/parquet", "huggingface-dataset", "a/b", "refs/convert/parquet"),
        ("hf-space:a/b", "huggingface-space", "a/b", ""),
        ("hf-kernel:a/b@v1", "huggingface-kernel", "a/b", "v1"),
        ("huggingface-dataset:a/b", "huggingface-dataset", "a/b", ""),
        ("hf://datasets/a/b@v1/x.csv", "huggingface-dataset", "a/b", "v1"),
        (f"{HUB}/a/b/tree/v1", "huggingface", "a/b", "v1"),
        (f"{HUB.partition('://')[2].upper()}/spaces/a/b", "huggingface-space", "a/b", ""),
        ("https://hf.co/a/b", "huggingface", "a/b", ""),
        ("hf.co/a/b:Q4_K_M", "huggingface", "a/b", ""),
        ("http://hub.example/mirror/datasets/a/b", "huggingface-dataset", "a/b", ""),
        (f"pkg:huggingface/a/b@{SHA}", "huggingface", "a/b", SHA),
        (f"pkg:huggingface/kernels/a/b@{SHA}", "huggingface-kernel", "a/b", SHA),
        ("pkg:huggingface/gpt2", "huggingface", "gpt2", ""),
    ],
)
def test_a_target_names_a_repository_of_the_hub(target: str, ecosystem: str, name: str, requirement: str) -> None:
    [declaration] = parse_target(target, hub_url="https://hub.example/mirror")
    assert (declaration.ecosystem, declaration.name, declaration.requirement) == (ecosystem, name, requirement)
    assert declaration.skip_reason == ""


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("hf:../../etc/passwd", "names no repository"),
        ("hf:a/b@../x", "is not a revision"),
        ("hf:a/b\x1b[31m", "names no repository"),
        ("hf:a b", "names no huggingface package"),
        ("hf:", "names no huggingface package"),
        ("pkg:huggingface/spaces/a/b/c", "names no repository"),
        (f"{HUB}/docs/hub", "leads to no repository"),
        ("hf://buckets/a/b", "leads to no repository"),
        ("https://other.example/a/b", "is not an address on the Hub"),
        ("https://hub.example.evil.example/mirror/a/b", "is not an address on the Hub"),
        ("github:acme", "names no repository"),
        ("github:acme/..", "names no repository"),
        ("github:acme/x@a..b", "is not a revision"),
        ("github:acme/x@-v\x1b", "is not a revision"),
        ("https://github.com/acme/..", "names no repository"),
        ("https://github.com/settings/profile", "is not an address on the Hub"),
    ],
)
def test_what_names_no_repository_is_refused(target: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        parse_target(target, hub_url="https://hub.example/mirror")
    assert caught.value.hint


@pytest.mark.parametrize(
    ("target", "name", "requirement"),
    [
        ("github:Acme/Demo", "acme/demo", ""),
        ("github:acme/demo.git@v1", "acme/demo", "v1"),
        (f"gh:acme/demo@{SHA}", "acme/demo", SHA),
        ("pkg:github/acme/demo@v1", "acme/demo", "v1"),
        ("https://github.com/psf/requests", "psf/requests", ""),
        ("http://www.github.com/psf/requests.git", "psf/requests", ""),
        ("git+https://github.com/psf/requests.git@v2.32.0", "psf/requests", "v2.32.0"),
        ("git+ssh://git@github.com/psf/requests.git", "psf/requests", ""),
        ("git@github.com:psf/requests.git", "psf/requests", ""),
        ("github.com/psf/requests/", "psf/requests", ""),
        ("github.com/psf/requests/tree/main?tab=readme", "psf/requests", "main"),
        (f"https://github.com/psf/requests/commit/{SHA}", "psf/requests", SHA),
        ("https://github.com/psf/requests/releases/tag/v2.32.0#notes", "psf/requests", "v2.32.0"),
        ("https://github.com/psf/requests/issues/1", "psf/requests", ""),
        ("https://github.com/psf/black.js", "psf/black.js", ""),
    ],
)
def test_a_target_names_a_repository_on_github(target: str, name: str, requirement: str) -> None:
    [declaration] = parse_target(target)
    assert (declaration.package.ecosystem, declaration.package.name) == ("github", name)
    assert (declaration.requirement, declaration.skip_reason) == (requirement, "")


def test_a_requirement_of_npm_may_be_an_address() -> None:
    [declaration] = parse_target("npm:demo@https://registry.example/demo.tgz")
    assert (declaration.ecosystem, declaration.name) == ("npm", "demo")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("Qwen/Qwen3-4B-Instruct-2507", "hf:Qwen/Qwen3-4B-Instruct-2507"),
        ("psf/requests@v1", "github:psf/requests@v1"),
    ],
)
def test_a_repository_without_a_prefix_is_refused_with_the_prefix_to_write(text: str, part: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_target(text)
    assert part in caught.value.hint


@pytest.mark.parametrize("target", [f"{HUB}/acme", f"{HUB.partition('://')[2]}/acme/", "https://hf.co/acme?sort=1"])
def test_the_page_of_an_account_is_no_model(target: str) -> None:
    with pytest.raises(UsageError, match="leads to an account") as caught:
        parse_target(target)
    assert "hf:acme/NAME" in caught.value.hint


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (f"{HUB}/gpt2", "gpt2"),
        (f"{HUB}/bert-base-uncased", "bert-base-uncased"),
        ("hf:acme", "acme"),
        (f"{HUB}/acme/tree/main", "acme"),
        (f"{HUB}/datasets/squad", "squad"),
    ],
)
def test_a_model_or_dataset_without_an_owner_is_a_target(target: str, name: str) -> None:
    assert [declaration.name for declaration in parse_target(target)] == [name]
