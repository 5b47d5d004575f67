"""Online label smoothing against its published numbers, and where the published code is wrong."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from smoothlab import InvalidArgument, Smoother, SoftTarget, soft_cross_entropy
from smoothlab.smoothing import ClassInfo, Constant, Online
from smoothlab.targets import PerClass

EXACT = {"rtol": 1e-8, "atol": 1e-10}


def number(values, **options):
    return torch.tensor(values, dtype=torch.float64, **options)


def info(classes):
    return ClassInfo([f"c{k}" for k in range(classes)], [1] * classes)


def bound(classes, *, initial="label", unseen="uniform", strength=0.5, **options):
    smoother = Smoother(Constant(strength), Online(initial, unseen, **options))
    smoother.bind(info(classes))
    return smoother


def draw(seed, count=40, classes=4, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (count,), generator=generator)
    logits = torch.randn(count, classes, generator=generator, dtype=dtype)
    return logits + 1.5 * F.one_hot(labels, classes), labels


def mean_of_right_predictions(batches, classes):
    """The formula of the paper, a sample at a time."""
    sums, counts = torch.zeros(classes, classes, dtype=torch.float64), [0] * classes
    for logits, labels in batches:
        for p, y in zip(logits.double().softmax(1), labels.tolist(), strict=True):
            if int(p.argmax()) == y:
                sums[y] += p
                counts[y] += 1
    rows = [sums[c] / counts[c] if counts[c] else torch.full((classes,), 1 / classes).double() for c in range(classes)]
    return torch.stack(rows)


def agree(step, smoother, weight):
    """The published loss and gradient of one step, by ``weight`` times the cross-entropy of our target."""
    logits, labels = number(step["logits"], requires_grad=True), torch.tensor(step["target"])
    loss = weight * soft_cross_entropy(logits, smoother(labels, logits=logits).validate())
    loss.backward()
    assert_close(loss.detach(), number(step["loss"]), **EXACT)
    assert_close(logits.grad, number(step["grad_logits"]), **EXACT)


def test_published_losses_gradients_and_matrices_over_the_epochs(vectors):
    """Their zero rows are a loss without its second term: ours is the label's with the first term's weight."""
    for case in vectors("ols_official")["cases"]:
        params = case["params"]
        hard, soft = params["hard_weight"], params["soft_weight"]
        zeros = params["init"].startswith("zeros")
        smoother = bound(
            params["num_classes"],
            initial="label" if zeros else "uniform",
            strength=soft / (hard + soft),
            freeze_at=params["freeze_if_max_ge"],
        )
        for epoch in case["epochs"]:
            first = zeros and epoch["epoch"] == 0
            for step in epoch["steps"]:
                agree(step, smoother, hard if first else hard + soft)
            assert_close(smoother.prior.seen["count"][:-1], number(epoch["count"]))
            smoother.prior.end_epoch()
            assert_close(smoother.prior.kept["matrix"], number(epoch["matrix_after_epoch"]), **EXACT)


def port_of(case):
    params = case["params"]
    return bound(
        params["n_classes"], initial="smoothed", initial_epsilon=params["smoothing"], strength=1 - params["alpha"]
    )


def test_the_port_has_our_losses_where_each_class_has_a_right_prediction(vectors):
    """Its alpha weighs the label's term, and 1 - alpha the other."""
    for case in vectors("ols_port_maxsup")["cases"]:
        smoother = port_of(case)
        zero = torch.zeros(case["params"]["n_classes"], dtype=torch.bool)
        for epoch in case["epochs"]:
            for step in epoch["steps"]:
                if zero[torch.tensor(step["target"])].any():  # the deviation below
                    logits = number(step["logits"])
                    smoother(torch.tensor(step["target"]), logits=logits)
                else:
                    agree(step, smoother, 1.0)
            smoother.prior.end_epoch()
            theirs = number(epoch["supervise_after"])
            zero = theirs.sum(0) == 0
            assert_close(smoother.prior.kept["matrix"][~zero], theirs.T[~zero], rtol=1e-6, atol=1e-9)


def test_deviation_from_the_port_rows_belong_to_the_true_class_not_columns():
    smoother = bound(3)
    logits = number([[3.0, 2.0, 0.0]])
    smoother(torch.tensor([0]), logits=logits)
    smoother.prior.end_epoch()
    assert_close(smoother.prior.kept["matrix"][0], logits.softmax(1)[0])


def test_deviation_from_the_port_a_class_without_a_right_prediction_has_no_zero_row(vectors):
    """There its column becomes zero and its smoothing vanishes: the target no longer sums to 1."""
    for case in vectors("ols_port_maxsup")["cases"]:
        smoother, rare = port_of(case), False
        for epoch in case["epochs"]:
            for step in epoch["steps"]:
                smoother(torch.tensor(step["target"]), logits=number(step["logits"])).validate()
            smoother.prior.end_epoch()
            matrix = smoother.prior.kept["matrix"]
            assert_close(matrix.sum(1), torch.ones(len(matrix), dtype=torch.float64))
            for c in torch.nonzero(number(epoch["supervise_after"]).sum(0) == 0).flatten().tolist():
                assert_close(matrix[c], torch.full_like(matrix[c], 1 / len(matrix)))
                rare = True
        if case["params"]["n_classes"] == 3:
            assert rare


