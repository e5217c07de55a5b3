"""The attribute names of OpenTelemetry's conventions for generative AI, in the two versions that are in use.

Source: OpenTelemetry semantic conventions 1.41, the last with the names for generative AI among them, and the main
branch of open-telemetry/semantic-conventions-genai, where they went on and which has no release yet. All of them are
of status Development. The constants of opentelemetry's own package are deprecated, hence these.

What has no name there is under `headgate.`: see docs/opentelemetry.md.
"""

from dataclasses import dataclass
from typing import Final, Literal

Version = Literal["1.41", "genai-main"]

OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
WORKFLOW: Final = "gen_ai.workflow.name"
AGENT: Final = "gen_ai.agent.name"
MODEL: Final = "gen_ai.request.model"
MAX_TOKENS: Final = "gen_ai.request.max_tokens"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHE_READ: Final = "gen_ai.usage.cache_read.input_tokens"
REASONING: Final = "gen_ai.usage.reasoning.output_tokens"
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
TOOL: Final = "gen_ai.tool.name"
TOOL_TYPE: Final = "gen_ai.tool.type"
TOOL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
TOOL_RESULT: Final = "gen_ai.tool.call.result"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
ERROR_TYPE: Final = "error.type"

# drafted in pull request 443 of semantic-conventions-genai, and in no version yet
COST_AMOUNT: Final = "gen_ai.usage.cost.amount"
COST_CURRENCY: Final = "gen_ai.usage.cost.currency"
COST_SOURCE: Final = "gen_ai.usage.cost.source"

NANODOLLARS: Final = "headgate.cost.nanodollars"
LIMIT: Final = "headgate.budget.limit."
SPENT: Final = "headgate.budget.spent."


@dataclass(frozen=True, slots=True, kw_only=True)
class Semconv:
    """Where the versions differ.

    agents_have_providers: whether a strategy's span names a provider. messages_have_reasons: whether each message of
    an output carries its finish reason.
    """

    schema_url: str
    cache_write: str
    agents_have_providers: bool
    messages_have_reasons: bool


_VERSIONS: Final[dict[str, Semconv]] = {
    "1.41": Semconv(
        schema_url="https://opentelemetry.io/schemas/1.41.0",
        cache_write="gen_ai.usage.cache_creation.input_tokens",
        agents_have_providers=True,
        messages_have_reasons=True,
    ),
    # no schema is published for it, and a URL that leads nowhere would be worse than none
    "genai-main": Semconv(
        schema_url="",
        cache_write="gen_ai.usage.cache_write.input_tokens",
        agents_have_providers=False,
        messages_have_reasons=False,
    ),
}


def conventions(version: str) -> Semconv:
    """The names of a version. Raises: ValueError naming the versions there are."""
    if version not in _VERSIONS:
        raise ValueError(f"there are no conventions {version!r}; there are {', '.join(_VERSIONS)}")
    return _VERSIONS[version]
