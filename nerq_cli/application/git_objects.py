"""Read files of a commit from the objects of a git repository: nothing is checked out, fetched or executed.

The repository is untrusted: its configuration may name programs (hooks, filters, a file system monitor, a transport).
Only commands that read objects are run, with those programs off and every transport forbidden.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Final, NamedTuple

from nerq_cli.errors import UsageError
from nerq_cli.patterns import compile_late

#: Variables of the user that would direct git to another repository than that of the scanned directory.
_DIRECTING: Final = frozenset(
    {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_NAMESPACE", "GIT_COMMON_DIR", "GIT_TRACE"}
)
#: No lock is taken, nothing is asked, and no object is fetched: a repository may name a program as its transport.
_SAFE: Final = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_PAGER": "cat",
    "LC_ALL": "C",
    "LANGUAGE": "C",
}
_OPTIONS: Final = (
    "--no-pager",
    "-c",
    "core.fsmonitor=false",
    "-c",
    f"core.hooksPath={os.devnull}",
    "-c",
    "protocol.allow=never",
)
#: Seconds that one command may take: listing a large tree takes one or two.
_TIMEOUT: Final = 60
#: Most files of a commit that are listed.
MAX_FILES: Final = 1_000_000
_CHUNK: Final = 1 << 16

#: What a name of a branch or tag cannot have (git check-ref-format), and names relative to others: HEAD~1, main@{1}.
_EXPRESSION: Final = compile_late(r"[~^:]|@\{|\bHEAD\b")
_REGULAR_MODES: Final = frozenset({"100644", "100755", "100664"})
_LINK_MODE: Final = "120000"
_SUBMODULE_MODE: Final = "160000"


class GitFile(NamedTuple):
    """One file of a commit."""

    #: Relative to the root of the repository, with slashes.
    path: str
    object_id: str
    #: Whether its content is the target of a symbolic link.
    is_link: bool = False


class Repository(NamedTuple):
    """A git repository with a work tree."""

    #: Path of the git program.
    program: str
    #: Root of the work tree, without symbolic links.
    root: Path

    @classmethod
    def find(cls, directory: Path) -> Repository:
        """Return the repository that holds a directory.

        Raises:
            UsageError: git is not installed, or there is no repository with a work tree, or git does not trust it.
        """
        program = shutil.which("git")
        if program is None:
            raise UsageError("--since needs git, which is not installed", hint="--baseline FILE works without it")
        result = _run(program, directory, "rev-parse", "--show-toplevel")
        if result.returncode:
            raise _explain_no_repository(directory, result.stderr.decode(errors="replace"))
        return cls(program, Path(os.path.realpath(os.fsdecode(result.stdout.removesuffix(b"\n")))))

    @classmethod
    def find_bare(cls, directory: Path) -> Repository:
        """Return a repository without a work tree.

        Raises:
            UsageError: git is not installed, or does not read or trust the repository.
        """
        program = shutil.which("git")
        if program is None:
            raise UsageError("--since: git is needed to read it, and is not installed")
        result = _run(program, directory, "rev-parse", "--absolute-git-dir")
        found = os.path.realpath(os.fsdecode(result.stdout.removesuffix(b"\n")))
        if result.returncode or found != os.path.realpath(directory):
            raise _explain_no_repository(directory, result.stderr.decode(errors="replace"))
        return cls(program, Path(found))

    def resolve(self, ref: str) -> str:
        """Return the id of the commit that a reference, tag or abbreviated id names.

        Raises:
            UsageError: there is none.
        """
        is_name = ref and not ref.startswith("-") and not any(ord(character) <= ord(" ") for character in ref)
        if is_name:
            result = _run(self.program, self.root, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
            if not result.returncode:
                return result.stdout.decode("ascii", "replace").strip()
        if is_name and self._has(f"origin/{ref}"):
            raise UsageError(f"--since: there is no commit {ref!r} in this clone", hint=f"there is origin/{ref}")
        if self.is_shallow:
            hint = f"this clone is shallow and may lack it: {_suggest_fetch(ref)}"
            raise UsageError(f"--since: there is no commit {ref!r} in this clone", hint=hint)
        hint = "name a branch, a tag or a commit, such as main, origin/main or HEAD~1; git fetch gets those of a server"
        raise UsageError(f"--since: there is no commit {ref!r} in {self.root.name or self.root}", hint=hint)

    def _has(self, ref: str) -> bool:
        """Return whether a reference names a commit."""
        return not _run(self.program, self.root, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}").returncode

    @property
    def is_shallow(self) -> bool:
        """Whether the history ends early, as after ``git clone --depth``."""
        result = _run(self.program, self.root, "rev-parse", "--is-shallow-repository")
        return result.stdout.strip() == b"true"

    def find_merge_base(self, ref: str, commit: str) -> str:
        """Return the commit where HEAD left the branch of a commit, as a pull request shows it.

        Raises:
            UsageError: HEAD has no commit, or the two have no common ancestor, or the clone lacks it.
        """
        head = _run(self.program, self.root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        if head.returncode:
            raise UsageError("--since: this repository has no commit yet", hint="leave --since out")
        result = _run(self.program, self.root, "merge-base", commit, head.stdout.decode("ascii", "replace").strip())
        base = result.stdout.decode("ascii", "replace").strip()
        if not result.returncode and base:
            return base
        if self.is_shallow:
            raise UsageError(
                f"--since: this clone is shallow, and lacks the commit where HEAD left {ref!r}",
                hint="git fetch --deepen=100, or git fetch --unshallow (with actions/checkout: fetch-depth: 0)",
            )
        raise UsageError(f"--since: {ref!r} and HEAD have no common ancestor", hint="name a commit of this history")

    def find_submodule(self, path: str) -> Repository | None:
        """Return the repository of a submodule: in the work tree, else where git keeps it; None if there is none."""
        directory = self.root / path
        if os.path.realpath(directory) == str(directory) and os.path.lexists(directory / ".git"):
            result = _run(self.program, directory, "rev-parse", "--show-toplevel")
            if not result.returncode and os.path.realpath(os.fsdecode(result.stdout.rstrip(b"\n"))) == str(directory):
                return self._replace(root=directory)
        result = _run(self.program, self.root, "rev-parse", "--git-path", f"modules/{path}")
        git_directory = self.root / os.fsdecode(result.stdout.rstrip(b"\n"))
        if result.returncode or not (git_directory / "HEAD").is_file():
            return None
        result = _run(self.program, git_directory, "rev-parse", "--absolute-git-dir")
        is_its_own = os.path.realpath(os.fsdecode(result.stdout.rstrip(b"\n"))) == os.path.realpath(git_directory)
        return self._replace(root=git_directory) if is_its_own and not result.returncode else None

    def list_files(self, commit: str) -> tuple[list[GitFile], list[GitFile]]:
        """Return the files and symbolic links of a commit, and its submodules, whose ids are those of commits.

        Raises:
            UsageError: the clone lacks the objects, or there are more than ``MAX_FILES``.
        """
        result = _run(self.program, self.root, "ls-tree", "-r", "-z", "--full-tree", commit)
        if result.returncode:
            raise UsageError(
                f"--since: the files of commit {commit[:9]} cannot be listed: {_read_message(result.stderr)}",
                hint="a partial clone may lack them: git fetch --refetch, or clone without --filter",
            )
        files: list[GitFile] = []
        submodules: list[GitFile] = []
        for entry in result.stdout.split(b"\0"):
            information, _, raw_path = entry.partition(b"\t")
            if not raw_path:
                continue
            mode, _, object_id = information.decode("ascii", "replace").split(" ")
            path = os.fsdecode(raw_path)
            if mode == _SUBMODULE_MODE and _is_safe_path(path):
                submodules.append(GitFile(path, object_id))
            elif (mode in _REGULAR_MODES or mode == _LINK_MODE) and _is_safe_path(path):
                files.append(GitFile(path, object_id, mode == _LINK_MODE))
            if len(files) > MAX_FILES:
                raise UsageError(f"--since: commit {commit[:9]} has more than {MAX_FILES:,} files")
        return files, submodules

    def read_files(self, files: Iterable[GitFile], max_bytes: int) -> Iterator[tuple[GitFile, bytes, int]]:
        """Yield each file with its content and size. The content of one above ``max_bytes`` is empty.

        Raises:
            UsageError: the clone lacks an object.
        """
        command = [self.program, *_OPTIONS, "cat-file", "--batch"]
        with subprocess.Popen(  # noqa: S603 - git, with safe options
            command,
            cwd=self.root,
            env=_build_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            if process.stdin is None or process.stdout is None:
                raise UsageError("--since: git could not be started")
            try:
                for file in files:
                    process.stdin.write(f"{file.object_id}\n".encode())
                    process.stdin.flush()
                    yield (file, *_read_object(process.stdout, file, max_bytes))
            except BrokenPipeError as error:
                raise UsageError("--since: git ended before all files were read") from error
            finally:
                process.kill()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command that reads objects, and return its result.

        Raises:
            UsageError: git cannot be run, or takes too long.
        """
        return _run(self.program, self.root, *arguments)

    def describe(self, commit: str) -> str:
        """Return an abbreviated id."""
        return commit[:9]


