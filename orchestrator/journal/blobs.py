"""Long results beside a journal, each in a file named by the hash of what it holds."""

import os
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from ..errors import JournalError
from .disk import sync_folder


class Blobs:
    """The folder `blobs` beside a journal. The same content is written once; what is read is checked by its name."""

    def __init__(self, journal: Path, *, durable: bool = True) -> None:
        self.folder, self._durable = journal.parent / "blobs", durable
        self._known: set[str] = set()
        self._unsynced = False

    def path(self, name: str) -> Path:
        """Where a blob lies."""
        return self.folder / f"{name}.json"

    def put(self, data: bytes) -> str:
        """Write a blob, and return its name; whoever names it in a line calls `sync` first. Raises: OSError."""
        name = blob_name(data)
        if name not in self._known:
            if not _holds(self.path(name), data):
                self._write(name, data)
            self._known.add(name)
            self._unsynced = True  # also for one that lay there: its writer may have died before it synced the folder
        return name

    def sync(self) -> None:
        """Make the names of all blobs durable. Raises: OSError."""
        if self._unsynced and self._durable:
            sync_folder(self.folder)
        self._unsynced = False

    def clear_drafts(self) -> None:
        """Remove what writers that died had not finished; only who holds the journal may. Raises: OSError."""
        for draft in self.folder.glob(".*"):
            draft.unlink()

    def get(self, name: str) -> bytes:
        """Read a blob. Raises: JournalError when it is gone, or is not what its name says."""
        path = self.path(name)
        try:
            data = path.read_bytes()
        except OSError as error:
            hint = "put it back from a copy of the run's folder"
            raise JournalError(f"holds a result and cannot be read: {error.strerror}", file=path, hint=hint) from error
        if blob_name(data) != name:
            raise JournalError("is damaged: its name is not its hash", file=path, hint="put it back from a copy")
        return data

    def _write(self, name: str, data: bytes) -> None:
        self._make_folder()
        draft = self.folder / f".{name}.{os.getpid()}"
        try:
            with draft.open("wb") as file:
                file.write(data)
                file.flush()
                if self._durable:
                    os.fsync(file.fileno())
            draft.replace(self.path(name))
        except OSError:
            with suppress(OSError):
                draft.unlink()
            raise

    def _make_folder(self) -> None:
        if not self.folder.is_dir():
            self.folder.mkdir(exist_ok=True)
            if self._durable:
                sync_folder(self.folder.parent)


def blob_name(data: bytes) -> str:
    """What a blob is called: the hash of what it holds."""
    return blake2b(data, digest_size=32).hexdigest()


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except FileNotFoundError:
        return False
