"""What the command line is given, a question, a file or a folder, checked before anything is spent."""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from ...budget.errors import meant
from ...tasks import jsonl
from ...tasks import registry as tasks
from ...verifiers import registry as verifiers
from ...verifiers.base import Problem
from ..errors import RecipeError
from ..recipe import Recipe
from ..recipe.source import decode
from ..solver import place
from .terminal import on_a_terminal


def check_one_source(question: str | None, input_: Path | None) -> None:
    """Either a question or a file. Raises: RecipeError."""
    if (question is None) == (input_ is None):
        given = "both a question and --input" if input_ else "neither a question nor --input"
        raise RecipeError(f"there is {given}", hint='write one of "QUESTION", - (from stdin) or --input FILE')


def watched(asked: bool, json: bool) -> bool:
    """Whether the viewer gets the terminal; where there is none, nobody watches. Raises: RecipeError."""
    if asked and json:
        raise RecipeError("`--watch` has the terminal for itself", hint="leave --json out; the run's folder has it all")
    return asked and on_a_terminal()


def question(written: str) -> str:
    """The question, from stdin for `-`. Raises: RecipeError when it is empty."""
    text = decode(sys.stdin.buffer.read(), "stdin") if written == "-" else written
    if not text.strip():
        raise RecipeError("the question is empty", hint="write what is to be solved")
    return text.strip()


def problems(path: Path, keep_going: bool, complain: Callable[[str], None]) -> tuple[list[Problem], int]:
    """The problems of a file and how many lines were bad; `-` is stdin.

    Raises: BadLine, RecipeError where the package that judges them is missing.
    """
    bad: list[jsonl.BadLine] = []

    def told(error: jsonl.BadLine) -> None:
        complain(str(error))
        bad.append(error)

    on_error = told if keep_going else None
    stdin = str(path) == "-"
    found = jsonl.parse(sys.stdin.buffer.read(), "stdin", on_error) if stdin else jsonl.load(path, on_error)
    if what := next((what for problem in found if (what := verifiers.missing(problem))), ""):
        raise RecipeError(what, file=path)
    return found, len(bad)


def asked(written: str) -> Problem:
    """A question as a problem that is called after its text. Raises: RecipeError when it is empty."""
    problem = Problem(text=question(written))
    return replace(problem, id=place(problem))


def new_folder(name: str) -> Path:
    """`runs/TIME-NAME` that does not exist."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    paths = (Path("runs") / f"{stamp}-{name}{suffix}" for suffix in ("", *(f"-{n}" for n in range(2, 1000))))
    return next(path for path in paths if not path.exists())


def known_model(recipe: Recipe, model: str) -> str:
    """The model to compare with. Raises: RecipeError."""
    if model and model not in recipe.models:
        raise RecipeError(f"there is no model `{model}`", file="--compare", hint=meant(model, recipe.models))
    return model


def sample_lines(name: str, n: int, seed: int, difficulty: int | None) -> Iterator[str]:
    """Problems of a task as JSONL. Raises: TaskError, BadLine."""
    return map(jsonl.line, tasks.sample(name, n, seed, difficulty=difficulty))
