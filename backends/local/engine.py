"""Continuous batching: one thread that reads and writes for every caller of a model at once.

Source: Yu et al. 2022, "Orca", OSDI, section 3 (requests join and leave between steps). Where we differ: prompts are
read in groups of like length before each decoding step, and a prompt that begins like one being read waits for it, so
that samples of one question pay for it once.
"""

import atexit
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from time import perf_counter

import torch
from torch import Tensor

from ..errors import EngineFailed
from ..follower import answered
from .cache import PrefixCache
from .decoder import Decoder
from .jobs import Generation, Job
from .rows import Rows
from .sampling import Draws, Picks
from .threads import keep_to_one_thread

CHUNK = 512  # tokens of one sequence read in one pass, so that masks and activations stay small
PASS = 2048  # tokens of all sequences read in one pass; what it makes on the way should stay in the processor's cache
ALIKE = 32  # tokens past the cache in which two prompts must agree for one to wait for the other
SMALL = 50_000_000  # parameters under which a second thread costs more than it brings


class Engine:
    """A model, its caches, and the thread that owns them; the thread starts with the first request."""

    def __init__(self, model: Decoder, *, max_batch: int, cache_bytes: int, batch_bytes: int) -> None:
        self.model, self.max_batch = model, max_batch
        size = 2 * model.layers * model.kv_heads * model.head_dim * model.dtype.itemsize  # of one token
        self.most = batch_bytes // size
        self.rows = self._empty_rows()
        self.cache = PrefixCache(cache_bytes // size)
        self.closed = False
        self._known: OrderedDict[tuple[int, ...], Tensor] = OrderedDict()
        self._small = model.device.type == "cpu" and model.size < SMALL
        self._inbox: SimpleQueue[Job | None] = SimpleQueue()
        self._waiting: deque[Job] = deque()
        self._running: list[Job] = []  # the first rows, in this order
        self._writers: list[Generation] = []  # the same, as long as nobody came or went since the last step
        self._draws = Draws(())
        self._last = torch.empty(0)
        self._clock = 0.0  # what one row's share of all decoding steps so far comes to, in seconds
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def submit(self, job: Job) -> None:
        """Queue a job; its future is set when it is over. Raises: EngineFailed once closed."""
        with self._lock:
            if self.closed:
                raise EngineFailed("the engine is closed", hint="make a new backend")
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="headgate-local", daemon=True)
                self._thread.start()
                _started.add(self)
                _threads[:] = [*(thread for thread in _threads if thread.is_alive()), self._thread]
            self._inbox.put(job)

    def stop(self) -> None:
        """Cancel what is in flight, and let the thread end after the step in progress."""
        with self._lock:
            self.closed = True
            self._inbox.put(None)

    def close(self) -> None:
        """Stop, wait for the thread, and free the memory."""
        self.stop()
        if self._thread is not None:
            self._thread.join()
        self.cache.clear()
        self._known.clear()
        self.rows = self._empty_rows()

    def _empty_rows(self) -> Rows:
        model = self.model
        return Rows(model.layers, model.kv_heads, model.head_dim, model.device, model.dtype, self.most)

    def _serve(self) -> None:
        if self._small:
            keep_to_one_thread()
        with torch.inference_mode():
            while self._receive():
                try:
                    self._step()
                except Exception as error:
                    self._fail(error)
        for job in [*self._running, *self._waiting]:
            job.cancelled = True
            job.settle()

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
            self._writers = []
            self._prefill(joined)
            self._retire()
        if self._running:
            self._decode()
            self._retire()

    def _admit(self) -> list[tuple[Job, int, list[Tensor]]]:
        """Waiting jobs that get a row, in order; twins of one that has just got a row wait for its prompt."""
        joined: list[tuple[Job, int, list[Tensor]]] = []
        later: list[Job] = []
        beginnings: set[tuple[int, ...]] = set()
        reach = max((job.reach for job in self._running), default=0)
        while self._waiting and (count := len(self._running) + len(joined)) < self.max_batch:
            job = self._waiting.popleft()
            if job.cancelled:
                job.settle()
                continue
            if count and (count + 2) * max(reach, job.reach) > self.most:  # one row is spare
                later.append(job)
                break
            reach = max(reach, job.reach)
            held, parts = self.cache.find(job.ids)
            beginning = tuple(job.ids[: held + ALIKE])
            if beginning in beginnings:
                later.append(job)
            else:
                beginnings.add(beginning)
                joined.append((job, held, parts))
        self._waiting.extendleft(reversed(later))
        return joined

    def _prefill(self, joined: list[tuple[Job, int, list[Tensor]]]) -> None:
        """Read the prompts of new jobs, and write the first token of those that write."""
        first = len(self._running)
        seats = sorted(joined, key=lambda seat: seat[1] - len(seat[0].ids))
        self._running += [job for job, _, _ in seats]  # all of them before anything can fail under one
        self._make_room()
        for row, (job, held, parts) in enumerate(seats, first):
            self._seat(row, job, held, parts)
        for start, stop in self._groups(first):
            self._read(start, self._running[start:stop])
        for row, job in enumerate(self._running[first:], first):
            if job.length > job.cached:
                self._save(row)
            job.ready()
        fresh = [job for job in self._running[first:] if isinstance(job, Generation)]
        if begun := [job for job in fresh if job.logits is not None]:
            with _timed(begun):
                logits = torch.stack([job.logits for job in begun if job.logits is not None])
                self._write(begun, self._pick(Draws([job.draw for job in begun]), begun, logits))
        for job in fresh:
            job.fresh, job.logits, job.since = job.logits is None, None, self._clock

    def _seat(self, row: int, job: Job, held: int, parts: list[Tensor]) -> None:
        """Fill a row with what is held of the job's tokens."""
        self.rows.load(row, job.ids[:held], parts)
        known = self._known.get(tuple(job.ids)) if job.read_from == len(job.ids) - 1 else None
        if known is not None and held == len(job.ids):
            job.length = held
            job.read(held - 1, known[None])
        else:
            job.length = min(held, job.read_from)
        job.cached = job.length

    def _make_room(self) -> None:
        self.rows.reserve(len(self._running), max(len(job.ids) for job in self._running))

    def _groups(self, first: int) -> Iterator[tuple[int, int]]:
        """Rows to be read together: the longest first, none padded to more than twice its length."""
        start = first
        while start < len(self._running):
            longest, stop = self._running[start].unread, start + 1
            if self._running[start].writes_next:
                start = stop
                continue
            while stop < len(self._running) and (stop + 1 - start) * min(longest, CHUNK) <= PASS:
                if self._running[stop].unread * 2 < longest > ALIKE or self._running[stop].writes_next:
                    break
                stop += 1
            yield start, stop
            start = stop

    def _read(self, first: int, jobs: list[Job]) -> None:
        # asked once a pass: a job that is cancelled meanwhile has nothing unread
        while width := max(sizes := [min(CHUNK, job.unread) for job in jobs]):
            with _timed(jobs):
                rows = [job.ids[job.length : job.length + size] for job, size in zip(jobs, sizes, strict=True)]
                ids = torch.tensor([row + [0] * (width - len(row)) for row in rows], device=self.model.device)
                self.rows.aim(first, [job.length for job in jobs], sizes)
                states = self.model.forward(ids, self.rows)  # [B, T, d]
                spans = [job.advance(size) for job, size in zip(jobs, sizes, strict=True)]
                wanted = [row[span] for row, span in zip(states, spans, strict=True)]
                parts = torch.split(self.model.logits(torch.cat(wanted)), [len(row) for row in wanted])  # [n, V]
                for job, part in zip(jobs, parts, strict=True):
                    self._hand_over(job, part)

    def _hand_over(self, job: Job, logits: Tensor) -> None:
        """Give a job what it asked for of the tokens just read; logits [n, V]."""
        if len(logits) == 0:
            return
        job.read(job.length - len(logits), logits)
        if job.length == len(job.ids):
            self._remember(job, logits[-1].clone())

    def _remember(self, job: Job, logits: Tensor) -> None:
        """Keep what follows a prompt, so that reading the same prompt again costs nothing."""
        self._known[tuple(job.ids)] = logits
        while len(self._known) > 2 * self.max_batch:
            self._known.popitem(last=False)

    def _decode(self) -> None:
        """One more token for everyone."""
        begun = perf_counter()
        if self._writers and self.rows.span < self.rows.room:
            self.rows.advance()
        else:
            self._writers = [job for job in self._running if isinstance(job, Generation)]
            self._draws = Draws([job.draw for job in self._writers])
            self._make_room()
            self.rows.aim(0, [job.length for job in self._writers], [1] * len(self._writers))
            self._last = torch.tensor([job.ids[-1] for job in self._writers], device=self.model.device)
        logits = self.model.logits(self.model.forward(self._last[:, None], self.rows)[:, 0])  # [B, V]
        for row, job in enumerate(self._writers):
            job.length += 1
            if job.fresh:
                job.fresh, job.input = False, job.input + 1
                self._remember(job, logits[row].clone())
        picks = self._pick(self._draws, self._writers, logits)
        self._last = picks.chosen
        self._clock += (perf_counter() - begun) / len(self._writers)
        self._write(self._writers, picks)

    def _pick(self, draws: Draws, jobs: Sequence[Generation], logits: Tensor) -> Picks:
        return draws.pick(logits, [len(job.ids) for job in jobs])

    def _write(self, jobs: Sequence[Generation], picks: Picks) -> None:
        """Give each job its next token."""
        shown: list[tuple[Generation, Future[bool]]] = []
        for job, token, logprob, nats in zip(jobs, picks.tokens, picks.logprobs, picks.entropies, strict=True):
            seen = None if job.cancelled else job.take(token, logprob, nats)
            if seen is not None and job.follower:
                shown.append((job, job.follower.offer(seen)))
        for job, reply in shown:
            if answered(reply, partial(self._given_up, job)):
                job.heed(reply)

    def _given_up(self, job: Job) -> bool:
        return job.cancelled or self.closed

    def _retire(self) -> None:
        """Take what is over out of the batch, and fill the holes from the end."""
        for row in range(len(self._running) - 1, -1, -1):
            job = self._running[row]
            if not (job.over or job.cancelled):
                continue
            self._writers = []
            self._save(row)
            last = self._running.pop()
            self.rows.left[len(self._running)] = last.ids[: last.length]
            if last is not job:
                self.rows.move(len(self._running), row, last.length)
                self._running[row] = last
            if isinstance(job, Generation):
                job.seconds += self._clock - job.since
            job.settle()

    def _save(self, row: int) -> None:
        job = self._running[row]
        self.cache.insert(job.ids[: job.length], self.rows.row(row))

    def _fail(self, error: Exception) -> None:
        """What runs fails; what waits may find the engine well again."""
        for job in self._running:
            job.error = EngineFailed(f"the local engine failed: {error!r}", hint="the call may be made again")
            job.error.__cause__ = error
            job.settle()
        self._running.clear()
        self._writers = []
        self.rows = self._empty_rows()


@contextmanager
def _timed(jobs: Sequence[Job]) -> Generator[None]:
    """Share the time of what happens inside equally among the rows of a pass."""
    begun = perf_counter()
    yield
    share = (perf_counter() - begun) / max(len(jobs), 1)
    for job in jobs:
        job.seconds += share


_started: "weakref.WeakSet[Engine]" = weakref.WeakSet()
_threads: list[threading.Thread] = []  # also those whose engine nobody holds any more: they free its memory


@atexit.register
def _leave() -> None:
    """End the threads while the interpreter still stands: one that is cut off inside torch aborts the process."""
    for engine in list(_started):
        engine.stop()
    for thread in _threads:
        thread.join()
