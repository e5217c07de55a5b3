"""Which backends there are, and how one is opened: `local:embedded/draft` is a backend and where it looks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from ..budget.prices import Price, find, ours
from .base import Backend
from .dialect import Dialect
from .errors import BackendError, NotAModel

_HERE: Final = __name__.rpartition(".")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """A model as a recipe names it.

    backend: one of `names()`. model: where that backend finds it: a folder, a file, a name on a server. base_url,
    key_env: addresses of servers that have it, and the environment variable that holds their key. dtype: of the
    weights. price: in place of the price table's row. dialect: a file in place of the model's own. engine: what else
    that backend can be told, the fields of `settings(backend)`.
    """

    backend: str
    model: str
    base_url: tuple[str, ...] = ()
    key_env: str | None = None
    dtype: str | None = None
    price: Price | None = None
    dialect: str | None = None
    engine: Mapping[str, object] = field(default_factory=dict[str, object], hash=False)

    def __str__(self) -> str:
        return f"{self.backend}:{self.model}"

    @property
    def cost(self) -> Price | None:
        """Its own price, or the price table's; None where nobody has written one.

        The tables of hosted models say nothing of what runs in this process or on a server of one's own.
        """
        look = ours if self.base_url or self.backend in ("local", "vllm", "scripted") else find
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


def needs(backend: str) -> tuple[str, ...]:
    """The packages that it needs beyond headgate's own. Raises: KeyError."""
    return _OPEN[backend].needs


def has_weights(backend: str) -> bool:
    """Whether it loads weights itself, so that it can be tried on the models that ship. Raises: KeyError."""
    return "dtype" in options(backend)


def settings(backend: str) -> type[BaseModel] | None:
    """The form of a backend's `engine:`; None for one that has nothing to be told. Raises: KeyError."""
    home = _OPEN[backend].settings
    return import_module(home, _HERE).Settings if home else None


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
    settings: str = ""  # the module, from here, that holds the form of its `engine:`
    needs: tuple[str, ...] = ()  # packages beyond headgate's own


def _scripted(spec: ModelSpec) -> Backend:
    from .scripted import load

    return load(Path(spec.model))


def _local(spec: ModelSpec) -> Backend:
    from .local.backend import LocalBackend
    from .local.settings import Settings

    return LocalBackend(spec.model, dtype=spec.dtype, dialect=_dialect(spec), settings=Settings(**_told(spec)))


def _vllm(spec: ModelSpec) -> Backend:
    from .vllm.backend import VllmBackend
    from .vllm.settings import Settings

    return VllmBackend(spec.model, dtype=spec.dtype, dialect=_dialect(spec), settings=Settings(**_told(spec)))


def _openai(spec: ModelSpec) -> Backend:
    from .openai.backend import OpenAIBackend
    from .openai.settings import Settings

    settings = Settings(**_told(spec))
    return OpenAIBackend(
        spec.model, base_urls=spec.base_url, key_env=spec.key_env, dialect=_dialect(spec), settings=settings
    )


def _told(spec: ModelSpec) -> dict[str, Any]:
    return dict(spec.engine)


def _dialect(spec: ModelSpec) -> Dialect | None:
    if not spec.dialect:
        return None
    try:
        return Dialect.load(Path(spec.dialect))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise NotAModel(f"{spec.dialect} is no dialect: {error}") from error


_WEIGHTS: Final = ("dtype", "dialect", "engine")
_LOCAL: Final = ("torch", "safetensors", "tokenizers")
_OPEN: Final[Mapping[str, _Way]] = {
    "local": _Way(
        _local, "Checkpoints in this process, on CPU or GPU: local:FOLDER.", _WEIGHTS, ".local.settings", _LOCAL
    ),
    "vllm": _Way(
        _vllm, "The same in vLLM, for many calls at once: vllm:FOLDER.", _WEIGHTS, ".vllm.settings", ("vllm", "torch")
    ),
    "openai": _Way(
        _openai,
        "A server that speaks OpenAI's language, hosted or one's own: openai:NAME.",
        ("base_url", "key_env", "dialect", "engine"),
        ".openai.settings",
        ("openai",),
    ),
    "scripted": _Way(_scripted, "Models without weights, for tests and demonstrations: scripted:FILE.json."),
}
