import asyncio
import random
from pathlib import Path

import pytest

from headgate.backends.base import Completion, Context, NextToken, Piece, Sampling
from headgate.backends.errors import Cancelled, EngineFailed
from headgate.backends.local.backend import LocalBackend
from headgate.backends.local.settings import Settings

MARGIN = 1e-4  # two tokens this close may change places when the shape of the batch changes


def questions(count: int) -> list[Context]:
    pick = random.Random(3)
    return [Context.ask("".join(pick.choices("abcdef 7.\n", k=pick.randint(1, 120)))) for _ in range(count)]


def wishes(i: int) -> Sampling:
    heat = (0.0, 0.8, 1.2)[i % 3]
    return Sampling(temperature=heat, top_p=(1.0, 0.9)[i % 2], top_k=(0, 20)[i % 5 == 0], seed=i, max_tokens=5 + i % 31)


def together(backend: LocalBackend, contexts: list[Context]) -> list[Completion]:
    async def run() -> list[list[Completion]]:
        return await asyncio.gather(*(backend.generate(c, wishes(i)) for i, c in enumerate(contexts)))

    return [done[0] for done in asyncio.run(run())]


def alike(left: Completion, right: Completion) -> bool:
    """The same tokens, up to one that another shape of batch may swap for its equal."""
    pairs = zip(left.token_ids, right.token_ids, left.logprobs, right.logprobs, strict=True)
    return next((abs(p - q) < MARGIN for a, b, p, q in pairs if a != b), True)


@pytest.fixture(scope="module")
def alone(random_folder: Path) -> list[Completion]:
    """Each question answered with nothing else in the batch and nothing in the cache."""
    made = []
    for i, context in enumerate(questions(24)):
        backend = LocalBackend(str(random_folder), settings=Settings(max_batch=1))
        made += asyncio.run(backend.generate(context, wishes(i)))
    return made


@pytest.mark.parametrize("rows", [1, 5, 64])
def test_a_request_gets_the_same_tokens_alone_and_beside_others(
    random_folder: Path, alone: list[Completion], rows: int
) -> None:
    crowd = together(LocalBackend(str(random_folder), settings=Settings(max_batch=rows)), questions(24))
    assert all(alike(one, other) for one, other in zip(alone, crowd, strict=True))


def test_what_is_found_in_the_cache_gives_the_same_tokens(random_folder: Path, alone: list[Completion]) -> None:
    backend = LocalBackend(str(random_folder))
    first, second = together(backend, questions(24)), together(backend, questions(24))
    assert sum(one.usage.input for one in second) == 0
    assert all(alike(one, other) for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize("size_bytes", [0, 20_000])
def test_a_cache_that_is_far_too_small_gives_the_same_tokens(
    random_folder: Path, alone: list[Completion], size_bytes: int
) -> None:
    backend = LocalBackend(str(random_folder), settings=Settings(max_batch=8, cache_bytes=size_bytes))
    for _ in range(2):
        crowd = together(backend, questions(24))
        assert all(alike(one, other) for one, other in zip(alone, crowd, strict=True))
    cache = backend._engine.cache
    assert cache.size <= cache.capacity


def test_mixed_requests_of_all_lengths_agree_with_one_at_a_time(random_folder: Path) -> None:
    step = Piece(role="assistant", text="abcd ef 7.\n\n", part="think")

    async def run(backend: LocalBackend, at_once: int) -> list[float]:
        gate = asyncio.Semaphore(at_once)

        async def ask(context: Context) -> list[float]:
            async with gate:
                peeked, scored = await asyncio.gather(backend.peek(context, ["7"]), backend.score(context, step))
            return [peeked.entropy, peeked.logprobs["7"], *scored.logprobs]

        return [value for values in await asyncio.gather(*map(ask, questions(20))) for value in values]

    crowd = asyncio.run(run(LocalBackend(str(random_folder)), 20))
    single = asyncio.run(run(LocalBackend(str(random_folder), settings=Settings(max_batch=1)), 1))
    assert crowd == pytest.approx(single, abs=1e-4)


def test_calls_that_come_and_go_at_random_disturb_nobody(random_folder: Path, alone: list[Completion]) -> None:
    backend = LocalBackend(str(random_folder), settings=Settings(max_batch=6, cache_bytes=200_000))
    contexts, chance = questions(24), random.Random(11)

    async def call(i: int) -> bool:
        await asyncio.sleep(chance.random() * 0.2)
        task = asyncio.create_task(backend.generate(contexts[i], wishes(i), n=chance.choice([1, 1, 3])))
        if chance.random() < 0.4:
            await asyncio.sleep(chance.random() * 0.02)
            task.cancel()
        try:
            return alike((await task)[0], alone[i])
        except Cancelled as stopped:
            return stopped.usage.output <= 3 * wishes(i).max_tokens

    async def run() -> list[bool]:
        return await asyncio.gather(*(call(i % 24) for i in range(96)))

    assert all(asyncio.run(run()))
    assert backend._engine._running == []


def test_a_long_prompt_is_read_in_chunks(random_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from headgate.backends.local import engine

    context = Context.ask("abcd ef 7" * 20)
    step = Piece(role="assistant", text="7 abef" * 6, part="think")
    whole = asyncio.run(LocalBackend(str(random_folder)).score(context, step))
    monkeypatch.setattr(engine, "CHUNK", 7)
    backend = LocalBackend(str(random_folder))
    parts = asyncio.run(backend.score(context, step))
    assert parts.logprobs == pytest.approx(whole.logprobs, abs=1e-4)
    assert parts.usage.input == whole.usage.input == backend.count(context.append(step))


def test_an_engine_that_failed_says_so_to_all_and_works_again(
    random_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = LocalBackend(str(random_folder))

    async def ask() -> list[NextToken | BaseException]:
        return await asyncio.gather(*map(backend.peek, questions(5)), return_exceptions=True)

    with monkeypatch.context() as broken:
        broken.setattr(backend._engine.rows, "load", _fail)
        failed = asyncio.run(ask())
    assert all(isinstance(one, EngineFailed) and "out of memory" in str(one) for one in failed)
    assert all(isinstance(one, NextToken) for one in asyncio.run(ask()))


def _fail(*_: object) -> None:
    raise RuntimeError("out of memory")
