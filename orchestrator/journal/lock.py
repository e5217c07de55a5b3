"""One writer a journal: a lock on the file itself, which the kernel frees when its process dies, however it dies."""

import fcntl
import os
import time
from pathlib import Path
from typing import Final

from ..errors import JournalError

_TRIES: Final = 10
_PAUSE_S: Final = 0.02


def lock(fd: int, path: Path) -> None:
    """Take a journal for this process. Raises: JournalError naming who has it."""
    for _ in range(_TRIES):  # whoever asks `held` has it for a moment
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(_PAUSE_S)
        except OSError as error:
            hint = "keep runs on a disk of this machine"
            raise JournalError(f"cannot be locked: {error.strerror}", file=path, hint=hint) from error
    writer = _writer(fd)
    who, hint = _who(writer)
    raise JournalError(f"is being written by {who}", file=path, hint=hint)


def held(path: Path) -> bool:
    """Whether a process is writing this journal now. Raises: FileNotFoundError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _who(writer: int) -> tuple[str, str]:
    if writer == os.getpid():
        return "this process", "close it there first"
    if writer:
        return f"process {writer}", f"wait until it ends, or end it by `kill {writer}`"
    return "another process", "wait until it ends, or end it"


def _writer(fd: int) -> int:
    """The process that has the lock, as the kernel lists it; 0 where it does not say."""
    inode = f":{os.fstat(fd).st_ino}"
    try:
        rows = [row.split() for row in Path("/proc/locks").read_text(encoding="ascii").splitlines()]
    except OSError:
        return 0
    return next((int(row[4]) for row in rows if row[1] == "FLOCK" and row[5].endswith(inode)), 0)
