"""A trained model as a folder that `transformers` loads as it is: weights, shapes, tokenizer, chat template."""

import json
import shutil
from pathlib import Path

import torch

from ..backends.local.qwen3 import Qwen3
from .sizes import OF, Role
from .tokenizer import Encoder, export


def publish(model: Qwen3, encoder: Encoder, folder: Path) -> None:
    """Write aside, then move in file by file: no reader meets half a file, and what else lies in the folder stays."""
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder.with_name(folder.name + ".part")
    shutil.rmtree(aside, ignore_errors=True)
    model.save(aside)
    export(encoder.tokenizer, aside)
    (aside / "generation_config.json").write_text(generation(model))
    for file in sorted(aside.iterdir()):
        file.chmod(0o644)
        file.replace(folder / file.name)
    aside.rmdir()


def generation(model: Qwen3) -> str:
    ends = {"eos_token_id": model.config.eos_token_id, "pad_token_id": model.config.pad_token_id}
    return json.dumps({"_from_model_config": True, **ends}, indent=2, sort_keys=True) + "\n"


def finished(out: Path, role: Role) -> Qwen3:
    """The trained model of a role, from its last checkpoint."""
    model = Qwen3(OF[role])
    state = torch.load(out / role / "checkpoint.pt", weights_only=True)
    model.load_state_dict(state["model"])
    return model.eval()