def _suggest_fetch(ref: str) -> str:
    """Return the command that gets the commit of a reference into a shallow clone, which may track one branch only."""
    branch = ref.removeprefix("refs/remotes/").removeprefix("origin/")
    if ref.startswith(("origin/", "refs/remotes/origin/")) and not _EXPRESSION.search(ref):
        command = f"git fetch --unshallow origin {shlex.quote(f'+refs/heads/{branch}:refs/remotes/origin/{branch}')}"
    elif _EXPRESSION.search(ref):
        command = "git fetch --unshallow"
    else:
        command = "git fetch --unshallow --tags origin '+refs/heads/*:refs/remotes/origin/*'"
    return f"{command} (with actions/checkout: fetch-depth: 0)"


def _read_object(stream: IO[bytes], file: GitFile, max_bytes: int) -> tuple[bytes, int]:
    header = stream.readline().split()
    if len(header) != len(("id", "type", "size")) or not header[2].isdigit():
        raise UsageError(
            f"--since: this clone lacks the content of {file.path}",
            hint="a partial clone may lack it: git fetch --refetch, or clone without --filter",
        )
    size = int(header[2])
    if size <= max_bytes:
        content = stream.read(size + 1)[:-1]  # a line end follows
        return content, size
    remaining = size + 1
    while remaining > 0 and (chunk := stream.read(min(_CHUNK, remaining))):
        remaining -= len(chunk)
    return b"", size


