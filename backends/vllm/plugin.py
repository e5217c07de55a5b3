"""What vLLM loads of ours into its workers: the logits processor that chooses tokens, and how its report is fetched."""

import importlib
from collections.abc import Iterable
from typing import Any

from torch import Tensor

from .choosing import Choosing, take

_vllm: Any = importlib.import_module("vllm.v1.sample.logits_processor")
_Base: Any = _vllm.LogitsProcessor


class Chooser(_Base):  # type: ignore[misc]
    """vLLM's side of `Choosing`; it decides tokens, hence greedy ones too."""

    def __init__(self, config: Any, device: Any, is_pin_memory: bool) -> None:
        self.choosing = Choosing()

    def is_argmax_invariant(self) -> bool:
        return False

    def update_state(self, batch_update: Any) -> None:
        """Follow the batch: who left, who came, who moved."""
        if batch_update is None:
            return
        for index in batch_update.removed:
            self.choosing.remove(index)
        for index, params, prompt, written in batch_update.added:
            self.choosing.add(index, params.extra_args, len(prompt or ()), written)
        for source, target, how in batch_update.moved:
            self.choosing.move(source, target, swap=how.name == "SWAP")

    def apply(self, logits: Tensor) -> Tensor:
        return self.choosing.apply(logits)


class Reports:
    """Mixed into vLLM's workers, so that another process can ask for what was drawn."""

    def headgate_take(self, keys: Iterable[str]) -> dict[str, tuple[list[list[float]], list[float]]]:
        """What was drawn for these requests, in types that cross a process border."""
        told = {key: take(key) for key in keys}
        return {key: ([[*pick] for pick in picks], logprobs) for key, (picks, logprobs) in told.items()}
