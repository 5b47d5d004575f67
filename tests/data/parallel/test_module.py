"""data=parallel reads, splits, cuts and says what it left out."""

import numpy as np
import pandas as pd
import pytest
import torch

pytest.importorskip("tokenizers", reason="the extra [translation] is not installed")

from smoothlab.data import ParallelData, encoder_from_state, public_set
from smoothlab.data.parallel import describe_pairs
from smoothlab.errors import InvalidArgument, UserMistake

NOUNS, VERBS = ("dog", "cat", "horse", "bird", "fish"), ("runs", "sleeps", "eats", "sings")
GERMAN = dict(
    zip((*NOUNS, *VERBS), ("Hund", "Kater", "Gaul", "Vogel", "Fisch", "rennt", "schläft", "isst", "singt"), strict=True)
)


def frame_of(count: int = 60, seed: int = 0) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    rows = []
    for row in range(count):
        words = [str(generator.choice(NOUNS)), str(generator.choice(VERBS))]
        extra = ["again"] * int(generator.integers(0, 6))
        source = " ".join(["the", *words, *extra, str(row)])
        rows.append(
            (
                source,
                " ".join(["heute", "ein", *(GERMAN[word] for word in words), *(["wieder"] * len(extra)), str(row)]),
            )
        )
    return pd.DataFrame(rows, columns=["source", "target"], dtype=object)


def data_of(source=None, **options) -> ParallelData:
    made = {"vocab_size": 400, "fractions": (0.6, 0.2, 0.2), "batch_tokens": 64, "eval_batch_tokens": 128}
    if source is None and "train" not in options:
        source = frame_of
    return ParallelData(source, **(made | options))


def write(folder, frame, stem="train"):
    paths = []
    for side in ("source", "target"):
        path = folder / f"{stem}.{side}"
        path.write_text("\n".join(frame[side]) + "\n", encoding="utf-8", newline="\n")
        paths.append(str(path))
    return paths


def test_two_files_and_a_table_of_the_same_pairs_are_the_same_data(tmp_path):
    frame = frame_of()
    frame.to_csv(tmp_path / "a.tsv", sep="\t", index=False)
    made = [data_of(), data_of(train=write(tmp_path, frame)), data_of(train=str(tmp_path / "a.tsv"))]
    for data in made:
        data.setup()
    assert len({data.fingerprint for data in made}) == 1
    for split in ("train", "val", "test"):
        assert len({tuple(data.references(split)) for data in made}) == 1
    first = [data.first(3) for data in made]
    assert torch.equal(first[0].labels, first[1].labels)
    assert torch.equal(first[0].features.source, first[2].features.source)


def test_files_for_each_split_are_used_as_they_are(tmp_path):
    frames = {"train": frame_of(40), "val": frame_of(10, 1), "test": frame_of(12, 2)}
    data = data_of(**{split: write(tmp_path, frame, split) for split, frame in frames.items()})
    data.setup()
    for split, frame in frames.items():
        assert data.sources(split) == frame["source"].tolist()
        assert data.references(split) == frame["target"].tolist()
        assert data.row_numbers(split) == list(range(len(frame)))
    assert data.num_rows == sum(data.corpus(split).num_tokens for split in frames)


def test_what_is_not_given_is_drawn_from_the_training_pairs_with_equal_sources_together(tmp_path):
    frame = pd.concat([frame_of(200), frame_of(200).assign(target="noch einmal")], ignore_index=True)
    data = data_of(lambda: frame)
    data.setup()
    parts = {split: set(data.sources(split)) for split in ("train", "val", "test")}
    assert not parts["train"] & parts["val"]
    assert not parts["train"] & parts["test"]
    assert not parts["val"] & parts["test"]
    sizes = [len(data.sources(split)) for split in parts]
    np.testing.assert_allclose(np.array(sizes) / 400, (0.6, 0.2, 0.2), atol=0.02)
    for split in parts:
        assert frame["source"][data.row_numbers(split)].tolist() == data.sources(split)
    other = data_of(lambda: frame, split_seed=1)
    other.setup()
    assert other.sources("test") != data.sources("test")
    given = data_of({"train": lambda: frame, "test": lambda: frame_of(9, 5)})
    given.setup()
    assert len(given.sources("test")) == 9
    assert len(given.sources("val")) == pytest.approx(100, abs=5)  # 0.2 of 0.8


