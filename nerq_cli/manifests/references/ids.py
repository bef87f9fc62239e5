"""Ids of repositories of the Hub: their grammar, their URLs, and texts that only look like one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple
from urllib.parse import unquote

from nerq_cli.manifests.references.known_names import is_known_namespace
from nerq_cli.manifests.references.model import ReferenceKind
from nerq_cli.manifests.references.words import split_words
from nerq_cli.patterns import compile_late

#: Longest text that is examined, in characters.
MAX_LENGTH: Final = 400

_PART: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}"
_ID: Final = compile_late(rf"(?:({_PART})/)?({_PART})")
#: A URL or an address without scheme of the Hub.
_ADDRESS: Final = compile_late(
    r"(?:https?://)?(?:[^/@\s]*@)?(?:www\.)?(?:huggingface\.co|hf\.co)/(\S+)|git@hf\.co:(\S+)"
)
_URI: Final = compile_late(r"hf://(\S+)")
#: A URL of the Hub's inference service, which runs the model that it names.
_INFERENCE: Final = compile_late(
    r"https?://(?:api-inference\.huggingface\.co|router\.huggingface\.co/hf-inference)"
    r"/(?:models|pipeline/[\w-]+)/([\w.-]+)(?:/([\w.-]+))?(?:/\S*)?"
)
#: Parts of these URLs behind a model without a namespace.
_SERVICE_PATHS: Final = frozenset({"v1", "pipeline"})
_TYPES: Final[dict[str, ReferenceKind]] = {
    "models": "model",
    "datasets": "dataset",
    "spaces": "space",
    "kernels": "kernel",
}
_FILE_VIEWS: Final = frozenset({"resolve", "raw", "blob", "tree"})
#: First parts of URLs of the Hub that are pages, not namespaces.
_PAGES: Final = frozenset(
    split_words(
        """
        api apps blog buckets chat cli collections coursera datasets-server docs enterprise front hub inference
        inference-endpoints join learn login models new oauth organizations papers posts pricing privacy search
        settings shop storage support tasks terms-of-service welcome
        """
    )
)

_FILE_NAME: Final = compile_late(
    r".*\.(?:py|pyc|ipynb|json|jsonl|jsonc|bin|pt|pth|ckpt|onnx|gguf|ggml|safetensors|h5|hdf5|keras|pb|tflite|pkl|pickle|npy|npz"
    r"|joblib|txt|csv|tsv|parquet|arrow|ya?ml|toml|ini|cfg|conf|md|rst|html?|xml|pdf|png|jpe?g|gif|webp|svg|ico|wav|mp3|mp4|flac"
    r"|zip|gz|bz2|xz|zst|tar|tgz|whl|sh|js|jsx|mjs|cjs|ts|tsx|css|scss|sql|db|sqlite3?|log|lock|model|spm|vocab|so|dll|exe|jar"
    r"|c|cc|cpp|cu|h|go|rs|java|rb|php|proto|env|git)",
)
#: Directories that a project has for its own models and data.
_LOCAL_DIRECTORIES: Final = frozenset(
    split_words(
        """
        adapter adapters artifacts assets bin build cache checkpoint checkpoints ckpt ckpts config configs
        content data dataset datasets dev dist download downloads drive etc exp experiment experiments export
        exported file files final fine_tuned fine-tuned finetune finetuned fixtures home infra input inputs
        kaggle lib llm llms local logs lora loras media mnt model models notebooks opt out output outputs path
        paths pretrain pretrained pretrained_model pretrained_models pretrained-models projects public resources
        result results root runs save saved saved_model saved_models scratch scripts src srv static store
        storage temp test tests tmp train trained trained_model trained_models trained-models usr utils var
        vendor volume volumes weight weights work workdir workspace
        """
    )
)
#: Names of directories and files that training runs and data sets have.
_LOCAL_NAME: Final = compile_late(
    r"(?:checkpoint|ckpt|epoch|step|global_?step|iter|fold|run|version|seed|exp)s?[-_]?\d+(?:[-_]\w+)?"
    r"|(?:final|best|last|latest)(?:[-_](?:model|checkpoint|ckpt))?|checkpoint",
)
#: Names of the parts of data sets, which settings name as directories.
_PART_NAMES: Final = frozenset(
    {"train", "test", "val", "valid", "validation", "dev", "images", "labels", "annotations"}
)
_MEDIA_TYPES: Final = frozenset(
    ["application", "audio", "chemical", "font", "image", "message", "multipart", "text", "video"]
)
_TIME_ZONES: Final = frozenset(
    split_words(
        """
        Africa America Antarctica Arctic Asia Atlantic Australia Brazil Canada Etc Europe Indian Mexico Pacific
        US
        """
    )
)
_WORD_PAIRS: Final = frozenset(
    split_words(
        """
        and/or or/and n/a N/A y/n Y/N yes/no true/false True/False on/off in/out input/output read/write
        client/server he/she his/her km/h m/s req/s tok/s tokens/s it/s foo/bar a/b x/y tcp/ip TCP/IP ci/cd
        CI/CD i/o I/O
        """
    )
)
_PLACEHOLDER_NAMESPACE: Final = compile_late(
    r"(?:your|my|some|any|the|hf)?[-_]?(?:hf|hub|huggingface|model|repo|github)?[-_]?"
    r"(?:org|organi[sz]ation|user|username|user[-_]?name|owner|namespace|account|account[-_]?name|company|team|profile|author)"
    r"(?:[-_]?(?:name|id|here))?"
    r"|your[-_]?.*|my[-_].*|xxx+|yyy+|foo|bar|baz|example|examples|placeholder|dummy|path|path[-_]to|some[-_].*|todo|changeme|"
    r"replace[-_]?.*",
    re.IGNORECASE,
)
_PLACEHOLDER_NAME: Final = compile_late(
    r"(?:your|some)[-_].*|my[-_](?:[\w.]+[-_])*(?:models?|datasets?|repo|space|loras?|adapter|kernel|llm|data|test|checkpoint"
    r"|embeddings?|finetuned?|fine-tuned|app|bot|classifier|name|id|org|project)(?:[-_.]?v?\d+)?|(?:your|my)(?:model|dataset|repo|space|lora)|xxx+|(?:model|repo|dataset|space|kernel|lora|adapter)[-_]?(?:id|name)(?:[-_]?here)?|model[-_]here|placeholder"
    r"|changeme|todo",
    re.IGNORECASE,
)
_TOKEN: Final = compile_late(r"hf_[A-Za-z0-9]{30,}|sk-[A-Za-z0-9_-]{20,}|gh[pousr]_\w{30,}")
#: Parts of the names of models.
_MODEL_PART: Final = compile_late(
    r"(?:^|[-_.])(?:\d+(?:\.\d+)?[bm]|v\d[\d.]*|(?:ro|distil|al|de)?bert\w*|gpt\w*|llama\w*|qwen\w*|mi[sx]tral\w*|gemma\w*|phi\d*|t5|bart"
    r"|vit|clip|whisper|instruct\w*|chat|base|large|small|mini\w*|tiny|embed\w*|rerank\w*|lora|gguf|awq|gptq|diffusion|sdxl"
    r"|flux\w*|encoder|llm|lm|ner|classifier|sentiment|finetuned?|ft|adapter)(?=$|[-_.])"
    r"|(?:[-_.]model|^model(?![-_.]?\w{1,2}$))(?=$|[-_.])",  # ``model-3`` is a car
    re.IGNORECASE,
)
#: Things that have models of another kind, as parts of names of settings and variables.
_OTHER_THING: Final = compile_late(
    r"(?:^|_)(?:cars?|vehicles?|automobiles?|trucks?|bikes?|motorcycles?|aircrafts?|planes?|boats?|phones?|smartphones?|mobiles?|tablets?"
    r"|laptops?|notebooks?|computers?|pcs?|devices?|printers?|scanners?|cameras?|lens(?:es)?|televisions?|tvs?|monitors?|watch(?:es)?"
    r"|routers?|modems?|switch(?:es)?|sensors?|drones?|robots?|motors?|boards?|hardware|equipment|appliances?|instruments?|products?|shoes?"
    r"|guitars?|bicycles?|scooters?|machines?|meters?|inverters?|thermostats?)(?:_|$)"
)
#: Begins of words in keys of settings and in commands that are about models.
_ABOUT_MODELS: Final = compile_late(
    r"(?:^|_)(?:models?(?:_|$|type|id|name|path)|hf(?:_|$)|hugging|transformers?(?:_|$)|tokeni[sz]er|lora|gguf|quanti|embed|llms?(?:_|$)"
    r"|v?llm|rerank|retriev|rag(?:_|$)|prompt|temperature|max_(?:new_)?(?:tokens|length|seq)|top_[kp](?:_|$)|batch_size|dtype|trust_remote"
    r"|inference|generat|train|learning_rate|dataset|chat|assistant|agents?(?:_|$)|summari|classif|nlp|ml(?:_|$)|ai(?:_|$)"
    r"|asr|tts|whisper|diffus|stable_|vision|gpus?(?:_|$)|cuda|tensor_parallel|pipeline|litellm|openai)"
)
#: A commit, in full.
COMMIT: Final = compile_late(r"[0-9a-f]{40}")

#: Prefixes of routers and providers (LiteLLM, OpenRouter, AI gateways) that are no namespaces of loadable repositories.
_PROVIDERS: Final = frozenset(
    split_words(
        """
        ai21_chat aiml aleph_alpha anthropic anyscale assemblyai azure azure_ai baseten bedrock bedrock_converse
        cloudflare codestral cohere cohere_chat cometapi dashscope deepgram deepinfra
        deepseek elevenlabs fal_ai featherless_ai fireworks fireworks_ai friendliai galadriel gemini github
        github_copilot gigachat google-vertex google_genai google_vertexai groq heroku hosted_vllm hyperbolic
        infinity jina_ai lambda_ai litellm litellm_proxy lm_studio lmstudio meta_llama mistral moonshot nebius
        nlp_cloud novita nscale nvidia_nim oci ollama ollama_chat oobabooga openrouter ovhcloud palm perplexity
        petals predibase replicate sagemaker sagemaker_chat sambanova snowflake text-completion-openai
        together_ai together topaz triton vercel_ai_gateway vertex_ai vertex volcengine voyage wandb watsonx
        watsonx_text x-ai xai xinference zai
        """
    )
)
#: Those of them that are no namespace of the Hub: routers, and services whose weights are not published.
_CLOSED_PROVIDERS: Final = frozenset(
    split_words(
        """
        anthropic azure azure_ai bedrock bedrock_converse cohere_chat fireworks_ai gemini github_copilot groq
        hosted_vllm litellm litellm_proxy lm_studio ollama ollama_chat openrouter sagemaker_chat together_ai
        vercel_ai_gateway vertex_ai watsonx x-ai
        """
    )
)
#: Models of namespaces that the Hub and the routers both have, which only the service offers.
_HOSTED_NAMES: Final = compile_late(
    r"openai/(?:gpt-?[345]|o[1-9](?:-|$)|chatgpt|text-|tts-|dall-e|whisper-1$|davinci|babbage|curie|ada|codex|gpt-(?:image|realtime|audio|4o)"
    r"|computer-use|omni-moderation|sora|responses/).*"
    r"|google/(?:gemini|palm|veo|imagen|chat-bison|text-bison|nano-banana).*|amazon/(?:nova|titan).*|mistralai/(?:mistral-(?:medium|large|small)(?:-latest)?|codestral-latest)"
    r"|qwen/qwen-(?:max|plus|turbo).*|databricks/databricks-.*|cerebras/(?:llama|qwen|gpt-oss|zai-).*",
)


class HubId(NamedTuple):
    """A repository, and what an address of it states beside its id."""

    kind: ReferenceKind
    name: str
    revision: str = ""
    filename: str = ""
    #: Whether it was a URL, a URI or an address of the Hub, so that it can be nothing else.
    is_address: bool = False
    #: Whether the address leads to a file or a tree, or runs the model; not to the page of the repository.
    is_file: bool = False


def is_id(name: str) -> bool:
    """Whether a text follows the grammar of repository ids, with or without a namespace."""
    match = _ID.fullmatch(name)
    return (
        match is not None
        and "--" not in name
        and ".." not in name
        and not name.endswith((".git", ".ipynb", "-", "."))
        and not (match[1] or "").endswith(("-", "."))
    )


def is_placeholder(name: str) -> bool:
    """Whether an id stands for one that the reader is to fill in."""
    namespace, _, base = name.rpartition("/")
    return bool(
        (namespace and _PLACEHOLDER_NAMESPACE.fullmatch(namespace))
        or _PLACEHOLDER_NAME.fullmatch(base)
        or (namespace and namespace.isupper() and base.isupper() and ("_" in name or base in {"MODEL", "NAME", "REPO"}))
    )


def is_local_path(text: str) -> bool:
    """Whether a text is a path, by its form or because its directory is one that projects have."""
    namespace, slash, name = text.partition("/")
    return (
        text.startswith((".", "/", "~", "$", "%"))
        or "\\" in text
        or "/" in name
        or text.endswith("/")
        or _FILE_NAME.fullmatch(text.lower()) is not None
        or bool(slash and (namespace.lower() in _LOCAL_DIRECTORIES or _LOCAL_NAME.fullmatch(name.lower()) is not None))
    )


def is_hosted(text: str) -> bool:
    """Whether a text is the id of a hosted model: a prefix of a provider, or a model that only its service has."""
    namespace, slash, rest = text.partition("/")
    return bool(slash and rest) and (
        namespace in _PROVIDERS or _HOSTED_NAMES.fullmatch(text) is not None or _is_router_variant(rest)
    )


def is_service_only(text: str) -> bool:
    """Whether no repository has an id, although a loader of the Hub is given it: only a service has the model."""
    namespace, slash, rest = text.partition("/")
    return bool(slash and rest) and (
        namespace in _CLOSED_PROVIDERS or _HOSTED_NAMES.fullmatch(text) is not None or _is_router_variant(rest)
    )


def is_model_name(hub_id: HubId) -> bool:
    """Whether an id is that of a model by its publisher or its name, and not that of a car or a printer."""
    return (
        hub_id.is_address
        or is_known_namespace(hub_id.name)
        or _MODEL_PART.search(hub_id.name.rpartition("/")[2]) is not None
    )


def is_of_other_thing(words: Iterable[str]) -> bool:
    """Whether one of some words, in lower case with underscores, is a thing with models of another kind: a car."""
    return any(_OTHER_THING.search(word) for word in words)


def is_about_models(words: Iterable[str]) -> bool:
    """Whether one of some words, in lower case with underscores, is one of settings or programs for models."""
    return any(_ABOUT_MODELS.search(word) for word in words)


def parse_kernel_version(text: str) -> str:
    """Return the branch or tag of a version of a kernel: ``v1`` for 1, ``v0.1.2`` for ``==0.1.2``.

    A range (``>=0.0.1``), which several tags may meet, is returned as it is.
    """
    text = text.strip()
    number = text.removeprefix("==").strip()
    return f"v{number}" if number.replace(".", "").isdigit() else text


def is_router_id(text: str) -> bool:
    """Whether a text has the form of an id of a router: up to four parts of id characters, and a variant."""
    return (
        len(text) <= MAX_LENGTH
        and "/" in text
        and not text.startswith((".", "/", "~", "http"))
        and all(_ROUTER_PART.fullmatch(part) for part in text.split("/"))
        and text.count("/") <= 4  # noqa: PLR2004
        and not is_placeholder("/".join(text.split("/")[:2]))
        and _FILE_NAME.fullmatch(text.lower()) is None
    )


_ROUTER_PART: Final = compile_late(r"[A-Za-z0-9@_][\w.:@-]{0,95}")


def _is_router_variant(name: str) -> bool:
    return name.endswith((":free", ":nitro", ":beta", ":online", ":floor", ":thinking", ":extended"))


def parse_id(text: str, kind: ReferenceKind = "model") -> HubId | None:
    """Return the repository that a text names: an id, a URL or a URI; None if it names none, or a placeholder.

    The kind of a URL or URI is its own; ``kind`` is that of an id. A name without a namespace is returned as well.
    """
    text = text.strip()
    if not text or len(text) > MAX_LENGTH or not text.isprintable() or " " in text or _TOKEN.search(text):
        return None
    address = parse_address(text)
    if address is not None or "://" in text:
        return address
    if not is_id(text) or is_local_path(text) or is_placeholder(text) or _is_other_pair(text):
        return None
    return HubId(kind, text)


def parse_address(text: str) -> HubId | None:
    """Return the repository of a URL, an address without scheme (``hf.co/…``) or an ``hf://`` URI; None for others."""
    uri = _URI.fullmatch(text)
    if uri is not None:
        return _check_address(_parse_uri(uri[1]))
    match = _INFERENCE.fullmatch(text)
    if match is not None:
        namespace, name = match.groups()
        if name is None and text.endswith("/"):
            return None  # the begin of an address
        bare = name is None or name in _SERVICE_PATHS
        return _check_address(
            HubId("model", namespace if bare else f"{namespace}/{name}", is_address=True, is_file=True)
        )
    match = _ADDRESS.fullmatch(text)
    if match is None:
        return None
    return _check_address(_parse_path((match[1] or match[2]).partition("?")[0].partition("#")[0]))


