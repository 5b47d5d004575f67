"""Names that others chose are texts in a report: no script, no markup, no address, nothing loaded from elsewhere."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as Tree

import pandas as pd
import pytest
import yaml
from drawn_runs import draw_run

MARK = "7331"  # in every payload; where it stands, and not as text, a payload got through
PAYLOADS = (
    f"<script>alert({MARK})</script>",
    f"</script><script>alert({MARK})</script>",
    f'"><img src=x onerror=alert({MARK})>',
    f"' onmouseover='alert({MARK})",
    f"[x](javascript:alert({MARK}))",
    f"![x](http://elsewhere.test/{MARK}.png)",
    f"</title></style><svg/onload=alert({MARK})>",
    f"{{{{ {MARK} * 2 }}}}{{% raw %}}",
    f"http://elsewhere.test/{MARK}",
    f"<!--{MARK}--><a href=javascript:alert({MARK})>x</a>",
)
HANDLER = re.compile(r"on\w+", re.IGNORECASE)
LOADS = {"src", "srcset", "href", "xlink:href", "action", "formaction", "data", "poster", "background", "style"}


class Elements(HTMLParser):
    """Tags with their attributes, and the text of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.code: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, {name: value or "" for name, value in attributes}))

    def handle_data(self, data):
        if self.tags and self.cdata_elem in ("script", "style"):
            self.code.append(data)


@pytest.fixture
def reported(cli):
    """A report of runs with every payload as a name of a class, an arm, a run, a metric, a setting and an error."""
    for number, payload in enumerate(PAYLOADS):
        run = draw_run(Path("runs") / f"run{number}", seed=number, classes=(*PAYLOADS[:3], "plain"), rows=60)
        for name, read, write in (
            ("config.yaml", yaml.safe_load, yaml.safe_dump),
            ("results.json", json.loads, json.dumps),
        ):
            content = read((run / name).read_text())
            content |= {"name": payload, payload: payload}
            if name == "results.json":
                content["metrics"]["test"][payload] = 0.5
                content["versions"] = content["machine"] = {payload: payload}
            (run / name).write_text(write(content))
        epochs = pd.read_csv(run / "metrics.csv")
        epochs.assign(**{f"val/{payload}": 0.5}).to_csv(run / "metrics.csv", index=False)
    arms = {f"run{number}": payload for number, payload in enumerate(PAYLOADS)}
    (Path("runs") / "comparison.json").write_text(json.dumps({"arms": arms}))
    failed = draw_run(Path("runs") / f"<img src=x onerror=alert({MARK})>", seed=99, rows=60)
    (failed / "status.json").write_text(json.dumps({"state": "failed", "error": PAYLOADS[2]}))
    code, _, err = cli("report", "runs", "--out", "page", "--title", PAYLOADS[1])
    assert (code, err) == (0, "")
    assert cli("report", "runs", "--out", "text", "--format", "md", "--title", PAYLOADS[1])[0] == 0
    return Path("page")


def test_no_name_becomes_markup_script_or_address(reported):
    page = (reported / "report.html").read_text()
    assert page.count(MARK) > 50
    elements = Elements(page)
    kinds = {tag for tag, _ in elements.tags}
    assert not kinds & {"img", "iframe", "object", "embed", "base", "form"}
    assert [tag for tag, _ in elements.tags].count("script") == 1
    assert MARK not in "".join(elements.code)
    for tag, attributes in elements.tags:
        for name, value in attributes.items():
            assert not HANDLER.fullmatch(name), (tag, name)
            assert name not in LOADS or value.startswith("#") or value == "data:,", (tag, name, value)
    assert "default-src 'none'" in page
    assert "unsafe-inline" not in page


def test_each_figure_is_plain_svg(reported):
    figures = sorted((reported / "figures").iterdir())
    assert figures
    for file in figures:
        for element in Tree.parse(file).iter():
            assert element.tag.split("}")[1] not in ("script", "foreignObject", "image", "a", "use", "animate", "set")
            for name, value in element.attrib.items():
                assert not HANDLER.fullmatch(name)
                assert "href" not in name
                assert "url(" not in value or value.startswith("url(#")


def test_markdown_has_no_markup_and_no_link_but_to_its_figures(reported):
    text = Path("text/report.md").read_text()
    assert MARK in text
    assert not re.search(r"(?<!\\)<(?!br>|/?small>|/?sub>)[a-zA-Z/!]", text), "markup"
    links = re.findall(r"(?<!\\)\]\(([^)]*)\)", text)
    assert all(link.startswith(("figures/", "#")) for link in links), links


def test_tables_that_a_spreadsheet_opens_hold_no_formula(cli):
    names = ("=cmd|' /C calc'!A0", "+1+cmd", "@SUM(1)")
    for seed in range(2):
        draw_run(Path("runs") / f"r{seed}", seed=seed, epsilon=seed / 10, classes=names, rows=60)
    arms = {"r0": "=1+1", "r1": "@arm"}
    (Path("runs") / "comparison.json").write_text(json.dumps({"arms": arms}))
    assert cli("report", "runs", "--out", "page")[0] == 0
    tables = list(Path("page").glob("*.csv"))
    assert len(tables) == 2
    for table in tables:
        cells = [cell for line in table.read_text().splitlines() for cell in line.split(",")]
        begin = [cell for cell in cells if cell.lstrip('"').startswith(("=", "+", "@", "\t"))]
        assert not begin, table
        assert any(cell.lstrip('"').startswith(("'=", "'@")) for cell in cells)
