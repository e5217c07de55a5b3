import re
from pathlib import Path

import pytest

from headgate.orchestrator.errors import RecipeError

from ..traces.conftest import HOSTILE, kept_run
from .conftest import Open

DOCS = Path(__file__).parents[3] / "docs" / "traces.md"
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")


async def test_a_batch_begins_with_its_table_and_a_problem_is_one_key_away(look: Open) -> None:
    async with look() as driver:
        table = driver.screen()
        assert "✓ right       p1 = 1514" in table
        assert "exhausted" in table and "interrupted" in table
        tree = await driver.press("enter")
        assert "spec_reason" in tree and "rejected  Max:8*Lea189;Max1432." in tree
        assert await driver.press("escape") == table


async def test_a_rejected_step_tells_why_and_what_was_written_instead(look: Open) -> None:
    async with look(size=(80, 40)) as driver:
        screen = await driver.press("n")
        assert "rejected  Max:8*Lea189;Max1432." in driver.cursor()
        assert "rejected at 3.89: 3.89 of 9, below 7" in screen
        assert "target wrote instead of draft" in screen
        assert "- Max:8*Lea189;Max1432." in screen and "+ Max:8*Lea189;Max1512." in screen
        assert "4▅ 50%" in screen and "judged by  target: 1 written" in screen


async def test_the_next_rejected_step_is_looked_for_in_all_problems_and_around_again(look: Open) -> None:
    async with look() as driver:
        await driver.press("n")
        first = driver.cursor()
        await driver.press("n")
        assert driver.cursor() == first  # the story has one
        await driver.press("N")
        assert driver.cursor() == first


async def test_the_bill_is_by_model_and_purpose(look: Open) -> None:
    async with look(size=(100, 40)) as driver:
        screen = await driver.press("b")
        assert re.search(r"the whole run +written +read +cached +calls +dollars", screen)
        assert re.search(r"target +12 ", screen) and re.search(r"steps thrown away +4 ", screen)
        assert re.search(r"together +\d+ .*100%", screen)


async def test_the_timeline_shows_who_waited_for_what(look: Open) -> None:
    async with look(size=(100, 30)) as driver:
        screen = await driver.press("enter", "t")
        assert "d draft" in screen and "t target" in screen and "waits: ▒ budget" in screen
        solve = await driver.press("down", "down")
        assert re.search(r"waited 5\.0 s from 1\.0 s on for plan", solve)
        assert "····" in driver.cursor() and "dd" in driver.cursor()
        batch = await driver.press("escape", "escape", "t")
        assert re.search(r"p2 .*▒+t", batch)


async def test_a_zoom_shows_one_row_from_edge_to_edge(look: Open) -> None:
    async with look(size=(100, 30)) as driver:
        whole = await driver.press("enter", "t", "down", "z")
        assert "2.0 s to 5.0 s" in whole
        assert "2.0 s to 5.0 s" not in await driver.press("z")


async def test_waits_and_troubles_are_a_key_away(look: Open) -> None:
    async with look(size=(100, 40)) as driver:
        screen = await driver.press("w")
        assert "waits for budget: 104 tokens under the limit of p2" in driver.cursor()
        assert re.search(r"asked +104 tokens", screen)
        await driver.press("p", "home")
        seen = []
        for _ in range(4):
            await driver.press("r")
            seen.append(driver.cursor())
        assert "p2" in seen[0] and "exhausted" in seen[0]
        assert "p2/solve" not in seen[1] and "solve" in seen[1]
        assert "retry 1: draft tries again in 2.0 s: rate limited" in seen[2]
        assert "the budget refused draft (think): 104 tokens asked, 12 left" in seen[3]


async def test_a_filter_leaves_what_has_the_words_and_what_is_around_it(look: Open) -> None:
    async with look() as driver:
        whole = await driver.press("enter")
        screen = await driver.press("slash", *"draft rejected", "enter")
        assert "Max1432" in screen and "Max1512" not in screen.split("─" * 20)[0]
        assert "▾ solve  spec_reason" in screen and "/draft" in screen
        assert await driver.press("escape") == whole


async def test_words_that_were_begun_are_left_by_escape(look: Open) -> None:
    async with look() as driver:
        table = driver.screen()
        await driver.press("slash", *"q b")
        assert await driver.press("escape") == table
        assert "the whole run" in await driver.press("b")


async def test_a_mouse_puts_the_cursor_where_it_clicks(look: Open) -> None:
    async with look() as driver:
        await driver.pilot.click("#table", offset=(5, 1))
        await driver.pilot.pause()
        assert "p2" in driver.cursor()


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_the_way_out_is_one_key(key: str, look: Open) -> None:
    async with look() as driver:
        await driver.pilot.press(key)
        await driver.pilot.pause()
        assert not driver.app.is_running or driver.app._exit


async def test_a_table_is_filtered_and_sorted(look: Open) -> None:
    async with look(size=(120, 30)) as driver:
        by_time = await driver.press("s", "s")
        assert "by time" in by_time
        rows = re.findall(r"\b(p[123])\b (?:=| )", await driver.press("s", "s"))
        assert rows[:3] == ["p1", "p2", "p3"]  # by cost
        assert re.findall(r"^..\s+(\d) ", await driver.press("slash", *"exhausted", "enter"), re.M) == ["2"]


