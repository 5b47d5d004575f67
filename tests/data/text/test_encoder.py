"""Texts become token ids, and a checkpoint's plain values make the same ones again."""

import pandas as pd
import pytest
import torch

pytest.importorskip("tokenizers", reason="the extra [text] is not installed")

from smoothlab.data import TextEncoder, encoder_from_state
from smoothlab.data.text.loader import trimmed
from smoothlab.errors import InvalidArgument, UserMistake

TEXTS = ["profit rose in the quarter", "profit fell", "sales rose strongly in the first quarter", "The loss narrowed"]


def fitted(**options) -> TextEncoder:
    return TextEncoder.fit("title", pd.Series(TEXTS * 5), **({"vocab_size": 300} | options))


def test_tokens_put_together_are_the_text():
    encoder = fitted()
    for text in ("profit rose", "words never seen, 日本 – ü", "[PAD] is text too", "</s>"):
        ids = encoder.encode(pd.DataFrame({"title": [text]}))
        assert (ids > 0).all(), "no token of a text is padding"
        assert encoder._tokenizer.decode(ids[0].tolist()).strip() == text.lower()


def test_upper_and_lower_case_are_one_only_where_asked():
    both = pd.DataFrame({"title": ["Profit ROSE", "profit rose"]})
    same = fitted(lowercase=True).encode(both)
    assert torch.equal(same[0], same[1])
    other = fitted(lowercase=False).encode(both)
    assert not torch.equal(other[0], other[1])


def test_shorter_texts_are_filled_up_with_zeros_and_longer_ones_cut():
    encoder = fitted(max_length=4)
    ids = encoder.encode(pd.DataFrame({"title": ["profit", "sales rose strongly in the first quarter"]}))
    whole = fitted().encode(pd.DataFrame({"title": ["sales rose strongly in the first quarter"]}))
    assert ids.shape == (2, 4)
    assert ids.dtype == torch.int64
    assert (ids[0] == 0).any()
    assert torch.equal(ids[1], whole[0, :4])
    assert encoder.cut == 1


def test_a_state_is_plain_and_makes_the_same_ids(tmp_path):
    encoder = fitted()
    torch.save(encoder.state(), tmp_path / "state")
    again = encoder_from_state(torch.load(tmp_path / "state", weights_only=True))
    frame = pd.DataFrame({"title": [*TEXTS, "Ümlaute und 100 %"]})
    assert torch.equal(encoder.encode(frame), again.encode(frame))
    assert encoder.net_arguments == again.net_arguments


def test_training_twice_makes_the_same_tokenizer():
    assert fitted().state() == fitted().state()


def test_ids_are_below_the_vocabulary_that_the_net_is_told():
    encoder = fitted()
    assert encoder.encode(pd.DataFrame({"title": TEXTS})).max() < encoder.net_arguments["vocab_size"] <= 300


def test_many_texts_at_once_are_as_each_alone(monkeypatch):
    monkeypatch.setattr("smoothlab.data.text.encoder.CHUNK", 3)
    encoder = fitted()
    frame = pd.DataFrame({"title": TEXTS * 2})
    ids = encoder.encode(frame)
    for row in range(len(frame)):
        alone = encoder.encode(frame.iloc[[row]])
        assert torch.equal(ids[row, : alone.shape[1]], alone[0])
        assert not ids[row, alone.shape[1] :].any()


def test_padding_that_no_text_of_a_batch_needs_is_left_out():
    ids = torch.tensor([[5, 0, 6, 0, 0], [7, 0, 0, 0, 0]])
    assert trimmed(ids).tolist() == [[5, 0, 6], [7, 0, 0]]
    assert trimmed(torch.zeros(2, 4, dtype=torch.int64)).shape == (2, 1)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (pd.DataFrame({"name": ["a"]}), ["table", "'title' missing", "name"]),
        (pd.DataFrame({"title": ["a", None]}), ["'title'", "data row 2"]),
        (pd.DataFrame({"title": ["a", "b", "  "]}), ["'title'", "data row 3"]),
    ],
)
def test_what_is_no_text_is_refused_in_one_line(frame, words):
    with pytest.raises(UserMistake) as caught:
        fitted().encode(frame)
    assert all(word in str(caught.value) for word in words)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "options", [{"vocab_size": 100}, {"vocab_size": 300.5}, {"max_length": 0}, {"min_frequency": 0}]
)
def test_wrong_options_are_named(options):
    with pytest.raises(InvalidArgument, match=next(iter(options))):
        fitted(**options)


def test_a_missing_library_is_named_with_what_installs_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tokenizers", None)
    with pytest.raises(UserMistake, match=r"tokenizers.*pip install 'smoothlab\[text\]'"):
        fitted()


def test_a_broken_tokenizer_in_a_checkpoint_is_one_line():
    with pytest.raises(UserMistake, match="tokenizer: not readable") as caught:
        encoder_from_state({"kind": "text", "column": "title", "tokenizer": "{", "max_length": 8})
    assert "\n" not in str(caught.value)
