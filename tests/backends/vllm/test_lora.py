"""A LoRA adapter that vLLM is told of changes the model as merging it into the weights does."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from headgate.backends.base import Context, Sampling
from headgate.backends.checkpoint import EMBEDDED
from headgate.backends.errors import NotAModel
from headgate.backends.local.backend import LocalBackend
from headgate.backends.vllm.backend import VllmBackend
from headgate.backends.vllm.settings import Settings

from .agreement import CLOSE, agree, write

WISHES = Sampling(max_tokens=24, entropies=True)
ALPHA, RANK = 12, 20  # a rank that vLLM makes room for only if it is told
TOUCHED = ("self_attn.q_proj", "self_attn.v_proj", "mlp.down_proj")
ASK = [Context.ask(f"Tom has {n} apples. Mia has 5 more than Tom. How many does Mia have?") for n in (4, 17, 30)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An adapter for the draft as peft writes one, and the draft with the same adapter merged into its weights."""
    adapter, merged = (tmp_path_factory.mktemp(name) for name in ("adapter", "merged"))
    shutil.copytree(EMBEDDED / "draft", merged, dirs_exist_ok=True)
    weights, told = load_file(merged / "model.safetensors"), dict[str, Tensor]()
    chance = torch.Generator().manual_seed(4)
    for name in [name for name in weights if name.removesuffix(".weight").endswith(TOUCHED)]:
        rows, columns = weights[name].shape
        down = 0.2 * torch.randn(RANK, columns, generator=chance)
        up = 0.2 * torch.randn(rows, RANK, generator=chance)
        stem = f"base_model.model.{name.removesuffix('.weight')}"
        told |= {f"{stem}.lora_A.weight": down, f"{stem}.lora_B.weight": up}
        weights[name] = weights[name] + ALPHA / RANK * up @ down
    save_file(weights, merged / "model.safetensors")
    save_file(told, adapter / "adapter_model.safetensors")
    modules = [name.rpartition(".")[2] for name in TOUCHED]
    form = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "target_modules": modules, "task_type": "CAUSAL_LM"}
    (adapter / "adapter_config.json").write_text(json.dumps(form | {"bias": "none"}))
    return adapter, merged


@pytest.fixture(scope="module")
def adapted(folders: tuple[Path, Path]) -> Iterator[VllmBackend]:
    settings = Settings(form="in_process", memory=64 << 20, lora=str(folders[0]))
    made = VllmBackend("embedded/draft", settings=settings)
    yield made
    asyncio.run(made.close())


def test_an_adapter_changes_the_model_as_its_merged_weights_do(
    adapted: VllmBackend, local: LocalBackend, folders: tuple[Path, Path]
) -> None:
    merged = LocalBackend(str(folders[1]))
    for context in ASK:
        mine, theirs, plain = (write(one, context, WISHES) for one in (adapted, merged, local))
        assert agree(mine, theirs)
        assert mine.logprobs != pytest.approx(plain.logprobs, abs=0.01)
        piece = theirs.piece("think", "")
        said, meant = (asyncio.run(one.score(context, piece)) for one in (adapted, merged))
        assert said.logprobs == pytest.approx(meant.logprobs, abs=CLOSE)
    asyncio.run(merged.close())


def test_a_folder_that_holds_no_adapter_is_refused_when_the_model_is_opened(tmp_path: Path) -> None:
    with pytest.raises(NotAModel, match=r"holds no LoRA adapter.*adapter_config\.json and adapter_model\.safetensors"):
        VllmBackend("embedded/draft", settings=Settings(form="in_process", lora=str(tmp_path)))