def _check_address(found: HubId | None) -> HubId | None:
    if found is None or not is_id(found.name) or is_placeholder(found.name) or _TOKEN.search(found.name):
        return None
    return found


def _parse_uri(rest: str) -> HubId | None:
    """Return the repository of ``[type/]id[@revision][/path]``."""
    first, _, others = rest.partition("/")
    kind: ReferenceKind = "model"
    if first == "buckets":
        return None
    if first in _TYPES:
        kind, rest = _TYPES[first], others
    if "@" in rest:
        name, _, tail = rest.partition("@")
        if name.count("/") <= 1:
            count = 3 if tail.startswith("refs/") else 1
            parts = tail.split("/")
            revision = unquote("/".join(parts[:count]))
            return HubId(kind, name, revision, "/".join(parts[count:]), is_address=True, is_file=True)
        rest = name
    parts = rest.split("/")
    return HubId(kind, "/".join(parts[:2]), "", "/".join(parts[2:]), is_address=True, is_file=True)


def _parse_path(path: str) -> HubId | None:
    """Return the repository of the path of a URL: ``[type/]id[/view/revision[/path]]``."""
    parts = [part for part in path.split("/") if part]
    kind: ReferenceKind = "model"
    if parts[2:] and parts[0] == "api" and parts[1] in _TYPES:
        parts = parts[1:]
    if parts and parts[0] in _TYPES and len(parts) > 1:
        kind = _TYPES[parts[0]]
        parts = parts[1:]
    elif not parts or parts[0] in _PAGES:
        return None
    size = 1 if len(parts) > 1 and parts[1] in _FILE_VIEWS else 2
    name, rest = "/".join(parts[:size]), parts[size:]
    if len(parts) < size:
        return None
    name, _, tag = name.partition(":")  # hf.co/owner/name:Q4_K_M
    name = name.removesuffix(".git")
    is_view = len(rest) > 1 and rest[0] in _FILE_VIEWS
    count = 3 if is_view and rest[1] == "refs" else 1
    revision = "/".join(rest[1 : 1 + count]) if is_view else ""
    filename = "/".join(rest[1 + count :]) if is_view and rest[0] != "tree" else tag
    return HubId(
        kind, name, unquote(revision), unquote(filename), is_address=True, is_file=is_view and rest[0] != "tree"
    )


