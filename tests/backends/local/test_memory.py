"""Memory has bounds, and whoever leaves early leaves nothing behind."""

import asyncio
import os
import random
from pathlib import Path

import pytest

from headgate.backends.base import Completion, Context, Sampling
from headgate.backends.errors import Cancelled, ContextTooLong
from headgate.backends.local.backend import LocalBackend
from headgate.backends.local.settings import Settings
from headgate.tasks import registry as tasks

PAGE = os.sysconf("SC_PAGE_SIZE")
TOKEN = 2 * 2 * 2 * 8 * 4  # bytes: keys and values, layers, heads, their size, fp32


def questions(count: int) -> list[Context]:
    pick = random.Random(8)
    return [Context.ask("".join(pick.choices("abcdef 7.\n", k=pick.randint(1, 100)))) for _ in range(count)]


def together(backend: LocalBackend, contexts: list[Context], tokens: int) -> list[tuple[int, ...]]:
    async def run() -> list[list[Completion]]:
        wish = Sampling(max_tokens=tokens)
        return await asyncio.gather(*(backend.generate(context, wish) for context in contexts))

    return [done.token_ids for (done,) in asyncio.run(run())]


@pytest.mark.parametrize("rows", [2, 3, 9])
def test_a_batch_that_is_too_large_for_its_memory_waits_and_writes_the_same(random_folder: Path, rows: int) -> None:
    roomy = LocalBackend(str(random_folder))
    tight = LocalBackend(str(random_folder), settings=Settings(batch_bytes=rows * 256 * TOKEN))
    asked = questions(20)
    assert together(tight, asked, 60) == together(roomy, asked, 60)
    assert 0 < tight._engine.rows.tokens <= rows * 256


def test_a_context_that_cannot_fit_is_refused_with_the_setting_that_bounds_it(random_folder: Path) -> None:
    backend = LocalBackend(str(random_folder), settings=Settings(batch_bytes=2 * 60 * TOKEN))
    assert backend.capabilities.max_context == 60
    with pytest.raises(ContextTooLong, match=r"holds 60; .*batch_bytes"):
        asyncio.run(backend.peek(Context.ask("x" * 100)))


def test_a_row_that_was_left_is_taken_up_again_and_never_mistaken(random_folder: Path) -> None:
    backend = LocalBackend(str(random_folder))
    for context in questions(6) * 2:
        fresh = LocalBackend(str(random_folder))
        for size in (9, 1, 5):
            done = asyncio.run(backend.generate(context, Sampling(max_tokens=size)))[0]
            assert done.token_ids == asyncio.run(fresh.generate(context, Sampling(max_tokens=size)))[0].token_ids
            context = context.append(done.piece("think", ""))


def test_a_peek_and_a_text_that_both_lack_one_token_are_both_served(random_folder: Path) -> None:
    backend, fresh = LocalBackend(str(random_folder)), LocalBackend(str(random_folder))
    begun = [context.append(written.piece("think", "")) for context, written in zip(*written_by(backend), strict=True)]

    async def both(i: int) -> tuple[float, tuple[int, ...]]:
        wish = Sampling(max_tokens=5)
        (done,), seen = await asyncio.gather(backend.generate(begun[i], wish), backend.peek(begun[i + 1], ["7"]))
        return seen.logprobs["7"], done.token_ids

    for i in range(0, len(begun), 2):
        seen, tokens = asyncio.run(both(i))
        assert seen == pytest.approx(asyncio.run(fresh.peek(begun[i + 1], ["7"])).logprobs["7"], abs=1e-4)
        assert tokens == asyncio.run(fresh.generate(begun[i], Sampling(max_tokens=5)))[0].token_ids


def written_by(backend: LocalBackend) -> tuple[list[Context], list[Completion]]:
    asked = questions(8)
    return asked, [asyncio.run(backend.generate(context, Sampling(max_tokens=4)))[0] for context in asked]


def test_a_thousand_cancellations_leave_nothing_behind(random_folder: Path) -> None:
    backend = LocalBackend(str(random_folder), settings=Settings(max_batch=48, cache_bytes=2000 * TOKEN))
    chance, contexts, live = random.Random(2), questions(64), asyncio.Semaphore(64)
    first = together(backend, contexts, 20)

    async def leave(i: int) -> bool:
        async with live:
            wish = Sampling(max_tokens=150, temperature=chance.choice([0.0, 1.0]), seed=i)
            work = backend.generate(contexts[i % 64], wish, n=chance.choice([1, 1, 2]))
            task = asyncio.create_task(work)
            await asyncio.sleep(chance.random() * 0.01)
            task.cancel()
            try:
                await task
            except Cancelled as stopped:
                return stopped.usage.output <= 300
            except asyncio.CancelledError:
                return True  # before it had begun
            return True

    async def run() -> list[bool]:
        return await asyncio.gather(*(leave(i) for i in range(1000)))

    assert all(asyncio.run(run()))
    engine = backend._engine
    assert (engine._running, list(engine._waiting), len(engine._inbox)) == ([], [], 0)
    assert engine.cache.size <= engine.cache.capacity == 2000
    assert together(backend, contexts, 20) == first


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="it reads the resident size as Linux tells it")
def test_backends_that_are_opened_and_closed_one_after_another_hold_no_more_than_one() -> None:
    sizes: list[int] = []
    for _ in range(4):
        backend = LocalBackend("embedded/target")
        problems = tasks.sample("word_problems", 64, seed=3)
        together(backend, [Context.ask(problem.text) for problem in problems], 60)
        asyncio.run(backend.close())
        sizes.append(int(Path("/proc/self/statm").read_text().split()[1]) * PAGE)
    assert max(sizes[1:]) - sizes[0] < 100 << 20
