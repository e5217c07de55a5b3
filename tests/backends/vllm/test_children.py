import asyncio
import os
import random
import signal
from collections.abc import Callable
from dataclasses import replace

import pytest

from headgate.backends.base import Completion, Context, EntropyStop, Piece, Sampling, Token
from headgate.backends.errors import Cancelled, EngineFailed
from headgate.backends.local.backend import LocalBackend
from headgate.backends.vllm.backend import VllmBackend
from headgate.backends.vllm.children import LOOP, Children
from headgate.backends.vllm.jobs import Generation
from headgate.backends.writing import Writing
from headgate.budget.cost import Cost

from .agreement import CLOSE, agree, write

Ask = Callable[[int], Context]
GREEDY = Sampling(max_tokens=24)
WILD = Sampling(max_tokens=24, temperature=8.0, seed=5)


def children(backend: VllmBackend) -> Children:
    assert isinstance(backend._engine, Children)
    return backend._engine


@pytest.mark.parametrize("sampling", [GREEDY, WILD], ids=["greedy", "sampled"])
def test_a_child_writes_what_the_local_engine_writes(
    apart: VllmBackend, local: LocalBackend, ask: Ask, sampling: Sampling
) -> None:
    asked = replace(sampling, entropies=True)
    for number in range(6):
        mine, theirs = write(apart, ask(number), asked), write(local, ask(number), asked)
        assert agree(mine, theirs)


def test_a_seed_says_the_same_alone_and_in_a_batch_whichever_replica_it_meets(apart: VllmBackend, ask: Ask) -> None:
    async def together() -> list[list[Completion]]:
        return await asyncio.gather(*(apart.generate(ask(i), replace(WILD, seed=i)) for i in range(24)))

    batch = [done[0].token_ids for done in asyncio.run(together())]
    assert batch == [write(apart, ask(i), replace(WILD, seed=i)).token_ids for i in range(24)]


def test_a_child_ends_before_the_first_uncertain_token(apart: VllmBackend, ask: Ask) -> None:
    freely = write(apart, ask(1), replace(WILD, entropies=True))
    assert freely.entropies
    highest = max(freely.entropies)
    stopped = write(apart, ask(1), replace(WILD, entropies=True, entropy_stop=EntropyStop(above=highest - 1e-3)))
    assert stopped.stop == "entropy"
    assert stopped.token_ids == freely.token_ids[: freely.entropies.index(highest)]
    assert stopped.usage.output == len(stopped.token_ids)


def test_a_childs_steps_end_where_the_local_engines_end(apart: VllmBackend, local: LocalBackend, ask: Ask) -> None:
    context, stops = ask(3), list[str]()
    while not stops or (stops[-1] == "delimiter" and len(stops) < 30):
        asked = Sampling(max_tokens=200, stop=(local.dialect.step,))
        mine, theirs = write(apart, context, asked), write(local, context, asked)
        assert (mine.token_ids, mine.stop, mine.usage.output) == (theirs.token_ids, theirs.stop, theirs.usage.output)
        stops.append(mine.stop)
        context = context.append(mine.piece("think", ""))
    answer = write(apart, context.then("answer"), Sampling(max_tokens=200))
    assert (answer.text, answer.stop) == (write(local, context.then("answer"), Sampling(max_tokens=200)).text, "eos")


def test_a_childs_peeks_and_scores_are_the_local_engines(apart: VllmBackend, local: LocalBackend, ask: Ask) -> None:
    texts = [str(digit) for digit in range(10)]
    step = Piece(role="assistant", text="Tom11.\n\n", part="think", stop="think_end")
    mine, theirs = asyncio.run(apart.peek(ask(1), texts)), asyncio.run(local.peek(ask(1), texts))
    assert mine.entropy == pytest.approx(theirs.entropy, abs=CLOSE)
    assert dict(mine.logprobs) == pytest.approx(dict(theirs.logprobs), abs=CLOSE)
    said, meant = asyncio.run(apart.score(ask(1), step)), asyncio.run(local.score(ask(1), step))
    assert said.logprobs == pytest.approx(meant.logprobs, abs=CLOSE)


