"""Debian's chromium with the page of a run in it: what a test sees is what a person's browser would show."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from headgate.orchestrator.html import page
from headgate.orchestrator.traces import RunTree

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIETLY = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
QUIETLY += ["--disable-component-update", "--disable-sync"]

Opened = Callable[..., Page]


# not of the session: while playwright is open it keeps an event loop in this thread, and no other test could run one
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip("there is no chromium here")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=QUIETLY)
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium: Browser, tmp_path: Path) -> Iterator[Opened]:
    """Opens the page of a tree, and at the end holds it to: no error, and nothing loaded from anywhere."""
    said: list[str] = []
    asked: list[str] = []
    context = chromium.new_context(viewport={"width": 1000, "height": 800})

    def open_(tree: RunTree, anchor: str = "", scheme: str = "light") -> Page:
        file = tmp_path / "x.html"
        file.write_text(page(tree, title="runs/x"), encoding="utf-8")
        tab = context.new_page()
        tab.set_default_timeout(20_000)
        tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(file.as_uri() + anchor)
        return tab

    yield open_
    context.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
