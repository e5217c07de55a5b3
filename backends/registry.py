"""Which backends there are, and how one is opened: `local:embedded/draft` is a backend and where it looks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal

from ..budget.prices import Price, find, ours
from .base import Backend
from .dialect import Dialect
from .errors import BackendError, NotAModel

_HERE: Final = __name__.rpartition(".")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """A model as a recipe names it.

    backend: one of `names()`. model: where that backend finds it: a folder, a file, a name on a server. base_url,
    key_env: a server's address, and the environment variable that holds its key. dtype: of the weights. price: in
    place of the price table's row. dialect: a file in place of the model's own.
    """

    backend: str
    model: str
    base_url: str | None = None
    key_env: str | None = None
    dtype: str | None = None
    price: Price | None = None
    dialect: str | None = None

    def __str__(self) -> str:
        return f"{self.backend}:{self.model}"

    @property
    def cost(self) -> Price | None:
        """Its own price, or the price table's; None where nobody has written one.

        The tables of hosted models say nothing of what runs in this process or on a server of one's own.
        """
        look = ours if self.base_url or self.backend in ("local", "scripted") else find
        return self.price or look(self.model) or look(f"{self.backend}/{self.model}")


def names() -> tuple[str, ...]:
    """All backends."""
    return tuple(_OPEN)


def summary(backend: str) -> str:
    """What a backend is, in a line. Raises: KeyError."""
    return _OPEN[backend].summary


def options(backend: str) -> tuple[str, ...]:
    """What a recipe may say to a backend beside `backend`, `model` and `price`. Raises: KeyError."""
    return _OPEN[backend].options


def embedded() -> dict[str, Path]:
    """The models that ship with headgate, by the name that `local:` knows them under."""
    folder = Path(str(files(_HERE))) / "local" / "embedded"
    found = sorted(path.parent for path in folder.glob("*/config.json"))
    return {f"embedded/{path.name}": path for path in found}


def open_backend(spec: ModelSpec) -> Backend:
    """Load a model; the slow imports happen here. Raises: BackendError."""
    try:
        return _OPEN[spec.backend].load(spec)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith(_HERE.partition(".")[0]):
            raise
        hint = f"run `pip install headgate[{spec.backend}]`"
        raise BackendError(f"`{spec.backend}` needs {error.name}, which is not installed", hint=hint) from error


@dataclass(frozen=True, slots=True)
class _Way:
    load: Callable[[ModelSpec], Backend]
    summary: str
    options: tuple[str, ...] = ()


def _scripted(spec: ModelSpec) -> Backend:
    from .scripted import load

    return load(Path(spec.model))


def _local(spec: ModelSpec) -> Backend:
    from .local.backend import LocalBackend

    if spec.model.startswith("embedded/") and spec.model not in embedded():
        raise NotAModel(f"there is no `{spec.model}`", hint=f"there are {', '.join(embedded())}")
    dialect = _dialect(Path(spec.dialect)) if spec.dialect else None
    return LocalBackend(spec.model, dtype=_precision(spec.dtype), dialect=dialect)


def _precision(written: str | None) -> Literal["float32", "float64"]:
    if written in (None, "float32"):
        return "float32"
    if written == "float64":
        return "float64"
    raise NotAModel(f"`local` computes in no `{written}`", hint="write float32 or float64")


def _dialect(path: Path) -> Dialect:
    try:
        return Dialect.load(path)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise NotAModel(f"{path} is no dialect: {error}") from error


_OPEN: Final[Mapping[str, _Way]] = {
    "local": _Way(_local, "Qwen3 checkpoints in this process, on CPU or GPU: local:FOLDER.", ("dtype", "dialect")),
    "scripted": _Way(_scripted, "Models without weights, for tests and demonstrations: scripted:FILE.json."),
}
