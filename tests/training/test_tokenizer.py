"""The vocabulary: digits and delimiters are tokens of their own, and the cached encoder equals the real one."""

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from headgate.tasks.word_problems import HARD, NAMES, problems
from headgate.training.curriculum import plain_texts
from headgate.training.formats import CLOSE, DELIMITER, RATE, asking, boxed
from headgate.training.tokenizer import ROWS, SPECIAL, Encoder


def test_every_digit_is_one_token_also_inside_a_number(encoder: Encoder) -> None:
    assert len(encoder.encode("1234567890")) == 10


@pytest.mark.parametrize("text", [DELIMITER, *SPECIAL, "Rate", " the"])
def test_the_delimiter_and_the_special_words_are_one_token_each(encoder: Encoder, text: str) -> None:
    encoder.one(text)


def test_a_name_is_one_token_with_and_without_a_space(encoder: Encoder) -> None:
    assert {len(encoder.encode(name)) for name in NAMES} == {1}
    assert {len(encoder.encode(f" {name}")) for name in NAMES} == {1}


def test_a_text_of_several_tokens_is_refused_as_one(encoder: Encoder) -> None:
    with pytest.raises(ValueError):
        encoder.one("12")


def test_cached_encoding_equals_the_tokenizers_own(encoder: Encoder) -> None:
    for text in plain_texts(150, seed=4):
        assert encoder.encode(text) == encoder.tokenizer.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize(
    "text", ["", " ", "\n\n\n", "Ünïcödé 12 Ω!", "a\tb", "<think>\n\n</think>\n\nx", "x  y <|im_end"]
)
def test_unknown_text_is_encoded_the_same_and_comes_back_whole(encoder: Encoder, text: str) -> None:
    assert encoder.encode(text) == encoder.tokenizer.encode(text, add_special_tokens=False).ids
    assert encoder.decode(encoder.encode(text)) == text


def test_ids_fit_the_embedding(encoder: Encoder) -> None:
    assert encoder.tokenizer.get_vocab_size() <= ROWS


def test_pieces_encode_as_the_whole_does(encoder: Encoder) -> None:
    for problem in problems(30, seed=6, mix=HARD):
        pieces = [
            asking(problem.question),
            *(line.text + DELIMITER for line in problem.steps),
            CLOSE,
            boxed(problem.answer),
        ]
        assert [i for piece in pieces for i in encoder.encode(piece)] == encoder.encode("".join(pieces))


def test_the_chat_template_gives_the_prompts_of_the_training(tokenizer_folder: Path, encoder: Encoder) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    turn = [{"role": "user", "content": "How many?"}]
    text = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
    assert text == asking("How many?")
    assert tokenizer(text, add_special_tokens=False)["input_ids"] == encoder.encode(text)
    off = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True, enable_thinking=False)
    assert off.endswith("<think>\n\n</think>\n\n")


def test_a_rating_request_after_a_step_is_what_the_template_gives(tokenizer_folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    said = [
        {"role": "user", "content": "How many?"},
        {"role": "assistant", "content": "<think>\nTom3.\n\n"},
        {"role": "user", "content": "Rate the last step from 0 to 9."},
    ]
    text = tokenizer.apply_chat_template(said, tokenize=False) + "<|im_start|>assistant\n"
    assert text == asking("How many?") + "Tom3.\n\n" + RATE
