"""The task that workers of a cluster run. Its code is sent with it: a machine without nerq-cli can pass it on.

It imports what it needs when it runs, so that a worker that lacks something has an error instead of an end.
"""

from __future__ import annotations


def run_task(version: str, part: bytes) -> int:
    """Score a part, and return the number of its rows.

    Args:
        version: Release of nerq-cli that the worker must have: another one may score differently.
        part: A ``Part`` as JSON.

    Raises:
        ImportError: the worker lacks nerq-cli, or its extra ``index``.
        UsageError: the worker has another release, or the part cannot be read or written.
    """
    import msgspec

    import nerq_cli
    from nerq_cli.errors import UsageError

    if nerq_cli.__version__ != version:
        raise UsageError(f"a worker has nerq-cli {nerq_cli.__version__}, and the command has {version}")
    from nerq_cli.bulk.parts import Part, score_part

    return score_part(msgspec.json.decode(part, type=Part))
