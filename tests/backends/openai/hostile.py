"""A server of our own over real sockets that answers as it is told, well or badly; it runs on a thread of its own."""

import asyncio
import json
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Asked:
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]


@dataclass(slots=True)
class Hostile:
    """`script` holds one reply a request, in order; the last one stays. `models` answers what it serves."""

    script: deque[Reply] = field(default_factory=deque[Reply])
    models: Reply | None = None
    asked: list[Asked] = field(default_factory=list[Asked])
    port: int = 0
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    thread: threading.Thread | None = None
    server: asyncio.Server | None = None
    open: set[asyncio.StreamWriter] = field(default_factory=set[asyncio.StreamWriter])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> "Hostile":
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.do(self._listen())
        return self

    def stop(self) -> None:
        self.silence()
        self.loop.call_soon_threadsafe(self.loop.stop)
        if self.thread:
            self.thread.join()
        self.loop.close()

    def silence(self) -> None:
        """Nobody listens any longer, and whoever was being answered is cut off."""
        self.do(self._close())

    def wake(self) -> None:
        """Listen again, at the same address."""
        self.do(self._listen())

    def do(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    async def _listen(self) -> None:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self.server:
            self.server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for writer in self.open:
            writer.transport.abort()
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open.add(writer)
        try:
            await self._answer(reader, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.open.discard(writer)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        path = head[0].split()[1]
        if path.endswith("/models"):
            await (self.models or status(404))(writer)
            return
        self.asked.append(Asked(path, headers, json.loads(body or b"{}")))
        await (self.script.popleft() if len(self.script) > 1 else self.script[0])(writer)


# -- replies ----------------------------------------------------------------------------------------------------


def head(code: int, kind: str, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {code} X", f"content-type: {kind}", "connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def status(code: int, message: str = "no", error_code: object = None, **headers: str) -> Reply:
    body = json.dumps({"error": {"message": message, "code": error_code, "type": "x"}}).encode()
    return raw(head(code, "application/json", **headers) + body)


def plain(value: object, kind: str = "application/json") -> Reply:
    return raw(head(200, kind) + json.dumps(value).encode())


def raw(*parts: bytes, pause_s: float = 0.0, after: Reply | None = None) -> Reply:
    async def reply(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause_s)
        if after:
            await after(writer)

    return reply


def event(value: object) -> bytes:
    return b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"


def stream(*values: object, pause_s: float = 0.0, done: bool = True, after: Reply | None = None) -> Reply:
    parts = [head(200, "text/event-stream"), *(event(value) for value in values), *([event(b"[DONE]")] if done else [])]
    return raw(*parts, pause_s=pause_s, after=after)


def said(text: str | None, finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    """A chunk of a chat."""
    choice: dict[str, Any] = {"index": index, "delta": {"content": text}, "finish_reason": finish, **more}
    return {"choices": [choice]}


def usage(prompt: Any, completion: Any, **details: Any) -> dict[str, Any]:
    return {"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": completion, **details}}


async def forever(writer: asyncio.StreamWriter) -> None:
    """Say nothing, and do not hang up."""
    await asyncio.sleep(3600)


async def drip(writer: asyncio.StreamWriter) -> None:
    """Keep the line warm, and say nothing."""
    while True:
        writer.write(b": ping\n\n")
        await writer.drain()
        await asyncio.sleep(0.02)


async def flood(writer: asyncio.StreamWriter) -> None:
    """A line that does not end."""
    while True:
        writer.write(b"x" * 65_536)
        await writer.drain()


async def abort(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
