"""Identity follows what determines a result, and nothing else."""

from smoothlab.config.compose import compose_config, plain
from smoothlab.rundir.identity import differences, run_identity

CONFIG = {
    "seed": 1,
    "net": {"hidden": [8]},
    "logger": {"csv": {}},
    "resume": "none",
    "name": "a",
    "output_root": "x",
}


def test_places_loggers_and_resume_do_not_count():
    other = CONFIG | {"logger": {}, "resume": "auto", "name": "b", "output_root": "y", "progress": "none"}
    assert run_identity(CONFIG, "data") == run_identity(other, "data")


def test_config_and_data_count():
    assert run_identity(CONFIG, "data") != run_identity(CONFIG | {"seed": 2}, "data")
    assert run_identity(CONFIG, "data") != run_identity(CONFIG | {"net": {"hidden": [9]}}, "data")
    assert run_identity(CONFIG, "data") != run_identity(CONFIG, "other data")


def test_the_order_of_keys_does_not_count():
    assert run_identity(CONFIG, "d") == run_identity(dict(reversed(CONFIG.items())), "d")


def test_differences_name_the_keys():
    other = {"seed": 2, "net": {"hidden": [8], "dropout": 0.1}, "logger": {}}
    assert differences(CONFIG, other) == ["net.dropout: (absent) -> 0.1", "seed: 1 -> 2"]


def test_what_stands_in_a_file_that_the_config_names_counts(tmp_path):
    tree = tmp_path / "tree.yaml"
    tree.write_text("[a, b]")
    config = CONFIG | {"smoothing": {"prior": {"tree": str(tree)}}, "data": {"path": "x.csv"}}
    before = run_identity(config, "data")
    assert before == run_identity(config, "data")
    tree.write_text("[b, a]")
    assert run_identity(config, "data") != before


def test_files_of_the_data_are_the_fingerprint_s_but_for_their_tree(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("a,b")
    rows, tree = ({**CONFIG, "data": {key: str(file)}} for key in ("path", "tree"))
    before = run_identity(rows, "data"), run_identity(tree, "data")
    file.write_text("c,d")
    assert run_identity(rows, "data") == before[0]
    assert run_identity(tree, "data") != before[1]


def test_what_is_monitored_counts_once_where_it_stands_in_the_callbacks():
    def identity(*words: str) -> str:
        return run_identity(plain(compose_config("train", list(words))), "")

    assert identity("monitor=val/brier") != identity()
    stands = ("callbacks.best_checkpoint.monitor=val/brier", "callbacks.early_stopping.monitor=val/brier")
    assert identity("monitor=val/brier") == identity(*stands)


def test_what_a_training_begins_with_counts_by_its_content_whichever_way_it_is_named(tmp_path):
    file = tmp_path / "old" / "checkpoints" / "best.ckpt"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"weights")
    named = [CONFIG | {"init": str(path)} for path in (tmp_path / "old", file)]
    before, same = (run_identity(config, "data") for config in named)
    assert before == same
    file.write_bytes(b"others, of a later training")
    assert run_identity(named[0], "data") != before


def test_weights_of_others_count_by_their_content_in_a_package_and_in_a_folder(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "weights_of_somebody" / "net" / "model.pt"
    file.parent.mkdir(parents=True)
    named = [
        CONFIG | {"net": {"weights": "weights_of_somebody"}},
        CONFIG | {"net": {"pretrained": str(file.parent)}},
        CONFIG | {"net": {"weights": "no_such_package"}},
    ]
    file.write_bytes(b"one")
    before = [run_identity(config, "data") for config in named]
    file.write_bytes(b"another")
    after = [run_identity(config, "data") for config in named]
    assert [old == new for old, new in zip(before, after, strict=True)] == [False, False, True]
