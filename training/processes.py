"""A handful of processes on one machine, joined by gloo; the first of them is the one that called."""

import multiprocessing
import signal
import tempfile
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist

Work = Callable[..., Any]
Item = TypeVar("Item")
Product = TypeVar("Product")


def together(work: Work, world: int, *args: Any) -> Any:
    """Call `work(*args)` in `world` processes and return the first one's result; the others end with it."""
    torch.set_num_threads(1)
    if world == 1:
        return work(*args)
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as meeting:
        place = str(Path(meeting) / "meeting")
        others = [
            context.Process(target=_other, args=(work, rank, world, place, args), daemon=True)
            for rank in range(1, world)
        ]
        for other in others:
            other.start()
        try:
            return _joined(work, 0, world, place, args)
        finally:
            for other in others:
                other.join(timeout=60)
                other.kill()


def shared_out(items: Sequence[Item], work: Callable[[Sequence[Item], int], list[Product]]) -> list[Product] | None:
    """What `work(items, rank)` makes of each process's share, in the items' order; None but in the first process."""
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    own = work(items[rank::world], rank)
    parts = [own]
    if world > 1:
        parts = [[] for _ in range(world)]
        dist.all_gather_object(parts, own)
    return [parts[i % world][i // world] for i in range(len(items))] if rank == 0 else None


def _other(work: Work, rank: int, world: int, place: str, args: tuple[Any, ...]) -> None:
    for kind in (signal.SIGINT, signal.SIGTERM):  # they reach the first process too, which tells the others
        signal.signal(kind, signal.SIG_IGN)
    torch.set_num_threads(1)
    _joined(work, rank, world, place, args)


def _joined(work: Work, rank: int, world: int, place: str, args: tuple[Any, ...]) -> Any:
    hours = timedelta(hours=1)  # the first process may be measuring for minutes while the others wait
    dist.init_process_group("gloo", init_method=f"file://{place}", rank=rank, world_size=world, timeout=hours)
    try:
        return work(*args)
    finally:
        dist.destroy_process_group()
