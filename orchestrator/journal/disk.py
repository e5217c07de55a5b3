"""What a journal asks of the disk, and what a person is told when the disk refuses."""

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ..errors import JournalError

sync = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync
_FULL: Final = {errno.ENOSPC: "no space left on", errno.EDQUOT: "no quota left on"}


def write(fd: int, data: bytes) -> None:
    """Write all of it, in as many pieces as the kernel takes. Raises: OSError."""
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; syncing a file does not. Raises: OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def closed_on_error(fd: int) -> Generator[None, None, None]:
    """Close a file when what follows fails, and leave it open otherwise."""
    try:
        yield
    except BaseException:
        os.close(fd)
        raise


def refused(error: BaseException, path: Path, then: str) -> JournalError:
    """A failed write in a sentence that a person can act on; `then` is what to do once there is room."""
    code = error.errno if isinstance(error, OSError) else None
    if code in _FULL:
        return JournalError(f"{_FULL[code]} {_mount(path)}", file=path, hint=f"free some and {then}")
    what = error.strerror if isinstance(error, OSError) and error.strerror else f"{type(error).__name__}: {error}"
    return JournalError(f"cannot be written: {what}", file=path, hint=f"mend that and {then}")


def _mount(path: Path) -> Path:
    """Where the disk of a file is mounted."""
    return next((folder for folder in path.absolute().parents if os.path.ismount(folder)), path.parent)
