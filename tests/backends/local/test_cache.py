import random

import torch
from torch import Tensor

from headgate.backends.local.cache import PrefixCache


def kv(ids: list[int]) -> Tensor:
    """Keys and values that say which tokens came before: [1, 2, 1, n, 1]."""
    sums = torch.tensor(ids, dtype=torch.float64).cumsum(0)
    return sums.expand(2, -1)[None, :, None, :, None].clone()


def held(cache: PrefixCache, ids: list[int]) -> int:
    """How much is held, having checked that it is right."""
    size, parts = cache.find(ids)
    found = torch.cat([*parts, kv([])], dim=3)
    assert torch.equal(found, kv(ids)[:, :, :, :size])
    return size


def test_the_longest_prefix_is_found() -> None:
    cache = PrefixCache(100)
    cache.insert([1, 2, 3, 4], kv([1, 2, 3, 4]))
    assert held(cache, [1, 2, 3, 4, 5]) == 4
    assert held(cache, [1, 2, 9]) == 2
    assert held(cache, [9]) == held(cache, []) == 0


def test_a_fork_shares_what_is_common() -> None:
    cache = PrefixCache(100)
    for ids in ([1, 2, 3, 4], [1, 2, 7, 8], [1, 2], [1, 2, 3, 4, 5]):
        cache.insert(ids, kv(ids))
    assert cache.size == 7
    assert (held(cache, [1, 2, 3, 4, 5]), held(cache, [1, 2, 7, 8])) == (5, 4)


def test_what_was_not_used_for_longest_goes_first_and_ends_go_before_trunks() -> None:
    cache = PrefixCache(12)
    for ids in ([1, 2, 3, 4, 5, 6], [1, 2, 3, 8], [9, 9, 9, 9]):
        cache.insert(ids, kv(ids))
    cache.insert([7, 7], kv([7, 7]))
    assert (held(cache, [1, 2, 3, 4, 5, 6]), held(cache, [1, 2, 3, 8]), held(cache, [9, 9, 9, 9])) == (
        3,
        4,
        4,
    )


def test_more_than_fits_is_not_kept() -> None:
    cache = PrefixCache(3)
    cache.insert([1, 2, 3, 4], kv([1, 2, 3, 4]))
    assert (cache.size, held(cache, [1, 2, 3, 4])) == (0, 0)


def test_random_traffic_never_finds_a_wrong_token_and_never_outgrows_its_room() -> None:
    cache, pick = PrefixCache(60), random.Random(1)
    for _ in range(800):
        ids = pick.choices([1, 2, 3], k=pick.randint(0, 14))
        before = held(cache, ids)
        cache.insert(ids, kv(ids))
        assert cache.size == sum(len(node.ids) for node in cache._nodes()) <= 60
        assert held(cache, ids) >= min(before, 1)
