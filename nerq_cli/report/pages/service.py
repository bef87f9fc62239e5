"""Pages of a service beside those about a target: the first one, comparisons, candidates and errors.

Names and reasons are untrusted: :func:`nerq_cli.report.html.markup.element` escapes each of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal
from urllib.parse import quote

import msgspec

from nerq_cli import __version__
from nerq_cli.insight.guidance import Answer
from nerq_cli.report.html.markup import Child, Markup, element, join
from nerq_cli.report.pages.compare import CompareReport, build_content, describe_foot, describe_title
from nerq_cli.report.pages.html_page import QUERY_LIMIT, Site, write_page
from nerq_cli.report.pages.report import PageReport
from nerq_cli.report.wording import format_timestamp
from nerq_cli.signals.signal import format_count

#: Fields of the form for comparisons that the page without any target has.
_FIELDS: Final = 2
#: Targets of one comparison.
_MAX_TARGETS: Final = 8
_ANSWERS: Final[dict[Answer, tuple[str, str]]] = {
    "avoid": ("avoid", "bad"),
    "unsettled": ("not settled", "doubt"),
    "no-objection": ("no objection", "good"),
}
_ORDER: Final = tuple(_ANSWERS)


class RecentTarget(msgspec.Struct, frozen=True, kw_only=True):
    """A target that was asked for lately, and the answer."""

    #: What its page is asked for by: a package URL, or the name of an MCP server.
    target: str
    #: ``pypi:requests 2.31.0``
    label: str
    answer: Answer
    #: The score as it is shown, ``~`` and all; empty = there is none.
    score: str
    #: 0 to 100; None = there is none.
    value: float | None
    #: Why it has this answer.
    reason: str
    #: Whether it is malware.
    is_malware: bool = False


class StartPage(msgspec.Struct, frozen=True, kw_only=True):
    """What the first page has."""

    #: What was asked for lately, the worst first.
    recent: tuple[RecentTarget, ...] = ()
    #: Targets that were asked for lately, with those that are not shown.
    count: int = 0
    #: Sentences about the data and its age.
    notes: tuple[str, ...] = ()
    #: Moment of the page (epoch seconds UTC).
    as_of: int


class Candidate(msgspec.Struct, frozen=True):
    """One of several targets that a name may mean."""

    #: What its page is asked for by: ``npm:lodash``.
    target: str
    #: Empty if it is not known.
    purl: str
    #: Whether it exists; None = its registry did not answer.
    exists: bool | None = True


def sort_worst_first(targets: Sequence[RecentTarget]) -> list[RecentTarget]:
    """Return targets in the order of what is known against them.

    Malware comes first, then what to avoid, then what is not settled, each by score. A target without a score comes
    after those of its group that have one: that it is not known is not a score of 0.
    """
    return sorted(
        targets,
        key=lambda item: (
            not item.is_malware,
            _ORDER.index(item.answer),
            item.value is None,
            item.value if item.value is not None else 0.0,
            item.label,
        ),
    )


def render_start(page: StartPage, site: Site) -> str:
    """Return the first page: what was asked for lately, the worst first, and a form for comparisons."""
    header = element(
        "header",
        element("h1", "Look a package up before you install it"),
        element(
            "p",
            "A name, a version or a package URL: requests==2.31.0, npm:lodash, hf:Qwen/Qwen3-4B, mcp:server, "
            "pkg:npm/%40babel/core@7.24.0.",
            class_="sub",
        ),
        class_="masthead",
    )
    content = join(
        _build_recent(page, site),
        _section("compare", "Compare", _build_form(site, ())),
        _section(
            "programs",
            "For programs",
            element(
                "p",
                element("a", "/openapi.json", href=f"{site.base}/openapi.json"),
                " describes the interface. A preflight is ",
                element("code", f"GET {site.base}/v1/preflight?target=requests==2.31.0&for=production"),
                ". The dates of the data are at ",
                element("a", "/version", href=f"{site.base}/version"),
                ".",
            ),
        ),
    )
    notes = (element("p", note) for note in page.notes)
    foot = join(element("p", f"nerq-cli {__version__} as of {format_timestamp(page.as_of)}"), *notes)
    return _write("nerq: look up a package", header, content, foot, site, ("Skip to what was asked for", "recent"))


def _build_recent(page: StartPage, site: Site) -> Markup:
    title = "Asked for lately: the worst first"
    if not page.recent:
        return _section(
            "recent", title, element("p", "Nothing was asked for since the service started.", class_="empty")
        )
    shown = (
        f"{format_count(page.count, 'target')}, answers for {site.purpose}"
        if len(page.recent) == page.count
        else f"the worst {len(page.recent)} of {format_count(page.count, 'target')}, answers for {site.purpose}"
    )
    headings = ("Target", "Answer", "Score", "Why")
    head = element(
        "tr",
        *(element("th", text, scope="col", class_="num" if text == "Score" else None) for text in headings),
    )
    rows = (_build_row(item, site) for item in page.recent)
    table = element("table", element("thead", head), element("tbody", *rows))
    return _section(
        "recent",
        title,
        element("p", shown, class_="sub"),
        element(
            "div",
            table,
            class_="scroll stacked recent",
            tabindex="0",
            role="region",
            aria_label="table: asked for lately",
        ),
    )


def _build_row(item: RecentTarget, site: Site) -> Markup:
    words, style = ("malware", "bad") if item.is_malware else _ANSWERS[item.answer]
    return element(
        "tr",
        element("th", element("a", item.label, href=site.link_page(item.target)), scope="row"),
        element("td", element("span", words, class_=f"text-{style} answer"), data_label="Answer"),
        element("td", item.score or "not known", class_="num", data_label="Score"),
        element("td", item.reason, data_label="Why"),
    )


def build_beside(report: PageReport, site: Site) -> Markup:
    """Return what the page about a target has in a service beside the report.

    That is what is missing and warnings, which a command prints beside the page, other forms of it, and comparisons.
    """
    target = report.target if report.server else report.purl
    notes = report.warnings if report.strict else (report.exit_reason, *report.warnings)
    links = element(
        "p",
        element("a", "Answer as JSON", href=site.link_answer(target)),
        element("a", "Badge as SVG", href=site.link_badge(target)),
        class_="actions",
    )
    others = [
        element("a", label, href=site.link_comparison((target, other))) for label, other in _list_comparisons(report)
    ]
    form = element(
        "form",
        element("input", type="hidden", name="target", value=target),
        _build_field("Compare with", "with", ""),
        element("button", "Compare"),
        action=f"{site.base}/compare",
        class_="compare actions",
    )
    return join(
        *(element("p", note, class_="note") for note in notes),
        links,
        form,
        element("p", *others, class_="actions") if others else None,
    )


def _list_comparisons(report: PageReport) -> Iterator[tuple[str, str]]:
    """Yield what a target may be compared with, as words and as a target: newer versions of it, and alternatives."""
    subject = report.subject
    if report.kind != "package" or report.server or not subject.version:
        return
    package = report.purl.rpartition("@")[0]
    proposed = subject.proposed.version if subject.proposed is not None else ""
    newer = {proposed: "the version to move to", subject.latest: "the newest version"}
    for version, words in newer.items():
        if version not in ("", subject.version):
            yield f"with {words}, {version}", f"{package}@{quote(version, safe='')}"
    for option in subject.choice.options if subject.choice is not None else ():
        if option.candidate.name:
            other = f"{report.ecosystem}:{option.candidate.name}"
            yield f"with {other}", other


def render_comparison(report: CompareReport, site: Site) -> str:
    """Return a comparison as a page of a service."""
    pages = (
        element("li", element("a", side.label, href=site.link_page(facts.purl)))
        for side, facts in zip(report.comparison.sides, report.facts, strict=True)
    )
    content = join(
        element("section", build_content(report), class_="comparison", id="comparison"),
        _section("pages", "The page about each", element("ul", *pages, class_="items")),
        _section("compare", "Compare others", _build_form(site, tuple(facts.target for facts in report.facts))),
    )
    gaps = () if report.complete or not report.exit_reason else (report.exit_reason,)
    foot = join(*(element("p", text) for text in (describe_foot(report), *gaps, *report.warnings)))
    skip = ("Skip to the comparison", "comparison")
    return _write(f"{describe_title(report)} - nerq", Markup(""), content, foot, site, skip)


def render_compare_form(targets: Sequence[str], problem: str, site: Site) -> str:
    """Return the page that asks for the targets of a comparison, with those that are named already.

    Args:
        targets: As they were written.
        problem: Why there is no comparison; empty = nothing was asked for yet.
        site: The service.
    """
    header = element(
        "header",
        element("h1", "Compare packages"),
        element("p", problem, class_="note") if problem else None,
        element(
            "p",
            f"Two to {_MAX_TARGETS} targets of one kind, or two versions of one package: what an upgrade gains.",
            class_="sub",
        ),
        class_="masthead",
    )
    content = _section("compare", "Targets", _build_form(site, targets))
    foot = element("p", f"nerq-cli {__version__}")
    return _write("Compare - nerq", header, content, foot, site, ("Skip to the targets", "compare"))


def render_candidates(name: str, candidates: Sequence[Candidate], site: Site) -> str:
    """Return the page about a name that may mean several targets."""
    header = element(
        "header",
        element("h1", f"{name} may be {format_count(len(candidates), 'package')}"),
        element("p", "Choose the one that you mean.", class_="sub"),
        class_="masthead",
    )
    items = (
        element(
            "li",
            element("a", item.target, href=site.link_page(item.target)),
            " ",
            element("code", item.purl, class_="sub") if item.purl else None,
            element("p", "whether it exists is not known: its registry did not answer", class_="text-doubt")
            if item.exists is None
            else None,
        )
        for item in candidates
    )
    content = _section("candidates", "Candidates", element("ul", *items, class_="candidates"))
    foot = element("p", f"nerq-cli {__version__}")
    return _write(f"{name}: several packages - nerq", header, content, foot, site, ("Skip to them", "candidates"))


def render_problem(title: str, detail: str, hint: str, site: Site) -> str:
    """Return the page about a request that has no other answer."""
    header = element("header", element("h1", title), class_="masthead")
    content = _section(
        "problem", "What happened", element("p", detail), element("p", hint, class_="hint") if hint else None
    )
    foot = element("p", f"nerq-cli {__version__}")
    return _write(f"{title} - nerq", header, content, foot, site, ("Skip to the problem", "problem"))


def _build_form(site: Site, targets: Sequence[str]) -> Markup:
    """Return a form with the targets that are named, and with an empty field if there may be more."""
    texts = [*targets, *[""] * max(1, _FIELDS - len(targets))][:_MAX_TARGETS]
    fields = (_build_field(f"Target {number}", f"target-{number}", text) for number, text in enumerate(texts, 1))
    return element("form", *fields, element("button", "Compare"), action=f"{site.base}/compare", class_="compare")


def _build_field(label: str, id_: str, text: str) -> Markup:
    field = element(
        "input",
        type="text",
        id=id_,
        name="target",
        value=text,
        maxlength=QUERY_LIMIT,
        autocomplete="off",
        autocapitalize="none",
        spellcheck="false",
    )
    return element("label", label, field, for_=id_)


def _section(
    id_: Literal["recent", "compare", "programs", "pages", "candidates", "problem"], title: str, *content: Child
) -> Markup:
    heading = f"s-{id_}"
    return element("section", element("h2", title, id=heading), *content, id=id_, aria_labelledby=heading)


def _write(title: str, header: Markup, content: Markup, foot: Markup, site: Site, skip: tuple[str, str]) -> str:
    return write_page(title, header, content, foot, version=__version__, skip=skip, site=site)
