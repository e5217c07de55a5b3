"""The folder of a server's model on this machine: its tokenizer and its wording; weights are not needed here."""

import json
from pathlib import Path

from ..checkpoint import EMBEDDED, Checkpoint, reading
from ..errors import NotAModel
from ..tokens import Tokens


def checkpoint(tokenizer: str | None, *elsewhere: str) -> Checkpoint | None:
    """The folder that a recipe names, or the first of other names that is one. Raises: NotAModel on what it names."""
    if tokenizer:
        folder = _folder(tokenizer)
        if not (folder / "tokenizer.json").is_file():
            raise NotAModel(f"`{tokenizer}` has no tokenizer.json", hint="`engine.tokenizer` is a checkpoint's folder")
        return _open(folder)
    found = (_folder(name) for name in elsewhere if name)
    return next((_open(folder) for folder in found if (folder / "tokenizer.json").is_file()), None)


def _folder(name: str) -> Path:
    head, _, rest = name.partition("/")
    return EMBEDDED / rest if head == "embedded" and rest else Path(name).expanduser()


def _open(folder: Path) -> Checkpoint:
    file = folder / "config.json"
    config: dict[str, object] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    rows = config.get("vocab_size")
    size = rows if isinstance(rows, int) else 0
    return Checkpoint(
        folder, config, reading(str(folder), "tokenizer.json", lambda: Tokens(folder / "tokenizer.json", size))
    )