def _is_safe_path(path: str) -> bool:
    """Whether a path stays below its root: git refuses others, but the objects of a repository may hold anything."""
    return bool(path) and not path.startswith("/") and "\\" not in path and not {"..", ".", ""} & set(path.split("/"))


def _run(program: str, directory: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(  # noqa: S603 - git, with safe options
            [program, *_OPTIONS, *arguments],
            cwd=directory,
            env=_build_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise UsageError(f"--since: git {arguments[0]} took more than {_TIMEOUT} s") from error
    except OSError as error:
        raise UsageError(f"--since: git cannot be run: {error.strerror}") from error


def _build_environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _DIRECTING}
    return kept | _SAFE


def _explain_no_repository(directory: Path, message: str) -> UsageError:
    if "dubious ownership" in message or "safe.directory" in message:
        return UsageError(
            f"--since: git does not read the repository of {directory}: it belongs to another user",
            hint=f"if you trust it: git config --global --add safe.directory {directory.absolute()}",
        )
    if "must be run in a work tree" in message:
        return UsageError(f"--since: the repository of {directory} has no work tree")
    return UsageError(
        f"--since: {directory} is in no git repository", hint="--baseline FILE compares with a report instead"
    )


def _read_message(stderr: bytes) -> str:
    lines = stderr.decode(errors="replace").strip().splitlines()
    return lines[0].removeprefix("fatal: ") if lines else "git gave no reason"
