"""A byte-level BPE vocabulary of 768 learned from generated documents, and a cached encoder that equals it.

Source: Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units", arXiv 1508.07909; the byte
alphabet is that of Radford et al. 2019 (GPT-2).
Each digit is one token, so that numbers are read place by place, and the step delimiter, a blank line, is one token.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from .formats import CHAT_TEMPLATE

SPECIAL = ("<|pad|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>")
WORDS = r"\d|\n+| ?[A-Za-z]+| ?[^\sA-Za-z\d]|\s"
ROWS = 768  # of the embedding; the vocabulary may be smaller


def learn(documents: Iterable[str]) -> Tokenizer:
    """Merges from the documents, special tokens cut out first as they are when encoding."""
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(WORDS), "isolated")
    bytewise = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, bytewise])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=ROWS, special_tokens=list(SPECIAL), initial_alphabet=alphabet, show_progress=False
    )
    cut = re.compile("|".join(map(re.escape, SPECIAL)))
    tokenizer.train_from_iterator((part for text in documents for part in cut.split(text) if part), trainer)
    return tokenizer


def export(tokenizer: Tokenizer, folder: Path) -> None:
    """Write the files that `AutoTokenizer` reads, the chat template among them."""
    from transformers import PreTrainedTokenizerFast

    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|pad|>",
        additional_special_tokens=["<|im_start|>", "<think>", "</think>"],
    )
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(str(folder))


class Encoder:
    """Text to ids, one dictionary look-up per word."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
        self.pattern = re.compile("|".join(map(re.escape, SPECIAL)) + "|" + WORDS)
        self.words: dict[str, list[int]] = {}

    def encode(self, text: str) -> list[int]:
        ids: list[int] = []
        for word in self.pattern.findall(text):
            known = self.words.get(word)
            ids += known if known is not None else self.learn(word)
        return ids

    def learn(self, word: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(word, add_special_tokens=False).ids
        return self.words.setdefault(word, ids)

    def one(self, text: str) -> int:
        """The id of a text that is one token; Raises ValueError where it is not."""
        (only,) = self.encode(text)
        return only

    def decode(self, ids: list[int]) -> str:
        text: str = self.tokenizer.decode(ids, skip_special_tokens=False)
        return text
