"""A made-up source, for the tests of what fetches from sources."""

from __future__ import annotations

import http.client
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from nerq_cli.errors import EndpointMissingError, ResponseError
from nerq_cli.fetch.source import Endpoint, Request, Response
from nerq_cli.inventory import Package

NOW = 1_800_000_000


class Demo(msgspec.Struct, frozen=True):
    name: str
    size: int = 0


@dataclass
class Demos:
    """A made-up source: one JSON document for each package, under its name."""

    name: str = "demo"
    label: str = "Demo"
    kind: type[Demo] = Demo
    max_age: int = 3_600
    absent_max_age: int = 60
    limit: int = 100_000
    probe: bool = False
    folder: str = ""

    def requests(self, about: Sequence[Package], at: Endpoint) -> Iterable[Request[Package]]:
        for package in about:
            yield Request(url=f"{at.url}{self.folder}/{package.url_segment}", subjects=(package,), endpoint=at)

    def parse(self, question: Request[Package], answer: Response) -> Iterable[tuple[Package, Demo | None]]:
        [package] = question.subjects
        if answer.status == http.client.METHOD_NOT_ALLOWED:
            raise EndpointMissingError("this server has no demos")
        yield package, None if answer.status == http.client.NOT_FOUND else decoded(answer.body)


def decoded(body: bytes) -> Demo:
    try:
        return msgspec.json.decode(body, type=Demo)
    except msgspec.MsgspecError as problem:
        raise ResponseError("not JSON") from problem


DEMOS = Demos()
