"""Facts from the store where it has them, and from the network where it does not. Silence is an answer too.

The HTTP library, and with it the network, is reached for only when a question really has to be asked: a run that the
store can answer imports neither.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

import msgspec

from nerq_cli.facts import Absent, Fact, Found, Unknown
from nerq_cli.inventory import Subject
from nerq_cli.sources.gather.job import Job, Line, Reply
from nerq_cli.sources.gather.manners import Manners
from nerq_cli.sources.gather.tally import SourceReport, Tally
from nerq_cli.sources.question import Endpoint, Source, is_optional
from nerq_cli.store import Cache, Row

if TYPE_CHECKING:
    import httpx

    from nerq_cli.sources.gather.network import Network

__all__ = ["Gatherer", "Manners", "Plan", "SourceReport"]

S = TypeVar("S", bound=Subject)
T = TypeVar("T")
#: Which sources are to be asked about what, and where.
Plan: TypeAlias = "Sequence[tuple[Source[Any, Any], Sequence[Any], Endpoint]]"

_DAY: Final = 86_400
#: Seconds after its expiry for which an answer still does when no new one can be had.
_GRACE: Final = 7 * _DAY
#: Answers to gather before they are written to the store.
_BATCH: Final = 250
#: Seconds between two looks at the clock, and on Windows between two chances for Ctrl-C.
_BLINK: Final = 0.1
#: The key under which the store keeps that a server lacks an endpoint; no subject has a key like it.
_MISSING: Final = "(endpoint missing)"
#: The key under which the store keeps that a service gave no answer at all.
_SILENT: Final = "(no answer)"
#: A service is only called silent where this share of the whole time was left for it and for what comes after it.
_FAIR: Final = 0.3
_OFFLINE: Final = "offline: not in the cache"
_LEFT_OUT: Final = "the answer leaves it out"


class _Held(NamedTuple):
    """An answer from the store, and what it was read as."""

    row: Row
    fact: Found[Any] | Absent


class _Errand(Generic[S, T]):
    """One source to be asked about some subjects at one address; ``facts`` fills up.

    ``fair`` says that there is enough time left to hold a silence against it.
    """

    def __init__(self, source: Source[S, T], about: Iterable[S], at: Endpoint, tally: Tally, *, fair: bool) -> None:
        self.source = source
        self.about = dict.fromkeys(about)
        self.at = at
        self.tally = tally
        self.fair = fair
        self.held: dict[S, _Held] = {}
        self.facts: dict[S, Fact[T]] = {}

    @property
    def place(self) -> tuple[str, str]:
        """Where the store keeps its answers."""
        return self.source.name, self.at.scope


class Gatherer:
    """Asks sources about subjects, within one deadline for the whole run, counted from here.

    ``store`` answers first. What has expired is asked again, conditionally where the service gave a validator. When
    that fails, an answer that expired at most 7 days ago still does, and the source is reported as ``partial``;
    older ones are unknown. ``offline`` never asks and takes what the store has, however old; ``refresh`` asks about
    everything again. ``now`` is the present in epoch seconds; ``progress`` is told how many questions are answered,
    of how many. To be used by one thread.
    """

    def __init__(
        self,
        store: Cache,
        *,
        now: int,
        offline: bool = False,
        refresh: bool = False,
        deadline_seconds: float = 30.0,
        progress: Callable[[int, int], None] | None = None,
        manners: Manners | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._store = store
        self._now = now
        self._offline = offline
        self._refresh = refresh
        self._ends = time.monotonic() + deadline_seconds
        self._fair = deadline_seconds * _FAIR
        self._too_late = f"deadline of {deadline_seconds:g} s reached"
        self._progress = progress
        self._manners = manners or Manners()
        self._transport = transport
        self._network: Network | None = None
        self._lines: dict[tuple[str, str], Line] = {}
        self._unreachable: dict[str, str] = {}
        self._tallies: dict[str, Tally] = {}
        self._unsaved: dict[tuple[str, str], dict[str, Row]] = {}
        self._early: dict[tuple[str, str], dict[Any, Fact[Any]]] = {}
        self._done = self._total = 0

    def gather(self, source: Source[S, T], about: Sequence[S], at: Endpoint) -> dict[S, Fact[T]]:
        """Return what one source says of each subject.

        Raises:
            ConfigError: the proxy or the certificates that the environment names cannot be used.
        """
        [facts] = self.gather_all([(source, about, at)])
        return facts

    def gather_all(self, plan: Plan, *, ahead: Plan = ()) -> list[dict[Any, Fact[Any]]]:
        """Ask several sources at once; return what each says, in the order of the plan.

        What is asked ``ahead`` is asked at the same time, for whoever asks that source next.

        Raises:
            ConfigError: the proxy or the certificates that the environment names cannot be used.
        """
        errands = [self._errand(*one) for one in plan]
        early = [self._errand(*one) for one in ahead]
        self._run([*errands, *early])
        self._early |= {errand.place: errand.facts for errand in early}
        return [{subject: errand.facts[subject] for subject in errand.about} for errand in errands]

    def _errand(self, source: Source[S, T], about: Iterable[S], at: Endpoint) -> _Errand[S, T]:
        """Return an errand, with what was asked ahead for it."""
        errand = _Errand(source, about, at, self._tally(source), fair=self._left() >= self._fair)
        known = self._early.pop(errand.place, {})
        errand.facts |= {subject: known[subject] for subject in errand.about if subject in known} if known else {}
        return errand

    def _run(self, errands: Sequence[_Errand[Any, Any]]) -> None:
        """Find out about every subject of these errands, from the store or by asking."""
        wanted = [(errand, self._recall(errand)) for errand in errands]
        if not self._offline:
            replies: SimpleQueue[Reply] = SimpleQueue()
            self._ask({job: errand for errand, some in wanted for job in self._jobs(errand, some, replies)}, replies)
        for errand, some in wanted:
            self._note_missing(errand)
            self._note_silence(errand)
            for subject in some:
                if subject not in errand.facts:
                    self._fall_back(errand, subject, self._line(errand).closed or self._silence())

    def report(self) -> tuple[SourceReport, ...]:
        """Say how each source did so far, in the order of their first being asked."""
        return tuple(tally.report() for tally in self._tallies.values())

    def close(self) -> None:
        """Close the connections, without waiting for threads that are stuck in one."""
        if self._network is not None:
            self._network.close()

    def _recall(self, errand: _Errand[S, T]) -> list[S]:
        """Take what the store knows, and return the subjects that are left to ask about."""
        decode = msgspec.json.Decoder(errand.source.kind).decode
        subjects = {subject.key: subject for subject in errand.about if subject not in errand.facts}
        errand.tally.asked += len(subjects)
        for key, row in self._store.get_many(*errand.place, list(subjects)).items():
            fact = _fact(row, errand.source.label, decode)
            if fact is not None and self._does(row):
                errand.facts[subjects[key]] = fact
                errand.tally.count(row.fetched_at, cached=True)
            elif fact is not None:
                errand.held[subjects[key]] = _Held(row, fact)
        return [subject for subject in errand.about if subject not in errand.facts]

    def _does(self, row: Row) -> bool:
        """Whether this answer will do as it is. One from the future was written when a clock was wrong."""
        if self._offline or row.fetched_at == self._now:
            return True
        return not self._refresh and row.fetched_at - _DAY <= self._now < row.expires_at

    def _jobs(self, errand: _Errand[S, T], wanted: Sequence[S], replies: SimpleQueue[Reply]) -> Iterator[Job]:
        line = self._line(errand)
        if wanted and not line.tried:
            self._remember_missing(errand, line)
            self._remember_silence(errand, line)
        for question in errand.source.ask(wanted, errand.at) if wanted and not line.closed else ():
            held = errand.held.get(question.about[0]) if len(question.about) == 1 else None
            if held is not None and held.row.validator:
                question = replace(question, validator=held.row.validator)  # noqa: PLW2901 - the same, conditionally
            yield Job(errand.source, question, line, replies)

    def _remember_missing(self, errand: _Errand[Any, Any], line: Line) -> None:
        """Close a line that an earlier run found missing, so that it is not asked about again within a day."""
        row = self._store.get_many(errand.source.name, errand.at.scope, [_MISSING]).get(_MISSING)
        if row is not None and row.value and self._does(row):
            line.lacks(row.value.decode(errors="replace"))

    def _note_missing(self, errand: _Errand[Any, Any]) -> None:
        """Put by for the store what this run found missing."""
        line = self._line(errand)
        if line.missing and line.tried:
            row = Row(line.closed.encode(), self._now, self._now + _DAY, "")
            self._store.put_many(*errand.place, {_MISSING: row})

    def _remember_silence(self, errand: _Errand[Any, Any], line: Line) -> None:
        """Close a line that gave no answer a little while ago: to an earlier run, or to another source of this one."""
        if not is_optional(errand.source):
            return
        row = None if self._refresh else self._store.get_many(*errand.place, [_SILENT]).get(_SILENT)
        if row is not None and row.value and self._does(row):
            line.close(f"{row.value.decode(errors='replace')} ({_asked(row.fetched_at)})")
            line.resting = True
        elif errand.at.url in self._unreachable:
            line.close(self._unreachable[errand.at.url])
            line.tried = True

    def _note_silence(self, errand: _Errand[Any, Any]) -> None:
        """Put by for the store that a service gave no answer at all, for a run soon after this one."""
        line, rests = self._line(errand), getattr(errand.source, "rests", 0)
        if rests and line.heard and self._refresh:
            self._store.put_many(*errand.place, {_SILENT: Row(b"", self._now, self._now, "")})
        if not rests or not line.tried or line.heard or line.missing or line.resting:
            return
        reason = line.trouble or line.closed
        line.close(reason)
        if line.unreachable:
            self._unreachable.setdefault(errand.at.url, reason)
        if errand.fair:
            row = Row(reason.encode(), self._now, self._now + rests, "")
            self._store.put_many(*errand.place, {_SILENT: row})

    def _ask(self, jobs: dict[Job, _Errand[Any, Any]], replies: SimpleQueue[Reply]) -> None:
        """Put questions and take the replies, until all are in or the deadline is reached."""
        if not jobs or self._left() <= 0:
            return
        network = self._open()
        at_once, later = _probes_first(jobs)
        self._advance(0, of=len(jobs))
        try:
            network.add(at_once)
            while jobs and (reply := self._next(replies)) is not None:
                errand = jobs.pop(reply.job)
                self._take(errand, reply)
                more = [Job(errand.source, question, reply.job.line, replies) for question in reply.more]
                jobs.update(dict.fromkeys(more, errand))
                network.add([*later.pop(reply.job.line, ()), *more])
        finally:
            network.drop()
            self._save(at_least=1)
            for job, errand in jobs.items():
                errand.tally.requests += job.requests

    def _open(self) -> Network:
        if self._network is None:
            from nerq_cli.sources.gather.network import Network

            self._network = Network(self._manners, ends=self._ends, transport=self._transport)
        return self._network

    def _next(self, replies: SimpleQueue[Reply]) -> Reply | None:
        """Return the next reply; None when there is none and the time is up."""
        reply = None
        while reply is None and (left := self._left()) > 0:
            with suppress(Empty):
                reply = replies.get(timeout=min(left, _BLINK))
        if reply is None and not replies.empty():
            reply = replies.get()
        return reply

    def _take(self, errand: _Errand[Any, Any], reply: Reply) -> None:
        """File what one reply says about the subjects of its question."""
        line = reply.job.line
        line.tried = True
        line.heard = line.heard or bool(reply.read or reply.unchanged)
        line.trouble = line.trouble or reply.failure or ("" if reply.more else _LEFT_OUT)
        errand.tally.requests += reply.job.requests
        about = reply.job.question.about
        later = {subject for question in reply.more for subject in question.about}
        for subject, value, encoded in reply.read:
            if subject in errand.about and subject not in errand.facts:
                self._file(errand, subject, _said(value, errand.source.label, self._now), encoded, reply.validator)
        for subject in about:
            if reply.unchanged and subject in errand.held:
                row, fact = errand.held[subject]
                renewed = msgspec.structs.replace(fact, seen=self._now)
                self._file(errand, subject, renewed, row.value, row.validator)
            elif subject not in errand.facts and subject not in later:
                late = reply.failure and self._left() <= 0
                self._fall_back(errand, subject, self._too_late if late else reply.failure or _LEFT_OUT)
        self._advance(1, of=len(reply.more))

    def _file(
        self,
        errand: _Errand[Any, Any],
        subject: Subject,
        fact: Found[Any] | Absent,
        encoded: bytes | None,
        validator: str,
    ) -> None:
        """Take one answer, and put it by for the store."""
        fresh = errand.source.absent_fresh if encoded is None else errand.source.fresh
        errand.facts[subject] = fact
        errand.tally.count(self._now, cached=False)
        row = Row(encoded, self._now, self._now + fresh, validator)
        self._unsaved.setdefault(errand.place, {})[subject.key] = row
        self._save(at_least=_BATCH)

    def _fall_back(self, errand: _Errand[S, T], subject: S, reason: str) -> None:
        """Make do without a new answer: with one that expired lately, or with not knowing."""
        held = errand.held.get(subject)
        errand.tally.reasons[reason] += 1
        if held is not None and self._now < held.row.expires_at + _GRACE:
            errand.facts[subject] = held.fact
            errand.tally.count(held.row.fetched_at, cached=True)
            errand.tally.stale += 1
            return
        errand.facts[subject] = Unknown(reason, errand.source.label)
        if self._line(errand).missing:
            errand.tally.missing += 1
        else:
            errand.tally.failed += 1

    def _silence(self) -> str:
        """Say why a subject has not been spoken of at all."""
        if self._offline:
            return _OFFLINE
        return "not asked" if self._left() > 0 else self._too_late

    def _save(self, *, at_least: int) -> None:
        for place, rows in self._unsaved.items():
            if len(rows) >= at_least:
                self._store.put_many(*place, rows)
                self._unsaved[place] = {}

    def _advance(self, done: int, *, of: int = 0) -> None:
        self._done += done
        self._total += of
        if self._progress is not None:
            self._progress(self._done, self._total)

    def _left(self) -> float:
        """Seconds to the deadline."""
        return self._ends - time.monotonic()

    def _tally(self, source: Source[Any, Any]) -> Tally:
        return self._tallies.setdefault(source.label, Tally(source.label))

    def _line(self, errand: _Errand[Any, Any]) -> Line:
        key = (errand.source.name, errand.at.url)
        return self._lines.setdefault(key, Line())


def _fact(row: Row, label: str, decode: Callable[[bytes], T]) -> Found[T] | Absent | None:
    """Return what a row of the store says; None when it makes no sense, as if it were not there."""
    if row.value is None:
        return Absent(label, row.fetched_at)
    try:
        return Found(decode(row.value), label, row.fetched_at)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _asked(moment: int) -> str:
    """Say when a service was asked: by the clock, so that one run after another says the same."""
    return f"asked at {time.strftime('%Y-%m-%d %H:%M', time.gmtime(moment))} UTC; --refresh asks again"


def _said(value: T | None, label: str, now: int) -> Found[T] | Absent:
    return Absent(label, now) if value is None else Found(value, label, now)


def _probes_first(jobs: Iterable[Job]) -> tuple[list[Job], dict[Line, list[Job]]]:
    """Tell apart what may be asked at once from what waits for the first reply on its line."""
    at_once: list[Job] = []
    later: dict[Line, list[Job]] = {}
    for job in jobs:
        if job.source.probe and not job.line.tried and job.line in later:
            later[job.line].append(job)
        else:
            at_once.append(job)
            later.setdefault(job.line, [])
    return at_once, later
