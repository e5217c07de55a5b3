"""One file with everything in it: template, style, script and data, under a policy that lets nothing else run or load.

The data is inert JSON, the script makes text nodes of it, and the policy names script and style by their digests:
what a model or a tool wrote is shown and can never run.
"""

import hashlib
from base64 import b64encode
from html import escape
from pathlib import Path
from string import Template
from typing import Final

from ..console.ink import harmless
from ..run_folder import RunFolder
from ..traces import RunTree, load
from .data import Data
from .inert import inert

_ASSETS: Final = Path(__file__).parent / "assets"
_SCRIPTS: Final = ("text", "plots", "tables", "steps", "tree", "filter", "main")  # in the order in which they run


def page(tree: RunTree, *, title: str, problem: str = "") -> str:
    """A run, or one problem of it, as HTML. Raises: RecipeError for a problem that is not there."""
    data = Data(tree).run(title, problem)
    style, script = _asset("page.css"), "".join(_asset(f"{name}.js") for name in _SCRIPTS)
    return Template(_asset("page.html")).substitute(
        title=escape(harmless(title)),
        policy=_policy(style, script),
        style=style,
        script=script,
        data=inert(data),
    )


def write(path: Path, to: Path, *, problem: str = "") -> None:
    """The page of the run in a folder, as a file. Raises: RecipeError, JournalError, OSError."""
    folder = RunFolder.existing(path)
    made = page(load(folder.journal_file), title=str(path), problem=problem)
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(made, encoding="utf-8", newline="\n")


def _policy(style: str, script: str) -> str:
    allowed = {"default-src": "'none'", "script-src": _digest(script), "style-src": _digest(style), "img-src": "data:"}
    allowed |= {"base-uri": "'none'", "form-action": "'none'", "require-trusted-types-for": "'script'"}
    return "; ".join(f"{name} {value}" for name, value in allowed.items())


def _digest(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")
