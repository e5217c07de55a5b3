"""What the pictures show, and that their labels do not lie on each other."""

import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from headgate.budget.cost import Cost, Limits
from headgate.orchestrator import recipe as recipes
from headgate.orchestrator.bench.asked import Asked
from headgate.orchestrator.bench.bench import Outcome
from headgate.orchestrator.bench.metrics import row
from headgate.orchestrator.bench.plots import accuracy, calibration, coverage, draw, routing
from headgate.orchestrator.bench.records import Rated, Record

from .conftest import a_record, rated, votes


def outcome(records: dict[str, list[Record]]) -> Outcome:
    asked = Asked(
        recipes=dict.fromkeys(records, recipes.load("direct")), tasks=("t",), problems=(), total=Limits(), baseline="a"
    )
    return Outcome(
        asked=asked,
        rows=[row(name, some) for name, some in records.items()],
        records=records,
        differences=[],
        algebra=[],
        sampled=[],
        frontier=None,
        ended=True,
        spent=Cost(),
    )


def chain(*who: str) -> tuple[Rated, ...]:
    return tuple(Rated(author=name, kept=True, tokens=1) for name in who)


def test_each_place_in_the_chain_holds_the_shares_of_its_authors() -> None:
    thrown = Rated(author="draft", kept=False, tokens=1)
    records = [
        a_record("a", chains=(chain("draft", "target", "draft"),)),
        a_record("b", chains=((thrown, *chain("target", "draft")),)),
        a_record("c", chains=(chain("draft"), chain("draft", "draft"))),
        a_record("d"),
    ]
    assert routing.shares(records) == [
        {"draft": 0.75, "target": 0.25},
        {"target": 0.25, "draft": 0.5},
        {"draft": 0.25},
    ]


def test_a_chain_is_judged_by_its_worst_step() -> None:
    records = [
        a_record("a", right=False, chains=(rated(9.0, 3.0, 8.0),)),
        a_record("b", chains=(rated(0.2, 2.5, signal="entropy"),)),
        a_record("c", chains=(rated(7.0), rated(6.0)), samples=votes("5", "6")),
        a_record("d", right=None, chains=(rated(1.0),)),
        a_record("e", chains=(rated(0.1, 0.4, signal="advantage"),)),
        a_record("f", chains=(rated(0.3, signal="gate"),)),
    ]
    worst = calibration.worst(records)
    digits = [(3.0, False), (7.0, True), (6.0, False)]
    assert worst == {"digit_expected": digits, "entropy": [(2.5, True)], "advantage": [(0.4, True)]}


def test_scores_of_like_value_are_counted_together() -> None:
    found = calibration.bins([(6.6, True), (7.4, False), (0.2, False)], digits=True)
    assert [(one.score, one.n, one.right) for one in found] == [(0.2, 1, 0), (pytest.approx(7.0), 2, 1)]
    even = calibration.bins([(float(i), True) for i in range(16)], digits=False)
    assert [one.n for one in even] == [2] * 8
    alike = calibration.bins([(1.0, True)] * 15 + [(2.0, False)], digits=False)
    assert [(one.score, one.n) for one in alike] == [(1.0, 15), (2.0, 1)]


def test_risk_is_the_share_of_wrong_answers_among_those_given_and_ties_are_given_together() -> None:
    pairs = [(9.0, True), (8.0, True), (8.0, False), (1.0, False)]
    assert coverage.risks(pairs) == [(25, 0), (75, pytest.approx(100 / 3)), (100, 50)]
    assert coverage.risks(pairs, best_first=False)[0] == (25, 100)
    assert coverage.area([(50.0, 0.0), (100.0, 40.0)]) == 20


def made_of(n: int) -> Outcome:
    names = [f"a_recipe_with_a_long_name_{i}" for i in range(n)]
    made: dict[str, list[Record]] = {}
    for index, name in enumerate(names):
        made[name] = [
            a_record(
                f"p{i}",
                recipe=name,
                right=(i + index) % 3 > 0,
                dollars=10.0 ** (index % 4 - 4),
                target=10 * 3**index,
                seconds=0.01 * 4**index,
                chains=(rated(i % 10, author="draft") + chain("target", "someone", "another")[: i % 4],),
            )
            for i in range(30)
        ]
    return outcome(made)


@pytest.mark.parametrize("module", [accuracy, routing, calibration, coverage], ids=lambda module: module.__name__)
def test_no_label_lies_on_another_or_beyond_the_edge(module: Any) -> None:
    figure = module.picture(made_of(9))
    FigureCanvasAgg(figure).draw()
    whole = figure.bbox
    for boxes in _rows_of_labels(figure):
        for left, right in combinations(boxes, 2):
            assert not (left.shrunk(0.98, 0.98).overlaps(right.shrunk(0.98, 0.98))), (left, right)
        for box in boxes:
            assert box.x0 >= whole.x0 - 1
            assert box.x1 <= whole.x1 + 1


def _rows_of_labels(figure: Any) -> list[list[Any]]:
    """The boxes of texts that could meet: all labels of the axes, and those of the legend."""
    texts = [axis.xaxis.label for axis in figure.axes if axis.get_visible()]
    texts += [axis.yaxis.label for axis in figure.axes if axis.get_visible()]
    texts += [axis._left_title for axis in figure.axes if axis.get_visible()]
    for axis in figure.axes:
        low, high = axis.get_xlim()
        ticks = axis.get_xticklabels() if axis.get_visible() else []
        texts += [label for label in ticks if low <= label.get_position()[0] <= high]
    texts += [text for legend in figure.legends for text in legend.get_texts()]
    shown = [text for text in texts if text.get_text() and text.get_visible()]
    return [[text.get_window_extent() for text in shown]]


def test_pictures_are_written_as_png_and_svg_and_the_same_again(tmp_path: Path) -> None:
    first, missing = draw(made_of(2), tmp_path / "one")
    draw(made_of(2), tmp_path / "two")
    assert (len(first), missing) == (4, "")
    files = sorted((tmp_path / "one").iterdir())
    assert [file.name for file in files] == [
        f"{name}.{kind}" for name in ("accuracy", "calibration", "coverage", "routing") for kind in ("png", "svg")
    ]
    assert all(file.read_bytes() == (tmp_path / "two" / file.name).read_bytes() for file in files)


def test_what_the_records_do_not_have_is_not_drawn(tmp_path: Path) -> None:
    drawn, _ = draw(outcome({"a": [a_record("p", right=None)]}), tmp_path)
    assert drawn == {}


def test_without_matplotlib_one_line_names_the_extra() -> None:
    script = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from pathlib import Path\n"
        "from headgate.orchestrator.bench.plots import draw\n"
        "print(draw(None, Path('none')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == """({}, 'the pictures need matplotlib: pip install "headgate[plots]"')"""
