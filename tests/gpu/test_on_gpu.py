"""What has to hold on a GPU: the numbers of the CPU, and a training that ends as one of the CPU does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from smoothlab import SoftTarget, linear_soft_cross_entropy, soft_cross_entropy
from smoothlab.targets import PerClass, PerSample

pytestmark = pytest.mark.gpu
ROWS, K, D = 64, 50, 16
SMALL = [
    "data=synthetic_medical",
    "data.rows=400",
    "logger=none",
    "progress=none",
    "figures=false",
    "trainer.max_epochs=3",
]


def targets(device, dtype=torch.float64):
    """A target of each kind of base, strength and prior, from the same numbers on each device."""
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(0, K, (ROWS,), generator=generator)
    y[3] = -100
    shapes = ((K,), (K, K), (ROWS, K), (ROWS,))
    drawn = [torch.rand(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    drawn = [*(each.softmax(-1) for each in drawn[:3]), drawn[3] * 0.3]
    vector, matrix, rows, epsilons = (each.to(device, dtype) for each in drawn)
    y = y.to(device)
    return {
        "none": SoftTarget(y, 0.0),
        "uniform": SoftTarget(y, 0.1),
        "exclusive": SoftTarget(y, 0.1, "exclusive"),
        "vector": SoftTarget(y, 0.1, vector),
        "matrix": SoftTarget(y, 0.1, PerClass(matrix)),
        "rows": SoftTarget(y, 0.1, PerSample(rows)),
        "by sample": SoftTarget(y, epsilons),
        "votes": SoftTarget(rows, 0.1),
    }


def with_gradients(loss, *leaves):
    return [loss.detach().cpu(), *(grad.cpu() for grad in torch.autograd.grad(loss, leaves))]


@pytest.mark.parametrize("name", list(targets("cpu")))
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_loss_and_gradient_are_those_of_the_reference_on_the_cpu(device, name, dtype):
    z = torch.randn(ROWS, K, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)
    there, here = z.to(device).requires_grad_(), z.double().requires_grad_()
    gradients = with_gradients(
        soft_cross_entropy(there, targets(device, torch.promote_types(dtype, torch.float32))[name]), there
    )
    expected = with_gradients(soft_cross_entropy(here, targets("cpu")[name], implementation="reference"), here)
    tolerance = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 2e-2}[dtype]
    for left, right in zip(gradients, expected, strict=True):
        torch.testing.assert_close(left.double(), right, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", list(targets("cpu")))
def test_the_loss_of_a_large_vocabulary_is_that_of_all_logits(device, name):
    generator = torch.Generator().manual_seed(2)
    hidden, weight = (torch.randn(size, D, generator=generator, dtype=torch.float64) for size in (ROWS, K))
    leaves = [each.to(device).requires_grad_() for each in (hidden, weight)]
    expected_leaves = [each.requires_grad_() for each in (hidden, weight)]
    gradients = with_gradients(linear_soft_cross_entropy(*leaves, None, targets(device)[name], chunk_size=16), *leaves)
    logits = expected_leaves[0] @ expected_leaves[1].T
    expected = with_gradients(
        soft_cross_entropy(logits, targets("cpu")[name], implementation="reference"), *expected_leaves
    )
    torch.testing.assert_close(gradients, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("smoothing", ["standard", "online", "none"])
def test_a_training_ends_with_the_metrics_of_the_cpu(device, cli, tmp_path, monkeypatch, smoothing):
    monkeypatch.chdir(tmp_path)
    trainer = "gpu" if device == "cuda" else "cpu"
    for name, options in (("there", [f"trainer={trainer}"]), ("here", ["trainer=cpu"])):
        code, _, err = cli(
            "train", *SMALL, *options, f"smoothing={smoothing}", f"name={name}", "trainer.precision=64-true"
        )
        assert code == 0, err
    metrics, expected = (metrics_of(tmp_path, name) for name in ("there", "here"))
    assert metrics["nll"] == pytest.approx(expected["nll"], abs=1e-6)
    assert metrics["ece"] == pytest.approx(expected["ece"], abs=1e-6)


@pytest.mark.parametrize("precision", ["bf16-mixed", "32-true"])
def test_a_precision_trains_and_its_checkpoint_predicts_on_the_cpu(device, cli, tmp_path, monkeypatch, precision):
    from smoothlab.models.run import Run

    monkeypatch.chdir(tmp_path)
    trainer = "gpu" if device == "cuda" else "cpu"
    code, _, err = cli("train", *SMALL, f"trainer={trainer}", f"trainer.precision={precision}", "name=run")
    assert code == 0, err
    (run,) = (tmp_path / "outputs" / "run").iterdir()
    assert json.loads((run / "status.json").read_text())["state"] == "done"
    assert next(Run(run).model().net.parameters()).device.type == "cpu"


def metrics_of(folder, name):
    (run,) = Path(folder, "outputs", name).iterdir()
    return json.loads((run / "results.json").read_text())["metrics"]["test"]
