import pytest

from headgate.backends.base import Completion, Context, Stop
from headgate.backends.model import Model
from headgate.backends.scripted_reward import ScriptedReward, by_text
from headgate.budget.cost import Cost
from headgate.budget.ledger import Ledger
from headgate.routers.score import ScoreRouter
from headgate.verifiers.base import Step
from headgate.verifiers.process_reward import ProcessReward

ASKED = Context.ask("What is 2 + 2?")


def proposed(text: str, stop: Stop = "delimiter") -> Step:
    return Step(completion=Completion(text=text, stop=stop, usage=Cost()), author="draft")


def after(*steps: str) -> Context:
    return ASKED.append(*(proposed(text).completion.piece("think", "target") for text in steps))


def verifier(**rewards: float) -> tuple[ProcessReward, Ledger]:
    ledger = Ledger(None)
    engine = ScriptedReward(critic=by_text(rewards, otherwise=0.5))
    return ProcessReward(Model(name="prm", backend=engine, ledger=ledger)), ledger


async def test_the_score_is_the_candidates_reward_and_not_that_of_a_step_before() -> None:
    judge, ledger = verifier(first=0.1, second=0.8)
    score = await judge(after("first\n\n"), proposed("second\n\n"))
    assert (score.value, score.signal, score.reason) == (0.8, "process_reward", "reward 0.80")
    assert score.cost.units() == ledger.spent.units()
    assert set(ledger.bill) == {("prm", "reward")}


async def test_of_several_steps_the_last_one_counts() -> None:
    judge, _ = verifier(first=0.1, second=0.8)
    assert (await judge(ASKED, proposed("second\n\nfirst\n\n"))).value == 0.1


async def test_a_candidate_that_shows_nothing_has_the_reward_before_it_or_one() -> None:
    judge, _ = verifier(first=0.3)
    assert (await judge(after("first\n\n"), proposed("", "think_end"))).value == 0.3
    nothing = await judge(ASKED, proposed("", "think_end"))
    assert (nothing.value, nothing.reason) == (1.0, "nothing to reward yet")


@pytest.mark.parametrize(
    ("delta", "accepts"), [(0.0, True), (0.7, True), (0.71, False), (1.01, False)], ids=["all", "tie", "above", "none"]
)
async def test_a_score_router_keeps_what_reaches_its_threshold(delta: float, accepts: bool) -> None:
    judge, _ = verifier(candidate=0.7)
    decision = await ScoreRouter(judge, delta)(after("first\n\n"), proposed("candidate\n\n"))
    assert decision.accept is accepts
    assert ("below" in decision.score.reason) is not accepts


async def test_scoring_changes_no_context() -> None:
    judge, _ = verifier()
    context = after("first\n\n")
    pieces = context.pieces
    await judge(context, proposed("second\n\n"))
    assert context.pieces == pieces
