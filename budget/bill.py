"""What was spent, by who spent it and on what: entries that are cheap to add and become sums when they are read."""

from dataclasses import fields
from operator import attrgetter
from typing import Any, Final

from .cost import Cost

Key = tuple[str, str]  # role, purpose
Numbers = tuple[float, ...]
Entry = tuple[Key, Cost, Numbers]

_NAMES: Final = tuple(item.name for item in fields(Cost) if item.name != "tool_calls")
_WHOLE: Final = tuple(index for index, name in enumerate(_NAMES) if name != "seconds")
_numbers: Final = attrgetter(*_NAMES)
_ZERO: Final[Numbers] = (0,) * len(_NAMES)
_MOST: Final = 1024  # entries that wait to be added


class Bill:
    """The sums of one scope and all below it. Whoever calls holds the lock of the tree."""

    __slots__ = ("_open", "_sums", "_tools")

    def __init__(self) -> None:
        self._open: list[Entry] = []
        self._sums: dict[Key, Numbers] = {}
        self._tools: dict[Key, dict[str, int]] = {}

    def put(self, entry: Entry) -> None:
        """Add what was spent, or take it off."""
        self._open.append(entry)
        if len(self._open) > _MOST:
            self._add()

    def costs(self) -> dict[Key, Cost]:
        """What each role spent on each purpose, in order of first use, without what came to nothing."""
        if len(self._open) == 1 and not self._sums:  # a node with one call, as most are
            key, cost, numbers = self._open[0]
            return {key: cost} if cost.calls or cost.tool_calls or _any(numbers) else {}
        self._add()
        return {key: self._cost(key) for key in self._sums if self._any(key)}

    def _add(self) -> None:
        columns: dict[Key, list[Numbers]] = {}
        for key, cost, numbers in self._open:
            columns.setdefault(key, []).append(numbers)
            for name, count in cost.tool_calls.items() if cost.tool_calls else ():
                sums = self._tools.setdefault(key, {})
                sums[name] = sums.get(name, 0) + count
        for key, many in columns.items():
            self._sums[key] = tuple(map(sum, zip(self._sums.get(key, _ZERO), *many, strict=True)))
        self._open.clear()

    def _any(self, key: Key) -> bool:
        return _any(self._sums[key]) or any(self._tools.get(key, {}).values())

    def _cost(self, key: Key) -> Cost:
        values: dict[str, Any] = dict(zip(_NAMES, self._sums[key], strict=True))
        return Cost(**values, tool_calls={name: n for name, n in self._tools.get(key, {}).items() if n})


def entry(role: str, purpose: str, cost: Cost) -> Entry:
    """What goes on a bill, made once for all bills that it goes on."""
    return (role, purpose), cost, _numbers(cost)


def _any(numbers: Numbers) -> bool:
    return any(numbers[index] for index in _WHOLE)
