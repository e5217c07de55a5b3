"""What servers say of themselves when they are opened, before anything is spent."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from openai import AsyncOpenAI, NotFoundError, OpenAI, Timeout

from ..errors import BackendError, Refused, Unreachable
from .errors import Malformed, Whose, translated
from .parts import loaded

_PATIENCE_S: Final = 10.0
_LENGTHS: Final = ("max_model_len", "context_length", "context_window", "max_context_length")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of the servers of a model; `root` is where a vLLM loaded it from."""

    vllm: bool = False
    max_context: int | None = None
    models: tuple[str, ...] = ()
    root: str = ""


def ask(servers: Sequence[Whose]) -> Facts:
    """The first server's word that answers. Raises: Refused on a wrong key or model, Unreachable if none answers."""
    missing: BackendError | None = None
    for whose in servers:
        try:
            return _read(_models(whose), whose)
        except Refused:
            raise
        except BackendError as error:
            missing = error
    raise Unreachable(str(missing)) from missing


async def answers(client: AsyncOpenAI, whose: Whose) -> bool:
    """Whether a server is there; whatever it says but a failure of its own will do."""
    try:
        with translated(whose):
            await client.models.with_raw_response.list(timeout=_PATIENCE_S)
    except Refused:
        return True
    except BackendError:
        return False
    return True


def _models(whose: Whose) -> list[dict[str, Any]]:
    wait = Timeout(_PATIENCE_S, connect=_PATIENCE_S / 2)
    with translated(whose):
        with OpenAI(api_key=whose.key or "none", base_url=whose.url, max_retries=0, timeout=wait) as client:
            try:
                answered = client.models.with_raw_response.list()
            except NotFoundError:
                return []  # a server without a list of its models
        found = loaded(answered.content).get("data")
        if not isinstance(found, list):
            raise Malformed("no list of models")
        return [item for item in found if isinstance(item, dict)]  # pyright: ignore[reportUnknownVariableType]


def _read(models: Sequence[dict[str, Any]], whose: Whose) -> Facts:
    names = tuple(str(item.get("id")) for item in models)
    vllm = any(item.get("owned_by") == "vllm" for item in models)
    mine = next((item for item in models if item.get("id") == whose.model), None)
    if mine is None and vllm:
        known = ", ".join(names[:8])
        raise Refused(f"{whose.url} serves no `{whose.model}`", hint=f"it serves {known}")
    lengths = [length for name in _LENGTHS if isinstance(length := (mine or {}).get(name), int) and length > 0]
    facts = Facts(vllm=vllm, models=names, max_context=lengths[0] if lengths else None)
    return replace(facts, root=str((mine or {}).get("root") or "")) if vllm else facts