def test_a_chain_stays_with_the_replica_that_holds_it(apart: VllmBackend) -> None:
    context = Context.ask("Ann has what is left when Leo groups by 7, says a sentence that is long enough. " * 3)
    first = write(apart, context, GREEDY)
    second = write(apart, context.append(first.piece("think", "")), GREEDY)
    assert second.usage.cached_input >= apart.count(context) // 32 * 32


def test_many_calls_spread_over_all_replicas(apart: VllmBackend, ask: Ask) -> None:
    async def run() -> list[int]:
        calls = [asyncio.create_task(apart.generate(ask(i), replace(WILD, max_tokens=60))) for i in range(16)]
        await asyncio.sleep(0.05)
        loads = [child.load for child in children(apart).replicas]
        await asyncio.gather(*calls)
        return loads

    assert min(asyncio.run(run())) > 0


def test_tokens_of_a_child_stream_and_a_follower_may_stop_them(apart: VllmBackend, ask: Ask) -> None:
    seen = list[Token]()
    done = asyncio.run(apart.generate(ask(2), WILD, on_token=seen.append))[0]
    assert tuple(token.id for token in seen) == done.token_ids
    few = list[Token]()
    done = asyncio.run(apart.generate(ask(2), WILD, on_token=lambda t: few.append(t) or len(few) == 3))[0]
    assert (done.stop, len(done.token_ids)) == ("callback", 3)


def test_cancelled_calls_know_their_bill_and_leave_nothing_behind(apart: VllmBackend, ask: Ask) -> None:
    rng, spent = random.Random(3), list[Cost]()

    async def one(number: int) -> None:
        task = asyncio.create_task(apart.generate(ask(number), replace(WILD, max_tokens=200, seed=number)))
        await asyncio.sleep(rng.random() * 0.2)
        task.cancel()
        try:
            spent.extend(done.usage for done in await task)
        except Cancelled as stopped:
            spent.append(stopped.usage)

    async def storm() -> None:
        await asyncio.gather(*(one(number) for number in range(64)))

    asyncio.run(storm())
    assert len(spent) == 64
    assert [child.load for child in children(apart).replicas] == [0, 0]
    assert all(not child.engine.output_processor.has_unfinished_requests() for child in children(apart).replicas)
    assert write(apart, ask(1), GREEDY).token_ids


def test_a_call_that_is_cancelled_before_it_begins_ends_all_the_same(apart: VllmBackend, ask: Ask) -> None:
    job = Generation([1], Writing([1], WILD, 5, apart._tokens, apart._ends, ""), 0, [])

    def at_once() -> None:
        children(apart)._begin(job)
        job.cancelled = True
        children(apart)._break_off()

    LOOP.get().call_soon_threadsafe(at_once)
    job.future.result(timeout=10)
    assert (job.usage.tokens, job.usage.output) == (0, 0)


def test_a_killed_child_fails_its_calls_and_is_started_again(apart: VllmBackend, ask: Ask) -> None:
    meant = write(apart, ask(1), GREEDY)

    async def run() -> None:
        begun = asyncio.Event()
        living = asyncio.create_task(
            apart.generate(ask(2), replace(WILD, max_tokens=1500), on_token=lambda _: begun.set())
        )
        await begun.wait()
        (busy,) = [child for child in children(apart).replicas if child.load]
        for process in busy.engine.engine_core.resources.engine_manager.processes:
            os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(EngineFailed) as died:
            await living
        assert died.value.retryable

    asyncio.run(run())
    for number in range(4):
        write(apart, ask(number), GREEDY)
    assert write(apart, ask(1), GREEDY).token_ids == meant.token_ids
