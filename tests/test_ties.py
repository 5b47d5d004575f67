"""What counts as a tie: what rounding alone tells apart, and never a crowd of different numbers."""

import numpy as np
import pytest

from smoothlab.ties import first_of_falling_ties, first_of_ties, means_of_ties


def test_neighbours_within_the_tolerance_are_a_group_whatever_stands_beside_them():
    numbers = np.array([0.1, 0.1 + 1e-16, 0.3, 0.3 + 2e-15, 0.5])
    assert first_of_ties(numbers, 1e-14).tolist() == [0, 2, 4]
    assert first_of_falling_ties(numbers[::-1], 1e-14).tolist() == [0, 1, 3]
    assert first_of_ties(numbers, 0.0).tolist() == [0, 1, 2, 3, 4]


def test_a_crowd_is_cut_into_cells_of_the_tolerance():
    crowd = np.linspace(0.0, 1.0, 10_001)  # each 1e-4 from the next
    first = first_of_ties(crowd, 1e-2)
    assert len(first) == pytest.approx(100, abs=2)
    assert np.diff(np.append(first, len(crowd))).max() <= 102


def test_means_of_groups_by_hand():
    mass, mean = means_of_ties(np.array([0, 2]), np.array([1.0, 3.0, 2.0]), np.array([0.0, 1.0, 5.0]))
    assert mass.tolist() == [4.0, 2.0]
    assert mean.tolist() == [0.75, 5.0]
