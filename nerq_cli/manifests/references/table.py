"""The table of patterns: one row for each way in which a file refers to a model, dataset, Space or kernel.

To add a loader, add a row; readers, documentation and the report on precision follow from it. Argument lists hold
positions (from 0) and keywords; the first one present counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import msgspec

from nerq_cli.manifests.references.model import Certainty, ReferenceKind
from nerq_cli.manifests.references.words import split_words

#: Positions and keywords of one argument.
Argument: TypeAlias = tuple[int | str, ...]


class CallPattern(msgspec.Struct, frozen=True, kw_only=True):
    """A function or class of a Python library that loads from the Hub or calls a hosted model."""

    id: str
    #: Library, as its users call it.
    loader: str
    #: First parts of the modules that provide it; ``*`` at the end stands for any letters. Empty for any module.
    libraries: tuple[str, ...]
    #: Function, or class and method; ``*`` in the class stands for any letters.
    functions: tuple[str, ...]
    argument: Argument
    #: Positions and keywords of further ids.
    other_arguments: Argument = ()
    kind: ReferenceKind = "model"
    #: Argument that states the kind (``repo_type``).
    kind_argument: Argument = ()
    #: Whether only calls with that argument count.
    needs_kind: bool = False
    #: Argument with the revision of the weights; that of code beside them (``code_revision``) is another one.
    revision: Argument = ("revision",)
    #: The same for further ids whose revision is not that of the first one.
    own_revisions: Mapping[int | str, Argument] = {}
    filename: Argument = ()
    #: Prefixes of which an id must have one, and which are removed.
    prefixes: tuple[str, ...] = ()
    #: Names without a namespace that count: none, those of `known_names`, or any.
    bare_names: Literal["none", "models", "sentence-models", "whisper-sizes", "datasets", "any"] = "none"
    #: As in `ids.interpret`.
    context: Literal["hub", "router", "setting"] = "hub"
    #: Whether the name of a provider may follow the id (``owner/name:provider``).
    has_provider: bool = False
    #: Whether it is also a method of objects whose class is not known, in a file that imports the library.
    on_instances: bool = False
    #: The highest certainty of what it finds.
    certainty: Certainty = "certain"


class ScriptPattern(msgspec.Struct, frozen=True, kw_only=True):
    """A function of a JavaScript package."""

    id: str
    loader: str
    #: Packages that provide it. Empty for any package of the other rows.
    packages: tuple[str, ...]
    functions: tuple[str, ...]
    #: Position of the argument with the id; -1 if it is only in ``keys``.
    position: int = 0
    #: Keys of the id in an argument that is an object.
    keys: tuple[str, ...] = ()
    kind: ReferenceKind = "model"
    context: Literal["hub", "router", "setting"] = "hub"
    #: Whether the names of `known_names.MODEL` count.
    has_bare_names: bool = False
    certainty: Certainty = "certain"


class CommandPattern(msgspec.Struct, frozen=True, kw_only=True):
    """A program, or a module started with ``python -m``."""

    id: str
    loader: str
    #: Program and subcommands, each as alternatives.
    words: tuple[tuple[str, ...], ...]
    #: Whether the first argument that is no option is an id.
    takes_id: bool = False
    #: Options with an id.
    options: tuple[str, ...] = ()
    #: Options with a value that is none.
    value_options: tuple[str, ...] = ()
    revision_options: tuple[str, ...] = ("--revision",)
    #: Options whose id has another revision than that of the model, with the options that state it.
    own_revisions: Mapping[str, tuple[str, ...]] = {}
    kind_options: tuple[str, ...] = ()
    filename_options: tuple[str, ...] = ()
    kind: ReferenceKind = "model"
    #: Whether only addresses of the Hub count (``hf.co/owner/name``), because other names are those of its own library.
    needs_address: bool = False
    bare_names: Literal["none", "models", "any"] = "none"
    #: Container images, by a part of their name, whose arguments are those of the program.
    images: tuple[str, ...] = ()


class OptionPattern(msgspec.Struct, frozen=True, kw_only=True):
    """Options of programs that are in no other row."""

    id: str
    options: tuple[str, ...]
    kind: ReferenceKind = "model"
    certainty: Certainty = "likely"


class KeyPattern(msgspec.Struct, frozen=True, kw_only=True):
    """Keys of YAML, JSON and TOML files, in lower case with underscores."""

    id: str
    keys: tuple[str, ...]
    kind: ReferenceKind = "model"
    certainty: Certainty = "likely"


class VariablePattern(msgspec.Struct, frozen=True, kw_only=True):
    """Names of environment variables."""

    id: str
    #: Regular expression of the whole name.
    expression: str
    kind: ReferenceKind = "model"
    certainty: Certainty = "likely"


class FormPattern(msgspec.Struct, frozen=True, kw_only=True):
    """A form of its own: a file format or an address."""

    id: str
    summary: str
    certainty: Certainty = "certain"


_PRETRAINED: Final[Argument] = (0, "pretrained_model_name_or_path")
_MODEL_NAME: Final[Argument] = (0, "model_name", "model_name_or_path", "model")
_TRANSFORMERS: Final = split_words(
    """
    transformers optimum* transformers_stream_generator intel_extension_for_transformers ipex_llm* bigdl*
    pytorch_transformers pytorch_pretrained_bert adapter_transformers
    """
)
_LANGCHAIN: Final = ("langchain*",)
_LLAMA_INDEX: Final = ("llama_index*",)
_HAYSTACK: Final = ("haystack*",)
_HUB: Final = ("huggingface_hub", "hf_api")

#: Functions of Python libraries. The first row that fits a call counts.
CALLS: Final[tuple[CallPattern, ...]] = (
    CallPattern(
        id="peft-from-pretrained",
        loader="peft",
        libraries=("peft", "optimum*", "unsloth"),
        functions=("PeftModel*.from_pretrained", "PeftMixedModel.from_pretrained"),
        argument=(1, "model_id"),
        other_arguments=(0,),
    ),
    CallPattern(
        id="peft-load-adapter",
        loader="peft",
        libraries=("peft", "transformers", "unsloth"),
        functions=("load_adapter",),
        argument=(0, "model_id", "peft_model_id"),
        on_instances=True,
    ),
    CallPattern(
        id="llama-cpp-from-pretrained",
        loader="llama-cpp-python",
        libraries=("llama_cpp",),
        functions=(
            "Llama.from_pretrained",
            "LlamaTokenizer.from_pretrained",
            "*ChatHandler.from_pretrained",
            "LlamaHFTokenizer.from_pretrained",
            "from_pretrained",
        ),
        argument=(0, "repo_id"),
        filename=(1, "filename"),
    ),
    CallPattern(
        id="ctransformers-from-pretrained",
        loader="ctransformers",
        libraries=("ctransformers",),
        functions=("*.from_pretrained",),
        argument=(0, "model_path_or_repo_id"),
        filename=("model_file",),
    ),
    CallPattern(
        id="unsloth-from-pretrained",
        loader="unsloth",
        libraries=("unsloth",),
        functions=("Fast*.from_pretrained",),
        argument=(0, "model_name"),
    ),
    CallPattern(
        id="diffusers-from-pretrained",
        loader="diffusers",
        libraries=("diffusers",),
        functions=("*.from_pretrained", "*.from_pipe"),
        argument=_PRETRAINED,
        other_arguments=("custom_pipeline",),
        own_revisions={"custom_pipeline": ("custom_revision",)},
    ),
    CallPattern(
        id="diffusers-from-single-file",
        loader="diffusers",
        libraries=("diffusers",),
        functions=("*.from_single_file",),
        argument=(0, "pretrained_model_link_or_path", "pretrained_model_link_or_path_or_dict"),
        other_arguments=("config",),
    ),
    CallPattern(
        id="diffusers-load-weights",
        loader="diffusers",
        libraries=("diffusers",),
        functions=(
            "load_lora_weights",
            "load_ip_adapter",
            "load_textual_inversion",
            "load_lora_adapter",
            "load_attn_procs",
        ),
        argument=(0, "pretrained_model_name_or_path_or_dict", "pretrained_model_name_or_path"),
        filename=("weight_name",),
        on_instances=True,
    ),
    CallPattern(
        id="transformers-pipeline",
        loader="transformers",
        libraries=_TRANSFORMERS,
        functions=("pipeline",),
        argument=(1, "model"),
        other_arguments=("tokenizer", "feature_extractor", "image_processor", "processor", "assistant_model", "config"),
        bare_names="models",
    ),
    CallPattern(
        id="transformers-from-pretrained",
        loader="transformers",
        libraries=_TRANSFORMERS,
        functions=("*.from_pretrained", "AutoConfig.from_pretrained", "*.get_config_dict"),
        argument=_PRETRAINED,
        filename=("gguf_file",),
        bare_names="models",
    ),
    CallPattern(
        id="trl-trainer",
        loader="trl",
        libraries=("trl",),
        functions=split_words(
            """
            SFTTrainer DPOTrainer GRPOTrainer RewardTrainer KTOTrainer ORPOTrainer RLOOTrainer CPOTrainer
            PPOTrainer OnlineDPOTrainer
            """
        ),
        argument=(0, "model"),
        other_arguments=("reward_funcs", "ref_model", "judge"),
        bare_names="models",
    ),
    CallPattern(
        id="trl-from-pretrained",
        loader="trl",
        libraries=split_words(
            """
            trl setfit span_marker gliner gliner2 colpali_engine parler_tts auto_gptq awq gptqmodel adapters
            huggingface_sb3 mlx_lm mlx_vlm kokoro tokenizers safetensors pyannote* speechbrain nemo* fairseq*
            open_clip clip* spandrel hqq FlagEmbedding laion_clap encodec vocos snac outetts chronos timesfm
            tirex tsfm_public model2vec pylate simpletransformers esm evo* scgpt transfusion* lerobot
            """
        ),
        functions=("*.from_pretrained",),
        argument=(
            0,
            "pretrained_model_name_or_path",
            "model_name_or_path",
            "model_id",
            "model_name",
            "checkpoint_path",
            "identifier",
            "checkpoint",
            "repo_id",
        ),
        bare_names="models",
    ),
    CallPattern(
        id="hub-download",
        loader="huggingface_hub",
        libraries=_HUB,
        functions=(
            "hf_hub_download",
            "snapshot_download",
            "hf_hub_url",
            "cached_download",
            "try_to_load_from_cache",
            "from_pretrained_keras",
            "load_state_dict_from_hub",
            "get_safetensors_metadata",
            "from_pretrained_fastai",
        ),
        argument=(0, "repo_id"),
        kind_argument=("repo_type",),
        filename=(1, "filename"),
        on_instances=True,
        bare_names="models",
    ),
    CallPattern(
        id="hub-info",
        loader="huggingface_hub",
        libraries=_HUB,
        functions=(
            "model_info",
            "repo_info",
            "list_repo_files",
            "list_repo_tree",
            "file_exists",
            "repo_exists",
            "list_repo_refs",
            "list_repo_commits",
        ),
        argument=(0, "repo_id"),
        kind_argument=("repo_type",),
        on_instances=True,
        bare_names="models",
    ),
    CallPattern(
        id="hub-dataset-info",
        loader="huggingface_hub",
        libraries=_HUB,
        functions=("dataset_info",),
        argument=(0, "repo_id"),
        kind="dataset",
        on_instances=True,
    ),
    CallPattern(
        id="hub-space-info",
        loader="huggingface_hub",
        libraries=_HUB,
        functions=("space_info", "duplicate_space", "get_space_runtime"),
        argument=(0, "repo_id", "from_id"),
        kind="space",
        on_instances=True,
    ),
    CallPattern(
        id="hub-inference-client",
        loader="huggingface_hub",
        libraries=_HUB,
        functions=("InferenceClient", "AsyncInferenceClient", "InferenceApi"),
        argument=(0, "model", "repo_id"),
        has_provider=True,
        bare_names="models",
    ),
    CallPattern(
        id="hub-inference-call",
        loader="huggingface_hub",
        libraries=_HUB,
        functions=split_words(
            """
            chat_completion text_generation feature_extraction text_to_image image_to_text summarization
            translation automatic_speech_recognition text_to_speech text_classification token_classification
            fill_mask question_answering zero_shot_classification sentence_similarity image_classification
            object_detection text_to_video image_to_image visual_question_answering
            InferenceClient().chat.completions.create AsyncInferenceClient().chat.completions.create
            """
        ),
        argument=("model",),
        has_provider=True,
        on_instances=True,
    ),
    CallPattern(
        id="datasets-load-dataset",
        loader="datasets",
        libraries=("datasets", "nlp"),
        functions=(
            "load_dataset",
            "load_dataset_builder",
            "get_dataset_config_names",
            "get_dataset_split_names",
            "get_dataset_infos",
            "get_dataset_config_info",
            "inspect_dataset",
        ),
        argument=(0, "path"),
        kind="dataset",
        bare_names="datasets",
    ),
    CallPattern(
        id="evaluate-load",
        loader="evaluate",
        libraries=("evaluate",),
        functions=("load",),
        argument=(0, "path"),
        kind="space",
    ),
    CallPattern(
        id="sentence-transformers",
        loader="sentence-transformers",
        libraries=("sentence_transformers",),
        functions=(
            "SentenceTransformer",
            "CrossEncoder",
            "SparseEncoder",
            "Transformer",
            "StaticEmbedding.from_model2vec",
            "SentenceTransformer.from_pretrained",
            "SpladePooling",
            "MLMTransformer",
            "Router.from_pretrained",
        ),
        argument=(0, "model_name_or_path", "model_name"),
        bare_names="sentence-models",
    ),
    CallPattern(
        id="vllm-engine",
        loader="vllm",
        libraries=("vllm",),
        functions=("LLM", "EngineArgs", "AsyncEngineArgs", "ModelConfig"),
        argument=(0, "model"),
        other_arguments=("tokenizer", "speculative_model", "speculative_config.model"),
        own_revisions={
            "tokenizer": ("tokenizer_revision", "revision"),
            "speculative_model": (),
            "speculative_config.model": (),
        },
        bare_names="models",
    ),
    CallPattern(
        id="vllm-lora-request",
        loader="vllm",
        libraries=("vllm",),
        functions=("LoRARequest",),
        argument=(2, "lora_path", "lora_local_path"),
    ),
    CallPattern(
        id="sglang-engine",
        loader="sglang",
        libraries=("sglang*",),
        functions=("Engine", "Runtime", "ServerArgs"),
        argument=("model_path",),
        other_arguments=("tokenizer_path", "speculative_draft_model_path"),
        own_revisions={"speculative_draft_model_path": ("speculative_draft_model_revision",)},
    ),
    CallPattern(
        id="lmdeploy-pipeline",
        loader="lmdeploy",
        libraries=("lmdeploy*",),
        functions=("pipeline", "serve", "client"),
        argument=(0, "model_path"),
    ),
    CallPattern(
        id="mlx-load",
        loader="mlx-lm",
        libraries=("mlx_lm*", "mlx_vlm*", "mlx_embeddings*", "mlx_audio*"),
        functions=("load", "load_model", "stream_load", "load_config", "get_model_path"),
        argument=(0, "path_or_hf_repo", "model_path"),
    ),
    CallPattern(
        id="mlx-whisper",
        loader="mlx-whisper",
        libraries=("mlx_whisper",),
        functions=("transcribe",),
        argument=("path_or_hf_repo",),
    ),
    CallPattern(
        id="faster-whisper",
        loader="faster-whisper",
        libraries=("faster_whisper", "whisperx"),
        functions=("WhisperModel", "load_model", "load_align_model", "download_model", "BatchedInferencePipeline"),
        argument=(0, "model_size_or_path", "whisper_arch", "model_name", "size_or_id"),
        bare_names="whisper-sizes",
    ),
    CallPattern(
        id="whisper-load-model",
        loader="whisper-timestamped",
        libraries=("ctranslate2", "whisper_timestamped", "lightning_whisper_mlx"),
        functions=("WhisperModel", "load_model", "download_model"),
        argument=(0, "model_size_or_path", "model_name", "name"),
    ),
    CallPattern(
        id="whisperx-diarization",
        loader="whisperx",
        libraries=("whisperx",),
        functions=("DiarizationPipeline", "diarize.DiarizationPipeline"),
        argument=(0, "model_name"),
    ),
    CallPattern(
        id="timm-create-model",
        loader="timm",
        libraries=("timm",),
        functions=(
            "create_model",
            "create_transform",
            "load_model_config_from_hf",
            "load_state_dict_from_hf",
            "load_custom_from_hf",
        ),
        argument=(0, "model_name", "model_id"),
        prefixes=("hf-hub:", "hf_hub:"),
    ),
    CallPattern(
        id="open-clip",
        loader="open_clip",
        libraries=("open_clip",),
        functions=("create_model", "create_model_and_transforms", "create_model_from_pretrained", "get_tokenizer"),
        argument=(0, "model_name"),
        other_arguments=("pretrained",),
        prefixes=("hf-hub:", "hf_hub:"),
    ),
    CallPattern(
        id="kernels-get-kernel",
        loader="kernels",
        libraries=("kernels", "hf_kernels"),
        functions=("get_kernel", "has_kernel", "get_locked_kernel", "load_kernel", "install_kernel"),
        argument=(0, "repo_id"),
        kind="kernel",
        revision=("revision", "version"),
    ),
    CallPattern(
        id="kernels-layer-repository",
        loader="kernels",
        libraries=("kernels", "hf_kernels"),
        functions=("LayerRepository", "FuncRepository", "LockedLayerRepository", "LockedFuncRepository"),
        argument=(0, "repo_id"),
        kind="kernel",
        revision=("revision", "version"),
    ),
    CallPattern(
        id="langchain-huggingface",
        loader="langchain-huggingface",
        libraries=_LANGCHAIN,
        functions=split_words(
            """
            HuggingFacePipeline.from_model_id HuggingFaceEmbeddings HuggingFaceInstructEmbeddings
            HuggingFaceBgeEmbeddings HuggingFaceInferenceAPIEmbeddings HuggingFaceEndpointEmbeddings
            HuggingFaceEndpoint ChatHuggingFace ChatHuggingFace.from_model_id HuggingFaceHub
            HuggingFaceHubEmbeddings HuggingFaceTextGenInference SentenceTransformerEmbeddings
            HuggingFaceCrossEncoder SelfHostedHuggingFaceLLM SelfHostedHuggingFaceEmbeddings
            HuggingFaceTokenTextSplitter SentenceTransformersTokenTextSplitter OpenVINOLLM.from_model_id
            OpenVINOEmbeddings OpenVINOBgeEmbeddings QuantizedBgeEmbeddings VLLM MLXPipeline.from_model_id
            ChatMLX FastEmbedEmbeddings CTransformers FlashrankRerank
            """
        ),
        argument=("model_id", "model_name", "repo_id", "model", "model_name_or_path"),
        revision=("revision", "model_kwargs.revision"),
        bare_names="sentence-models",
    ),
    CallPattern(
        id="langchain-init-chat-model",
        loader="langchain-huggingface",
        libraries=_LANGCHAIN,
        functions=("init_chat_model",),
        argument=(0, "model"),
        kind_argument=("model_provider",),
        needs_kind=True,
    ),
    CallPattern(
        id="langchain-hugging-face-dataset",
        loader="langchain",
        libraries=_LANGCHAIN,
        functions=("HuggingFaceDatasetLoader",),
        argument=(0, "path"),
        kind="dataset",
        bare_names="datasets",
    ),
    CallPattern(
        id="llama-index-huggingface",
        loader="llama-index",
        libraries=_LLAMA_INDEX,
        functions=split_words(
            """
            HuggingFaceEmbedding HuggingFaceLLM HuggingFaceInferenceAPI HuggingFaceInferenceAPIEmbedding
            HuggingFaceInferenceAPIEmbeddings SentenceTransformerRerank FastEmbedEmbedding InstructorEmbedding
            OptimumEmbedding OpenVINOLLM OpenVINOEmbedding Vllm FlagEmbeddingReranker TextEmbeddingsInference
            HuggingFaceMultiModal.from_model_id ColbertRerank OptimumEmbedding.create_and_save_optimum_model
            """
        ),
        argument=(0, "model_name", "model", "model_name_or_path"),
        other_arguments=("tokenizer_name",),
        bare_names="sentence-models",
    ),
    CallPattern(
        id="llama-index-resolve-embed-model",
        loader="llama-index",
        libraries=_LLAMA_INDEX,
        functions=("resolve_embed_model",),
        argument=(0, "embed_model"),
        prefixes=("local:",),
    ),
    CallPattern(
        id="haystack-component",
        loader="haystack",
        libraries=_HAYSTACK,
        functions=split_words(
            """
            SentenceTransformersTextEmbedder SentenceTransformersDocumentEmbedder HuggingFaceLocalGenerator
            HuggingFaceLocalChatGenerator TransformersSimilarityRanker SentenceTransformersSimilarityRanker
            SentenceTransformersDiversityRanker SentenceTransformersSparseTextEmbedder
            SentenceTransformersSparseDocumentEmbedder ExtractiveReader FARMReader TransformersReader
            EmbeddingRetriever PromptNode TransformersTextRouter TransformersZeroShotTextRouter
            NamedEntityExtractor FastembedTextEmbedder FastembedDocumentEmbedder FastembedRanker
            TransformersZeroShotDocumentClassifier PromptModel TransformersQueryClassifier
            SentenceTransformersRanker FastembedSparseTextEmbedder FastembedSparseDocumentEmbedder
            HFTokenStreamingHandler OptimumTextEmbedder OptimumDocumentEmbedder
            """
        ),
        argument=("model", "model_name_or_path", "embedding_model", "default_model"),
        bare_names="sentence-models",
    ),
    CallPattern(
        id="haystack-api-params",
        loader="haystack",
        libraries=_HAYSTACK,
        functions=(
            "HuggingFaceAPIGenerator",
            "HuggingFaceAPIChatGenerator",
            "HuggingFaceAPITextEmbedder",
            "HuggingFaceAPIDocumentEmbedder",
        ),
        argument=("api_params.model",),
    ),
    CallPattern(
        id="embedding-library",
        loader="fastembed",
        libraries=split_words(
            """
            fastembed* txtai* InstructorEmbedding FlagEmbedding keybert bertopic* rerankers ragatouille
            chromadb* embedchain* pylate infinity_emb angle_emb uform model2vec lancedb* colbert* qdrant_client*
            unstructured* chonkie semantic_router* pinecone_text* milvus_model* pymilvus*
            """
        ),
        functions=split_words(
            """
            TextEmbedding SparseTextEmbedding LateInteractionTextEmbedding ImageEmbedding TextCrossEncoder
            Embeddings LLM Labels Summary Similarity Reranker INSTRUCTOR FlagModel BGEM3FlagModel FlagReranker
            FlagLLMReranker FlagAutoModel.from_finetuned LayerWiseFlagLLMReranker KeyBERT BERTopic
            RAGPretrainedModel.from_pretrained SentenceTransformerEmbeddingFunction HuggingFaceEmbeddingFunction
            HuggingFaceEncoder ColBERT AnglE.from_pretrained StaticModel.from_pretrained EngineArgs
            SemanticChunker SentenceTransformerEmbeddings Translation Transcription TextToSpeech Entity
            Extractor HFOnnx Caption Objects
            """
        ),
        argument=(
            0,
            "model_name",
            "model_name_or_path",
            "path",
            "model",
            "embedding_model",
            "name",
            "model_name_or_dir",
            "model_id",
        ),
        bare_names="sentence-models",
    ),
    CallPattern(
        id="txtai-embeddings-settings",
        loader="txtai",
        libraries=("txtai*",),
        functions=("Embeddings", "Application"),
        argument=("0.path", "path"),
    ),
    CallPattern(
        id="flair-load",
        loader="flair",
        libraries=("flair*", "stanza", "spacy_llm", "spacy_transformers", "gliner*"),
        functions=(
            "*.load",
            "TransformerWordEmbeddings",
            "TransformerDocumentEmbeddings",
            "SentenceTransformerDocumentEmbeddings",
        ),
        argument=(0, "model"),
        bare_names="models",
    ),
    CallPattern(
        id="load-from-hub",
        loader="",
        libraries=split_words(
            "huggingface_sb3 ultralyticsplus audiocraft* yolov5* transformers mlc_llm* happytransformer"
        ),
        functions=("load_from_hub", "YOLO", "*.get_pretrained", "cached_file", "MLCEngine", "AsyncMLCEngine"),
        argument=(0, "repo_id", "path_or_repo_id", "model", "name"),
        filename=("filename",),
    ),
    CallPattern(
        id="speechbrain-from-hparams",
        loader="speechbrain",
        libraries=("speechbrain*",),
        functions=("*.from_hparams", "foreign_class"),
        argument=(0, "source"),
    ),
    CallPattern(
        id="smolagents-model",
        loader="smolagents",
        libraries=("smolagents*", "transformers"),
        functions=(
            "InferenceClientModel",
            "HfApiModel",
            "TransformersModel",
            "MLXModel",
            "VLLMModel",
            "HfEngine",
            "HfApiEngine",
        ),
        argument=(0, "model_id"),
    ),
    CallPattern(
        id="smolagents-tool",
        loader="smolagents",
        libraries=("smolagents*", "transformers"),
        functions=("load_tool", "Tool.from_space", "Tool.from_hub", "from_space"),
        argument=(0, "space_id", "repo_id"),
        kind="space",
    ),
    CallPattern(
        id="gradio-load-model",
        loader="gradio",
        libraries=("gradio",),
        functions=("load", "Interface.load", "Blocks.load"),
        argument=(0, "name"),
        prefixes=("models/", "huggingface/"),
    ),
    CallPattern(
        id="gradio-load-space",
        loader="gradio",
        libraries=("gradio",),
        functions=("load", "Interface.load", "Blocks.load"),
        argument=(0, "name"),
        kind="space",
        prefixes=("spaces/",),
    ),
    CallPattern(
        id="gradio-load-source",
        loader="gradio",
        libraries=("gradio",),
        functions=("load", "Interface.load", "Blocks.load"),
        argument=(0, "name"),
        kind_argument=(1, "src"),
        needs_kind=True,
    ),
    CallPattern(
        id="gradio-client",
        loader="gradio_client",
        libraries=("gradio_client",),
        functions=("Client", "Client.duplicate"),
        argument=(0, "src", "from_id"),
        kind="space",
    ),
    CallPattern(
        id="litellm",
        loader="litellm",
        libraries=("litellm*",),
        functions=split_words(
            """
            completion acompletion embedding aembedding text_completion atext_completion responses aresponses
            image_generation transcription batch_completion rerank moderation
            """
        ),
        argument=(0, "model"),
        context="router",
    ),
    CallPattern(
        id="router-model",
        loader="",
        libraries=split_words(
            """
            dspy* crewai* smolagents* browser_use* google.adk* google agno* llama_index* langchain* openhands*
            instructor pydantic_ai* swarms* camel* aider* agents strands* langroid* inspect_ai* autogen*
            """
        ),
        functions=split_words(
            """
            LM LLM LiteLLMModel LiteLlm ChatLiteLLM LiteLLM LitellmModel LiteLLMChat ChatOpenRouter OpenRouter
            OpenRouterModel from_provider OpenAIServerModel OpenAIModel OpenAIChatModel get_model
            LiteLLMRouterModel
            """
        ),
        argument=(0, "model", "model_id", "model_name", "id"),
        context="router",
    ),
    CallPattern(
        id="openai-client",
        loader="openai",
        libraries=split_words(
            """
            openai together fireworks* groq langchain* openrouter llama_index* haystack* cerebras* mistralai*
            """
        ),
        functions=split_words(
            """
            completions.create completions.parse completions.stream responses.create embeddings.create
            images.generate ChatOpenAI OpenAIEmbeddings AzureChatOpenAI ChatGroq ChatTogether ChatFireworks
            ChatNVIDIA ChatDeepInfra ChatCerebras ChatMistralAI ChatBedrock ChatBedrockConverse ChatPerplexity
            ChatDeepSeek ChatNebius ChatSambaNovaCloud ChatBaseten NVIDIAEmbeddings TogetherEmbeddings
            FireworksEmbeddings Together Fireworks Groq OpenAILike TogetherLLM OpenAIEmbedding NVIDIA DeepInfraLLM
            DeepInfra Cerebras OpenAIChatGenerator OpenAIGenerator NvidiaChatGenerator OpenRouterChatGenerator
            TogetherAIChatGenerator
            """
        ),
        argument=("model", "model_name", "model_id"),
        context="router",
        on_instances=True,
        certainty="likely",
    ),
    CallPattern(
        id="outlines-model",
        loader="outlines",
        libraries=("outlines", "guidance*", "lm_format_enforcer"),
        functions=(
            "models.transformers",
            "transformers",
            "models.vllm",
            "models.Transformers",
            "Transformers",
            "models.mlxlm",
            "models.llamacpp",
        ),
        argument=(0, "model_name", "model", "repo_id"),
        bare_names="models",
    ),
    CallPattern(
        id="transformer-lens",
        loader="transformer-lens",
        libraries=("transformer_lens", "nnsight", "sae_lens"),
        functions=("*.from_pretrained", "*.from_pretrained_no_processing", "LanguageModel"),
        argument=(0, "model_name", "release"),
        bare_names="models",
    ),
    CallPattern(
        id="simpletransformers",
        loader="simpletransformers",
        libraries=("simpletransformers*",),
        functions=(
            "ClassificationModel",
            "NERModel",
            "QuestionAnsweringModel",
            "Seq2SeqModel",
            "T5Model",
            "LanguageModelingModel",
            "MultiLabelClassificationModel",
            "RepresentationModel",
        ),
        argument=(1, "model_name"),
        bare_names="models",
    ),
    CallPattern(
        id="lightning-model",
        loader="litgpt",
        libraries=split_words(
            """
            litgpt torchtune* deepspeed* mii exllamav2* tensorrt_llm* llmcompressor* auto_round* aphrodite*
            lighteval* ctranslate2* openvino_genai* kserve* bentoml* autogluon*
            """
        ),
        functions=(
            "LLM.load",
            "LLM",
            "pipeline",
            "serve",
            "oneshot",
            "AutoRound",
            "TransformersConverter",
            "client",
            "BuildConfig",
        ),
        argument=(0, "model", "model_name_or_path"),
        other_arguments=("tokenizer",),
        bare_names="models",
    ),
    CallPattern(
        id="modular-diffusers",
        loader="diffusers",
        libraries=("diffusers",),
        functions=("ComponentSpec", "ModularPipelineBlocks.from_pretrained"),
        argument=("repo", "pretrained_model_name_or_path"),
    ),
    CallPattern(
        id="other-from-pretrained",
        loader="",
        libraries=(),
        functions=("*.from_pretrained",),
        argument=(
            0,
            "pretrained_model_name_or_path",
            "model_name_or_path",
            "model_id",
            "repo_id",
            "model_name",
            "model_path",
        ),
        bare_names="models",
    ),
)

_TRANSFORMERS_JS: Final = ("@huggingface/transformers", "@xenova/transformers")

#: Functions of JavaScript packages.
SCRIPTS: Final[tuple[ScriptPattern, ...]] = (
    ScriptPattern(
        id="js-pipeline",
        loader="transformers.js",
        packages=_TRANSFORMERS_JS,
        functions=("pipeline",),
        position=1,
    ),
    ScriptPattern(
        id="js-from-pretrained",
        loader="transformers.js",
        packages=(*_TRANSFORMERS_JS, "kokoro-js", "@huggingface/tokenizers"),
        functions=("from_pretrained",),
    ),
    ScriptPattern(
        id="js-hub",
        loader="@huggingface/hub",
        packages=("@huggingface/hub",),
        functions=split_words(
            """
            downloadFile listFiles snapshotDownload modelInfo datasetInfo spaceInfo fileExists fileDownloadInfo
            downloadFileToCacheDir parseSafetensorsMetadata pathsInfo listCommits repoExists
            """
        ),
        position=-1,
        keys=("repo", "name"),
    ),
    ScriptPattern(
        id="js-inference",
        loader="@huggingface/inference",
        packages=("@huggingface/inference",),
        functions=split_words(
            """
            textGeneration textGenerationStream chatCompletion chatCompletionStream featureExtraction textToImage
            imageToText summarization translation automaticSpeechRecognition textToSpeech textClassification
            tokenClassification fillMask questionAnswering tableQuestionAnswering zeroShotClassification
            sentenceSimilarity imageClassification zeroShotImageClassification objectDetection imageSegmentation
            imageToImage imageToVideo textToVideo visualQuestionAnswering documentQuestionAnswering audioToAudio
            audioClassification tabularRegression tabularClassification conversational request streamingRequest
            """
        ),
        position=-1,
        keys=("model",),
        has_bare_names=True,
    ),
    ScriptPattern(
        id="js-ai-sdk",
        loader="@ai-sdk/huggingface",
        packages=("@ai-sdk/huggingface",),
        functions=("huggingface", "huggingface.responses", "languageModel", "responses"),
    ),
    ScriptPattern(
        id="js-langchain",
        loader="langchain",
        packages=(
            "@langchain/community*",
            "langchain*",
            "@llamaindex/huggingface",
            "llamaindex*",
            "@langchain/huggingface*",
        ),
        functions=(
            "HuggingFaceTransformersEmbeddings",
            "HuggingFaceInference",
            "HuggingFaceInferenceEmbeddings",
            "HuggingFaceEmbedding",
            "HuggingFaceLLM",
            "HuggingFaceInferenceAPI",
            "HuggingFaceInferenceAPIEmbedding",
        ),
        position=-1,
        keys=("model", "modelName", "modelType"),
    ),
    ScriptPattern(
        id="js-gradio-client",
        loader="@gradio/client",
        packages=("@gradio/client",),
        functions=("client", "duplicate", "Client.connect", "Client.duplicate"),
        kind="space",
    ),
    ScriptPattern(
        id="js-node-llama-cpp",
        loader="node-llama-cpp",
        packages=("node-llama-cpp",),
        functions=("resolveModelFile", "createModelDownloader", "loadModel"),
        keys=("modelUri", "modelPath"),
    ),
    ScriptPattern(
        id="js-router",
        loader="",
        packages=("@openrouter/ai-sdk-provider", "ai", "@ai-sdk/gateway"),
        functions=(
            "openrouter",
            "openrouter.chat",
            "openrouter.completion",
            "openrouter.languageModel",
            "openrouter.textEmbeddingModel",
            "gateway",
            "gateway.languageModel",
            "gateway.textEmbeddingModel",
            "generateText",
            "streamText",
            "generateObject",
            "streamObject",
            "embed",
            "embedMany",
        ),
        keys=("model",),
        context="router",
    ),
    ScriptPattern(
        id="js-openai-client",
        loader="openai",
        packages=(
            "openai",
            "groq-sdk",
            "together-ai",
            "@langchain/openai",
            "@langchain/groq",
            "@langchain/community*",
            "langchain*",
        ),
        functions=split_words(
            """
            completions.create completions.parse completions.stream responses.create responses.parse
            embeddings.create images.generate ChatOpenAI ChatGroq ChatTogetherAI ChatFireworks ChatOpenRouter
            """
        ),
        position=-1,
        keys=("model", "modelName"),
        context="router",
        certainty="likely",
    ),
)

#: Functions of these packages that return what the package exports under another name.
SCRIPT_FACTORIES: Final[Mapping[str, str]] = {
    "createOpenRouter": "openrouter",
    "createGateway": "gateway",
    "createGatewayProvider": "gateway",
    "createHuggingFace": "huggingface",
}

_DOWNLOAD_VALUES: Final = (
    "--include",
    "--exclude",
    "--local-dir",
    "--cache-dir",
    "--token",
    "--max-workers",
    "--local-dir-use-symlinks",
    "--format",
)

_VLLM_OPTIONS: Final = split_words(
    """
    --model --tokenizer --speculative-model --speculative_model --speculative-config --speculative_config
    --lora-modules --hf-config-path
    """
)
_TOKENIZER_REVISION: Final = ("--tokenizer-revision", "--tokenizer_revision", "--revision")
#: Revisions of what else vLLM loads beside its model: those of adapters and draft models are not stated.
_VLLM_REVISIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "--tokenizer": _TOKENIZER_REVISION,
    "--speculative-model": (),
    "--speculative_model": (),
    "--speculative-config": (),
    "--speculative_config": (),
    "--lora-modules": (),
}

#: Programs.
COMMANDS: Final[tuple[CommandPattern, ...]] = (
    CommandPattern(
        id="hf-download",
        loader="huggingface_hub",
        words=(("hf", "huggingface-cli"), ("download",)),
        takes_id=True,
        value_options=_DOWNLOAD_VALUES,
        kind_options=("--repo-type", "--type"),
        bare_names="any",
    ),
    CommandPattern(
        id="vllm-serve",
        loader="vllm",
        words=(("vllm",), ("serve", "chat", "complete", "bench")),
        takes_id=True,
        options=_VLLM_OPTIONS,
        value_options=("--served-model-name", "--chat-template", "--download-dir", "--dataset-path", "--dataset-name"),
        own_revisions=_VLLM_REVISIONS,
        images=("vllm/vllm", "/vllm-", "/vllm:", "vllm-openai"),
        bare_names="models",
    ),
    CommandPattern(
        id="vllm-module",
        loader="vllm",
        words=(
            (
                "vllm.entrypoints.openai.api_server",
                "vllm.entrypoints.api_server",
                "vllm.entrypoints.openai.run_batch",
                "vllm.entrypoints.llm",
                "aphrodite.endpoints.openai.api_server",
            ),
        ),
        options=_VLLM_OPTIONS,
        own_revisions=_VLLM_REVISIONS,
        bare_names="models",
    ),
    CommandPattern(
        id="text-generation-inference",
        loader="text-generation-inference",
        words=(("text-generation-launcher", "text-generation-server"),),
        options=("--model-id", "--tokenizer-name", "--lora-adapters"),
        images=("text-generation-inference", "text-generation-launcher", "tgi-gaudi"),
        bare_names="models",
    ),
    CommandPattern(
        id="text-embeddings-inference",
        loader="text-embeddings-inference",
        words=(("text-embeddings-router",),),
        options=("--model-id",),
        images=("text-embeddings-inference", "text-embeddings-router", "tei-gaudi"),
    ),
    CommandPattern(
        id="sglang-launch-server",
        loader="sglang",
        words=(("sglang.launch_server", "sglang_router.launch_server"),),
        options=("--model-path", "--model", "--tokenizer-path", "--speculative-draft-model-path"),
        images=("lmsysorg/sglang", "/sglang:"),
    ),
    CommandPattern(
        id="sglang-serve",
        loader="sglang",
        words=(("sglang",), ("serve",)),
        options=("--model-path", "--model"),
    ),
    CommandPattern(
        id="llama-cpp",
        loader="llama.cpp",
        words=(
            split_words(
                """
                llama-server llama-cli llama-embedding llama-mtmd-cli llama-bench llama-run llama-tts
                llama-simple llama main server
                """
            ),
        ),
        options=("-hf", "-hfr", "--hf-repo", "-hfd", "-hfrd", "--hf-repo-draft", "-hfv", "-hfrv", "--hf-repo-v"),
        filename_options=("-hff", "--hf-file"),
        images=("llama.cpp",),
    ),
    CommandPattern(
        id="llama-cpp-python-server",
        loader="llama-cpp-python",
        words=(("llama_cpp.server",),),
        options=("--hf_model_repo_id", "--hf_pretrained_model_name_or_path"),
        filename_options=("--model",),
    ),
    CommandPattern(
        id="ollama",
        loader="ollama",
        words=(("ollama",), ("pull", "run", "show", "create")),
        takes_id=True,
        needs_address=True,
    ),
    CommandPattern(
        id="docker-model",
        loader="docker-model-runner",
        words=(("docker",), ("model",), ("pull", "run", "package")),
        takes_id=True,
        needs_address=True,
    ),
    CommandPattern(
        id="ramalama",
        loader="ramalama",
        words=(("ramalama",), ("pull", "run", "serve")),
        takes_id=True,
        needs_address=True,
    ),
    CommandPattern(
        id="mlx-lm",
        loader="mlx-lm",
        words=(
            split_words(
                """
                mlx_lm mlx_lm.generate mlx_lm.server mlx_lm.chat mlx_lm.lora mlx_lm.convert mlx_lm.fuse
                mlx_vlm.generate mlx_vlm.server mlx_vlm.chat_ui mlx_whisper
                """
            ),
        ),
        options=("--model", "--hf-path"),
    ),
    CommandPattern(
        id="lmdeploy",
        loader="lmdeploy",
        words=(("lmdeploy",), ("serve", "chat", "lite", "convert")),
        options=("--model-path",),
    ),
    CommandPattern(
        id="lmdeploy-api-server",
        loader="lmdeploy",
        words=(("lmdeploy",), ("serve",), ("api_server", "gradio")),
        takes_id=True,
        images=("openmmlab/lmdeploy",),
    ),
    CommandPattern(
        id="optimum-cli",
        loader="optimum",
        words=(("optimum-cli",),),
        options=("--model", "-m"),
        bare_names="models",
    ),
    CommandPattern(
        id="transformers-cli",
        loader="transformers",
        words=(("transformers", "transformers-cli"), ("chat", "download", "serve", "run")),
        takes_id=True,
        options=("--model", "--model_name_or_path"),
        bare_names="models",
    ),
    CommandPattern(
        id="litgpt",
        loader="litgpt",
        words=(("litgpt",), ("download", "finetune", "finetune_lora", "chat", "serve", "pretrain", "evaluate")),
        takes_id=True,
    ),
    CommandPattern(
        id="torchtune-download",
        loader="torchtune",
        words=(("tune",), ("download",)),
        takes_id=True,
        value_options=("--output-dir", "--hf-token", "--ignore-patterns", "--source"),
    ),
    CommandPattern(
        id="training-cli",
        loader="trl",
        words=(("trl", "swift", "llamafactory-cli", "autotrain", "axolotl"),),
        options=("--model", "--model_name_or_path", "--model-id", "--model_id", "--adapter_name_or_path"),
    ),
    CommandPattern(
        id="ct2-converter",
        loader="ctranslate2",
        words=(("ct2-transformers-converter",),),
        options=("--model",),
    ),
    CommandPattern(
        id="kserve-huggingface",
        loader="kserve",
        words=(("huggingfaceserver",),),
        options=("--model_id", "--model-id", "--tokenizer_id"),
        revision_options=("--model_revision", "--model-revision"),
        images=("huggingfaceserver",),
        bare_names="models",
    ),
    CommandPattern(
        id="infinity-emb",
        loader="infinity-emb",
        words=(("infinity_emb",),),
        options=("--model-id", "--model-name-or-path"),
        images=("michaelf34/infinity",),
    ),
    CommandPattern(
        id="kernels-download",
        loader="kernels",
        words=(("kernels",), ("check", "benchmark", "versions", "variants", "generate-readme", "info")),
        takes_id=True,
        kind="kernel",
    ),
)

_MODEL_OPTIONS: Final = split_words(
    """
    --model-id --model_id --model-name --model_name --model --model-path --model_path --base-model --base_model
    --base_model_name --hf-model --hf_model --hf-repo --hf_repo --repo-id --repo_id --tokenizer --tokenizer_name
    --tokenizer-name --tokenizer_path --draft-model --embedding-model --embedding_model --embed-model
    --reranker-model --reranker_model --teacher_model --student_model --lora --lora-path --lora_path --adapter
    --peft_model --peft-model --reward_model --llm --checkpoint --pretrained --model-checkpoint
    --model_checkpoint --hf_path --hf-path --llm_model --vision_tower --pretrained_model
    --controlnet_model_name_or_path --model-name-or-path
    """
)

#: Options of other programs.
OPTIONS: Final[tuple[OptionPattern, ...]] = (
    OptionPattern(
        id="option-model-name-or-path",
        options=(
            "--model_name_or_path",
            "--pretrained_model_name_or_path",
            "--pretrained_vae_model_name_or_path",
            "--base_model_name_or_path",
        ),
        certainty="certain",
    ),
    OptionPattern(id="option-model", options=_MODEL_OPTIONS),
    OptionPattern(id="option-dataset-name", options=("--dataset_name",), kind="dataset", certainty="certain"),
    OptionPattern(
        id="option-dataset",
        options=(
            "--dataset",
            "--dataset-name",
            "--dataset_id",
            "--dataset-id",
            "--dataset_path",
            "--data_path",
            "--train_dataset",
        ),
        kind="dataset",
    ),
)

_MODEL_KEYS: Final = split_words(
    """
    model model_id model_name base_model base_model_id base_model_name base_model_path
    repo_id hf_repo hf_repo_id hf_model hf_model_id hf_model_name hf_id huggingface_id huggingface_model
    huggingface_repo hub_model hub_id embedding_model embedding_model_name embeddings_model embed_model embedder
    embedding reranker reranker_model rerank_model cross_encoder tokenizer tokenizer_name tokenizer_id
    tokenizer_path tokenizer_name_or_path tokenizer_model adapter adapter_id adapter_name_or_path lora lora_path
    lora_model peft_model llm llm_model llm_name chat_model model_path model_uri modelid modelname basemodel
    model_checkpoint checkpoint pretrained pretrained_model pretrained_model_name pretrained_name
    pretrained_path draft_model speculative_model teacher_model student_model reward_model judge_model ref_model
    vision_tower vision_model text_encoder whisper_model asr_model tts_model sentence_transformer encoder
    encoder_name backbone default_model model_repo model_repo_id repo source_model
    language_model generator_model controlnet embeddingmodel embedmodel rerankermodel hfmodel hfrepo repoid
    modelpath modeluri modelurl _name_or_path name_or_path hf_name hf_path config_name processor processor_name
    """
)

#: Keys of settings.
KEYS: Final[tuple[KeyPattern, ...]] = (
    KeyPattern(
        id="key-pretrained-model",
        keys=("pretrained_model_name_or_path", "base_model_name_or_path", "model_name_or_path"),
        certainty="certain",
    ),
    KeyPattern(id="key-model", keys=tuple(_MODEL_KEYS)),
    KeyPattern(
        id="key-dataset",
        keys=tuple(
            split_words(
                """
                dataset datasets dataset_name dataset_id dataset_path hf_dataset train_dataset eval_dataset
                test_dataset dataset_repo datasetid datasetname dataset_repo_id pretraining_dataset test_datasets
                """
            )
        ),
        kind="dataset",
    ),
    KeyPattern(id="key-space", keys=("space", "space_id", "hf_space", "spaces"), kind="space"),
    KeyPattern(id="key-kernel", keys=("hf_kernel", "kernel_repo", "kernel_id"), kind="kernel"),
)

#: Environment variables.
VARIABLES: Final[tuple[VariablePattern, ...]] = (
    VariablePattern(id="variable-hf-model-id", expression="HF_MODEL_ID", certainty="certain"),
    VariablePattern(
        id="variable-model",
        expression=r"(?:.*_)?(?:LLM|MODEL|MODELS|TOKENIZER|EMBEDDINGS?|EMBEDDER|RERANKER|LORA|ADAPTER|CHECKPOINT)"
        r"(?:_?(?:ID|NAME|PATH|REPO|REPO_ID|NAME_OR_PATH|HF|DEFAULT|\d+))?|HF_(?:REPO|REPO_ID|ID)|REPO_ID|(?:.*_)?MODEL_.*_(?:ID|NAME)|HF_MODEL_.*",
    ),
    VariablePattern(
        id="variable-dataset",
        expression=r"(?:.*_)?DATASETS?(?:_?(?:ID|NAME|PATH|REPO|REPO_ID))?",
        kind="dataset",
    ),
    VariablePattern(id="variable-space", expression=r"(?:.*_)?(?:HF_)?SPACE(?:_ID)", kind="space"),
)

#: Forms of their own.
FORMS: Final[tuple[FormPattern, ...]] = (
    FormPattern(id="hub-uri", summary="`hf://` URIs in code, settings and commands (`storageUri: hf://owner/name`)"),
    FormPattern(
        id="hub-file-url",
        summary="URLs of files on the Hub (`/owner/name/resolve/main/…`) and of its inference service "
        "(`/models/owner/name`) in code and settings",
    ),
    FormPattern(
        id="hub-url-command",
        summary="URLs of the Hub as arguments of `git clone`, `curl`, `wget`, `pip` and Dockerfile `ADD`",
    ),
    FormPattern(id="hub-url", summary="URLs of repository pages in code and settings", certainty="possible"),
    FormPattern(id="compose-models", summary="`models:` and `provider:` of Compose files, with an address of the Hub"),
    FormPattern(id="serving-image-variable", summary="`MODEL_ID` and the like for an image of a model server"),
    FormPattern(id="card-metadata", summary="`base_model`, `datasets` and `models` in the front matter of a README"),
    FormPattern(id="adapter-config", summary="`base_model_name_or_path` of an `adapter_config.json`"),
    FormPattern(id="kernels-lock", summary="entries of `kernels.lock`"),
    FormPattern(id="kernels-dependencies", summary="`[tool.kernels.dependencies]` of `pyproject.toml`"),
    FormPattern(id="modelfile", summary="`FROM` and `ADAPTER` of a Modelfile, with an address of the Hub"),
    FormPattern(id="router-id", summary="ids of hosted models (`openai/gpt-4o`) in settings", certainty="likely"),
    FormPattern(
        id="override-model-path",
        summary="`….model.path=owner/name` and `….model_name=owner/name`, overrides of settings in commands",
    ),
    FormPattern(
        id="keyword-model-name-or-path",
        summary="`model_name_or_path=` and the like in calls of any function in Python",
    ),
    FormPattern(
        id="timm-prefix",
        summary="other strings with the prefix of timm and open_clip (`hf-hub:owner/name`) in Python",
        certainty="likely",
    ),
    FormPattern(
        id="model-constant",
        summary="constants, settings and keys in Python named after a model, with the id of a known publisher",
        certainty="likely",
    ),
    FormPattern(
        id="near-model-word",
        summary="other strings of the form of an id, assigned to a name about models",
        certainty="possible",
    ),
)

#: Ids of all rows.
PATTERN_IDS: Final[tuple[str, ...]] = tuple(
    row.id for rows in (CALLS, SCRIPTS, COMMANDS, OPTIONS, KEYS, VARIABLES, FORMS) for row in rows
)
