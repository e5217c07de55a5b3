"""Calls priced to the nanodollar, each worked out by hand from the published rates.

A dollar per million tokens is a thousand nanodollars per token; the sums beside the cases are in nanodollars.
"""

import pytest

from headgate.budget.cost import Cost, Limits
from headgate.budget.ledger import Bound, Ledger
from headgate.budget.prices import Price, ours

SONNET = ours("anthropic/claude-sonnet-4-5")
# read 3000, cached 300, written 3750 or 6000 for an hour, output 15000; above 200k: 6000, 600, 7500, 12000, 22500
GPT = ours("openai/gpt-5")  # read 1250, cached 125, output 10000
TARGET = ours("embedded/target")  # read 1000, cached 100, output 4000; nominal
DRAFT = ours("embedded/draft")  # read 100, cached 10, output 400; nominal
HAIKU = Price.of(  # claude-haiku-5-5, 2026-10: per million, in dollars
    {
        "input": 0.10, "cached_input": 0.01, "cache_write": 0.125, "cache_write_1h": 0.20, "output": 0.50,
        "tiers": [
            {"above": 100_000, "input": 0.50, "cached_input": 0.05, "cache_write": 0.625, "cache_write_1h": 1.00,
             "output": 2.50},
        ],
    }
)  # fmt: skip
GEMINI = Price.of(  # gemini-2.5-pro, 2026-10
    {
        "input": 1.25, "cached_input": 0.125, "output": 10,
        "tiers": [{"above": 200_000, "input": 2.50, "cached_input": 0.25, "output": 15}],
    }
)  # fmt: skip
SONAR = Price.of({"input": 2, "output": 8, "reasoning": 3})  # sonar-deep-research, without its other charges
CHEAP = Price.of({"input": 0.0003, "output": 0.0003})  # 300 picodollars a token
FREE = Price.of({"input": 0, "output": 0})

MEASURED = [
    # -- classes
    ("a plain call", SONNET, Cost(input=1_000, output=500),
     10_500_000),  # 1000 x 3000 = 3_000_000; 500 x 15000 = 7_500_000
    ("a prompt read from the cache", SONNET, Cost(input=2_000, cached_input=98_000, output=1_000),
     50_400_000),  # 2000 x 3000 = 6_000_000; 98000 x 300 = 29_400_000; 1000 x 15000 = 15_000_000
    ("a cache written for five minutes", SONNET, Cost(input=50, cache_write=1_800, output=200),
     9_900_000),  # 50 x 3000 = 150_000; 1800 x 3750 = 6_750_000; 200 x 15000 = 3_000_000
    ("a cache written for an hour", SONNET, Cost(input=50, cache_write=1_800, cache_write_1h=1_800, output=200),
     13_950_000),  # 50 x 3000 = 150_000; 1800 x 6000 = 10_800_000; 200 x 15000 = 3_000_000
    ("both kinds of cache write", SONNET, Cost(input=100, cache_write=1_000, cache_write_1h=400, output=10),
     5_100_000),  # 100 x 3000 = 300_000; 600 x 3750 = 2_250_000; 400 x 6000 = 2_400_000; 10 x 15000 = 150_000
    ("every class at once, $0.07575", SONNET, Cost(input=5_000, cached_input=90_000, cache_write=5_000, output=1_000),
     75_750_000),  # 15_000_000 + 27_000_000 + 18_750_000 + 15_000_000
    ("writes at the rate of input where none is stated", GPT,
     Cost(input=5_000, cached_input=90_000, cache_write=5_000, output=1_000),
     33_750_000),  # 10000 x 1250 = 12_500_000; 90000 x 125 = 11_250_000; 1000 x 10000 = 10_000_000
    ("a nominal row", TARGET, Cost(input=1_000, cached_input=9_000, output=100),
     2_300_000),  # 1000 x 1000 = 1_000_000; 9000 x 100 = 900_000; 100 x 4000 = 400_000
    # -- long prompts
    ("one token below the edge", SONNET, Cost(input=49_999, cached_input=150_000, output=1_000),
     209_997_000),  # 49999 x 3000 = 149_997_000; 150000 x 300 = 45_000_000; 15_000_000
    ("at the edge", SONNET, Cost(input=50_000, cached_input=150_000, output=1_000),
     210_000_000),  # 50000 x 3000 = 150_000_000; 45_000_000; 15_000_000
    ("one token above the edge, the whole call", SONNET, Cost(input=50_001, cached_input=150_000, output=1_000),
     412_506_000),  # 50001 x 6000 = 300_006_000; 150000 x 600 = 90_000_000; 1000 x 22500 = 22_500_000
    ("a cache write counts towards the edge", HAIKU,
     Cost(input=40_000, cached_input=50_000, cache_write=10_001, output=1_000),
     31_250_625),  # 40000 x 500 = 20_000_000; 50000 x 50 = 2_500_000; 10001 x 625 = 6_250_625; 1000 x 2500 = 2_500_000
    ("what is generated does not", SONNET, Cost(input=199_000, output=5_000),
     672_000_000),  # 199000 x 3000 = 597_000_000; 5000 x 15000 = 75_000_000
    ("mostly cached and long, $0.4425", SONNET, Cost(input=50_000, cached_input=200_000, output=1_000),
     442_500_000),  # 50000 x 6000 = 300_000_000; 200000 x 600 = 120_000_000; 22_500_000
    ("mostly cached and long elsewhere, $0.19", GEMINI, Cost(input=50_000, cached_input=200_000, output=1_000),
     190_000_000),  # 50000 x 2500 = 125_000_000; 200000 x 250 = 50_000_000; 1000 x 15000 = 15_000_000
    # -- generation
    ("reasoning is a part of the output", GPT, Cost(input=1_000, output=2_000, reasoning=1_500),
     21_250_000),  # 1000 x 1250 = 1_250_000; 2000 x 10000 = 20_000_000
    ("reasoning at a rate of its own", SONAR, Cost(input=1_000, output=2_000, reasoning=1_500),
     10_500_000),  # 1000 x 2000 = 2_000_000; 500 x 8000 = 4_000_000; 1500 x 3000 = 4_500_000
    ("a stream that was stopped after 37 tokens", GPT, Cost(input=120, output=37),
     520_000),  # 120 x 1250 = 150_000; 37 x 10000 = 370_000
    ("four samples of 30, 41, 7 and 22 tokens share a prompt", GPT, Cost(input=120, output=100),
     1_150_000),  # 120 x 1250 = 150_000; 100 x 10000 = 1_000_000
    ("cancelled after four tokens, and the engine says so", DRAFT, Cost(input=10, output=4),
     2_600),  # 10 x 100 = 1_000; 4 x 400 = 1_600
    # -- rounding
    ("an explicit zero is no missing figure", GPT, Cost(calls=1), 0),
    ("a free model", FREE, Cost(input=10**9, output=10**9), 0),
    ("0.9 nanodollars are one", CHEAP, Cost(input=1, cached_input=1, output=1), 1),  # and not three
    ("1.2 nanodollars are two", CHEAP, Cost(input=1, cached_input=1, output=2), 2),  # and not four
    ("3000.0 nanodollars are as many", CHEAP, Cost(input=9_000, output=1_000), 3_000),
]  # fmt: skip

