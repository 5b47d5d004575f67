"""The linear layer and its loss in chunks: the same loss and gradients as with all logits, in the memory of a chunk."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch.profiler import ProfilerActivity, profile
from torch.testing import assert_close

from smoothlab import InvalidArgument, SoftTarget, linear_soft_cross_entropy, soft_cross_entropy
from smoothlab.losses import linear, linear_chunks
from smoothlab.targets import PerClass, PerSample

N, D, K = 20, 6, 11
INF = math.inf


def draw(*shape, seed=0, scale=1.0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale


def distributions(*shape, seed):
    return draw(*shape, seed=seed).softmax(-1)


Y = torch.randint(0, K, (N,), generator=torch.Generator().manual_seed(1))
KEPT = torch.arange(N) % 4 != 1
WEIGHTS = torch.linspace(0.5, 2, N, dtype=torch.float64)
EPSILONS = {
    "none": 0.0,
    "number": 0.1,
    "one tensor": torch.tensor(0.3, dtype=torch.float64),
    "by row": torch.linspace(0, 0.9, N, dtype=torch.float64),
}
PRIORS = {
    "uniform": None,
    "exclusive": "exclusive",
    "vector": distributions(K, seed=3),
    "matrix": PerClass(distributions(K, K, seed=4)),
    "rows": PerSample(distributions(N, K, seed=5)),
}


def operands(dtype=torch.float64, *, bias=True):
    """Hidden, weight and bias, leaves that want gradients."""
    leaves = [draw(N, D, scale=2.0), draw(K, D, seed=7), draw(K, seed=8) if bias else None]
    return [None if tensor is None else tensor.to(dtype).requires_grad_() for tensor in leaves]


def multiplied_out(base, epsilon, prior):
    """The dense target ``(N, K)``, by hand."""
    factor = PRIORS[prior]
    rows = {
        "uniform": lambda: torch.full_like(base, 1 / K),
        "exclusive": lambda: (1 - base) / (K - 1),
        "vector": lambda: factor.expand_as(base),
        "matrix": lambda: base @ factor.matrix,
        "rows": lambda: factor.rows,
    }[prior]()
    column = epsilon.unsqueeze(-1) if isinstance(epsilon, torch.Tensor) and epsilon.ndim else epsilon
    return (1 - column) * base + column * rows


def loss_and_gradients(value, leaves):
    """A scalar's value, and its gradients with respect to leaves (None among them)."""
    wanted = [leaf for leaf in leaves if leaf is not None and leaf.requires_grad]
    return value.detach(), torch.autograd.grad(value, wanted)


def assert_same(computed, expected, **tolerance):
    assert_close(computed[0], expected[0], **tolerance)
    assert len(computed[1]) == len(expected[1])
    for ours, theirs in zip(computed[1], expected[1], strict=True):
        assert_close(ours, theirs, **tolerance)


@pytest.fixture(params=["chunks", "device", "reference"])
def fused(request, monkeypatch):
    """The function on each of its paths; "device" is the one for other devices, run on the CPU."""
    if request.param == "device":
        monkeypatch.setattr(linear_chunks._Walk, "on_cpu", linear_chunks._Walk.on_device)
        monkeypatch.setattr(linear, "_inverse", lambda count: 1 / count.where(count != 0, 1))

    def call(*arguments, **options):
        if request.param == "reference":
            options["implementation"] = "reference"
        return linear_soft_cross_entropy(*arguments, **options)

    return call


@pytest.mark.parametrize(("epsilon", "prior"), list(itertools.product(EPSILONS, PRIORS)))
@pytest.mark.parametrize("base", ["labels", "votes"])
def test_loss_and_all_gradients_are_those_of_the_definition(fused, base, epsilon, prior):
    """Float64, with every kind of mask, reduction, bias and chunk, against a dense target through plain autograd."""
    votes = distributions(N, K, seed=2)
    dense = F.one_hot(Y, K).double() if base == "labels" else votes
    q = multiplied_out(dense, EPSILONS[epsilon], prior)
    for masks, reduction, bias in itertools.product(["none", "ignored", "weights"], ["mean", "sum"], [True, False]):
        leaves = operands(bias=bias)
        labels, options = Y, {}
        weights = torch.ones(N, dtype=torch.float64)
        if masks == "ignored" and base == "labels":
            labels, weights = Y.where(KEPT, -100), KEPT.double()
        elif masks != "none":
            weights = WEIGHTS * KEPT
            options["sample_weight"] = weights
        rows = -(q * F.linear(*leaves).log_softmax(-1)).sum(-1)
        value = (rows * weights).sum() / (weights.sum() if reduction == "mean" else 1)
        expected = loss_and_gradients(value, leaves)
        target = SoftTarget(labels if base == "labels" else votes, EPSILONS[epsilon], PRIORS[prior])
        for chunk_size in (1, 7, 1000):
            loss = fused(*leaves, target, reduction=reduction, chunk_size=chunk_size, **options)
            assert loss.dtype is torch.float64
            assert_same(loss_and_gradients(loss, leaves), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("epsilon", "prior"), list(itertools.product(EPSILONS, PRIORS)))
