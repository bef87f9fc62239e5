"""Names that may be mistaken: accounts like a well-known organisation, repositories named like a well-known one.

Both lists are our own (2026-09), of publishers and repositories that code and tutorials name often. A name on a list is
no statement about quality; an official repository that is missing is only compared, never accused.
"""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType
from typing import Final

_ORGANISATION_NAMES: Final = """
    01-ai AI-MO AIDC-AI Alibaba-NLP Alpha-VLLM ArliAI BAAI ByteDance ByteDance-Seed CohereForAI
    CohereLabs CompVis Comfy-Org Deci DeepFloyd EleutherAI EssentialAI FunAudioLLM Gustavosta HiDream-ai
    HuggingFaceFW HuggingFaceH4 HuggingFaceM4 HuggingFaceTB IDEA-CCNL IntelLabs FacebookAI IDEA-Research Intel
    JetBrains KwaiVGI Kwai-Kolors LGAI-EXAONE LanguageBind Lightricks LiquidAI Lykon MaziyarPanahi MiniMaxAI
    NousResearch OFA-Sys OpenAssistant OpenGVLab OpenLLM-France OpenMOSS-Team OuteAI PaddlePaddle PowerInfer
    PrimeIntellect QuantTrio Qwen RWKV RedHatAI Salesforce SakanaAI ServiceNow ServiceNow-AI SimianLuo Skywork
    Snowflake SparkAudio SmilingWolf Systran THUDM TIGER-Lab TencentARC TheBloke Tongyi-MAI TinyLlama UKPLab
    VAGOsolutions WizardLMTeam XiaomiMiMo Xenova Zyphra adept ai21labs ai4bharat ai-forever allenai amazon
    answerdotai apple arcee-ai argmaxinc argilla autogluon baichuan-inc baidu bartowski berkeley-nest bigcode
    bigscience black-forest-labs cardiffnlp cerebras codellama codeparrot coqui cross-encoder cyberagent dandelin
    databricks datalab-to dbmdz deepinfra deepmind deepseek-ai deepset distil-whisper distilbert docling-project
    dphn dslim emilyalsentzer espnet facebook fal fishaudio flair google google-bert google-t5 gradientai gradio
    h2oai hexgrad huggingface huggingface-projects huggyllama hustvl ibm ibm-granite ibm-nasa-geospatial
    ibm-research iic impira inclusionAI internlm intfloat janhq jinaai jonatasgrosman kakaobrain kakaocorp
    kernels-community kyutai lambdalabs laion lerobot llava-hf llm-jp lmms-lab lmstudio-community lmsys lvwerra
    mattmdjaga meituan meituan-longcat meta-llama microsoft mistral-community mistralai mixedbread-ai mlx-community
    monster-labs moonshotai mosaicml myshell-ai naver naver-hyperclovax neuralmagic nomic-ai nvidia onnx-community
    open-r1 open-thoughts openai openai-community openbmb openchat opencompass openmmlab openvla ostris parler-tts
    pfnet philschmid playgroundai prajjwal1 princeton-nlp project-baize prompthero pyannote pysentimiento rinna
    runwayml samsung segmind sentence-transformers sesame silero speechbrain stabilityai stanfordnlp stepfun-ai suno
    tabularisai teknium tencent tiiuae timm togethercomputer tokyotech-llm trl-lib ultralytics unsloth
    unstructuredio upstage utter-project uwtopia vikhyatk vinai vidore vllm-project weaviate wikimedia xai-org
    xlangai xlnet zai-org zhipuai
"""
#: Well-known accounts of the Hub, as they are spelled.
ORGANISATIONS: Final = tuple(_ORGANISATION_NAMES.split())

