"""What a service has: its settings, its worker threads, and the answers that are ready."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from nerq_cli.application.service_answers import SOURCE as EVIDENCE
from nerq_cli.application.session import Session, read_clock, read_settings
from nerq_cli.application.settings import Settings
from nerq_cli.config.layers import drop_weakenings
from nerq_cli.errors import UsageError
from nerq_cli.insight.purpose import Purpose
from nerq_cli.serve.answers import SOURCE, Answer, AnswerCache
from nerq_cli.serve.assess import Lifetimes, Place, assess_lookups, describe_settings, fail_lookup, read_answers
from nerq_cli.serve.documents import Documents, KeptDocument, Made
from nerq_cli.serve.engine import WORKERS, Batches, Engine
from nerq_cli.serve.error_log import log_error
from nerq_cli.serve.evidence import EvidenceBatches
from nerq_cli.serve.lookup import Lookup, parse_lookup
from nerq_cli.serve.shared_work import divide_work, hold_names
from nerq_cli.store.claims import Claims, LocalClaims
from nerq_cli.units import DAY

if TYPE_CHECKING:
    from nerq_cli.store.service_store import ServiceStore

#: Seconds between two times that old rows of the store are deleted.
_CLEAN_UP_INTERVAL: Final = 6 * 3_600.0
#: Seconds that responses stay in a shared store after they expired: they may be used when their source is silent.
_KEPT_SECONDS: Final = 30 * DAY


class ServiceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a service works."""

    #: How evidence is gathered and judged.
    run: Settings = Settings()
    #: Directory whose settings file applies.
    root: Path = Path()
    #: Threads that ask sources and score.
    workers: int = WORKERS
    lifetimes: Lifetimes = Lifetimes()
    #: Bytes of answers that are kept in memory.
    answer_bytes: int = 128 * 1024 * 1024
    #: Bytes of other documents that are kept in memory.
    document_bytes: int = 64 * 1024 * 1024


class Service:
    """Answers lookups. But for the constructor, everything is called in the event loop between start and close."""

    def __init__(self, settings: ServiceSettings | None = None, store: ServiceStore | None = None) -> None:
        """Read the settings. Without a store responses and history are in the cache directory of the settings.

        Raises:
            ConfigError: the settings file, a variable, or a file that they name is not valid.
            UsageError: a setting is not valid.
        """
        self.settings = settings or ServiceSettings()
        self._store = store
        self._is_shared = store is not None and store.is_shared
        self._timer: asyncio.TimerHandle | None = None
        #: What the workers are at, those of other processes on the store included.
        self.claims: Claims = store.claims if store is not None else LocalClaims()
        # the file is the operator's own: it weakens nothing of those who ask
        self._config = drop_weakenings(read_settings(self.settings.run, self.settings.root))
        with self.open_session() as session:
            self._place = Place(describe_settings(session), self.settings.lifetimes)
            self._hub_url = session.endpoints["huggingface"].url
            #: Sentences for the operator about the settings; they may have names that are private.
            _ = session.index_config, session.database
            self.warnings = session.setup_warnings
        self.engine = Engine(self.open_session, workers=self.settings.workers)
        self.answers = AnswerCache(self.settings.answer_bytes)
        self._batches = Batches(
            self.engine,
            partial(_read, place=self._place),
            partial(_assess, place=self._place, claims=self.claims),
            self.answers.put,
            fail_lookup,
        )
        self.evidence = EvidenceBatches(self.engine, self._place.settings, self.claims)
        self.documents = Documents(self.engine, self.settings.lifetimes, self.settings.document_bytes)

    def open_session(self) -> Session:
        """Return a session with the settings of the service, for one thread."""
        session = Session(
            self.settings.run,
            self._config,
            self.settings.root,
            reports_setup=False,
            retry_seconds=self.settings.lifetimes.incomplete,
            uses_service=False,
        )
        if self._store is not None:
            session.open_cache, session.open_history = self._store.open_cache, self._store.open_history
        return session

    @property
    def settings_path(self) -> str:
        """The settings file that applies; empty if none does."""
        return self._config.path

    @property
    def is_ready(self) -> bool:
        """Whether it can answer."""
        return self.engine.is_running

    def start(self) -> None:
        """Start the worker threads."""
        self.engine.start()
        self._clean_up()

    def _clean_up(self) -> None:
        """Delete old rows of the store now and every some hours, in a worker thread."""
        self.engine.submit(partial(_delete_old_rows, is_shared=self._is_shared), _ignore_result, "slow")
        self._timer = asyncio.get_running_loop().call_later(_CLEAN_UP_INTERVAL, self._clean_up)

    async def close(self, timeout: float = 5.0) -> None:
        """End the worker threads; wait for their present jobs, up to some seconds. What they claim is free then."""
        if self._timer is not None:
            self._timer.cancel()
        self.evidence.close()
        await self.engine.close(timeout)
        self.claims.close()

    def parse(self, text: str) -> Lookup:
        """Return what a target names.

        Raises:
            RequestError: it is no target.
        """
        return parse_lookup(text, hub_url=self._hub_url)

    async def find_answer(self, lookup: Lookup) -> Answer:
        """Return the answer to a lookup: from memory, else from the store, else by a run.

        Raises:
            RequestError: too many lookups wait.
        """
        answer = self.answers.get(lookup.key, read_clock())
        return answer if answer is not None else (await self._batches.find([lookup]))[lookup.key]

    async def find_answers(self, lookups: Sequence[Lookup]) -> dict[str, Answer]:
        """Return the answer to each lookup, by its key.

        Raises:
            RequestError: too many lookups wait.
        """
        now = read_clock()
        found = {lookup.key: self.answers.get(lookup.key, now) for lookup in lookups}
        missing = [lookup for lookup in lookups if found[lookup.key] is None]
        answers = {key: answer for key, answer in found.items() if answer is not None}
        if missing:
            answers.update(await self._batches.find(missing))
        return answers

    async def find_page(self, lookup: Lookup, purpose: Purpose) -> KeptDocument:
        """Return the page about a target that exists, as JSON; its ``report`` is the ``PageReport``.

        Raises:
            RequestError: there is no page.
        """

        def make(session: Session) -> Made:
            from nerq_cli.application.report_page import run_report
            from nerq_cli.report.pages.report import render_json

            with hold_names([_get_name(lookup)], self.claims):
                report = run_report(lookup.target, session, purpose)
            return Made(render_json(report), report.strict, report)

        return await self.documents.find(f"page {purpose} {lookup.key}", make)

    async def find_comparison(self, lookups: Sequence[Lookup]) -> KeptDocument:
        """Return targets side by side, as JSON; its ``report`` is the ``CompareReport``.

        Raises:
            RequestError: they cannot be compared.
        """
        keys = [lookup.target for lookup in lookups]

        def make(session: Session) -> Made:
            from nerq_cli.application.compare import run_compare
            from nerq_cli.report.pages.compare import render_json

            with hold_names(map(_get_name, lookups), self.claims):
                report = run_compare(keys, session)
            return Made(render_json(report), report.strict, report)

        return await self.documents.find("\n".join(("compare", *keys)), make)

    async def find_alternatives(self, lookup: Lookup) -> KeptDocument:
        """Return what does the same job as a target that exists, as JSON; its ``report`` is the ``AlternativesReport``.

        Raises:
            RequestError: there is no such document.
        """

        def make(session: Session) -> Made:
            from nerq_cli.application.alternatives import run_alternatives
            from nerq_cli.report.pages.alternatives import render_json

            with hold_names([_get_name(lookup)], self.claims):
                report = run_alternatives(lookup.target, session)
            return Made(render_json(report), report.complete, report)

        return await self.documents.find(f"alternatives {lookup.key}", make)

    async def find_history(self, answer: Answer) -> KeptDocument:
        """Return the keys about the past of the target of an answer with a preflight, as a JSON object.

        They are incomplete if the history could not be read.
        """

        def make(session: Session) -> Made:
            content, is_read = _encode_history(answer, session)
            return Made(content, is_read)

        return await self.documents.find(f"history {answer.key} {answer.digest}", make, lane="quick")