def test_float32_agrees_with_all_logits_at_once(fused, epsilon, prior):
    target = SoftTarget(Y.where(KEPT, -100), EPSILONS[epsilon], PRIORS[prior])
    for reduction, bias, chunk_size in itertools.product(["mean", "sum"], [True, False], [1, 7, None]):
        leaves = operands(torch.float32, bias=bias)
        value = soft_cross_entropy(F.linear(*leaves), target, reduction=reduction)
        expected = loss_and_gradients(value, leaves)
        computed = loss_and_gradients(fused(*leaves, target, reduction=reduction, chunk_size=chunk_size), leaves)
        assert computed[0].dtype is torch.float32
        assert_same(computed, expected, rtol=1e-5, atol=1e-5)


def test_it_is_torch_cross_entropy_of_a_linear_layer(fused):
    leaves = operands()
    for epsilon in (0.0, 0.1):
        value = F.cross_entropy(F.linear(*leaves), Y, label_smoothing=epsilon)
        expected = loss_and_gradients(value, leaves)
        assert_same(loss_and_gradients(fused(*leaves, SoftTarget(Y, epsilon), chunk_size=3), leaves), expected)


def test_sentences_are_rows_too(fused):
    """Leading dimensions (sentence, token); an epsilon, a weight and a prior for each token."""
    leaves = operands()
    priors, shape = PRIORS["rows"].rows, (4, 5)
    flat = SoftTarget(Y, EPSILONS["by row"], PerSample(priors))
    expected = fused(*leaves, flat, sample_weight=WEIGHTS)
    target = SoftTarget(Y.reshape(shape), EPSILONS["by row"].reshape(shape), PerSample(priors.reshape(*shape, K)))
    hidden = leaves[0].detach().reshape(*shape, D).requires_grad_()
    value = fused(hidden, *leaves[1:], target, sample_weight=WEIGHTS.reshape(shape), chunk_size=3)
    assert_close(value, expected)
    (gradient,) = torch.autograd.grad(value, hidden)
    assert_close(gradient.reshape(N, D), torch.autograd.grad(expected, leaves[0])[0])


def test_one_row_without_leading_dimensions(fused):
    hidden, weight, bias = operands()
    value = fused(hidden[0], weight, bias, SoftTarget(Y[0], 0.1))
    assert_close(value, F.cross_entropy(F.linear(hidden[0], weight, bias), Y[0], label_smoothing=0.1))


def test_a_weight_tied_to_the_embedding_gets_both_gradients(fused):
    tokens = torch.arange(N) % K
    weight = draw(K, D, seed=7).requires_grad_()
    fused(torch.tanh(F.embedding(tokens, weight)), weight, None, SoftTarget(Y, 0.1), chunk_size=7).backward()
    again = weight.detach().clone().requires_grad_()
    F.cross_entropy(torch.tanh(F.embedding(tokens, again)) @ again.T, Y, label_smoothing=0.1).backward()
    assert_close(weight.grad, again.grad)


@pytest.mark.parametrize("wanted", list(itertools.product([True, False], repeat=3)))
def test_only_the_gradients_that_are_wanted_are_made(wanted, monkeypatch):
    made = []
    add = linear_chunks._Gradients.add
    monkeypatch.setattr(linear_chunks._Gradients, "add", lambda self, *a: made.append(self) or add(self, *a))
    leaves = [leaf.requires_grad_(want) for leaf, want in zip(operands(), wanted, strict=True)]
    value = linear_soft_cross_entropy(*leaves, SoftTarget(Y, 0.1), chunk_size=7)
    plain = F.cross_entropy(F.linear(*leaves), Y, label_smoothing=0.1)
    assert value.requires_grad == any(wanted)
    if any(wanted):
        assert_same(loss_and_gradients(value, leaves), loss_and_gradients(plain, leaves))
    else:
        assert_close(value, plain)
    kinds = {(g.of_hidden is not None, g.of_weight is not None, g.of_bias is not None) for g in made}
    assert kinds == ({wanted} if any(wanted) else set())


