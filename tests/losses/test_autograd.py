"""How the loss behaves inside autograd, its transforms and the compiler."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close
from torch.utils.checkpoint import checkpoint

from smoothlab import SoftTarget, soft_cross_entropy
from smoothlab.losses import chunked, small
from smoothlab.targets import PerClass, PerSample


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


Y = torch.tensor([0, 3, 2, 1, 1, 2])


def test_no_gradient_is_made_where_none_is_wanted(loss, path, monkeypatch):
    made = []
    forward = chunked._Pass.__init__
    monkeypatch.setattr(chunked._Pass, "__init__", lambda self, *a: made.append(a[3:]) or forward(self, *a))
    logits = draw(6, 4).requires_grad_()
    expected = F.cross_entropy(logits, Y, label_smoothing=0.1).detach()
    with torch.no_grad():
        assert_close(loss(logits, SoftTarget(Y, 0.1)), expected)
    assert_close(loss(logits.detach(), SoftTarget(Y, 0.1)), expected)
    with torch.inference_mode():
        assert_close(loss(logits, SoftTarget(Y, 0.1)), expected)
    value = loss(logits.detach(), SoftTarget(Y, 0.1))
    assert not value.requires_grad
    assert len(made) == (4 if "chunk" in path else 0)
    assert not any(made)  # no buffer for a gradient


def test_inference_mode_first_and_training_afterwards(loss):
    logits, y = draw(6, 9).requires_grad_(), torch.tensor([0, 8, 2, 1, 1, 2])
    with torch.inference_mode():
        loss(logits, SoftTarget(y, 0.123))
    loss(logits, SoftTarget(y, 0.123)).backward()
    assert logits.grad.any()


def test_the_gradient_is_scaled_by_what_comes_from_above(loss):
    logits = draw(6, 4).requires_grad_()
    (3 * loss(logits, SoftTarget(Y, 0.1)) ** 2).backward()
    plain = draw(6, 4).requires_grad_()
    (3 * F.cross_entropy(plain, Y, label_smoothing=0.1) ** 2).backward()
    assert_close(logits.grad, plain.grad)


def test_losses_add_up(loss):
    logits = draw(6, 4).requires_grad_()
    total = loss(logits, SoftTarget(Y, 0.1)) + loss(logits, SoftTarget(Y, 0.3, "exclusive"))
    total.backward()
    plain = draw(6, 4).requires_grad_()
    (F.cross_entropy(plain, Y, label_smoothing=0.1) + F.cross_entropy(plain, Y, label_smoothing=0.3 * 4 / 3)).backward()
    assert_close(logits.grad, plain.grad)


@pytest.mark.parametrize("use_reentrant", [False, True])
def test_activation_checkpointing(loss, use_reentrant):
    x, w = draw(6, 3).requires_grad_(), draw(3, 4).requires_grad_()
    value = checkpoint(lambda x: loss(x @ w, SoftTarget(Y, 0.1)), x, use_reentrant=use_reentrant)
    value.backward()
    again = draw(6, 3).requires_grad_(), draw(3, 4).requires_grad_()
    F.cross_entropy(again[0] @ again[1], Y, label_smoothing=0.1).backward()
    assert_close(x.grad, again[0].grad)
    assert_close(w.grad, again[1].grad)


def test_the_gradient_is_not_copied_on_its_way():
    """A gradient that someone else still holds is cloned by the engine: a second buffer of the logits' size."""
    logits = draw(300, 200).requires_grad_()
    value = soft_cross_entropy(logits, SoftTarget(torch.arange(300) % 200, 0.1))
    buffer = value.grad_fn.saved_tensors[0].data_ptr()
    value.backward()
    assert logits.grad.data_ptr() == buffer


@pytest.fixture
def only_chunks(monkeypatch):
    monkeypatch.setattr(small, "TABLE_ELEMENTS", 0)
    monkeypatch.setattr(small, "DENSE_ELEMENTS", 0)


@pytest.mark.usefixtures("only_chunks")
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_a_second_backward_is_refused_with_the_way_out(reduction):
    value = soft_cross_entropy(draw(6, 4).requires_grad_(), SoftTarget(Y, 0.1), reduction=reduction).sum()
    value.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match='implementation="reference"'):
        value.backward()


@pytest.mark.usefixtures("only_chunks")
def test_a_second_backward_without_retained_graph_names_the_way_out_too():
    value = soft_cross_entropy(draw(6, 4).requires_grad_(), SoftTarget(Y, 0.1))
    value.backward()
    with pytest.raises(RuntimeError, match='implementation="reference"'):
        value.backward()


@pytest.mark.usefixtures("only_chunks")
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_double_backward_is_refused_with_the_way_out(reduction):
    logits = draw(6, 4).requires_grad_()
    value = soft_cross_entropy(logits, SoftTarget(Y, 0.1), reduction=reduction).sum()
    with pytest.raises(RuntimeError, match='implementation="reference"'):
        torch.autograd.grad(value, logits, create_graph=True)


