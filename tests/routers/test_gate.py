import pytest

from headgate.orchestrator.intervals import wilson
from headgate.routers.gate import Gate


@pytest.mark.parametrize("p", [0.0, 0.25, 0.7, 1.0])
def test_a_gate_lets_the_target_in_with_its_probability(p: float) -> None:
    opened = sum(not Gate(p, 5)(place).accept for place in range(2000))
    low, high = wilson(opened, 2000)
    assert opened == 2000 * p if p in (0.0, 1.0) else low <= p <= high


def test_a_gate_that_opens_at_a_probability_opens_at_a_higher_one() -> None:
    for place in range(300):
        assert Gate(0.3, 9)(place).accept >= Gate(0.6, 9)(place).accept


def test_the_first_places_are_the_targets_whatever_is_drawn() -> None:
    decisions = [Gate(0.0, 1, always=3)(place) for place in range(6)]
    assert [decision.accept for decision in decisions] == [False] * 3 + [True] * 3
    assert decisions[0].score.reason == "one of the first 3"
    assert "not below 0" in decisions[5].score.reason
