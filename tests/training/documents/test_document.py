"""Text becomes ids: loss stands on what is to be said, branches go on from their cuts."""

from headgate.training.documents.document import Document, Text
from headgate.training.tokenizer import Encoder

TEXT = Text().say("Tom has 63 keys.\n").learn("Tom63.\n\n").learn("Tom63.\n\n", 2.0)
TEXT.branch(("Zoe", 0.0), ("12.", 3.0), at=2)
TEXT.branch(("Mia7.", 1.0))


def learned(encoder: Encoder, document: Document, start: int, end: int) -> str:
    pairs = zip(document.targets[start:end], document.weights[start:end], strict=True)
    return encoder.decode([target for target, weight in pairs if weight > 0])


def test_the_trunk_learns_what_is_said_and_nothing_that_is_read(encoder: Encoder) -> None:
    document = Document.of(encoder, TEXT)
    assert encoder.decode(document.ids[: document.trunk]) == str(TEXT)
    assert learned(encoder, document, 0, document.trunk) == TEXT.learned == "Tom63.\n\nTom63.\n\n"
    assert {w for w in document.weights[: document.trunk] if w} == {1.0, 2.0}


def test_targets_are_the_next_ids(encoder: Encoder) -> None:
    document = Document.of(encoder, TEXT)
    parts = [(0, document.trunk), *((start, end) for start, end, _ in document.branches)]
    for start, end in parts:
        assert document.targets[start : end - 1] == document.ids[start + 1 : end]
        assert document.weights[end - 1] == 0


def test_a_branch_goes_on_from_its_cut(encoder: Encoder) -> None:
    document = Document.of(encoder, TEXT)
    (start, end, cut), (_, last, behind) = document.branches
    assert cut == len(encoder.encode("Tom has 63 keys.\n")) + len(encoder.encode("Tom63.\n\n"))
    assert (behind, last) == (document.trunk, len(document.ids))
    assert document.positions[start:end] == list(range(cut, cut + end - start))
    assert learned(encoder, document, start, end) == "12."
    assert [w for w in document.weights[start:end] if w] == [3.0] * 3


def test_the_first_token_of_a_branch_is_never_learned(encoder: Encoder) -> None:
    document = Document.of(encoder, TEXT)
    start, end, _ = document.branches[1]
    assert learned(encoder, document, start, end) == encoder.decode(document.ids[start + 1 : end])