TARGETS = {
    "uniform": SoftTarget(Y, 0.1),
    "exclusive by sample": SoftTarget(Y, torch.linspace(0, 0.9, 6, dtype=torch.float64), "exclusive"),
    "matrix": SoftTarget(Y, 0.2, PerClass(draw(4, 4, seed=1).softmax(-1))),
    "votes": SoftTarget(draw(6, 4, seed=2).softmax(-1), 0.2, PerSample(draw(6, 4, seed=3).softmax(-1))),
}


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_the_reference_has_first_and_second_derivatives(target, reduction):
    def value(logits):
        weight = torch.linspace(0, 2, 6, dtype=torch.float64)
        return soft_cross_entropy(logits, target, sample_weight=weight, reduction=reduction, implementation="reference")

    logits = draw(6, 4).requires_grad_()
    assert torch.autograd.gradcheck(value, logits)
    assert torch.autograd.gradgradcheck(value, logits)


def test_factors_that_are_learned_get_their_gradients():
    """A target or weight that wants a gradient takes the reference path by itself."""
    logits, raw = draw(6, 4).requires_grad_(), draw(4, seed=1).requires_grad_()
    epsilon = torch.tensor(0.2, dtype=torch.float64, requires_grad=True)
    weight = torch.linspace(0.5, 2, 6, dtype=torch.float64, requires_grad=True)
    target = SoftTarget(Y, epsilon, raw.softmax(-1))
    value = soft_cross_entropy(logits, target, sample_weight=weight)
    value.backward()
    log_p = logits.detach().log_softmax(-1)
    share = weight.detach() / weight.detach().sum()
    by_row = -log_p @ raw.detach().softmax(-1) + log_p[torch.arange(6), Y]
    assert_close(epsilon.grad, (share * by_row).sum())
    assert raw.grad.any()
    assert weight.grad.any()


def _compiles(backend):
    try:
        return torch.compile(lambda x: x + 1, backend=backend)(torch.ones(1)).item() == 2
    except Exception as failure:
        pytest.skip(f"torch.compile with {backend} does not work here: {type(failure).__name__}")


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())
def test_torch_compile_takes_the_whole_loss_in_one_graph(target):
    _compiles("aot_eager")

    def value(logits, base):
        return soft_cross_entropy(logits, SoftTarget(base, target.epsilon, target.prior))

    logits, eager = draw(6, 4).requires_grad_(), draw(6, 4).requires_grad_()
    torch._dynamo.reset()
    compiled = torch.compile(value, backend="aot_eager", fullgraph=True)(logits, target.base)
    compiled.backward()
    expected = value(eager, target.base)
    expected.backward()
    assert_close(compiled, expected)
    assert_close(logits.grad, eager.grad)


def test_torch_func_grad():
    gradient = torch.func.grad(lambda z: soft_cross_entropy(z, SoftTarget(Y, 0.1)))(draw(6, 4))
    plain = torch.func.grad(lambda z: F.cross_entropy(z, Y, label_smoothing=0.1))(draw(6, 4))
    assert_close(gradient, plain)


def test_torch_func_vmap_over_samples():
    def each(logits, label, epsilon, row):
        return soft_cross_entropy(logits, SoftTarget(label, epsilon, PerSample(row)))

    logits, epsilon, rows = draw(6, 4), torch.linspace(0, 0.9, 6, dtype=torch.float64), draw(6, 4, seed=1).softmax(-1)
    values = torch.func.vmap(each)(logits, Y, epsilon, rows)
    expected = soft_cross_entropy(logits, SoftTarget(Y, epsilon, PerSample(rows)), reduction="none")
    assert_close(values, expected)


def test_torch_func_vmap_over_models():
    def each(logits):
        return soft_cross_entropy(logits, SoftTarget(Y, 0.1))

    logits = draw(3, 6, 4)
    values, gradients = torch.func.vmap(torch.func.grad_and_value(each))(logits)[::-1]
    for i in range(3):
        assert_close(values[i], each(logits[i]))
        assert_close(gradients[i], torch.func.grad(each)(logits[i]))


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")  # torch's own, at the first jvp; its kind changed in 2.14
def test_forward_mode_derivatives():
    logits, direction = draw(6, 4), draw(6, 4, seed=1)
    target = SoftTarget(Y, 0.1)
    _, tangent = torch.func.jvp(lambda z: soft_cross_entropy(z, target), (logits,), (direction,))
    gradient = torch.func.grad(lambda z: soft_cross_entropy(z, target))(logits)
    assert_close(tangent, (gradient * direction).sum())
    with torch.autograd.forward_ad.dual_level():
        value = soft_cross_entropy(torch.autograd.forward_ad.make_dual(logits, direction), target)
        assert_close(torch.autograd.forward_ad.unpack_dual(value).tangent, tangent)
