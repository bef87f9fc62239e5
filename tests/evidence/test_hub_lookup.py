"""The facts about repositories of the Hub, collected from a stand-in."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from nerq_cli.ecosystems import EcosystemId
from nerq_cli.evidence.hub_lookup import MAX_RELATED, PRIVATE, HubLookup
from nerq_cli.facts import NOT_REQUESTED, Absent, Found, Unknown
from nerq_cli.fetch.run import FetchRun
from nerq_cli.hub_facts import CardMetadata, HubEvidence, HubFile, HubOwner, HubRepository, HubScan
from nerq_cli.inventory import Package
from nerq_cli.sources.endpoints import read_endpoints
from nerq_cli.sources.huggingface import REPOSITORIES
from nerq_cli.store import MemoryCache
from tests.conftest import NOW
from tests.sources.huggingface.conftest import SHA, HubStandIn, build_model

if TYPE_CHECKING:
    from tests.conftest import Site

OpenRun = Callable[..., FetchRun]
GOOD, BAD = "hf_good", "hf_bad"


@pytest.fixture
def hub(site: Site) -> HubStandIn:
    stand_in = HubStandIn(site)
    stand_in.add_model("org/demo", cardData={"license": "apache-2.0", "base_model": "org/base"})
    stand_in.add_model("org/base")
    stand_in.organisations["org"] = {"name": "org", "isVerified": True, "numModels": 9, "numFollowers": 12}
    return stand_in


def model(name: str, ecosystem: EcosystemId = "huggingface") -> Package:
    return Package(ecosystem=ecosystem, name=name)


def look_up(run: FetchRun, hub: HubStandIn, *targets: tuple[Package, str], token: str = "", **options: Any) -> Any:
    environ = {"HF_ENDPOINT": hub.url, **({"HF_TOKEN": token} if token else {})}
    return HubLookup(run, read_endpoints(environ), **options).collect(targets)


def look_up_one(run: FetchRun, hub: HubStandIn, package: Package, revision: str = "", **options: Any) -> HubEvidence:
    evidence = look_up(run, hub, (package, revision), **options)
    assert list(evidence) == [(package, revision)]
    found: HubEvidence = evidence[package, revision]
    return found


def test_a_model_takes_four_requests_and_its_base_one(open_run: OpenRun, hub: HubStandIn) -> None:
    run = open_run()
    evidence = look_up_one(run, hub, model("org/demo"))
    assert isinstance(evidence.repository, Found)
    repository = evidence.repository.value
    assert repository == HubRepository(
        kind="model",
        id="org/demo",
        sha=SHA,
        author="org",
        created_at=1735787045,
        modified_at=1738555506,
        gated="",
        downloads=1234,
        likes=56,
        tags=("safetensors", "license:apache-2.0"),
        pipeline_tag="text-generation",
        library="transformers",
        card=CardMetadata(licence=("apache-2.0",), base_models=("org/base",)),
        has_card_data=True,
        architectures=("DemoForCausalLM",),
        model_type="demo",
        auto_map=False,
        parameters=7_000,
        files=(HubFile("README.md", 12), HubFile("model.safetensors", 14_000, "c" * 64)),
        scans_done=True,
    )
    assert isinstance(evidence.card, Found)
    assert (evidence.card.value.text, evidence.card.value.is_cut) == ("# Demo\n\nA model.\n", False)
    assert isinstance(evidence.owner, Found)
    assert evidence.owner.value == HubOwner("org", is_organisation=True, is_verified=True, models=9, followers=12)
    assert isinstance(evidence.bases["org/base"], Found)
    assert sorted(hub.paths) == [
        "/api/models/org/base/revision/main",
        "/api/models/org/demo/revision/main",
        "/api/organizations/org/overview",
        f"/org/demo/resolve/{SHA}/README.md",
    ]
    [summary] = run.summarise_sources()
    assert (summary.name, summary.state, summary.requests) == ("Hugging Face", "ok", 4)


def test_a_user_is_requested_where_there_is_no_such_organisation(open_run: OpenRun, hub: HubStandIn) -> None:
    del hub.organisations["org"]
    hub.users["org"] = {"user": "org", "type": "user", "numModels": 3, "numFollowers": 1}
    evidence = look_up_one(open_run(), hub, model("org/base"))
    assert isinstance(evidence.owner, Found)
    assert evidence.owner.value == HubOwner("org", is_organisation=False, models=3, followers=1)
    assert len(hub.paths) == 4


def test_a_second_run_sends_nothing_and_has_the_same_facts(open_run: OpenRun, hub: HubStandIn) -> None:
    store = MemoryCache()
    targets = [(model("org/demo"), ""), (model("org/none"), ""), (model("org/demo"), SHA), (model("org/demo"), "x")]
    first = look_up(open_run(store), hub, *targets)
    count = len(hub.paths)
    assert look_up(open_run(store, now=NOW + 60), hub, *targets) == first
    assert look_up(open_run(store, now=NOW + 90_000_000, offline=True), hub, *targets) == first
    assert len(hub.paths) == count


def test_a_card_of_a_commit_is_requested_once_for_good(open_run: OpenRun, hub: HubStandIn) -> None:
    store = MemoryCache()
    look_up(open_run(store), hub, (model("org/base"), ""))
    look_up(open_run(store, now=NOW + 30_000_000), hub, (model("org/base"), ""))
    assert hub.paths.count("/api/models/org/base/revision/main") == 2  # scans and gates may have changed
    assert hub.paths.count(f"/org/base/resolve/{SHA}/README.md") == 1


def test_a_revision_is_resolved_and_one_that_is_not_there_is_absent(open_run: OpenRun, hub: HubStandIn) -> None:
    evidence = look_up(
        open_run(), hub, (model("org/base"), "v1"), (model("org/base"), "gone"), (model("org/base"), SHA)
    )
    assert evidence[model("org/base"), "v1"].repository.value.sha == SHA
    assert evidence[model("org/base"), SHA].repository.value.sha == SHA
    missing = evidence[model("org/base"), "gone"].repository
    assert missing == Absent("Hugging Face", NOW, "the repository has no revision gone")


def test_a_pull_request_is_one_segment_of_the_address(open_run: OpenRun, hub: HubStandIn) -> None:
    look_up(open_run(), hub, (model("org/base"), "refs/pr/1"))
    assert hub.paths == ["/api/models/org/base/revision/refs%2Fpr%2F1"]


def test_missing_and_private_are_one_without_a_token_and_absent_with_one(open_run: OpenRun, hub: HubStandIn) -> None:
    hub.add_model("org/secret", private=True)
    for name in ("org/none", "org/secret"):
        evidence = look_up_one(open_run(), hub, model(name))
        assert evidence == HubEvidence(repository=Unknown("missing or private", "Hugging Face", "HF_TOKEN"))
    evidence = look_up_one(open_run(), hub, model("org/none"), token=GOOD)
    assert evidence.repository == Absent("Hugging Face", NOW, "the Hub has no such repository")
    assert isinstance(look_up_one(open_run(), hub, model("org/secret"), token=GOOD).repository, Found)


def test_a_refused_token_is_named_and_not_remembered(open_run: OpenRun, hub: HubStandIn) -> None:
    store = MemoryCache()
    for _ in range(2):
        fact = look_up_one(open_run(store), hub, model("org/base"), token=BAD).repository
        assert fact == Unknown(f"{hub.site.host}: refused the token in HF_TOKEN", "Hugging Face")
    assert len(hub.paths) == 2


def test_what_is_found_with_a_token_is_not_used_without_it(open_run: OpenRun, hub: HubStandIn) -> None:
    store = MemoryCache()
    hub.add_model("org/secret", private=True)
    assert isinstance(look_up_one(open_run(store), hub, model("org/secret"), token=GOOD).repository, Found)
    assert isinstance(look_up_one(open_run(store), hub, model("org/secret")).repository, Unknown)


def test_of_a_gated_model_the_card_is_unknown_and_all_else_is_known(open_run: OpenRun, hub: HubStandIn) -> None:
    hub.add_model("org/gated", gated="manual")
    store = MemoryCache()
    for _ in range(2):
        evidence = look_up_one(open_run(store), hub, model("org/gated"))
        assert isinstance(evidence.repository, Found)
        assert evidence.repository.value.gated == "manual"
        reason = "gated: the Hub asks for a token whose account has access"
        assert evidence.card == Unknown(reason, "Hugging Face", "HF_TOKEN")
    assert hub.paths.count(f"/org/gated/resolve/{SHA}/README.md") == 1
    assert isinstance(look_up_one(open_run(store), hub, model("org/gated"), token=GOOD).card, Found)


def test_a_card_that_a_policy_blocks_is_unknown(open_run: OpenRun, hub: HubStandIn) -> None:
    hub.turns[f"/org/base/resolve/{SHA}/README.md"] = {"status": 403, "body": b""}
    evidence = look_up_one(open_run(), hub, model("org/base"))
    assert evidence.card == Unknown("the Hub refuses it to you (403)", "Hugging Face", "HF_TOKEN")
    assert isinstance(evidence.repository, Found)


def test_a_repository_that_a_policy_blocks_is_unknown(open_run: OpenRun, hub: HubStandIn) -> None:
    hub.turns["/api/models/org/base/revision/main"] = {"status": 403, "body": {}}
    assert look_up_one(open_run(), hub, model("org/base"), token=GOOD) == HubEvidence(
        repository=Unknown("the Hub refuses it to you (403)", "Hugging Face")
    )


def test_no_token_ends_a_refusal_for_legal_reasons(open_run: OpenRun, hub: HubStandIn) -> None:
    hub.turns["/api/models/org/base/revision/main"] = {"status": 451, "body": {}}
    reason = Unknown("the Hub refuses it for legal reasons, or in this region (451)", "Hugging Face")
    for token in ("", GOOD):
        assert look_up_one(open_run(), hub, model("org/base"), token=token).repository == reason
    del hub.turns["/api/models/org/base/revision/main"]
    hub.turns[f"/org/base/resolve/{SHA}/README.md"] = {"status": 451, "body": b""}
    assert look_up_one(open_run(), hub, model("org/base")).card == reason


def test_a_disabled_repository_is_known_to_be_disabled(open_run: OpenRun, hub: HubStandIn) -> None:
    message = {"X-Error-Message": "Access to this resource is disabled."}
    hub.turns["/api/models/org/bad/revision/main"] = {"status": 403, "headers": message, "body": {}}
    fact = look_up_one(open_run(), hub, model("org/bad")).repository
    assert isinstance(fact, Found)
    assert fact.value == HubRepository(kind="model", id="org/bad", disabled=True)


def test_a_renamed_repository_has_its_new_name_and_owner(open_run: OpenRun, hub: HubStandIn) -> None:
    hub.renamed["old"] = "org/base"
    evidence = look_up_one(open_run(), hub, model("old"))
    assert isinstance(evidence.repository, Found)
    assert (evidence.repository.value.id, evidence.repository.value.scans_done) == ("org/base", True)
    assert isinstance(evidence.owner, Found)
    assert f"/org/base/resolve/{SHA}/README.md" in hub.paths


def test_a_redirect_to_another_host_is_not_followed(open_run: OpenRun, hub: HubStandIn, other_site: Site) -> None:
    location = {"Location": f"{other_site.url}/api/models/org/base/revision/main"}
    hub.turns["/api/models/org/base/revision/main"] = {"status": 307, "headers": location}
    fact = look_up_one(open_run(), hub, model("org/base"), token=GOOD).repository
    assert isinstance(fact, Unknown)
    assert other_site.requests == []


def test_the_token_is_sent_to_the_hub_alone(open_run: OpenRun, hub: HubStandIn) -> None:
    look_up(open_run(), hub, (model("org/demo"), ""), token=GOOD)
    assert {request.headers.get("authorization") for request in hub.site.requests} == {"Bearer hf_good"}
    assert "hf_good" not in "".join(request.path for request in hub.site.requests)


def test_a_private_name_is_never_sent_also_not_one_that_a_card_names(open_run: OpenRun, hub: HubStandIn) -> None:
    hub.add_model("org/user", cardData={"base_model": ["acme/internal", "../x", "org/base"]})
    evidence = look_up(
        open_run(),
        hub,
        (model("acme/secret"), ""),
        (model("org/user"), ""),
        is_private=lambda package: package.name.startswith("acme/"),
    )
    assert evidence[model("acme/secret"), ""] == HubEvidence(repository=PRIVATE)
    bases = evidence[model("org/user"), ""].bases
    assert bases["acme/internal"] == PRIVATE
    assert bases["../x"] == Unknown("not the name of a repository on the Hub")
    assert isinstance(bases["org/base"], Found)
    assert not any("acme" in path or ".." in path for path in hub.paths)


def test_a_hub_that_is_configured_for_this_tool_receives_private_names(open_run: OpenRun, hub: HubStandIn) -> None:
    endpoints = read_endpoints({"NERQ_HF_URL": hub.url, "HF_ENDPOINT": "https://mirror.example"})
    HubLookup(open_run(), endpoints, is_private=lambda _: True).collect([(model("acme/secret"), "")])
    assert hub.paths == ["/api/models/acme/secret/revision/main"]


def test_a_name_that_no_repository_has_is_not_sent(open_run: OpenRun, hub: HubStandIn) -> None:
    evidence = look_up_one(open_run(), hub, model("../../etc/passwd"))
    assert evidence.repository == Unknown("not the name of a repository on the Hub")
    assert hub.paths == []


def test_the_models_of_a_space_are_looked_up_and_not_more_than_some(open_run: OpenRun, hub: HubStandIn) -> None:
    names = [f"org/m{number}" for number in range(MAX_RELATED + 2)]
    space = {
        **build_model("org/app"),
        "sdk": "gradio",
        "runtime": {"stage": "RUNNING"},
        "models": names,
        "datasets": ["d"],
    }
    hub.repositories["spaces", "org/app"] = space
    for name in names:
        hub.add_model(name)
    evidence = look_up_one(open_run(), hub, model("org/app", "huggingface-space"))
    assert isinstance(evidence.repository, Found)
    repository = evidence.repository.value
    assert (repository.kind, repository.sdk, repository.stage) == ("space", "gradio", "RUNNING")
    assert (repository.used_models, repository.used_datasets) == (tuple(names), ("d",))
    assert evidence.bases == {}
    assert list(evidence.used) == names
    assert [isinstance(fact, Found) for fact in evidence.used.values()] == [True] * MAX_RELATED + [False] * 2
    assert f"/spaces/org/app/resolve/{SHA}/README.md" in hub.paths


def test_a_kernel_has_its_files_from_its_tree_and_its_metadata_from_its_card(
    open_run: OpenRun, hub: HubStandIn
) -> None:
    kernel = {"id": "org/k", "author": "org", "sha": SHA, "gated": False, "downloads": 5, "likes": 1, "private": False}
    hub.repositories["kernels", "org/k"] = kernel
    hub.cards["kernels/org/k"] = "---\nlicense: mit\ntags: [kernel]\n---\ntext"
    hub.trees["org/k"] = [{"type": "directory", "path": "build", "size": 0, "oid": "x"}] + [
        {"type": "file", "path": f"build/{number:04}.so", "size": number, "oid": "x"} for number in range(25)
    ]
    hub.page_size = 10
    evidence = look_up_one(open_run(), hub, model("org/k", "huggingface-kernel"))
    assert isinstance(evidence.repository, Found)
    repository = evidence.repository.value
    assert (repository.kind, repository.auto_map, repository.scans_done) == ("kernel", None, True)
    assert (repository.scanned_files, repository.unscanned_files) == (25, 0)
    assert repository.card == CardMetadata(licence=("mit",), tags=("kernel",))
    assert repository.files is not None
    assert [file.size for file in repository.files] == list(range(25))
    assert repository.more_files == 0
    tree = f"/api/kernels/org/k/tree/{SHA}"
    assert hub.paths.count(tree) == 3  # the links lead to another host: the endpoint in use is requested


def test_a_tree_with_too_many_pages_is_cut_and_said_to_be(open_run: OpenRun, hub: HubStandIn) -> None:
    hub.repositories["kernels", "org/k"] = {"id": "org/k", "sha": SHA}
    hub.trees["org/k"] = [{"type": "file", "path": f"{number}.py", "size": 1} for number in range(9)]
    hub.page_size = 2
    fact = look_up_one(open_run(), hub, model("org/k", "huggingface-kernel")).repository
    assert isinstance(fact, Found)
    assert (len(fact.value.files or ()), fact.value.more_files) == (6, 1)


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_a_shorter_tree_takes_no_file_away(open_run: OpenRun, hub: HubStandIn, kind: str) -> None:
    names = ("model.safetensors", "pytorch_model.bin")
    siblings = [{"rfilename": name} for name in names]
    hub.repositories[f"{kind}s", "org/part"] = build_model("org/part", siblings=siblings)
    hub.file_states["org/part", "pytorch_model.bin"] = {"status": "unsafe"}
    for rows in ((), names[:1]):
        hub.trees["org/part"] = [{"type": "file", "path": name, "size": 5} for name in rows]
        repository = find_repository(
            look_up_one(open_run(), hub, model("org/part", "huggingface" if kind == "model" else "huggingface-dataset"))
        )
        assert [file.path for file in repository.files or ()] == list(names)
        assert repository.more_files == 1  # one of both lists is wrong: there may be more
        if kind == "dataset":
            assert repository.scans == (HubScan("pytorch_model.bin", "unsafe"),)
            assert (repository.scanned_files, repository.unscanned_files) == (2, 1)


def test_a_longer_tree_adds_files_and_sizes(open_run: OpenRun, hub: HubStandIn) -> None:
    hub.add_model("org/part", siblings=[{"rfilename": "a.bin"}])
    hub.trees["org/part"] = [{"type": "file", "path": name, "size": 5} for name in ("a.bin", "b.bin")]
    repository = find_repository(look_up_one(open_run(), hub, model("org/part")))
    assert [(file.path, file.size) for file in repository.files or ()] == [("a.bin", 5), ("b.bin", 5)]
    assert repository.more_files == 0


@pytest.mark.parametrize("entry", ["a.bin", {"x": 1}, {"rfilename": 5, "size": 1}, None, {"rfilename": "a" * 600}])
def test_entries_of_lists_of_files_that_cannot_be_read_are_counted(
    open_run: OpenRun, hub: HubStandIn, entry: object
) -> None:
    hub.add_model("org/odd", siblings=[entry, {"rfilename": "README.md", "size": 1}])
    repository = find_repository(look_up_one(open_run(), hub, model("org/odd")))
    assert [file.path for file in repository.files or ()] == ["README.md"]
    assert repository.more_files == 1
    hub.repositories["kernels", "org/k"] = {"id": "org/k", "sha": SHA}
    rows: list[Any] = [{"type": "file", "path": "README.md", "size": 1}, {"path": ["x"]}, {"type": "directory"}]
    hub.trees["org/k"] = [*rows, {"type": "file", "path": "LICENSE", "size": 1}]
    hub.page_size = 2
    repository = find_repository(look_up_one(open_run(), hub, model("org/k", "huggingface-kernel")))
    assert [file.path for file in repository.files or ()] == ["LICENSE", "README.md"]
    assert repository.more_files == 1


def test_names_that_are_no_paths_of_files_are_kept(open_run: OpenRun, hub: HubStandIn) -> None:
    hub.add_model("org/odd", siblings=[{"rfilename": "../../x.bin"}, {"rfilename": "/etc/passwd"}])
    repository = find_repository(look_up_one(open_run(), hub, model("org/odd")))
    assert {file.path for file in repository.files or ()} == {"../../x.bin", "/etc/passwd"}


def test_a_dataset_whose_answer_is_too_large_is_known_without_it(open_run: OpenRun, hub: HubStandIn) -> None:
    files = [{"rfilename": f"data/{number:060}.parquet", "size": 1} for number in range(180_000)]
    hub.repositories["datasets", "org/d"] = build_model("org/d", siblings=files)
    hub.trees["org/d"] = [{"type": "file", "path": f"{number}.parquet", "size": 1} for number in range(3)]
    evidence = look_up_one(open_run(deadline_seconds=30.0), hub, model("org/d", "huggingface-dataset"))
    assert isinstance(evidence.repository, Found)
    assert evidence.repository.value.downloads == 1234
    assert len(evidence.repository.value.files or ()) == 3


def test_files_that_are_code_are_kept_before_those_that_are_data(open_run: OpenRun, hub: HubStandIn) -> None:
    files = [{"rfilename": f"{number}.json", "size": 1} for number in range(2_500)] + [
        {"rfilename": "z/y/x.exe", "size": 1}
    ]
    hub.add_model("org/large", siblings=files)
    fact = look_up_one(open_run(), hub, model("org/large")).repository
    assert isinstance(fact, Found)
    assert fact.value.files is not None
    assert (len(fact.value.files), fact.value.more_files) == (2_000, 501)
    assert fact.value.files[-1].path == "z/y/x.exe"


def test_weights_are_kept_beside_files_that_may_hold_code(open_run: OpenRun, hub: HubStandIn) -> None:
    files = [{"rfilename": f"a/{number}.bin", "size": 1} for number in range(2_500)]
    hub.add_model("org/large", siblings=[*files, {"rfilename": "model.safetensors", "size": 1}])
    names = {file.path for file in find_repository(look_up_one(open_run(), hub, model("org/large"))).files or ()}
    assert "model.safetensors" in names


def test_scans_are_kept_as_the_hub_states_them(open_run: OpenRun, hub: HubStandIn) -> None:
    issues = [{"path": "b.bin", "level": "novel"}, {"path": "a.bin", "level": "unsafe"}, "?", {"path": "c.bin"}]
    hub.add_model("org/base", securityRepoStatus={"scansDone": False, "filesWithIssues": issues})
    fact = look_up_one(open_run(), hub, model("org/base")).repository
    assert isinstance(fact, Found)
    assert fact.value.scans_done is False
    assert fact.value.scans == (HubScan("a.bin", "unsafe"), HubScan("c.bin", "not stated"), HubScan("b.bin", "novel"))


KERNEL = model("org/k", "huggingface-kernel")
REFERENCES = "/api/kernels/org/k/refs"


@pytest.fixture
def kernel(hub: HubStandIn) -> HubStandIn:
    """A Hub with a kernel that has the versions 1, 2 and 3, and older ones as tags."""
    hub.repositories["kernels", "org/k"] = {"id": "org/k", "sha": SHA}
    hub.branches["org/k"] = {"main": SHA, "v1": "1" * 40, "v2": "2" * 40, "v3": "3" * 40, "v4-next": "4" * 40}
    hub.tags["org/k"] = {"v0.1.0": "a" * 40, "v0.1.2": "b" * 40, "v0.2.0rc1": "c" * 40, "vector": "d" * 40}
    return hub


@pytest.mark.parametrize(
    ("version_range", "commit"),
    [
        (">=0.0.1", "b" * 40),  # a tag comes before a branch, as the library has it
        ("~=0.1.0", "b" * 40),
        (">=0.1,<0.1.2", "a" * 40),
        (">=1", "3" * 40),
        (">=1,<3", "2" * 40),
        ("!=0.1.2", "a" * 40),
        ("==0.2.0rc1", "c" * 40),
    ],
)
def test_a_range_of_versions_of_a_kernel_is_resolved(
    open_run: OpenRun, kernel: HubStandIn, version_range: str, commit: str
) -> None:
    evidence = look_up_one(open_run(), kernel, KERNEL, version_range)
    assert find_repository(evidence).sha == commit
    assert kernel.paths[:2] == [REFERENCES, f"/api/kernels/org/k/revision/{commit}"]


@pytest.mark.parametrize("version_range", [">=4", ">=x", ">", "<0.1,>1", "1,2"])
def test_a_range_that_no_version_meets_is_a_revision_that_is_not_there(
    open_run: OpenRun, kernel: HubStandIn, version_range: str
) -> None:
    fact = look_up_one(open_run(), kernel, KERNEL, version_range).repository
    assert fact == Absent("Hugging Face", NOW, f"the repository has no revision that meets {version_range}")
    assert kernel.paths == [REFERENCES]


def test_ranges_and_revisions_are_looked_up_together_and_kept(open_run: OpenRun, kernel: HubStandIn) -> None:
    store = MemoryCache()
    targets = [(KERNEL, ">=1"), (KERNEL, "v1"), (KERNEL, "<2"), (model("org/base"), ""), (KERNEL, ">=9")]
    first = look_up(open_run(store), kernel, *targets)
    assert list(first) == targets
    assert kernel.paths.count(REFERENCES) == 1
    count = len(kernel.paths)
    assert look_up(open_run(store, now=NOW + 60), kernel, *targets) == first
    assert look_up(open_run(store, now=NOW + 60_000, offline=True), kernel, *targets) == first
    assert len(kernel.paths) == count


@pytest.mark.parametrize(
    ("turn", "token", "reason"),
    [
        ({"status": 404, "body": {}}, "", "missing or private"),
        ({"status": 404, "body": {}}, GOOD, "the Hub has no such repository"),
        ({"status": 403, "body": {}}, "", "the Hub refuses it (403)"),
        ({"status": 405, "body": {}}, "", "does not offer this"),
        ({"status": 500, "body": {}}, "", "HTTP 500"),
        ({"body": []}, "", ""),
        (
            {"body": {"branches": 3, "tags": [3, {"name": 1}, {"name": "v1", "targetCommit": "x"}]}},
            "",
            "no revision that meets >=1",
        ),
    ],
)
def test_a_range_whose_versions_cannot_be_read_is_not_resolved(
    open_run: OpenRun, kernel: HubStandIn, turn: Any, token: str, reason: str
) -> None:
    kernel.turns[REFERENCES] = turn
    fact = look_up_one(open_run(), kernel, KERNEL, ">=1", token=token).repository
    assert not isinstance(fact, Found)
    assert reason in fact.reason


def test_the_versions_of_a_private_kernel_are_not_requested(open_run: OpenRun, kernel: HubStandIn) -> None:
    evidence = look_up_one(open_run(), kernel, KERNEL, ">=1", is_private=lambda _: True)
    assert evidence == HubEvidence(repository=PRIVATE)
    assert kernel.paths == []


BASE_TAGS = ["base_model:org/base", "base_model:quantized:org/base"]


@pytest.mark.parametrize(
    ("fields", "bases", "relation"),
    [
        ({"tags": ["license:mit", *BASE_TAGS]}, ("org/base",), "quantized"),
        ({"tags": BASE_TAGS[1:]}, ("org/base",), "quantized"),
        ({"tags": BASE_TAGS[:1]}, ("org/base",), ""),
        ({"tags": ["base_model:", "base_model:novel:org/base", "base_model:merge:a:b"]}, None, ""),
        ({"tags": BASE_TAGS, "cardData": {"tags": BASE_TAGS}}, None, ""),  # those of its author
        ({"baseModels": {"relation": "adapter", "models": [{"id": "org/base"}]}, "tags": []}, ("org/base",), "adapter"),
        ({"baseModels": {"relation": 3, "models": [{"id": "org/base"}, 3]}}, ("org/base",), ""),
        ({"baseModels": "x", "tags": "x"}, None, ""),
    ],
)
def test_base_models_are_those_that_the_hub_adds_to_the_tags(
    open_run: OpenRun, hub: HubStandIn, fields: dict[str, Any], bases: tuple[str, ...] | None, relation: str
) -> None:
    hub.add_model("org/small", **{"cardData": {"license": "mit"}, **fields})
    evidence = look_up_one(open_run(), hub, model("org/small"))
    repository = find_repository(evidence)
    assert (repository.verified_bases, repository.base_model_relation) == (bases, relation)
    assert list(evidence.bases) == list(bases or ())


def test_the_relation_that_its_author_states_comes_first(open_run: OpenRun, hub: HubStandIn) -> None:
    hub.add_model("org/small", tags=BASE_TAGS, cardData={"base_model_relation": "merge"})
    assert find_repository(look_up_one(open_run(), hub, model("org/small"))).base_model_relation == "merge"


@pytest.fixture
def dataset(hub: HubStandIn) -> Package:
    """A dataset with a loading script, pickled data, and data that nothing runs."""
    names = ["README.md", "rows.py", "rows.pkl", "train.parquet", "train.csv.gz"]
    files = [{"rfilename": name, "size": 1} for name in names]
    hub.repositories["datasets", "org/rows"] = build_model("org/rows", siblings=files)
    return model("org/rows", "huggingface-dataset")


def find_repository(evidence: HubEvidence) -> HubRepository:
    assert isinstance(evidence.repository, Found)
    return evidence.repository.value


PATHS_INFO = f"/api/datasets/org/rows/paths-info/{SHA}"


def test_the_scans_of_a_dataset_are_requested_for_the_files_that_may_hold_code(
    open_run: OpenRun, hub: HubStandIn, dataset: Package
) -> None:
    hub.file_states["org/rows", "rows.pkl"] = {"status": "Unsafe", "avScan": {"status": "safe"}}
    repository = find_repository(look_up_one(open_run(), hub, dataset))
    assert (repository.scans_done, repository.scanned_files, repository.unscanned_files) == (True, 2, 0)
    assert repository.scans == (HubScan("rows.pkl", "unsafe"),)
    [request] = [request for request in hub.site.requests if request.path == PATHS_INFO]
    assert json.loads(request.body) == {"paths": ["rows.pkl", "rows.py"], "expand": True}
    assert len(hub.paths) == 4


def test_a_virus_is_known_from_the_state_of_its_scanner(open_run: OpenRun, hub: HubStandIn, dataset: Package) -> None:
    hub.file_states["org/rows", "rows.py"] = {"status": "safe", "avScan": {"status": "safe", "virusFound": True}}
    assert find_repository(look_up_one(open_run(), hub, dataset)).scans == (HubScan("rows.py", "safe", virus=True),)


def test_finished_scans_are_kept_for_hours_and_those_under_way_for_one(
    open_run: OpenRun, hub: HubStandIn, dataset: Package
) -> None:
    store = MemoryCache()
    hub.file_states["org/rows", "rows.py"] = {"status": "queued"}
    assert find_repository(look_up_one(open_run(store), hub, dataset)).scans == (HubScan("rows.py", "queued"),)
    look_up_one(open_run(store, now=NOW + 60), hub, dataset)
    assert hub.paths.count(PATHS_INFO) == 1
    # The file has a result, and one scanner is not done.
    hub.file_states["org/rows", "rows.py"] = {"status": "safe", "jFrogScan": {"status": "queued"}}
    assert find_repository(look_up_one(open_run(store, now=NOW + 4_000), hub, dataset)).scans == ()
    hub.file_states.clear()
    look_up_one(open_run(store, now=NOW + 8_000), hub, dataset)
    assert hub.paths.count(PATHS_INFO) == 3
    look_up_one(open_run(store, now=NOW + 8_000 + 6 * 3_600 - 1), hub, dataset)
    assert hub.paths.count(PATHS_INFO) == 3
    look_up_one(open_run(store, now=NOW + 8_000 + 6 * 3_600 + 1), hub, dataset)
    assert hub.paths.count(PATHS_INFO) == 4  # a file may be found to be unsafe later


def test_the_scans_of_a_gated_dataset_are_those_of_the_first_page_of_its_tree(
    open_run: OpenRun, hub: HubStandIn, dataset: Package
) -> None:
    hub.repositories["datasets", "org/rows"]["gated"] = "auto"
    hub.trees["org/rows"] = [{"type": "file", "path": name, "size": 1} for name in ("README.md", "rows.pkl")]
    hub.file_states["org/rows", "rows.pkl"] = {"status": "caution"}
    repository = find_repository(look_up_one(open_run(), hub, dataset))
    assert (repository.scanned_files, repository.unscanned_files) == (2, 1)
    assert repository.scans == (HubScan("rows.pkl", "caution"),)
    assert hub.paths.count(f"/api/datasets/org/rows/tree/{SHA}") == 1
    repository = find_repository(look_up_one(open_run(), hub, dataset, token=GOOD))
    assert (repository.scanned_files, repository.unscanned_files) == (2, 0)
    assert hub.paths.count(f"/api/datasets/org/rows/tree/{SHA}") == 1


def test_no_scans_are_requested_where_no_file_may_hold_code(open_run: OpenRun, hub: HubStandIn) -> None:
    files = [{"rfilename": name, "size": 1} for name in (".gitattributes", "LICENSE", "a/train.jsonl.zst", "x.PNG")]
    hub.repositories["datasets", "org/rows"] = build_model("org/rows", siblings=files)
    repository = find_repository(look_up_one(open_run(), hub, model("org/rows", "huggingface-dataset")))
    assert (repository.scans_done, repository.scanned_files, repository.scans) == (True, 0, ())
    assert PATHS_INFO not in hub.paths


@pytest.mark.parametrize(
    ("turn", "problem"),
    [
        ({"status": 404, "body": {}}, "does not state scan results of files"),
        ({"status": 405, "body": {}}, "does not state scan results of files"),
        ({"status": 404, "headers": {"X-Error-Code": "RepoNotFound"}, "body": {}}, "not there any more"),
        ({"status": 401, "body": {}}, "the Hub refuses it (401)"),
        ({"status": 403, "body": {}}, "the Hub refuses it to you (403)"),
        ({"status": 500, "body": {}}, "HTTP 500"),
        ({"body": {"error": "x"}}, "no list of files"),
        ({"body": b"<html>"}, ""),
    ],
)
def test_scans_that_cannot_be_read_are_unknown(
    open_run: OpenRun, hub: HubStandIn, dataset: Package, turn: Any, problem: str
) -> None:
    hub.turns[PATHS_INFO] = turn
    repository = find_repository(look_up_one(open_run(), hub, dataset))
    assert (repository.scans_done, repository.unscanned_files) == (None, 2)
    assert problem in repository.scan_problem
    assert repository.scan_problem


@pytest.mark.parametrize(
    "row",
    [
        {},
        "x",
        {"path": "rows.py"},
        {"path": "rows.py", "securityFileStatus": None},
        {"path": "rows.py", "securityFileStatus": {}},
        {"path": "rows.py", "securityFileStatus": {"status": 3, "avScan": "x"}},
        {"path": 3, "securityFileStatus": {"status": "safe"}},
        {"path": "other.py", "securityFileStatus": {"status": "safe"}},
    ],
)
def test_a_file_without_a_state_in_the_answer_is_not_scanned(
    open_run: OpenRun, hub: HubStandIn, dataset: Package, row: object
) -> None:
    pickle = {"type": "file", "path": "rows.pkl", "securityFileStatus": {"status": "safe"}}
    hub.turns[PATHS_INFO] = {"body": [row, pickle, pickle]}
    repository = find_repository(look_up_one(open_run(), hub, dataset))
    assert (repository.scans_done, repository.scanned_files, repository.unscanned_files) == (True, 2, 1)


def test_a_state_that_is_not_known_is_not_safe(open_run: OpenRun, hub: HubStandIn, dataset: Package) -> None:
    hub.file_states["org/rows", "rows.py"] = {"status": "novel"}
    assert find_repository(look_up_one(open_run(), hub, dataset)).scans == (HubScan("rows.py", "novel"),)


def test_of_many_files_the_scans_of_some_are_requested_archives_last(open_run: OpenRun, hub: HubStandIn) -> None:
    names = [*(f"a/{number:04}.tar.gz" for number in range(600)), "z.py"]
    files = [{"rfilename": name, "size": 1} for name in names]
    hub.repositories["datasets", "org/rows"] = build_model("org/rows", siblings=files)
    hub.file_states["org/rows", "z.py"] = {"status": "unsafe"}
    repository = find_repository(look_up_one(open_run(), hub, model("org/rows", "huggingface-dataset")))
    assert (repository.scanned_files, repository.unscanned_files) == (601, 101)
    assert repository.scans == (HubScan("z.py", "unsafe"),)
    assert hub.paths.count(PATHS_INFO) == 1


def test_files_that_are_not_listed_count_as_not_scanned_only_if_they_may_hold_code(
    open_run: OpenRun, hub: HubStandIn, dataset: Package
) -> None:
    data = [{"rfilename": f"{number}.parquet", "size": 1} for number in range(2_500)]
    hub.repositories["datasets", "org/rows"]["siblings"] += data
    assert find_repository(look_up_one(open_run(), hub, dataset)).unscanned_files == 0
    kernel = model("org/k", "huggingface-kernel")
    hub.repositories["kernels", "org/k"] = {"id": "org/k", "sha": SHA}
    hub.trees["org/k"] = [{"type": "file", "path": f"{number}.txt", "size": 1} for number in range(9)]
    hub.page_size = 2
    repository = find_repository(look_up_one(open_run(), hub, kernel))
    assert (repository.scans_done, repository.scanned_files, repository.unscanned_files) == (True, 1, 1)


def test_a_model_whose_answer_is_too_large_has_the_scans_of_its_files(
    open_run: OpenRun, hub: HubStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(REPOSITORIES), "limit", 3_000)
    hub.add_model("org/large", siblings=[{"rfilename": f"{number:060}.bin", "size": 1} for number in range(100)])
    hub.trees["org/large"] = [{"type": "file", "path": name, "size": 1} for name in ("a.bin", "a.safetensors")]
    hub.file_states["org/large", "a.bin"] = {"status": "unsafe"}
    repository = find_repository(look_up_one(open_run(), hub, model("org/large")))
    assert (repository.scans_done, repository.scanned_files) == (True, 1)
    assert repository.scans == (HubScan("a.bin", "unsafe"),)


def test_the_scans_of_a_model_are_those_of_the_whole_repository(open_run: OpenRun, hub: HubStandIn) -> None:
    hub.add_model("org/bare", siblings=[{"rfilename": "a.bin", "size": 1}], securityRepoStatus=None)
    repository = find_repository(look_up_one(open_run(), hub, model("org/bare")))
    assert (repository.scans_done, repository.scanned_files) == (None, None)
    assert not any("paths-info" in path for path in hub.paths)


@pytest.mark.parametrize("status", [{"scansDone": "yes"}, {}, None, [], "done"])
def test_a_state_of_the_scans_that_is_none_is_unknown(open_run: OpenRun, hub: HubStandIn, status: object) -> None:
    hub.add_model("org/base", securityRepoStatus=status)
    fact = look_up_one(open_run(), hub, model("org/base")).repository
    assert isinstance(fact, Found)
    assert fact.value.scans_done is None


@pytest.mark.parametrize(
    ("issues", "problem"),
    [
        (["model.safetensors"], "has entries that cannot be read"),
        ([{"path": "a.bin", "level": "unsafe"}, 5], "has entries that cannot be read"),
        (None, "no list of files with issues"),
        ({}, "no list of files with issues"),
        ("none", "no list of files with issues"),
        ([], ""),
        ([{"level": "unsafe"}], ""),
    ],
)
def test_issues_of_files_that_cannot_be_read_are_a_problem(
    open_run: OpenRun, hub: HubStandIn, issues: object, problem: str
) -> None:
    hub.add_model("org/base", securityRepoStatus={"scansDone": True, "filesWithIssues": issues})
    repository = find_repository(look_up_one(open_run(), hub, model("org/base")))
    assert problem in repository.scan_problem
    assert bool(problem) == bool(repository.scan_problem)
    if isinstance(issues, list) and {"level": "unsafe"} in issues:
        assert repository.scans == (HubScan("a file without a name", "unsafe"),)
    if isinstance(issues, list) and len(issues) > 1:
        assert repository.scans == (HubScan("a.bin", "unsafe"),)


def test_every_field_may_be_absent_or_of_another_type(open_run: OpenRun, hub: HubStandIn) -> None:
    hub.repositories["models", "org/bare"] = {"id": "org/bare"}
    fields = dict.fromkeys(build_model("x"), 3.5)
    hub.repositories["models", "org/odd"] = {
        **fields,
        "private": False,
        "id": "org/odd",
        "cardData": [1],
        "config": "x",
        "siblings": {},
    }
    for name in ("org/bare", "org/odd"):
        evidence = look_up_one(open_run(), hub, model(name))
        assert isinstance(evidence.repository, Found)
        assert evidence.repository.value.files is None
        assert evidence.repository.value.auto_map is None
        assert evidence.repository.value.card is None
        assert evidence.card == Unknown("the Hub states no commit", "Hugging Face")


@pytest.mark.parametrize(
    "turn",
    [
        {"status": 500},
        {"hang": True},
        {"body": b"<html>"},
        {"body": []},
        {"body": {}},
        {"body": {"id": "../x"}},
        {"cut": 9},
    ],
)
def test_a_hub_that_is_not_well_makes_it_unknown(open_run: OpenRun, hub: HubStandIn, turn: Any) -> None:
    hub.turns["/api/models/org/base/revision/main"] = turn
    evidence = look_up_one(open_run(deadline_seconds=2.0), hub, model("org/base"))
    assert isinstance(evidence.repository, Unknown)
    assert evidence.card == NOT_REQUESTED


def test_a_card_that_hangs_leaves_the_other_facts(open_run: OpenRun, hub: HubStandIn) -> None:
    hub.turns[f"/org/base/resolve/{SHA}/README.md"] = {"hang": True}
    evidence = look_up_one(open_run(deadline_seconds=2.0), hub, model("org/base"))
    assert isinstance(evidence.card, Unknown)
    assert isinstance(evidence.repository, Found)
    assert isinstance(evidence.owner, Found)


def test_no_card_is_absent_and_a_hostile_one_does_no_harm(open_run: OpenRun, hub: HubStandIn) -> None:
    del hub.cards["org/base"]
    hub.add_model("org/evil", card="---\na: &a [x]\nb: *a\n---\n\x1b[31mred\x00\r\n", cardData=None)
    path = f"/org/big/resolve/{SHA}/README.md"
    hub.add_model("org/big")
    hub.turns[path] = {"body": gzip.compress(b"x" * 3_000_000), "headers": {"Content-Encoding": "gzip"}}
    evidence = look_up(open_run(), hub, *((model(name), "") for name in ("org/base", "org/evil", "org/big")))
    assert isinstance(evidence[model("org/base"), ""].card, Absent)
    assert evidence[model("org/evil"), ""].card.value.text == "red\n"
    card = evidence[model("org/big"), ""].card.value
    assert (len(card.text), card.is_cut) == (262_144, True)


def test_a_used_up_window_ends_the_requests_and_is_named(open_run: OpenRun, hub: HubStandIn) -> None:
    hub.quotas["api"] = 3
    names = [f"org/m{number}" for number in range(40)]
    for name in names:
        hub.add_model(name)
    run = open_run(deadline_seconds=4.0)
    evidence = look_up(run, hub, *((model(name), "") for name in names))
    facts = [evidence[model(name), ""].repository for name in names]
    assert sum(isinstance(fact, Found) for fact in facts) == 3
    unknown = [fact for fact in facts if isinstance(fact, Unknown)]
    assert len(unknown) == 37
    assert all("rate limit" in fact.reason or "429" in fact.reason for fact in unknown)
    assert hub.counts["api"] <= 20  # those under way when the first answers arrived
    assert hub.counts["resolvers"] == 3  # counted apart


def test_a_window_that_ends_soon_is_waited_for(open_run: OpenRun, hub: HubStandIn) -> None:
    hub.quotas["api"], hub.window = 2, 1
    evidence = look_up_one(open_run(), hub, model("org/demo"))
    assert isinstance(evidence.owner, Found)
    assert isinstance(evidence.bases["org/base"], Found)
