"""Sentences become token ids and sentences again, for every script and every line."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

pytest.importorskip("tokenizers", reason="the extra [translation] is not installed")

from smoothlab.data import ParallelEncoder, encoder_from_state
from smoothlab.data.parallel.tokenizers import (
    WORDS,
    SpecialTokens,
    special_tokens,
    subword_tokenizer,
    word_tokenizer,
)
from smoothlab.errors import InvalidArgument, UserMistake

ENGLISH = ["a dog runs on the beach", "two dogs run", "the beach is near"] * 4
GERMAN = ["ein Hund läuft am Strand", "zwei Hunde laufen", "der Strand ist nah"] * 4
OPTIONS = {"vocab_size": 400, "lowercase": False, "min_frequency": 2, "unicode_form": "NFC"}
STRANGE = ["日本語の文", "שלום", "🦜 parrot", "Ünïcödé", "[PAD] [EOS] [BOS]", "</s>", "\u2028x"]


def subwords(**options) -> ParallelEncoder:
    return ParallelEncoder(subword_tokenizer([*ENGLISH, *GERMAN], **(OPTIONS | options)), max_length=64)


def words(**options) -> ParallelEncoder:
    return ParallelEncoder(
        *(word_tokenizer(texts, **(OPTIONS | options)) for texts in (ENGLISH, GERMAN)), special=WORDS, max_length=64
    )


def test_the_special_tokens_come_first():
    assert subwords().class_names[:3] == ["[PAD]", "[BOS]", "[EOS]"]
    assert words().class_names[:4] == ["[PAD]", "[BOS]", "[EOS]", "[UNK]"]
    assert len(set(subwords().class_names)) == len(subwords().class_names)


def test_what_the_net_is_told_fits_the_vocabularies():
    arguments = subwords().net_arguments
    assert arguments == {
        "source_vocab_size": len(subwords().class_names),
        "padding_index": 0,
        "begin_index": 1,
        "end_index": 2,
        "max_length": 64,
        "joint_vocabulary": True,
    }
    apart = words()
    assert apart.net_arguments["joint_vocabulary"] is False
    assert apart.net_arguments["source_vocab_size"] == 4 + len({word for text in ENGLISH for word in text.split()})
    assert len(apart.class_names) == 4 + len({word for text in GERMAN for word in text.split()})


@pytest.mark.parametrize("text", [*ENGLISH[:3], *GERMAN[:3], *STRANGE])
def test_subwords_know_every_script_and_give_the_text_back(text):
    encoder = subwords()
    ids = encoder.target_ids([text]).flat
    assert not set(ids.tolist()) & {0, 1, 2}
    assert encoder.decode(ids.tolist()) == text.strip()


def test_begin_end_and_padding_are_no_part_of_a_sentence():
    encoder = subwords()
    ids = encoder.target_ids(["zwei Hunde"]).flat.tolist()
    assert encoder.decode([1, *ids, 2, 0, 0]) == "zwei Hunde"
    assert encoder.decode(torch.tensor([*ids, 2])) == "zwei Hunde"
    assert encoder.decode_all([[], ids]) == ["", "zwei Hunde"]


def test_words_that_are_not_known_are_unknown_and_special_names_in_a_text_are_no_special_tokens():
    encoder = words()
    assert encoder.source_ids(["a wolf [PAD] [EOS] runs [UNK]"]).flat.tolist()[1:4] == [3, 3, 3]
    assert set(encoder.source_ids(["[BOS] 日本語"]).flat.tolist()) == {3}
    assert encoder.decode(encoder.target_ids(["ein Wolf läuft"]).flat.tolist()) == "ein [UNK] läuft"


def test_the_most_frequent_words_are_kept_and_equal_ones_by_the_alphabet():
    texts = ["b a", "c b", "d b a"]
    for order in (texts, texts[::-1]):
        made = json.loads(word_tokenizer(order, **(OPTIONS | {"vocab_size": 7, "min_frequency": 1})))
        assert list(made["model"]["vocab"])[4:] == ["b", "a", "c"]
    made = json.loads(word_tokenizer(texts, **OPTIONS))
    assert list(made["model"]["vocab"])[4:] == ["b", "a"]


@pytest.mark.parametrize("make", [subwords, words])
def test_lower_case_and_unicode_forms_make_texts_one(make):
    composed, apart = "L\u00e4uft", "La\u0308uft"
    assert composed != apart
    plain, lowered = make(), make(lowercase=True)
    assert plain.target_ids([composed]).flat.tolist() == plain.target_ids([apart]).flat.tolist()
    assert lowered.target_ids(["LÄUFT"]).flat.tolist() == lowered.target_ids(["läuft"]).flat.tolist()
    assert plain.target_ids(["LÄUFT"]).flat.tolist() != lowered.target_ids(["LÄUFT"]).flat.tolist()
    assert subwords().decode(subwords().target_ids(["½"]).flat.tolist()) == "½"
    compatible = subwords(unicode_form="NFKC")
    assert compatible.decode(compatible.target_ids(["½"]).flat.tolist()) == "1\u20442"


@pytest.mark.parametrize("make", [subwords, words])
def test_state_makes_the_same_encoder_from_plain_values(make):
    encoder = make()
    state = json.loads(json.dumps(encoder.state()))
    again = encoder_from_state(state)
    assert isinstance(again, ParallelEncoder)
    assert again.class_names == encoder.class_names
    assert again.net_arguments == encoder.net_arguments
    texts = [*ENGLISH, *STRANGE]
    assert torch.equal(again.encode(texts), encoder.encode(texts))
    assert again.target_ids(GERMAN).flat.tolist() == encoder.target_ids(GERMAN).flat.tolist()


def test_sources_end_with_the_end_token_and_are_padded_on_the_right():
    encoder = subwords()
    ids = encoder.encode(["two dogs run", "", "a dog runs on the beach"])
    assert ids.dtype == torch.int64
    assert ids[1].tolist() == [2] + [0] * (ids.shape[1] - 1)
    ends = (ids == 2).int().argmax(1)
    for row, end in zip(ids, ends.tolist(), strict=True):
        assert (row[:end] > 2).all()
        assert (row[end + 1 :] == 0).all()
    assert encoder.cut == 0


def test_a_sentence_that_is_too_long_is_cut_and_counted():
    encoder = ParallelEncoder(subwords().source_tokenizer, max_length=4)
    ids = encoder.encode(["a dog runs on the beach", "two"])
    assert ids.shape == (2, 4)
    assert ids[0, -1] == 2
    assert encoder.cut == 1


def test_lists_columns_and_tables_are_the_same_sentences():
    encoder = ParallelEncoder(subwords().source_tokenizer, max_length=64, column="en")
    texts = ["two dogs run", "", "the beach"]
    expected = encoder.encode(texts)
    for raw in (
        pd.Series(texts),
        pd.DataFrame({"source": texts}),
        pd.DataFrame({"en": ["two dogs run", None, "the beach"], "id": 3}),
    ):
        assert torch.equal(encoder.encode(raw), expected)
    with pytest.raises(UserMistake, match=r"new.csv: the source column = 'en' is no column; the table has de"):
        encoder.encode(pd.DataFrame({"de": texts}), where="new.csv")
    with pytest.raises(UserMistake, match="column 'source', data row 2: half a surrogate pair"):
        encoder.encode(pd.Series(["fine", "a\ud800"], dtype=object))
    with pytest.raises(InvalidArgument, match="raw"):
        encoder.encode("one text")


def test_a_file_is_read_line_by_line_with_its_empty_lines_in_order(tmp_path):
    (tmp_path / "in.txt").write_text("first\n\nthird\u2028still\n \nlast", encoding="utf-8", newline="\n")
    read = subwords().read(tmp_path / "in.txt")
    assert read["source"].tolist() == ["first", "", "third\u2028still", " ", "last"]
    assert read.index.tolist() == [1, 2, 3, 4, 5]
    assert read.index.name == "line"


def test_tables_are_read_by_the_column_of_training(tmp_path):
    encoder = ParallelEncoder(subwords().source_tokenizer, column="en")
    frame = pd.DataFrame({"id": [1, 2], "en": ["a, b", "NA"]})
    frame.to_csv(tmp_path / "in.csv", index=False)
    frame.to_csv(tmp_path / "in.tsv", index=False, sep="\t")
    frame.to_json(tmp_path / "in.jsonl", orient="records", lines=True)
    frame.to_parquet(tmp_path / "in.parquet")
    for ending in ("csv", "tsv", "jsonl", "parquet"):
        assert encoder.read(tmp_path / f"in.{ending}")["source"].tolist() == ["a, b", "NA"]


def test_a_file_that_is_not_utf_8_is_refused_with_its_line(tmp_path):
    (tmp_path / "in.txt").write_bytes(b"one\ntwo\n\xc3(\n")
    with pytest.raises(UserMistake, match=r"input = '.*in.txt': not UTF-8, .* 0xc3 in line 3"):
        subwords().read(tmp_path / "in.txt")


def test_a_tokenizer_that_was_trained_before_brings_its_own_special_tokens(tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers

    made = Tokenizer(models.WordLevel({"a": 0, "dog": 1, "</s>": 2, "<unk>": 3, "<pad>": 6}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.enable_truncation(1)
    special = special_tokens({"padding": "<pad>", "begin": "<pad>", "end": "</s>", "unknown": "<unk>"})
    encoder = ParallelEncoder(made.to_str(), special=special)
    assert encoder.encode(["a dog </s> cat", "a"]).tolist() == [[0, 1, 3, 3, 2], [0, 2, 6, 6, 6]]
    assert encoder.class_names == ["a", "dog", "</s>", "<unk>", "[4]", "[5]", "<pad>"]
    assert encoder.net_arguments["begin_index"] == encoder.net_arguments["padding_index"] == 6
    assert encoder_from_state(encoder.state()).encode(["dog"]).tolist() == [[1, 2]]
    with pytest.raises(InvalidArgument, match=r"special_tokens.end = '\[EOS\]': expected a token of the tokenizer's"):
        ParallelEncoder(made.to_str(), special=SpecialTokens(padding="<pad>", begin="<pad>"))
    without = ParallelEncoder(made.to_str(), special=SpecialTokens("<pad>", "<pad>", "</s>"))
    assert without.encode(["a </s> dog"]).tolist() == [[0, 1, 2]]  # a text cannot end its sentence


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: subwords(vocab_size=258), "vocab_size = 258: expected an integer of at least 259"),
        (lambda: words(vocab_size=4), "vocab_size = 4: expected an integer of at least 5"),
        (lambda: words(min_frequency=0), "min_frequency = 0"),
        (lambda: subwords(unicode_form="NFD"), "unicode_form = 'NFD': expected one of NFC, NFKC"),
        (lambda: ParallelEncoder(subwords().source_tokenizer, max_length=1), "max_length = 1"),
        (lambda: special_tokens({"padding": "a", "begin": "b"}), "special_tokens"),
        (lambda: special_tokens({"padding": "a", "begin": "b", "end": 3}), "special_tokens"),
    ],
)
def test_arguments_outside_their_range_are_refused(make, message):
    with pytest.raises(InvalidArgument, match=message):
        make()


def test_a_text_that_is_no_tokenizer_is_refused_in_one_line():
    with pytest.raises(UserMistake, match="the source tokenizer: not readable as a tokenizer") as caught:
        ParallelEncoder("{}")
    assert "\n" not in str(caught.value)


def test_the_extra_is_named_where_it_is_not_installed(monkeypatch):
    import sys

    text = subwords().source_tokenizer
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(UserMistake, match=r"pip install 'smoothlab\[translation\]'"):
        ParallelEncoder(text)


def test_thousands_of_sentences_are_cut_as_one_by_one(monkeypatch):
    from smoothlab.data.parallel import encoder as module

    encoder = subwords()
    texts = [*ENGLISH, *STRANGE, ""]
    whole = encoder.source_ids(texts)
    monkeypatch.setattr(module, "CHUNK", 5)
    parts = encoder.source_ids(texts)
    np.testing.assert_array_equal(whole.flat, parts.flat)
    np.testing.assert_array_equal(whole.lengths, parts.lengths)
    assert len(encoder.source_ids([])) == 0
