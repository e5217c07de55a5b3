"""Continuous batching: one thread that reads and writes for every caller of a model at once.

Source: Yu et al. 2022, "Orca", OSDI, section 3 (requests join and leave between steps). Where we differ: prompts are
read in groups of like length before each decoding step, and a prompt that begins like one being read waits for it, so
that samples of one question pay for it once. A call that is alone with a tiny model is computed on its caller's own
thread, since waking another and being woken by it took longer than a decoding step.
"""

import atexit
import math
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
from .memory import release
from .rows import Rows
from .sampling import Draws, Picks
from .threads import keep_to_one_thread, one_thread

CHUNK = 512  # tokens of one sequence read in one pass, so that masks and activations stay small
PASS = 2048  # tokens of all sequences read in one pass; what it makes on the way should stay in the processor's cache
ALIKE = 32  # tokens past the cache in which two prompts must agree for one to wait for the other
SMALL = 50_000_000  # parameters under which a second thread costs more than it brings
LIGHT = 1 << 28  # products that a lone caller's thread may compute at once, 10 ms or so: its event loop waits meanwhile
FLOOR = 8  # tokens that a pass costs at least, since it reads all weights


class Engine:
    """A model and its caches, which belong to whoever is at the helm: the engine's own thread, or a lone caller."""

    def __init__(self, model: Decoder, *, max_batch: int, cache_bytes: int, batch_bytes: int) -> None:
        self.model, self.max_batch = model, max_batch
        size = 2 * model.layers * model.kv_heads * model.head_dim * model.dtype.itemsize  # of one token
        self.most = batch_bytes // size
        self.rows = self._empty_rows()
        self.cache = PrefixCache(cache_bytes // size)
        self.closed = False
        self._known: OrderedDict[tuple[int, ...], Tensor] = OrderedDict()
        self._small = model.device.type == "cpu" and model.size < SMALL
        self._inbox: deque[Job] = deque()
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._helm = threading.Lock()
        self._waiting: deque[Job] = deque()
        self._running: list[Job] = []  # the first rows, in this order
        self._writers: list[Generation] = []  # the same, as long as nobody came or went since the last step
        self._draws = Draws(())
        self._last = torch.empty(0)
        self._clock = 0.0  # what one row's share of all decoding steps so far comes to, in seconds
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Queue jobs, to be computed by `drive` or, from `wake` on, by the thread. Raises: EngineFailed once closed."""
        with self._lock:
            if self.closed:
                raise EngineFailed("the engine is closed", hint="make a new backend")
            self._inbox.extend(jobs)

    def drive(self, left: int) -> bool:
        """Make a step on this thread, if only the caller's `left` jobs are in flight and it is light; else false."""
        if not self._small or self._flight() != left or not self._helm.acquire(blocking=False):
            return False
        try:
            with one_thread(), torch.inference_mode():
                return self._work(LIGHT // self.model.size - FLOOR, steps=1)
        except BaseException as error:  # an interrupt: the thread would have gone on
            self._fail(error)
            raise
        finally:
            self._helm.release()

    def wake(self) -> None:
        """Have the thread compute what is in flight, until nothing is."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="headgate-local", daemon=True)
                self._thread.start()
                _started.add(self)
                _threads[:] = [*(thread for thread in _threads if thread.is_alive()), self._thread]
        self._bell.put(None)

    def forget(self) -> None:
        """Empty what was kept of earlier calls."""
        with self._helm:
            self.cache.clear()
            self._known.clear()

    def stop(self) -> None:
        """Cancel what is in flight, and let the thread end after the step in progress."""
        with self._lock:
            self.closed = True
        self._bell.put(None)

    def close(self) -> None:
        """Stop, wait for the step in progress, and free the memory."""
        self.stop()
        if self._thread is not None:
            self._thread.join()
        with self._helm:
            self._drop()
            self.cache.clear()
            self._known.clear()
            self.rows = self._empty_rows()
        release()

    def _empty_rows(self) -> Rows:
        model = self.model
        return Rows(model.layers, model.kv_heads, model.head_dim, model.device, model.dtype, self.most)

    def _flight(self) -> int:
        return len(self._inbox) + len(self._waiting) + len(self._running)

    def _serve(self) -> None:
        if self._small:
            keep_to_one_thread()
        while True:
            self._bell.get()
            with self._helm, torch.inference_mode():
                self._work()
            if self.closed:
                return

    def _work(self, most: float = math.inf, steps: float = math.inf) -> bool:
        """Step until nobody is in flight; false before a step that would compute more than `most` tokens."""
        while steps > 0 and not self.closed and self._flight():
            while self._inbox:
                self._waiting.append(self._inbox.popleft())
            steps -= 1
            try:
                if not self._step(most):
                    return False
            except Exception as error:
                self._fail(error)
        if self.closed:
            self._drop()
        return True

    def _drop(self) -> None:
        for job in [*self._running, *self._waiting, *self._inbox]:
            job.cancelled = True
            job.settle()
        for jobs in (self._running, self._waiting, self._inbox):
            jobs.clear()

    def _step(self, most: float) -> bool:
        """Read what has joined, and write one token for everyone; false if that would compute more than `most`."""
        joined = self._admit()
        if len(self._running) + sum(len(job.ids) - held for job, held, _ in joined) > most:
            self._waiting.extendleft(job for job, _, _ in reversed(joined))
            return False
        if joined:
            self._writers = []
            self._prefill(joined)
            self._retire()
        if self._running:
            self._decode()
            self._retire()
        return True

    def _admit(self) -> list[tuple[Job, int, list[Tensor]]]:
        """Waiting jobs that get a row, in order; twins of one that has just got a row wait for its prompt."""
        joined: list[tuple[Job, int, list[Tensor]]] = []
        if not self._waiting:
            return joined
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
            if not (joined or self._waiting):  # it has no twin
                joined.append((job, held, parts))
                break
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
            job.ready()
            if job.length > job.cached and not job.over:  # what is over is saved when it leaves
                self._save(row)
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
        known = self._known.get(tuple(job.ids)) if job.read_from + 1 == held == len(job.ids) else None
        if known is not None:
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
                logits = self.model.logits(torch.cat(wanted) if len(wanted) > 1 else wanted[0])  # [n, V]
                parts = torch.split(logits, [len(row) for row in wanted])
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
                self._remember(job, logits[row] if len(logits) == 1 else logits[row].clone())
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

    def _fail(self, error: BaseException) -> None:
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
