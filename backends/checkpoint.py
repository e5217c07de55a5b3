"""A model's folder: its configuration, tokenizer and dialect, or a sentence about what is missing."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from .dialect import Dialect
from .errors import NotAModel
from .tokens import Tokens

EMBEDDED: Final = Path(__file__).parent / "local" / "embedded"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A folder that was found to hold a model in Hugging Face's form; `config` is its `config.json`."""

    folder: Path
    config: Mapping[str, object]
    tokens: Tokens

    @classmethod
    def open(cls, where: str) -> "Checkpoint":
        """`where`: a folder, or `embedded/NAME`. Raises: NotAModel, saying what is missing and what would be right."""
        folder = _folder(where)
        for name in ("config.json", "tokenizer.json"):
            if not (folder / name).is_file():
                raise _not_a_model(where, f"has no {name}")
        if not any(folder.glob("*.safetensors")):
            raise _not_a_model(where, "has no .safetensors")
        config = reading(where, "config.json", lambda: _json(folder / "config.json"))
        rows = _number(config.get("vocab_size"))
        tokens = reading(where, "tokenizer.json", lambda: Tokens(folder / "tokenizer.json", rows))
        return cls(folder, config, tokens)

    @property
    def max_context(self) -> int:
        """The positions that the model was made for."""
        return _number(self.config.get("max_position_embeddings"))

    @property
    def opening(self) -> str:
        """The token that a text begins with, if its tokenizer says one."""
        found = _json(self.folder / "tokenizer_config.json").get("bos_token")
        named: object = found.get("content") if isinstance(found, dict) else found  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]
        return named if isinstance(named, str) else ""

    def dialect(self) -> Dialect:
        """From `dialect.json`, or from the chat template, or the default."""
        where = str(self.folder)
        if (file := self.folder / "dialect.json").is_file():
            return reading(where, file.name, lambda: Dialect.load(file))
        if template := self._template():
            return reading(where, "the chat template", lambda: Dialect.from_chat_template(template))
        return Dialect()

    def ends(self, dialect: Dialect) -> frozenset[int]:
        """The tokens that end a turn: as configured, and the dialect's own."""
        generation = _json(self.folder / "generation_config.json")
        ends = {*_listed(self.config.get("eos_token_id")), *_listed(generation.get("eos_token_id"))}
        closing = self.tokens.encode(dialect.turn_close.strip())
        return frozenset(ends | set(closing if len(closing) == 1 else ()))

    def _template(self) -> str:
        if (file := self.folder / "chat_template.jinja").is_file():
            return file.read_text(encoding="utf-8")
        template = _json(self.folder / "tokenizer_config.json").get("chat_template")
        return template if isinstance(template, str) else ""


def reading(where: str, what: str, read: Callable[[], _T]) -> _T:
    """Read a part of a checkpoint. Raises: NotAModel in place of whatever went wrong."""
    try:
        return read()
    except Exception as error:
        reason = " ".join(str(error).split())
        raise _not_a_model(where, f"is not readable: {what}: {reason[:300]}") from error


def _folder(where: str) -> Path:
    head, _, name = where.partition("/")
    folder = EMBEDDED / name if head == "embedded" and name else Path(where).expanduser()
    if not folder.is_dir():
        raise _not_a_model(where, "is no folder")
    return folder


def _json(file: Path) -> dict[str, object]:
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _not_a_model(where: str, problem: str) -> NotAModel:
    names = sorted(f"embedded/{file.parent.name}" for file in EMBEDDED.glob("*/model.safetensors"))
    hint = "name a checkpoint (config.json, tokenizer.json, *.safetensors)"
    return NotAModel(f"`{where}` {problem}", hint=hint + (f", or {' or '.join(names)}" if names else ""))


def _listed(ids: object) -> Iterable[int]:
    found: list[object] = list(ids) if isinstance(ids, list) else [ids]  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
    return [token for token in found if isinstance(token, int)]
