"""The line chart of scores: what is drawn, what is not joined, and the same numbers as text."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from nerq_cli.report.pages.line_chart import ChartPoint, build_line_chart

START = 20_000


def draw(*points: ChartPoint, threshold: float | None = 70) -> ET.Element:
    return ET.fromstring(build_line_chart(points, key="score", caption="Score of <demo>", threshold=threshold))  # noqa: S314 - our own


def read_texts(root: ET.Element, tag: str) -> list[str]:
    return ["".join(found.itertext()) for found in root.iter(tag)]


def test_the_picture_has_a_title_a_description_and_labelled_axes() -> None:
    root = draw(ChartPoint(START, 60.0), ChartPoint(START + 10, 80.0))
    [svg] = [found for found in root.iter("svg") if found.get("role") == "img"]
    ids = {found.get("id"): "".join(found.itertext()) for found in root.iter()}
    assert ids[svg.get("aria-labelledby")] == "Score of <demo>"
    description = ids[svg.get("aria-describedby")]
    assert "Score 60.0 on 2024-10-04, 80.0 on 2024-10-14" in description
    assert "threshold 70" in description
    assert {"score, 0 to 100", "date (UTC)", "dashed: threshold 70", "2024-10-04", "2024-10-09", "2024-10-14"} <= {
        *read_texts(root, "text")
    }
    assert [found.get("y1") for found in root.iter("line") if found.get("class") == "chart-threshold"] == ["70.0"]


def test_only_scores_that_can_be_compared_are_joined() -> None:
    root = draw(
        ChartPoint(START, 60.0),
        ChartPoint(START + 1, 61.0),
        ChartPoint(START + 2, None),
        ChartPoint(START + 3, 62.0),
        ChartPoint(START + 4, 63.0),
        ChartPoint(START + 5, 64.0, group="2"),
        ChartPoint(START + 6, 65.0, group="2", reconstructed=True),
        ChartPoint(START + 99, 66.0, group="2", reconstructed=True),
    )
    lines = [found.get("points", "") for found in root.iter("polyline")]
    assert [line.count(",") for line in lines] == [2, 2]
    assert len(list(root.iter("circle"))) == 7
    assert "No score on 1 of 8 days. 2 of 8 are reconstructed" in "".join(root.itertext())


def test_the_table_has_the_numbers_newest_first_without_days_that_changed_nothing() -> None:
    points = [ChartPoint(START + day, 60.0, 55.0, 65.0, "1.0") for day in range(5)]
    root = draw(*points, ChartPoint(START + 5, None, subject="1.1"))
    rows = [[*map("".join, map(ET.Element.itertext, row))] for row in root.iter("tr")]
    assert rows == [
        ["date", "version", "score", "range"],
        ["2024-10-09", "1.1", "no score", "-"],
        ["2024-10-04", "1.0", "60.0", "55.0 to 65.0"],
    ]


def test_one_day_and_no_threshold() -> None:
    root = draw(ChartPoint(START, 60.0), threshold=None)
    assert list(root.iter("polyline")) == []
    assert [found.get("cx") for found in root.iter("circle")] == ["50%"]
    assert "threshold" not in "".join(root.itertext())
