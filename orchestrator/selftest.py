"""A few seconds of one engine on the embedded draft: `python -m headgate.orchestrator.selftest local`.

Prints one JSON object: text, seconds to the first token, tokens a second alone and beside others, memory.
"""

import asyncio
import json
import resource
import sys
import time
from collections.abc import Sequence

from ..backends.base import Backend, Context, Sampling, Token
from ..backends.registry import ModelSpec, open_backend

QUESTION = "Tom has 17 apples. Mia has 5 more than Tom. Leo has 12 times as many as Mia. How many does Leo have?"
CROWD = 16


async def examine(engine: str, begun: float) -> dict[str, object]:
    """What came of a question asked alone, and of the same one asked `CROWD` times at once."""
    backend = open_backend(ModelSpec(backend=engine, model="embedded/draft", dtype="float32"))
    first: list[float] = []

    def seen(_: Token) -> None:
        first.append(time.monotonic())

    ask = Context.ask(QUESTION)
    (said,) = await backend.generate(ask, Sampling(max_tokens=200), 1, seen)
    alone = await _rate(backend, ask, 1)
    crowd = await _rate(backend, ask, CROWD)
    await backend.close()
    return {
        "text": said.text,
        "first_token_s": round(first[0] - begun, 2),
        "tokens_per_second": round(alone),
        "tokens_per_second_together": round(crowd),
        "memory_bytes": _peak_bytes(),
    }


async def _rate(backend: Backend, ask: Context, count: int) -> float:
    begun = time.monotonic()
    calls = [backend.generate(ask, Sampling(max_tokens=64, temperature=1.0, seed=i)) for i in range(count)]
    done = await asyncio.gather(*calls)
    return sum(one.usage.output for (one,) in done) / (time.monotonic() - begun)


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main(words: Sequence[str]) -> None:
    """Test the engine that the first word names."""
    print(json.dumps(asyncio.run(examine(words[0], time.monotonic()))))  # noqa: T201, this is what it is for


if __name__ == "__main__":
    main(sys.argv[1:])
