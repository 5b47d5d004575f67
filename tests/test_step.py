"""What a training step shows to strengths and priors."""

from __future__ import annotations

from dataclasses import replace

import torch

from smoothlab.smoothing import ClassFrequency, ClassInfo, Constant, Smoother, Uncertainty, Uniform
from smoothlab.step import LazyLogits, Step

LABELS = torch.tensor([0, 2])


def lazy(made: list[torch.Tensor], dtype: torch.dtype = torch.float64, **others) -> Step:
    def make() -> torch.Tensor:
        made.append(torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, 0.0]], dtype=dtype, requires_grad=True))
        return made[-1]

    return Step(LABELS, LazyLogits(make, 3, dtype), **others)


def test_logits_that_nobody_looks_at_are_never_made() -> None:
    made: list[torch.Tensor] = []
    step = lazy(made, progress=0.5)
    frequency = ClassFrequency(1.0, 1.0)
    frequency.bind(ClassInfo(["a", "b", "c"], [1, 2, 3]))
    for prior in (Uniform(), frequency):
        smoother = Smoother(Constant(0.1), prior, exclude=[1])
        assert smoother.target(step).prior.dtype is torch.float64
    assert not made
    assert (step.num_classes, step.dtype, step.progress, step.metadata) == (3, torch.float64, 0.5, {})


def test_logits_are_made_once_and_shown_without_their_graph() -> None:
    made: list[torch.Tensor] = []
    step = lazy(made)
    strength = Uncertainty("entropy", 0.0, 0.2)
    expected = strength(Step(LABELS, lazy([]).logits))
    torch.testing.assert_close(strength(step), expected)
    assert not step.logits.requires_grad
    assert step.source.with_graph() is made[0]
    assert len(made) == 1


def test_a_look_where_nothing_is_differentiated_leaves_the_logits_their_graph() -> None:
    weight = torch.ones(3, 3, requires_grad=True)
    step = Step(LABELS, LazyLogits(lambda: torch.eye(3)[:2] @ weight, 3, torch.float32))
    with torch.no_grad():
        assert not step.logits.requires_grad
    step.source.with_graph().sum().backward()
    assert weight.grad is not None


def test_a_part_of_a_step_is_replaced_and_lazy_logits_stay_lazy() -> None:
    made: list[torch.Tensor] = []
    step = replace(lazy(made, progress=0.5), labels=torch.tensor([1, 1]), metadata={"a": LABELS})
    assert not made
    assert (step.labels.tolist(), step.progress, step.num_classes, list(step.metadata)) == ([1, 1], 0.5, 3, ["a"])
    assert step.logits.shape == (2, 3)
    eager = Step(LABELS, torch.zeros(2, 3), rows=LABELS)
    assert replace(eager, progress=1.0).logits is eager.logits
    assert replace(eager, logits=torch.ones(2, 4)).num_classes == 4


def test_precision_and_classes_are_those_of_labels_and_logits() -> None:
    votes = torch.full((2, 4), 0.25, dtype=torch.float64)
    assert (Step(votes).dtype, Step(votes).num_classes) == (torch.float64, 4)
    assert (Step(LABELS).dtype, Step(LABELS).num_classes) == (torch.float32, None)
    half = Step(LABELS, torch.zeros(2, 3, dtype=torch.bfloat16))
    assert (half.dtype, half.num_classes) == (torch.float32, 3)
