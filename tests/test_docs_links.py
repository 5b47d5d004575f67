"""Links between pages hold, on a code host and on the site, and the site's menu names every page."""

from __future__ import annotations

import json
import posixpath
import re
import runpy
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import smoothlab

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "benchmarks").rglob("*.md"),
        *(ROOT / "notebooks").glob("*.ipynb"),
    ]
)
FENCE = re.compile(r"^(`{3,}).*?^\1`*\s*$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s#]*)(?:#([^)\s]*))?\)|<img src=\"([^\"]+)\"")


def prose(path: Path) -> str:
    """A page, or a notebook, without its blocks of code."""
    if path.suffix == ".ipynb":
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def anchors(path: Path) -> set[str]:
    """The names of a page's headings, as code hosts and the site make them."""
    heads = re.findall(r"^#+ +(.*)$", prose(path), re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", head).replace("`", "").lower() for head in heads]
    return {re.sub(r"[^\w\- ]", "", head).strip().replace(" ", "-") for head in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_links_of_a_page_lead_somewhere(page):
    for link, anchor, picture in LINK.findall(re.sub(r"`[^`\n]*`", "", prose(page))):
        if re.match(r"\w+:", link or picture):
            continue
        target = (page.parent / (link or picture)).resolve() if link or picture else page
        assert target.exists(), f"{link or picture}: no such file"
        assert target.is_relative_to(ROOT)
        assert not anchor or anchor in anchors(target), f"{link}#{anchor}: no such heading"


def menu(entries: list[Any]) -> list[str]:
    """The pages that a site's menu names."""
    values = [value for entry in entries for value in (entry.values() if isinstance(entry, dict) else [entry])]
    return [page for value in values for page in (menu(value) if isinstance(value, list) else [value])]


def test_the_menu_of_the_site_names_every_page_once():
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    script = runpy.run_path(str(ROOT / settings["hooks"][0]))
    expected = [path.name for path in (ROOT / "docs").glob("*.md")]
    expected += [f"notebooks/{path.stem}.md" for path in (ROOT / "notebooks").glob("*.ipynb")]
    expected += [f"reference/{room}.md" for room in ("smoothlab", *script["ROOMS"])]
    assert sorted(menu(settings["nav"])) == sorted(expected)


def test_links_out_of_docs_become_links_to_pages_of_the_site():
    script = runpy.run_path(str(ROOT / "scripts" / "site_pages.py"))
    pages = dict(script["_linked"]())
    assert "repository/benchmarks/results/domains.md" in pages
    assert pages["repository/conf/predict.yaml.md"].startswith("# conf/predict.yaml\n\n````yaml\n")
    assert "plain_loop.py" in pages["repository/examples.md"]
    relinked = script["_relinked"]
    assert relinked("[a](../conf/predict.yaml)", "docs/x.md", "x.md") == "[a](repository/conf/predict.yaml.md)"
    assert relinked("[a](runs.md#how-a-run-ends)", "docs/x.md", "x.md") == "[a](runs.md#how-a-run-ends)"
    back = relinked("[a](../../docs/runs.md)", "benchmarks/results/x.md", "repository/benchmarks/results/x.md")
    assert back == "[a](../../../runs.md)"
    assert relinked("[a](../notebooks/any_loop.ipynb)", "docs/x.md", "x.md") == "[a](notebooks/any_loop.md)"


def test_the_reference_names_what_the_library_exports():
    script = runpy.run_path(str(ROOT / "scripts" / "site_pages.py"))
    pages = dict(script["_reference"]())
    named = {line.rsplit(".", 1)[1] for line in pages["reference/smoothlab.md"].splitlines() if line[:3] == ":::"}
    assert named == set(smoothlab.__all__) - {"__version__"}
    assert "::: smoothlab.smoothing.Auto" in pages["reference/smoothing.md"]


def test_the_site_asks_no_server():
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    assert settings["theme"]["font"] is False
    for place in settings["extra"]["polyfills"]:
        assert (ROOT / "docs" / place).is_file()
        assert (
            posixpath.basename(place) == "iframe-worker.js"
        )  # by which the offline plugin knows its own to be replaced


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert citation["version"] == project["version"] == smoothlab.__version__
    assert citation["license"] == project["license"]
    assert {"cff-version", "message", "title", "authors", "type"} <= set(citation)
