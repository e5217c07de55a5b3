"""vLLM engines in processes of their own: replicas of a model, each with its cache, behind one queue.

They live on an event loop of their own, since vLLM binds an engine to the loop of its first use. A call goes to
the replica that holds most of its prompt, unless that one is busier than the others by some measure.
"""

import asyncio
import atexit
import os
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import aclosing, contextmanager, suppress
from typing import Any, Final

from ..errors import EngineFailed
from ..writing import Pick
from .held import Held
from .jobs import Job
from .start import BLOCK, Arguments, adapter, load, params, refusal, undisturbed

_SLACK: Final = 4  # calls that a replica may be ahead of the idlest one for the sake of what it holds
_KNOWN: Final = 1 << 16  # blocks remembered of each replica


class Child:
    """One replica: an engine in a child process, started when first needed and again after it died."""

    def __init__(self, arguments: Arguments, *, small: bool) -> None:
        self.held = Held(BLOCK, _KNOWN)
        self.load = 0
        self.engine: Any = None
        self._arguments, self._small = arguments, small
        self._starting = asyncio.Lock()

    async def ready(self) -> Any:
        """The engine, started if need be."""
        async with self._starting:
            if self.engine is None:
                self.engine = await asyncio.to_thread(self._start)
            return self.engine

    async def forget(self) -> None:
        """Empty the prefix cache."""
        self.held.clear()
        if self.engine is not None:
            await self.engine.reset_prefix_cache()

    async def gone(self, engine: Any) -> None:
        """This engine died; the next call has another."""
        if self.engine is engine:
            await self.close()

    async def close(self) -> None:
        """End the process, without the complaints of whoever listens to it."""
        engine, self.engine = self.engine, None
        self.held.clear()
        if engine is None:
            return
        if (listening := engine.output_handler) is not None:
            listening.cancel()
            await asyncio.wait([listening])
        await asyncio.to_thread(engine.shutdown)
        engine.shutdown = _done  # it calls this once more when it is collected, too late for what it needs
        await asyncio.sleep(0)
        context = engine.engine_core.resources.ctx  # its sockets are closed; it is itself left to us
        ending = threading.Thread(target=context.destroy, args=(0,), daemon=True)
        ending.start()
        await asyncio.to_thread(ending.join, 5)

    def _start(self) -> Any:
        Args, AsyncLLM = load("vllm.engine.arg_utils:AsyncEngineArgs", "vllm.v1.engine.async_llm:AsyncLLM")
        with _STARTING, undisturbed(), _nameless_main():
            os.environ.setdefault("PYTHONWARNINGS", "ignore")  # of its own imports
            if self._small:
                os.environ.setdefault("OMP_NUM_THREADS", "1")
            if self._arguments.get("enforce_eager"):
                os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
            return AsyncLLM.from_engine_args(Args(**self._arguments))


