"""What includes what: the circles in it, and which files belong together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from nerq_cli.inventory import Include


class Link(NamedTuple):
    """A file that another one includes, by its key."""

    include: Include
    target: str


class Circle(NamedTuple):
    """A file that includes itself, by way of others: ``include`` stands in ``holder`` and closes it.

    ``way`` leads from the file back to itself.
    """

    holder: str
    include: Include
    way: tuple[str, ...]


def circles(links: Mapping[str, Sequence[Link]]) -> Iterator[Circle]:
    """Yield each circle once, at the link that closes it."""
    done: set[str] = set()
    for start in links:
        if start not in done:
            yield from _circles_from(start, links, done)


def _circles_from(start: str, links: Mapping[str, Sequence[Link]], done: set[str]) -> Iterator[Circle]:
    """Walk depth first, without recursion: files may include one another in long chains."""
    way, open_links = [start], [iter(links[start])]
    while way:
        link = next(open_links[-1], None)
        if link is None:
            done.add(way.pop())
            open_links.pop()
        elif link.target in way:
            yield Circle(way[-1], link.include, (*way[way.index(link.target) :], link.target))
        elif link.target not in done:
            way.append(link.target)
            open_links.append(iter(links.get(link.target, ())))


def connected(links: Mapping[str, Sequence[Link]]) -> Iterator[list[str]]:
    """Yield the files that include one another, directly or not, in either direction: each group once."""
    neighbours: dict[str, list[str]] = {}
    for holder, held in links.items():
        for link in held:
            neighbours.setdefault(holder, []).append(link.target)
            neighbours.setdefault(link.target, []).append(holder)
    seen: set[str] = set()
    for start in neighbours:
        if start not in seen:
            seen.add(start)
            group = [start]
            for member in group:  # which grows
                new = [one for one in dict.fromkeys(neighbours[member]) if one not in seen]
                seen.update(new)
                group += new
            yield group
