"""The command itself: two processes, killed with SIGKILL and resumed, give the weights of a run that was left alone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from headgate.training.pretrain import STAGES, main, parser

SMALL = [
    "--eager",
    "--draft-tokens",
    "45000",
    "--save-every",
    "0",
    "--stage",
    "tokenizer",
    "--stage",
    "draft",
]


def start(out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "headgate.training.pretrain", "--out", str(out), *SMALL]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def finish(out: Path) -> dict[str, torch.Tensor]:
    process = start(out)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    weights: dict[str, torch.Tensor] = torch.load(out / "draft" / "checkpoint.pt", weights_only=True)["model"]
    return weights


def wait_for(file: Path) -> None:
    for _ in range(600):
        if file.exists():
            return
        time.sleep(0.1)
    raise TimeoutError(file)


@pytest.mark.timeout(180)
def test_a_run_killed_at_any_moment_resumes_to_the_same_weights(tmp_path: Path) -> None:
    killed = start(tmp_path / "killed")
    wait_for(tmp_path / "killed" / "draft" / "checkpoint.pt")
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    resumed, whole = finish(tmp_path / "killed"), finish(tmp_path / "whole")
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_help_names_every_stage_and_how_long_it_takes() -> None:
    text = parser().format_help()
    assert all(stage in text for stage in STAGES)
    assert "minutes" in text and "examples" in text


def test_an_unknown_stage_is_refused_with_the_names_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--stage", "pudding"])
    assert "tokenizer" in capsys.readouterr().err