_REPOSITORY_IDS: Final = """
    BAAI/bge-base-en-v1.5 BAAI/bge-large-en-v1.5 BAAI/bge-large-zh-v1.5 BAAI/bge-m3 BAAI/bge-reranker-base
    BAAI/bge-reranker-large BAAI/bge-reranker-v2-m3 BAAI/bge-small-en-v1.5 CompVis/stable-diffusion-v1-4
    EleutherAI/gpt-j-6b EleutherAI/gpt-neo-125m EleutherAI/gpt-neo-2.7B EleutherAI/gpt-neox-20b
    HuggingFaceH4/zephyr-7b-beta HuggingFaceTB/SmolLM2-1.7B-Instruct HuggingFaceTB/SmolLM3-3B Qwen/QwQ-32B
    Qwen/Qwen2-7B-Instruct Qwen/Qwen2-VL-7B-Instruct Qwen/Qwen2.5-0.5B-Instruct Qwen/Qwen2.5-1.5B-Instruct
    Qwen/Qwen2.5-14B-Instruct Qwen/Qwen2.5-32B-Instruct Qwen/Qwen2.5-3B-Instruct Qwen/Qwen2.5-72B-Instruct
    Qwen/Qwen2.5-7B-Instruct Qwen/Qwen2.5-Coder-32B-Instruct Qwen/Qwen2.5-Coder-7B-Instruct
    Qwen/Qwen2.5-VL-7B-Instruct Qwen/Qwen3-0.6B Qwen/Qwen3-14B Qwen/Qwen3-32B Qwen/Qwen3-4B
    Qwen/Qwen3-4B-Instruct-2507 Qwen/Qwen3-8B Qwen/Qwen3-Embedding-0.6B Qwen/Qwen3-Reranker-0.6B
    Salesforce/blip-image-captioning-base Salesforce/blip-image-captioning-large Systran/faster-whisper-large-v3
    THUDM/chatglm3-6b THUDM/chatglm2-6b TinyLlama/TinyLlama-1.1B-Chat-v1.0 answerdotai/ModernBERT-base
    bigcode/starcoder bigcode/starcoder2-15b bigscience/bloom bigscience/bloom-560m bigscience/bloomz-7b1
    black-forest-labs/FLUX.1-dev black-forest-labs/FLUX.1-schnell black-forest-labs/FLUX.1-Kontext-dev
    cardiffnlp/twitter-roberta-base-sentiment-latest codellama/CodeLlama-7b-Instruct-hf
    cross-encoder/ms-marco-MiniLM-L-6-v2 databricks/dolly-v2-12b databricks/dbrx-instruct deepseek-ai/DeepSeek-R1
    deepseek-ai/DeepSeek-R1-0528 deepseek-ai/DeepSeek-R1-Distill-Llama-70B deepseek-ai/DeepSeek-R1-Distill-Llama-8B
    deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B deepseek-ai/DeepSeek-R1-Distill-Qwen-32B
    deepseek-ai/DeepSeek-R1-Distill-Qwen-7B deepseek-ai/DeepSeek-V3 deepseek-ai/DeepSeek-V3.1
    deepseek-ai/DeepSeek-OCR deepset/roberta-base-squad2 distilbert/distilbert-base-uncased
    distilbert/distilbert-base-uncased-finetuned-sst-2-english distilbert/distilgpt2 dslim/bert-base-NER
    facebook/bart-large facebook/bart-large-cnn facebook/bart-large-mnli facebook/dinov2-base facebook/esmfold_v1
    facebook/musicgen-small facebook/nllb-200-distilled-600M facebook/opt-125m facebook/opt-1.3b
    facebook/sam-vit-base facebook/seamless-m4t-v2-large facebook/wav2vec2-base-960h FacebookAI/roberta-base
    FacebookAI/roberta-large FacebookAI/xlm-roberta-base FacebookAI/xlm-roberta-large google-bert/bert-base-cased
    google-bert/bert-base-chinese google-bert/bert-base-multilingual-cased google-bert/bert-base-uncased
    google-bert/bert-large-uncased google-t5/t5-base google-t5/t5-small google/electra-base-discriminator
    google/embeddinggemma-300m google/flan-t5-base google/flan-t5-large google/flan-t5-xl google/flan-t5-xxl
    google/gemma-2-27b-it google/gemma-2-2b-it google/gemma-2-9b-it google/gemma-2b google/gemma-3-12b-it
    google/gemma-3-1b-it google/gemma-3-27b-it google/gemma-3-4b-it google/gemma-7b google/gemma-7b-it
    google/mt5-base google/paligemma-3b-pt-224 google/siglip-so400m-patch14-384 google/vit-base-patch16-224
    hexgrad/Kokoro-82M ibm-granite/granite-3.3-8b-instruct intfloat/e5-large-v2 intfloat/multilingual-e5-base
    intfloat/multilingual-e5-large intfloat/multilingual-e5-small jinaai/jina-embeddings-v3
    jinaai/jina-reranker-v2-base-multilingual laion/CLIP-ViT-B-32-laion2B-s34B-b79K llava-hf/llava-1.5-7b-hf
    lmsys/vicuna-7b-v1.5 lmsys/vicuna-13b-v1.5 meta-llama/Llama-2-7b-chat-hf meta-llama/Llama-2-7b-hf
    meta-llama/Llama-2-13b-chat-hf meta-llama/Llama-2-70b-chat-hf meta-llama/Llama-3.1-70B-Instruct
    meta-llama/Llama-3.1-8B meta-llama/Llama-3.1-8B-Instruct meta-llama/Llama-3.1-405B-Instruct
    meta-llama/Llama-3.2-11B-Vision-Instruct meta-llama/Llama-3.2-1B meta-llama/Llama-3.2-1B-Instruct
    meta-llama/Llama-3.2-3B meta-llama/Llama-3.2-3B-Instruct meta-llama/Llama-3.3-70B-Instruct
    meta-llama/Llama-4-Scout-17B-16E-Instruct meta-llama/Llama-Guard-3-8B meta-llama/Meta-Llama-3-8B
    meta-llama/Meta-Llama-3-8B-Instruct meta-llama/Meta-Llama-3-70B-Instruct microsoft/Florence-2-large
    microsoft/Phi-3-mini-4k-instruct microsoft/Phi-3.5-mini-instruct microsoft/Phi-4-mini-instruct
    microsoft/Phi-4-multimodal-instruct microsoft/deberta-v3-base microsoft/layoutlmv3-base microsoft/phi-2
    microsoft/phi-4 microsoft/resnet-50 microsoft/speecht5_tts microsoft/trocr-base-handwritten
    microsoft/VibeVoice-1.5B microsoft/codebert-base mistralai/Codestral-22B-v0.1 mistralai/Mistral-7B-Instruct-v0.1
    mistralai/Mistral-7B-Instruct-v0.2 mistralai/Mistral-7B-Instruct-v0.3 mistralai/Mistral-7B-v0.1
    mistralai/Mistral-Nemo-Instruct-2407 mistralai/Mistral-Small-24B-Instruct-2501
    mistralai/Mixtral-8x7B-Instruct-v0.1 mixedbread-ai/mxbai-embed-large-v1 moonshotai/Kimi-K2-Instruct
    mosaicml/mpt-7b nomic-ai/nomic-embed-text-v1.5 nvidia/Llama-3.1-Nemotron-70B-Instruct-HF
    nvidia/parakeet-tdt-0.6b-v2 openai-community/gpt2 openai-community/gpt2-large openai-community/gpt2-medium
    openai-community/gpt2-xl openai/clip-vit-base-patch32 openai/clip-vit-large-patch14 openai/gpt-oss-120b
    openai/gpt-oss-20b openai/privacy-filter openai/whisper-base openai/whisper-large-v2 openai/whisper-large-v3
    openai/whisper-large-v3-turbo openai/whisper-medium openai/whisper-small openai/whisper-tiny
    pyannote/segmentation-3.0 pyannote/speaker-diarization-3.1 runwayml/stable-diffusion-v1-5
    sentence-transformers/all-MiniLM-L6-v2 sentence-transformers/all-mpnet-base-v2
    sentence-transformers/multi-qa-MiniLM-L6-cos-v1 sentence-transformers/paraphrase-MiniLM-L6-v2
    sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2 stabilityai/sd-turbo stabilityai/sdxl-turbo
    stabilityai/stable-diffusion-2-1 stabilityai/stable-diffusion-3-medium stabilityai/stable-diffusion-3.5-large
    stabilityai/stable-diffusion-xl-base-1.0 stabilityai/stable-video-diffusion-img2vid-xt suno/bark
    tiiuae/falcon-7b tiiuae/falcon-7b-instruct tiiuae/falcon-40b-instruct upstage/SOLAR-10.7B-Instruct-v1.0
    vikhyatk/moondream2 xai-org/grok-1 xai-org/grok-2 zai-org/GLM-4.5 zai-org/GLM-4.6
"""
#: Repositories that are copied under other accounts, by their name in lower case.
REPOSITORIES: Final = MappingProxyType({id_.split("/")[1].lower(): id_ for id_ in _REPOSITORY_IDS.split()})
#: Words that are put in front of or behind the name of an organisation.
_ADDED_WORDS: Final = ("official", "ai", "hf", "real", "team", "inc", "labs", "models", "llm", "org", "the", "original")
_SEPARATORS: Final = str.maketrans("", "", "-_.")
_LOOK_ALIKES: Final = str.maketrans({"0": "o", "1": "l", "i": "l", "5": "s", "3": "e", "4": "a", "8": "b"})
#: Shorter names differ by one character too often.
_MIN_COMPARED_LENGTH: Final = 6
#: What is left of a name without the added word.
_MIN_SHORTENED_LENGTH: Final = 4


