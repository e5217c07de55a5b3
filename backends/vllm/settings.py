"""What a recipe may say about a vLLM engine under `engine:`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Settings(BaseModel):
    """How a vLLM engine is run; everything has a default that fits the machine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    form: Literal["in_process", "async"] | None = Field(
        default=None,
        description="in_process: in this process, stepped by one thread; async: a child process. By default the first "
        "on a CPU, the second on a GPU.",
    )
    runner: Literal["generate", "embed", "reward"] | None = Field(
        default=None,
        description="generate: it writes; embed: it gives a vector for a text, and nothing else; reward: it scores the "
        "steps of a solution. By default the last where the checkpoint is a process reward model, else the first.",
    )
    memory: float | None = Field(
        default=None,
        gt=0,
        description="Up to 1: the share of the GPU for this model, weights and cache. Above: bytes for its cache.",
    )
    replicas: int = Field(default=1, ge=1, description="Child processes with a copy each; needs form async.")
    max_batch: int = Field(default=64, ge=1, description="Sequences computed together, in each replica.")
    max_context: int | None = Field(
        default=None, ge=2, description="Tokens of a context, if fewer than it was made for."
    )
    eager: bool | None = Field(
        default=None, description="Run without compiling; by default on a CPU, where compiling takes longest."
    )
    lora: str | None = Field(
        default=None, description="The folder of a LoRA adapter, in peft's form, that every call uses."
    )
    speculative: dict[str, object] | None = Field(
        default=None,
        description="vLLM's speculative_config, as it stands there; leaves no entropies, peeks or entropy_stop.",
    )
    more: dict[str, object] = Field(
        default_factory=dict, description="Any other of vLLM's engine arguments, under its own name."
    )

    @model_validator(mode="after")
    def _agree(self) -> "Settings":
        if self.replicas > 1 and self.form == "in_process":
            raise ValueError("replicas are child processes; write form: async")
        if self.runner in ("embed", "reward") and self.speculative:
            raise ValueError("a model that embeds or rewards writes nothing that speculation could hasten")
        return self
