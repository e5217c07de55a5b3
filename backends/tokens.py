"""A tokenizer as an engine needs it: ids both ways, a token's raw bytes, and the tokens that spell a text.

Where we differ from `decode`: text grows by bytes, so that a character split over tokens, or over two completions, is
never broken; and what users and tools wrote cannot spell a control token.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from tokenizers import Tokenizer

from .base import Context, Piece, Role
from .dialect import Dialect
from .spelling import learn


class Tokens:
    """The `tokenizer.json` of a byte-level model; `key` is a digest of its content, so that twins share ids."""

    def __init__(self, file: Path, vocabulary: int) -> None:
        content = file.read_bytes()
        self.key = hashlib.sha256(content).hexdigest()[:16]
        self._frames = _reader(content)
        self._words = _reader(content)
        self._words.encode_special_tokens = True
        self.bytes = _bytes_by_id(self._frames, vocabulary)
        learn(self.key, self.bytes.__getitem__)
        self._spelled: dict[bytes, list[int]] = {}
        for token, spelling in enumerate(self.bytes):
            self._spelled.setdefault(spelling, []).append(token)
        self.frame = lru_cache(maxsize=256)(self._frame)
        self.calm = lru_cache(maxsize=64)(self._calm)

    def prompt(self, dialect: Dialect, context: Context) -> list[int]:
        """The context's ids: frames from the dialect, pieces as they were sampled or first encoded."""
        ids: list[int] = []
        for part in dialect.render(context):
            ids.extend(self.frame(part) if isinstance(part, str) else self.piece(part))
        return ids

    def piece(self, piece: Piece) -> tuple[int, ...]:
        """A piece's ids; encoded here only if another model or a person wrote it."""
        return piece.encoded(self.key, lambda text: self.encode(text, piece.role))

    def encode(self, text: str, role: Role = "assistant") -> list[int]:
        """Ids of a text; only the assistant's may hold control tokens."""
        reader = self._frames if role == "assistant" else self._words
        return reader.encode(text, add_special_tokens=False).ids

    def spellings(self, text: str) -> list[int]:
        """The single tokens that say this text, with and without a leading space."""
        plain = text.encode()
        return [*self._spelled.get(plain, ()), *self._spelled.get(b" " + plain, ())] if text else []

    def unfinished(self, ids: Sequence[int]) -> bytes:
        """The bytes at the end of these ids that begin a character and do not complete it."""
        tail = b"".join(self.bytes[token] for token in ids[-3:])[-3:]
        for back in range(1, len(tail) + 1):
            lead = tail[-back]
            if lead >= 0xC0:
                return tail[-back:] if back < 2 + (lead >= 0xE0) + (lead >= 0xF0) else b""
            if lead < 0x80:
                return b""
        return b""

    def _calm(self, endings: tuple[bytes, ...], ends: frozenset[int]) -> bytes:
        """For each token 1 if it can neither complete one of these endings nor end a turn: most need no second look."""
        last = {ending[-1] for ending in endings}
        table = bytearray(last.isdisjoint(spelling) for spelling in self.bytes)
        for token in ends:
            if token < len(table):
                table[token] = 0
        return bytes(table)

    def _frame(self, text: str) -> tuple[int, ...]:
        return tuple(self.encode(text))


def _reader(content: bytes) -> Tokenizer:
    reader = Tokenizer.from_str(content.decode("utf-8"))
    reader.no_truncation()
    reader.no_padding()
    return reader


def _bytes_by_id(reader: Tokenizer, vocabulary: int) -> list[bytes]:
    added = {token: item.content for token, item in reader.get_added_tokens_decoder().items()}
    alphabet = _byte_alphabet()
    table = [b""] * max(vocabulary, reader.get_vocab_size(with_added_tokens=True))
    for text, token in reader.get_vocab(with_added_tokens=True).items():
        if token in added or any(sign not in alphabet for sign in text):
            table[token] = added.get(token, text).encode()
        else:
            table[token] = bytes(alphabet[sign] for sign in text)
    return table


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's printable stand-ins for bytes, which byte-level vocabularies are written in."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(b): b for b in printable} | {chr(256 + i): b for i, b in enumerate(others)}
