"""A model's folder: its configuration, weights, tokenizer and dialect, or a sentence about what is missing."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from ..dialect import Dialect
from ..errors import NotAModel
from .qwen3 import Qwen3, Qwen3Config
from .tokens import Tokens

EMBEDDED: Final = Path(__file__).parent / "embedded"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A folder that was found to hold a Qwen3 model in Hugging Face's form."""

    folder: Path
    config: Qwen3Config
    tokens: Tokens

    @classmethod
    def open(cls, where: str) -> "Checkpoint":
        """Raises: NotAModel, saying what is missing and what would have been right."""
        folder = _folder(where)
        for name in ("config.json", "tokenizer.json"):
            if not (folder / name).is_file():
                raise _not_a_model(where, f"has no {name}")
        if not any(folder.glob("*.safetensors")):
            raise _not_a_model(where, "has no .safetensors")
        config = _reading(where, "config.json", lambda: _qwen3(folder))
        tokens = _reading(where, "tokenizer.json", lambda: Tokens(folder / "tokenizer.json", config.vocab_size))
        return cls(folder, config, tokens)

    def model(self) -> Qwen3:
        """The weights. Raises: NotAModel if they do not fit the configuration."""
        return _reading(str(self.folder), "the weights", lambda: Qwen3.load(self.folder))

    def dialect(self) -> Dialect:
        """From `dialect.json`, or from the chat template, or the default."""
        where = str(self.folder)
        if (file := self.folder / "dialect.json").is_file():
            return _reading(where, file.name, lambda: Dialect.load(file))
        if template := self._template():
            return _reading(where, "the chat template", lambda: Dialect.from_chat_template(template))
        return Dialect()

    def ends(self, dialect: Dialect) -> frozenset[int]:
        """The tokens that end a turn: as configured, and the dialect's own."""
        ends = {*_listed(self.config.eos_token_id), *_listed(self._json("generation_config.json").get("eos_token_id"))}
        closing = self.tokens.encode(dialect.turn_close.strip())
        return frozenset(ends | set(closing if len(closing) == 1 else ()))

    def _template(self) -> str:
        if (file := self.folder / "chat_template.jinja").is_file():
            return file.read_text(encoding="utf-8")
        template = self._json("tokenizer_config.json").get("chat_template")
        return template if isinstance(template, str) else ""

    def _json(self, name: str) -> dict[str, object]:
        file = self.folder / name
        return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _folder(where: str) -> Path:
    head, _, name = where.partition("/")
    folder = EMBEDDED / name if head == "embedded" and name else Path(where).expanduser()
    if not folder.is_dir():
        raise _not_a_model(where, "is no folder")
    return folder


def _qwen3(folder: Path) -> Qwen3Config:
    raw = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if raw.get("model_type") != "qwen3":
        raise ValueError(f"model_type is {raw.get('model_type')!r}, not 'qwen3'")
    return Qwen3Config.load(folder)


def _reading(where: str, what: str, read: Callable[[], _T]) -> _T:
    try:
        return read()
    except Exception as error:
        reason = " ".join(str(error).split())
        raise _not_a_model(where, f"is not readable: {what}: {reason[:300]}") from error


def _not_a_model(where: str, problem: str) -> NotAModel:
    names = sorted(f"embedded/{file.parent.name}" for file in EMBEDDED.glob("*/model.safetensors"))
    hint = "name a Qwen3 checkpoint (config.json, tokenizer.json, *.safetensors)"
    return NotAModel(f"`{where}` {problem}", hint=hint + (f", or {' or '.join(names)}" if names else ""))


def _listed(ids: object) -> list[int]:
    found: list[object] = list(ids) if isinstance(ids, list) else [ids]  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
    return [token for token in found if isinstance(token, int)]
