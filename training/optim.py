"""Muon for the matrices, AdamW for the rest, both under one schedule.

Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks": momentum, then the nearest
half-orthogonal matrix by five Newton-Schulz steps. AdamW: Loshchilov and Hutter 2019, arXiv 1711.05101.
Where we differ: matrices of one shape go through Newton-Schulz as one batch, and the batch is shared out over the
processes.
"""

from collections import defaultdict
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn

STEPS, A, B, C = 5, 3.4445, -4.7750, 2.0315  # the quintic of the source


def orthogonalise(g: Tensor) -> Tensor:
    """Singular values to about one: g [n, rows, columns] -> the same shape; in bf16, as precise as it need be."""
    x = (g / (g.norm(dim=(-2, -1), keepdim=True) + 1e-7)).bfloat16()
    tall = x.size(-2) > x.size(-1)
    x = x.mT if tall else x
    for _ in range(STEPS):
        gram = x @ x.mT  # [n, small, small]
        x = A * x + (B * gram + C * gram @ gram) @ x
    wide: Tensor = x.mT if tall else x
    return wide.to(g.dtype)


class Muon:
    """Momentum and orthogonalised steps for matrices, stacked by shape."""

    def __init__(self, matrices: Iterable[nn.Parameter], rate: float, momentum: float = 0.95) -> None:
        self.rate, self.momentum = rate, momentum
        self.groups: dict[tuple[int, ...], list[nn.Parameter]] = defaultdict(list)
        for matrix in matrices:
            self.groups[tuple(matrix.shape)].append(matrix)
        self.moments = {shape: torch.zeros(len(group), *shape) for shape, group in self.groups.items()}

    @torch.no_grad()
    def step(self, scale: float) -> None:
        for shape, group in self.groups.items():
            gradient = torch.stack([torch.zeros(shape) if p.grad is None else p.grad for p in group])
            moment = self.moments[shape].lerp_(gradient, 1 - self.momentum)
            update = shared_out(gradient.lerp(moment, self.momentum))  # Nesterov
            rate = self.rate * scale
            update *= rate * max(1.0, shape[0] / shape[1]) ** 0.5
            for parameter, change in zip(group, update, strict=True):
                parameter.mul_(1 - 0.01 * rate).sub_(change)


def shared_out(update: Tensor) -> Tensor:
    """Each process orthogonalises its share and hands it round; all of it where the shares would be uneven."""
    world = dist.get_world_size() if dist.is_initialized() else 1
    if world == 1 or len(update) % world:
        return orthogonalise(update)
    own = orthogonalise(update.chunk(world)[dist.get_rank()]).contiguous()
    parts = [torch.empty_like(own) for _ in range(world)]
    dist.all_gather(parts, own)
    return torch.cat(parts)


class Optimizer:
    """Muon on the matrices of the layers, AdamW on the embedding and the norms."""

    def __init__(self, model: nn.Module, muon_rate: float, adam_rate: float) -> None:
        named = list(model.named_parameters())
        matrices = [p for name, p in named if p.ndim == 2 and "embed" not in name and "lm_head" not in name]
        chosen = {id(p) for p in matrices}
        self.rest = [p for _, p in named if id(p) not in chosen]
        self.muon = Muon(matrices, muon_rate)
        self.adam_rate = adam_rate
        self.adam = torch.optim.AdamW(self.rest, lr=adam_rate, betas=(0.9, 0.98), weight_decay=0.0)

    def step(self, scale: float) -> None:
        torch.nn.utils.clip_grad_norm_(self.rest, 1.0)
        for group in self.adam.param_groups:
            group["lr"] = self.adam_rate * scale
        self.muon.step(scale)
        self.adam.step()

    def state_dict(self) -> dict[str, object]:
        return {"moments": self.muon.moments, "adam": self.adam.state_dict()}

    def load_state_dict(self, state: dict[str, object]) -> None:
        self.muon.moments = state["moments"]  # type: ignore[assignment]
        self.adam.load_state_dict(state["adam"])  # type: ignore[arg-type]


def schedule(fraction: float, step: int, *, constant: float, floor: float, warmup: int = 30) -> float:
    """Full rate up to the fraction `constant`, then straight down to `floor`; the first steps warm up."""
    down = 1.0 - max(0.0, fraction - constant) / (1.0 - constant) * (1.0 - floor)
    return min(1.0, (step + 1) / warmup) * max(floor, down)
