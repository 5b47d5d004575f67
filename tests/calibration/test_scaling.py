"""Vector, matrix and Dirichlet scaling against scikit-learn's logistic regression, Platt's sigmoid and the paper."""

import numpy as np
import pytest
import torch
from sklearn.calibration import _SigmoidCalibration
from sklearn.linear_model import LogisticRegression

from smoothlab import InvalidArgument
from smoothlab.calibration import Dirichlet, MatrixScaling, VectorScaling


def logistic_regression(inputs, labels):
    model = LogisticRegression(C=np.inf, solver="lbfgs", tol=1e-10, max_iter=10_000)
    return model.fit(inputs, labels).predict_proba(inputs)


@pytest.mark.parametrize(
    ("calibrator", "inputs_of"),
    [(MatrixScaling(0.0), lambda z: z), (Dirichlet(0.0), lambda z: z.log_softmax(1))],
    ids=["matrix", "dirichlet"],
)
def test_without_regularisation_it_is_multinomial_regression(drawn, calibrator, inputs_of):
    logits, labels = drawn(500, 3, seed=0)
    logits = logits + torch.tensor([0.0, 1.0, -1.0])
    expected = logistic_regression(inputs_of(logits).numpy(), labels.numpy())
    calibrated = calibrator.fit(logits, labels)(logits).softmax(1).numpy()
    np.testing.assert_allclose(calibrated, expected, atol=2e-5)


def test_of_two_classes_vector_scaling_is_platts_sigmoid(drawn):
    logits, labels = drawn(300, 2, seed=1)
    score = (logits[:, 1] - logits[:, 0]).numpy()
    sigmoid = _SigmoidCalibration().fit(score, labels.numpy())
    positive = int(labels.sum())  # his targets: (n + 1) / (n + 2) and its like, as votes
    share = torch.where(labels == 1, (positive + 1) / (positive + 2), 1 / (300 - positive + 2)).double()
    votes = torch.stack([1 - share, share], 1)
    difference = torch.stack([torch.zeros(300, dtype=torch.float64), torch.from_numpy(score)], 1)
    calibrated = VectorScaling(0.0).fit(difference, votes)(difference).softmax(1)[:, 1]
    np.testing.assert_allclose(calibrated.numpy(), sigmoid.predict(score), atol=1e-5)


def test_strong_regularisation_leaves_the_diagonal_alone(drawn):
    logits, labels = drawn(200, 4, seed=2)
    fitted = MatrixScaling(1e4).fit(logits, labels)
    off = fitted.weight - torch.diag(fitted.weight.diagonal())
    assert float(off.abs().max()) < 1e-3
    assert float(fitted.bias.abs().max()) < 1e-3
    assert float(fitted.weight.diagonal().min()) > 0.3  # half of its inputs' factor


def test_the_penalty_is_the_one_that_is_stated(drawn):
    """At the optimum of a convex function no small step to any side is lower."""
    logits, labels = drawn(100, 3, seed=3)
    strength = 0.3
    fitted = MatrixScaling(strength).fit(logits, labels)
    start = 1 / torch.tensor(optimum(logits, labels))

    def loss(weight, bias):
        nll = torch.nn.functional.cross_entropy(logits @ weight.T + bias, labels)
        off = weight[~torch.eye(3, dtype=torch.bool)].square().mean()
        diagonal = 0.01 * (weight.diagonal() - start).square().mean()
        return nll + strength * (off + bias.square().mean() + diagonal)

    weight, bias = fitted.weight.clone().requires_grad_(), fitted.bias.clone().requires_grad_()
    loss(weight, bias).backward()
    assert float(weight.grad.abs().max()) < 1e-6
    assert float(bias.grad.abs().max()) < 1e-6


def optimum(logits, labels):
    from smoothlab.calibration import Temperature

    return float(Temperature().fit(logits, labels).temperature)


@pytest.mark.parametrize("calibrator", [VectorScaling, MatrixScaling, Dirichlet])
def test_separable_samples_have_an_optimum(calibrator):
    labels = torch.arange(30) % 3
    logits = 4.0 * torch.nn.functional.one_hot(labels, 3).double()
    fitted = calibrator(0.01).fit(logits, labels)
    assert float(fitted.weight.abs().max()) < 50
    assert fitted(logits).argmax(1).equal(labels)


def test_auto_regularises_few_samples_more_than_many(drawn):
    mixing = torch.eye(5, dtype=torch.float64) + 0.4 * torch.ones(5, 5, dtype=torch.float64).triu(1)

    def used(rows):
        logits, labels = drawn(rows, 5, seed=4)
        return MatrixScaling("auto").fit(logits @ mixing, labels).summary()["regularisation"]

    assert used(60) > used(2000)


def test_auto_is_better_on_new_samples_than_none_at_all(drawn):
    logits, labels = drawn(80, 6, seed=5)
    new, truth = drawn(4000, 6, seed=6)
    cross_entropy = torch.nn.functional.cross_entropy
    free = cross_entropy(MatrixScaling(0.0).fit(logits, labels)(new), truth)
    assert cross_entropy(MatrixScaling("auto").fit(logits, labels)(new), truth) < free - 0.1


@pytest.mark.parametrize("value", [-1, "much", True, float("inf")])
def test_another_regularisation_is_refused(value):
    with pytest.raises(InvalidArgument, match="regularisation = "):
        VectorScaling(value)
