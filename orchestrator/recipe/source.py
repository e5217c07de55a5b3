"""What a person wrote, in a file and in options, and where each value stands, so that an error can point there."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self, cast

from ..errors import RecipeError
from .yaml_reader import KeyPath, Mark, Places, read

LARGEST_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Nested plain values, with the place of each; `options` names the command-line option that set a value."""

    values: dict[str, object]
    file: str = ""
    places: Places = field(default_factory=Places)
    options: Mapping[KeyPath, str] = field(default_factory=dict[KeyPath, str])

    @classmethod
    def of_file(cls, path: Path) -> Self:
        """Read a YAML file. Raises: RecipeError."""
        return cls.of_text(read_text(path), str(path))

    @classmethod
    def of_text(cls, text: str, file: str) -> Self:
        """Read YAML; `file` is what errors call it. Raises: RecipeError."""
        values, places = read(text, file)
        if not isinstance(values, dict):
            hint = "write keys and values, such as `version: 1`"
            raise RecipeError(f"holds {said(values)}, not a mapping", file=file, line=1, column=1, hint=hint)
        return cls(values=cast(dict[str, object], values), file=file, places=places)

    def error(self, path: KeyPath, what: str, *, hint: str = "", key: bool = False) -> RecipeError:
        """An error at a value, at its key, or at the nearest one around it that was written."""
        for end in range(len(path), -1, -1):
            if option := self.options.get(path[:end]):
                return RecipeError(what, file=option, hint=hint)
            if mark := self._mark(path[:end], key=key or end < len(path)):
                return RecipeError(what, file=self.file, line=mark.line, column=mark.column, hint=hint)
            if option := next((o for p, o in self.options.items() if p[:end] == path[:end]), ""):
                return RecipeError(what, file=option, hint=hint)
        return RecipeError(what, file=self.file or None, hint=hint)

    def has(self, path: KeyPath) -> bool:
        """Whether something was written there."""
        return path in self.places.values or path in self.options

    def with_value(self, path: KeyPath, value: object, option: str) -> "Source":
        """The same with one value set by an option; missing mappings on the way are made. Raises: RecipeError."""
        values = deepcopy(self.values)
        inner: Any = values
        for depth, key in enumerate(path[:-1], start=1):
            inner = _inside(inner, key, path[:depth], option)
        inner[_key(inner, path[-1], path, option)] = value
        return replace(self, values=values, places=self._without(path), options={**self.options, path: option})

    def _mark(self, path: KeyPath, *, key: bool) -> Mark | None:
        first, second = (self.places.keys, self.places.values) if key else (self.places.values, self.places.keys)
        return first.get(path) or second.get(path)

    def _without(self, path: KeyPath) -> Places:
        keys = {p: mark for p, mark in self.places.keys.items() if p[: len(path)] != path}
        values = {p: mark for p, mark in self.places.values.items() if p[: len(path)] != path}
        return Places(keys, values)


def read_text(path: Path, *, largest_bytes: int = LARGEST_BYTES) -> str:
    """A UTF-8 text file, without its byte-order mark. Raises: RecipeError."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise RecipeError("there is no such file", file=path) from None
    except IsADirectoryError:
        raise RecipeError("is a folder, not a file", file=path) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RecipeError(f"cannot be read: {reason}", file=path) from None
    if len(data) > largest_bytes:
        raise RecipeError(f"has {len(data)} bytes, at most {largest_bytes} are read", file=path)
    return decode(data, path)


def decode(data: bytes, file: str | Path) -> str:
    """UTF-8 bytes as text. Raises: RecipeError at the first byte that is not."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8-sig", "replace")) + 1
        what = f"the byte 0x{data[error.start]:02x} is not UTF-8"
        at = 1 + before.count(b"\n")
        raise RecipeError(what, file=file, line=at, column=column, hint="save the file as UTF-8") from None


def said(value: object) -> str:
    """A value in few words, for an error."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a mapping"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:36]}...{text[-1]}"


def dotted(path: KeyPath) -> str:
    """A path of keys as a person writes it: `nodes.solve.with.threshold`."""
    return ".".join(str(part) for part in path)


def _inside(inner: Any, key: str | int, path: KeyPath, option: str) -> Any:
    """What stands under a key, a new mapping where nothing does."""
    at = _key(inner, key, path, option)
    if not _is_list(inner) and inner.get(at) is None:
        inner[at] = {}
    below = inner[at]
    if not isinstance(below, dict | list):
        raise RecipeError(f"`{dotted(path)}` is {said(below)}, with nothing inside", file=option)
    return cast(Any, below)


def _key(inner: Any, key: str | int, path: KeyPath, option: str) -> str | int:
    if not _is_list(inner):
        return key
    if not str(key).isdecimal() or int(key) >= len(inner):
        raise RecipeError(f"`{dotted(path)}`: the list has {len(inner)} entries, counted from 0", file=option)
    return int(key)


def _is_list(value: object) -> bool:
    return isinstance(value, list)