def test_deviation_from_the_port_logits_that_sum_to_one_are_still_logits():
    """The port takes a row that sums to 1 for a distribution and does not make it one."""
    smoother = bound(3)
    logits = number([[2.0, -1.5, 0.5]])
    smoother(torch.tensor([0]), logits=logits)
    assert_close(smoother.prior.seen["sums"][0], logits.softmax(1)[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_row_is_the_mean_of_the_right_predictions_of_its_class(dtype):
    batches = [draw(seed, classes=5, dtype=dtype) for seed in range(3)]
    smoother = bound(5)
    for logits, labels in batches:
        smoother(labels, logits=logits)
    smoother.prior.end_epoch()
    assert_close(smoother.prior.kept["matrix"], mean_of_right_predictions(batches, 5))


def test_the_cut_into_batches_and_into_pieces_makes_no_difference(monkeypatch):
    logits, labels = draw(0, count=64)
    whole, parts = bound(4), bound(4)
    whole(labels, logits=logits)
    monkeypatch.setattr("smoothlab.smoothing.priors.online.PIECE", 12)
    for z, y in zip(logits.split(10), labels.split(10), strict=True):
        target = parts(y, logits=z)
        assert_close(target.dense(4), F.one_hot(y, 4).double())  # no step sees what the epoch has taught so far
    for smoother in (whole, parts):
        smoother.prior.end_epoch()
    assert_close(whole.prior.kept["matrix"], parts.prior.kept["matrix"])


def test_the_first_epoch_has_the_initial_rows():
    labels, logits = torch.tensor([0, 2]), torch.zeros(2, 3)
    rows = {
        "label": [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]],
        "uniform": [[1 / 3] * 3] * 2,
        "smoothed": [[0.9, 0.05, 0.05], [0.05, 0.05, 0.9]],
    }
    for initial, expected in rows.items():
        target = bound(3, initial=initial, initial_epsilon=0.1)(labels, logits=logits)
        assert_close(target.prior.matrix[labels], torch.tensor(expected))


def test_ignored_labels_and_numbers_beyond_the_classes_teach_nothing():
    logits, labels = draw(1)
    more = torch.cat([logits, logits[:3]]), torch.cat([labels, torch.tensor([-100, -1, 4])])
    smoother = bound(4)
    smoother(more[1], logits=more[0])
    smoother.prior.end_epoch()
    assert_close(smoother.prior.kept["matrix"], mean_of_right_predictions([(logits, labels)], 4))


def test_logits_that_are_no_numbers_and_masked_rows_teach_nothing():
    logits, labels = draw(2)
    bad = number([[torch.nan] * 4, [-torch.inf] * 4, [torch.inf, 0.0, 0.0, 0.0]])
    smoother = bound(4)
    smoother(torch.cat([labels, torch.zeros(3, dtype=torch.long)]), logits=torch.cat([logits, bad]))
    smoother.prior.end_epoch()
    assert_close(smoother.prior.kept["matrix"], mean_of_right_predictions([(logits, labels)], 4))


def test_a_vote_teaches_its_mode_by_the_modes_share():
    logits = number([[2.0, 0.0, 0.0], [0.0, 1.0, -1.0], [1.0, 0.0, 0.0]])
    votes = number([[0.6, 0.4, 0.0], [0.9, 0.1, 0.0], [0.8, 0.1, 0.1]])  # the second is predicted otherwise
    smoother = bound(3)
    smoother(votes, logits=logits)
    smoother.prior.end_epoch()
    p = logits.softmax(1)
    assert_close(smoother.prior.kept["matrix"][0], (0.6 * p[0] + 0.8 * p[2]) / 1.4)


def test_a_class_without_a_right_prediction_becomes_uniform_or_keeps_its_row():
    first, wrong = draw(3), torch.tensor([[9.0, 0.0, 0.0, 0.0]] * 3)
    for unseen in ("uniform", "keep"):
        smoother = bound(4, unseen=unseen)
        smoother(first[1], logits=first[0])
        smoother.prior.end_epoch()
        before = smoother.prior.kept["matrix"]
        smoother(torch.tensor([1, 2, 3]), logits=wrong)
        smoother.prior.end_epoch()
        expected = before if unseen == "keep" else torch.full((4, 4), 0.25, dtype=torch.float64)
        assert_close(smoother.prior.kept["matrix"], expected)


def test_a_row_freezes_once_it_was_learned_and_is_sharp_enough():
    sharp, soft = number([[4.0, 0.0, 0.0]]), number([[1.0, 0.0, 0.0]])
    smoother = bound(3, freeze_at=0.88)  # the label's own row has a 1, but was not learned
    for logits in (soft, sharp, soft):
        smoother(torch.tensor([0]), logits=logits)
        smoother.prior.end_epoch()
    assert_close(smoother.prior.kept["matrix"][0], sharp.softmax(1)[0])


def test_evaluation_teaches_nothing_and_needs_no_logits():
    smoother = bound(4).eval()
    logits, labels = draw(4)
    smoother(labels, logits=logits)
    smoother(labels)
    assert not smoother.prior.seen["count"].any()


@pytest.mark.parametrize("where", ["in an epoch", "at its end"])
def test_a_resumed_training_goes_on_with_the_same_targets(where):
    trained, batches = bound(4), [draw(seed) for seed in range(6)]
    other = bound(4)
    for position, (logits, labels) in enumerate(batches):
        if position == (3 if where == "at its end" else 4):
            other.load_state_dict(copy.deepcopy(trained.state_dict()))
        targets = [trained(labels, logits=logits)] + ([other(labels, logits=logits)] if position >= 4 else [])
        if len(targets) == 2:
            assert_close(targets[0].dense(4), targets[1].dense(4), rtol=0, atol=0)
        elif position == 3 and where == "at its end":
            other(labels, logits=logits)
        if position == 2:
            trained.prior.end_epoch()
    for smoother in (trained, other):
        smoother.prior.end_epoch()
    assert_close(trained.prior.kept["matrix"], other.prior.kept["matrix"], rtol=0, atol=0)
    assert trained.prior.kept["learned"].any()


def test_the_state_fits_a_smoother_that_was_not_bound():
    smoother = bound(4)
    logits, labels = draw(5)
    smoother(labels, logits=logits)
    smoother.prior.end_epoch()
    other = Smoother(Constant(0.5), Online("label", "uniform"))
    other.load_state_dict(smoother.state_dict())
    assert_close(other(labels, logits=logits).dense(4), smoother(labels, logits=logits).dense(4))


def test_other_numbers_of_classes_are_refused():
    smoother = bound(4)
    with pytest.raises(InvalidArgument, match="classes = 3: expected 4"):
        smoother.bind(info(3))
    with pytest.raises(InvalidArgument, match="state kept"):
        bound(3).load_state_dict(smoother.state_dict())


def test_binding_again_forgets_nothing():
    smoother = bound(4)
    logits, labels = draw(6)
    smoother(labels, logits=logits)
    smoother.prior.end_epoch()
    before = smoother.prior.kept["matrix"]
    smoother.bind(info(4))
    assert smoother.prior.kept["matrix"] is before


def test_training_without_logits_is_refused():
    with pytest.raises(InvalidArgument, match="logits"):
        bound(3)(torch.tensor([0]))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("initial", {"initial": "zeros"}),
        ("unseen", {"unseen": "zero"}),
        ("freeze_at", {"freeze_at": 0.0}),
        ("freeze_at", {"freeze_at": 1.1}),
        ("freeze_at", {"freeze_at": True}),
        ("initial_epsilon", {"initial": "smoothed"}),
        ("initial_epsilon", {"initial": "smoothed", "initial_epsilon": 1.0}),
    ],
)
def test_arguments_out_of_range_are_refused(name, options):
    with pytest.raises(InvalidArgument, match=f"^{name} = "):
        Online(**{"initial": "label", "unseen": "uniform"} | options)


