"""Identity follows what determines a result, and nothing else."""

from smoothlab.runs.identity import differences, run_identity

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
