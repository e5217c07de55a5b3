import pytest
from rich.console import Console

from headgate.backends.base import Completion
from headgate.budget.cost import Cost
from headgate.budget.prices import Price
from headgate.orchestrator.agent import Solved
from headgate.orchestrator.console.figures import by_model, estimated, seconds_per_token
from headgate.orchestrator.console.summary import summary
from headgate.strategies.base import Answer, Status
from headgate.verifiers.base import Problem, Step

RATES = {"date": "2026-11-21", "source": "a test", "cached_input": 0}
SMALL = Price.of({"input": 1, "output": 2, "nominal": True, **RATES})  # 1,000 and 2,000 nanodollars a token
LARGE = Price.of({"input": 10, "output": 20, "nominal": True, **RATES})
PRICES = {"draft": SMALL, "target": LARGE}


def spent(price: Price, output: int, *, read: int = 0, cached: int = 0, seconds: float = 0.0) -> Cost:
    return price.priced(Cost(input=read, cached_input=cached, output=output, calls=1, seconds=seconds))


def wrote(author: str, cost: Cost, *, kept: bool = True) -> Step:
    return Step(completion=Completion(text="step", stop="delimiter", usage=cost), author=author, kept=kept)


def solved(
    text: str = "66",
    *,
    status: Status = "answered",
    correct: bool | None = True,
    seconds: float = 2.0,
    reason: str = "",
) -> Solved:
    """A draft's kept step of 12 tokens and wasted one of 14; the target's of 10, one judged digit, an answer of 3."""
    bill = {
        ("draft", "think"): spent(SMALL, 12, read=80, seconds=0.1),
        ("draft", "wasted"): spent(SMALL, 14, cached=92, seconds=0.1),
        ("target", "judge"): spent(LARGE, 1, read=100, seconds=0.3),
        ("target", "think"): spent(LARGE, 10, cached=92, seconds=0.5),
        ("target", "answer"): spent(LARGE, 3, read=4, cached=102, seconds=0.1),
    }
    steps = [
        wrote("draft", bill["draft", "think"]),
        wrote("draft", bill["draft", "wasted"], kept=False),
        wrote("target", bill["target", "think"]),
    ]
    said = Completion(text=rf"\boxed{{{text}}}", stop="eos", usage=bill["target", "answer"])
    cost = sum(bill.values(), Cost())
    answer = Answer(text=text, status=status, reason=reason, steps=tuple(steps), completion=said, cost=cost, bill=bill)
    return Solved(problem=Problem(text="How many?"), answer=answer, correct=correct, seconds=seconds)


def shown(*ended: Solved, width: int = 80, compare: tuple[Solved, ...] = (), prices: object = None) -> str:
    console = Console(width=width, color_system=None, highlight=False)
    with console.capture() as captured:
        console.print(summary(ended, prices=PRICES if prices is None else prices, compare=compare))  # type: ignore[arg-type]
    return captured.get()


def row(written: str, name: str) -> list[str]:
    """The figures of a row of the table."""
    line = next(line for line in written.splitlines() if line.strip().startswith(name))
    return line.split(name, 1)[1].replace(" s", "s").split()


def test_the_table_splits_what_each_model_generated_and_what_it_read() -> None:
    written = shown(solved())
    assert row(written, "kept") == ["12", "10", "22", "~22"]
    assert row(written, "wasted") == ["14", "0", "14"]
    assert row(written, "judging") == ["0", "1", "1"]
    assert row(written, "answer") == ["0", "3", "3", "~3"]
    assert row(written, "generated") == ["26", "14", "40", "~25"]
    assert row(written, "input") == ["80", "104", "184", "~80"]
    assert row(written, "cached input") == ["92", "194", "286"]
    assert row(written, "calls") == ["2", "3", "5"]


def test_dollars_and_busy_seconds_are_those_of_the_bill() -> None:
    written = shown(solved())
    # draft: 80 x 1 + 26 x 2 microdollars; target: 104 x 10 + 14 x 20
    assert row(written, "dollars")[:3] == ["$0.00013", "$0.0013", "$0.0015"]
    assert row(written, "busy") == ["0.20s", "0.90s", "1.1s", "~1.2s"]


def test_the_target_alone_is_estimated_from_kept_tokens_the_question_and_its_own_pace() -> None:
    alone = estimated([solved()], "target", LARGE)
    assert alone.usage.cost.nanodollars == 80 * 10_000 + (12 + 10 + 3) * 20_000
    assert seconds_per_token([solved()], "target") == pytest.approx(0.6 / 13)
    assert alone.seconds == pytest.approx(25 * 0.6 / 13)


