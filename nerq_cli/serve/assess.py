"""Answers to lookups, from the store or by a run: what the worker threads do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from nerq_cli.application.absence import describe_absence, list_repository_facts
from nerq_cli.application.badge import describe_assessment, describe_target
from nerq_cli.application.build_report import build_report
from nerq_cli.application.check import MCP_PREFIX, CheckResult, mark_targets, select_matches
from nerq_cli.application.compare import label_target
from nerq_cli.application.named_targets import assess_candidates, assess_targets, explain_no_score
from nerq_cli.application.registered_servers import AmbiguousServerError, PrivateServerError, label_server
from nerq_cli.application.session import read_clock
from nerq_cli.application.snapshots import name_release, record_scores
from nerq_cli.ecosystems import get_prefix
from nerq_cli.errors import NerqError, UsageError
from nerq_cli.facts import Found, McpRegistration
from nerq_cli.report.model import Assessment, SourceStatus
from nerq_cli.serve.answers import (
    SOURCE,
    Answer,
    AnswerSummary,
    build_answer,
    build_problem_answer,
    pack_answer,
    unpack_answer,
)
from nerq_cli.serve.error_log import explain_error, log_error
from nerq_cli.serve.lookup import Lookup, name_target
from nerq_cli.serve.preflight import build_preflight
from nerq_cli.serve.problems import ProblemCandidate, ProblemId, build_problem
from nerq_cli.signals.signal import Signal
from nerq_cli.store import Row
from nerq_cli.units import DAY

if TYPE_CHECKING:
    from nerq_cli.application.assess import ScanOptions
    from nerq_cli.application.evidence_run import EvidenceRun
    from nerq_cli.application.session import Session

#: States of a source that did not answer everything.
_SILENT_STATES: Final = ("partial", "unavailable")
#: Candidates of an ambiguous name that are listed.
_MAX_CANDIDATES: Final = 20


class Lifetimes(NamedTuple):
    """Seconds that answers may be used."""

    #: Whole ones. They end with the UTC day at the latest, because ages are counted in days.
    whole: int = 3_600
    #: About targets that do not exist, and ambiguous names.
    absent: int = 300
    #: Without a source that did not answer.
    incomplete: int = 30

    def find_end(self, now: int, *, is_whole: bool) -> int:
        """Return the end of the life of something that is made now (epoch seconds UTC)."""
        return self.limit(now, self.whole if is_whole else self.incomplete)

    def limit(self, now: int, seconds: int) -> int:
        """Return the end of a life of some seconds: that of the UTC day at the latest."""
        return min(now + seconds, (now // DAY + 1) * DAY)


class Place(NamedTuple):
    """Where the answers are in the store."""

    #: Digest of the settings and of the code that computes scores.
    settings: str
    lifetimes: Lifetimes

    def get_scope(self, as_of: int) -> str:
        """Return the scope of the answers of a day, which holds whatever they depend on beside the evidence."""
        return f"{self.settings}/{as_of // DAY}"


def read_answers(lookups: Sequence[Lookup], session: Session, place: Place) -> dict[str, Answer]:
    """Return the answers that the store has and that may still be used, by their keys."""
    now, as_of = read_clock(), session.build_scan_options().as_of
    rows = session.store.get_many(SOURCE, place.get_scope(as_of), [lookup.key for lookup in lookups])
    answers: dict[str, Answer] = {}
    for key, row in rows.items():
        answer = unpack_answer(row, key) if row.expires_at > now else None
        if answer is not None:
            answers[key] = answer
    return answers


def assess_lookups(lookups: Sequence[Lookup], session: Session, place: Place) -> dict[str, Answer]:
    """Return the answer to each lookup, by its key, from one run; whole ones are stored.

    A lookup for which the run fails is repeated alone, so that it fails alone.
    """
    packages = [lookup for lookup in lookups if lookup.declarations]
    answers = _assess_apart(packages, session, place.lifetimes)
    for lookup in lookups:
        if not lookup.declarations:
            answers.update(_assess_apart([lookup], session, place.lifetimes))
    _store_answers(answers, session, place)
    return answers


def _assess_apart(lookups: Sequence[Lookup], session: Session, lifetimes: Lifetimes) -> dict[str, Answer]:
    if not lookups:
        return {}
    try:
        return {answer.key: answer for answer in _Run(session, lifetimes).assess(lookups)}
    except NerqError as error:  # the run as a whole: the advisory database is too old
        moment = read_clock()
        problem = build_problem("no-answer", explain_error(error))
        expires_at = moment + lifetimes.incomplete
        return {
            lookup.key: build_problem_answer(
                lookup.key, replace(problem, target=lookup.target), as_of=moment, expires_at=expires_at, complete=False
            )
            for lookup in lookups
        }
    except Exception:
        if len(lookups) == 1:
            raise
    answers: dict[str, Answer] = {}
    for lookup in lookups:
        answers.update(_assess_alone(lookup, session, lifetimes))
    return answers


def _assess_alone(lookup: Lookup, session: Session, lifetimes: Lifetimes) -> dict[str, Answer]:
    """Return the answer to a lookup; a problem that is not kept if that fails by an error of the service."""
    try:
        return _assess_apart([lookup], session, lifetimes)
    except Exception as error:  # noqa: BLE001 - it fails alone
        return {lookup.key: fail_lookup(lookup, error)}


def fail_lookup(lookup: Lookup, error: BaseException) -> Answer:
    """Return the answer to a lookup that failed by an error of the service, which is logged. It is not kept."""
    moment = read_clock()
    if isinstance(error, NerqError):  # settings that broke while the service runs
        problem = build_problem("no-answer", explain_error(error), target=lookup.target)
    else:
        log_error(error)
        problem = build_problem("internal-error", f"{type(error).__name__} in the service", target=lookup.target)
    return build_problem_answer(lookup.key, problem, as_of=moment, expires_at=moment, complete=False)


def _store_answers(answers: Mapping[str, Answer], session: Session, place: Place) -> None:
    by_scope: dict[str, dict[str, Row]] = {}
    for answer in answers.values():
        if answer.is_preflight and answer.complete:
            by_scope.setdefault(place.get_scope(answer.as_of), {})[answer.key] = pack_answer(answer)
    for scope, rows in by_scope.items():
        session.store.put_many(SOURCE, scope, rows)


class _Run:
    """One run over targets."""

    def __init__(self, session: Session, lifetimes: Lifetimes) -> None:
        self._session = session
        self._lifetimes = lifetimes
        self._now = read_clock()
        self._options: ScanOptions = replace(session.build_scan_options(), score_latest=True, keep_provenance=True)
        self._run: EvidenceRun = session.open_run()
        self._silent: dict[str, SourceStatus] = {}
        self._recorded: list[Assessment] = []

    def assess(self, lookups: Sequence[Lookup]) -> list[Answer]:
        """Return the answers to lookups: of packages, or of one MCP server."""
        self._run.expected_count = len(lookups)
        is_server = not lookups[0].declarations
        answers = [self._assess_server(lookups[0])] if is_server else self._assess_packages(lookups)
        self._record()
        return answers

    def _assess_packages(self, lookups: Sequence[Lookup]) -> list[Answer]:
        rules = self._session.build_rules(())
        parsed = mark_targets([lookup.declarations for lookup in lookups], rules)
        candidates = assess_candidates(parsed, self._options, self._run)
        self._read_sources()
        return [self._answer(lookup, target) for lookup, target in zip(lookups, candidates, strict=True)]

    def _assess_server(self, lookup: Lookup) -> Answer:
        session, run = self._session, self._run
        try:
            (target,), notes = assess_targets([lookup.key], session, run, self._options, command="check")
        except AmbiguousServerError as error:
            targets = [f"{MCP_PREFIX}{name}" for name in error.names[:_MAX_CANDIDATES]]
            candidates = [ProblemCandidate(item, None, _build_href(item), exists=True) for item in targets]
            return self._refuse(lookup, "ambiguous-target", str(error), "ask for one of them", candidates)
        except PrivateServerError as error:
            return self._refuse(lookup, "not-looked-up", str(error), error.hint)
        except UsageError as error:
            return self._refuse(lookup, "no-such-target", str(error), error.hint)
        finally:
            self._read_sources()
        if target.server is None:  # the registry did not answer
            return self._refuse(lookup, "no-answer", explain_no_score(target.assessment))
        package = target.assessment.dependency.package
        problems = tuple(
            problem if problem.id == "name-proof" else replace(problem, package=package) for problem in target.problems
        )
        options = replace(self._options, registration_problems=problems)
        return self._describe(lookup, target.assessment, options, server=target.server, notes=notes)

    def _read_sources(self) -> None:
        self._silent = {
            source.name: source
            for source in self._run.describe_sources()
            if source.state in _SILENT_STATES and not source.fallback
        }

    def _answer(self, lookup: Lookup, candidates: Sequence[Assessment]) -> Answer:
        matches = select_matches(candidates)
        if len({assessment.dependency.package for assessment in matches}) > 1:
            if all(map(_is_unread, matches)):
                return self._refuse_unread(lookup, matches[0])
            return self._refuse_ambiguous(lookup, matches)
        assessment = matches[0]
        absence = _explain_absence(assessment)
        if absence and all(candidate.in_registry is False for candidate in candidates) and len(candidates) > 1:
            places = " or ".join(candidate.dependency.package.ecosystem for candidate in candidates)
            absence = f"{assessment.dependency.package.name}: there is no such package on {places}"
        if absence:
            return self._refuse(lookup, "no-such-target", absence, assessment.fix)
        dependency = assessment.dependency
        if dependency.skip_reason and not assessment.advisories:
            reason = dependency.skip_reason.partition(" (")[0]  # without the pattern of the settings
            return self._refuse(lookup, "not-looked-up", f"{dependency.package.name}: {reason}")
        if _is_unread(assessment):
            return self._refuse_unread(lookup, assessment)
        return self._describe(lookup, assessment, self._options)

    def _describe(
        self,
        lookup: Lookup,
        assessment: Assessment,
        options: ScanOptions,
        *,
        server: McpRegistration | None = None,
        notes: Sequence[str] = (),
    ) -> Answer:
        """Return the answer with a preflight."""
        report = build_report((), (assessment,), options, sources=())
        (assessment,) = report.dependencies
        complete = self._is_complete(assessment)
        document, verdicts = build_preflight(
            assessment,
            report,
            target=lookup.target,
            server=label_server(server) if server is not None else "",
            complete=complete,
            warnings=(*self._session.warnings, *notes, *(() if complete else self._list_silent())),
        )
        self._recorded.append(assessment)
        return build_answer(
            lookup.key,
            document,
            verdicts,
            as_of=options.as_of,
            # from the end of the run, so that the next request finds sources that are asked again
            expires_at=self._lifetimes.find_end(self._now if complete else read_clock(), is_whole=complete),
            summary=AnswerSummary(
                label=label_target(assessment),
                ecosystem=get_prefix(assessment.dependency.package.ecosystem),
                purl=document.purl,
                score=document.score,
                grade=document.grade,
                provisional=document.provisional,
                reason=document.reasons[0].text if document.reasons else "",
            ),
            badge=describe_assessment(assessment, report)
            if server is None
            else describe_target(CheckResult(report, servers=(server,))),
        )

    def _list_silent(self) -> list[str]:
        return [f"{source.name}: {source.reason or source.state}" for source in self._silent.values()]

    def _is_complete(self, assessment: Assessment) -> bool:
        """Return whether no source that was asked about a target was silent."""
        score = assessment.score
        if not self._silent:
            return True
        if score is None or score.provisional or score.value is None or score.doubts or score.may_change:
            return False
        return not any(
            signal.state == "unknown" and (not signal.source or not self._silent.keys().isdisjoint(_split(signal)))
            for signal in score.signals
        )

    def _refuse(
        self,
        lookup: Lookup,
        id_: ProblemId,
        detail: str,
        hint: str = "",
        candidates: list[ProblemCandidate] | None = None,
    ) -> Answer:
        problem = build_problem(id_, detail, hint=hint, target=lookup.target, candidates=candidates)
        is_settled = not self._silent and id_ != "no-answer"
        return build_problem_answer(
            lookup.key,
            problem,
            as_of=self._options.as_of,
            expires_at=self._lifetimes.limit(self._now, self._lifetimes.absent)
            if is_settled
            else self._lifetimes.find_end(read_clock(), is_whole=False),
            complete=is_settled,
        )

    def _refuse_unread(self, lookup: Lookup, assessment: Assessment) -> Answer:
        package = assessment.dependency.package
        detail = f"{get_prefix(package.ecosystem)}:{package.name}: {explain_no_score(assessment)}"
        # what is missing and what is private look the same from outside
        is_answered = bool(list_repository_facts(assessment)) and not self._silent
        return self._refuse(lookup, "no-such-target" if is_answered else "no-answer", detail)

    def _refuse_ambiguous(self, lookup: Lookup, matches: Sequence[Assessment]) -> Answer:
        by_package = {declaration.package: declaration for declaration in lookup.declarations}
        candidates = [
            ProblemCandidate(
                target=name_target(by_package[assessment.dependency.package]),
                purl=assessment.dependency.purl,
                href=_build_href(name_target(by_package[assessment.dependency.package])),
                exists=assessment.in_registry,
            )
            for assessment in matches
        ]
        names = " or ".join(candidate.target for candidate in candidates)
        return self._refuse(lookup, "ambiguous-target", f"the name may be {names}", "ask for one of them", candidates)

    def _record(self) -> None:
        """Leave snapshots in the history, as ``nerq check`` does."""
        history = self._session.history
        if history is None or self._session.settings.as_of is not None:
            return
        scores = {
            name_release(release): assessment.score
            for assessment in self._recorded
            if assessment.score is not None and (release := assessment.dependency.release) is not None
        }
        record_scores(history, scores, self._options.as_of // DAY)


def _build_href(target: str) -> str:
    from urllib.parse import quote

    return f"/v1/preflight?target={quote(target, safe=':/@')}"


def _split(signal: Signal) -> list[str]:
    """Return the names of the sources of a signal."""
    return signal.source.split(", ")


def _explain_absence(assessment: Assessment) -> str:
    """Return why a target, its version, or any version of it does not exist; empty if it does, or may."""
    absence = describe_absence(assessment)
    dependency = assessment.dependency
    if absence or not assessment.in_registry or assessment.score is not None or dependency.skip_reason:
        return absence
    reason = next(iter(assessment.reasons), "there is no version")
    return f"{dependency.package.name}{dependency.requirement}: {reason}"


def _is_unread(assessment: Assessment) -> bool:
    """Return whether nothing is known of a target: no source answered."""
    if assessment.in_registry is not None or assessment.advisories or assessment.dependency.skip_reason:
        return False
    if any(isinstance(fact, Found) for fact in list_repository_facts(assessment)):
        return False
    score = assessment.score
    return score is None or (score.value is None and not any(signal.state == "known" for signal in score.signals))


#: Of sets in any order the same bytes, also in other processes.
_OPTIONS: Final = msgspec.msgpack.Encoder(enc_hook=dict, order="deterministic")


def describe_settings(session: Session) -> str:
    """Return a digest of whatever answers depend on beside the evidence: settings, endpoints, and the code.

    Raises:
        ConfigError: the settings, or a file that they name, are not valid.
        UsageError: a setting is not valid.
    """
    from hashlib import blake2b

    from nerq_cli.application.scores import describe_code

    options = session.build_scan_options()
    moment = session.settings.as_of or ""
    parts = (
        describe_code(),
        moment,
        _OPTIONS.encode(replace(options, as_of=0)),
        repr(session.config.private),
        repr(session.config.public),
        repr(sorted((id_, [item.url for item in items]) for id_, items in session.endpoints.by_source.items())),
    )
    return blake2b(msgspec.json.encode(parts), digest_size=12).hexdigest()