def test_tokens_are_numbered_over_all_splits_with_training_first():
    data = data_of()
    data.setup()
    rows = [torch.cat([batch.rows for batch in data.loader(split)]).sort().values for split in ("train", "val", "test")]
    assert torch.equal(torch.cat(rows), torch.arange(data.num_rows))
    assert data.num_samples == len(rows[0])
    assert sum(data.class_counts) == data.num_samples
    labels = torch.cat([batch.labels for batch in data.train_dataloader()])
    assert torch.bincount(labels, minlength=len(data.class_names)).tolist() == data.class_counts
    assert data.class_counts[:3] == [0, 0, len(data.sources("train"))]
    batch = data.first(2)
    expected = torch.tensor(data.class_counts)[batch.labels] / data.num_samples
    torch.testing.assert_close(batch.metadata["frequency"], expected)


@pytest.mark.parametrize("tokenizer", ["subwords", "words"])
@pytest.mark.parametrize("joint", [True, False])
def test_the_labels_of_a_sentence_are_its_reference(tokenizer, joint):
    data = data_of(tokenizer=tokenizer, joint_vocabulary=joint, min_frequency=1)
    data.setup()
    assert data.encoder.joint == joint
    sides = [data.encoder.tokens("the horse eats again", side=side) for side in ("source", "target")]
    assert (sides[0] == sides[1]) == joint
    for split in ("train", "val"):
        for batch in data.loader(split):
            for row in batch.metadata["sequence"].unique().tolist():
                labels = batch.labels[batch.metadata["sequence"] == row]
                assert labels[-1] == data.encoder.end_index
                decoded, known = data.encoder.decode(labels), data.references(split)[row]
                # a number of val is no word of the training sentences
                assert decoded == known or (tokenizer == "words" and decoded == f"{known.rsplit(' ', 1)[0]} [UNK]")


def test_vocabularies_learn_from_training_pairs_alone():
    later = frame_of(20, 3).assign(target="xyzzyplugh " * 5)
    data = data_of({"train": frame_of, "val": lambda: later, "test": lambda: later}, vocab_size=1000)
    data.setup()
    assert "ĠHund" in data.class_names
    assert len(data.encoder.tokens("xyzzyplugh", side="target")) > 4


def test_pairs_with_an_empty_side_are_left_out_and_counted(tmp_path):
    frame = frame_of(30)
    frame.loc[[4, 9], "target"] = ""
    frame.loc[20, "source"] = "  "
    data = data_of(
        train=write(tmp_path, frame), val=write(tmp_path, frame, "val"), test=write(tmp_path, frame_of(), "test")
    )
    data.setup()
    for split in ("train", "val"):
        assert f"{split}: 3 pairs with an empty side are left out, the first in line 5" in data.notes
        assert len(data.references(split)) == 27
        assert 4 not in data.row_numbers(split)
        assert 5 in data.row_numbers(split)
    assert not [note for note in data.notes if note.startswith("test")]


def test_long_pairs_leave_training_and_are_cut_in_evaluation_with_whole_references():
    frame = frame_of(30)
    frame.loc[3, "target"] = "ein " + "wieder " * 40
    data = data_of({"train": lambda: frame, "val": lambda: frame, "test": lambda: frame}, max_length=20)
    data.setup()
    side = "pairs with a side of more than max_length = 20 tokens"
    assert f"train: 1 {side} are left out, the first in data row 4" in data.notes
    assert f"val: 1 {side} are cut, the first in data row 4; references for BLEU stay whole" in data.notes
    assert len(data.references("train")) == 29
    assert data.references("val")[3] == frame["target"][3]
    corpus = data.corpus("val")
    assert corpus.target.lengths[3] == corpus.target.lengths.max() == 20
    assert corpus.batch(np.array([3])).labels[-1] != data.encoder.end_index  # it does not end there
    assert data.corpus("train").longer.max() <= 20


def test_references_are_the_file_whatever_the_model_reads():
    data = data_of(lowercase=True)
    data.setup()
    assert any("Hund" in text for text in data.references("train"))
    assert data.encoder.tokens("ein Hund", side="target") == data.encoder.tokens("EIN HUND", side="target")


def test_an_encoder_from_a_checkpoint_is_used_and_not_fitted_again():
    first = data_of()
    first.setup()
    again = data_of(lambda: frame_of(60, 7))
    again.encoder = encoder_from_state(first.encoder.state())
    again.setup()
    assert again.class_names == first.class_names
    assert again.encoder.state() == first.encoder.state()
    assert again.fingerprint != first.fingerprint


def test_a_given_tokenizer_is_taken_and_part_of_what_the_data_are(tmp_path):
    known = data_of()
    known.setup()
    path = tmp_path / "tokenizer.json"
    path.write_text(known.encoder.source_tokenizer, encoding="utf-8")
    data = data_of(lambda: frame_of(40, 9), tokenizer_file=str(path))
    data.setup()
    assert data.class_names == known.class_names
    plain = data_of(lambda: frame_of(40, 9))
    plain.setup()
    assert plain.fingerprint != data.fingerprint


