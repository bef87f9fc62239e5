"""Tasks of the Hub (``pipeline_tag``), by what they produce."""

from __future__ import annotations

from typing import Final

from nerq_cli.hub_facts import HubRepository

#: Tasks that produce text, images, sound or video, or talk with people (Article 50 of the EU AI Act).
GENERATIVE: Final = frozenset(
    [
        "any-to-any",
        "audio-text-to-text",
        "audio-to-audio",
        "image-text-to-image",
        "image-text-to-text",
        "image-text-to-video",
        "image-to-3d",
        "image-to-image",
        "image-to-text",
        "image-to-video",
        "summarization",
        "text-generation",
        "text-to-3d",
        "text-to-audio",
        "text-to-image",
        "text-to-music",
        "text-to-speech",
        "text-to-video",
        "text2text-generation",
        "translation",
        "unconditional-image-generation",
        "video-text-to-text",
        "video-to-video",
    ]
)
#: Of these, those whose output may be an edit of what people wrote, which Article 50(2) leaves out.
ASSISTIVE: Final = frozenset({"summarization", "translation"})
#: Of these, those that the guidelines on general-purpose models do not name: they name language (text or speech),
#: images from text and video from text.
UNNAMED_IN_GUIDELINES: Final = frozenset(
    {
        "audio-to-audio",
        "image-to-3d",
        "image-to-image",
        "image-to-video",
        "text-to-3d",
        "text-to-audio",
        "text-to-music",
        "unconditional-image-generation",
        "video-to-video",
    }
)
#: Tasks that sort, measure or find, and produce nothing that people may take for the work of people. Answers to
#: questions count as such: they are a part of what the model was given.
ANALYTIC: Final = frozenset(
    [
        "audio-classification",
        "automatic-speech-recognition",
        "depth-estimation",
        "document-question-answering",
        "feature-extraction",
        "fill-mask",
        "graph-ml",
        "image-classification",
        "image-feature-extraction",
        "image-segmentation",
        "keypoint-detection",
        "mask-generation",
        "multiple-choice",
        "object-detection",
        "question-answering",
        "reinforcement-learning",
        "robotics",
        "sentence-similarity",
        "tabular-classification",
        "tabular-regression",
        "text-classification",
        "text-ranking",
        "text-retrieval",
        "table-question-answering",
        "time-series-forecasting",
        "token-classification",
        "video-classification",
        "visual-document-retrieval",
        "visual-question-answering",
        "voice-activity-detection",
        "zero-shot-classification",
        "zero-shot-image-classification",
        "zero-shot-object-detection",
    ]
)


def is_generative(repository: HubRepository) -> bool | None:
    """Return whether a repository produces content or talks with people; None = its task is not stated."""
    tags = frozenset(repository.tags)
    if repository.pipeline_tag in GENERATIVE or "conversational" in tags:
        return True
    if repository.pipeline_tag in ANALYTIC:
        return False
    return True if not repository.pipeline_tag and tags & GENERATIVE else None
