"""What the local engine is measured beside: transformers, a hand-written loop, and vLLM in a process of its own."""

import json
import os
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

Ids = list[list[int]]
_STILL = {"OMP_WAIT_POLICY": "PASSIVE", "VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
QUIET = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "TORCHDYNAMO_DISABLE": "1", "OMP_NUM_THREADS": "1", **_STILL}
WORKER = """
import json, sys, time
out, sys.stdout = sys.stdout, sys.stderr
from vllm import LLM, SamplingParams
models = {}
for line in sys.stdin:
    role, folder, prompts, tokens = json.loads(line)
    if role not in models:
        models[role] = LLM(model=folder, dtype="float32", enforce_eager=True, max_model_len=2048, block_size=32,
            kv_cache_memory_bytes=1 << 30, disable_log_stats=True, max_num_seqs=64, skip_tokenizer_init=True)
    wish = SamplingParams(temperature=0, max_tokens=tokens, min_tokens=tokens, ignore_eos=True, detokenize=False)
    begun = time.process_time()
    made = models[role].generate([{"prompt_token_ids": ids} for ids in prompts], wish, use_tqdm=False)
    print(sum(len(one.outputs[0].token_ids) for one in made), time.process_time() - begun, file=out, flush=True)
"""


def transformers(folder: Path) -> Callable[[Ids, int], None]:
    """`generate` as its users call it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers import AutoModelForCausalLM
        from transformers.utils import logging as theirs

        logging: Any = theirs
        logging.disable_progress_bar()
        model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        model.eval()

    def write(prompts: Ids, tokens: int) -> None:
        ids = torch.tensor(prompts)
        lengths = {"max_new_tokens": tokens, "min_new_tokens": tokens}
        model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, pad_token_id=0, **lengths)

    return write


class Static:
    """The ceiling: fused projections, keys and values in place, all rows alike, nothing but the loop."""

    def __init__(self, folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        self.heads, self.dim = config["num_attention_heads"], config["head_dim"]
        w = load_file(folder / "model.safetensors")
        self.embedding, self.norm = w["model.embed_tokens.weight"], w["model.norm.weight"]
        self.layers = []
        for i in range(config["num_hidden_layers"]):
            name = f"model.layers.{i}."
            qkv = torch.cat([w[f"{name}self_attn.{side}_proj.weight"] for side in "qkv"])
            gate_up = torch.cat([w[f"{name}mlp.{side}_proj.weight"] for side in ("gate", "up")])
            names = ["input_layernorm", "self_attn.q_norm", "self_attn.k_norm", "self_attn.o_proj"]
            names += ["post_attention_layernorm", "mlp.down_proj"]
            self.layers.append((qkv, gate_up, *(w[f"{name}{one}.weight"] for one in names)))
        turns = config["rope_parameters"]["rope_theta"] ** -(torch.arange(0, self.dim, 2).float() / self.dim)
        angles = torch.outer(torch.arange(2048).float(), turns).repeat(1, 2)
        self.cos, self.sin = angles.cos(), angles.sin()

    @torch.inference_mode()
    def __call__(self, prompts: Ids, tokens: int) -> None:
        """Write greedily behind prompts of one length."""
        count, width = len(prompts), len(prompts[0])
        kv = torch.zeros(len(self.layers), 2, count, self.heads, width + tokens, self.dim)
        last = self.forward(torch.tensor(prompts), kv, 0).argmax(-1, keepdim=True)
        for at in range(width, width + tokens - 1):
            last = self.forward(last, kv, at).argmax(-1, keepdim=True)

    def forward(self, ids: Tensor, kv: Tensor, at: int) -> Tensor:
        (count, width), end = ids.shape, at + ids.shape[1]
        x, half, wide = self.embedding[ids], self.dim // 2, self.heads * self.dim
        cos, sin = self.cos[at:end], self.sin[at:end]

        def turned(side: Tensor, norm: Tensor) -> Tensor:
            side = F.rms_norm(side.view(count, width, self.heads, self.dim), (self.dim,), norm, 1e-6).transpose(1, 2)
            return side * cos + torch.cat((-side[..., half:], side[..., :half]), -1) * sin

        for layer, (qkv, gate_up, before, q_norm, k_norm, out, between, down) in enumerate(self.layers):
            q, k, v = torch.split(F.linear(F.rms_norm(x, before.shape, before, 1e-6), qkv), wide, -1)
            kv[layer, 0, :, :, at:end] = turned(k, k_norm)
            kv[layer, 1, :, :, at:end] = v.view(count, width, self.heads, self.dim).transpose(1, 2)
            keys, values = kv[layer, :, :, :, :end]
            mixed = F.scaled_dot_product_attention(turned(q, q_norm), keys, values, is_causal=width > 1)
            x = x + F.linear(mixed.transpose(1, 2).reshape(count, width, wide), out)
            gate, up = F.linear(F.rms_norm(x, between.shape, between, 1e-6), gate_up).chunk(2, -1)
            x = x + F.linear(F.silu(gate) * up, down)
        return F.linear(F.rms_norm(x[:, -1], self.norm.shape, self.norm, 1e-6), self.embedding)


class Vllm:
    """vLLM behind another interpreter, which keeps its settings and its memory to itself."""

    def __init__(self, python: str, models: Path) -> None:
        self.models = models
        pipe = subprocess.PIPE
        command = [python, "-c", WORKER]
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env={**os.environ, **QUIET})

    def __call__(self, role: str, prompts: Ids, tokens: int) -> float:
        """Write; returns its CPU seconds. The time of asking and answering is some tenths of a millisecond."""
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps([role, str(self.models / role), prompts, tokens]), file=self._process.stdin, flush=True)
        written, seconds = self._process.stdout.readline().split()
        if int(written) != len(prompts) * tokens:
            raise RuntimeError(f"vLLM wrote {written} tokens of {len(prompts) * tokens}")
        return float(seconds)

    def close(self) -> None:
        """End its process."""
        self._process.communicate(timeout=60)
