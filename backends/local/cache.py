"""Keys and values kept between calls: a tree of token runs that finds the longest held prefix of a prompt.

Source: Zheng et al. 2024, "SGLang", arXiv 2312.07104, section 3 (RadixAttention: prefixes in a radix tree, least
recently used leaves go first). Where we differ: a node owns its tensor, and what is in use was copied out into a row of
the batch, so that forks and rollbacks need no call, nothing has to be pinned, and eviction can never hurt a reader.
"""

from collections.abc import Iterator

from torch import Tensor, contiguous_format


class Node:
    """A run of tokens that begins at `start`, its keys and values [layers, 2, kv_heads, n, hd], and what follows it."""

    __slots__ = ("children", "ids", "kv", "parent", "start", "used")

    def __init__(self, ids: list[int], kv: Tensor, start: int, parent: "Node | None") -> None:
        self.ids, self.kv, self.start, self.parent = ids, kv, start, parent
        self.children: dict[int, Node] = {}
        self.used = 0


class PrefixCache:
    """At most `capacity` tokens; the least recently used runs go first, the ends of a branch before its trunk."""

    def __init__(self, capacity: int) -> None:
        self.capacity, self.size = capacity, 0
        self._clock = 0
        self._roots: dict[int, Node] = {}

    def find(self, ids: list[int]) -> tuple[int, list[Tensor]]:
        """The length of the longest held prefix, and its keys and values, part by part."""
        parts: list[Tensor] = []
        held = 0
        for node, common in self._path(ids):
            parts.append(node.kv[:, :, :, :common])
            held = node.start + common
        return held, parts

    def insert(self, ids: list[int], kv: Tensor) -> None:
        """Hold these tokens; kv [layers, 2, kv_heads, S >= len(ids), hd] is copied from where it is not held yet."""
        node, common = None, 0
        for node, common in self._path(ids):  # noqa: B007, the last one is meant
            pass
        held = node.start + common if node else 0
        if held < len(ids):
            parent = self._split(node, common) if node and common < len(node.ids) else node
            self._grow(parent, ids[held:], _copy(kv[:, :, :, held : len(ids)]), held)
        if self.size > self.capacity:
            self._evict(self.capacity * 9 // 10)

    def clear(self) -> None:
        """Forget everything, and free it now: parents and children hold each other."""
        for node in list(self._nodes()):
            node.parent = None
        self._roots, self.size = {}, 0

    def _path(self, ids: list[int]) -> Iterator[tuple[Node, int]]:
        """The nodes along these ids, each with the number of its tokens that agree (at least 1)."""
        self._clock += 1
        children, at = self._roots, 0
        while at < len(ids) and (node := children.get(ids[at])) is not None:
            common = _common(node.ids, ids[at : at + len(node.ids)])
            node.used = self._clock
            yield node, common
            if common < len(node.ids):
                return
            children, at = node.children, at + common

    def _split(self, node: Node, common: int) -> Node:
        """Cut a node in two; both parts are copied, so that evicting one frees its memory."""
        upper = Node(node.ids[:common], _copy(node.kv[:, :, :, :common]), node.start, node.parent)
        upper.used = node.used
        node.used -= 1  # only the upper part is wanted now
        self._siblings(node.parent)[upper.ids[0]] = upper
        node.ids, node.kv = node.ids[common:], _copy(node.kv[:, :, :, common:])
        node.start, node.parent = node.start + common, upper
        upper.children[node.ids[0]] = node
        return upper

    def _grow(self, parent: Node | None, ids: list[int], kv: Tensor, start: int) -> None:
        node = Node(ids, kv, start, parent)
        node.used = self._clock
        self._siblings(parent)[ids[0]] = node
        self.size += len(ids)

    def _siblings(self, parent: Node | None) -> dict[int, Node]:
        return self._roots if parent is None else parent.children

    def _evict(self, target: int) -> None:
        # a node is never older than its children, so oldest first and deepest first empties branches from their ends
        for node in sorted(self._nodes(), key=lambda node: (node.used, -node.start)):
            if self.size <= target:
                return
            del self._siblings(node.parent)[node.ids[0]]
            self.size -= len(node.ids)

    def _nodes(self) -> Iterator[Node]:
        stack = list(self._roots.values())
        while stack:
            node = stack.pop()
            yield node
            stack.extend(node.children.values())


def _copy(kv: Tensor) -> Tensor:
    return kv.clone(memory_format=contiguous_format)


def _common(left: list[int], right: list[int]) -> int:
    if left == right:
        return len(left)
    pairs = enumerate(zip(left, right, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(left), len(right)))
