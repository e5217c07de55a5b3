"""A folder to run the command line in, with a recipe, two models and problems."""

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from headgate.orchestrator.cli import app

SUM, DOUBLE = "What is 2+3?", "What is 4+4?"
SOLUTIONS = {SUM: [["Two plus three.", "2+3=5."], "5"], DOUBLE: [["4+4=8."], "8"]}


def furnish() -> None:
    """Put everything into the current folder."""
    for name, skill in (("draft", 0.5), ("target", 1.0)):
        model = {"form": "skill", "skill": skill, "solutions": SOLUTIONS}
        Path(f"{name}.json").write_text(json.dumps(model), encoding="utf-8")
    models = "models: {draft: scripted:draft.json, target: scripted:target.json}"
    Path("r.yaml").write_text(f"version: 1\n{models}\nnodes:\n  solve: {{use: spec_reason}}\n", encoding="utf-8")
    problems = [{"question": SUM, "answer": "5", "id": "a"}, {"question": DOUBLE, "answer": "7", "id": "b"}]
    Path("p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in problems), encoding="utf-8")


def headgate(*words: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, list(words), input=stdin)


def rows(file: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines()]
