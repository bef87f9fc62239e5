"""What the signals of one repository have in common."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from nerq_cli.compliance.card import Section, is_read_whole, read_sections
from nerq_cli.facts import NOT_REQUESTED, Fact, Found
from nerq_cli.hub_facts import OLDEST_CREATION, CardMetadata, HubEvidence, HubFile, HubKind, HubOwner, HubRepository
from nerq_cli.methodology.types import Methodology
from nerq_cli.signals.models.files import Weights, find_data, find_weights
from nerq_cli.signals.models.loaders import Loaders, read_loaders
from nerq_cli.signals.signal import days_between
from nerq_cli.units import DAY

_COMMIT_LENGTH = 40


class RepositoryContext:
    """The evidence about one repository, with what several signals derive from it."""

    def __init__(self, methodology: Methodology, evidence: HubEvidence, as_of: int) -> None:
        self.methodology = methodology
        self.evidence = evidence
        #: Epoch seconds UTC.
        self.as_of = as_of
        fact = evidence.repository
        #: None if it was not read.
        self.repository: HubRepository | None = fact.value if isinstance(fact, Found) else None
        self.owner: HubOwner | None = evidence.owner.value if isinstance(evidence.owner, Found) else None

    def limit(self, id_: str) -> float:
        """Return the value of a limit of the methodology."""
        return self.methodology.limits[id_].value

    @property
    def fact(self) -> Fact[HubRepository]:
        """The repository, as the source gave it."""
        return self.evidence.repository

    @property
    def kind(self) -> HubKind | None:
        """The kind of repository; None if it was not read."""
        return None if self.repository is None else self.repository.kind

    # --- header of the card

    @property
    def card(self) -> CardMetadata | None:
        """The header of the card; None if there is none, or if it was not read."""
        return None if self.repository is None else self.repository.card

    @property
    def is_header_read(self) -> bool:
        """Whether the header of the card was read, or is known not to exist."""
        return self.repository is not None and (self.repository.card is not None or self.repository.has_card_data)

    @property
    def base_models(self) -> tuple[str, ...]:
        """Ids of the base models that its author, or the Hub, names."""
        declared = self.card.base_models if self.card is not None else None
        verified = self.repository.verified_bases if self.repository is not None else None
        return tuple(dict.fromkeys((*(declared or ()), *(verified or ()))))

    @property
    def has_base_model(self) -> bool | None:
        """Whether a base model is named; None if that is not known."""
        if self.base_models:
            return True
        return False if self.is_header_read else None

    # --- text of the card

    @cached_property
    def sections(self) -> tuple[Section, ...] | None:
        """The sections of the card; None if it was not read, or does not exist."""
        fact = self.evidence.card
        return read_sections(fact.value) if isinstance(fact, Found) else None

    @property
    def is_card_whole(self) -> bool:
        """Whether all of the card was read: otherwise what is not in it is not known to be missing."""
        fact = self.evidence.card
        return not isinstance(fact, Found) or is_read_whole(fact.value, self.sections or ())

    # --- files

    @property
    def files(self) -> tuple[HubFile, ...] | None:
        """The files; None if they were not listed."""
        return None if self.repository is None else self.repository.files

    @property
    def are_files_whole(self) -> bool:
        """Whether all files are listed."""
        return self.files is not None and self.repository is not None and not self.repository.more_files

    @cached_property
    def weights(self) -> Weights | None:
        """The weights of a model, or the data of a dataset; None if the files were not listed."""
        if self.repository is None or self.files is None:
            return None
        if self.kind == "dataset":
            return find_data(self.files)
        return find_weights(
            self.files,
            (self.repository.library, *self.repository.tags),
            refuses_safetensors=self.evidence.reference.refuses_safetensors,
        )

    @property
    def dataset_script(self) -> str:
        """The loading script of a dataset: a Python file with the name of the repository; empty if there is none."""
        if self.repository is None or self.kind != "dataset":
            return ""
        script = f"{self.repository.id.rpartition('/')[2]}.py"
        return next((file.path for file in self.files or () if file.path == script), "")

    # --- how the project uses it

    @cached_property
    def loaders(self) -> Loaders:
        """The libraries that the project pins."""
        return read_loaders(self.evidence.reference.libraries)

    @property
    def is_pinned(self) -> bool:
        """Whether the project refers to a commit."""
        return is_commit(self.evidence.reference.revision)

    # --- dates

    @property
    def days(self) -> int | None:
        """Whole UTC days since it was created; None = not stated, or not yet over."""
        if self.repository is None or not self.repository.created_at or self.is_created_later:
            return None
        return days_between(self.repository.created_at, self.as_of)

    @property
    def is_created_later(self) -> bool:
        """Whether its date of creation is over a day after the moment of the report, which clocks do not explain."""
        return self.repository is not None and self.repository.created_at > self.as_of + DAY

    @property
    def is_older(self) -> bool:
        """Whether it may be older than `days`: the Hub states no earlier date."""
        return self.repository is not None and 0 < self.repository.created_at <= OLDEST_CREATION

    @property
    def unchanged_days(self) -> int | None:
        """Whole UTC days since its last change; None = not stated."""
        if self.repository is None or not self.repository.modified_at:
            return None
        return days_between(self.repository.modified_at, self.as_of)


def is_commit(revision: str) -> bool:
    """Return whether a revision is the hash of a commit."""
    return len(revision) == _COMMIT_LENGTH and all(character in "0123456789abcdef" for character in revision.lower())


def list_parts(context: RepositoryContext) -> tuple[Mapping[str, Fact[HubRepository]], bool]:
    """Return the other models that it may load (base models, the models of a Space), and whether it names them."""
    repository = context.repository
    if repository is None:
        return {}, False
    if repository.kind == "space":
        ids, facts = repository.used_models, context.evidence.used
    else:
        ids, facts = context.base_models if context.is_header_read else None, context.evidence.bases
    if ids is None:
        return facts, False
    return {id_: facts.get(id_, NOT_REQUESTED) for id_ in ids}, True


def is_adapter(context: RepositoryContext) -> bool | None:
    """Return whether its weights are added to those of its base model, which is loaded as well; None if not known."""
    if context.repository is not None and context.repository.base_model_relation == "adapter":
        return True
    if any(file.path == "adapter_config.json" for file in context.files or ()):
        return True
    return False if context.is_header_read and context.are_files_whole else None
