"""Sentences of your own are learned, scored again and translated line by line; mistakes are one line."""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from run_directories import only_run

pytest.importorskip("tokenizers", reason="the extra [translation] is not installed")
pytest.importorskip("sacrebleu", reason="the extra [translation] is not installed")

DIGITS = "null eins zwei drei vier fünf sechs sieben acht neun".split()  # noqa: SIM905
OWN = ("experiment=translation", "data=parallel", "data.train=[train.en,train.de]")
SMALL = (
    *OWN,
    *("net.width=16", "net.hidden=16", "net.encoder_blocks=1", "net.decoder_blocks=1", "data.tokenizer=words"),
    *("data.max_length=10", "trainer.max_epochs=2", "task.beam_size=2", "logger=csv"),
)


@pytest.fixture(autouse=True)
def sentences(empty_folder, monkeypatch):
    """200 numbers read aloud in train.en and train.de; no figures, for speed."""
    monkeypatch.setattr("smoothlab.scoring.outcome.save_figure", lambda *_: None)
    random = np.random.default_rng(0)
    numbers = [random.integers(0, 10, random.integers(1, 6)) for _ in range(200)]
    source = [" ".join(map(str, row)) for row in numbers]
    target = [" ".join(DIGITS[digit] for digit in row) for row in numbers]
    Path("train.en").write_text("\n".join(source) + "\n")
    Path("train.de").write_text("\n".join(target) + "\n")
    return pd.DataFrame({"source": source, "target": target})


