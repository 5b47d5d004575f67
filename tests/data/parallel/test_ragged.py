"""Rows of different lengths in one array do what lists do."""

import numpy as np
import pytest

from smoothlab.data.parallel.ragged import Ragged

ROWS = [[5, 6, 7], [], [8], [9, 10, 11, 12]]


@pytest.fixture
def ragged() -> Ragged:
    flat = np.array([token for row in ROWS for token in row], dtype=np.int32)
    return Ragged(flat, np.array([len(row) for row in ROWS], dtype=np.int64))


def lists(made: Ragged) -> list[list[int]]:
    return [part.tolist() for part in np.split(made.flat, made.lengths.cumsum()[:-1])]


def test_rows_are_taken_in_the_order_that_is_asked_for(ragged):
    assert lists(ragged.take(np.array([3, 0, 1, 3]))) == [ROWS[3], ROWS[0], [], ROWS[3]]


def test_every_row_ends_and_long_ones_are_cut_before_their_end(ragged):
    assert lists(ragged.ended(2, 4, always=True)) == [[5, 6, 7, 2], [2], [8, 2], [9, 10, 11, 2]]


def test_a_target_that_is_cut_does_not_say_that_it_ends_there(ragged):
    assert lists(ragged.ended(2, 4, always=False)) == [[5, 6, 7, 2], [2], [8, 2], [9, 10, 11, 12]]
    assert lists(ragged.ended(2, 3, always=False)) == [[5, 6, 7], [2], [8, 2], [9, 10, 11]]


def test_padding_fills_up_to_the_longest_of_the_rows_alone(ragged):
    assert ragged.padded(np.array([2, 0]), 0).tolist() == [[8, 0, 0], [5, 6, 7]]
    assert ragged.padded(np.array([1]), 0).tolist() == [[0]]


def test_ids_are_left_out_of_their_own_rows(ragged):
    assert lists(ragged.without(np.isin(ragged.flat, [6, 8, 12]))) == [[5, 7], [], [], [9, 10, 11]]
