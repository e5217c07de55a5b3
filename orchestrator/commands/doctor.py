"""What `headgate doctor` shows: a row for each backend as soon as it is known, and what to type for those that lack."""

import json as js
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ...backends import registry as backends
from ..doctor import EXTRAS, Finding, devices, examine, extras

_STYLES = {"works": "green", "ready": "green", "missing": "yellow", "fails": "bold red"}


def show(names: Sequence[str], console: Console) -> int:
    """Test the backends one after the other; the exit code is 4 where one that is installed fails."""
    console.print(Text.assemble(("this machine  ", "dim"), ", ".join(f"{k}: {v}" for k, v in devices().items())))
    found: list[Finding] = []
    with console.status("") as status:
        for name in names:
            status.update(f"testing {name}, some seconds")
            found.append(examine(name))
    console.print(_engines(found))
    if len(names) > 1:
        found += extras()
        console.print(_extras(found))
    for line in _advice(found):
        console.print(line, soft_wrap=True)
    return 4 if any(one.state == "fails" for one in found) else 0


def lines(names: Sequence[str]) -> Iterator[str]:
    """The same as JSON, one backend a line."""
    for name in names:
        yield js.dumps(asdict(examine(name)))


def _engines(found: Sequence[Finding]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("backend", "", "first token", "tokens/s", "16 at once", "memory", "versions"):
        table.add_column(title, justify="left" if title in ("backend", "", "versions") else "right")
    for one in found:
        table.add_row(one.name, Text(one.state, _STYLES[one.state]), *_figures(one), escape(_versions(one)))
    return table


def _figures(one: Finding) -> tuple[str, str, str, str]:
    if not one.figures:
        return "", "", "", ""
    seen = one.figures
    return (
        f"{seen['first_token_s']:.1f} s",
        f"{seen['tokens_per_second']:,}",
        f"{seen['tokens_per_second_together']:,}",
        f"{seen['memory_bytes'] / 2**20:,.0f} MiB",
    )


def _extras(found: Sequence[Finding]) -> Table:
    table = Table.grid(padding=(0, 2))
    for one in found:
        if one.name in EXTRAS:
            table.add_row(one.name, Text(one.state, _STYLES[one.state]), EXTRAS[one.name][1], escape(_versions(one)))
    return table


def _versions(one: Finding) -> str:
    return ", ".join(f"{package} {version}" for package, version in one.versions.items())


def _advice(found: Sequence[Finding]) -> Iterator[Text]:
    for one in found:
        if one.state == "missing":
            yield Text.assemble((f"to add {one.name}: ", "dim"), one.fix)
        elif one.state == "fails":
            yield Text.assemble((f"{one.name} fails: ", "bold red"), one.reason)
        elif one.name == "openai":
            yield Text("openai is a client: name a server by `base_url` in the recipe, and its key by `key_env`", "dim")


def names(asked: str) -> Sequence[str]:
    """The backends to look at: the one that was asked for, or all that a person may lack."""
    return [asked] if asked else [name for name in backends.names() if backends.needs(name)]