UNKNOWN = [
    # what, row, prompt, most, n
    ("an answer without usage", GPT, 120, 300, 1,
     3_150_000),  # 120 x 1250 = 150_000; 300 x 10000 = 3_000_000
    ("it might all have been written to the cache for an hour", SONNET, 1_000, 200, 1,
     9_000_000),  # 1000 x 6000 = 6_000_000; 200 x 15000 = 3_000_000
    ("a long prompt without usage", SONNET, 200_001, 1_000, 1,
     2_422_512_000),  # 200001 x 12000 = 2_400_012_000; 1000 x 22500 = 22_500_000
    ("cancelled, and nobody knows when", DRAFT, 10, 50, 1,
     21_000),  # 10 x 100 = 1_000; 50 x 400 = 20_000
    ("four samples without usage", GPT, 120, 50, 4,
     2_150_000),  # 120 x 1250 = 150_000; 4 x 50 x 10000 = 2_000_000
    ("reasoning that may all have been text", SONAR, 1_000, 2_000, 1,
     18_000_000),  # 1000 x 2000 = 2_000_000; 2000 x 8000 = 16_000_000
]  # fmt: skip


async def charged(price: Price, prompt: int, most: int, usage: Cost | None) -> int:
    """What a call ends up costing, by way of a hold in a ledger; None for a usage that nobody knows."""

    def cost(tokens: int) -> Cost:
        return Cost(input=prompt, output=tokens, calls=1, nanodollars=price.worst(prompt, tokens))

    ledger = Ledger(Limits(dollars=1000))  # type: ignore[arg-type]  # read as a recipe's is
    hold = await ledger.reserve(Bound(cost=cost, most=most, least=most))
    hold.settle(None if usage is None else price.priced(usage))
    assert ledger.held == {"nanodollars": 0}
    assert ledger.spent.nanodollars <= hold.bound.nanodollars
    return ledger.spent.nanodollars


@pytest.mark.parametrize(("price", "usage", "nanodollars"), [row[1:] for row in MEASURED], ids=[r[0] for r in MEASURED])
async def test_a_call_costs_what_its_provider_charges(price: Price, usage: Cost, nanodollars: int) -> None:
    prompt = usage.input + usage.cached_input + usage.cache_write
    assert await charged(price, prompt, usage.output, usage) == nanodollars


@pytest.mark.parametrize(
    ("price", "prompt", "most", "n", "nanodollars"), [row[1:] for row in UNKNOWN], ids=[row[0] for row in UNKNOWN]
)
async def test_a_call_of_unknown_usage_costs_its_whole_hold(
    price: Price, prompt: int, most: int, n: int, nanodollars: int
) -> None:
    assert await charged(price, prompt, most * n, None) == nanodollars