def _encode_history(answer: Answer, session: Session) -> tuple[bytes, bool]:
    """Return the keys about the past of the target, and whether it could be read."""
    from nerq_cli.application.history import read_package_history
    from nerq_cli.application.report_page import UNREADABLE_HISTORY
    from nerq_cli.report.pages.history_document import build_target
    from nerq_cli.targets import parse_target

    file = session.history
    if file is None or answer.summary is None:
        return b'{"history":null}', True
    purl = answer.summary.purl
    try:
        package = parse_target(purl)[0].package
    except UsageError:  # an MCP server without a package that is scored: it leaves no snapshots
        return b'{"history":null}', True
    history = read_package_history(package, file, answer.as_of // DAY)
    if history is None and file.read_problem:
        return msgspec.json.encode({"history": None, "history_reason": UNREADABLE_HISTORY}), False
    return msgspec.json.encode({"history": history and build_target(answer.key, purl, (), history)}), True


def _read(lookups: Sequence[Lookup], session: Session, place: Place) -> dict[str, Answer]:
    return read_answers(lookups, session, place)


def _assess(lookups: Sequence[Lookup], session: Session, place: Place, claims: Claims) -> dict[str, Answer]:
    by_key = {lookup.key: lookup for lookup in lookups}
    return divide_work(
        {key: _get_name(lookup) for key, lookup in by_key.items()},
        claims,
        lambda keys: read_answers([by_key[key] for key in keys], session, place),
        lambda keys: assess_lookups([by_key[key] for key in keys], session, place),
    )


def _delete_old_rows(session: Session, *, is_shared: bool) -> None:
    """Delete answers that have expired and, where ``nerq cache prune`` cannot run, responses of long ago."""
    now = read_clock()
    for source in (SOURCE, EVIDENCE):
        session.store.drop_expired(source, now)
    if is_shared:
        session.store.prune_expired(now, older_than=_KEPT_SECONDS)


def _ignore_result(_result: object, error: BaseException | None) -> None:
    if error is not None:
        log_error(error)


def _get_name(lookup: Lookup) -> str:
    return lookup.declarations[0].package.name if lookup.declarations else lookup.key
