"""The line to the servers: a request goes to one of them, its answer is read within its times, its failure is named."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Any, Protocol

from ..base import Context
from .errors import Malformed, translated
from .fleet import Fleet, Server
from .parts import Json, events, whole
from .requests import Fields


class Hearer(Protocol):
    """Who wants an answer; what it raises for one that cannot be read is the server's failure."""

    def send(self) -> None:
        """The request leaves."""
        ...

    def hear(self, event: Json) -> bool:
        """Take in what came; true for enough."""
        ...

    def end(self) -> None:
        """Nothing more comes."""
        ...


class Line:
    """Sends to a fleet; `chat` says where to. A whole answer may take `total_s`."""

    def __init__(self, fleet: Fleet, *, chat: bool, total_s: float) -> None:
        self.fleet, self._chat, self._total_s = fleet, chat, total_s

    async def stream(self, context: Context, fields: Fields, hearer: Hearer) -> None:
        """Show an answer to `hearer` event by event, until it has heard enough. Raises: BackendError."""
        async with self._asked(context, fields, hearer) as response:
            _expect(response, "text/event-stream")
            async with aclosing(events(response.iter_bytes())) as stream:
                async for event in stream:
                    if hearer.hear(event):
                        return
            hearer.end()

    async def ask(self, context: Context, fields: Fields, hearer: Hearer) -> None:
        """Show an answer that comes in one piece. Raises: BackendError."""
        async with self._asked(context, fields, hearer) as response:
            _expect(response, "application/json")
            hearer.hear(await whole(response.iter_bytes()))

    async def close(self) -> None:
        """Let go of every connection."""
        await self.fleet.close()

    @asynccontextmanager
    async def _asked(self, context: Context, fields: Fields, hearer: Hearer) -> AsyncGenerator[Any, None]:
        async with self.fleet.lease(context) as server:
            with translated(server.whose):
                hearer.send()
                async with asyncio.timeout(self._total_s), self._post(server, fields) as response:
                    yield response

    def _post(self, server: Server, fields: Fields) -> Any:
        """The client's own request; `fields` are all of its body, and stand in place of what it would have written."""
        if self._chat:
            chat = server.client.chat.completions.with_streaming_response
            return chat.create(model=server.whose.model, messages=[], extra_body=fields)
        plain = server.client.completions.with_streaming_response
        return plain.create(model=server.whose.model, prompt="", extra_body=fields)


def _expect(response: Any, kind: str) -> None:
    found = str(response.headers.get("content-type", ""))
    if not found.lower().startswith(kind):
        raise Malformed(f"{found or 'nothing'} in place of {kind}")
