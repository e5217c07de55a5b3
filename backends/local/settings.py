"""What a recipe may tell the local engine."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """How much of this machine the engine takes."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="auto takes a GPU where there is one")
    max_batch: int = Field(default=64, ge=1, description="sequences computed together")
    cache_bytes: int = Field(default=1 << 30, ge=0, description="of keys and values that are kept between calls")
    batch_bytes: int = Field(
        default=4 << 30, ge=1, description="of keys and values of what is being written; a call waits for its room"
    )