def test_a_model_is_scored_again_and_translates_line_by_line(cli, drawn_figures):
    code, _, err = cli("train", *SMALL, "task.validation_bleu=true")
    assert code == 0, err
    run = only_run()
    results = json.loads((run / "results.json").read_text())
    test = results["metrics"]["test"]
    assert {"nll", "perplexity", "bleu", "chrf", "exact_match", "sequence_confidence", "ece"} <= set(test)
    assert test["perplexity"] == pytest.approx(np.exp(test["nll"]))
    assert "tok:13a" in results["uncertainty"]["test"]["signatures"]["bleu"]
    assert "val/bleu" in pd.read_csv(run / "metrics.csv").columns
    token_table = pd.read_parquet(run / "predictions" / "test.parquet")
    tokens = pd.read_parquet(run / "predictions" / "test_tokens.parquet")
    assert tokens["nll"].mean() == pytest.approx(test["nll"])
    assert tokens["sequence"].nunique() == len(token_table)
    samples = pd.read_csv(run / "predictions" / "samples_test.csv")
    assert samples["bleu"].is_monotonic_increasing

    assert cli("evaluate", f"run={run}", "output=again.json")[0] == 0
    assert json.loads(Path("again.json").read_text())["metrics"] == results["metrics"]

    lines = [*token_table["source"][:5], "", "  ", "日本 🐶", " ".join("123456789012")]
    with gzip.open("new.en.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    code, _, err = cli("predict", f"run={run}", "input=new.en.gz", "output=new.txt", "batch_size=12")
    assert code == 0, err
    assert "1 sentence(s) of more than 10 tokens were cut, the first in line 9" in err
    translated = Path("new.txt").read_text().split("\n")[:-1]
    assert len(translated) == len(lines)
    assert translated[:5] == token_table["translation"][:5].tolist()
    assert translated[5:7] == ["", ""]
    code, _, err = cli("predict", f"run={run}", "input=new.en.gz", "output=new.csv")
    assert code == 0, err
    table = pd.read_csv("new.csv", keep_default_na=False)
    assert table["translation"].tolist() == translated
    assert table["line"].tolist() == list(range(1, 10))
    assert np.allclose(table["confidence"][:5].astype(float), token_table["confidence"][:5], atol=1e-6)


@pytest.mark.parametrize(
    "smoothing",
    [
        ("smoothing=standard", "smoothing/prior=exclusive"),
        ("smoothing=standard", "smoothing/prior=class_frequency"),
        ("smoothing=standard", "smoothing/prior=zipf"),
        ("smoothing=standard", "smoothing/prior=neighbours"),
        ("smoothing=gradual",),
        ("smoothing=conditional",),
        (
            "smoothing=standard",
            "smoothing/strength=rules",
            "smoothing.strength.rules=[{when: {column: frequency, below: 0.05}, epsilon: 0.3}]",
        ),
        ("smoothing=self_distilled",),
        ("smoothing=online",),
        ("smoothing=adaptive",),
        ("smoothing=auto",),
        ("smoothing=none", "penalty=[confidence]", "loss=focal"),
    ],
    ids=lambda words: " ".join(word.rsplit("=", 1)[-1][:20] for word in words),
)
def test_strategies_train_on_tokens(smoothing, cli):
    code, _, err = cli("train", *SMALL, *smoothing)
    assert code == 0, err
    row = pd.read_csv(only_run() / "metrics.csv").iloc[-1]
    assert np.isfinite(row["train/loss"])
    assert row["val/nll"] > 0


def test_a_teacher_is_a_run_with_the_same_vocabulary(cli):
    assert cli("train", *SMALL, "output_root=teacher")[0] == 0
    teacher = only_run("teacher")
    code, _, err = cli("train", *SMALL, "smoothing=teacher", f"smoothing.prior.net.path={teacher}")
    assert code == 0, err


FILES = ("data=parallel", "data.train=[train.en,train.de]")
TASK, NET = "task=translation", "net=seq2seq_transformer"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([*FILES, NET], "task: classification, but the data are sentence pairs; take task=translation"),
        (["data=breast_cancer", TASK], "task: translation, but the data are no sentence pairs; take task=classif"),
        ([*FILES, TASK, "net=mlp"], "net.in_features = None: expected the number of features; this net is for tables"),
        ([*SMALL, "mixing=mixup"], "mixing: the features have token ids"),
        ([*SMALL, "data.joint_vocabulary=false"], "tied = True: expected false for vocabularies of"),
        ([*FILES, "data.train=[train.en,short.de]", TASK, NET], "200"),
        ([*FILES, "data.train=[train.en,latin.de]", TASK, NET], "latin.de"),
        ([*FILES, "data.train=[train.en,gone.de]", TASK, NET], "gone.de"),
        ([*SMALL[:-2], "task.beam_size=0"], "beam_size = 0: expected an integer of at least 1"),
        ([*SMALL, "task.tokenize=words"], "tokenize = 'words': expected one of 13a"),
        ([*FILES, TASK, NET, "task.slices=mood"], "task.slices = 'mood'"),
        ([*SMALL, "task.fused_loss=true", "smoothing=conditional"], "fused_loss = True"),
        ([*SMALL, "callbacks.best_checkpoint.monitor=val/bleu"], "val/bleu"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_no_directory(words, message, cli):
    target = Path("train.de").read_text()
    Path("short.de").write_text("\n".join(target.split("\n")[:150]) + "\n")
    Path("latin.de").write_bytes(target.encode("latin-1"))
    keys = {word.split("=")[0]: word for word in words}  # the last one of a key counts
    code, _, err = cli("train", *keys.values(), "logger=csv")
    assert code == 2, err
    (line,) = err.splitlines()
    assert message in line
    assert not Path("outputs").exists()


def test_a_text_is_no_output_of_a_classifier(cli):
    assert cli("train", "debug=quick", "experiment=medical")[0] == 0
    code, _, err = cli("predict", f"run={only_run()}", "input=train.en", "output=out.txt")
    assert code == 2
    assert "output = 'out.txt': expected a file ending in .csv or .parquet" in err


SYNTHETIC = ("experiment=translation", "data.rows=60", "data.val_rows=20", "data.test_rows=40", "debug=fast")


def test_synthetic_sentences_with_several_translations_are_told_apart(cli):
    code, _, err = cli("train", *SYNTHETIC, *SMALL[len(OWN) : len(OWN) + 4])
    assert code == 0, err
    slices = json.loads((only_run() / "results.json").read_text())["slices"]
    assert slices["column"] == "ambiguous"
    assert sum(part["rows"] for part in slices["test"]) == 40


@pytest.mark.parametrize("prior", ["uniform", "exclusive", "neighbours"])
def test_inspect_shows_where_the_mass_of_a_token_goes(prior, cli):
    code, out, err = cli("inspect", *OWN, "data.tokenizer=words", f"smoothing/prior={prior}", "output=seen")
    assert code == 0, err
    targets = json.loads(Path("seen/inspection.json").read_text())["soft_targets"]
    by_name = {entry["name"]: place for place, entry in enumerate(targets["classes"])}
    assert {"[EOS]", "null"} <= set(by_name)
    assert "[EOS]" in out
    for row in np.array(targets["matrix"]):
        assert row.sum() == pytest.approx(1)
        assert row[:2] == pytest.approx(0)  # padding and begin


def test_inspect_takes_neighbours_of_a_sentence_that_stand_side_by_side(cli, monkeypatch):
    """Asked about few of the tokens, it must not take for neighbours what was only chosen one after the other."""
    text = "a b c d e f g h i j\n" * 100
    for name in ("same.en", "same.de"):
        Path(name).write_text(text)
    monkeypatch.setattr("smoothlab.inspection.probe.MOST_ROWS", 64)
    words = ("experiment=translation", "data=parallel", "data.train=[same.en,same.de]", "data.val=[same.en,same.de]")
    more = ("data.test=[same.en,same.de]", "data.tokenizer=words", "smoothing/prior=neighbours", "output=seen")
    code, _, err = cli("inspect", *words, *more, "smoothing.prior.weights=[1.0]", "smoothing.strength.epsilon=0.2")
    assert code == 0, err
    targets = json.loads(Path("seen/inspection.json").read_text())["soft_targets"]
    names = [entry["name"] for entry in targets["classes"]]
    matrix = dict(zip(names, np.array(targets["matrix"]), strict=True))
    letters = {name: 4 + place for place, name in enumerate("abcdefghij")}  # their ids, after four special tokens
    for left, name, right in zip("abcdefgh", "bcdefghi", "cdefghij", strict=True):
        assert matrix[name][[letters[left], letters[name], letters[right]]] == pytest.approx([0.1, 0.8, 0.1]), name