def rank_learns(rank, batches):
    smoother = bound(4)
    for logits, labels in batches[rank]:
        smoother(labels, logits=logits)
    smoother.prior.end_epoch()
    return smoother.prior.kept["matrix"]


def test_two_processes_learn_what_one_would():
    from tests.support.ranks import on_ranks  # not at the top: the other process imports this file too

    batches = [[draw(0, count=9), draw(1)], []]  # the second rank has no samples
    more = [batches[0][:1], batches[0][1:]]
    for shares in (batches, more):
        matrices = on_ranks(rank_learns, shares)
        for matrix in matrices:
            assert_close(matrix, mean_of_right_predictions(batches[0], 4))


def test_a_matrix_of_ones_own_is_the_same_target():
    """What the smoother hands to the loss is nothing but the learned rows."""
    logits, labels = draw(7)
    smoother = bound(4, strength=0.3)
    smoother(labels, logits=logits)
    smoother.prior.end_epoch()
    target = SoftTarget(labels, 0.3, PerClass(mean_of_right_predictions([(logits, labels)], 4)))
    ours = smoother(labels, logits=logits)
    assert_close(soft_cross_entropy(logits, ours), soft_cross_entropy(logits, target))
    assert smoother.prior.record() == {
        "online_label_share": pytest.approx(target.prior.matrix.diagonal().mean().item())
    }
