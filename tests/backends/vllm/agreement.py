"""When what two engines wrote is the same."""

import asyncio
from typing import Final

import pytest

from headgate.backends.base import Backend, Completion, Context, Sampling

CLOSE: Final = (
    5e-5  # of log-probabilities and entropies, in nats: two engines in fp32, each with an order of sums of its own
)


def write(backend: Backend, context: Context, sampling: Sampling) -> Completion:
    return asyncio.run(backend.generate(context, sampling))[0]


def agree(mine: Completion, theirs: Completion) -> bool:
    """The same tokens and ending; figures close to each other. Raises: AssertionError where a figure is not."""
    assert mine.entropies == pytest.approx(theirs.entropies, abs=CLOSE)
    assert mine.logprobs == pytest.approx(theirs.logprobs, abs=CLOSE)
    return (mine.token_ids, mine.text, mine.stop) == (theirs.token_ids, theirs.text, theirs.stop)
