"""`import headgate` and `headgate --help` stay light."""

import subprocess
import sys
import time

import pytest

import headgate

HEAVY = ("torch", "vllm", "transformers", "networkx", "pydantic")


def seconds(*command: str) -> float:
    """The best of five, since the machine is shared."""
    times: list[float] = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - began)
    return min(times)


def test_import_loads_nothing_heavy() -> None:
    code = f"import sys, headgate; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_the_sdk_loads_no_model_library() -> None:
    code = f"import sys; from headgate import Agent; print([name for name in {HEAVY[:3]} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_import_takes_less_than_a_third_of_a_second() -> None:
    assert seconds(sys.executable, "-c", "import headgate") < 0.3


def test_help_takes_less_than_seven_tenths_of_a_second() -> None:
    assert seconds(sys.executable, "-m", "headgate.orchestrator.cli", "--help") < 0.7


def test_every_public_name_can_be_loaded() -> None:
    assert all(getattr(headgate, name) is not None for name in headgate.__all__)
    assert sorted(headgate.__all__) == headgate.__all__


def test_a_name_that_is_none_is_told_with_those_that_are() -> None:
    with pytest.raises(AttributeError, match="headgate has no `Agnet`; it has Agent"):
        _ = headgate.Agnet
