"""The prior by neighbours in time."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from smoothlab import InvalidArgument, Smoother, soft_cross_entropy
from smoothlab.smoothing import ClassInfo, Constant, Neighbours, Step


def double(values, **options):
    return torch.tensor(values, dtype=torch.float64, **options)


def rows(labels, classes, weights=(5.0, 2.0)):
    shape = (*labels.shape, classes)
    return Neighbours(weights)(Step(labels, torch.zeros(shape, dtype=torch.float64))).rows


def search(labels, classes, weights):
    """Label by label."""
    made = torch.zeros(*labels.shape, classes, dtype=torch.float64)
    for n, sequence in enumerate(labels.tolist()):
        for t, own in enumerate(sequence):
            for distance, weight in enumerate(weights, start=1):
                for place in (t - distance, t + distance):
                    if 0 <= place < len(sequence) and 0 <= sequence[place] < classes:
                        made[n, t, sequence[place]] += weight
            if not made[n, t].any():
                made[n, t, min(max(own, 0), classes - 1)] = 1
    return made / made.sum(-1, keepdim=True)


@pytest.mark.parametrize("weights", [(5.0, 2.0), (1.0,), (0.0, 1.0), (4.0, 3.0, 2.0, 1.0)])
@pytest.mark.parametrize("length", [1, 2, 3, 9])
def test_against_a_search_through_all_neighbours(weights, length):
    labels = torch.randint(-1, 5, (6, length), generator=torch.Generator().manual_seed(length))
    labels[labels == -1] = -100
    assert_close(rows(labels, 5, weights), search(labels, 5, weights))


def test_by_hand():
    made = rows(torch.tensor([[3, 1, 1, 2]]), 4)[0]
    assert_close(made[0], double([0, 1.0, 0, 0]))
    assert_close(made[1], double([0, 5, 2, 5]) / 12)


def test_labels_of_another_sequence_are_no_neighbours():
    labels = torch.tensor([[0, 1], [2, 3]])
    assert_close(rows(labels, 4), torch.eye(4, dtype=torch.float64)[[1, 0, 3, 2]].reshape(2, 2, 4))


def test_a_label_that_is_alone_keeps_its_mass():
    labels = torch.tensor([[2, -100, -100], [1, 0, -100]])
    target = Smoother(Constant(0.3), Neighbours())(labels, logits=torch.zeros(2, 3, 4)).validate()
    assert_close(target.dense(4)[0, 0], torch.tensor([0.0, 0.0, 1.0, 0.0]))
    assert_close(target.dense(4)[1, 0], torch.tensor([0.3, 0.7, 0.0, 0.0]))


def test_votes_are_mixed_as_labels_are():
    labels = torch.randint(5, (3, 7), generator=torch.Generator().manual_seed(0))
    votes = torch.nn.functional.one_hot(labels, 5).double()
    assert_close(rows(votes, 5), rows(labels, 5))
    assert_close(rows(votes[:, :1], 5), votes[:, :1])
    mixed = rows(votes[:, 1:] * 0.25 + votes[:, :-1] * 0.75, 5)
    assert_close(mixed.sum(-1), torch.ones(3, 6, dtype=torch.float64))


def test_k_may_come_from_the_data():
    prior = Neighbours()
    with pytest.raises(InvalidArgument, match="num_classes = None: expected K"):
        prior(Step(torch.tensor([[0, 1]])))
    prior.bind(ClassInfo(list("abc"), [1, 1, 1]))
    assert prior(Step(torch.tensor([[0, 1]]))).rows.shape == (1, 2, 3)
    assert prior(Step(torch.tensor([[0, 1]]))).rows.dtype is torch.float32


def test_a_batch_of_single_labels_has_no_neighbours_in_time():
    with pytest.raises(InvalidArgument, match=r"labels = \(3,\): expected sequences"):
        Neighbours()(Step(torch.tensor([0, 1, 2]), torch.zeros(3, 3)))


def test_no_value_is_looked_at():
    labels = torch.zeros(2, 3, dtype=torch.int64, device="meta")
    assert Neighbours()(Step(labels, torch.zeros(2, 3, 4, device="meta"))).rows.device.type == "meta"


@pytest.mark.parametrize("weights", [[], [0.0], [-1.0, 2.0], "52", 3.0])
def test_other_weights_are_refused(weights):
    with pytest.raises(InvalidArgument, match="weights = "):
        Neighbours(weights)


def temporal(vectors):
    for case in vectors("espresso_unigram_temporal")["cases"]:
        if case["smoothing_type"] == "temporal":
            logits, labels = (
                double(case["inputs"]["logits"], requires_grad=True),
                torch.tensor(case["inputs"]["target"]),
            )
            pad, epsilon = case["params"]["ignore_index"], case["params"]["epsilon"]
            target = Smoother(Constant(epsilon), Neighbours(), exclude=[pad])(labels, logits=logits).validate()
            yield case, logits, target, (labels != pad).double(), epsilon


def test_it_is_espressos_temporal_smoothing_but_for_labels_that_are_alone(vectors):
    """Their targets of labels without a neighbour sum to 1 - epsilon, ours to 1."""
    for case, logits, target, counted, epsilon in temporal(vectors):
        mask = double(case["prob_mask"]).reshape(logits.shape)
        weight = counted * torch.where(mask.sum(-1) > 0, 1.0, 1 - epsilon)
        loss = soft_cross_entropy(logits, target, sample_weight=weight, reduction="sum")
        loss.backward()
        assert_close(loss.detach(), double(case["loss"]), rtol=1e-7, atol=0)  # their shares are float32
        assert_close(logits.grad, double(case["grad_logits"]), rtol=1e-6, atol=1e-8)
        one_hot = target.dense(logits.shape[-1]) - target.epsilon.unsqueeze(-1) * target.prior.rows
        ours = (target.dense(logits.shape[-1]) - one_hot) / epsilon
        assert_close(ours[counted > 0], mask[counted > 0], rtol=1e-6, atol=1e-7)


def test_a_label_alone_in_its_padding_keeps_its_mass_where_espressos_loses_it():
    labels = torch.tensor([[3, 0, 0]])
    target = Smoother(Constant(0.1), Neighbours(), exclude=[0])(labels, logits=torch.zeros(1, 3, 5))
    assert target.dense(5)[0, 0].tolist() == [0.0, 0.0, 0.0, 1.0, 0.0]


def test_flat_tokens_have_neighbours_within_their_sequence() -> None:
    first, second = torch.tensor([3, 1, 2, 0]), torch.tensor([4, 2])
    flat = Step(torch.cat([first, second]), metadata={"sequence": torch.tensor([7, 7, 7, 7, 2, 2])})
    prior = Neighbours()
    prior.bind(ClassInfo([str(k) for k in range(5)], [1] * 5))
    apart = [prior(Step(position.unsqueeze(0))).rows[0] for position in (first, second)]
    torch.testing.assert_close(prior(flat).rows, torch.cat(apart))
