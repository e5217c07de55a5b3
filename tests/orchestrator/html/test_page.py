import re
from pathlib import Path

import pytest
from axe_core_python.sync_playwright import Axe
from playwright.sync_api import Browser, Error, Page, expect

from headgate.orchestrator.html import page
from headgate.orchestrator.traces import RunTree

from ..traces.conftest import Teller, story, told
from .conftest import Opened

ATTACKS = [
    "</script><script>window.owned = 1</script>",
    "<!--<script>",
    '<img src="x" onerror="window.owned = 1">',
    '"><svg onload=window.owned=1>',
    "javascript:window.owned=1",
    "$data ${title} {{script}}",
    "\x1b[2J\x00 \u202egnirts\u2028\u2066 \ud800 \U000e0041",
]
HOSTILE = "\n".join(ATTACKS)


def hostile() -> RunTree:
    """A run whose every text is an attack, names of problems, models and tools included."""
    teller = Teller()
    teller.tell("run_start", "", name=HOSTILE, recipe=f"models: {{'{ATTACKS[2]}': 'x:y'}}")
    for attack in [*ATTACKS, "__proto__", "constructor"]:
        name = attack.replace("/", ":")
        teller.begin(name, HOSTILE)
        teller.tell("node_start", f"{name}/solve", strategy=HOSTILE, roles={"draft": HOSTILE, "__proto__": "x"})
        teller.step(f"{name}/solve", 0, attack, HOSTILE, kept=False, reason=HOSTILE)
        teller.step(f"{name}/solve", 0, "constructor", HOSTILE + "!", lengths=[5, 70, 9], logprobs=[-1, None, -3])
        teller.call(f"{name}/solve", attack, attack, HOSTILE, stop=attack)
        asked = teller.tell("tool_start", f"{name}/solve", tool=attack, arguments={attack: HOSTILE})
        teller.tell("tool_end", f"{name}/solve", asked, tool=attack, result=HOSTILE, error=HOSTILE)
        teller.tell("wait", f"{name}/solve", asked=1, unit=attack, role=attack, purpose=attack)
        teller.tell("retry", f"{name}/solve", role=attack, error=HOSTILE, attempt=1, wait_s=1.0)
        teller.end(name, HOSTILE, True, "failed", HOSTILE)
    return told(teller.kept.events)


@pytest.fixture
def tree() -> RunTree:
    return told(story(Teller()))


def steps(tab: Page) -> list[str]:
    return [text.strip() for text in tab.locator("details.step:visible > summary .said").all_inner_texts()]


def test_it_opens_with_the_result_the_bill_and_a_row_for_each_problem(opened: Opened, tree: RunTree) -> None:
    tab = opened(tree)
    expect(tab.get_by_role("heading", level=1)).to_have_text("runs/x")
    expect(tab.locator("#headline")).to_contain_text("still running: 3 problems, 2 of 2 right")
    bill = tab.get_by_role("table", name="By model")
    expect(bill.get_by_role("row").filter(has_text="wasted").get_by_role("cell")).to_have_text(["4", "0", "4"])
    expect(tab.locator("#batch tbody tr")).to_have_count(3)
    expect(tab.get_by_role("img", name=re.compile("New tokens by model"))).to_be_visible()


def test_a_step_is_opened_by_the_keyboard_alone(opened: Opened, tree: RunTree) -> None:
    tab = opened(tree)
    tab.locator("details.problem > summary").first.focus()
    tab.keyboard.press("Enter")
    assert "Max:8*Lea189;Max1432." in steps(tab)
    step = tab.locator("details.step").filter(has_text="Lea:189.").first
    step.locator("summary").focus()
    tab.keyboard.press("Enter")
    expect(step.get_by_role("img", name="The judge's digit: most likely 4, at 50 percent")).to_be_visible()
    expect(step.get_by_role("table", name="Calls").get_by_role("row")).to_have_count(3)
    expect(step).to_contain_text('Least likely: "189" at 15 %')


