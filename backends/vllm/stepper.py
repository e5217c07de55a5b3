"""All vLLM engines of this process, stepped in turn by one thread.

One thread, since vLLM keeps the pass in progress in a variable of the module. An engine that fails takes its calls with
it and is started anew for the next; its neighbours go on. Only the last engine to close may end what they share.
"""

import atexit
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from time import perf_counter
from typing import Any, Final, TypeVar

from ..errors import EngineFailed
from ..follower import answered
from ..local.threads import keep_to_one_thread
from .jobs import Job
from .start import Arguments, adapter, load, params, refusal, undisturbed

_T = TypeVar("_T")


class Engine:
    """One engine of this process; everything but `submit` and `close` happens on the stepping thread."""

    def __init__(self, arguments: Arguments, *, ours: bool, lora: str | None = None, small: bool = False) -> None:
        self.small, self.closed = small, False
        self._arguments, self._ours, self._lora = arguments, ours, lora
        self._jobs: dict[str, Job] = {}
        self._core: Any = None
        STEPPER.call(self._open).result()

    def submit(self, job: Job) -> None:
        """Queue a job; its future is set when it is over. Raises: EngineFailed once closed."""
        if self.closed:
            raise EngineFailed("the engine is closed", hint="make a new backend")
        STEPPER.call(partial(self._admit, job))

    def wake(self) -> None:
        """There are cancelled jobs; the next step sees them."""

    def forget(self) -> None:
        """Empty the prefix cache; nothing may be in flight."""
        STEPPER.call(lambda: self._core and self._core.reset_prefix_cache()).result()

    def stop(self) -> None:
        """Cancel what is in flight, after the step in progress."""
        if not self.closed:
            self.closed = True
            STEPPER.call(self._close)

    def close(self) -> None:
        """Stop, and wait until the memory is free."""
        self.stop()
        STEPPER.call(lambda: None).result()

    @property
    def busy(self) -> bool:
        return bool(self._jobs)

    @property
    def core(self) -> Any:
        """vLLM's own engine; for looking at, on a quiet engine."""
        return self._core

    def step(self) -> None:
        """One pass for every job, or the end of them all where it fails."""
        try:
            self._retire()
            if self._jobs:
                self._pass()
                self._retire()
        except Exception as error:
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """Every call fails, and the engine is given up; the next call has a new one."""
        for job in self._jobs.values():
            job.error = EngineFailed(f"the vLLM engine failed: {error!r}", hint="the call may be made again")
            job.error.__cause__ = error
            job.settle()
        self._jobs.clear()
        self._discard()

    def _open(self) -> None:
        if self.small:
            keep_to_one_thread()
        Args, LLMEngine = load("vllm.engine.arg_utils:EngineArgs", "vllm.v1.engine.llm_engine:LLMEngine")
        with undisturbed():
            self._core = LLMEngine.from_engine_args(Args(**self._arguments))
        STEPPER.engines.append(self)

    def _admit(self, job: Job) -> None:
        if self.closed or job.cancelled:
            job.cancelled = True
            job.settle()
            return
        try:
            if self._core is None:
                self._open()
            assert self._core is not None
            self._jobs[job.key] = job
            asked = params(job.asks(ours=self._ours, apart=False))
            self._core.add_request(job.key, job.prompt, asked, lora_request=adapter(self._lora))
        except Exception as error:
            self._jobs.pop(job.key, None)
            job.error = refusal(error)
            job.settle()

    def _pass(self) -> None:
        begun = perf_counter()
        outputs = self._core.step()
        share = (perf_counter() - begun) / len(self._jobs)
        for job in self._jobs.values():
            job.seconds += share
        self._deliver(outputs)

    def _deliver(self, outputs: Iterable[Any]) -> None:
        shown: list[tuple[Job, Future[bool]]] = []
        for output in outputs:
            job = self._jobs.get(output.request_id)
            tokens = list(job.heard(output)) if job else []
            if job and job.follower and not job.cancelled:
                shown += [(job, job.follower.offer(token)) for token in tokens]
        for job, reply in shown:
            if answered(reply, partial(self._given_up, job)):
                job.heed(reply)

    def _given_up(self, job: Job) -> bool:
        return job.cancelled or self.closed

    def _retire(self) -> None:
        """Let go of what is over; a text that ended by our word is taken out of the engine before it is read again."""
        gone = [job for job in self._jobs.values() if job.over or job.cancelled]
        for job in gone:
            if job.cancelled:
                self._measure(job)
        if gone:
            self._core.abort_request([job.key for job in gone])
        for job in gone:
            del self._jobs[job.key]
            job.settle()

    def _measure(self, job: Job) -> None:
        """The bill of a job that is broken off before its prompt was read."""
        if job.input or job.cached or self._core is None:
            return
        known = self._core.engine_core.engine_core.scheduler.requests
        request = next((r for name, r in known.items() if name.startswith(job.key + "-")), None)
        if request is not None and request.num_computed_tokens:
            told = request.prefill_stats  # until its first token
            job.read(told.num_cached_tokens if told else 0, request.num_computed_tokens)

    def _close(self) -> None:
        for job in self._jobs.values():
            job.cancelled = True
        self._retire()
        self._discard()

    def _discard(self) -> None:
        """Free the engine; vLLM's own shutdown also ends what all engines share, so that only the last may use it."""
        if self._core is None:
            return
        STEPPER.engines.remove(self)
        client, self._core = self._core.engine_core, None
        with undisturbed():
            if STEPPER.engines:
                client._finalizer.detach()
                client.engine_core.structured_output_manager.clear_backend()
                client.engine_core.model_executor.shutdown()
                client.engine_core.scheduler.shutdown()
            else:
                client.shutdown()


class Stepper:
    """The thread; it starts with the first engine and lives as long as the process."""

    def __init__(self) -> None:
        self.engines: list[Engine] = []
        self._inbox: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def call(self, what: Callable[[], _T]) -> Future[_T]:
        """Have something done between two steps."""
        future: Future[_T] = Future()

        def do() -> None:
            try:
                future.set_result(what())
            except BaseException as error:
                future.set_exception(error)

        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="headgate-vllm", daemon=True)
                self._thread.start()
                atexit.register(self._end)
        self._inbox.put(do)
        return future

    def _serve(self) -> None:
        while True:
            busy = [engine for engine in self.engines if engine.busy]
            while not self._inbox.empty() or not busy:
                do = self._inbox.get()
                if do is None:
                    return
                do()
                busy = [engine for engine in self.engines if engine.busy]
            for engine in busy:
                engine.step()

    def _end(self) -> None:
        """Before the interpreter takes the ground away."""
        for engine in list(self.engines):
            engine.stop()
        self._inbox.put(None)
        if self._thread is not None:
            self._thread.join(timeout=10)


STEPPER: Final = Stepper()