def _is_other_pair(text: str) -> bool:
    """Whether two parts with a slash are a media type, a time zone, a date, a ratio or a phrase."""
    namespace, slash, name = text.partition("/")
    if not slash:
        return text.isdigit()
    return (
        namespace in _MEDIA_TYPES
        or namespace in _TIME_ZONES
        or text in _WORD_PAIRS
        or (namespace[:1].isdigit() and namespace.replace(".", "").isdigit())
        or (name.isdigit() and len(name) <= 2)  # noqa: PLR2004 - a day or a part
        or len(text) < 4  # noqa: PLR2004 - an abbreviation
    )


def interpret(text: str, kind: ReferenceKind, context: Literal["hub", "router", "setting"]) -> HubId | None:
    """Return what a text refers to in a place that takes Hub ids, router ids, or either.

    ``hub``: an id is a repository, unless only a service has the model. ``router``: ``huggingface/owner/name`` is a
    repository, all others are hosted.
    ``setting``: an id with a slash, hosted if a provider or only a service has it.
    """
    text = text.removeprefix("hf-hub:").removeprefix("hf_hub:") if context == "setting" else text
    if context == "router" or (context == "setting" and kind == "model" and "/" in text):
        for prefix in ("huggingface/", "huggingface:"):
            if text.startswith(prefix) and text.count("/") >= (2 if prefix.endswith("/") else 1):
                parts = text.removeprefix(prefix).split("/")
                return parse_id("/".join(parts[-2:]))
        if not parse_address(text) and is_router_id(text) and (context == "router" or is_hosted(text)):
            return HubId("hosted-model", text)
        if context == "router":
            return None
    if context == "hub" and kind == "model" and is_service_only(text) and is_router_id(text):
        return HubId("hosted-model", text)
    found = parse_id(text, kind)
    if found is None and context == "hub" and ":" in text and "://" not in text:
        found = parse_id(text.partition(":")[0], kind)
    if found is not None and context == "setting":
        _, slash, name = found.name.partition("/")
        if not slash or (kind == "dataset" and name in _PART_NAMES):
            return None
    return found
