"""A run's config is what composing it with its seed and fold gives."""

from __future__ import annotations

import pytest

from smoothlab.commands.compare import asked
from smoothlab.config.compose import compose_config, plain
from smoothlab.errors import UserMistake

WORDS = {
    "medical": [],
    "a split seed of its own": ["data.split_seed=7"],
    "made-up rows": ["experiment=retail", "data.rows=300"],
    "an expression of the seed": ["data.shuffle_seed='${seed}1'"],
    "an expression of the fold": ["+task.note='${data.fold}'"],
    "few epochs": ["epochs=3"],
    "another first seed": ["seed=4"],
}


@pytest.mark.parametrize("name", WORDS)
@pytest.mark.parametrize(("seed", "fold"), [(0, None), (5, None), (2, 1)])
def test_a_config_is_that_of_the_words_with_seed_and_fold(name, seed, fold, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = WORDS[name]
    _, resolve = asked([*words, "take=[none,standard]"])
    first = next((int(word.split("=")[1]) for word in words if word.startswith("seed=")), 0)
    given = [word for word in words if not word.startswith(("epochs=", "seed="))]
    strength = "smoothing.strength.epsilon=0.05"
    frozen = [
        f"data.{key}={first}" for key in ("split_seed", "row_seed") if key in resolve((), {}, (), 0, None)["data"]
    ]
    frozen = [word for word in frozen if not any(word.split("=")[0] in each for each in given)]
    cut = [] if fold is None else [f"data.fold={fold}", "data.folds=5"]
    epochs = ["trainer.max_epochs=3"] if "epochs=3" in words else []
    if fold is not None and name == "made-up rows":
        with pytest.raises(UserMistake, match="these data have no folds"):
            resolve((), {}, (), seed, fold, folds=5)
        return
    asked_for = [*given, "smoothing=standard", strength, f"seed={seed}", *frozen, *cut, *epochs]
    expected = plain(compose_config("train", [*asked_for, "progress=none", "figures=false", "logger=csv"]))
    for _ in range(2):  # the second one comes from what is kept
        values = resolve(("smoothing=standard",), {"smoothing.strength.epsilon": 0.05}, (), seed, fold, folds=5)
        assert values.pop("engine") in ("single", "batched")
        assert values == {key: value for key, value in expected.items() if key != "engine"}
        values["data"]["batch_size"] = -1  # of this one alone


def test_a_plan_is_found_again_where_all_files_are_known_and_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["data=table", "data.target=y", "take=[none,standard]"]
    file = tmp_path / "rows.csv"
    file.write_text("x,y\n1,2\n")
    first, same = (asked([*words, "data.path=rows.csv"])[0].signature for _ in range(2))
    file.write_text("x,y\n1,23\n")
    assert first == same != asked([*words, "data.path=rows.csv"])[0].signature
    assert asked([*words, "data.source={_target_:mine.rows,_partial_:true}"])[0].signature == ""
