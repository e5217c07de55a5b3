"""Starting vLLM: its environment, its arguments, and what it must not change in the process that it runs in."""

import importlib
import json
import os
import random
import sys
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

import torch

from ..checkpoint import Checkpoint
from ..errors import BackendError, EngineFailed, NotAModel, Refused
from .settings import Settings

Arguments = dict[str, object]
BLOCK: Final = (
    32  # tokens of a cache block on a CPU: the smallest that its attention takes; the rest of a prompt is reread
)
_CACHE_BYTES: Final = 256 << 20
_RANKS: Final = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # of LoRA adapters that vLLM makes room for
_ENVIRONMENT: Final = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # one process an engine: this one, or one child
    "VLLM_USE_V2_MODEL_RUNNER": "0",  # the runner that takes our logits processor
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "DO_NOT_TRACK": "1",
    "OMP_WAIT_POLICY": "PASSIVE",  # threads that wait busily make a shared machine thirty times slower
    "TORCH_CPP_LOG_LEVEL": "ERROR",
}


@cache
def load(*names: str) -> Any:
    """A name out of vLLM, `module:name`, with the environment that it needs set before it is first imported.

    What the user has set stays. Raises: ModuleNotFoundError.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():  # of its own imports
        warnings.simplefilter("ignore")
        if "vllm" not in sys.modules:
            platform = importlib.import_module("vllm.platforms").current_platform
            if platform.is_cpu():
                type(platform).simple_compile_backend = "eager"  # else the first scoring compiles for ten seconds
        found = [getattr(importlib.import_module(module), name) for module, name in (n.split(":") for n in names)]
    return found[0] if len(found) == 1 else tuple(found)


def on_cpu() -> bool:
    """Whether vLLM, as installed, computes on the CPU."""
    return bool(load("vllm.platforms:current_platform").is_cpu())


def arguments(checkpoint: Checkpoint, settings: Settings, dtype: str | None, runner: str = "generate") -> Arguments:
    """vLLM's engine arguments for a checkpoint; runner: as in the settings."""
    cpu = on_cpu()
    folder = str(checkpoint.folder)
    # ids and texts are ours; constraints alone ask vLLM what its tokens spell
    spells = runner == "generate" and (checkpoint.folder / "tokenizer_config.json").is_file()
    chosen: Arguments = {
        "model": folder,
        "dtype": dtype or ("float32" if cpu else "auto"),
        "max_num_seqs": settings.max_batch,
        "enforce_eager": cpu if settings.eager is None else settings.eager,
        "skip_tokenizer_init": not spells,
        "enable_prefix_caching": True,
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
        "async_scheduling": False,  # it would compute a token past the end of every text
        "generation_config": "vllm",
        "seed": 0,
        **_memory(settings, cpu),
    }
    if runner == "embed":
        chosen |= {"runner": "pooling", "convert": "embed"}
    if runner == "reward":  # every token's outputs: picking the steps' in the engine would cost it the prefix cache
        chosen |= {"runner": "pooling", "pooler_config": load("vllm.config:PoolerConfig")(tok_pooling_type="ALL")}
    if settings.max_context:
        chosen["max_model_len"] = settings.max_context
    if runner == "generate" and not settings.speculative:
        name = __name__.rpartition(".")[0] + ".plugin"
        chosen |= {"logits_processors": [f"{name}:Chooser"], "worker_extension_cls": f"{name}.Reports"}
    if settings.speculative:
        chosen["speculative_config"] = dict(settings.speculative)
    if settings.lora:
        chosen |= _adapted(Path(settings.lora).expanduser())
    return chosen | settings.more


def params(asks: dict[str, Any]) -> Any:
    """vLLM's own form of what is asked."""
    if "task" in asks:
        return load("vllm:PoolingParams")(**asks)
    Params, Kind = load("vllm:SamplingParams", "vllm.sampling_params:RequestOutputKind")
    if "structured_outputs" in asks:
        form = load("vllm.sampling_params:StructuredOutputsParams")(**asks["structured_outputs"])
        asks = asks | {"structured_outputs": form}
    return Params(**asks, detokenize=False, output_kind=Kind.DELTA, skip_clone=True)


def adapter(folder: str | None) -> Any:
    """A LoRA adapter as vLLM names it."""
    return load("vllm.lora.request:LoRARequest")("adapter", 1, folder) if folder else None


def refusal(error: Exception) -> BackendError:
    """What vLLM says of a request or a start, in our words."""
    if isinstance(error, BackendError):
        return error
    if isinstance(error, (ValueError, load("vllm.exceptions:VLLMClientError"))):
        made: BackendError = Refused(f"vLLM does not take this: {error}")
    else:
        made = EngineFailed(f"the vLLM engine failed: {error!r}", hint="the call may be made again")
    made.__cause__ = error
    return made


@contextmanager
def undisturbed() -> Generator[None]:
    """Start an engine here; what it sets for the whole process is set back: environment, random states, threads."""
    environment, python, threads = dict(os.environ), random.getstate(), torch.set_num_threads
    fork_rng = cast(Any, torch.random).fork_rng
    with fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            torch.set_num_threads = threads
            random.setstate(python)
            _restore(environment)


def _restore(environment: Mapping[str, str]) -> None:
    for name in set(os.environ) - set(environment):
        del os.environ[name]
    for name, value in environment.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def _adapted(folder: Path) -> Arguments:
    """Room for a LoRA adapter in peft's form. Raises: NotAModel."""
    try:
        rank = int(json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))["r"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        hint = "name a folder with adapter_config.json and adapter_model.safetensors, as peft writes them"
        raise NotAModel(f"`{folder}` holds no LoRA adapter: {error!r}", hint=hint) from error
    return {"enable_lora": True, "max_loras": 1, "max_lora_rank": next((r for r in _RANKS if r >= rank), rank)}


def _memory(settings: Settings, cpu: bool) -> Arguments:
    chosen: Arguments = {"block_size": BLOCK} if cpu else {}
    share = settings.memory or (_CACHE_BYTES if cpu else None)
    if share is None:
        return chosen
    how: Arguments = {"gpu_memory_utilization": share} if share <= 1 else {"kv_cache_memory_bytes": int(share)}
    return chosen | how
