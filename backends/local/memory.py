"""Memory that nobody uses any more, given back to the system."""

import ctypes
from collections.abc import Callable
from contextlib import suppress


def release() -> None:
    """Let go of freed memory where the C library is glibc: it would keep it, for each engine's thread apart."""
    with suppress(OSError, AttributeError):
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
        trim(0)
