"""The wording that the shipped models are trained on: chat frame, steps, rating request, answer.

Source: the chat frame and the `<think>` block follow the Qwen3 technical report, arXiv 2505.09388, section 4; the
one-token rating from 0 to 9 follows Pan et al. 2025, "SpecReason", arXiv 2504.07891, section 3.
"""

USER, TURN, END = "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>"
THINK, CLOSE, DELIMITER = "<think>\n", "</think>\n\n", "\n\n"
RATE = f"{END}\n{USER}Rate the last step from 0 to 9.{TURN}"

CHAT_TEMPLATE = (
    "{%- for m in messages -%}"
    "{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + '\\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false -%}{{ '<think>\\n\\n</think>\\n\\n' }}"
    "{%- else -%}{{ '<think>\\n' }}{%- endif -%}{%- endif -%}"
)


def asking(question: str) -> str:
    """The prompt up to the first step."""
    return f"{USER}{question}{TURN}{THINK}"


def boxed(answer: int) -> str:
    return f"\\boxed{{{answer}}}"
