"""Which strategies there are, what they need, and what their knobs allow."""

from functools import partial

import pytest

from headgate.strategies import registry
from headgate.strategies.direct import direct
from headgate.strategies.self_consistency import self_consistency
from headgate.strategies.spec_reason import spec_reason


def test_a_strategy_is_a_file_that_defines_a_function_of_its_name() -> None:
    assert {"direct", "self_consistency", "spec_reason"} <= set(registry.names())
    assert not {"chain", "base", "registry"} & set(registry.names())


def test_every_strategy_says_in_one_line_what_it_does() -> None:
    assert all(registry.summary(name).endswith(".") for name in registry.names())


def test_an_unknown_name_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="spec_raeson"):
        registry.find("spec_raeson")


def test_needs_follow_the_signal_that_is_read() -> None:
    assert registry.needs(spec_reason)["target"] == {"generate", "continue", "peek"}
    assert registry.needs(partial(spec_reason, score="greedy"))["target"] == {"generate", "continue", "peek"}


def test_needs_of_a_nested_strategy_are_needs() -> None:
    assert registry.needs(self_consistency) == {"model": {"generate"}}
    nested = partial(self_consistency, strategy=partial(spec_reason, score="greedy"))
    assert set(registry.needs(nested)) == {"draft", "target"}


def test_knobs_are_the_keyword_only_arguments() -> None:
    assert list(registry.knobs(partial(direct, temperature=0))) == list(registry.knobs(direct))
    assert "problem" not in registry.knobs(direct)
