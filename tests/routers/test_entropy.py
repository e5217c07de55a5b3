import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from headgate.backends.base import Capabilities, Completion, Context
from headgate.backends.errors import Refused
from headgate.backends.model import Model
from headgate.backends.scripted import Scripted, Table
from headgate.budget.cost import Cost
from headgate.budget.ledger import Ledger
from headgate.routers.entropy import EntropyRouter, renormalised

ASK = Context.ask("Go.")


def model(count: int, **can: object) -> Model:
    """One that has so many equally likely next tokens."""
    table = Table({"*": {f"w{index}": 1 / count for index in range(count)}})
    backend = Scripted(table)
    capabilities: Capabilities = replace(backend.capabilities, **can)  # type: ignore[arg-type]
    return Model(name="draft", backend=Scripted(table, capabilities=capabilities), ledger=Ledger())


@pytest.mark.parametrize("count", [1, 2, 10, 50])
async def test_a_flat_distribution_over_v_tokens_has_ln_v_nats(count: int) -> None:
    decision = await EntropyRouter(model(count), 1.0)(ASK)
    assert decision.score.value == pytest.approx(math.log(count))
    assert decision.accept == (count < 3)
    assert decision.score.cost.output == 1


@given(some.lists(some.floats(-20, 0), min_size=1, max_size=20))
def test_what_is_renormalised_is_at_most_the_log_of_how_many_there_are(logprobs: list[float]) -> None:
    nats = renormalised(tuple(logprobs))
    assert -1e-9 <= nats <= math.log(len(logprobs)) + 1e-9
    assert renormalised(tuple(log - 3 for log in logprobs)) == pytest.approx(nats, abs=1e-9)


@pytest.mark.parametrize(("count", "nats"), [(2, math.log(2)), (20, math.log(20)), (400, math.log(20))])
async def test_the_twenty_likeliest_saturate_at_ln_20(count: int, nats: float) -> None:
    decision = await EntropyRouter(model(count), 9.0, "top20")(ASK)
    assert decision.score.value == pytest.approx(nats)


async def test_an_entropy_that_is_not_exact_must_be_asked_for_as_such() -> None:
    told = model(3, entropy="lower_bound")
    with pytest.raises(Refused, match="`draft` knows its entropy as lower bound only"):
        await EntropyRouter(told, 1.0)(ASK)
    assert told.ledger.spent == Cost()
    assert not (await EntropyRouter(told, 1.0, "bound")(ASK)).accept


@pytest.mark.parametrize(("entropies", "stop", "accept"), [((0.2, 3.0), "delimiter", True), ((1.5,), "entropy", False)])
def test_a_step_that_was_begun_tells_what_was_decided(entropies: tuple[float, ...], stop: str, accept: bool) -> None:
    done = Completion(text="", stop=stop, usage=Cost(), entropies=entropies)  # type: ignore[arg-type]
    decision = EntropyRouter(model(1), 1.0).read(done)
    assert (decision.accept, decision.score.value) == (accept, entropies[0])
    assert ("above 1" if not accept else "at most 1") in decision.score.reason
