"""The screens as text. `HEADGATE_SCREENS=write` writes them anew, to be read before they are kept."""

import os
from pathlib import Path

import pytest

from ..traces.conftest import kept_run
from .conftest import Open

KEPT = Path(__file__).parent / "screens"
SCREENS = {
    "problems": [],
    "problem": ["enter"],
    "rejected": ["n"],
    "bill": ["b"],
    "time": ["enter", "t"],
    "trouble": ["w"],
    "help": ["question_mark"],
}


def held(name: str, screen: str) -> None:
    file = KEPT / f"{name}.txt"
    if os.environ.get("HEADGATE_SCREENS") == "write":
        file.parent.mkdir(exist_ok=True)
        file.write_text(screen, encoding="utf-8")
    assert screen == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SCREENS)
async def test_a_screen_is_as_it_was(name: str, look: Open) -> None:
    async with look() as driver:
        held(name, await driver.press(*SCREENS[name]))


async def test_a_wide_screen_is_as_it_was(look: Open) -> None:
    async with look(size=(140, 24)) as driver:
        held("wide", await driver.press("n"))


async def test_two_runs_are_as_they_were(look: Open, tmp_path: Path) -> None:
    async with look(kept_run(tmp_path / "y", rewritten="Max:1512.\n\n")) as driver:
        held("compared", await driver.press("enter"))
