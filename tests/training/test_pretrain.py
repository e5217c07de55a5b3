"""The command itself: two processes, killed with SIGKILL and resumed, give the weights of a run that was left alone."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from headgate.training.pretrain import STAGES, main, parser

SMALL = ["--eager", "--draft-tokens", "30000", "--save-every", "0", "--stage", "draft"]


def start(out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "headgate.training.pretrain", "--out", str(out), *SMALL]
    with (out / "said.txt").open("w") as said:
        return subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True)


def finish(out: Path) -> dict[str, torch.Tensor]:
    assert start(out).wait(timeout=150) == 0, (out / "said.txt").read_text()
    weights: dict[str, torch.Tensor] = torch.load(out / "draft" / "checkpoint.pt", weights_only=True)["model"]
    return weights


def kill_once_saved(out: Path) -> None:
    """SIGKILL to both processes as soon as there is a checkpoint."""
    process = start(out)
    while not (out / "draft" / "checkpoint.pt").exists() and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.slow
def test_a_run_of_two_processes_killed_at_any_moment_resumes_to_the_same_weights(
    tmp_path: Path, tokenizer_folder: Path
) -> None:
    for name in ("killed", "whole"):
        shutil.copytree(tokenizer_folder, tmp_path / name / "tokenizer")
    kill_once_saved(tmp_path / "killed")
    half_way = torch.load(tmp_path / "killed" / "draft" / "checkpoint.pt", weights_only=True)["tokens"]
    resumed, whole = finish(tmp_path / "killed"), finish(tmp_path / "whole")
    assert half_way < 30_000
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_help_names_every_stage_and_how_long_it_takes() -> None:
    text = parser().format_help()
    assert all(stage in text for stage in STAGES)
    assert "minutes" in text and "examples" in text


def test_an_unknown_stage_is_refused_with_the_names_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--stage", "pudding"])
    assert "tokenizer" in capsys.readouterr().err
