"""Makes the pictures of the viewer in `docs/pictures/`: a run of the shipped models, and keys pressed on it.

python -m headgate.benchmarks.pictures [--seed 5] [--folder docs/pictures]
"""

import argparse
import asyncio
import re
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

from ..orchestrator.agent import Agent
from ..orchestrator.recipe import load
from ..orchestrator.run_folder import RunFolder
from ..orchestrator.traces import Source
from ..orchestrator.viewer.app import Viewer
from ..tasks import registry

FOLDER: Final = Path(__file__).parent.parent / "docs" / "pictures"
PROBLEMS: Final = 8
RECIPE: Final = {
    "version": 1,
    "models": {"draft": "local:embedded/draft", "target": "local:embedded/target"},
    "budget": {"each": {"tokens": 1500}},
    "nodes": {
        "quick": {"use": "direct", "roles": {"model": "draft"}, "with": {"temperature": 0, "step_tokens": 64}},
        "vote": {"use": "self_consistency", "roles": {"model": "draft"}, "with": {"n": 4}},
        "careful": {
            "use": "spec_reason",
            "needs": ["quick"],
            "with": {"threshold": 7, "temperature": 0, "step_tokens": 64, "think_tokens": 512, "answer_tokens": 32},
        },
    },
    "output": ["careful", "vote", "quick"],
}


class Picture(NamedTuple):
    """A screen: the keys that lead to it, its size in cells, its theme."""

    name: str
    keys: tuple[str, ...]
    size: tuple[int, int]
    theme: str


PICTURES: Final = (
    Picture("step", ("n",), (100, 30), "textual-dark"),
    Picture("time", ("enter", "t", *["down"] * 6), (100, 22), "textual-light"),
)


async def solved(folder: Path, seed: int) -> None:
    """A run of a few word problems."""
    problems = registry.sample("word_problems", PROBLEMS, seed)
    async with Agent(load(RECIPE), seed=seed, folder=RunFolder.new(folder, problems=problems)) as agent:
        async for _ in agent.solve_all(problems, parallel=2):
            pass


async def drawn(journal: Path, picture: Picture) -> str:
    """A screen as SVG that asks the network for nothing."""
    source = Source(journal)
    source.read()
    app = Viewer([source], utf8=True)
    async with app.run_test(size=picture.size) as pilot:
        app.theme = picture.theme
        for key in picture.keys:
            await pilot.press(key)
            await pilot.pause()
        svg = app.export_screenshot(title="headgate trace runs/x")
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.S)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        run = Path(name) / "x"
        asyncio.run(solved(run, options.seed))
        for picture in PICTURES:
            file = options.folder / f"{picture.name}.svg"
            file.write_text(asyncio.run(drawn(run / "journal.jsonl", picture)), encoding="utf-8")
            print(f"{file}: {file.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
