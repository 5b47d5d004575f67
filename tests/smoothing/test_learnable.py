"""Label Smoothing++: a trained prior and its loss, against the published numbers."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

import smoothlab
from smoothlab import InvalidArgument, Smoother, SoftTarget
from smoothlab.losses import SymmetricCrossEntropy
from smoothlab.models.checkpoint import read_checkpoint
from smoothlab.smoothing import ClassInfo, Constant, Learnable

CLOSE = {"rtol": 1e-5, "atol": 1e-7}  # the original holds its constants in single precision
FLOOR = 1e-6


def number(values, **options):
    return torch.tensor(values, dtype=torch.float64, **options)


def bound(classes, epsilon=0.1):
    smoother = Smoother(Constant(epsilon), Learnable())
    smoother.bind(ClassInfo([f"c{k}" for k in range(classes)], [1] * classes))
    return smoother


def test_published_losses_and_gradients_but_for_the_floor_below_the_models_probabilities(vectors):
    """The deviation: theirs takes log(p + 1e-6) where ours takes log p, and the difference is all there is."""
    for case in vectors("label_smoothing_pp")["cases"]:
        logits, labels = number(case["inputs"]["logits"], requires_grad=True), torch.tensor(case["inputs"]["target"])
        table = number(case["inputs"]["c_matrix"])
        smoother = bound(len(table), case["params"]["alpha"]).double()
        smoother.prior.table.data.copy_(table)
        assert_close(smoother.prior.matrix(), number(case["C"]), **CLOSE)
        target = smoother(labels, logits=logits).validate()
        loss = SymmetricCrossEntropy(FLOOR)(logits, target).mean()
        q, p = target.dense(len(table)).detach(), logits.softmax(1)
        floor = -(q * ((p + FLOOR).log() - p.log())).sum(1).mean() / 2
        (of_logits,) = torch.autograd.grad(loss + floor, logits, retain_graph=True)
        (of_table,) = torch.autograd.grad(loss, smoother.prior.table)
        assert_close((loss + floor).detach(), number(case["loss"]), **CLOSE)
        assert_close(of_logits, number(case["grad_logits"]), **CLOSE)
        assert_close(of_table, number(case["grad_c_matrix"]), **CLOSE)


def test_the_matrix_is_each_rows_softmax_around_a_diagonal_of_zeros():
    prior = bound(4).prior
    prior.table.data.copy_(torch.randn(4, 3, generator=torch.Generator().manual_seed(0)))
    for y, row in enumerate(prior.matrix()):
        rest = prior.table[y].softmax(0)
        assert_close(row, torch.cat([rest[:y], torch.zeros(1), rest[y:]]))


def test_at_the_start_it_is_the_exclusive_prior():
    labels = torch.tensor([0, 2])
    assert_close(bound(3)(labels).dense(3), SoftTarget(labels, 0.1, "exclusive").dense(3))


def test_the_models_gradient_is_half_that_of_the_cross_entropy_and_the_targets_is_its_own():
    generator = torch.Generator().manual_seed(1)
    z = torch.randn(6, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    q = torch.rand(6, 4, generator=generator, dtype=torch.float64).softmax(1).requires_grad_()
    SymmetricCrossEntropy(1e-12)(z, SoftTarget(q)).sum().backward()
    assert_close(z.grad, (z.softmax(1) - q).detach() / 2)
    assert_close(q.grad, (-z.softmax(1) / q).detach() / 2)


def test_training_draws_the_matrix_to_the_models_predictions():
    torch.manual_seed(0)
    labels = torch.arange(3).repeat(20)
    logits = 2 * F.one_hot(labels, 3) + F.one_hot((labels + 1) % 3, 3)  # each class leans to the next
    smoother = bound(3, 0.5)
    optimizer = torch.optim.SGD(smoother.parameters(), lr=5.0)
    for _ in range(200):
        optimizer.zero_grad()
        SymmetricCrossEntropy()(logits.float(), smoother(labels)).mean().backward()
        optimizer.step()
    row = logits[0].float().softmax(0)
    assert_close(smoother.prior.matrix()[0, 1].detach(), row[1] / (1 - row[0]), rtol=0, atol=1e-3)


def test_a_run_trains_it_and_keeps_it_in_its_checkpoint(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    short = ["logger=csv", "threads=1", "progress=none", "trainer.max_epochs=2"]
    run = smoothlab.train([*short, "smoothing/prior=learnable", "loss=symmetric"])
    content = read_checkpoint(run.path / "checkpoints" / "last.ckpt")
    assert content["state_dict"]["smoother.prior.table"].shape == (2, 1)
    parameters = sum(len(group["params"]) for group in content["optimizer_states"][0]["param_groups"])
    assert parameters == 1 + sum(name.startswith("net.") for name in content["state_dict"])


def test_what_does_not_fit_is_refused():
    with pytest.raises(InvalidArgument, match=r"^classes = None"):
        Smoother(Constant(0.1), Learnable())(torch.tensor([0]))
    with pytest.raises(InvalidArgument, match=r"^prior.classes = 1: expected at least 2"):
        bound(1)
    with pytest.raises(InvalidArgument, match=r"^prior.classes = 4: expected 3"):
        bound(3).bind(ClassInfo(list("abcd"), [1] * 4))
    with pytest.raises(InvalidArgument, match=r"^floor = "):
        SymmetricCrossEntropy(0.0)
