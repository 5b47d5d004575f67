"""`smoothlab data`: list, fetch, describe."""

from pathlib import Path

import pytest

TABLE = "colour,size,fruit\n" + "".join(
    f"{c},{n},{f}\n" for n in range(20) for c, f in (("red", "apple"), ("yellow", "pear"))
)


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("SMOOTHLAB_DATA_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SMOOTHLAB_DATA_MIRROR", raising=False)
    monkeypatch.setenv("COLUMNS", "80")


def test_list_shows_every_set_with_its_terms_within_80_columns(cli):
    from smoothlab.data.registry import public_sets

    code, out, _ = cli("data", "list")
    assert code == 0
    assert [name for name in public_sets() if name not in out] == []
    assert max(map(len, out.splitlines())) <= 80
    (line,) = [line for line in out.splitlines() if "phrasebank" in line]
    assert "non-commercial" in line
    assert line.rstrip().endswith("-")  # it is not here
    (line,) = [line for line in out.splitlines() if "wine_cultivars" in line]
    assert "bundled" in line


def test_fetch_says_where_the_files_are_and_under_which_licence(cli, shared, monkeypatch):
    monkeypatch.setenv("SMOOTHLAB_DATA_MIRROR", str(shared / "data"))
    code, out, _ = cli("data", "fetch", "phrasebank", "fetal_health")
    assert code == 0
    assert f"phrasebank: mirror, {shared / 'data' / 'finance' / 'financial_phrasebank'}" in out
    assert "CC BY-NC-SA 3.0 [non-commercial]" in out
    assert "licence: CC BY 4.0 (UCI)\n" in out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("fetch",), "expected names"),
        (("fetch", "fetal_helth"), "nearest: fetal_health"),
        (("fetch", "fetal_health"), "SMOOTHLAB_DATA_MIRROR"),
        (("describe",), "expected a public set, a file"),
        (("describe", "no_such_set"), "no such public data set"),
        (("describe", "no/such/file.csv", "target=a"), "no such file"),
        (("describe", "multi30k"), "SMOOTHLAB_DATA_MIRROR"),
        (("describe", "breast_cancer", "targt=x"), "nearest: data.target"),
        (("describe", "--all"), "no such option"),
        (("list", "all"), "takes no words"),
        (("lst",), "nearest: list"),
    ],
)
def test_a_mistake_ends_in_one_line(words, expected, cli):
    code, out, err = cli("data", *words)
    assert code == 2
    assert out == ""
    (line,) = err.splitlines()
    assert expected in line


def test_a_file_is_described_with_its_columns_classes_and_warnings(cli):
    Path("my fruit.csv").write_text(TABLE)
    code, out, _ = cli("data", "describe", "my fruit.csv", "target=fruit")
    assert code == 0
    assert "colour" in out
    assert "categorical" in out
    assert "pear" in out
    assert "warning: column 'colour' alone gives the target away" in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 80
    same = cli("data", "describe", "data=table", "data.path='my fruit.csv'", "data.target=fruit")
    assert same[1] == out


def test_labels_that_cannot_be_used_are_the_first_warning_of_the_page(cli):
    Path("fruit.csv").write_text(TABLE + "red,3.0,kiwi\n")
    code, out, err = cli("data", "describe", "fruit.csv", "target=fruit", "html=page.html")
    assert code == 0, err
    first = next(line for line in out.split("\n\n")[-1].splitlines() if line.startswith("warning"))
    text = " ".join(out.split())
    assert "training refuses these data: data.target: class 'kiwi' has 1 row(s)" in text
    assert "data.rare_classes=" in text
    assert first.startswith("warning: training refuses these data")
    assert "colour" in out
    assert "kiwi" in Path("page.html").read_text()


def test_a_file_without_a_target_is_answered_with_its_columns(cli):
    Path("fruit.csv").write_text(TABLE)
    code, _, err = cli("data", "describe", "fruit.csv")
    assert code == 2
    assert "one of colour, size, fruit" in err


def test_sets_that_are_no_table_are_described_by_their_classes(cli):
    code, out, _ = cli("data", "describe", "synthetic_retail")
    assert code == 0
    assert "class" in out


def test_help_and_completion_know_the_words(cli, monkeypatch):
    assert "smoothlab data fetch" in cli("data", "--help")[1]
    assert cli("data")[0] == 0
    monkeypatch.setenv("COMP_LINE", "smoothlab data fe")
    assert cli("-sc", "query=bash")[1].split() == ["fetch"]
    monkeypatch.setenv("COMP_LINE", "smoothlab data describe wine")
    assert cli("-sc", "query=bash")[1].split() == ["wine_cultivars", "wine_quality"]


def test_a_description_for_programs_and_as_a_page(cli):
    import json

    Path("my fruit.csv").write_text(TABLE.replace("red", "<script>red").replace("colour", "<b>colour"))
    code, out, _ = cli(
        "data", "describe", "my fruit.csv", "target=fruit", "--json", "html=page.html", "task=classification"
    )
    assert code == 0
    got = json.loads(out)
    assert [column["name"] for column in got["columns"]] == ["<b>colour", "size", "fruit"]
    assert got["positive"] == "pear"
    assert got["columns"][1]["becomes"] == "a number"
    assert sum(got["charts"][0]["counts"]["apple"]) == 20
    page = Path("page.html").read_text()
    assert "<script" not in page
    assert "<b>" not in page
    assert "&lt;b&gt;colour" in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("my.csv", "target=fruit", "html=page.txt"), "expected a file ending in .html"),
        (("my.csv", "target=fruit", "html=no/folder/page.html"), "cannot be written"),
        (("synthetic_retail", "--json"), "are for tables"),
    ],
)
def test_a_page_that_cannot_be_made_is_one_line(cli, words, expected):
    Path("my.csv").write_text(TABLE)
    code, _, err = cli("data", "describe", *words)
    assert code == 2
    (line,) = err.splitlines()
    assert expected in line