def is_well_known(account: str) -> bool:
    """Return whether an account is on the list of well-known ones."""
    return account.lower() in _build_names()


def find_similar_organisation(account: str) -> str:
    """Return the well-known organisation whose name an account's may be mistaken for; empty if there is none.

    The Hub compares names without regard to case, so that spellings that differ only in case are one account.
    """
    names = _build_names()
    name = account.lower()
    if not name or name in names:
        return ""
    folded_names = _build_folded_names()
    folded = _fold(name)
    if found := folded_names.get(folded):
        return found
    plain = name.translate(_SEPARATORS)
    for word in _ADDED_WORDS:
        for shorter in (plain.removesuffix(word), plain.removeprefix(word)):
            if (
                shorter != plain
                and len(shorter) >= _MIN_SHORTENED_LENGTH
                and (found := folded_names.get(_fold(shorter)))
            ):
                return found
    return _find_by_distance(folded)


def find_copied_repository(id_: str) -> str:
    """Return the well-known repository that has the same name as one of another account; empty if there is none."""
    account, _, name = id_.rpartition("/")
    original = REPOSITORIES.get(name.lower(), "")
    owner = original.partition("/")[0]
    return "" if not account or account.lower() == owner.lower() else original


def _find_by_distance(folded: str) -> str:
    """Return the organisation at a distance of one change, or of two swapped characters."""
    if len(folded) < _MIN_COMPARED_LENGTH:
        return ""
    from rapidfuzz.distance import OSA

    for other, organisation in _build_folded_names().items():
        if len(other) >= _MIN_COMPARED_LENGTH and OSA.distance(folded, other, score_cutoff=1) == 1:
            return organisation
    return ""


def _fold(name: str) -> str:
    """Return a name in lower case without separators, with look-alike characters made equal."""
    return name.lower().translate(_SEPARATORS).translate(_LOOK_ALIKES)


@lru_cache(maxsize=1)
def _build_names() -> frozenset[str]:
    return frozenset(name.lower() for name in ORGANISATIONS)


@lru_cache(maxsize=1)
def _build_folded_names() -> dict[str, str]:
    return {_fold(name): name for name in ORGANISATIONS}
