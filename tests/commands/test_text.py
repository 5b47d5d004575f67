"""Texts of your own train, are scored again and predicted from raw rows; mistakes are one line."""

import json
from pathlib import Path

import pandas as pd
import pytest
from run_directories import only_run

pytest.importorskip("tokenizers", reason="the extra [text] is not installed")

OWN = ("data=text", "data.path=news.csv", "data.text=title", "data.target=label", "data.vocab_size=400")
SMALL = (*OWN, "net.width=8", "data.batch_size=8", "trainer.max_epochs=2", "logger=csv", "callbacks=checkpoint")


@pytest.fixture(autouse=True)
def news(empty_folder, monkeypatch) -> pd.DataFrame:
    """60 headlines in news.csv; no figures, for speed."""
    monkeypatch.setattr("smoothlab.scoring.outcome.save_figure", lambda *_: None)
    words = ["profit rose", "sales grew"], ["loss widened", "sales fell, again"]
    titles = [f"{words[row % 2][row % 3 % 2]} in quarter {row}" for row in range(60)]
    frame = pd.DataFrame(
        {"id": range(60), "title": titles, "label": ["up" if row % 2 else "down" for row in range(60)]}
    )
    frame.to_csv("news.csv", index=False)
    return frame


@pytest.mark.parametrize("net", ["embedding_bag", "text_transformer"])
def test_a_model_of_texts_is_scored_and_predicts_as_in_training(net, cli, news):
    small = [f"net={net}", *(["net.hidden=8", "net.heads=2"] if net == "text_transformer" else [])]
    code, _, err = cli("train", *small, *SMALL)
    assert code == 0, err
    run = only_run()
    assert cli("evaluate", f"run={run}", "output=again.json")[0] == 0
    again = json.loads(Path("again.json").read_text())["metrics"]
    assert again == json.loads((run / "results.json").read_text())["metrics"]
    test = pd.read_parquet(run / "predictions" / "test.parquet")
    raw = news.drop(columns="label").iloc[test["row"]]
    Path("news.csv").unlink()  # the model needs no training data
    raw.to_csv("raw.csv", index=False)
    code, _, err = cli("predict", f"run={run}", "input=raw.csv", "output=out.csv", "batch_size=5")
    assert code == 0, err
    out = pd.read_csv("out.csv")
    assert out["prediction"].tolist() == test["prediction"].tolist()
    assert out["prob_up"].to_numpy() == pytest.approx(test["prob_up"].to_numpy(), abs=1e-6)
    raw.rename(columns={"title": "headline"}).to_csv("raw.csv", index=False)
    code, _, err = cli("predict", f"run={run}", "input=raw.csv", "output=out.csv")
    assert code == 2
    assert "raw.csv: column 'title' missing, the text; the table has id, headline" in err


def test_a_finished_run_of_texts_is_inspected(cli):
    assert cli("train", "net=embedding_bag", *SMALL)[0] == 0
    code, out, err = cli("inspect", f"run={only_run()}")
    assert code == 0, err
    assert out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data.text=titel"], "data.text = 'titel': no such column"),
        (["data.vocab_size=100"], "data.vocab_size = 100: expected an integer of at least 257"),
        (["data.max_length=0"], "data.max_length = 0: expected an integer of at least 1"),
        (["data.text=label"], "data.text = 'label': expected another column than the target"),
        (["+data.rare=3"], "data.rare: smoothlab.data.TextData has no argument 'rare'"),
        (["net=mlp"], "net"),
        (["mixing=mixup"], "mixing"),
        (["data.path=news.jsonl"], "data.path = 'news.jsonl': line 2 is no JSON"),
        (["data.path=latin.csv"], "say encoding=latin-1"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_no_directory(words, message, cli):
    Path("news.jsonl").write_text('{"title": "a", "label": "up"}\n{"title": \n')
    Path("latin.csv").write_bytes("title,label\nErlös,up\n".encode("latin-1"))
    code, _, err = cli("train", "net=embedding_bag", *OWN, "logger=csv", *words)
    assert code == 2, err
    (line,) = err.splitlines()
    assert message in line
    assert not Path("outputs").exists()


def test_without_the_library_its_name_and_what_installs_it_are_said(cli, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tokenizers", None)
    code, _, err = cli("train", "net=embedding_bag", *OWN, "logger=csv")
    assert code == 2
    assert "tokenizers" in err
    assert "pip install 'smoothlab[text]'" in err
