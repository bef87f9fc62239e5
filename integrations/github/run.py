"""Steps of the GitHub Action: install nerq-cli, scan, comment in the pull request, and end with the exit status.

``action.yml`` calls it with the name of a step. All values come from environment variables, so that no shell reads
them. Only the standard library is used: the step ``install`` runs before anything is installed.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

#: Meaning of the exit statuses of ``nerq scan``.
RESULTS: Final = {0: "passed", 1: "failed", 2: "error", 3: "incomplete", 4: "empty"}
_USAGE: Final = 2
_INCOMPLETE: Final = 3
#: Characters that a comment may have.
COMMENT_LIMIT: Final = 65_536
#: Bytes of an answer of the API that are read, seconds that one may take, requests for one answer, pages of comments.
_ANSWER_LIMIT: Final = 20_000_000
_TIMEOUT: Final = 30
_ATTEMPTS: Final = 3
_PAGES: Final = 50
_PER_PAGE: Final = 100
_SERVER_ERROR: Final = 500
#: Text of the answer 403 and 404 in a message: both are what a token without the permission gets.
_FORBIDDEN: Final = (401, 403, 404)
#: First line of the Markdown report of nerq.
_REPORT_MARKER: Final = "<!-- nerq report -->"
_VERSION: Final = re.compile(r"[0-9][0-9A-Za-z.!+]*")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class StepError(Exception):
    """The step ends with exit status 2 and this message."""


class ApiError(Exception):
    """The API refused a request, or did not answer. ``status`` is 0 without an answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


# --- values of the runner ---


def read_input(name: str, default: str = "") -> str:
    """Return an input of the action without space around it; the default if it is empty."""
    return os.environ.get(f"INPUT_{name}", "").strip() or default


def read_flag(name: str, *, default: bool) -> bool:
    """Return an input that is true or false.

    Raises:
        StepError: it is another word.
    """
    text = read_input(name, str(default)).lower()
    if text not in ("true", "false"):
        raise StepError(f"the input {name.lower().replace('_', '-')} is {text!r}: write true or false")
    return text == "true"


def read_lines(name: str) -> list[str]:
    """Return the lines of an input, without empty ones."""
    return [line.strip() for line in os.environ.get(f"INPUT_{name}", "").splitlines() if line.strip()]


def read_event() -> dict[str, Any]:
    """Return the event that started the workflow; empty if it cannot be read."""
    try:
        event = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
    except (KeyError, OSError, ValueError):
        return {}
    return event if isinstance(event, dict) else {}