class Children:
    """All replicas of one model."""

    def __init__(
        self,
        arguments: Arguments,
        *,
        replicas: int = 1,
        ours: bool = True,
        lora: str | None = None,
        small: bool = False,
    ) -> None:
        self.closed = False
        self._ours, self._lora = ours, lora
        self._running: dict[Job, asyncio.Task[None]] = {}
        atexit.register(self._leave)
        self.replicas = asyncio.run_coroutine_threadsafe(_children(arguments, replicas, small), LOOP.get()).result()

    def submit(self, job: Job) -> None:
        """Queue a job; its future is set when it is over. Raises: EngineFailed once closed."""
        if self.closed:
            raise EngineFailed("the engine is closed", hint="make a new backend")
        LOOP.get().call_soon_threadsafe(self._begin, job)

    def wake(self) -> None:
        """Break off the jobs that are now cancelled."""
        LOOP.get().call_soon_threadsafe(self._break_off)

    def forget(self) -> None:
        """Empty every prefix cache; nothing may be in flight."""
        asyncio.run_coroutine_threadsafe(self._forget(), LOOP.get()).result()

    def stop(self) -> None:
        """Cancel what is in flight, and free the processes soon."""
        if not self.closed:
            self.closed = True
            self._ending = asyncio.run_coroutine_threadsafe(self._end(), LOOP.get())

    def close(self) -> None:
        """Stop, and wait for the processes."""
        self.stop()
        self._ending.result(timeout=60)
        atexit.unregister(self._leave)

    def _begin(self, job: Job) -> None:
        if self.closed:
            job.cancelled = True
        if job.cancelled:
            job.settle()
            return
        task = asyncio.get_running_loop().create_task(self._run(job))
        self._running[job] = task
        task.add_done_callback(lambda _: self._ended(job))

    def _ended(self, job: Job) -> None:
        self._running.pop(job, None)
        if not job.future.done():  # cancelled before its first step, so that `_run` never began
            job.cancelled = True
            job.settle()

    def _break_off(self) -> None:
        for job, task in self._running.items():
            if job.cancelled:
                task.cancel()

    async def _forget(self) -> None:
        await asyncio.gather(*(child.forget() for child in self.replicas))

    async def _end(self) -> None:
        tasks = list(self._running.values())
        for job in self._running:
            job.cancelled = True
        self._break_off()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(child.close() for child in self.replicas))

    def _leave(self) -> None:
        """The interpreter ends."""
        with suppress(Exception):
            self.close()

    async def _run(self, job: Job) -> None:
        child = self._best(job.ids)
        child.load += 1
        begun = asyncio.get_running_loop().time()
        try:
            await self._serve(job, child)
        except asyncio.CancelledError:
            job.cancelled = True
        except Exception as error:
            job.error = refusal(error)
        finally:
            child.load -= 1
            child.held.add(job.held)
            job.seconds = asyncio.get_running_loop().time() - begun
            if job.cancelled and not (job.input or job.cached):
                job.read(0)  # whether it was read nobody knows
            job.settle()

    async def _serve(self, job: Job, child: Child) -> None:
        engine = await child.ready()
        asked = params(job.asks(ours=self._ours, apart=True))
        try:
            serve = engine.encode if job.pools else engine.generate
            said = serve(job.prompt, asked, job.key, lora_request=adapter(self._lora))
            async with aclosing(said) as outputs:
                async for output in outputs:
                    await self._hear(job, output)
                    if job.over or job.cancelled:
                        break
            if job.reports and self._ours:
                await self._report(job, engine)
        except load("vllm.v1.engine.exceptions:EngineDeadError"):
            await child.gone(engine)
            raise

    async def _hear(self, job: Job, output: Any) -> None:
        for token in job.heard(output):
            if job.follower is not None and not job.cancelled:
                reply = job.follower.offer(token)
                with suppress(Exception):  # which `heed` hands on
                    await asyncio.wrap_future(reply)
                job.heed(reply)

    async def _report(self, job: Job, engine: Any) -> None:
        """What the child's draws were: entropies, and whether one of them ended the text."""
        (told, *_) = await engine.collective_rpc("headgate_take", args=([job.key],))
        picks, logprobs = told[job.key]
        job.reported([Pick(*pick) for pick in picks], logprobs)

    def _best(self, ids: Sequence[int]) -> Child:
        idlest = min(child.load for child in self.replicas)
        near = [child for child in self.replicas if child.load <= idlest + _SLACK]
        return max(near, key=lambda child: (child.held.reach(ids), -child.load))


class _Loop:
    """An event loop on a thread of its own, for as long as the process lives."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    def get(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="headgate-vllm-children", daemon=True).start()
            return self._loop


LOOP: Final = _Loop()
_STARTING: Final = threading.Lock()


async def _children(arguments: Arguments, replicas: int, small: bool) -> list[Child]:
    """All of them are started, or none."""
    children = [Child(arguments, small=small) for _ in range(replicas)]
    started = await asyncio.gather(*(child.ready() for child in children), return_exceptions=True)
    if failed := next((one for one in started if isinstance(one, BaseException)), None):
        await asyncio.gather(*(child.close() for child in children))
        raise failed
    return children


def _done() -> None:
    """Nothing is left to do."""


@contextmanager
def _nameless_main() -> Generator[None]:
    """A spawned child does not run the caller's script: it is not told which one that is."""
    main = sys.modules["__main__"]
    kept: dict[str, Any] = {name: main.__dict__[name] for name in ("__file__", "__spec__") if name in main.__dict__}
    try:
        main.__spec__ = None
        main.__dict__.pop("__file__", None)
        yield
    finally:
        main.__dict__.update(kept)
