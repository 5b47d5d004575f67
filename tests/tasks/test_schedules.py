"""Learning rate schedules follow their formulas."""

import math

import pytest
import torch

from smoothlab.errors import InvalidArgument
from smoothlab.tasks import inverse_sqrt


def rates(steps, peak=0.5, **options):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=peak)
    scheduler = inverse_sqrt(optimizer, steps, **options)
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


@pytest.mark.parametrize(("options", "warmup"), [({"warmup_steps": 40}, 40), ({"warmup": 0.25}, 50)])
def test_inverse_sqrt_is_the_curve_of_the_paper_up_to_its_height(options, warmup):
    width = 512
    paper = [width**-0.5 * min(step**-0.5, step * warmup**-1.5) for step in range(1, 201)]
    assert rates(200, **options) == pytest.approx([0.5 * rate / max(paper) for rate in paper], rel=1e-12)


def test_inverse_sqrt_peaks_at_the_end_of_the_warm_up_and_halves_at_four_times_it():
    seen = rates(100, warmup_steps=20)
    assert seen.index(max(seen)) == 19
    assert seen[19] == 0.5
    assert seen[79] == 0.25


def test_inverse_sqrt_without_warm_up_starts_at_the_peak():
    assert rates(9, warmup=0.0)[:4] == pytest.approx([0.5, 0.5 / math.sqrt(2), 0.5 / math.sqrt(3), 0.25])


def test_steps_of_warm_up_do_not_depend_on_the_length_of_the_run():
    assert rates(30, warmup_steps=10) == rates(60, warmup_steps=10)[:30]


@pytest.mark.parametrize("options", [{"warmup": 1.0}, {"warmup": -0.1}, {"warmup_steps": 0}])
def test_wrong_arguments_are_named(options):
    with pytest.raises(InvalidArgument, match=next(iter(options))):
        rates(9, **options)
