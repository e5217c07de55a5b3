"""A viewer on the story of the traces' tests, driven by keys, and its screen as text."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from headgate.orchestrator.traces import Source
from headgate.orchestrator.viewer.app import Viewer

from ..traces.conftest import kept_run


class Driver:
    """Presses keys, and reads the screen."""

    def __init__(self, app: Viewer, pilot: Pilot[None]) -> None:
        self.app, self.pilot = app, pilot

    async def press(self, *keys: str) -> str:
        for key in keys:
            await self.pilot.press(key)
            await self.pilot.pause()
        return self.screen()

    def screen(self) -> str:
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips) + "\n"

    def cursor(self) -> str:
        """The line that the cursor stands on."""
        return next((line for line in self.screen().split("\n") if line.startswith(">")), "")


Open = Callable[..., AbstractAsyncContextManager[Driver]]


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    return kept_run(tmp_path / "x")


@pytest.fixture
def look(run_folder: Path) -> Open:
    @asynccontextmanager
    async def look(
        *others: Path, size: tuple[int, int] = (80, 24), read: bool = True, **how: object
    ) -> AsyncIterator[Driver]:
        sources = [Source(folder / "journal.jsonl") for folder in (run_folder, *others)]
        for source in sources:
            source.read(None if read else 5)
        app = Viewer(sources, utf8=True, **how)  # type: ignore[arg-type]
        async with app.run_test(size=size, notifications=True) as pilot:
            await pilot.pause()
            yield Driver(app, pilot)

    return look
