"""Names of repositories of the Hub without a namespace: the models and datasets of its first years.

Further repositories have a namespace, so these lists do not grow. Another name without a slash is a directory or a
variable as often as a repository.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from nerq_cli.manifests.references.words import split_words
from nerq_cli.patterns import compile_late

#: Models that ``transformers`` loads by a name without a namespace.
MODEL: Final = compile_late(
    r"(?:distil)?gpt2(?:-(?:medium|large|xl))?|openai-gpt|ctrl|transfo-xl-wt103"
    r"|bert-(?:base|large)-(?:(?:multilingual-)?(?:un)?cased|chinese|german-(?:cased|dbmdz-(?:un)?cased)"
    r"|finnish-(?:un)?cased-v1)"
    r"|bert-(?:base|large)-(?:un)?cased-(?:whole-word-masking(?:-finetuned-squad)?|finetuned-mrpc)"
    r"|bert-large-(?:un)?cased-whole-word-masking(?:-finetuned-squad)?"
    r"|distilbert-base-(?:(?:un)?cased(?:-distilled-squad)?|multilingual-cased|german-cased"
    r"|uncased-finetuned-sst-2-english)"
    r"|(?:distil)?roberta-(?:base|large)(?:-(?:mnli|openai-detector))?"
    r"|albert-(?:base|large|xlarge|xxlarge)-v[12]|xlnet-(?:base|large)-cased"
    r"|xlm-(?:mlm|clm)-[a-z0-9-]+|xlm-roberta-(?:base|large(?:-finetuned-conll0[23]-[a-z]+)?)"
    r"|t5-(?:small|base|large|3b|11b)|camembert-base"
)

#: Models that ``sentence-transformers`` loads from its own namespace.
SENTENCE_MODEL: Final = compile_late(
    r"(?:all-(?:MiniLM|mpnet|distilroberta|roberta)|paraphrase-|multi-qa-|msmarco-|distiluse-base|stsb-|nli-"
    r"|gtr-t5-|sentence-t5-|clip-ViT-|quora-distil|xlm-r-|static-(?:retrieval|similarity)-|facebook-dpr-"
    r"|distilbert-base-nli-|bert-(?:base|large)-nli-|roberta-(?:base|large)-nli-|distilroberta-base-|use-cmlm-)[\w.-]*"
    r"|LaBSE|allenai-specter|average_word_embeddings_[\w.]+"
)

#: The namespace of these models.
SENTENCE_NAMESPACE: Final = "sentence-transformers"

_CONVERTED_WHISPER: Final = "Systran/faster-whisper"
_DISTILLED_WHISPER: Final = "Systran/faster-distil-whisper"
#: Repositories of the sizes that ``faster-whisper`` takes in place of an id (its ``utils.py``, release 1.2).
WHISPER_SIZES: Final[Mapping[str, str]] = MappingProxyType(
    {
        **{
            size: f"{_CONVERTED_WHISPER}-{size}"
            for size in split_words(
                "tiny tiny.en base base.en small small.en medium medium.en large-v1 large-v2 large-v3"
            )
        },
        **{
            f"distil-{size}": f"{_DISTILLED_WHISPER}-{size}"
            for size in ("small.en", "medium.en", "large-v2", "large-v3")
        },
        "large": f"{_CONVERTED_WHISPER}-large-v3",
        "distil-large-v3.5": "distil-whisper/distil-large-v3.5-ct2",
        "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
        "turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    }
)

#: Datasets that ``datasets`` loads by a name without a namespace.
DATASETS: Final = frozenset(
    split_words(
        """
        ag_news adversarial_qa allocine amazon_polarity amazon_reviews_multi amazon_us_reviews anli aeslc
        arxiv_dataset ai2_arc banking77 beans billsum biosses blended_skill_trial blog_authorship_corpus
        bookcorpus bookcorpusopen boolq c4 cats_vs_dogs cc100 cc_news cifar10 cifar100 cnn_dailymail cnn_news
        coco code_search_net code_x_glue_cc_defect_detection codah common_gen common_language common_voice
        commonsense_qa conll2000 conll2002 conll2003 conll2012_ontonotesv5 cos_e cosmos_qa covost2 crows_pairs
        dbpedia_14 daily_dialog definite_pronoun_resolution discofuse drop duorc e2e_nlg eli5 emo emotion
        empathetic_dialogues europarl_bilingual fashion_mnist fever financial_phrasebank flores food101 gem
        germeval_14 gigaword glue go_emotions gsm8k hans hate_speech18 hellaswag hotpot_qa humaneval imagenet-1k
        imagenet_sketch imdb iwslt2017 jigsaw_toxicity_pred kde4 kilt_tasks lambada lex_glue librispeech_asr
        librispeech_asr_dummy liar lj_speech math_dataset math_qa mbpp mc4 mlqa mlsum mmlu mnist ms_marco
        multi_news multi_nli multi_nli_mismatch multi_woz_v22 natural_questions ncbi_disease news_commentary
        newsgroup nq_open nyu_depth_v2 olm openai_humaneval openbookqa opus100 opus_books openwebtext oscar pg19
        patrick piqa poem_sentiment ptb_text_only pubmed pubmed_qa qasper quac quail quarel quartz quora quoref
        race red_caps reddit reddit_tifu ropes rotten_tomatoes samsum scan scientific_papers scifact sciq
        scitail scitldr search_qa sem_eval_2010_task_8 sentiment140 sick silicone snli social_i_qa
        speech_commands squad squad_v2 squadshifts sst sst2 stsb_multi_mt super_glue superb svhn swag
        ted_talks_iwslt textvqa timit_asr tiny_shakespeare toxic_conversations trec trivia_qa truthful_qa
        tweet_eval tydiqa universal_dependencies visual_genome vivos web_nlg web_questions wiki40b wiki_auto
        wiki_bio wiki_dpr wiki_hop wiki_lingua wiki_qa wiki_snippets wikiann wikicorpus wikihow wikipedia
        wikisql wikitext wino_bias winogrande winograd_wsc wmt14 wmt15 wmt16 wmt17 wmt18 wmt19 wmt_t2t wnut_17
        wongnai_reviews x_stance xcopa xglue xnli xquad xsum xtreme yahoo_answers_topics yelp_polarity
        yelp_review_full zest
        """
    )
)

#: Formats and generators that ``datasets`` reads local data with.
DATASET_BUILDERS: Final = frozenset(
    split_words(
        """
        arrow audiofolder cache csv generator hdf5 imagefolder json jsonl lance niftifolder pandas parquet
        pdffolder sql spark text tsv videofolder webdataset xml
        """
    )
)

#: Namespaces of publishers whose models many projects load.
NAMESPACES: Final = frozenset(
    split_words(
        """
        01-ai ai21labs ai4bharat AIDC-AI Alibaba-NLP allenai amazon answerdotai apple argilla Babelscape BAAI
        bartowski ByteDance bigcode bigscience bert-base black-forest-labs CohereForAI CohereLabs cross-encoder
        dbmdz deepseek-ai deepset dslim EleutherAI facebook FacebookAI fishaudio google google-bert google-t5
        GroNLP h2oai Helsinki-NLP hexgrad hkunlp huggingface HuggingFaceH4 HuggingFaceM4 HuggingFaceTB
        HuggingFaceFW ibm-granite infgrad InstantX Intel internlm intfloat IDEA-Research jinaai JetBrains
        julien-c kakaocorp KBLab klue ku-nlp LGAI-EXAONE liquidai LiquidAI llava-hf lmstudio-community lmsys
        maidalun1020 meta-llama microsoft MiniMaxAI mistralai mixedbread-ai mlx-community monologg MoritzLaurer
        moonshotai mosaicml NbAiLab NousResearch nomic-ai nvidia Open-Orca OpenAssistant openai openai-community
        openbmb OpenGVLab openlm-research papluca pyannote ProsusAI prajjwal1 prithivida Qdrant Qwen Recognai
        runwayml SamLowe Salesforce sberbank-ai ai-forever sentence-transformers SetFit ServiceNow shibing624
        snunlp Snowflake speechbrain stabilityai stable-diffusion-v1-5 Systran distil-whisper TencentARC tencent
        TheBloke THUDM zai-org tiiuae timm TinyLlama unsloth Undi95 upstage vinai WizardLM WhereIsAI w601sxs
        Xenova onnx-community xai-org XiaomiMiMo yiyanghkust zhihan1996 databricks distilbert thenlper nlptown
        cardiffnlp dunzhang cointegrated rajpurkar stanfordnlp tatsu-lab teknium OpenPipe lucadiliello
        HuggingFaceGECLM wikimedia Skywork mteb
        """
    )
)


#: Names of devices and programs of publishers that make more than models.
_PRODUCT: Final = compile_late(
    r"(?:iphone|ipad|imac|ipod|macbook|mac-?(?:mini|pro|studio)|airpods|apple-?(?:tv|watch)|watch|vision-?pro|homepod|pixel(?!-?art)"
    r"|nexus-?\d|chromebook|nest-|surface(?:-|$)|xbox|hololens|windows|rtx|gtx|geforce|quadro|jetson|shield|titan-?(?:v|x)|dgx|[avh]\d00"
    r"|core-?i\d|xeon|nuc|echo(?:-|$)|kindle|fire-?(?:tv|hd)|thinkpad|z\d\d$)[\w.-]*",
    re.IGNORECASE,
)


def is_known_namespace(name: str) -> bool:
    """Whether the namespace of an id is one of a publisher that many projects use, and the rest no device of theirs."""
    namespace, _, base = name.partition("/")
    return namespace in NAMESPACES and _PRODUCT.fullmatch(base) is None
