"""smoothlab suspects: labels that are likely to be wrong, from folds of one table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import smoothlab
from smoothlab.statistics.confident import suspects

FIXED = ["logger=none", "progress=none", "figures=false", "smoothing=none", "net=linear", "optimizer.lr=0.1"]


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory):
    """Three separated classes with 12 wrong labels of 150, and three folds trained on them."""
    folder = tmp_path_factory.mktemp("spoiled")
    random = np.random.default_rng(0)
    label = np.arange(150) % 3
    frame = pd.DataFrame({"x": random.normal(4.0 * label), "y": random.normal(-3.0 * label)})
    wrong = random.choice(150, 12, replace=False)
    label[wrong] = (label[wrong] + 1) % 3
    frame.assign(kind=np.array(["oak", "<b>elm</b>", "ash"])[label]).to_csv(folder / "trees.csv", index=False)
    words = ["data=table", f"data.path={folder / 'trees.csv'}", "data.target=kind", f"output_root={folder / 'runs'}"]
    for fold in range(3):
        smoothlab.train(
            [*words, *FIXED, "trainer.max_epochs=8", "data.folds=3", f"data.fold={fold}", f"name=fold{fold}"]
        )
    return folder, words, set(wrong.tolist())


def test_wrong_labels_come_first_and_training_leaves_them_out(spoiled, tmp_path, cli):
    folder, words, wrong = spoiled
    code, out, err = cli("suspects", f"runs={folder / 'runs'}", f"output={tmp_path / 'looked'}")
    assert code == 0, err
    table = pd.read_parquet(tmp_path / "looked" / "rows.parquet")
    assert sorted(table["row"]) == list(range(150))
    assert len(wrong & set(table["row"][:12])) >= 10
    named = pd.read_csv(tmp_path / "looked" / "suspects.csv")
    assert len(wrong & set(named["row"])) >= 9
    assert f"{len(named)} of 150 rows" in out
    page = (tmp_path / "looked" / "suspects.html").read_text()
    assert "&lt;b&gt;elm" in page
    assert "<b>elm" not in page
    run = smoothlab.train(
        [*words, *FIXED, "trainer.max_epochs=1", f"data.without={tmp_path / 'looked' / 'suspects.csv'}"]
    )
    log = (run.path / "run.log").read_text()
    assert f"{len(named)} rows are left out" in log
    left = pd.concat(pd.read_parquet(path) for path in (run.path / "predictions").glob("*.parquet"))["row"]
    assert not set(left) & set(named["row"])


def test_mistakes_are_one_line(spoiled, tmp_path, cli):
    folder, words, _ = spoiled
    (tmp_path / "bare.csv").write_text("number\n1\n")
    (tmp_path / "far.csv").write_text("row\n1\n999\n")
    for given, says in (
        (["suspects", f"runs={tmp_path / 'none'}", f"output={tmp_path / 'a'}"], "no such directory"),
        (["suspects", f"runs={tmp_path}", f"output={tmp_path / 'a'}"], "no finished run"),
        (["suspects", f"runs={folder / 'runs'}", f"output={tmp_path / 'far.csv'}"], "is a file"),
        (["train", *words, *FIXED, f"data.without={tmp_path / 'bare.csv'}"], "no column 'row'"),
        (["train", *words, *FIXED, f"data.without={tmp_path / 'far.csv'}"], "no row 999"),
        (["train", *words, *FIXED, f"data.without={tmp_path / 'none.csv'}"], "data.without"),
    ):
        code, _, err = cli(*given)
        assert code == 2
        assert says in err
        assert err.count("\n") == 1, err


def test_the_joint_has_the_labels_shares_and_the_noise():
    random = np.random.default_rng(1)
    true = random.integers(0, 3, 3000)
    labels = np.where(random.random(3000) < 0.2, (true + 1) % 3, true)
    probabilities = np.full((3000, 3), 0.05)
    probabilities[np.arange(3000), true] = 0.9
    judged = suspects(labels, probabilities)
    assert judged.joint.sum(1) == pytest.approx(np.bincount(labels) / 3000)
    assert judged.noise == pytest.approx((labels != true).mean())
    assert (judged.suspect == (labels != true)).all()
    assert (judged.likely[judged.suspect] == true[judged.suspect]).all()


def test_the_suspects_are_those_of_cleanlab():
    cleanlab = pytest.importorskip("cleanlab.filter", reason="cleanlab is not installed")
    random = np.random.default_rng(2)
    labels = random.integers(0, 4, 400)
    probabilities = random.dirichlet(np.ones(4), 400) + 1.5 * np.eye(4)[labels] * random.random((400, 1))
    probabilities /= probabilities.sum(1, keepdims=True)
    theirs = cleanlab.find_label_issues(labels, probabilities, filter_by="prune_by_noise_rate", n_jobs=1)
    ours = suspects(labels, probabilities).suspect
    assert (ours == theirs).mean() > 0.98
