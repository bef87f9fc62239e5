"""Pages for people: the first one, a search, the page about a target, and comparisons. They need no script."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

import msgspec
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from nerq_cli.application.compare import MAX_TARGETS, MIN_TARGETS
from nerq_cli.application.session import read_clock
from nerq_cli.decoders import build_json_decoder_late
from nerq_cli.insight.purpose import DEFAULT_PURPOSE, PURPOSES, Purpose
from nerq_cli.report.pages import report as target_page
from nerq_cli.report.pages import service as pages
from nerq_cli.report.pages.html_page import QUERY_LIMIT, Site, build_policy
from nerq_cli.serve.documents import Made
from nerq_cli.serve.http_cache import find_etag, respond
from nerq_cli.serve.parameters import check_parameters, find_only
from nerq_cli.serve.problems import PROBLEMS, ProblemDocument, ProblemId, RequestError

if TYPE_CHECKING:
    from starlette.requests import Request

    from nerq_cli.application.session import Session
    from nerq_cli.report.pages.report import PageReport
    from nerq_cli.serve.answers import Answer
    from nerq_cli.serve.documents import KeptDocument
    from nerq_cli.serve.lookup import Lookup
    from nerq_cli.serve.service import Service

#: Answers among which the first page looks for the worst, and how many of those it shows.
_RECENT: Final = 500
_SHOWN: Final = 20
HTML: Final = "text/html"

Endpoint: TypeAlias = "Callable[[Request], Coroutine[Any, Any, Response]]"


class _Document(msgspec.Struct, frozen=True):
    """What the first page shows of a preflight."""

    target: str
    purl: str
    server: str | None
    verdict: _Verdict
    score: float | None
    grade: str | None
    malware: str | None


class _Verdict(msgspec.Struct, frozen=True):
    answer: Literal["no-objection", "avoid", "unsettled"]
    text: str


_DECODER: Final = build_json_decoder_late(_Document)
_PROBLEM_DECODER: Final = build_json_decoder_late(ProblemDocument)


def _answer_with_pages(*parameters: str) -> Callable[[Endpoint], Endpoint]:
    """Return a decorator for an endpoint with these parameters, whose problems are pages."""

    def decorate(endpoint: Endpoint) -> Endpoint:
        @wraps(endpoint)
        async def answer(request: Request) -> Response:
            try:
                check_parameters(request.query_params, parameters)
                return await endpoint(request)
            except RequestError as error:
                content = pages.render_problem(PROBLEMS[error.id][1], error.detail, error.hint, _build_site(request))
                return await _send(request, content, status=error.status, retry_after=error.retry_after)

        return answer

    return decorate


@_answer_with_pages("for")
async def show_start(request: Request) -> Response:
    """Show the search field, and the worst of what was asked for lately."""
    purpose = _get_purpose(request)
    answers = _get_service(request).answers.list_recent(_RECENT)
    described = [_describe(answer, purpose) for answer in reversed(answers)]
    # one row for each page, however it was asked for; the last answer is the one that counts
    recent = pages.sort_worst_first([*{target.target: target for target in described}.values()])
    page = pages.StartPage(recent=tuple(recent[:_SHOWN]), count=len(recent), as_of=read_clock())
    return await _send(request, pages.render_start(page, _build_site(request)))


@_answer_with_pages("q", "for")
async def search(request: Request) -> Response:
    """Lead to the page about what was searched for; list the candidates if the name may be several targets."""
    query = (find_only(request.query_params, "q") or "").strip()
    site = _build_site(request, query)
    if not query:
        return _lead_to(f"{site.base}/")
    _get_purpose(request)
    answer = await _find(request, query)
    if not answer.is_preflight:
        return await _send_problem(request, answer, query)
    document = _DECODER.decode(answer.get_body(site.purpose))
    return _lead_to(site.link_page(document.target if document.server else document.purl))


@_answer_with_pages("for")
async def show_target(request: Request) -> Response:
    """Show the page about a target: that of ``nerq report``."""
    target = request.path_params["target"]
    purpose = _get_purpose(request)
    answer = await _find(request, target)
    if not answer.is_preflight:
        return await _send_problem(request, answer, target)
    service = _get_service(request)
    lookup = service.parse(target)
    page = await service.find_page(lookup, purpose)
    site = _build_site(request, lookup.target)  # in one spelling: one page for all of them

    def render() -> str:
        report: PageReport = page.report
        return target_page.render_html(report, site, pages.build_beside(report, site))

    return await _send_rendered(request, page, site, render)


@_answer_with_pages("target", "for")
async def compare(request: Request) -> Response:
    """Show targets side by side; the form that asks for them if there are too few."""
    targets = [text for item in request.query_params.getlist("target") if (text := item.strip())]
    _get_purpose(request)
    site = _build_site(request)
    if not targets:
        return await _send(request, pages.render_compare_form((), "", site))
    try:
        comparison = await _compare(request, targets)
    except RequestError as error:
        text = f"{error.detail}: {error.hint}" if error.hint else error.detail
        content = pages.render_compare_form(targets, text, site)
        return await _send(request, content, status=error.status, retry_after=error.retry_after)

    def render() -> str:
        return pages.render_comparison(comparison.report, site)

    return await _send_rendered(request, comparison, site, render)


async def _compare(request: Request, targets: list[str]) -> KeptDocument:
    """Return a comparison.

    Raises:
        RequestError: one is no target or does not exist, or they cannot be compared.
    """
    if not MIN_TARGETS <= len(targets) <= MAX_TARGETS:
        count = "1 target is" if len(targets) == 1 else f"{len(targets)} targets are"
        raise RequestError("not-comparable", f"{count} named, {MIN_TARGETS} to {MAX_TARGETS} are needed")
    service = _get_service(request)
    lookups = [_parse(request, target) for target in targets]
    answers = await service.find_answers(lookups)
    for answer in answers.values():
        # the other targets may decide what an ambiguous name is
        if not answer.is_preflight and answer.status != PROBLEMS["ambiguous-target"][0]:
            raise _build_error(_PROBLEM_DECODER.decode(answer.head), answer)
    return await service.find_comparison(lookups)


def _describe(answer: Answer, purpose: Purpose) -> pages.RecentTarget:
    """Return an answer as a row of the first page."""
    document = _DECODER.decode(answer.get_body(purpose))
    summary = answer.summary
    label = f"{summary.ecosystem}:{summary.label}" if summary is not None else document.target
    sign = "" if document.grade is not None else "~"
    return pages.RecentTarget(
        target=document.target if document.server else document.purl,
        label=document.server or label,
        answer=document.verdict.answer,
        score=f"{sign}{document.score:.1f}" if document.score is not None else "",
        value=document.score,
        reason=document.malware or document.verdict.text,
        is_malware=document.malware is not None,
    )


async def _find(request: Request, target: str) -> Answer:
    """Return the answer about a target.

    Raises:
        RequestError: the text is no target, or too many wait.
    """
    return await _get_service(request).find_answer(_parse(request, target))


def _parse(request: Request, target: str) -> Lookup:
    if len(target) > QUERY_LIMIT:
        raise RequestError("invalid-target", f"the text has more than {QUERY_LIMIT} characters")
    return _get_service(request).parse(target)


def _build_error(problem: ProblemDocument, answer: Answer) -> RequestError:
    """Return the error that a problem stands for."""
    id_: ProblemId = next((item for item in PROBLEMS if problem.type.endswith(f":{item}")), "internal-error")
    retry_after = max(1, answer.expires_at - read_clock()) if answer.status == PROBLEMS["no-answer"][0] else 0
    hint = problem.hint if isinstance(problem.hint, str) else ""
    return RequestError(id_, problem.detail, hint=hint, retry_after=retry_after)


async def _send_problem(request: Request, answer: Answer, query: str) -> Response:
    """Send the page about a target that has no preflight: candidates, or why there is none."""
    site = _build_site(request, query)
    problem = _PROBLEM_DECODER.decode(answer.head)
    if isinstance(problem.candidates, list):
        candidates = [pages.Candidate(item.target, item.purl or "", item.exists) for item in problem.candidates]
        return await _send(request, pages.render_candidates(query, candidates, site), status=answer.status)
    error = _build_error(problem, answer)
    content = pages.render_problem(problem.title, error.detail, error.hint, site)
    return await _send(request, content, status=answer.status, retry_after=error.retry_after)


def _lead_to(address: str) -> Response:
    return _protect(RedirectResponse(address, 303, {"cache-control": "no-store", "x-content-type-options": "nosniff"}))


async def _send_rendered(request: Request, document: KeptDocument, site: Site, render: Callable[[], str]) -> Response:
    """Send a document as a page, which a worker thread makes once: the event loop would stand still for others."""

    def make(_session: Session) -> Made:
        return Made(render().encode(), document.complete)

    key = f"html {document.digest} {site.base} {site.purpose} {site.query}"
    page = await _get_service(request).documents.find(key, make, lane="quick")
    return _protect(await respond(request, page.content, etag=find_etag((page.digest,)), max_age=0, media_type=HTML))


async def _send(request: Request, content: str, *, status: int = 200, retry_after: int = 0) -> Response:
    response = await respond(request, content.encode(), status=status, media_type=HTML, retry_after=retry_after)
    return _protect(response)


def _protect(response: Response) -> Response:
    """Return a response with the headers that keep a page from loading, running or being framed by anything."""
    response.headers.update(
        {
            "content-security-policy": f"{build_policy(is_served=True)}; frame-ancestors 'none'",
            "referrer-policy": "no-referrer",
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
        }
    )
    return response


def _get_service(request: Request) -> Service:
    return cast("Service", request.app.state.service)


def _get_purpose(request: Request) -> Purpose:
    """Return the purpose that a request names.

    Raises:
        RequestError: there is no such purpose.
    """
    text = find_only(request.query_params, "for") or DEFAULT_PURPOSE
    if text not in PURPOSES:
        raise RequestError(
            "invalid-parameter", f"there is no purpose {text!r}", hint=f"purposes: {', '.join(PURPOSES)}"
        )
    return text


def _build_site(request: Request, query: str = "") -> Site:
    text = request.query_params.get("for", "")
    purpose = text if text in PURPOSES else DEFAULT_PURPOSE
    return Site(base=request.scope.get("root_path", "").rstrip("/"), query=query[:QUERY_LIMIT], purpose=purpose)


#: The routes of the pages.
ROUTES: Final = (
    Route("/", show_start, methods=["GET"]),
    Route("/search", search, methods=["GET"]),
    Route("/packages/{target:path}", show_target, methods=["GET"]),
    Route("/compare", compare, methods=["GET"]),
)