def test_the_same_files_give_the_same_data_twice():
    made = [data_of(), data_of()]
    for data in made:
        data.setup()
        data.setup()
    assert made[0].encoder.state() == made[1].encoder.state()
    assert made[0].notes == made[1].notes
    orders = [[batch.rows.tolist() for batch in data.train_dataloader()] for data in made]
    assert orders[0] == orders[1]


def test_words_that_are_not_known_are_said():
    data = data_of(tokenizer="words", vocab_size=8)
    data.setup()
    assert any("of the target tokens of training are not in the vocabulary" in note for note in data.notes)


def test_multi30k_comes_in_three_splits(shared, monkeypatch):
    monkeypatch.setenv("SMOOTHLAB_DATA_MIRROR", str(shared / "data"))

    def part():
        return {split: frame[:300] for split, frame in public_set("multi30k").items()}

    data = data_of(part, source_column="en", target_column="de", lowercase=True)
    data.setup()
    assert data.sources("train")[0] == "Two young, White males are outside near many bushes."
    assert data.references("test")[0] == "Ein Mann mit einem orangefarbenen Hut, der etwas anstarrt."
    assert data.notes == []


def test_what_looks_wrong_is_described():
    frame = frame_of(40)
    frame.loc[7, "target"] = frame.loc[7, "source"]
    frame.loc[9, "target"] = "ein " * 60
    description = describe_pairs(
        data_of({"train": lambda: frame, "val": lambda: frame[:5], "test": lambda: frame_of(9, 4)})
    )
    assert [entry["pairs"] for entry in description.splits] == [40, 5, 9]
    assert "5 of 5 val sources are training sources too" in description.warnings
    assert "train: 1 pairs have the same text on both sides, the first in data row 8" in description.warnings
    (uneven,) = [line for line in description.warnings if "3 times as long" in line]
    assert uneven.startswith("train: 1 pairs")
    assert "data row 10" in uneven


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: ParallelData(), UserMistake, "data.train, data.source: got nothing; expected such as data.train="),
        (lambda: data_of(frame_of, train=["a", "b"]), UserMistake, "data.train, data.source: got both"),
        (lambda: ParallelData(val=["a.en", "a.de"]), UserMistake, "data.train: missing, beside data.val"),
        (lambda: data_of(train=["a.en", "a.de"]), UserMistake, "data.train = 'a.en': no such file"),
        (lambda: data_of(lambda: 3), UserMistake, "data.source: train is a int, expected a pandas DataFrame"),
        (lambda: data_of({"test": frame_of}), InvalidArgument, "source = .*expected train, and val and test or not"),
        (lambda: data_of({"train": 3}), InvalidArgument, "source.train = 3: expected a function"),
        (lambda: data_of(target_column="fr"), UserMistake, "data.target_column = 'fr' is no column"),
        (lambda: data_of(lambda: frame_of(1)), UserMistake, "1 different sentences, of which none is left for"),
        (lambda: data_of(lambda: frame_of(0)), UserMistake, "data.train: there are no sentences"),
        (lambda: data_of(lambda: frame_of(9).assign(target=" ")), UserMistake, "data.train: no pair has a sentence on"),
        (lambda: data_of(max_length=3), UserMistake, "data.max_length = 3: every training pair is longer"),
        (lambda: data_of(max_length=1), InvalidArgument, "max_length = 1"),
        (lambda: data_of(fractions=(1, 0, 0)), InvalidArgument, "fractions"),
        (
            lambda: data_of(tokenizer="letters"),
            InvalidArgument,
            "tokenizer = 'letters': expected one of subwords, words",
        ),
        (lambda: data_of(batch_tokens=0), InvalidArgument, "batch_tokens = 0"),
        (lambda: data_of(eval_batch_tokens=2.5), InvalidArgument, "eval_batch_tokens = 2.5"),
        (lambda: data_of(special_tokens={"end": "x"}), InvalidArgument, "expected nothing without a tokenizer_file"),
        (lambda: data_of(tokenizer_file="no.json"), UserMistake, "data.tokenizer_file = 'no.json': no such file"),
        (lambda: data_of(tokenizer_file=["a", "b", "c"]), InvalidArgument, "tokenizer_file"),
        (lambda: data_of(unicode_form="NFD"), InvalidArgument, "unicode_form"),
        (lambda: data_of(split_seed=-1), InvalidArgument, "split_seed = -1"),
    ],
)
def test_a_mistake_is_named_in_one_line(make, kind, message):
    with pytest.raises(kind, match=message) as caught:
        make().setup()
    assert "\n" not in str(caught.value)
