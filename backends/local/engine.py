"""Continuous batching: one thread that reads and writes for every caller of a model at once.

Source: Yu et al. 2022, "Orca", OSDI, section 3 (requests join and leave between steps). Where we differ: prompts are
read in groups of like length before each decoding step, and a prompt that begins like one being read waits for it, so
that samples of one question pay for it once.
"""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from queue import SimpleQueue
from time import perf_counter

import torch
from torch import Tensor

from ..base import Token
from ..errors import EngineFailed
from .cache import PrefixCache
from .jobs import Generation, Job
from .qwen3 import MASKED, Qwen3
from .rows import Rows
from .sampling import pick

CHUNK = 512  # tokens of one sequence read in one pass, so that masks and activations stay small
PASS = 8192  # tokens of all sequences read in one pass
ALIKE = 32  # tokens past the cache in which two prompts must agree for one to wait for the other
SMALL = 50_000_000  # parameters under which a second thread costs more than it brings


class Engine:
    """A model, its caches, and the thread that owns them; the thread starts with the first request."""

    def __init__(self, model: Qwen3, device: torch.device, *, max_batch: int, cache_bytes: int) -> None:
        self.model, self.device, self.max_batch = model, device, max_batch
        weight = next(model.parameters())
        self.rows = Rows(model.config, device, weight.dtype)
        self.cache = PrefixCache(cache_bytes // _bytes_per_token(model, weight.element_size()))
        self.closed = False
        self._known: OrderedDict[tuple[int, ...], Tensor] = OrderedDict()
        self._small = device.type == "cpu" and sum(p.numel() for p in model.parameters()) < SMALL
        self._inbox: SimpleQueue[Job | None] = SimpleQueue()
        self._waiting: deque[Job] = deque()
        self._running: list[Job] = []  # the first rows, in this order
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def submit(self, job: Job) -> None:
        """Queue a job; its future is set when it is over. Raises: EngineFailed once closed."""
        with self._lock:
            if self.closed:
                raise EngineFailed("the engine is closed", hint="make a new backend")
            if self._thread is None:
                self._thread = _start(self._serve, single=self._small)
            self._inbox.put(job)

    def close(self) -> None:
        """Cancel what is in flight and free the memory; waits for the step in progress."""
        with self._lock:
            self.closed = True
            self._inbox.put(None)
        if self._thread is not None:
            self._thread.join()
        self.cache.clear()
        self._known.clear()
        self.rows = Rows(self.model.config, self.device, self.rows.cells.dtype)

    def _serve(self) -> None:
        with torch.inference_mode():
            while self._receive():
                try:
                    self._step()
                except Exception as error:
                    self._fail(error)
        for job in [*self._running, *self._waiting]:
            job.cancelled = True
            job.future.set_result(None)

    def _receive(self) -> bool:
        """Take what has arrived, waiting for it if there is nothing to do; false to end."""
        while not self._inbox.empty() or not (self._running or self._waiting):
            job = self._inbox.get()
            if job is None:
                return False
            self._waiting.append(job)
        return True

    def _step(self) -> None:
        if joined := self._admit():
            self._prefill(joined)
        self._retire()
        if self._running:
            self._decode()
            self._retire()

    def _fail(self, error: Exception) -> None:
        """The running jobs fail; what waits may find the engine well again."""
        for job in self._running:
            failure = EngineFailed(f"the local engine failed: {error!r}", hint="the call may be made again")
            failure.__cause__ = error
            job.future.set_exception(failure)
        self._running.clear()
        self.rows = Rows(self.model.config, self.device, self.rows.cells.dtype)

    def _admit(self) -> list[Job]:
        """Give rows to waiting jobs, in order; twins of one that has just got a row wait for its prompt."""
        joined: list[Job] = []
        later: list[Job] = []
        beginnings: set[tuple[int, ...]] = set()
        while self._waiting and len(self._running) + len(joined) < self.max_batch:
            job = self._waiting.popleft()
            if job.cancelled:
                job.future.set_result(None)
                continue
            held, parts = self.cache.find(job.ids)
            beginning = tuple(job.ids[: held + ALIKE])
            if beginning in beginnings:
                later.append(job)
                continue
            beginnings.add(beginning)
            self._seat(job, held, parts, len(self._running) + len(joined))
            joined.append(job)
        self._waiting.extendleft(reversed(later))
        return joined
