"""Servers to speak to: one that does as it is told, and backends and models that speak to it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from headgate.backends.openai.backend import OpenAIBackend
from headgate.backends.openai.settings import Settings

from .hostile import Hostile

Serve = Callable[..., Hostile]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server with a script of replies."""
    running: list[Hostile] = []

    def start(*replies: Any, models: Any = None) -> Hostile:
        server = Hostile(models=models)
        server.script.extend(replies)
        running.append(server.start())
        return server

    yield start
    for server in running:
        server.stop()


def chat(*servers: Hostile, key_env: str | None = None, **settings: Any) -> OpenAIBackend:
    """A backend that knows of nothing but chat, and rests for a moment only."""
    times: dict[str, Any] = {"silence_s": 30.0, "total_s": 60.0, "connect_s": 30.0, "patience_s": 30.0, "rest_s": 0.05}
    said: dict[str, Any] = {"server": "plain", "max_context": 4096, **times, **settings}
    return OpenAIBackend(
        "m", base_urls=tuple(server.url for server in servers), key_env=key_env, settings=Settings(**said)
    )