def test_a_link_opens_its_step_and_the_focus_is_there(opened: Opened, tree: RunTree) -> None:
    tab = opened(tree, "#p1/solve/step-1")
    expect(tab.locator(":focus")).to_contain_text("Max:8*Lea189;Max1512.")
    expect(tab.locator("details.step[open]")).to_have_count(1)
    tab.get_by_role("link", name="a rejected draft").click()
    expect(tab.locator(":focus")).to_contain_text("rejected: 3.89 of 9, below 7")
    assert re.search(r"#p1/solve/step-1~\d+$", tab.url)
    rejected = tab.locator("details.rejected")
    assert rejected.locator("del").all_inner_texts() == ["1432"]
    assert rejected.locator("ins").all_inner_texts() == ["1512"]


def test_a_screen_reader_is_told_what_the_kept_snapshot_says(opened: Opened, tree: RunTree) -> None:
    tab = opened(tree, "#p1/solve/step-1")
    kept = Path(__file__).with_name("story.aria.yml").read_text(encoding="utf-8")
    expect(tab.locator("#trace")).to_match_aria_snapshot(kept)


def test_a_link_to_nowhere_says_so(opened: Opened, tree: RunTree) -> None:
    tab = opened(tree, "#p9/solve/step-4%zz")
    expect(tab.get_by_role("status")).to_contain_text("There is nothing at p9/solve/step-4%zz")


def test_the_filter_shows_what_has_all_the_words_and_escape_shows_the_rest(opened: Opened, tree: RunTree) -> None:
    tab = opened(tree)
    tab.keyboard.press("/")
    tab.keyboard.type("max1432 draft")
    expect(tab.get_by_role("status")).to_have_text("1 problem, 1 entry found")
    assert steps(tab) == ["Max:8*Lea189;Max1432."]
    assert tab.locator("details.problem:visible").count() == 1
    tab.keyboard.press("Escape")
    expect(tab.locator("details.problem:visible")).to_have_count(3)
    assert len(steps(tab)) > 1


def test_the_filter_finds_rejected_steps_tools_and_trouble(opened: Opened, tree: RunTree) -> None:
    tab = opened(tree)
    only = tab.get_by_label("Show")
    only.select_option("rejected")
    assert steps(tab) == ["Max:8*Lea189;Max1432.", "Max:8*Lea189;Max1512."]
    only.select_option("tool")
    assert steps(tab) == ["42"]
    only.select_option("trouble")
    asides = tab.locator("p.aside:visible").all_inner_texts()
    said = [
        "draft tried again after 2.0 s",
        "waited for the budget for 4.0 s",
        "refused draft (think)",
        "the leash ended",
    ]
    assert [words in text for words, text in zip(said, asides, strict=True)] == [True] * 4


def test_the_key_n_goes_from_one_rejected_step_to_the_next(opened: Opened, tree: RunTree) -> None:
    tab = opened(tree)
    tab.keyboard.press("n")
    expect(tab.locator(":focus")).to_contain_text("Max:8*Lea189;Max1432.")
    expect(tab.get_by_role("status")).to_have_text("Rejected step 1 of 1.")


def test_keys_can_be_turned_off(opened: Opened, tree: RunTree) -> None:
    tab = opened(tree)
    tab.get_by_label("shortcuts of one key").uncheck()
    tab.locator("#trace").focus()
    tab.keyboard.press("/")
    expect(tab.get_by_label("Filter", exact=True)).not_to_be_focused()


def test_a_column_is_sorted_by_its_heading(opened: Opened, tree: RunTree) -> None:
    tab = opened(tree)
    heading = tab.get_by_role("columnheader", name="tok", exact=True)
    heading.get_by_role("button").click()
    expect(heading).to_have_attribute("aria-sort", "ascending")
    first = tab.locator("#batch tbody tr td:first-child")
    assert first.all_inner_texts() == ["p3", "p2", "p1"]
    heading.get_by_role("button").click()
    assert first.all_inner_texts() == ["p1", "p2", "p3"]


