"""Small nets run on one thread, large ones on torch's own number, and afterwards all is as it was."""

import pytest
import torch
from torch import nn

from smoothlab.errors import UserMistake
from smoothlab.training.threads import WORTH_SHARING, check_threads, cpu_threads


@pytest.fixture(autouse=True)
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    assert torch.get_num_threads() == 3
    torch.set_num_threads(before)


@pytest.mark.parametrize(("threads", "batch_size", "used"), [(2, 1, 2), ("auto", 1, 1), ("auto", WORTH_SHARING, 3)])
def test_number_of_threads(threads, batch_size, used):
    with cpu_threads(threads, nn.Linear(3, 3), batch_size):
        assert torch.get_num_threads() == used


def test_an_error_inside_puts_the_number_back():
    with pytest.raises(ZeroDivisionError), cpu_threads(1, nn.Linear(3, 3), 1):
        raise ZeroDivisionError


@pytest.mark.parametrize("threads", [0, "many", True, 1.5, None])
def test_other_values_are_refused(threads):
    with pytest.raises(UserMistake, match="threads = "):
        check_threads(threads)
