"""Workers as actors of Ray: it decides where they live and which processors they get, and nothing of what they spend.

An actor runs the same worker as a local process does, and calls the driver by the same socket. With RAY_ADDRESS set
the cluster there is used, else one is started on this machine for as long as it is needed.
"""

import logging
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any, Final

from ..recipe import Executor
from .errors import FleetError
from .messages import Call

_REPORT_S: Final = 2.0  # that Ray may take to say how an actor ended; of a node that is gone it knows after many more


class RayHost:
    """A cluster; actors are never restarted by Ray, since the driver knows better with what to begin again."""

    def __init__(self, executor: Executor) -> None:
        try:
            self._ray: Any = import_module("ray")
        except ModuleNotFoundError as error:
            hint = "run `pip install headgate[ray]`, here and on every node"
            raise FleetError(f"`executor: ray` needs {error.name}, which is not installed; {hint}") from error
        self._ours = not self._ray.is_initialized()
        if self._ours:
            _connect(self._ray)
        self.address = str(self._ray.util.get_node_ip_address())
        self._actors = self._ray.remote(
            num_cpus=executor.cpus, num_gpus=executor.gpus, max_restarts=0, max_task_retries=0
        )(Actor)

    def start(self, call: Call, over: Callable[[], None]) -> "RayProcess":
        """An actor wherever Ray has room for it; it may have to wait."""
        actor = self._actors.remote()
        return RayProcess(self._ray, actor, actor.work.remote(call), over)

    def close(self) -> None:
        """Let go of the cluster."""
        if self._ours:
            self._ray.shutdown()


class Actor:
    """A worker inside Ray."""

    def work(self, call: Call) -> None:
        """Until the driver says stop; without a driver the process ends."""
        from .worker import work

        os.dup2(2, 1)  # what a model's library prints is no answer
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        work(call)


class RayProcess:
    """One of them, and a thread that waits for its end."""

    def __init__(self, ray: Any, actor: Any, work: Any, over: Callable[[], None]) -> None:
        self._ray, self._actor, self._work, self._over = ray, actor, work, over
        self._ended, self._how = threading.Event(), "its connection broke off"
        threading.Thread(target=self._wait, name="headgate worker", daemon=True).start()

    def kill(self) -> None:
        """As SIGKILL."""
        with suppress(Exception):  # it is gone already, or the cluster is
            self._ray.kill(self._actor, no_restart=True)

    def ended(self, timeout_s: float) -> str:
        """How it ended, as Ray knows it."""
        self._ended.wait(min(timeout_s, _REPORT_S))
        self.kill()  # one that has done its work still has its processors
        return self._how

    def _wait(self) -> None:
        try:
            self._ray.get(self._work)
            self._how = "its work was done"
        except BaseException as error:  # whatever Ray calls it
            self._how = _in_short(error)
        self._ended.set()
        self._over()


def _connect(ray: Any) -> None:
    if os.environ.get("RAY_ADDRESS"):
        ray.init(address="auto", logging_level=logging.ERROR)
    else:
        ray.init(address="local", include_dashboard=False, logging_level=logging.ERROR)


def _in_short(error: BaseException) -> str:
    """The line of Ray's report that says why."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    why = next((line for line in lines if "because" in line or "died" in line), lines[0] if lines else "")
    return f"{type(error).__name__}: {why[:200]}"
