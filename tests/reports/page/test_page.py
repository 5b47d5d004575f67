"""The page says what the comparison says, lets no text become markup, and needs nothing but itself."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from dataclasses import asdict, replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import yaml
from drawn_runs import draw_comparison, draw_run
from made_verdicts import EVERY, numbers

from smoothlab.errors import UserMistake
from smoothlab.reports.comparison import Comparison, plain_values
from smoothlab.reports.page import write_markdown, write_page
from smoothlab.reports.page.material import Material
from smoothlab.reports.page.section import MARKDOWN, Figures, Heading, Listing, Paragraph, Section
from smoothlab.reports.page.sections.classes import classes as by_class
from smoothlab.reports.page.svg import Drawing
from smoothlab.reports.page.tables import Column, Table, rows_of, text_cell
from smoothlab.reports.records import read_records

KNOWN = """
html head meta title link style body a header h1 h2 h3 bdi p span main section ul li b nav div table thead tbody tr th
td button small strong figure figcaption fieldset legend label input details summary dl dt dd footer code script
svg path rect text circle polygon line defs pattern g clippath
"""
VOID = {"meta", "link", "input"}


class Read(HTMLParser):
    """Elements with their attributes, the text of each table cell, and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.tables: dict[str, list[list[tuple[str, dict[str, str | None]]]]] = {}
        self._table: list[list[tuple[str, dict[str, str | None]]]] | None = None
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self._table = self.tables.setdefault(dict(attrs)["id"], [])
        elif tag == "tr" and self._table is not None:
            self._table.append([])
        elif tag in ("td", "th") and self._table is not None:
            self._table[-1].append(("", dict(attrs)))

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag == "table":
            self._table = None

    def handle_data(self, data):
        self.texts.append(data)
        if self._table and self._table[-1] and {"td", "th"} & set(self.open):
            text, attributes = self._table[-1][-1]
            self._table[-1][-1] = (text + data, attributes)


@pytest.fixture(scope="session")
def read(made) -> Read:
    return Read(made.page.read_text())


def test_the_answer_stands_first_with_what_to_do(made, read):
    first, second, third = made.comparison.verdict.sentences
    (step,) = made.comparison.verdict.steps
    text = "".join(read.texts)
    places = [text.index(part) for part in (first, second, third, step.command, "The arms side by side")]
    assert places == sorted(places)
    assert step.command in made.markdown.read_text().replace("\\", "")


def test_nothing_in_a_name_becomes_an_element_or_an_attribute(made, read):
    assert {tag for tag, _ in read.elements} <= set(KNOWN.split())
    assert sum(tag == "script" for tag, _ in read.elements) == 1
    names = {name for _, attributes in read.elements for name in attributes}
    assert not {name for name in names if name.startswith("on") or name in ("style", "srcset", "src")}
    assert not read.open
    text = "".join(read.texts)
    assert "</script><script>document.title='broken'" in text  # it is shown as it is
    assert "\x07" not in made.page.read_text()


def test_every_text_of_the_runs_is_there_word_for_word(made, read):
    text = "".join(read.texts)
    for record in made.records.records:
        assert record.path.name in text
    for name in made.comparison.classes:
        assert name in text
    for problem in made.records.problems:
        assert problem.says in text


def test_the_policy_allows_its_own_style_and_script_alone(made):
    text = made.page.read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text).group(1)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    for tag, rule in (("style", "style-src"), ("script", "script-src")):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    assert text.index("Content-Security-Policy") < text.index("<style>")


def test_no_address_outside_of_the_page_is_in_it(read):
    for tag, attributes in read.elements:
        for name in ("href", "src", "action", "data", "xlink:href"):
            value = attributes.get(name)
            assert value is None or value.startswith("#") or (tag == "link" and value == "data:,")
    (style,) = [text for text in read.texts if ".chart" in text]
    assert "url(" not in style
    assert "@import" not in style


def test_the_page_is_small(made):
    assert made.page.stat().st_size < 5e6


