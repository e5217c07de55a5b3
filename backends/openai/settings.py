"""What a recipe may tell about a server that speaks OpenAI's language."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Api = Literal["auto", "chat", "completions"]
Continuation = Literal["auto", "continue_final", "prefix", "prefill", "ask"]


class Settings(BaseModel):
    """How to speak to the servers, what they can do, and how long to wait for them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    api: Api = Field(
        default="auto",
        description="auto: completions on a vLLM whose tokenizer or dialect is known here, else chat",
    )
    server: Literal["auto", "vllm", "plain"] = Field(
        default="auto", description="auto asks the server what it is; otherwise nothing is asked when it is opened"
    )
    tokenizer: str | None = Field(
        default=None, description="a checkpoint's folder; its tokenizer and dialect are those of the server's model"
    )
    max_context: int | None = Field(default=None, ge=1, description="tokens; otherwise what the server says, or 131072")
    continuation: Continuation = Field(
        default="auto",
        description="how chat goes on within a turn: vLLM's continue_final_message, a last message marked `prefix`, a "
        "last message of the assistant's, or not at all, so that only a final answer can be asked for; auto: vLLM's "
        "own on vLLM, else ask",
    )
    answer_request: str = Field(
        default="Now give the final answer only.",
        min_length=1,
        description="what a user says to have the answer where a turn cannot be continued",
    )
    top_logprobs: int = Field(
        default=20, ge=0, le=128, description="tokens that a server tells of a distribution; 0: it tells none"
    )
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = Field(
        default="max_tokens", description="under which name the server is told how much may be written"
    )
    json_schema: bool | None = Field(
        default=None,
        description="whether the server holds an answer to a JSON schema (`response_format`); otherwise only OpenAI's "
        "own and a vLLM are trusted to",
    )
    extra: dict[str, object] = Field(
        default_factory=dict[str, object], description="fields that every request carries beside our own"
    )
    omit: tuple[str, ...] = Field(default=(), description="fields of ours that the server does not want to see")
    cancel: Literal["bill_partial", "bill_full", "drain", "unknown"] | None = Field(
        default=None,
        description="what a call that we end early costs: what came, all it might write, what it writes to its end, or "
        "nobody knows and all is charged; otherwise bill_partial on vLLM, unknown elsewhere",
    )
    parallel: int = Field(default=64, ge=1, description="calls that one server gains from having in flight together")
    connect_s: float = Field(default=5.0, gt=0, description="to reach a server")
    silence_s: float = Field(default=120.0, gt=0, description="to the first and between any two parts of an answer")
    total_s: float = Field(default=1800.0, gt=0, description="for a whole answer")
    rest_s: float = Field(
        default=2.0, gt=0, description="a server that failed is left alone so long, and longer each time"
    )
    patience_s: float = Field(
        default=120.0, ge=0, description="how long a call waits for a server to come back before it has left"
    )
