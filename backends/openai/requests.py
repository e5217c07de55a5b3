"""The fields of a request: what every server understands, and what a vLLM is told beside it."""

import json
from collections.abc import Collection
from dataclasses import dataclass

from ..base import Constraint, Sampling
from .settings import Settings
from .wording import Prompt, Wording

Fields = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """Requests for one model of one kind of server; `ends` are tokens that end a turn."""

    model: str
    wording: Wording
    settings: Settings
    vllm: bool
    ends: Collection[int] = ()

    def generate(self, prompt: Prompt, sampling: Sampling, most: int, n: int, think_end: str) -> Fields:
        """To continue a prompt by at most `most` tokens, as a stream."""
        fields: Fields = {
            "model": self.model,
            **prompt.fields,
            self.settings.max_tokens_field: most,
            "temperature": sampling.temperature,
            "seed": sampling.seed if self.vllm else sampling.seed & 0x7FFF_FFFF,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if n > 1:
            fields["n"] = n
        if sampling.top_p < 1 or self.vllm:
            fields["top_p"] = sampling.top_p
        if sampling.top_k:
            fields["top_k"] = sampling.top_k
        fields |= self._logprobs(self.settings.top_logprobs if sampling.entropies else 0)
        if self.vllm:
            fields |= self._of_vllm(sampling, think_end)
        if sampling.constraint:
            fields |= self._constrained(sampling.constraint)
        return self._said(fields)

    def peek(self, prompt: Prompt, asked: Collection[int] = ()) -> Fields:
        """To read a prompt for its next token: the likeliest ones, or those `asked` for."""
        fields: Fields = {"model": self.model, **prompt.fields, self.settings.max_tokens_field: 1, "temperature": 0.0}
        fields |= self._logprobs(len(asked) or self.settings.top_logprobs)
        if self.vllm:
            fields |= _PLAIN
        if asked:
            fields["logprob_token_ids"] = list(asked)
        return self._said(fields)

    def score(self, prompt: Prompt) -> Fields:
        """To read a prompt for its own log-probabilities; a vLLM writes a token whatever it is asked."""
        fields: Fields = {"model": self.model, **prompt.fields, "max_tokens": 1, "temperature": 0.0}
        return self._said(fields | {"prompt_logprobs": 0})

    def _logprobs(self, k: int) -> Fields:
        if self.wording.chat:
            return {"logprobs": True, "top_logprobs": k} if k or self.vllm else {}
        named: Fields = {"return_tokens_as_token_ids": True} if self.vllm else {}
        return named | {"logprobs": k} if k or self.vllm else {}

    def _of_vllm(self, sampling: Sampling, think_end: str) -> Fields:
        """What makes it end where we would, and sample as it is told and not as a checkpoint's defaults say."""
        stops = [text for text in (*sampling.stop, think_end) if text]
        fields: Fields = {
            **_PLAIN,
            "top_k": sampling.top_k,
            "return_token_ids": True,
            "skip_special_tokens": False,
            "include_stop_str_in_output": True,
            "stream_options": {"include_usage": True, "continuous_usage_stats": True},
        }
        if stops:
            fields["stop"] = stops
        if self.ends:
            fields["stop_token_ids"] = sorted(self.ends)
        return fields

    def _constrained(self, constraint: Constraint) -> Fields:
        """What the text must be: in vLLM's words, or in OpenAI's, which know schemas only."""
        schema = json.loads(constraint.json_schema) if constraint.json_schema else None
        if self.vllm:
            return {"structured_outputs": {"json": schema} if schema is not None else {"regex": constraint.regex}}
        form = {"name": "answer", "schema": schema, "strict": True}
        return {"response_format": {"type": "json_schema", "json_schema": form}}

    def _said(self, fields: Fields) -> Fields:
        kept = {name: value for name, value in fields.items() if name not in self.settings.omit}
        return kept | self.settings.extra


_PLAIN: Fields = {"min_p": 0.0, "repetition_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0}
