"""YAML text to plain values, with the place of every key and value; nothing in a file can run code or blow up.

Source: YAML 1.2.2, section 10.3 (the core schema), so that `on`, `yes` and dates are text and 1e-3 is a number. Where
we differ: no tags, no merge keys, one document, keys are texts; aliases are expanded, but never into a circle, nor
beyond `MOST_VALUES` values or `DEEPEST` levels.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn, cast

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from ..errors import RecipeError

KeyPath = tuple[str | int, ...]
MOST_VALUES: Final = 20_000
DEEPEST: Final = 50
_INT: Final = re.compile(r"[-+]?[0-9]{1,400}")
_BASED: Final = re.compile(r"0o[0-7]{1,100}|0x[0-9a-fA-F]{1,100}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL: Final = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_PLAINER: Final = {
    "mapping values are not allowed here": "a `:` where none can stand; quote a text that holds `: `",
    "found character '\\t' that cannot start any token": "a tab; indent with spaces",
    "found unexpected end of stream": "a quote is never closed",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file, counted from 1."""

    line: int
    column: int


@dataclass(slots=True)
class Places:
    """Where each key and each value stands, by the path of keys that leads to it."""

    keys: dict[KeyPath, Mark] = field(default_factory=dict[KeyPath, Mark])
    values: dict[KeyPath, Mark] = field(default_factory=dict[KeyPath, Mark])


@dataclass(slots=True)
class _Node:
    """A value as written: a scalar, a list of nodes, or pairs of a key and a node."""

    mark: Mark
    value: object = None
    items: "list[_Node] | None" = None
    pairs: "list[tuple[str, Mark, _Node]] | None" = None
    open: bool = False  # its end has not been read: an alias of it now would be a circle


def read(text: str, file: str) -> tuple[object, Places]:
    """The one value of a text, and where its parts stand. Raises: RecipeError."""
    try:
        root = _Reader(file, yaml.parse(text, Loader=yaml.SafeLoader)).document()
    except yaml.YAMLError as error:
        raise _complaint(error, text, file) from None
    places = Places()
    return _Expansion(file, places).plain(root, (), 0), places


class _Reader:
    """Builds nodes from the parser's events."""

    def __init__(self, file: str, events: Iterator[Event]) -> None:
        self._file, self._events, self._anchors = file, events, dict[str, _Node]()

    def document(self) -> _Node:
        """The only document."""
        next(self._events)  # the stream's start
        if isinstance(next(self._events), StreamEndEvent):
            raise RecipeError("is empty", file=self._file)
        root = self._node(next(self._events), 0)
        next(self._events)  # the document's end
        if isinstance(more := next(self._events), DocumentStartEvent):
            self._fail(_mark(more), "a second document", "one file holds one")
        return root

    def _node(self, event: Event, depth: int) -> _Node:
        mark = _mark(event)
        if isinstance(event, AliasEvent):
            return self._alias(event, mark)
        if depth > DEEPEST:
            self._fail(mark, f"more than {DEEPEST} levels", "flatten it")
        if (tag := getattr(event, "tag", None)) is not None:
            self._fail(
                mark,
                f"the tag `{_short(tag)}`",
                "tags are not read; write the plain value, quoted if it is text",
            )
        node = _Node(mark, open=True)
        if isinstance(event, NodeEvent) and event.anchor:
            self._anchors[event.anchor] = node
        self._fill(node, event, depth)
        node.open = False
        return node

    def _fill(self, node: _Node, event: Event, depth: int) -> None:
        if isinstance(event, ScalarEvent):
            plain = event.style is None and event.implicit[0]
            node.value = _scalar(event.value) if plain else event.value
        elif isinstance(event, SequenceStartEvent):
            node.items = []
            while not isinstance(part := next(self._events), SequenceEndEvent):
                node.items.append(self._node(part, depth + 1))
        elif isinstance(event, MappingStartEvent):
            node.pairs = []
            while not isinstance(part := next(self._events), MappingEndEvent):
                key, mark = self._key(part, node.pairs)
                node.pairs.append((key, mark, self._node(next(self._events), depth + 1)))

    def _key(self, event: Event, pairs: "list[tuple[str, Mark, _Node]]") -> tuple[str, Mark]:
        node = self._node(event, 0) if isinstance(event, ScalarEvent) else _Node(_mark(event))
        if not isinstance(node.value, str):
            told = f"the key `{event.value}`" if isinstance(event, ScalarEvent) else "this key"
            self._fail(_mark(event), f"{told} is no text", "put it in quotes")
        if first := next((mark for key, mark, _ in pairs if key == node.value), None):
            self._fail(_mark(event), f"`{node.value}` stands twice", f"the first is in line {first.line}; keep one")
        return node.value, _mark(event)

    def _alias(self, event: AliasEvent, mark: Mark) -> _Node:
        node = self._anchors.get(event.anchor or "")
        if node is None:
            self._fail(mark, f"`*{event.anchor}` has no anchor", f"write `&{event.anchor}` before the value it repeats")
        if node.open:
            self._fail(mark, f"`*{event.anchor}` stands inside its own anchor", "an alias cannot hold itself")
        return node

    def _fail(self, mark: Mark, what: str, hint: str) -> NoReturn:
        raise RecipeError(what, file=self._file, line=mark.line, column=mark.column, hint=hint)


class _Expansion:
    """Turns nodes into plain values, aliases copied out, with a bound on how many that makes."""

    def __init__(self, file: str, places: Places) -> None:
        self._file, self._places, self._count = file, places, 0

    def plain(self, node: _Node, path: KeyPath, depth: int) -> object:
        """The value of a node that stands at a path."""
        self._count += 1
        if self._count > MOST_VALUES or depth > DEEPEST:
            what = f"its aliases expand to more than {MOST_VALUES} values or {DEEPEST} levels"
            raise RecipeError(what, file=self._file, line=node.mark.line, column=node.mark.column)
        self._places.values[path] = node.mark
        if node.items is not None:
            return [self.plain(item, (*path, index), depth + 1) for index, item in enumerate(node.items)]
        if node.pairs is not None:
            self._places.keys |= {(*path, key): mark for key, mark, _ in node.pairs}
            return {key: self.plain(value, (*path, key), depth + 1) for key, _, value in node.pairs}
        return node.value


def _scalar(text: str) -> object:
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _SPECIAL.fullmatch(text):
        return float(text.replace(".", "", 1))
    return text


def _mark(event: Event) -> Mark:
    start = cast(Any, event).start_mark
    return Mark(start.line + 1, start.column + 1)


def _short(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!", 1)


def _complaint(error: yaml.YAMLError, text: str, file: str) -> RecipeError:
    """The parser's error in our form."""
    if isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        what = f"the character U+{ord(text[error.position]):04X} cannot stand in YAML"
        return RecipeError(what, file=file, line=line, column=column, hint="remove it, or write it as an escape")
    marked = cast(Any, error)
    mark = getattr(marked, "problem_mark", None) or getattr(marked, "context_mark", None)
    problem = str(getattr(marked, "problem", None) or error)
    what = next((plain for found, plain in _PLAINER.items() if problem.startswith(found)), problem)
    began = getattr(marked, "context_mark", None)
    hint = f"{marked.context}, begun in line {began.line + 1}" if mark and began and began is not mark else ""
    if mark is None:
        return RecipeError(what, file=file)
    return RecipeError(what, file=file, line=mark.line + 1, column=mark.column + 1, hint=hint)