def test_an_estimate_is_marked_as_one() -> None:
    written = shown(solved())
    assert "~$0.0013" in written
    assert "~ estimated" in written
    assert "about 56% of the 25 that it needs alone" in written


def test_a_measured_comparison_is_not_marked() -> None:
    bill = {("model", "think"): spent(LARGE, 40, read=80, seconds=2.0), ("model", "answer"): spent(LARGE, 2)}
    answer = Answer(text="66", cost=sum(bill.values(), Cost()), bill=bill)
    alone = Solved(problem=Problem(text="How many?"), answer=answer, correct=True, seconds=2.1)
    written = shown(solved(), compare=(alone,))
    assert row(written, "generated") == ["26", "14", "40", "42"]
    assert "~" not in written
    assert "14 tokens, 33% of the 42 that it needs alone" in written


def test_a_target_that_wrote_nothing_has_no_pace() -> None:
    one = solved()
    bill = {key: cost for key, cost in one.answer.bill.items() if key in {("draft", "think"), ("target", "judge")}}
    step = wrote("draft", bill["draft", "think"])
    alone = estimated(
        [Solved(problem=one.problem, answer=Answer(text="", steps=(step,), bill=bill), correct=None, seconds=1)],
        "target",
        LARGE,
    )
    assert alone.seconds is None


def test_candidates_without_steps_of_their_own_count_as_their_mean() -> None:
    samples = tuple(Answer(text="1", steps=(wrote("draft", spent(SMALL, n, read=80)),)) for n in (10, 20))
    vote = Solved(problem=Problem(text="?"), answer=Answer(text="1", candidates=samples), correct=None, seconds=1)
    alone = estimated([vote], "target", LARGE)
    assert (alone.usage.cost.input, alone.usage.kept) == (80, 15)


def test_the_target_is_not_compared_with_itself() -> None:
    bill = {("target", "think"): spent(LARGE, 40, read=80)}
    one = Solved(problem=Problem(text="?"), answer=Answer(text="1", bill=bill), correct=None, seconds=1)
    assert "alone" not in shown(one)


def test_nominal_prices_are_called_nominal() -> None:
    assert "Prices are nominal" in shown(solved())
    charged = {name: Price.of({"input": 1, "output": 2, **RATES}) for name in PRICES}
    assert "nominal" not in shown(solved(), prices=charged)


def test_a_model_without_a_price_is_named() -> None:
    written = shown(solved(), prices={"draft": None, "target": LARGE})
    assert "No price is known for draft: the dollars go without." in written
    assert len(row(written, "dollars")) == 3


def test_one_problem_shows_its_answer_harmlessly() -> None:
    written = shown(solved("[red]6\x1b[1m6[/red]"))
    assert r"[red]6\x1b[1m6[/red]  right" in written


def test_an_answer_that_is_missing_says_why() -> None:
    written = shown(solved("", status="exhausted", correct=None, reason="`run/p1` has 120 tokens left, 2048 asked"))
    assert "no answer" in written
    assert "exhausted: `run/p1` has 120 tokens left, 2048 asked" in written


def test_a_batch_shows_accuracy_with_its_interval_statuses_time_and_tokens() -> None:
    right = [solved(seconds=1.0)] * 81
    wrong = [solved(correct=False, seconds=3.0, status="abstained")] * 182
    written = shown(*right, *wrong)
    assert "30.8% 81 of 263 right, 25.5% to 36.6% with 95 % confidence" in written
    assert "263 81 answered, 182 abstained" in written
    assert "3.0 s a problem in the median, 10:27 summed" in written
    assert "224 a problem in the median, 58.9k in all" in written


def test_a_batch_without_references_claims_no_accuracy() -> None:
    assert "accuracy" not in shown(solved(correct=None), solved(correct=None))


def test_no_problem_is_no_error() -> None:
    assert shown() == "no problem was solved\n"


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_summary_fits_its_terminal(width: int) -> None:
    assert max(map(len, shown(solved(), solved(), width=width).splitlines())) <= width


def test_no_figure_is_broken_at_60_columns() -> None:
    narrow, wide = (row(shown(solved(), solved(), width=width), "dollars") for width in (60, 120))
    assert narrow == wide


def test_the_end_of_a_batch_fits_a_screen_of_24_lines_with_the_prompt() -> None:
    assert len(shown(solved(), solved()).splitlines()) <= 22


def test_models_stand_in_order_of_first_use() -> None:
    assert list(by_model([solved(), solved()])) == ["draft", "target"]
