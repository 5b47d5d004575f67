"""The closed form gives back what smoothing mixed, and the nearest distribution where nothing explains the model."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from smoothlab import InvalidArgument
from smoothlab.calibration import Unsmooth
from smoothlab.calibration.unsmooth import to_simplex
from smoothlab.smoothing import Constant, Exclusive, Smoother, Uniform, Vector

PRIORS = {
    "uniform": (Uniform(), None),
    "exclusive": (
        Exclusive(),
        [[0, 1 / 3, 1 / 3, 1 / 3], [1 / 3, 0, 1 / 3, 1 / 3], [1 / 3, 1 / 3, 0, 1 / 3], [1 / 3] * 3 + [0]],
    ),
    "vector": (Vector([4, 3, 2, 1]), [0.4, 0.3, 0.2, 0.1]),
}


@pytest.mark.parametrize("name", sorted(PRIORS))
@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.4])
def test_smoothed_targets_are_taken_back(name, epsilon):
    prior, values = PRIORS[name]
    p = torch.from_numpy(np.random.default_rng(0).dirichlet([0.5] * 4, 50))
    rows = Smoother(Constant(epsilon), prior)(torch.arange(4)).dense(4).double()
    q = p @ rows
    recovered = Unsmooth(epsilon, values, floor=0)(q.log()).softmax(1)
    torch.testing.assert_close(recovered, p, atol=1e-6, rtol=0)


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=6))
def test_the_projection_is_the_nearest_distribution(values):
    given_row = torch.tensor([values], dtype=torch.float64)
    projected = to_simplex(given_row)[0].numpy()
    assert projected.sum() == pytest.approx(1)
    assert projected.min() >= 0
    start = np.full(len(values), 1 / len(values))
    nearest = minimize(
        lambda x: ((x - values) ** 2).sum(),
        start,
        jac=lambda x: 2 * (x - values),
        bounds=[(0, 1)] * len(values),
        constraints={"type": "eq", "fun": lambda x: x.sum() - 1},
        method="SLSQP",
        options={"ftol": 1e-14},
    ).x
    np.testing.assert_allclose(projected, nearest, atol=1e-4)


def test_the_predicted_class_stays_under_an_even_prior(drawn):
    logits, _ = drawn(200, 5, seed=1, factor=3.0)
    assert Unsmooth(0.3)(logits).argmax(1).equal(logits.argmax(1))


def test_less_than_its_share_of_the_prior_becomes_the_floor(drawn):
    logits = torch.tensor([[8.0, 0.0, 0.0]], dtype=torch.float64)  # far more certain than epsilon 0.3 allows
    assert Unsmooth(0.3)(logits).softmax(1)[0, 1].item() == pytest.approx(1e-6, rel=1e-4)
    fitted = Unsmooth(0.3).fit(*drawn(98, 3, seed=2))
    assert fitted(logits).softmax(1)[0, 1].item() == pytest.approx(1 / 102, rel=1e-3)


def test_it_brings_the_gap_of_a_smoothed_net_back_to_that_of_the_same_net_without():
    """On a synthetic domain: labels follow a known posterior, and the net is wide enough for it and for its mixture."""
    torch.manual_seed(0)
    features = torch.randn(6000, 3)
    posterior = torch.softmax(features @ torch.randn(3, 4), 1)
    labels = torch.multinomial(posterior, 1).squeeze(1)
    train, new = slice(0, 3000), slice(3000, 6000)

    def trained(epsilon):
        torch.manual_seed(1)
        net = torch.nn.Sequential(torch.nn.Linear(3, 32), torch.nn.Tanh(), torch.nn.Linear(32, 4))
        target = Smoother(Constant(epsilon), Uniform())(labels[train]).dense(4)
        optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
        for _ in range(250):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(features[train]), target).backward()
            optimizer.step()
        return net(features[new]).detach()

    def gap(logits):
        top = logits.softmax(1).max(1)
        return float((top.values - (top.indices == labels[new]).float()).mean())

    plain, smoothed = trained(0.0), trained(0.2)
    assert gap(smoothed) < gap(plain) - 0.05
    assert gap(Unsmooth(0.2)(smoothed)) == pytest.approx(gap(plain), abs=0.015)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"epsilon": 1.0}, "epsilon"),
        ({"epsilon": None}, "epsilon"),
        ({"epsilon": 0.1, "prior": [0.5, 0.6]}, "prior"),
        ({"epsilon": 0.1, "prior": [[1.0, 0.0]]}, "prior"),
        ({"epsilon": 0.1, "prior": "even"}, "prior"),
        ({"epsilon": 0.5, "prior": [[0.0, 1.0], [1.0, 0.0]]}, "epsilon"),  # half and half, whatever the label
        ({"epsilon": 0.1, "floor": 1}, "floor"),
    ],
)
def test_what_cannot_be_undone_is_refused(arguments, name):
    with pytest.raises(InvalidArgument, match=f"^{name} = "):
        Unsmooth(**arguments)