async def test_branches_open_and_close(look: Open) -> None:
    async with look() as driver:
        await driver.press("enter", "down", "down", "down")
        assert "solve" in driver.cursor() and "▾" in driver.cursor()
        assert "Max1432" not in (await driver.press("left")).split("─" * 20)[0]
        assert "Max1432" in await driver.press("right")
        assert "target judges" in await driver.press("down", "space")
        assert "target judges" not in await driver.press("minus")


async def test_everything_about_a_step_fills_the_screen_and_goes_again(look: Open) -> None:
    async with look() as driver:
        before = await driver.press("n", "k")
        screen = await driver.press("enter")
        assert "token by token" in screen and "Lea:189.\\n\\n" in screen and "!!!" in screen
        assert "> " not in screen
        assert await driver.press("escape") == before


async def test_what_models_wrote_is_shown_and_never_obeyed(look: Open) -> None:
    async with look(size=(160, 50)) as driver:
        views = (["down"], ["enter"], ["down", "down", "down", "enter"], ["escape", "t"], ["b"], ["equals_sign"])
        for keys in views:
            screen = await driver.press(*keys)
            assert not UNSAFE.search(screen.replace("\n", "")), keys
        screen = await driver.press("p", "enter", "plus")
        assert r"\x1b[2J\x1b[31mred\u202e" in screen and "</script>[bold]x[/bold]" in screen
        assert HOSTILE not in screen


async def test_two_runs_of_a_problem_stand_side_by_side(look: Open, tmp_path: Path) -> None:
    other = kept_run(tmp_path / "y", rewritten="Max:1512.\n\n", answer="1434")
    async with look(other, size=(110, 40)) as driver:
        table = driver.screen()
        assert "≠ ✗ wrong" in table and "1514 | 1434" in table
        screen = await driver.press("enter")
        assert "x/p1" in screen and "y/p1" in screen and "≠" in driver.cursor()
        await driver.press("n", "n")
        assert "Max1512." in driver.cursor() and "Max:1512." in driver.cursor()
        assert "what differs" in driver.screen()
    async with look(other, problems=["p1"]) as driver:
        assert "x/p1" in driver.screen()


async def test_two_problems_of_one_run_are_compared(look: Open) -> None:
    async with look(problems=["p1", "p2"], size=(110, 40)) as driver:
        assert "p1" in driver.screen() and "(not there)" in driver.screen()
    with pytest.raises(RecipeError, match="no problem `p9`"):
        async with look(problems=["p9"]):
            pass


async def test_one_run_alone_says_how_to_compare(look: Open) -> None:
    async with look() as driver:
        await driver.press("equals_sign")
        await driver.pilot.pause(0.2)
        assert "nothing to compare with" in driver.screen()


async def test_the_rest_of_a_journal_is_read_behind_the_first_screen(look: Open) -> None:
    async with look(read=False) as driver:
        for _ in range(50):
            if "p3" in driver.screen():
                break
            await driver.pilot.pause(0.05)
        assert "3 problems" in driver.screen() and not driver.app.sources[0].behind


async def test_a_step_is_copied_with_its_control_characters_written_out(look: Open) -> None:
    async with look() as driver:
        await driver.press("p", "down", "enter", "down", "down", "down", "y")
        assert r"\x1b[2J" in driver.app.clipboard and not UNSAFE.search(driver.app.clipboard.replace("\n", ""))


async def test_the_keys_on_the_screen_hold_the_five_questions_help_and_the_way_out(look: Open) -> None:
    async with look() as driver:
        keys = driver.screen().rstrip("\n").rpartition("\n")[2]
        assert keys.split()[::2] == ["n", "b", "t", "r", "=", "/", "?", "q"]
        assert "Five questions, a key each" in await driver.press("question_mark")


async def test_without_colour_and_in_light_the_same_is_said(look: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    async with look() as driver:
        dark = await driver.press("n")
        assert await driver.press("L") == dark and driver.app.theme == "textual-light"
    monkeypatch.setenv("NO_COLOR", "1")
    async with look() as driver:
        assert await driver.press("n") == dark
        colours = {
            seg.style.color.name
            for strip in driver.app.screen._compositor.render_strips()
            for seg in strip
            if seg.style and seg.style.color
        }
        assert all(name[1:3] == name[3:5] == name[5:7] for name in colours if name.startswith("#"))


async def test_a_terminal_without_unicode_gets_plain_signs(look: Open, tmp_path: Path) -> None:
    async with look() as driver:
        driver.app.words.utf8 = False
        screen = await driver.press("n", "t", "escape", "b", "escape")
        assert "x rejected" in screen and "- solve" in screen


def stories() -> list[tuple[str, str, str]]:
    """From the documentation: what is asked, the keys that lead there, and words that then stand on the screen."""
    rows = re.findall(r"^\| (.+?) \| ((?:`\S+` ?)+)\| `(.+?)` \|$", DOCS.read_text(encoding="utf-8"), re.M)
    assert len(rows) >= 3
    return rows


@pytest.mark.parametrize(("question", "keys", "words"), stories(), ids=lambda value: value[:30])
async def test_the_documented_keys_lead_to_the_answer(question: str, keys: str, words: str, look: Open) -> None:
    names = {"?": "question_mark", "/": "slash", "=": "equals_sign", "Enter": "enter", "Esc": "escape"}
    pressed = [names.get(key, key) for key in re.findall(r"`(\S+)`", keys)]
    assert len(pressed) <= 4
    async with look(size=(80, 24)) as driver:
        assert words in await driver.press(*pressed), question
