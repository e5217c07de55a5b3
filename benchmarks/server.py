"""A vLLM server as a process of its own, on one of the embedded models: what is measured and tested against."""

import importlib.util
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from ..backends.checkpoint import EMBEDDED

QUIET = {
    "TORCHDYNAMO_DISABLE": "1",
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "HF_HUB_OFFLINE": "1",
}
LEAN = ["--enforce-eager", "--kv-cache-memory-bytes", str(64 << 20), "--block-size", "32", "--dtype", "float32"]
WHOLE = ["--no-enable-chunked-prefill"]  # on a CPU, vLLM 0.32 dies when it splits the prompt of a call with a seed
TOLD = ["--enable-prompt-tokens-details", "--disable-uvicorn-access-log"]


def installed() -> bool:
    """Whether vLLM is there."""
    return importlib.util.find_spec("vllm") is not None


@contextmanager
def serving(role: str) -> Generator[str]:
    """The base URL of a server of one embedded model. Raises: RuntimeError when it does not start."""
    server = VllmServer(role).start()
    try:
        yield server.wait().url
    finally:
        server.stop()


def free_port() -> int:
    """Below those that outgoing connections are given, since one of them might take it while the server is down."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port


@dataclass(slots=True)
class VllmServer:
    """`start` returns at once; `wait` when it answers."""

    role: str = "draft"
    port: int = field(default_factory=free_port)
    arguments: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    log: IO[bytes] | None = None

    @property
    def model(self) -> str:
        return str(EMBEDDED / self.role)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> "VllmServer":
        """Begin to start it."""
        command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", self.model]
        command += ["--host", "127.0.0.1", "--port", str(self.port), *LEAN, *WHOLE, *TOLD, *self.arguments]
        self.log = self.log or TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            command, env=os.environ | QUIET, stdout=self.log, stderr=self.log, start_new_session=True, cwd=Path.home()
        )
        return self

    def wait(self, timeout_s: float = 400) -> "VllmServer":
        """Return once it answers. Raises: RuntimeError."""
        until = time.monotonic() + timeout_s
        while not self._answers():
            if not self.process or self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the server did not start: {self.said()}")
            time.sleep(0.2)
        return self

    def kill(self) -> None:
        """As the kernel does when memory runs out."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(30)

    def stop(self) -> None:
        """End it, and forget what it said."""
        self.kill()
        if self.log:
            self.log.close()

    def said(self) -> str:
        """The end of what it wrote."""
        if self.log is None:
            return ""
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-4000:]

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url.removesuffix('/v1')}/health", timeout=2) as response:
                return bool(response.status == 200)
        except OSError:
            return False
