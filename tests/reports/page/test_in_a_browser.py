"""The page as a reader has it: opened, sorted, filtered and printed in a headless Chromium."""

from __future__ import annotations

import base64
import json

import pytest
from browser import Browser, chromium

pytestmark = pytest.mark.skipif(chromium() is None, reason="no chromium, chromium-browser or google-chrome on PATH")

ROWS = "Array.from(document.querySelectorAll('#table-{table} tbody tr'))"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def page(browser, made):
    browser.messages.clear()
    browser.requests.clear()
    browser.open(made.page)
    yield browser
    assert browser.messages == []  # neither the console nor the policy had anything to say


def column(page, table: str, place: int) -> list[str]:
    return page.run(ROWS.format(table=table) + f".map((row) => row.cells[{place}].textContent)")


def numbers(page, table: str, place: int) -> list[float]:
    cells = ROWS.format(table=table) + f".map((row) => row.cells[{place}].dataset.value)"
    return [float(cell) if cell is not None else float("nan") for cell in page.run(cells)]


def press(page, table: str, place: int) -> str:
    """Press a heading by keyboard; returns what the column says of its order."""
    head = f"document.querySelectorAll('#table-{table} thead th')[{place}]"
    page.run(f"{head}.querySelector('button').focus()")
    for kind in ("keyDown", "keyUp"):
        page("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r")
    return page.run(f"{head}.getAttribute('aria-sort')")


def test_it_opens_runs_nothing_of_the_names_and_asks_nobody_for_anything(page, made):
    title = page.run("document.title")
    assert title.startswith("medical & <b>more</b>")
    assert page.run("document.images.length") == 0
    assert [request for request in page.requests if not request.startswith(("file:", "data:"))] == []


def test_a_heading_sorts_by_number_up_and_then_down_with_missing_numbers_last(page):
    place = 7  # the difference to the baseline, which the baseline has not
    before = numbers(page, "numbers", place)
    held = [value for value in before if value == value]
    assert 0 < len(held) < len(before)
    page.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert press(page, "numbers", place) == "ascending"
    after = numbers(page, "numbers", place)
    assert after[: len(held)] == sorted(held)
    assert all(value != value for value in after[len(held) :])
    assert press(page, "numbers", place) == "descending"
    after = numbers(page, "numbers", place)
    assert after[: len(held)] == sorted(held, reverse=True)
    assert all(value != value for value in after[len(held) :])


def test_another_heading_takes_the_order_over_and_texts_sort_as_texts(page):
    press(page, "arms", 1)
    assert press(page, "arms", 0) == "ascending"
    names = page.run(ROWS.format(table="arms") + ".map((row) => row.cells[0].dataset.value)")
    assert names == page.run(f"{json.dumps(names)}.sort((a, b) => a.localeCompare(b, 'en', {{numeric: true}}))")
    assert page.run("document.querySelectorAll('#table-arms [aria-sort]').length") == 1


def test_the_choice_of_probabilities_hides_the_other_rows(page):
    shown = ROWS.format(table="arms") + ".filter((row) => row.offsetHeight).length"
    every = page.run(shown)
    page.run("document.querySelector('.variants input[value=raw]').click()")
    assert page.run(shown) == every // 2
    page.run("document.querySelector('.variants input[value=\"\"]').click()")
    assert page.run(shown) == every


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_no_width_makes_the_page_scroll_sideways(page, made, width):
    page.open(made.page, width=width)
    assert page.run("document.documentElement.scrollWidth") <= width


def test_dark_is_dark_and_paper_is_light(page, made):
    page.open(made.page, scheme="dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    chart = "getComputedStyle(document.querySelector('.chart')).backgroundColor"
    assert page.run(paper) == page.run(chart) == "rgb(21, 24, 28)"
    page("Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    assert page.run(paper) == page.run(chart) == "rgb(255, 255, 255)"
    page("Emulation.setEmulatedMedia", media="")


def test_the_picture_of_the_answer_fits_a_narrow_window(page, made):
    shown = "Array.from(document.querySelectorAll('.answer svg')).map((one) => one.getBoundingClientRect().right)"
    for width in (500, 1280):
        page.open(made.page, width=width)
        (right,) = [each for each in page.run(shown) if each > 0]
        assert right <= width


def test_print_leaves_out_the_long_tables_that_are_folded_and_fits_on_six_pages(page, made):
    """They are in the files beside the page; printing changes nothing of what the reader had folded."""
    folded = "document.querySelectorAll('details:not([open])').length"
    before = page.run(folded)
    assert before > 0
    pdf = base64.b64decode(page("Page.printToPDF", printBackground=True)["data"])
    assert pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") <= 6
    assert page.run(folded) == before
    page("Emulation.setEmulatedMedia", media="print")
    assert page.run("getComputedStyle(document.querySelector('details.folded')).display") == "none"
    page("Emulation.setEmulatedMedia", media="")


def test_what_an_arm_is_shows_by_keyboard_inside_the_window_and_goes_by_escape(page, made):
    page.open(made.page, width=500)
    term = "document.querySelector('#table-arms tbody .term')"
    tip = f"document.getElementById({term}.getAttribute('aria-describedby'))"
    shown = f"getComputedStyle({tip}).display"
    assert page.run(shown) == "none"
    for _ in range(60):  # by keyboard, since the mouse asks for no ring
        page("Input.dispatchKeyEvent", type="keyDown", key="Tab", code="Tab", windowsVirtualKeyCode=9)
        if page.run(f"document.activeElement === {term}"):
            break
    assert page.run(shown) == "block"
    assert "smoothing" in page.run(f"{tip}.textContent")
    box = page.run(f"(() => {{ const b = {tip}.getBoundingClientRect(); return [b.left, b.right, b.top]; }})()")
    assert 0 <= box[0] < box[1] <= 500
    assert box[2] >= 0
    page("Input.dispatchKeyEvent", type="keyDown", key="Escape", code="Escape", windowsVirtualKeyCode=27)
    assert page.run(shown) == "none"


def test_a_figure_opens_as_a_file_of_its_own(page, made):
    page.open(made.folder / "figures" / "reliability_02.svg")
    assert page.run("document.documentElement.tagName") == "svg"
    assert page.run("getComputedStyle(document.querySelector('.under, .over')).fill") != "rgb(0, 0, 0)"
