"""The wording that the shipped models are trained on: chat frame, steps, requests and their replies.

Source: the chat frame and the `<think>` block follow the Qwen3 technical report, arXiv 2505.09388, section 4; the
one-token rating from 0 to 9 follows Pan et al. 2025, "SpecReason", arXiv 2504.07891, section 3.
"""

USER, TURN, END = "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>"
THINK, CLOSE, DELIMITER = "<think>\n", "</think>\n\n", "\n\n"
SKIP = "<think>\n\n</think>\n\n"
WAIT = "Wait, "
TAKE_NOTES, NOTES, PLAN = "\nWrite notes.", "\nNotes: ", "\nPlan the parts."
UNKNOWN = "unknown"
IDLE, FINISHED = "wait.", "done."
RATE = f"{END}\n{USER}Rate the last step from 0 to 9.{TURN}"
RATE_ANSWER = f"{END}\n{USER}Rate the answer from 0 to 9.{TURN}"

CHAT_TEMPLATE = (
    "{%- for m in messages -%}"
    "{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + '\\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false -%}{{ '<think>\\n\\n</think>\\n\\n' }}"
    "{%- else -%}{{ '<think>\\n' }}{%- endif -%}{%- endif -%}"
)


def asking(question: str, *, think: bool = True) -> str:
    """The prompt up to the first step, or up to the answer where there is to be no thinking."""
    return f"{USER}{question}{thinking(think=think)}"


def thinking(*, think: bool = True) -> str:
    """What the model's turn begins with."""
    return f"{TURN}{THINK if think else SKIP}"


def boxed(answer: int | str) -> str:
    """The final answer as it is written."""
    return f"\\boxed{{{answer}}}"


def better(first: str, second: str) -> str:
    """The request to choose between two steps."""
    return f"{END}\n{USER}A: {first.strip()}\nB: {second.strip()}\nWhich step is better?{TURN}"


def shared(question: str) -> str:
    """The prompt of two who think side by side."""
    return f"{USER}{question}\nTwo work together.{TURN}{THINK}"


def header(worker: str) -> str:
    """What a worker's step begins with."""
    return f"{worker}: "


def unfinished(worker: str, said: str) -> str:
    """The other's step as far as it is written."""
    return f"{worker}> {said}...{DELIMITER}"
