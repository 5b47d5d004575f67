"""Synthetic translations: the posterior that is told is the one that sentences are drawn from."""

import json

import pytest
import torch

pytest.importorskip("tokenizers", reason="the extra [translation] is not installed")

from smoothlab.data import SyntheticTranslation, encoder_from_state
from smoothlab.errors import InvalidArgument, UserMistake

SPLITS = ("train", "val", "test")


def data_of(**options) -> SyntheticTranslation:
    data = SyntheticTranslation(**({"rows": 400, "val_rows": 100, "test_rows": 300} | options))
    data.setup()
    return data


def whole(data: SyntheticTranslation, split: str = "test") -> dict[str, torch.Tensor]:
    """All tokens of a split in the order of their rows."""
    batches = list(data.loader(split))
    columns = {
        "labels": torch.cat([batch.labels for batch in batches]),
        "rows": torch.cat([batch.rows for batch in batches]),
    } | {name: torch.cat([batch.metadata[name] for batch in batches]) for name in batches[0].metadata}
    order = columns["rows"].argsort()
    return {name: column[order] for name, column in columns.items()}


def test_the_splits_have_their_sizes_and_share_no_source():
    data = data_of()
    sources = {split: data.sources(split) for split in SPLITS}
    assert [len(sources[split]) for split in SPLITS] == [400, 100, 300]
    assert len({source for split in SPLITS for source in sources[split]}) == 800
    assert any("synthetic" in note for note in data.notes)


@pytest.mark.parametrize("joint", [True, False])
def test_frequencies_are_those_of_the_posterior(joint):
    tokens = whole(data_of(test_rows=4000, ambiguity=0.6, joint_vocabulary=joint))
    posterior = tokens["posterior"].double()
    torch.testing.assert_close(posterior.sum(1), torch.ones(len(posterior), dtype=torch.float64), atol=1e-6, rtol=0)
    open_ = posterior.amax(1) < 1
    assert 0.1 < open_.double().mean() < 0.6
    assert (posterior.argmax(1)[~open_] == tokens["labels"][~open_]).all()
    # of all places where a word stands with the chance p, in a share p
    for share in (0.7, 0.3, 0.5, 0.2):
        place, word = ((posterior - share).abs() < 1e-6).nonzero(as_tuple=True)
        hit = (tokens["labels"][place] == word).double()
        error = (share * (1 - share) / len(hit)) ** 0.5
        assert len(hit) > 1000
        assert abs(hit.mean() - share) < 4 * error
    # and each word for itself
    expected, counts = posterior.sum(0), torch.bincount(tokens["labels"], minlength=posterior.shape[1]).double()
    deviation = (posterior * (1 - posterior)).sum(0).sqrt()
    assert ((counts - expected).abs() <= 4.5 * deviation + 1e-3).all()


def test_synonyms_are_drawn_each_for_itself():
    tokens = whole(data_of(test_rows=4000, ambiguity=1.0, synonyms=[[0.7, 0.3]]))
    first = (tokens["posterior"].gather(1, tokens["labels"][:, None]).squeeze(1) - 0.7).abs() < 1e-6
    several = tokens["posterior"].amax(1) < 1
    follows = several[1:] & several[:-1] & (tokens["sequence"][1:] == tokens["sequence"][:-1])
    after_first = first[1:][follows & first[:-1]].double()
    after_second = first[1:][follows & ~first[:-1]].double()
    error = (0.21 / len(after_first) + 0.21 / len(after_second)) ** 0.5
    assert abs(after_first.mean() - after_second.mean()) < 4 * error


def test_a_sentence_without_synonyms_is_certain_everywhere_and_said_to_be():
    data = data_of()
    tokens, ambiguous = whole(data), data.sentence_metadata("test")["ambiguous"]
    uncertain = tokens["posterior"].amax(1) < 1
    of_sentence = torch.zeros(300).index_put((tokens["sequence"],), uncertain.float(), accumulate=True)
    assert torch.equal((of_sentence > 0).long(), ambiguous)
    assert 0 < ambiguous.sum() < 300
    assert data_of(ambiguity=0.0).sentence_metadata("test")["ambiguous"].sum() == 0


def test_training_batches_do_not_have_the_truth():
    data = data_of()
    assert all("posterior" not in batch.metadata for batch in data.train_dataloader())
    assert "posterior" not in data.first(2).metadata
    assert all(batch.metadata["posterior"].dtype == torch.float32 for batch in data.loader("val"))


def test_labels_read_as_the_reference():
    data = data_of()
    tokens = whole(data)
    for row in (0, 17, 299):
        assert data.encoder.decode(tokens["labels"][tokens["sequence"] == row]) == data.references("test")[row]
    assert (tokens["labels"] != data.encoder.unknown_index).all()


def test_everything_follows_from_the_seeds():
    first, again, other, world = data_of(), data_of(), data_of(row_seed=1), data_of(grammar_seed=1)
    assert first.fingerprint == again.fingerprint
    assert len({data.fingerprint for data in (first, other, world)}) == 3
    assert first.class_names == other.class_names != world.class_names
    assert first.encoder.state() == again.encoder.state()


def test_test_sentences_stay_when_there_are_more_to_train_on():
    few, many = data_of(rows=100), data_of(rows=900)
    for split in ("val", "test"):
        assert few.sources(split) == many.sources(split)
        assert few.references(split) == many.references(split)
    assert few.sources("train") == many.sources("train")[:100]


def test_an_encoder_from_a_checkpoint_fits_the_same_grammar_and_no_other():
    data = data_of()
    state = json.loads(json.dumps(data.encoder.state()))
    again = SyntheticTranslation(rows=50, val_rows=50, test_rows=300)
    again.encoder = encoder_from_state(state)
    again.setup()
    assert again.class_names == data.class_names
    other = SyntheticTranslation(rows=50, val_rows=50, test_rows=50, grammar_seed=3)
    other.encoder = encoder_from_state(state)
    with pytest.raises(UserMistake, match="the vocabulary is of another grammar"):
        other.setup()


def test_no_sentence_is_longer_than_the_net_reads():
    data = data_of(longest=30, depth=3)
    assert data.net_arguments["max_length"] == 31
    assert max(data.corpus(split).longer.max() for split in SPLITS) <= 31
    assert not any("max_length" in note for note in data.notes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rows": 0}, "rows = 0"),
        ({"test_rows": 2.5}, "test_rows = 2.5"),
        ({"row_seed": -1}, "row_seed = -1"),
        ({"grammar_seed": -1}, "grammar_seed = -1"),
        ({"longest": 3}, "longest = 3"),
        ({"longest": "x"}, "longest = 'x'"),
        ({"words": 8, "depth": 0, "longest": 8, "rows": 100_000}, "rows = 100400: expected fewer in all splits"),
    ],
)
def test_arguments_outside_their_range_are_refused(options, message):
    with pytest.raises(InvalidArgument, match=message):
        data_of(**options)
