"""What conf/data offers for translation makes data, key by key, and the commands show them."""

import inspect
from pathlib import Path

import pytest

pytest.importorskip("tokenizers", reason="the extra [translation] is not installed")

from smoothlab.commands.main import main
from smoothlab.config.build import build
from smoothlab.config.compose import compose_config, plain
from smoothlab.data import ParallelData, SyntheticTranslation


def data_of(*words):
    return build(plain(compose_config("train", list(words)))["data"], "data")


@pytest.mark.parametrize(
    ("name", "kind"), [("parallel", ParallelData), ("synthetic_translation", SyntheticTranslation)]
)
def test_a_config_names_every_argument(name, kind):
    keys = set(plain(compose_config("train", [f"data={name}"]))["data"]) - {"_target_"}
    assert keys == set(inspect.signature(kind).parameters)


def test_seeds_come_from_the_seed():
    data = data_of("data=synthetic_translation", "seed=7")
    assert (data.row_seed, data.shuffle_seed) == (7, 7)
    assert data_of("data=parallel", "data.train=[a,b]", "seed=7").split_seed == 7


def test_multi30k_trains_on_all_its_pairs(shared, monkeypatch):
    monkeypatch.setenv("SMOOTHLAB_DATA_MIRROR", str(shared / "data"))
    data = data_of("data=multi30k")
    data.setup()
    assert [len(data.references(split)) for split in ("train", "val", "test")] == [29000, 1014, 1000]
    assert data.notes == []
    assert len(data.class_names) == 8000
    assert data.encoder.joint
    tokens = sum(max(batch.features.source.numel(), batch.features.target.numel()) for batch in data.train_dataloader())
    assert data.num_samples > 0.85 * tokens


def test_describe_shows_sizes_tokens_and_what_looks_wrong(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    lines = [f"the dog number {row} runs" for row in range(50)]
    for name, texts in (("a.en", lines), ("a.de", [*lines[:1], *(f"der Hund {row} rennt" for row in range(1, 50))])):
        Path(name).write_text("\n".join(texts) + "\n\n", encoding="utf-8")
    assert main(["data", "describe", "parallel", "train=[a.en,a.de]", "vocab_size=400", "split_seed=1"]) == 0
    out = capsys.readouterr().out
    assert "train" in out
    assert "1 pairs with an empty side are left out, the first in line 51" in " ".join(out.split())
    assert "the same text on both sides" in " ".join(out.split())


def test_files_of_unequal_length_end_the_command_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("a.en").write_text("one\ntwo\n")
    Path("a.de").write_text("eins\n")
    assert main(["data", "describe", "parallel", "train=[a.en,a.de]"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "a.en has 2 lines and a.de has 1" in line
