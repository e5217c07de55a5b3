"""A caller's `on_token`, called on the caller's own event loop by an engine that runs on a thread of its own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from threading import get_ident

from .base import OnToken, Token


class Follower:
    """Shows tokens where the call was made; made on that event loop."""

    def __init__(self, on_token: OnToken) -> None:
        self.on_token, self.gone = on_token, False
        self._loop, self._thread = asyncio.get_running_loop(), get_ident()

    def offer(self, token: Token) -> Future[bool]:
        """Show a token; the reply is true to stop. Where the event loop is gone, nobody waits for the rest."""
        reply: Future[bool] = Future()
        if get_ident() == self._thread:  # an engine that computes on the caller's own thread
            self._show(token, reply)
            return reply
        try:
            self._loop.call_soon_threadsafe(self._show, token, reply)
        except RuntimeError:
            self.gone = True
            reply.set_result(True)
        return reply

    def _show(self, token: Token, reply: Future[bool]) -> None:
        try:
            reply.set_result(bool(not self.gone and self.on_token(token)))
        except Exception as error:  # the follower's own failure is handed back to its call
            reply.set_exception(error)


def answered(reply: Future[bool], given_up: Callable[[], bool]) -> bool:
    """Wait for a reply; false once `given_up`, asked ten times a second."""
    while not (reply.done() or wait_for([reply], timeout=0.1).done):
        if given_up():
            return False
    return True