def test_without_grad_mode_there_is_a_loss_and_no_gradient(fused):
    leaves = operands()
    expected = F.cross_entropy(F.linear(*leaves), Y, label_smoothing=0.1).detach()
    with torch.no_grad():
        value = fused(*leaves, SoftTarget(Y, 0.1), chunk_size=7)
    with torch.inference_mode():
        inferred = fused(*leaves, SoftTarget(Y, 0.1), chunk_size=7)
    assert not value.requires_grad
    assert_close(value, expected)
    assert_close(inferred.clone(), expected)


def test_a_nan_in_an_ignored_row_reaches_nothing(fused):
    """Neither the loss nor any gradient, by label or by weight; the other rows are as without it."""
    hidden, weight, bias = operands()
    poisoned = hidden.detach().masked_fill(~KEPT.unsqueeze(-1), math.nan).requires_grad_()
    counted = KEPT.nonzero().squeeze(1)
    for option in ("label", "weight"):
        labels = Y.where(KEPT, -100) if option == "label" else Y
        options = {} if option == "label" else {"sample_weight": KEPT.double()}
        value = fused(poisoned, weight, bias, SoftTarget(labels, 0.1), chunk_size=7, **options)
        expected = F.cross_entropy(F.linear(hidden[counted], weight, bias), Y[counted], label_smoothing=0.1)
        assert_same(
            loss_and_gradients(value, [poisoned, weight, bias]), loss_and_gradients(expected, [hidden, weight, bias])
        )


def test_a_nan_in_a_kept_row_makes_the_loss_nan(fused):
    hidden, weight, bias = operands()
    hidden.detach()[3, 2] = math.nan
    assert fused(hidden, weight, bias, SoftTarget(Y, 0.1), chunk_size=7).isnan()


@pytest.mark.parametrize("everything", ["ignored", "without weight"])
def test_with_nothing_kept_loss_and_gradients_are_zero(fused, everything):
    leaves = operands()
    labels = torch.full_like(Y, -100) if everything == "ignored" else Y
    options = {} if everything == "ignored" else {"sample_weight": torch.zeros(N)}
    value, gradients = loss_and_gradients(fused(*leaves, SoftTarget(labels, 0.1), **options), leaves)
    assert value.item() == 0
    assert not any(gradient.any() for gradient in gradients)


@pytest.mark.parametrize("shape", [(0,), (0, 5), (3, 0)])
def test_an_empty_batch_has_loss_zero_and_gradients_zero(fused, shape):
    _, weight, bias = operands()
    hidden = torch.zeros(*shape, D, dtype=torch.float64, requires_grad=True)
    value = fused(hidden, weight, bias, SoftTarget(torch.zeros(shape, dtype=torch.long), 0.1))
    value, gradients = loss_and_gradients(value, [hidden, weight, bias])
    assert value.item() == 0
    assert gradients[0].shape == hidden.shape
    assert not gradients[1].any()
    assert not gradients[2].any()


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("epsilon", ["none", "number", "by row"])
def test_a_bias_of_minus_infinity_masks_its_class(fused, prior, epsilon):
    """As if the class were not there, with the prior renormalised over the others."""
    masked, left = 3, [k for k in range(K) if k != 3]
    labels = Y.where(masked != Y, 5)
    hidden, weight, bias = operands()
    bias.detach()[masked] = -INF
    q = multiplied_out(F.one_hot(labels, K).double(), 0.0, prior)[:, left]
    if epsilon != "none":
        spread = multiplied_out(F.one_hot(labels, K).double(), 1.0, prior)[:, left]
        e = EPSILONS[epsilon]
        e = e.unsqueeze(-1) if epsilon == "by row" else e
        q = (1 - e) * q + e * spread / spread.sum(-1, keepdim=True)
    leaves = [hidden.detach().requires_grad_(), weight.detach()[left], bias.detach()[left]]
    expected = loss_and_gradients(F.cross_entropy(F.linear(*leaves), q), leaves[:1])
    target = SoftTarget(labels, EPSILONS[epsilon], PRIORS[prior])
    value, gradients = loss_and_gradients(fused(hidden, weight, bias, target, chunk_size=7), [hidden, weight, bias])
    assert_same((value, gradients[:1]), expected)
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert not gradients[1][masked].any()
    assert gradients[2][masked] == 0