def test_the_theme_follows_the_system_until_it_is_chosen(opened: Opened, tree: RunTree) -> None:
    tab = opened(tree, scheme="dark")
    colour = "getComputedStyle(document.body).backgroundColor"
    dark = tab.evaluate(colour)
    tab.get_by_role("button", name="Theme: system").click()
    light = tab.evaluate(colour)
    tab.get_by_role("button", name="Theme: light").click()
    assert (light, dark, tab.evaluate(colour)) == ("rgb(255, 255, 255)", dark, dark)
    assert light != dark


def test_a_narrow_window_scrolls_down_only(opened: Opened, tree: RunTree) -> None:
    tab = opened(tree, "#p1/solve/step-1")
    tab.set_viewport_size({"width": 400, "height": 800})
    tab.get_by_role("button", name="Open all").click()
    assert tab.evaluate("document.documentElement.scrollWidth") == 400


def test_a_checker_of_accessibility_finds_nothing_serious(opened: Opened, tree: RunTree) -> None:
    tab = opened(tree)
    tab.get_by_role("button", name="Open all").click()
    for summary in tab.locator("details.step > summary, .problem .inside > details:not(.scope) > summary").all():
        summary.click()
    found = Axe().run(tab)["violations"]
    tab.emulate_media(color_scheme="dark")
    found += Axe().run(tab, options={"runOnly": ["color-contrast"]})["violations"]
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    assert [(one["id"], one["nodes"][0]["html"]) for one in serious] == []


def test_nothing_that_a_model_or_a_tool_wrote_runs_or_turns_a_line(opened: Opened) -> None:
    tab = opened(hostile(), "#" + "%ff<img src=x onerror=window.owned=1>")
    tab.get_by_role("button", name="Open all").click()
    for summary in tab.locator("details:not([open]) > summary").all():
        if summary.is_visible():
            summary.click()
    for hit in tab.locator("svg .goes").all():
        hit.dispatch_event("click")
    tab.get_by_label("Filter", exact=True).fill("<img src=x onerror=window.owned=1>")
    tab.wait_for_timeout(200)
    assert tab.evaluate("window.owned === undefined")
    assert tab.locator("img, main script, svg[onload], iframe").count() == 0
    links = tab.locator("a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    assert all(link.startswith("#") for link in links)
    shown = tab.evaluate("document.body.textContent.replace(document.getElementById('data').textContent, '')")
    assert "\\x1b[2J\\x00 \\u202egnirts\\u2028\\u2066 \\ud800 \\U000e0041" in shown
    assert not re.search("[\x00\x1b\u202e\u2028\u2066\ud800\U000e0041]", shown)
    assert ATTACKS[0] in shown


def test_a_policy_forbids_whatever_is_not_the_page_itself(chromium: Browser, tmp_path: Path, tree: RunTree) -> None:
    strange = "<script>window.owned = 1</script><p style='color: red' id='p'><img src='http://127.0.0.1:9/x'></p>"
    file = tmp_path / "x.html"
    file.write_text(page(tree, title="x").replace("</main>", f"{strange}</main>"), encoding="utf-8")
    with chromium.new_context() as context:
        tab, refused = context.new_page(), list[str]()
        tab.on("console", lambda message: refused.append(message.text))
        tab.goto(file.as_uri())
        expect(tab.locator("details.problem")).to_have_count(3)
        assert tab.evaluate("window.owned === undefined")
        assert tab.evaluate("document.getElementById('p').style.color") == ""
        with pytest.raises(Error, match="TrustedHTML"):
            tab.evaluate("document.body.innerHTML = 'x'")
    assert [text for kind in ("inline script", "inline style", "loading the image") for text in refused if kind in text]


def test_a_title_cannot_end_its_element(tree: RunTree) -> None:
    made = page(tree, title="</title><script>alert(1)</script>\x1b")
    assert "<script>alert" not in made
    assert "\\x1b" in made
