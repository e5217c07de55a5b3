from pathlib import Path

import pytest

from headgate.backends.base import Context, Part, Piece
from headgate.backends.dialect import Dialect

PLAIN = Dialect(instruction="", judge="Rate.", judge_prefill="")
CHATML = "<|im_start|>{role}\n"

# the parts of Qwen3's template that matter here: thinking is dropped from all turns but the last
QWEN3 = """
{%- set ns = namespace(last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if message.role == "user" and not ns.found %}
        {%- set ns.last = index %}{%- set ns.found = true %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.role == "assistant" and loop.index0 > ns.last %}
        {{- '<|im_start|>assistant\n<think>\n\n</think>\n\n' + message.content + '<|im_end|>\n' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\n' + message.content.strip('\n') + '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
{%- endif %}
"""
LLAMA = """{{ bos_token }}{% for m in messages -%}
<|start|>{{ m.role }}<|end|>\n\n{{ m.content | trim }}<|eot|>{% endfor %}
{%- if add_generation_prompt %}<|start|>assistant<|end|>\n\n{% endif %}"""
GEMMA = """{% for m in messages -%}
<turn>{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content }}</turn>\n{% endfor %}"""


def shown(context: Context, dialect: Dialect = PLAIN) -> str:
    return "".join(part if isinstance(part, str) else part.text for part in dialect.render(context))


def written(text: str, part: Part) -> Piece:
    return Piece(role="assistant", text=text, part=part)


def test_a_question_stands_in_its_frame_and_thinking_opens() -> None:
    assert shown(Context.ask("Q")) == "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n<think>\n"


def test_an_answer_without_thinking_opens_and_closes_an_empty_one() -> None:
    assert shown(Context.ask("Q", writing="answer")).endswith("assistant\n<think>\n\n</think>\n\n")


def test_plain_text_has_no_tags() -> None:
    assert shown(Context.ask("Q", writing="text")).endswith("<|im_start|>assistant\n")


def test_the_instruction_follows_a_question_to_reason_about_and_no_other() -> None:
    dialect = Dialect(instruction=" Think!")
    assert "Q Think!<|im_end|>" in shown(Context.ask("Q"), dialect)
    assert "Think!" not in shown(Context.ask("Q", writing="text"), dialect)


def test_each_tag_stands_once_whoever_wrote_the_steps() -> None:
    context = Context.ask("Q").append(written("a\n\n", "think"), written("b\n\n", "think")).then("answer")
    context = context.append(written("The ", "answer"), written("end", "answer"))
    assert shown(context).endswith("<think>\na\n\nb\n\n</think>\n\nThe end")
    assert (shown(context).count("<think>"), shown(context).count("</think>")) == (1, 1)


def test_going_on_only_adds_to_what_was_shown() -> None:
    context, before = Context.ask("Q"), ""
    for piece in (written("a", "think"), written("b", "think"), written("c", "answer")):
        context = context.then(piece.part).append(piece)
        assert shown(context).startswith(before)
        before = shown(context)


def test_a_judge_sees_the_thinking_unclosed_and_writes_the_next_turn() -> None:
    context = Context.ask("Q").append(written("step", "think"))
    judged = shown(PLAIN.rate(context))
    assert judged == shown(context) + "<|im_end|>\n<|im_start|>user\nRate.<|im_end|>\n<|im_start|>assistant\n"
    assert "</think>" not in judged


def test_a_judges_own_turn_may_begin_with_given_words() -> None:
    dialect = Dialect(instruction="", judge="Rate.", judge_prefill="Score: ")
    assert shown(dialect.rate(Context.ask("Q")), dialect).endswith("<|im_start|>assistant\nScore: ")


def test_two_questions_in_a_row_are_two_turns() -> None:
    context = Context((Piece(role="user", text="a"), Piece(role="user", text="b")))
    assert shown(context).count("<|im_start|>user\n") == 2


def test_a_file_keeps_the_defaults_of_what_it_leaves_out(tmp_path: Path) -> None:
    file = tmp_path / "dialect.json"
    file.write_text('{"judge": "Rate."}')
    assert Dialect.load(file) == Dialect(judge="Rate.")
    file.write_text('{"jugde": "Rate."}')
    with pytest.raises(ValueError, match=r"no `jugde`; it has turn_open, .*judge"):
        Dialect.load(file)


def test_a_template_of_a_model_that_opens_its_thinking_itself() -> None:
    found = Dialect.from_chat_template(QWEN3)
    assert found == Dialect()


def test_a_template_whose_prompt_opens_the_thinking() -> None:
    opening = "{%- if enable_thinking is not defined %}{{- '<think>\\n' }}{% endif %}"
    template = QWEN3.replace("{%- if enable", opening + "{%- if enable")
    assert Dialect.from_chat_template(template) == Dialect()


def test_a_template_with_other_tags() -> None:
    template = LLAMA.replace("<|end|>\n\n{% endif %}", "<|end|>\n\n[THINK]{% endif %}")
    found = Dialect.from_chat_template(template.replace("[THINK]", "<reason>\n"))
    assert found.think_skip == "<reason>\n\n</reason>\n\n"
    assert (found.think_open, found.think_end, found.think_close) == ("<reason>\n", "</reason>", "</reason>\n\n")


def test_a_template_of_a_model_that_does_not_think() -> None:
    found = Dialect.from_chat_template(LLAMA)
    assert (found.turn_open, found.turn_close) == ("<|start|>{role}<|end|>\n\n", "<|eot|>")
    assert (found.think_open, found.think_end, found.think_close, found.think_skip) == ("", "", "", "")
    assert "<think>" not in found.judge_prefill


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        (GEMMA, "no common frame"),
        ("{{ messages[0].content }}", "does not show every message once"),
        ("{{ raise_exception('no') }}", "cannot be rendered"),
    ],
)
def test_a_template_that_no_dialect_can_say_is_refused(template: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"{reason}.*; write a dialect.json"):
        Dialect.from_chat_template(template)
