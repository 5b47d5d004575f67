"""`smoothlab report`: from run directories alone to a page, and mistakes in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from drawn_runs import draw_run


@pytest.fixture
def runs(empty_folder) -> Path:
    for epsilon in (0.0, 0.1):
        for seed in range(2):
            draw_run(Path("outputs/runs") / f"{epsilon}_{seed}", epsilon=epsilon, seed=seed)
    return Path("outputs/runs")


def test_it_answers_and_writes_the_page_beside_the_runs(cli, runs):
    code, out, err = cli("report", str(runs))
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "report outputs/runs/report/report.html"
    assert out.splitlines()[0][:120] in (runs / "report" / "report.html").read_text()
    report = json.loads((runs / "report" / "report.json").read_text())
    assert [arm["name"] for arm in report["arms"]] == ["epsilon 0.0", "epsilon 0.1"]
    assert cli("report", str(runs))[0] == 0  # its own folder is no run, and is replaced


def test_single_runs_can_be_named_and_the_options_do_what_they_say(cli, runs):
    words = ["--out=doc/here", "--format", "md", "--title", "Two runs", "--baseline", "epsilon 0.1"]
    code, out, _ = cli("report", *words, str(runs / "0.0_0"), str(runs / "0.1_0"))
    assert code == 0
    assert out.splitlines()[-1] == "report doc/here/report.md"
    assert Path("doc/here/report.md").read_text().startswith("# Two runs\n")
    report = json.loads(Path("doc/here/report.json").read_text())
    assert [arm["name"] for arm in report["arms"] if arm["is_baseline"]] == ["epsilon 0.1"]


def test_a_broken_and_an_unfinished_run_are_named_and_the_rest_is_reported(cli, runs):
    (runs / "0.0_1" / "results.json").write_text("{")
    (runs / "0.1_1" / "status.json").write_text('{"state": "interrupted"}')
    code, out, err = cli("report", str(runs))
    assert (code, err) == (0, "")
    assert [line.split(": ")[1] for line in out.splitlines() if line.startswith("left out")] == [
        "outputs/runs/0.0_1",
        "outputs/runs/0.1_1",
    ]


def test_many_runs_with_a_broken_an_unfinished_and_one_with_html_in_its_classes(cli, runs):
    """The small version of benchmarks/report.py."""
    hostile = "<script>document.title='broken'</script>"
    for seed in range(2, 6):
        for epsilon in (0.0, 0.1, 0.3):
            classes = (hostile, "b", "c") if (seed, epsilon) == (5, 0.3) else ("a", "b", "c")
            draw_run(Path("many") / f"{epsilon}_{seed}", epsilon=epsilon, seed=seed, classes=classes, rows=60)
    (Path("many") / "0.0_2" / "results.json").unlink()
    (Path("many") / "0.1_2" / "status.json").write_text('{"state": "failed", "error": "<b>no memory</b>"}')
    code, _, err = cli("report", "many")
    assert (code, err) == (0, "")
    page = Path("many/report/report.html").read_text()
    assert hostile not in page
    assert page.count("&lt;script&gt;document.title") > 0
    assert "<b>no memory" not in page
    problems = page[page.index('id="table-problems"') :].split("</table>")[0]
    assert [name for name in ("0.0_2", "0.1_2", "0.3_5", "0.0_3") if f"many/{name}<" in problems] == [
        "0.0_2",
        "0.1_2",
        "0.3_5",
    ]


def test_runs_that_a_comparison_only_tried_are_left_out_unless_they_are_named(cli, runs):
    arms = {f"{epsilon}_{seed}": f"arm {epsilon}" for epsilon in (0.0, 0.1) for seed in range(2)}
    (runs / "comparison.json").write_text(json.dumps({"arms": arms}))
    tried = draw_run(runs / "tried", epsilon=0.3)
    code, out, _ = cli("report", str(runs))
    assert code == 0
    assert "left out: 1 runs that a comparison tried" in out
    report = json.loads((runs / "report" / "report.json").read_text())
    assert {run["arm"] for run in report["runs"]} == {"arm 0.0", "arm 0.1"}
    assert cli("report", str(runs), str(tried))[0] == 0
    report = json.loads((runs / "report" / "report.json").read_text())
    assert len(report["runs"]) == 5


MISTAKES = {
    "nowhere": ["no such directory", "nowhere"],
    "empty": ["no finished run", "empty"],
    "": ["expected directories"],
    "outputs/runs --formt md": ["--formt", "nearest: --format"],
    "outputs/runs --format pdf": ["pdf", "html or md"],
    "outputs/runs --title": ["--title", "expected a value"],
    "outputs/runs --baseline epsilon_0.1": ["nearest: epsilon 0.1"],
    "outputs/runs --out outputs/runs": ["outputs/runs", "a folder of its own"],
    "outputs/runs --out outputs/runs/0.0_0/config.yaml": ["is a file"],
}


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_is_one_line_and_nothing_is_written(cli, runs, words):
    Path("empty").mkdir()
    before = set(Path().rglob("*"))
    code, out, err = cli("report", *(words.split() or ["--format", "md"]))
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    for part in MISTAKES[words]:
        assert part in err
    assert set(Path().rglob("*")) == before


def test_help_names_every_option(cli):
    from smoothlab.commands.report import OPTIONS

    code, out, _ = cli("report", "--help")
    assert code == 0
    assert all(option in out for option in OPTIONS)


def test_tab_completion_offers_its_own_options_and_no_config_groups(cli, monkeypatch):
    monkeypatch.setenv("COMP_LINE", "smoothlab report ")
    code, out, _ = cli("-sc", "query=bash")
    assert (code, out.split()) == (0, ["--out", "--format", "--title", "--baseline"])
