from collections import Counter

import pytest
import torch

from headgate.backends.base import Sampling
from headgate.backends.local.sampling import Draw, Draws, entropy

PLACES = 20_000
LOGITS = torch.tensor([[2.0, 0.0, 1.0, 2.0, -1.0]])


def shares(**wishes: float) -> dict[int, float]:
    """How often each token is drawn, over many places."""
    draws = Draws([Draw(Sampling(**wishes), 0)] * PLACES)  # type: ignore[arg-type]
    found = Counter(draws.pick(LOGITS.expand(PLACES, -1), range(PLACES)).tokens)
    return {token: count / PLACES for token, count in found.items()}


def close(found: dict[int, float], weights: dict[int, float]) -> bool:
    whole = sum(weights.values())
    return found == pytest.approx({token: w / whole for token, w in weights.items()}, abs=0.015)


def test_greedy_takes_the_lowest_of_equals() -> None:
    assert Draws([Draw(Sampling(), 0)]).pick(LOGITS, [9]).tokens == [0]


def test_draws_follow_the_distribution_and_the_temperature() -> None:
    probs = LOGITS[0].softmax(-1).tolist()
    assert close(shares(temperature=1.0), dict(enumerate(probs)))
    assert close(shares(temperature=2.0), dict(enumerate((LOGITS[0] / 2).softmax(-1).tolist())))


def test_top_k_keeps_k_and_cuts_ties_at_the_lowest_id() -> None:
    assert set(shares(temperature=1.0, top_k=1)) == {0}
    assert close(shares(temperature=1.0, top_k=2), {0: 1, 3: 1})


def test_top_p_keeps_the_fewest_that_reach_it() -> None:
    assert close(shares(temperature=1.0, top_p=0.7), {0: 1, 3: 1})
    assert set(shares(temperature=1.0, top_p=0.0)) == {0}


def test_top_p_is_taken_of_what_top_k_left() -> None:
    assert set(shares(temperature=1.0, top_k=2, top_p=0.5)) == {0}


def test_a_draw_depends_on_its_place_and_not_on_its_neighbours() -> None:
    wishes = [Sampling(temperature=0.5 + i % 3, top_p=(1.0, 0.9)[i % 2], seed=i) for i in range(30)]
    draws = [Draw(sampling, i % 4) for i, sampling in enumerate(wishes)]
    logits = torch.randn(30, 50, generator=torch.Generator().manual_seed(0))
    alone = [Draws([draw]).pick(logits[i : i + 1], [i]).tokens[0] for i, draw in enumerate(draws)]
    assert Draws(draws).pick(logits, range(30)).tokens == alone


def test_log_probabilities_are_those_before_temperature() -> None:
    picks = Draws([Draw(Sampling(temperature=5.0, top_k=1), 0)]).pick(LOGITS, [0])
    assert picks.logprobs == pytest.approx([float(LOGITS[0].log_softmax(-1)[0])])


def test_entropy_is_exact_in_nats() -> None:
    logits = torch.randn(4, 300, generator=torch.Generator().manual_seed(0)) * 5
    exact = torch.distributions.Categorical(logits=logits.double()).entropy()
    assert torch.allclose(entropy(logits.log_softmax(-1)).double(), exact, atol=1e-5)
    assert float(entropy(torch.tensor([0.0, -200.0]))) == 0.0
