"""One vLLM engine of each of the embedded pair for all tests of the folder, and the local engine to compare with."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("vllm", reason="vLLM is not installed")

from headgate.backends.base import Context
from headgate.backends.local.backend import LocalBackend
from headgate.backends.vllm.backend import VllmBackend
from headgate.backends.vllm.settings import Settings

SMALL = Settings(form="in_process", memory=64 << 20)


@pytest.fixture(scope="session")
def draft() -> Iterator[VllmBackend]:
    made = VllmBackend("embedded/draft", settings=SMALL)
    yield made
    asyncio.run(made.close())


@pytest.fixture(scope="session")
def target() -> Iterator[VllmBackend]:
    made = VllmBackend("embedded/target", settings=SMALL)
    yield made
    asyncio.run(made.close())


@pytest.fixture(scope="session")
def local() -> Iterator[LocalBackend]:
    made = LocalBackend("embedded/draft")
    yield made
    asyncio.run(made.close())


@pytest.fixture
def ask() -> Callable[[int], Context]:
    """A question of its own for each number, about as long as the model was taught with."""

    def question(number: int) -> Context:
        more = f"Mia has {number % 7 + 2} more than Tom. Leo has {number % 5 + 2} times as many as Mia."
        return Context.ask(f"Tom has {number + 11} apples. {more} How many does Leo have?")

    return question


@pytest.fixture(scope="session")
def apart() -> Iterator[VllmBackend]:
    """Two replicas of the draft in processes of their own; what they write as JSON is written tightly."""
    tight: dict[str, object] = {"structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True}}
    settings = Settings(form="async", replicas=2, memory=64 << 20, more=tight)
    made = VllmBackend("embedded/draft", settings=settings)
    yield made
    asyncio.run(made.close())
