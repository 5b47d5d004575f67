"""data=text reads CSV and JSON lines, and hands out token ids with labels."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

pytest.importorskip("tokenizers", reason="the extra [text] is not installed")

from smoothlab.data import TextData, describe
from smoothlab.errors import InvalidArgument, UserMistake

GOOD, BAD = "profit rose strongly", "loss grew again, sales fell"


def frame_of(count: int = 60) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "title": [f"{GOOD if row % 2 else BAD} in quarter {row % 7}" for row in range(count)],
            "label": ["good" if row % 2 else "bad" for row in range(count)],
            "agreement": [0.5 + (row % 5) / 10 for row in range(count)],
            "firm": [row // 4 for row in range(count)],
        }
    )


def data_of(source=None, **options) -> TextData:
    made = {"fractions": (0.6, 0.2, 0.2), "split_seed": 0, "shuffle_seed": 0, "batch_size": 8, "eval_batch_size": 16}
    made |= {"text": "title", "target": "label", "vocab_size": 400}
    if source is None and "path" not in options:
        source = frame_of
    return TextData(source, **(made | options))


def test_a_csv_and_json_lines_of_the_same_rows_are_the_same_data(tmp_path):
    frame = frame_of()
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    batches = []
    for name in ("a.csv", "a.jsonl"):
        data = data_of(path=str(tmp_path / name))
        data.setup()
        assert data.class_names == ["bad", "good"]
        batches.append(data.split("train"))
    assert torch.equal(batches[0].features, batches[1].features)
    assert torch.equal(batches[0].labels, batches[1].labels)


def test_the_tokenizer_learns_from_training_rows_alone():
    def source():
        frame = frame_of()
        later = frame.assign(title="xyzzyplugh " + frame["title"])
        return {"train": frame, "test": later}

    data = data_of(source, vocab_size=1000)
    data.setup()
    assert " profit" in data.encoder.tokens("profit")
    assert len(data.encoder.tokens("xyzzyplugh")) > 4


def test_batches_are_as_wide_as_their_longest_text():
    frame = frame_of().assign(title=lambda table: ["word " * (1 + row % 9) for row in range(len(table))])
    data = data_of(lambda: frame)
    data.setup()
    rows = []
    for batch in data.train_dataloader():
        assert (batch.features[:, -1] != 0).any()
        rows += batch.rows.tolist()
    assert sorted(rows) == data.split("train").rows.tolist()
    whole = data.split("val").features
    batch = next(iter(data.val_dataloader()))
    assert torch.equal(whole[: len(batch), : batch.features.shape[1]], batch.features)


def test_other_columns_are_no_features_and_metadata_comes_along():
    data = data_of(metadata=["agreement"])
    data.setup()
    batch = data.first(4)
    assert list(batch.metadata) == ["agreement"]
    expected = frame_of()["agreement"].to_numpy(dtype=np.float32)[batch.rows.numpy()]
    assert np.array_equal(batch.metadata["agreement"].numpy(), expected)
    assert {column.name: column.role for column in data.columns} == {
        "title": "feature",
        "label": "target",
        "agreement": "metadata",
        "firm": "ignored",
    }


def test_groups_stay_together():
    data = data_of(split="group", split_column="firm")
    data.setup()
    firms = [set((data.split(name).rows // 4).tolist()) for name in ("train", "val", "test")]
    assert not (firms[0] & firms[1] | firms[0] & firms[2] | firms[1] & firms[2])


def test_votes_and_several_labels_are_read_as_of_a_table():
    frame = frame_of().assign(
        bad=lambda table: np.arange(len(table)) % 3,
        good=2,
        both=lambda table: np.where(np.arange(len(table)) % 2, "a;b", "b;c"),
    )
    votes = data_of(lambda: frame, labels="votes", target=["bad", "good"])
    votes.setup()
    assert torch.allclose(votes.split("train").labels.sum(1), torch.ones(len(votes.split("train"))))
    assert "agreement" in votes.first(1).metadata
    several = data_of(lambda: frame, labels="multilabel", target="both", label_separator=";")
    several.setup()
    assert several.class_names == ["a", "b", "c"]
    assert several.split("train").labels[:, 1].min() == 1


@pytest.mark.parametrize("kind", ["symmetric", "pair", "instance"])
def test_noise_changes_its_share_of_the_training_labels_alone(kind):
    clean, noisy = data_of(lambda: frame_of(600)), data_of(lambda: frame_of(600), noise=kind, noise_rate=0.3)
    clean.setup()
    noisy.setup()
    wrong = (clean.split("train").labels != noisy.split("train").labels).float().mean()
    assert 0.2 < wrong < 0.4
    for split in ("val", "test"):
        assert torch.equal(clean.split(split).labels, noisy.split(split).labels)


def test_cut_texts_are_noted():
    data = data_of(max_length=2)
    data.setup()
    assert any("60 texts have more than max_length = 2" in note for note in data.notes)


def test_describe_says_what_was_understood():
    description = describe(data_of(metadata=["agreement"]))
    assert {column["name"]: column["role"] for column in description.columns}["title"] == "feature"
    assert description.splits == {"train": 36, "val": 12, "test": 12}


def mistake(path, content, **options) -> str:
    path.write_bytes(content)
    with pytest.raises(UserMistake) as caught:
        data_of(path=str(path), **options).setup()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_bad_files_are_one_line(tmp_path):
    rows = [json.dumps({"title": f"text {row}", "label": "ab"[row % 2]}) for row in range(20)]
    lines = tmp_path / "a.jsonl"

    def broken(line: str) -> bytes:
        return "\n".join([*rows[:4], line, *rows[4:]]).encode()

    assert "line 5 is no JSON" in mistake(lines, broken('{"title": "cut off'))
    assert "line 5 is a JSON list" in mistake(lines, broken("[1, 2]"))
    assert "line 5: 'title' is no single value" in mistake(lines, broken('{"title": ["a"], "label": "a"}'))
    assert "line 5 is no JSON (nested too deep)" in mistake(lines, broken("[" * 100_000))
    assert "data row 5" in mistake(lines, broken('{"title": "", "label": "a"}'))
    assert "data row 5" in mistake(lines, broken('{"label": "a"}'))
    assert "the file is empty" in mistake(lines, b"\n\n")
    latin = "title,label\n" + "\n".join(f"Erlös {row},{'ab'[row % 2]}" for row in range(20))
    message = mistake(tmp_path / "a.csv", latin.encode("latin-1"))
    assert "not utf-8" in message
    assert "encoding=latin-1" in message
    data = data_of(path=str(tmp_path / "a.csv"), encoding="latin-1")
    data.setup()
    assert data.encoder.tokens("Erlös")[0] == " erlös"


def test_wrong_columns_and_options_are_named():
    for options, words in (
        ({"text": "titel"}, ["data.text", "'titel'", "nearest: title"]),
        ({"text": None}, ["data.text", "missing"]),
        ({"text": "label"}, ["text", "'label'", "another column than the target"]),
        ({"metadata": ["title"]}, ["text", "metadata"]),
        ({"target": "lable"}, ["data.target", "nearest: label"]),
    ):
        with pytest.raises((UserMistake, InvalidArgument)) as caught:
            data_of(**options).setup()
        assert all(word in str(caught.value) for word in words), caught.value
    with pytest.raises(InvalidArgument, match="categories"):
        data_of(categories="codes")
