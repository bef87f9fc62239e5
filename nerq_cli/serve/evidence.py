"""Evidence about many targets at once, for those who score it themselves: ``nerq scan --service``."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

import msgspec

from nerq_cli.application.service_answers import (
    EvidenceStore,
    StoredDocument,
    build_problem_document,
    build_response,
    collect_documents,
)
from nerq_cli.application.service_source import MAX_TARGETS, PATH, EvidenceQuery, TargetProblem
from nerq_cli.application.session import Session, read_clock
from nerq_cli.decoders import build_json_decoder_late
from nerq_cli.errors import NerqError
from nerq_cli.inventory import strip_purl_version
from nerq_cli.serve.engine import read_error
from nerq_cli.serve.error_log import explain_error, log_error
from nerq_cli.serve.problems import PROBLEMS, ProblemId, RequestError
from nerq_cli.serve.shared_work import divide_work

if TYPE_CHECKING:
    from nerq_cli.serve.engine import Engine
    from nerq_cli.store.claims import Claims

__all__ = ["PATH", "EvidenceBatches", "parse_query"]

#: Targets that may be collected at a time.
_MAX_WAITING: Final = 20_000
#: Seconds after which a client may try again when there are more.
_RETRY_BUSY: Final = 5

_DECODER: Final = build_json_decoder_late(EvidenceQuery)


def parse_query(content: bytes) -> EvidenceQuery:
    """Return what is asked for.

    Raises:
        RequestError: the body is not valid, or has too many targets.
    """
    try:
        return _DECODER.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        hint = f'send {{"targets": ["pkg:pypi/requests@2.31.0"]}}, up to {MAX_TARGETS:,} package URLs'
        raise RequestError("invalid-body", f"the body is no query: {error}", hint=hint) from error


class EvidenceBatches:
    """Finds the documents of targets in the store, and lets worker threads collect the others, each once.

    For one thread: the event loop.
    """

    def __init__(self, engine: Engine, settings: str, claims: Claims) -> None:
        """Begin without work.

        Args:
            engine: Has the worker threads.
            settings: Digest of whatever evidence depends on beside the sources.
            claims: What the workers on the store are at.
        """
        self._engine = engine
        self._settings = settings
        self._claims = claims
        self._futures: dict[tuple[EvidenceQuery, str], asyncio.Future[StoredDocument]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """Stop waiting for the worker threads; requests get a problem for each target."""
        for task in self._tasks:
            task.cancel()

    async def find(self, query: EvidenceQuery) -> bytes:
        """Return the response to a query. The work goes on for others if the caller is cancelled.

        Raises:
            RequestError: too many targets wait.
        """
        if len(self._futures) + len(query.targets) > _MAX_WAITING:
            raise RequestError("busy", "too many targets wait to be looked up", retry_after=_RETRY_BUSY)
        kind = msgspec.structs.replace(query, targets=())
        loop = asyncio.get_running_loop()
        futures: dict[str, asyncio.Future[StoredDocument]] = {}
        new: dict[str, asyncio.Future[StoredDocument]] = {}
        for target in dict.fromkeys(query.targets):
            future = self._futures.get((kind, target))
            if future is None:
                future = new[target] = self._futures[kind, target] = loop.create_future()
                future.add_done_callback(read_error)
            futures[target] = future
        if new:
            task = loop.create_task(self._fill(kind, new))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        await asyncio.wait(futures.values())
        documents = {target: future.result() for target, future in futures.items()}
        return build_response(query.targets, documents, read_clock())

    async def _fill(self, kind: EvidenceQuery, futures: Mapping[str, asyncio.Future[StoredDocument]]) -> None:
        """Set the results of futures: from the store, else from a run."""
        try:
            stored = await self._engine.run(lambda session: self._read(session, kind, futures), lane="quick")
            self._settle(futures, stored)
            missing = [target for target in futures if target not in stored]
            if missing:
                self._settle(futures, await self._engine.run(lambda session: self._collect(session, kind, missing)))
        except Exception as error:  # noqa: BLE001 - each target has an answer
            log_error(error)
        finally:
            failed = {target: _build_failure(target) for target, future in futures.items() if not future.done()}
            self._settle(futures, failed)
            for target in futures:
                self._futures.pop((kind, target), None)

    def _settle(
        self, futures: Mapping[str, asyncio.Future[StoredDocument]], documents: Mapping[str, StoredDocument]
    ) -> None:
        for target, document in documents.items():
            if not futures[target].done():
                futures[target].set_result(document)

    def _read(self, session: Session, kind: EvidenceQuery, targets: Iterable[str]) -> dict[str, StoredDocument]:
        return EvidenceStore(session.store, kind, self._settings).read(targets, read_clock())

    def _collect(self, session: Session, kind: EvidenceQuery, targets: Sequence[str]) -> dict[str, StoredDocument]:
        """Return the documents of targets: collected here, or by another worker on the store."""
        return divide_work(
            {target: _get_name(target) for target in targets},
            self._claims,
            lambda part: self._read(session, kind, part),
            lambda part: self._collect_part(session, kind, part),
        )

    def _collect_part(self, session: Session, kind: EvidenceQuery, targets: Sequence[str]) -> dict[str, StoredDocument]:
        """Return the documents of targets from one run, and store them. One for which it fails is repeated alone."""
        now = read_clock()
        try:
            documents = _collect_by_run(session, kind, targets, now)
        except NerqError as error:  # the run as a whole: the advisory database is too old
            text = explain_error(error)
            return {target: _build_failure(target, "no-answer", text) for target in targets}
        except Exception as error:  # noqa: BLE001 - it fails alone
            if len(targets) == 1:
                log_error(error)
                return {target: _build_failure(target) for target in targets}
            return {key: one for target in targets for key, one in self._collect_part(session, kind, [target]).items()}
        kept = {target: document for target, document in documents.items() if document.expires_at > now}
        EvidenceStore(session.store, kind, self._settings).write(kept, now)
        return documents


def _get_name(target: str) -> str:
    """Return the name of a package URL, which workers claim."""
    return strip_purl_version(target).partition("?")[0]


def _collect_by_run(
    session: Session, kind: EvidenceQuery, targets: Sequence[str], now: int
) -> dict[str, StoredDocument]:
    view = _open_view(session, kind)
    return collect_documents(kind, targets, view.open_run(), view.build_rules(()), view.build_scan_options(), now)


def _open_view(session: Session, kind: EvidenceQuery) -> Session:
    """Return a session for a query, which has the connections and the store of another one and is not closed."""
    from nerq_cli.application.settings import OptionalSource

    _ = session.store, session.fetcher, session.database  # opened once, and closed with their session
    changes: dict[str, Any] = {}
    if kind.as_of is not None:
        changes["as_of"] = datetime.fromtimestamp(kind.as_of, timezone.utc).isoformat()
    if kind.downloads:
        changes["optional_sources"] = [OptionalSource.DOWNLOADS]
    settings = msgspec.structs.replace(session.settings, **changes)
    return msgspec.structs.replace(session, settings=settings, uses_service=False)


def _build_failure(target: str, id_: ProblemId = "internal-error", detail: str = "") -> StoredDocument:
    status, title = PROBLEMS[id_]
    problem = TargetProblem(type=f"urn:nerq:problem:{id_}", title=title, status=status, detail=detail)
    return build_problem_document(target, problem, read_clock())
