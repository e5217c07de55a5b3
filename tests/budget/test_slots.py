import asyncio
import random

import pytest

from headgate.budget.slots import Line, Seat, Slots


class Runner:
    """One run with nodes that take a turn of the loop each, started as the scheduler starts them."""

    def __init__(self, slots: Slots, order: list[str], name: str) -> None:
        self.order, self.name = order, name
        self.line: Line = slots.line(self.begin)
        self.tasks: set[asyncio.Task[None]] = set()

    def begin(self) -> None:
        self.tasks.add(asyncio.ensure_future(self.work()))

    async def work(self) -> None:
        going = True
        while going:
            self.order.append(self.name)
            await asyncio.sleep(0)
            going = self.line.go_on(0)


async def ended(*runners: Runner) -> None:
    while waiting := [task for runner in runners for task in runner.tasks if not task.done()]:
        await asyncio.wait(waiting)


def test_there_is_at_least_one_slot() -> None:
    with pytest.raises(ValueError, match="0 slots let nothing run; write at least 1"):
        Slots(0)


async def test_a_run_with_a_thousand_nodes_does_not_keep_back_a_run_with_one() -> None:
    slots, order = Slots(2), list[str]()
    many, one = Runner(slots, order, "many"), Runner(slots, order, "one")
    many.line.announce(1000)
    one.line.announce(1)
    await ended(many, one)
    assert order.index("one") <= 4
    assert (order.count("many"), slots.free) == (1000, 2)


async def test_runs_that_wait_take_turns() -> None:
    slots, order = Slots(1), list[str]()
    runners = [Runner(slots, order, name) for name in "abc"]
    for runner in runners:
        runner.line.announce(5)
    await ended(*runners)
    assert "".join(order[1:13]) == "abcabcabcabc"  # after the first, which nobody waited beside


async def test_a_run_alone_goes_on_in_the_same_task() -> None:
    slots, order = Slots(3), list[str]()
    alone = Runner(slots, order, "a")
    alone.line.announce(50)
    await ended(alone)
    assert (len(alone.tasks), len(order), slots.free) == (3, 50, 3)


async def test_a_slot_that_was_granted_to_a_cancelled_task_goes_on_to_the_next() -> None:
    slots = Slots(1)
    line = slots.line(lambda: None)
    await line.take()
    first, second = (asyncio.ensure_future(line.take()) for _ in range(2))
    await asyncio.sleep(0)
    line.give()
    first.cancel()  # granted already, and not yet awake
    await asyncio.wait_for(second, 5)
    assert first.cancelled()
    line.give()
    assert (slots.free, line.held) == (1, 0)


async def test_what_was_withdrawn_is_not_started_and_what_was_held_comes_back() -> None:
    slots, begun = Slots(2), list[int]()
    line = slots.line(lambda: begun.append(1))
    line.announce(5)
    line.close()
    assert (len(begun), slots.free, line.held) == (2, 2, 0)


async def test_a_seat_is_free_for_others_while_its_node_waits() -> None:
    slots = Slots(1)
    line = slots.line(lambda: None)
    await line.take()
    seat = Seat(line)
    async with seat.away():
        await asyncio.wait_for(line.take(), 5)
        async with seat.away():  # twice at once is once
            assert slots.free == 0
        line.give()
    assert (slots.free, line.held) == (0, 1)


async def test_a_wait_that_is_interrupted_holds_a_slot_again_at_once() -> None:
    slots = Slots(1)
    line = slots.line(lambda: None)
    await line.take()
    with pytest.raises(KeyError):
        async with Seat(line).away():
            await line.take()
            raise KeyError
    assert (slots.free, line.held) == (-1, 2)  # one too many, until somebody is done
    line.give()
    line.give()
    assert slots.free == 1


@pytest.mark.parametrize("seed", range(20))
async def test_no_schedule_of_takers_and_cancellations_loses_a_slot(seed: int) -> None:
    rng, slots = random.Random(seed), Slots(1 + seed % 3)
    lines = [slots.line(lambda: None) for _ in range(3)]
    now = most = 0

    async def work(line: Line) -> None:
        nonlocal now, most
        await line.take()
        try:
            now, most = now + 1, max(most, now + 1)
            for _ in range(rng.randrange(3)):
                await asyncio.sleep(0)
        finally:
            now -= 1
            line.give()

    tasks = [asyncio.ensure_future(work(rng.choice(lines))) for _ in range(60)]
    while not all(task.done() for task in tasks):
        if rng.random() < 0.5:
            rng.choice(tasks).cancel()
        await asyncio.sleep(0)
    assert (slots.free, [line.held for line in lines]) == (slots.most, [0, 0, 0])
    assert most <= slots.most