def test_table_and_files_hold_the_numbers_of_the_comparison(made, read):
    table = made.comparison.table
    csv = pd.read_csv(made.folder / "table.csv")
    assert list(csv.columns) == list(table.columns)
    listed = json.loads((made.folder / "report.json").read_text())["table"]
    shown = read.tables["table-numbers"][1:]
    assert len(csv) == len(table) == len(listed) == len(shown)
    columns = [name for name in table.columns if name != "better"]
    for row in range(len(table)):
        for place, name in enumerate(columns[3:], start=3):
            value = table[name].iloc[row]
            in_page = shown[row][place][1].get("data-value")
            if np.isnan(value):
                assert in_page is None
                assert listed[row][name] is None
                assert np.isnan(csv[name].iloc[row])
            else:
                assert float(in_page) == listed[row][name] == value
                assert csv[name].iloc[row] == pytest.approx(value, rel=1e-12)
        assert shown[row][0][0] == listed[row]["arm"] == table["arm"].iloc[row]


def test_a_name_that_a_spreadsheet_would_run_is_text_in_the_csv(made):
    arms = set(pd.read_csv(made.folder / "table.csv")["arm"])
    assert "'=1+1" in arms
    assert not any(arm.startswith("=") for arm in arms)


def test_runs_that_are_left_out_are_named_with_the_reason(made, read):
    rows = {Path(row[0][0]).name: [text for text, _ in row[1:]] for row in read.tables["table-problems"][1:]}
    assert set(rows) == {"broken", "failed"}
    assert "results.json" in rows["broken"][1]
    assert rows["failed"][0] == "failed"
    assert "ValueError" in rows["failed"][1]


def test_every_chart_of_the_page_is_a_file_too_and_says_what_is_in_it(made, read):
    inside = [attributes["aria-label"] for tag, attributes in read.elements if tag == "svg"]
    alone = []
    for path in (made.folder / "figures").glob("*.svg"):
        root = ElementTree.parse(path).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert not [element for element in root.iter() if element.tag.endswith("script")]
        alone.append(root.get("aria-label"))
    assert set(inside) <= set(alone)
    in_files_alone = set(alone) - set(inside)  # reliability of arms that the answer is not about
    assert len(in_files_alone) == len(made.comparison.arms) - len({"none", *made.comparison.verdict.heroes})
    assert all("Expected calibration error" in label for label in in_files_alone)
    assert all(len(label) > 40 for label in inside)
    assert any("Expected calibration error" in label for label in inside)


def test_names_of_elements_are_unique(read):
    names = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(names) == len(set(names))
    labels = {label for _, attributes in read.elements for label in (attributes.get("aria-labelledby") or "").split()}
    assert labels <= set(names)
    targets = {attributes["href"][1:] for tag, attributes in read.elements if tag == "a"}
    assert targets <= set(names)


