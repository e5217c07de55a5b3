"""A lone call of a tiny model is computed on its caller's thread; whoever joins it wakes the engine's own."""

import asyncio
import gc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from headgate.backends.base import Completion, Context, Sampling, Token
from headgate.backends.local import engine
from headgate.backends.local.backend import LocalBackend

ASKED, OTHER = Context.ask("How many are 3 and 4?"), Context.ask("abcd ef 7")
LONG = Sampling(max_tokens=120, temperature=0.8, seed=4)


def write(backend: LocalBackend, context: Context = ASKED) -> tuple[int, ...]:
    return asyncio.run(backend.generate(context, LONG))[0].token_ids


def test_a_lone_call_needs_no_thread_and_a_crowd_writes_the_same_on_one(
    backend: LocalBackend, random_folder: Path
) -> None:
    async def both(crowd: LocalBackend) -> list[list[Completion]]:
        return await asyncio.gather(crowd.generate(ASKED, LONG), crowd.generate(OTHER, LONG))

    crowd = LocalBackend(str(random_folder))
    first, second = asyncio.run(both(crowd))
    assert (first[0].token_ids, second[0].token_ids) == (write(backend), write(backend, OTHER))
    assert crowd._engine._thread is not None
    assert backend._engine._thread is None


def test_what_would_hold_up_the_event_loop_for_long_is_left_to_the_thread(
    backend: LocalBackend, random_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = write(backend)
    monkeypatch.setattr(engine, "LIGHT", backend._engine.model.size * (engine.FLOOR + backend.count(ASKED) - 1))
    heavy = LocalBackend(str(random_folder))
    assert write(heavy) == alone
    assert heavy._engine._thread is not None


def test_its_event_loop_runs_between_its_tokens(backend: LocalBackend) -> None:
    async def run() -> int:
        call, turns = asyncio.ensure_future(backend.generate(ASKED, LONG)), 0
        while not call.done():
            await asyncio.sleep(0)
            turns += 1
        return turns

    assert asyncio.run(run()) >= LONG.max_tokens
    assert backend._engine._thread is None


def test_who_joins_a_lone_call_changes_nothing_that_it_writes(backend: LocalBackend, random_folder: Path) -> None:
    fresh = LocalBackend(str(random_folder))

    async def run() -> tuple[Completion, Completion]:
        seen: list[Token] = []
        first = asyncio.ensure_future(backend.generate(ASKED, LONG, on_token=seen.append))
        while len(seen) < 10:
            await asyncio.sleep(0)
        (second,) = await backend.generate(OTHER, LONG)
        (done,) = await first
        assert tuple(token.id for token in seen) == done.token_ids
        return done, second

    done, second = asyncio.run(run())
    assert (done.token_ids, second.token_ids) == (write(fresh), write(fresh, OTHER))


def test_event_loops_of_several_threads_may_share_an_engine(backend: LocalBackend, random_folder: Path) -> None:
    fresh = LocalBackend(str(random_folder))
    contexts = [Context.ask(f"{i} and 4?") for i in range(12)]
    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(lambda context: write(backend, context), contexts))
    assert made == [write(fresh, context) for context in contexts]
    assert backend._engine._flight() == 0


def test_an_event_loop_that_stops_takes_its_lone_call_with_it(backend: LocalBackend) -> None:
    loop = asyncio.new_event_loop()
    task = loop.create_task(backend.generate(ASKED, LONG))
    for _ in range(10):
        loop.run_until_complete(asyncio.sleep(0))
    assert backend._engine._flight() == 1
    task.set_name("forgotten")
    task.get_coro().close()  # type: ignore[union-attr]
    backend._engine.close()
    assert (backend._engine._flight(), task.done()) == (0, False)
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    del task
    gc.collect()
    loop.close()


def test_the_callers_own_number_of_threads_is_given_back(backend: LocalBackend) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        write(backend)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def test_asking_for_a_judgement_is_encoded_once(backend: LocalBackend) -> None:
    one, other = backend.judge(ASKED), backend.judge(OTHER)
    backend.count(one)
    assert one.pieces[-1] is other.pieces[-1]
    assert backend._tokens.key in other.pieces[-1].ids