def find(value: Any, *keys: str) -> Any:
    """Return a value inside of nested objects; None if there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def get_directory() -> Path:
    """Return the directory of what the steps keep: the environment, the cache and the reports."""
    directory = Path(os.environ["RUNNER_TEMP"]) / "nerq"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def get_command(name: str) -> Path:
    """Return the path of a command in the environment that nerq-cli is installed into."""
    is_windows = sys.platform == "win32"
    return get_directory() / "venv" / ("Scripts" if is_windows else "bin") / (f"{name}.exe" if is_windows else name)


def set_output(name: str, value: str) -> None:
    """Set an output of the step. The delimiter is random: no value can end it and set another output."""
    delimiter = secrets.token_hex(16)
    with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as file:
        file.write(f"{name}<<{delimiter}\n{value}\n{delimiter}\n")


def add_summary(text: str) -> None:
    """Add a text to the summary of the job."""
    if path := os.environ.get("GITHUB_STEP_SUMMARY", ""):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{text}\n")


def annotate(level: str, text: str) -> None:
    """Print an annotation: ``error``, ``warning`` or ``notice``."""
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    print(f"::{level} title=nerq::{escaped}", flush=True)


# --- install ---


def install() -> int:
    """Install nerq-cli into an environment of its own, from the action's own code or by version."""
    version = read_input("VERSION")
    if version and not _VERSION.fullmatch(version):
        raise StepError(f"the input version is {version!r}: write a version such as 0.1.0")
    directory = get_directory()
    requirement = f"nerq-cli=={version}" if version else os.environ["ACTION_PATH"]
    # -I, and a directory of our own: Python and pip must not import modules or read settings of the project.
    run = [sys.executable, "-I", "-m", "venv", str(directory / "venv")]
    subprocess.run(run, check=True, cwd=directory)
    pip = [str(get_command("python")), "-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, requirement], check=True, cwd=directory)
    set_output("day", time.strftime("%Y-%m-%d", time.gmtime()))
    return 0


# --- scan ---


class Base(NamedTuple):
    """The commit that a run is compared with: what is given to ``--since``, and why there is none."""

    ref: str = ""
    problem: str = ""


def find_base(event: Mapping[str, Any], directory: Path) -> Base:
    """Return the commit to compare with, as the input ``since`` states."""
    since = read_input("SINCE")
    if since != "auto":
        return Base(since)
    if read_input("BASELINE"):
        return Base()
    base = find(event, "pull_request", "base", "sha") or find(event, "merge_group", "base_sha")
    if not isinstance(base, str) or not _COMMIT.fullmatch(base):
        return Base()
    command = ["git", "-c", "core.fsmonitor=false", "merge-base", base, "HEAD"]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        result = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    except OSError as error:
        return Base(problem=f"git cannot be run: {error.strerror}")
    if result.returncode:
        reason = result.stderr.strip() or "no commit that both have is in this clone"
        return Base(problem=f"the base {base[:12]} of the pull request cannot be compared with: {reason}")
    return Base(base)


def list_arguments(base: str, reports: Path, sarif: str) -> list[str]:
    """Return the arguments of ``nerq``."""
    arguments = ["scan", "--strict" if read_flag("STRICT", default=True) else "--no-strict"]
    if read_flag("REPORT_ONLY", default=False):
        arguments.append("--report-only")
    values = {
        "--threshold": read_input("THRESHOLD"),
        "--policy": read_input("POLICY"),
        "--since": base,
        "--baseline": read_input("BASELINE"),
    }
    arguments += [f"{option}={value}" for option, value in values.items() if value]
    outputs = [f"json={reports / 'nerq.json'}", f"markdown={reports / 'nerq.md'}", f"table={reports / 'nerq.txt'}"]
    outputs += [f"sarif={sarif}"] if sarif else []
    for output in (*outputs, *read_lines("OUTPUTS")):
        arguments.append(f"--output={output}")
    arguments += ["--format=github", *read_lines("ARGS")]
    return [*arguments, "--", *(read_lines("PATHS") or ["."])]


def scan() -> int:
    """Run ``nerq scan`` and set the outputs. The exit status is 0: the last step ends with that of nerq."""
    workspace = Path(os.environ.get("GITHUB_WORKSPACE") or Path.cwd())
    directory = workspace / read_input("WORKING_DIRECTORY", ".")
    if not directory.is_dir():
        raise StepError(f"the input working-directory is {str(directory)!r}: there is no such directory")
    base = find_base(read_event(), directory)
    if base.problem:
        annotate(
            "warning",
            f"every dependency is judged, not only what is new or worse: {base.problem}. Set fetch-depth: 0 of "
            "actions/checkout, or the input since to another commit or to nothing.",
        )
    reports = get_directory() / f"reports-{secrets.token_hex(4)}"
    reports.mkdir()
    sarif = read_input("SARIF")
    command = [str(get_command("nerq")), *list_arguments(base.ref, reports, sarif)]
    # Without PYTHONPATH and its like, which a job may point at the project: nothing of it is imported.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("INPUT_", "PYTHON"))}
    environment["NERQ_CACHE_DIR"] = str(get_directory() / "cache")
    environment["CI"] = "true"
    environment["PYTHONUTF8"] = "1"
    status = subprocess.run(command, cwd=directory, env=environment, check=False).returncode
    if status not in RESULTS:  # ended by a signal: nothing was judged
        annotate("error", f"nerq ended with status {status}")
        status = _INCOMPLETE
    print_table(reports / "nerq.txt")
    set_output("exit-code", str(status))
    set_output("result", RESULTS[status])
    set_output("since", base.ref)
    paths = {"json": reports / "nerq.json", "markdown": reports / "nerq.md"}
    if sarif:
        paths["sarif"] = directory / sarif
    for name, path in paths.items():
        set_output(name, str(path) if path.is_file() else "")
    return 0


def print_table(path: Path) -> None:
    """Print the report for people. The runner obeys no command in it."""
    try:
        table = path.read_bytes()
    except OSError:
        return
    token = secrets.token_hex(16)
    sys.stdout.flush()
    sys.stdout.buffer.write(b"::stop-commands::%s\n%s\n::%s::\n" % (token.encode(), table, token.encode()))
    sys.stdout.flush()


# --- comment ---


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the token would go along."""

    def redirect_request(self, *_: Any) -> None:
        """Return no request."""


class Api:
    """The REST API of GitHub, for one repository."""

    def __init__(self, url: str, repository: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._repository = urllib.parse.quote(repository)
        self._token = token
        self._opener = urllib.request.build_opener(NoRedirects)

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send a request and return the answer; one that may be repeated is, after a server error.

        Raises:
            ApiError: the API refused, or did not answer.
        """
        attempts = _ATTEMPTS if method != "POST" else 1  # a second POST could write a second comment
        for attempt in range(attempts):
            try:
                return self._send_once(method, path, body)
            except ApiError as error:  # noqa: PERF203 - three rounds at most
                if (error.status and error.status < _SERVER_ERROR) or attempt == attempts - 1:
                    raise
                time.sleep(2**attempt)
        raise AssertionError

    def _send_once(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - the runner states the address
            self._url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self._token}",
                "Accept": "application/vnd.github+json",
                "Content-Type": "application/json",
                "User-Agent": "nerq-cli-action",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as response:
                content = response.read(_ANSWER_LIMIT)
            return json.loads(content)
        except urllib.error.HTTPError as error:
            error.close()
            raise ApiError(f"the API answered {error.code}", error.code) from None
        except (OSError, http.client.HTTPException) as error:
            raise ApiError(f"the API did not answer: {error}") from None
        except ValueError:
            raise ApiError("the API answered something other than JSON") from None

    def find_comment(self, number: int, marker: str) -> int | None:
        """Return the id of the comment with this marker that the owner of the token wrote; None if there is none."""
        try:
            login = find(self.send("GET", "/user"), "login")
        except ApiError:
            login = None  # the token of a workflow belongs to an app, and to no user
        for page in range(1, _PAGES + 1):
            query = urllib.parse.urlencode({"per_page": _PER_PAGE, "page": page})
            comments = self.send("GET", f"/repos/{self._repository}/issues/{number}/comments?{query}")
            for comment in comments if isinstance(comments, list) else ():
                author = find(comment, "user") or {}
                is_own = author.get("login") == login if login else author.get("type") == "Bot"
                if is_own and str(find(comment, "body") or "").startswith(marker):
                    return int(comment["id"])
            if not isinstance(comments, list) or len(comments) < _PER_PAGE:
                break
        return None

    def write_comment(self, number: int, comment: int | None, body: str) -> str:
        """Write a comment, or replace one, and return its address."""
        issues = f"/repos/{self._repository}/issues"
        if comment is None:
            answer = self.send("POST", f"{issues}/{number}/comments", {"body": body})
        else:
            answer = self.send("PATCH", f"{issues}/comments/{comment}", {"body": body})
        return str(find(answer, "html_url") or "")


def build_comment(marker: str, report: str, status: int | None, commit: str) -> str:
    """Return the text of the comment. Without a report it states that nothing was judged."""
    of_commit = f" of commit {commit[:12]}" if _COMMIT.fullmatch(commit) else ""
    if not report:
        ending = "The step before the scan failed" if status is None else f"nerq ended with status {status}"
        return (
            f"{marker}\n### nerq: the dependencies{of_commit} were not judged\n\n"
            f"{ending} and wrote no report: nothing is known about them. The log of the job has the reason.\n"
        )
    body = report.removeprefix(_REPORT_MARKER).lstrip("\n")
    end = f"\n<sub>Report{of_commit}.</sub>\n" if of_commit else ""
    room = COMMENT_LIMIT - len(marker) - len(end) - 1
    if len(body) > room:
        note = "\n\n</details>\n\n**Cut to fit a comment: the job summary and the JSON report have more.**\n"
        body = body[: room - len(note)].rpartition("\n")[0] + note
    return f"{marker}\n{body}{end}"


def comment() -> int:
    """Write the report into the pull request, or replace the comment of an earlier run. Never fails the job."""
    mode = read_input("COMMENT", "auto")
    if mode not in ("auto", "always", "never"):
        raise StepError(f"the input comment is {mode!r}: write auto, always or never")
    event = read_event()
    number = find(event, "pull_request", "number")
    status_text = os.environ.get("EXIT_CODE", "")
    status = int(status_text) if status_text.isdigit() else None
    report = read_report()
    key = read_input("COMMENT_KEY") or f"{os.environ.get('GITHUB_WORKFLOW', '')} {os.environ.get('GITHUB_JOB', '')}"
    marker = f"<!-- nerq report {hashlib.sha256(key.encode()).hexdigest()[:16]} -->"
    commit = str(find(event, "pull_request", "head", "sha") or os.environ.get("GITHUB_SHA", ""))
    body = build_comment(marker, report, status, commit)
    if not report:
        add_summary(body)
    if mode == "never" or not isinstance(number, int):
        return 0
    if is_read_only(event):
        annotate("notice", "no comment: the workflow of a fork may not write to the pull request. See the job summary.")
        return 0
    token = os.environ.get("GITHUB_TOKEN", "")
    if not token:
        annotate("warning", "no comment: the input token is empty. The report is in the job summary.")
        return 0
    api_url = os.environ.get("GITHUB_API_URL") or "https://api.github.com"
    api = Api(api_url, os.environ.get("GITHUB_REPOSITORY", ""), token)
    try:
        earlier = api.find_comment(number, marker)
        if earlier is None and mode == "auto" and status == 0:
            return 0
        set_output("comment-url", api.write_comment(number, earlier, body))
    except ApiError as error:
        hint = (
            "The token may not write comments: add to the job\n  permissions:\n    contents: read\n    "
            "pull-requests: write\n"
            if error.status in _FORBIDDEN
            else ""
        )
        annotate("warning", f"no comment: {error}. {hint}The report is in the job summary.")
    return 0


def read_report() -> str:
    """Return the Markdown report; empty if there is none."""
    path = os.environ.get("MARKDOWN", "")
    try:
        return Path(path).read_text(encoding="utf-8") if path else ""
    except OSError:
        return ""


def is_read_only(event: Mapping[str, Any]) -> bool:
    """Whether the token of a workflow for the pull request of a fork may read only."""
    if os.environ.get("GITHUB_EVENT_NAME") == "pull_request_target":
        return False
    head, base = (find(event, "pull_request", side, "repo", "full_name") for side in ("head", "base"))
    return bool(head != base)


# --- finish ---


def finish() -> int:
    """Return the exit status of the scan."""
    text = os.environ.get("EXIT_CODE", "")
    status = int(text) if text.isdigit() else _INCOMPLETE
    if status:
        annotate("error", f"nerq ended with exit status {status} ({RESULTS.get(status, 'not judged')})")
    return status


STEPS: Final = {"install": install, "scan": scan, "comment": comment, "finish": finish}


def main(arguments: Sequence[str]) -> NoReturn:
    """Run the step with this name."""
    try:
        sys.exit(STEPS[arguments[0]]())
    except StepError as error:
        annotate("error", str(error))
        sys.exit(_USAGE)
    except subprocess.CalledProcessError as error:
        annotate("error", f"nerq-cli could not be installed: the command ended with status {error.returncode}")
        sys.exit(_INCOMPLETE)


if __name__ == "__main__":
    main(sys.argv[1:])
