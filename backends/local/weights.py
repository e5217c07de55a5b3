"""A checkpoint's tensors by name, each read when it is asked for and held to the shape that its configuration says."""

from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor


class Weights:
    """All `.safetensors` of a folder; `taken` counts the parameters read so far."""

    def __init__(self, folder: Path, head_dim: int, device: torch.device, dtype: torch.dtype) -> None:
        self._head_dim, self._device, self._dtype = head_dim, device, dtype
        self._files: list[Any] = [safe_open(file, "pt") for file in sorted(folder.glob("*.safetensors"))]
        self._home: dict[str, Any] = {name: file for file in self._files for name in file.keys()}  # noqa: SIM118, it is no dict
        self.taken = 0

    def take(self, name: str, *shape: int) -> Tensor:
        """A tensor in the wide precision that it is prepared in. Raises: ValueError."""
        if (file := self._home.pop(name, None)) is None:
            raise ValueError(f"there is no {name}")
        tensor: Tensor = file.get_tensor(name)
        if tuple(tensor.shape) != shape:
            raise ValueError(f"{name} is {tuple(tensor.shape)}, its configuration says {shape}")
        self.taken += tensor.numel()
        return tensor.to(self._device, self._dtype)

    def maybe(self, name: str) -> Tensor | None:
        """A tensor of any shape, if there is one of this name."""
        if (file := self._home.pop(name, None)) is None:
            return None
        tensor: Tensor = file.get_tensor(name)
        self.taken += tensor.numel()
        return tensor.to(self._device, self._dtype)

    def turned(self, name: str, *shape: int) -> Tensor:
        """The same for queries and keys, the two numbers of each rotary pair side by side."""
        whole = self.take(name, *shape)
        halves = whole.view(-1, 2, self._head_dim // 2, *shape[1:])
        return halves.transpose(1, 2).reshape(shape)

    def done(self) -> None:
        """Nothing more is asked for. Raises: ValueError if that leaves a tensor that a forward would have needed."""
        if left := [name for name in self._home if not name.endswith(("inv_freq", "lm_head.weight"))]:
            raise ValueError(f"nothing computes with {left[0]}" + (f" and {len(left) - 1} more" if left[1:] else ""))
