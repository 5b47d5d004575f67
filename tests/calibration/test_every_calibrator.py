"""What all calibrators share: samples that weigh, votes, state, graphs, precision and clear refusals."""

import io
import re

import pytest
import torch
from calibrators import OF_TWO

from smoothlab import InvalidArgument
from smoothlab.calibration import Isotonic, Temperature, Unsmooth, calibrator_from_state


def test_it_gives_distributions_and_lowers_the_nll_of_the_samples(calibrator, drawn):
    logits, labels = drawn(400, 3, seed=0, factor=4.0)
    after = calibrator.fit(logits, labels)(logits)
    assert after.shape == logits.shape
    assert after.dtype == logits.dtype
    assert bool(torch.isfinite(after).all())
    if not isinstance(calibrator, Unsmooth):  # which believes in a strength that these have not
        cross_entropy = torch.nn.functional.cross_entropy
        assert cross_entropy(after, labels) < cross_entropy(logits, labels) - 0.2


def test_a_whole_weight_is_that_many_copies(calibrator, drawn):
    logits, labels = drawn(60, 3, seed=1)
    weights = torch.arange(60) % 4  # zeros take rows out
    if hasattr(calibrator, "floor"):
        calibrator.floor = 1e-3  # the effective number of samples is not the number of copies
    weighed = calibrator.fit(logits, labels, weights)(logits)
    copied = calibrator.fit(logits.repeat_interleave(weights, 0), labels.repeat_interleave(weights))(logits)
    torch.testing.assert_close(weighed.softmax(1), copied.softmax(1), atol=2e-4, rtol=0)


def test_unanimous_votes_are_labels_and_split_votes_are_two_samples(calibrator, drawn):
    logits, labels = drawn(80, 3, seed=2)
    by_label = calibrator.fit(logits, labels)(logits)
    votes = 5 * torch.nn.functional.one_hot(labels, 3)
    torch.testing.assert_close(calibrator.fit(logits, votes)(logits), by_label)
    if hasattr(calibrator, "floor"):
        calibrator.floor = 1e-3
    split = votes.double() / 5 * 0.5
    split[:, 0] += 0.5
    twice = calibrator.fit(logits.repeat(2, 1), torch.cat([labels, torch.zeros_like(labels)]))(logits)
    torch.testing.assert_close(calibrator.fit(logits, split)(logits).softmax(1), twice.softmax(1), atol=2e-4, rtol=0)


@pytest.mark.parametrize("name", sorted(OF_TWO))
def test_the_state_of_a_calibrator_of_two_survives_a_checkpoint(drawn, name):
    logits, labels = drawn(100, 2, seed=3)
    if name == "each_answer":
        labels = torch.stack([labels, 1 - labels], 1)
    survives(OF_TWO[name]().fit(logits, labels), logits)


def test_the_state_survives_a_checkpoint(calibrator, drawn):
    logits, labels = drawn(100, 3, seed=3)
    survives(calibrator.fit(logits, labels), logits)


def survives(calibrator, logits):
    file = io.BytesIO()
    torch.save(calibrator.to_state(), file)
    file.seek(0)
    again = calibrator_from_state(torch.load(file, weights_only=True))
    assert torch.equal(again(logits), calibrator(logits))
    assert again.settings() == calibrator.settings()


def test_it_exports_with_any_number_of_rows(calibrator, drawn):
    logits, labels = drawn(100, 3, seed=4)
    calibrator.fit(logits, labels)
    logits = logits.float()
    rows = torch.export.Dim("rows", min=1)
    graph = torch.export.export(calibrator.eval(), (logits[:7],), dynamic_shapes=((rows, torch.export.Dim.STATIC),))
    torch.testing.assert_close(graph.module()(logits[:31]), calibrator(logits[:31]))


def test_single_precision_is_close_to_double(calibrator, drawn):
    logits, labels = drawn(200, 3, seed=5)
    calibrator.fit(logits, labels)
    wide, narrow = calibrator(logits).softmax(1), calibrator(logits.float()).softmax(1)
    assert narrow.dtype == torch.float32
    # A curve's step may lie between two roundings of one number: a few rows of those it was fitted to.
    assert float((wide - narrow).abs().amax(1).quantile(0.9)) < 1e-5


def test_a_masked_class_stays_masked(calibrator, drawn):
    logits, labels = drawn(200, 3, seed=6)
    calibrator.fit(logits, labels)
    logits = logits[:4].clone()
    logits[:, 1] = -torch.inf
    after = calibrator(logits).softmax(1)
    assert bool((after[:, 1] == 0).all())
    assert bool(after.isfinite().all())


@pytest.mark.parametrize(
    ("logits", "labels", "weights", "message"),
    [
        ([[1.0, float("nan")]], [0], None, "logits = 'nan, +inf or a row of -inf'"),
        ([1.0, 2.0], [0], None, "logits = (2,): expected shape (N, K)"),
        ([[1.0, 2.0]], [2], None, "labels = 2: expected class indices in [0, 2)"),
        ([[1.0, 2.0]], [0.5], None, "labels = 'torch.float32 of shape (1,)'"),
        ([[1.0, 2.0]], [[0.0, 0.0]], None, "labels = 'a row of votes'"),
        ([[1.0, -float("inf")]], [1], None, "labels = 'a masked class, whose logit is -inf'"),
        ([[1.0, 2.0]], [0], [0.0], "sample_weight = (1,): expected 1 finite numbers >= 0, not all 0"),
        ([[1.0, 2.0]], [0], [1.0, 1.0], "sample_weight = (2,)"),
    ],
)
def test_what_is_no_logits_labels_or_weights_is_named(logits, labels, weights, message):
    with pytest.raises(InvalidArgument, match=re.escape(message)):
        Temperature().fit(torch.tensor(logits), torch.tensor(labels), weights and torch.tensor(weights))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "os.system"}, "calibrator.kind = 'os.system'"),
        ({"format": 2}, "calibrator.format = 2"),
        ({"tensors": {}}, "calibrator.tensors = []"),
        ({"tensors": {"temperature": 1.0}}, "calibrator.tensors = ['temperature']"),
        ({"settings": {"evil": 1}}, "calibrator.settings = ['evil']"),
    ],
)
def test_a_state_from_elsewhere_is_refused_in_one_line(change, message):
    with pytest.raises(InvalidArgument, match=re.escape(message)):
        calibrator_from_state(Temperature().to_state() | change)


def test_a_calibrator_that_is_not_fitted_says_so():
    with pytest.raises(InvalidArgument, match="Isotonic that is not fitted"):
        Isotonic()(torch.zeros(1, 2))