def test_a_label_whose_class_is_masked_costs_inf_and_its_gradients_are_finite(fused):
    hidden, weight, bias = operands()
    bias.detach()[3] = -INF
    value, gradients = loss_and_gradients(
        fused(hidden, weight, bias, SoftTarget(torch.full((N,), 3), 0.1), chunk_size=7), [hidden, weight, bias]
    )
    assert value.item() == INF
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_a_chunk_that_overflows_is_made_again_as_all_logits_are(fused):
    """Not by the bias, which is looked at beforehand: hidden makes some logits -inf."""
    hidden, weight, bias = (leaf.detach() for leaf in operands())
    hidden[:, 0], weight[:, 0] = 1.0, 0.0
    weight[4, 0], hidden[5, 0] = -1e200, 1e200  # class 4 is at -1e200, and at -inf for row 5
    labels = Y.where(Y != 4, 2)
    leaves = [hidden.requires_grad_(), weight.requires_grad_(), bias.requires_grad_()]
    expected = loss_and_gradients(soft_cross_entropy(F.linear(*leaves), SoftTarget(labels)), leaves)
    assert expected[0].isfinite()
    assert_same(loss_and_gradients(fused(*leaves, SoftTarget(labels), chunk_size=7), leaves), expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_half_precision_is_close_and_its_loss_is_float32(fused, dtype, reduction):
    leaves = operands(dtype)
    target = SoftTarget(Y.where(KEPT, -100), 0.1, PRIORS["vector"])
    wide = [leaf.detach().double().requires_grad_() for leaf in leaves]
    expected = loss_and_gradients(soft_cross_entropy(F.linear(*wide), target, reduction=reduction), wide)
    computed = loss_and_gradients(fused(*leaves, target, reduction=reduction, chunk_size=7), leaves)
    assert computed[0].dtype is torch.float32
    assert [gradient.dtype for gradient in computed[1]] == [dtype] * 3
    resolution = torch.finfo(dtype).eps
    assert_close(computed[0].double(), expected[0], rtol=2 * resolution, atol=0)
    for ours, theirs in zip(computed[1], expected[1], strict=True):
        assert_close(ours.double(), theirs, rtol=4 * resolution, atol=4 * resolution * theirs.abs().max().item())


def test_a_loss_scaler_reaches_float16_gradients_before_they_round_to_zero():
    """1/N of a small probability is below what float16 holds; the probability itself is not."""
    rows, classes = 256, 4000
    hidden, weight = draw(rows, 8).half(), (draw(classes, 8, seed=1) * 0.5).half()
    hidden.requires_grad_()
    weight.requires_grad_()
    labels = torch.arange(rows)
    value = linear_soft_cross_entropy(hidden, weight, None, SoftTarget(labels), chunk_size=64)
    (gradient,) = torch.autograd.grad(value * 2.0**14, weight)
    wide = weight.detach().double().requires_grad_()
    expected = F.cross_entropy(hidden.detach().double() @ wide.T, labels)
    (exact,) = torch.autograd.grad(expected, wide)
    assert_close(gradient.double() / 2.0**14, exact, rtol=0.02, atol=0.005 * exact.abs().mean().item())


def test_under_autocast_it_is_the_linear_layer_under_autocast(fused):
    """Products in bfloat16, as F.linear makes them; the loss and weight's gradient in float32."""
    leaves = operands(torch.float32)
    target = SoftTarget(Y, 0.1, PRIORS["matrix"])
    with torch.autocast("cpu", torch.bfloat16):
        plain = soft_cross_entropy(F.linear(*leaves), target)
        value = fused(*leaves, target, chunk_size=7)
    computed, expected = loss_and_gradients(value, leaves), loss_and_gradients(plain, leaves)
    assert computed[0].dtype is torch.float32
    assert [gradient.dtype for gradient in computed[1]] == [torch.float32] * 3
    assert_close(computed[0], expected[0], rtol=1e-6, atol=0)  # the same rounded logits
    full = soft_cross_entropy(F.linear(*leaves), target).detach()
    assert abs(full - computed[0]) > 1e-5  # which float32 logits are not
    for ours, theirs in zip(computed[1], expected[1], strict=True):
        assert_close(ours, theirs, rtol=0.02, atol=0.01 * theirs.abs().max().item())


def test_under_autocast_hidden_may_be_in_half_precision_already(fused):
    hidden, weight, bias = operands(torch.float32)
    narrow = hidden.detach().bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        expected = fused(narrow.detach().float(), weight, bias, SoftTarget(Y, 0.1))
        value = fused(narrow, weight, bias, SoftTarget(Y, 0.1))
    assert_close(value, expected)
    value.backward()
    assert narrow.grad.dtype is torch.bfloat16
    assert weight.grad.dtype is torch.float32


def test_the_sum_over_chunks_of_weights_gradient_is_in_float32():
    """256 equal rows in chunks of one: bfloat16 would stop growing after a few dozen of them."""
    hidden = torch.ones(256, 2, dtype=torch.bfloat16)
    weight = torch.zeros(2, 2, dtype=torch.bfloat16, requires_grad=True)
    target = SoftTarget(torch.zeros(256, dtype=torch.long))
    linear_soft_cross_entropy(hidden, weight, None, target, reduction="sum", chunk_size=1).backward()
    assert weight.grad.tolist() == [[-128, -128], [128, 128]]


def test_the_gradients_are_scaled_by_what_comes_from_above(fused):
    leaves = operands()
    value = 3 * fused(*leaves, SoftTarget(Y, 0.1), chunk_size=7) ** 2
    plain = 3 * F.cross_entropy(F.linear(*leaves), Y, label_smoothing=0.1) ** 2
    assert_same(loss_and_gradients(value, leaves), loss_and_gradients(plain, leaves))


def test_micro_batches_of_a_sum_add_up_to_the_whole(fused):
    leaves = operands()
    labels = Y.where(KEPT, -100)
    whole = fused(*leaves, SoftTarget(labels, 0.1), reduction="mean")
    parts = [
        fused(leaves[0][rows], *leaves[1:], SoftTarget(labels[rows], 0.1), reduction="sum")
        for rows in (slice(0, 3), slice(3, N))
    ]
    assert_same(loss_and_gradients(sum(parts) / KEPT.sum(), leaves), loss_and_gradients(whole, leaves))


@pytest.mark.parametrize("retain", [True, False])
def test_a_second_backward_is_refused_with_the_way_out(retain):
    value = linear_soft_cross_entropy(*operands(), SoftTarget(Y, 0.1))
    value.backward(retain_graph=retain)
    with pytest.raises(RuntimeError, match=r'linear_soft_cross_entropy\(..., implementation="reference"\)'):
        value.backward()


def test_double_backward_is_refused_with_the_way_out():
    leaves = operands()
    value = linear_soft_cross_entropy(*leaves, SoftTarget(Y, 0.1))
    with pytest.raises(RuntimeError, match=r'linear_soft_cross_entropy\(..., implementation="reference"\)'):
        torch.autograd.grad(value, leaves, create_graph=True)


def test_the_reference_has_second_derivatives():
    def value(hidden, weight, bias):
        target = SoftTarget(Y.where(KEPT, -100), 0.2, PRIORS["vector"])
        return linear_soft_cross_entropy(hidden, weight, bias, target, implementation="reference")

    assert torch.autograd.gradgradcheck(value, operands())


def test_factors_that_are_learned_get_their_gradients():
    leaves, raw = operands(), draw(K, seed=9).requires_grad_()
    epsilon = torch.tensor(0.2, dtype=torch.float64, requires_grad=True)
    weights = WEIGHTS.clone().requires_grad_()
    learned = [raw, epsilon, weights]
    targets = [SoftTarget(Y, epsilon, raw.softmax(-1)) for _ in range(2)]
    value = linear_soft_cross_entropy(*leaves, targets[0], sample_weight=weights, chunk_size=3)
    plain = soft_cross_entropy(F.linear(*leaves), targets[1], sample_weight=weights)
    assert_same(loss_and_gradients(value, leaves + learned), loss_and_gradients(plain, leaves + learned))


def test_torch_func_takes_the_reference_path():
    hidden, weight, bias = (leaf.detach() for leaf in operands())
    gradient = torch.func.grad(lambda w: linear_soft_cross_entropy(hidden, w, bias, SoftTarget(Y, 0.1)))(weight)
    plain = torch.func.grad(lambda w: F.cross_entropy(F.linear(hidden, w, bias), Y, label_smoothing=0.1))(weight)
    assert_close(gradient, plain)


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("epsilon", ["number", "one tensor", "by row"])
def test_other_devices_never_have_to_wait(prior, epsilon):
    """A meta tensor has no values: whoever looks at one gets an error."""
    factor, strength = PRIORS[prior], EPSILONS[epsilon]
    if isinstance(factor, torch.Tensor):
        factor = factor.to("meta")
    elif isinstance(factor, PerClass):
        factor = PerClass(factor.matrix.to("meta"))
    elif isinstance(factor, PerSample):
        factor = PerSample(factor.rows.to("meta"))
    if isinstance(strength, torch.Tensor):
        strength = strength.to("meta")
    target = SoftTarget(Y.to("meta"), strength, factor)
    for dtype, options in itertools.product(
        [torch.float32, torch.bfloat16], [{}, {"sample_weight": WEIGHTS.to("meta")}]
    ):
        leaves = [leaf.detach().to("meta").requires_grad_() for leaf in operands(dtype)]
        value = linear_soft_cross_entropy(*leaves, target, chunk_size=7, **options)
        value.backward()
        assert value.dtype is torch.float32
        assert [leaf.grad.shape for leaf in leaves] == [(N, D), (K, D), (K,)]
        with torch.no_grad():
            linear_soft_cross_entropy(*leaves, target, chunk_size=7, **options)


@given(
    rows=st.integers(1, 9),
    size=st.integers(1, 4),
    classes=st.integers(1, 7),
    chunk_size=st.integers(1, 10),
    epsilon=st.floats(0, 0.99),
    prior=st.sampled_from(["uniform", "exclusive", "vector"]),
    seed=st.integers(0, 1000),
)
def test_no_cut_into_chunks_changes_loss_or_gradients(rows, size, classes, chunk_size, epsilon, prior, seed):
    leaves = [draw(*shape, seed=seed + i).requires_grad_() for i, shape in enumerate([(rows, size), (classes, size)])]
    labels = torch.randint(-1, classes, (rows,), generator=torch.Generator().manual_seed(seed))  # -1 is ignored
    factor = distributions(classes, seed=seed) if prior == "vector" else prior
    target = SoftTarget(labels, epsilon, factor)
    value = linear_soft_cross_entropy(*leaves, None, target, ignore_index=-1, chunk_size=chunk_size)
    plain = soft_cross_entropy(leaves[0] @ leaves[1].T, target, ignore_index=-1)
    assert_same(loss_and_gradients(value, leaves), loss_and_gradients(plain, leaves), rtol=1e-10, atol=1e-12)


def peak_bytes(work):
    """The most that torch's allocator held at once for ``work``, as its profiler counts it: no clock, no chance."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        work()
    held = peak = 0
    for event in seen.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak


def peak_of(implementation, rows, classes, *, chunk_size=None, prior=None, size=4):
    leaves = [draw(rows, size).float().requires_grad_(), draw(classes, size).float().requires_grad_()]
    target = SoftTarget(torch.arange(rows) % classes, 0.1, prior)
    options = {"implementation": implementation, "chunk_size": chunk_size}
    return peak_bytes(lambda: linear_soft_cross_entropy(*leaves, None, target, **options).backward())


MEMORY_PRIORS = {"uniform": None, "vector": distributions(2000, seed=1).float()}


@pytest.mark.parametrize("prior", MEMORY_PRIORS)
def test_memory_grows_with_the_chunk_and_not_with_the_batch(prior):
    classes, factor = 2000, MEMORY_PRIORS[prior]
    chunk = 64 * classes * 4  # bytes of 64 rows of logits
    of_weight = 4 * classes * 4
    peaks = {
        (rows, size): peak_of("auto", rows, classes, chunk_size=size, prior=factor)
        for rows, size in [(512, 64), (2048, 64), (512, 128)]
    }
    assert peaks[512, 64] < 2.2 * chunk + 2 * of_weight  # logits and, where it is small, scratch of their size
    assert peaks[2048, 64] - peaks[512, 64] < 0.2 * chunk  # hidden's gradient and a few numbers a row
    assert peaks[512, 128] - peaks[512, 64] == pytest.approx(2 * chunk, rel=0.1)
    assert peak_of("reference", 512, classes, prior=factor) > 2 * 512 * classes * 4  # what is saved


def test_on_other_devices_memory_grows_with_the_chunk_too(monkeypatch):
    monkeypatch.setattr(linear_chunks._Walk, "on_cpu", linear_chunks._Walk.on_device)
    classes = 2000
    chunk = 64 * classes * 4
    assert peak_of("auto", 1024, classes, chunk_size=64) < 7 * chunk
    assert peak_of("auto", 2048, classes, chunk_size=64) < 7 * chunk


def test_the_gradients_are_not_copied_on_their_way():
    leaves = operands()
    value = linear_soft_cross_entropy(*leaves, SoftTarget(Y, 0.1))
    buffers = [saved.data_ptr() for saved in value.grad_fn.saved_tensors]
    value.backward()
    assert [leaf.grad.data_ptr() for leaf in leaves] == buffers


def test_the_chunk_that_is_chosen_is_even_and_not_tiny():
    choose = linear_chunks.rows_at_once
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert choose(2048, 32_000, torch.float32, cpu) == 256
    assert choose(300, 32_000, torch.float32, cpu) == 150  # not 256 and 44
    assert choose(5, 32_000, torch.float32, cpu) == 5
    assert choose(100_000, 10, torch.float32, cpu) == 100_000  # 4 MB of logits
    assert choose(4096, 32_000, torch.bfloat16, cuda) == 1024


@pytest.mark.parametrize("label", [K, -1, 1000])
def test_a_label_out_of_range_is_an_index_error(fused, label):
    labels = Y.clone()
    labels[4] = label
    with pytest.raises(IndexError, match=f"out of range for {K} classes"):
        fused(*operands(), SoftTarget(labels, 0.1))


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"reduction": "none"}, "reduction"),
        ({"implementation": "fast"}, "implementation"),
        ({"chunk_size": 0}, "chunk_size"),
        ({"chunk_size": 2.0}, "chunk_size"),
        ({"chunk_size": True}, "chunk_size"),
        ({"hidden": torch.zeros(2, 3, dtype=torch.long)}, "hidden"),
        ({"hidden": torch.tensor(1.0)}, "hidden"),
        ({"weight": torch.zeros(4, 5)}, "weight"),
        ({"weight": torch.zeros(3)}, "weight"),
        ({"weight": torch.zeros(0, 3)}, "weight"),
        ({"weight": torch.zeros(4, 3, dtype=torch.float64)}, "weight"),
        ({"bias": torch.zeros(3)}, "bias"),
        ({"bias": torch.zeros(4, dtype=torch.bfloat16)}, "bias"),
        ({"target": torch.tensor([0, 1])}, "target"),
        ({"target": SoftTarget(torch.tensor([0, 1, 1]))}, "target.base"),
        ({"target": SoftTarget(torch.ones(2, 3) / 3)}, "target.base"),
        ({"target": SoftTarget(torch.tensor([0, 1]), torch.ones(3) / 9)}, "target.epsilon"),
        ({"target": SoftTarget(torch.tensor([0, 1]), 0.1, torch.ones(3) / 3)}, "target.prior"),
        ({"target": SoftTarget(torch.tensor([0, 1]), 0.1, PerClass(torch.ones(5, 5) / 5))}, "target.prior.matrix"),
        ({"target": SoftTarget(torch.tensor([0, 1]), 0.1, PerSample(torch.ones(3, 4) / 4))}, "target.prior.rows"),
        ({"sample_weight": torch.ones(3)}, "sample_weight"),
    ],
)
def test_what_does_not_fit_is_named(arguments, name):
    given_ = {
        "hidden": torch.zeros(2, 3),
        "weight": torch.zeros(4, 3),
        "bias": None,
        "target": SoftTarget(torch.tensor([0, 1])),
        **arguments,
    }
    with pytest.raises(InvalidArgument) as caught:
        linear_soft_cross_entropy(**given_)
    assert caught.value.name == name
    assert "\n" not in str(caught.value)