def test_headings_go_down_one_level_at_a_time(read):
    levels = [int(tag[1]) for tag, _ in read.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_markdown_holds_the_same_and_no_markup_of_the_names(made):
    text = made.markdown.read_text()
    assert "<" not in text.replace("<br>", "").replace("&lt;", "")
    assert "](javascript" not in text
    links = re.findall(r"(?<!\\)\]\(([^)]*)\)", text)
    assert links
    assert all((made.markdown.parent / link).is_file() for link in links)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    tables = re.split(r"\n\n", "\n".join(line if line.startswith("|") else "\n" for line in text.splitlines()))
    for table in tables:
        bars = {len(re.findall(r"(?<!\\)\|", line)) for line in table.strip().splitlines() if line.startswith("|")}
        assert len(bars) <= 1
    assert any("standard" in row for row in rows)


def test_one_function_puts_a_section_into_every_form(made, tmp_path, monkeypatch):
    chart = Drawing("bare", 10, 10).chart("A bare chart", "nothing is drawn in it, which the test says at length")

    def extra(material):
        rows = rows_of([[text_cell(arm)] for arm in material.order])
        blocks = (
            Heading("What is new"),
            Paragraph((("for ", ""), ("both", "over"))),
            Paragraph((("for Markdown", ""),), only=MARKDOWN),
            Figures((chart,)),
            Listing(Table("extra", "The arms again.", (Column("arm"),), rows), folded="a few rows"),
        )
        return Section("extra", "An extra section", "Extra", blocks)

    monkeypatch.setattr("smoothlab.reports.page.contents.SECTIONS", (extra,))
    page = write_page(made.comparison, made.records, tmp_path / "page", title="extra").read_text()
    markdown = write_markdown(made.comparison, made.records, tmp_path / "markdown", title="extra").read_text()
    assert '<a href="#extra">Extra</a>' in page
    assert 'for <b class="over">both</b>' in page
    assert "for Markdown" not in page
    assert len(Read(page).tables["table-extra"]) == len(made.comparison.arms) + 1
    for text in ("## An extra section", "### What is new", "for both", "for Markdown", "(figures/bare.svg)"):
        assert text in markdown
    assert (tmp_path / "page" / "figures" / "bare.svg").is_file()


def test_a_report_is_replaced_as_a_whole(made, tmp_path):
    folder = tmp_path / "report"
    write_markdown(made.comparison, made.records, folder, title="one")
    write_page(made.comparison, made.records, folder, title="two")
    assert not (folder / "report.md").exists()
    assert "two" in (folder / "report.html").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_a_report_that_fails_leaves_the_old_one_as_it_was(made, tmp_path, monkeypatch):
    folder = tmp_path / "report"
    write_page(made.comparison, made.records, folder, title="one")
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("smoothlab.reports.page.writing.without_formulas", full)
    with pytest.raises(UserMistake, match="No space left"):
        write_page(made.comparison, made.records, folder, title="two")
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_a_folder_with_something_else_in_it_is_refused_and_stays(made, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UserMistake, match=r"thesis\.txt"):
        write_page(made.comparison, made.records, tmp_path, title="one")
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_one_arm_and_one_run_make_a_page_too(tmp_path):
    draw_run(tmp_path / "runs" / "only", epochs=1)
    records = read_records([tmp_path / "runs"])
    page = write_page(draw_comparison(records.records), records, tmp_path / "page", title="alone")
    assert "table-arms" in Read(page.read_text()).tables


def test_a_run_whose_predictions_are_damaged_is_named_and_the_others_are_shown(tmp_path):
    draw_run(tmp_path / "runs" / "good", seed=1)
    bad = draw_run(tmp_path / "runs" / "bad", seed=2)
    records = read_records([tmp_path / "runs"])
    comparison = draw_comparison(records.records)
    (bad / "predictions" / "test.parquet").write_bytes(b"PAR1 and then nothing")
    tables = Read(write_page(comparison, records, tmp_path / "page", title="half").read_text()).tables
    (row,) = tables["table-problems"][1:]
    assert Path(row[0][0]).name == "bad"
    assert row[1][0] == "predictions not taken"


def test_a_setting_that_varies_as_a_number_becomes_a_curve(tmp_path):
    for noise in (0.0, 0.1, 0.2, 0.4):
        for epsilon in (0.0, 0.1):
            draw_run(tmp_path / "runs" / f"{noise}_{epsilon}", noise=noise, epsilon=epsilon)
    records = read_records([tmp_path / "runs"])
    page = write_page(draw_comparison(records.records), records, tmp_path / "page", title="noise")
    read = Read(page.read_text())
    labels = [attributes["aria-label"] for tag, attributes in read.elements if tag == "svg"]
    (curve,) = [label for label in labels if label.startswith("Test NLL over noise_rate")]
    by_epsilon = {record.flat["smoothing.strength.epsilon"]: record for record in records.records}
    assert len(by_epsilon) == 2
    assert curve.count(" from 0.") + curve.count(" from 1.") == 2  # a line an epsilon, not one a pair


def test_runs_without_predictions_of_single_labels_have_the_table_and_no_diagrams(tmp_path):
    for epsilon in (0.0, 0.1):
        for seed in range(2):
            path = draw_run(tmp_path / "runs" / f"{epsilon}_{seed}", epsilon=epsilon, seed=seed)
            shutil.rmtree(path / "predictions")
    records = read_records([tmp_path / "runs"])
    comparison = Comparison.of(records.records)
    read = Read(write_page(comparison, records, tmp_path / "page", title="several labels").read_text())
    assert len(read.tables["table-arms"]) == 3  # the heading and two arms
    labels = [attributes["aria-label"] for tag, attributes in read.elements if tag == "svg"]
    assert any(label.startswith("Validation NLL over the epochs") for label in labels)
    assert not any("Expected calibration error" in label for label in labels)
    write_markdown(comparison, records, tmp_path / "markdown", title="several labels")


def test_numbers_that_differ_from_arm_to_arm_alone_make_no_curve(tmp_path):
    arms = {}
    for place, epsilon in enumerate((0.0, 0.1, 0.2)):
        path = draw_run(tmp_path / "runs" / f"{epsilon}", epsilon=epsilon)
        config = yaml.safe_load((path / "config.yaml").read_text())
        config["net"] = {"dropout": place / 10, "width": 64 + place}
        (path / "config.yaml").write_text(yaml.safe_dump(config))
        arms[path.name] = f"arm {place}"
    (tmp_path / "runs" / "comparison.json").write_text(json.dumps({"arms": arms}))
    records = read_records([tmp_path / "runs"])
    page = write_page(draw_comparison(records.records), records, tmp_path / "page", title="arms")
    labels = [attributes["aria-label"] for tag, attributes in Read(page.read_text()).elements if tag == "svg"]
    assert not [label for label in labels if label.startswith("Test ")]


def test_label_noise_that_is_off_stands_at_zero_in_a_noise_curve(tmp_path):
    arms = {}
    for rate in (0.0, 0.1, 0.4):
        path = draw_run(tmp_path / "runs" / f"{rate}", noise=rate)
        config = yaml.safe_load((path / "config.yaml").read_text())
        config["data"] |= {"noise": "symmetric", "noise_rate": rate} if rate else {"noise": "none", "noise_rate": 0.2}
        (path / "config.yaml").write_text(yaml.safe_dump(config))
        arms[path.name] = f"none, {rate:g}"
    (tmp_path / "runs" / "comparison.json").write_text(json.dumps({"arms": arms}))
    records = read_records([tmp_path / "runs"])
    page = write_page(draw_comparison(records.records), records, tmp_path / "page", title="noise")
    labels = [attributes["aria-label"] for tag, attributes in Read(page.read_text()).elements if tag == "svg"]
    (curve,) = [label for label in labels if label.startswith("Test NLL over noise_rate")]
    at = {record.results["metrics"]["test"]["nll"]: record.path.name for record in records.records}
    ends = re.search(r"none from ([0-9]\.[0-9]+) to ([0-9]\.[0-9]+)", curve)
    first, last = float(ends.group(1)), float(ends.group(2))
    assert at[min(at, key=lambda nll: abs(nll - first))] == "0.0"
    assert at[min(at, key=lambda nll: abs(nll - last))] == "0.4"
    assert "differ in their data" in page.read_text()


def test_the_picture_of_the_answer_has_each_arm_sorted_with_its_role_and_its_numbers(made, read):
    label, narrow = [
        attributes["aria-label"]
        for tag, attributes in read.elements
        if tag == "svg" and attributes["aria-label"].startswith("Difference in test NLL to no smoothing")
    ]
    assert label == narrow
    assert "3 arms from the lowest test NLL to the highest" in label
    root = ElementTree.parse(made.folder / "figures" / "answer.svg").getroot()
    texts = [element.text for element in root.iter() if element.tag.endswith("text") and element.text]
    table = made.comparison.table
    nll = table[(table["metric"] == "nll") & (table["variant"] == "raw") & (table["arm"] != "none")]
    order = list(nll.sort_values("difference")["arm"])
    places = [next(place for place, text in enumerate(texts) if arm.startswith(text.rstrip("…"))) for arm in order]
    assert places == sorted(places)
    assert sum(text.startswith("smoothing") for text in texts) == len(order)
    assert sum(text.startswith("smoothing, chosen, ε 0.") for text in texts) == 1
    text = "".join(read.texts)
    assert text.index(made.comparison.verdict.answers[1]) < text.index("An interval that crosses the dashed line")
    assert text.index("An interval that crosses the dashed line") < text.index("smoothlab train smoothing=standard")


def test_reliability_shows_the_arms_of_the_answer(made, read):
    main = {"none", *made.comparison.verdict.heroes}
    labels = [attributes["aria-label"] for tag, attributes in read.elements if tag == "svg"]
    shown = [label for label in labels if "Expected calibration error" in label]
    assert len(shown) == len(main)
    assert shown[0].startswith("none")


@pytest.mark.parametrize(
    ("classes", "expected"),
    [(("well", "<b>ill"), "is <b>ill."), (("<b>ill", "well"), "is well."), (("a", "b", "c"), None)],
)
def test_the_table_of_two_classes_names_the_positive_one(tmp_path, classes, expected):
    for epsilon in (0.0, 0.1):
        draw_run(tmp_path / "runs" / f"run_{epsilon}", epsilon=epsilon, classes=classes)
    records = read_records([tmp_path / "runs"])
    comparison = draw_comparison(records.records)
    section = by_class(Material.of(comparison, records))
    caption = next(block.table.caption for block in section.blocks if isinstance(block, Listing))
    assert ("positive class" in caption) == (expected is not None)
    assert caption.endswith(expected or "over the runs.")
    page = write_page(comparison, records, tmp_path / "page", title="x").read_text()
    assert "<b>ill" not in page


# By the kind of a verdict: how its first sentence begins, and what the first step advises.
WORDS = {
    "helps": ("Smoothing helps: {hero} lowers the test NLL of no smoothing by ", "Use {arm}."),
    "hurts": ("Smoothing hurts: {hero} raises the test NLL of no smoothing by ", "Use {arm}."),
    "no_difference": ("Smoothing makes no difference larger than ", "Keep no smoothing"),
    "cannot_tell": ("Whether smoothing helps cannot be told from these rows and runs: {hero} ", "To tell more,"),
}


@pytest.mark.parametrize("kind", list(WORDS))
def test_the_first_screen_says_what_the_data_say(made, tmp_path, kind):
    verdict = EVERY[kind]()
    page = write_page(replace(made.comparison, verdict=verdict), made.records, tmp_path, title="a")
    comparison = json.loads(json.dumps(plain_values(asdict(verdict))))  # as comparison.json has it
    text = "".join(Read(page.read_text()).texts)
    screen = text[: text.index("The arms side by side")]
    assert comparison["kind"] == kind
    smoothing = comparison["findings"][0]
    for sentence in (*comparison["findings"], *(step["says"] for step in comparison["steps"])):
        assert sentence in screen
    begins, advises = (words.format(**comparison) for words in WORDS[comparison["kind"]])
    assert smoothing.startswith(begins)
    assert comparison["steps"][0]["says"].startswith(advises)
    others = [words[0].split("{")[0] for name, words in WORDS.items() if name != kind]
    assert not any(words in screen for words in others)
    interval = comparison["equivalence" if kind == "no_difference" else "difference"]
    sign = -1 if kind == "helps" else 1
    expected = [sign * interval["mean"], *sorted((sign * interval["low"], sign * interval["high"]))]
    expected = {
        "no_difference": [comparison["margin"], *expected],
        "cannot_tell": [*expected, comparison["detectable"]],
    }.get(kind, expected)
    assert numbers(smoothing)[: len(expected)] == pytest.approx(expected, abs=6e-4)
