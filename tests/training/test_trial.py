"""A run that is a trial of a search: its reports, and its early end."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from smoothlab.rundir.trial_files import TrialFiles
from smoothlab.training.trial import TrialPruned, TrialReports


def trainer(epoch, value, **changed):
    state = {"sanity_checking": False, "is_global_zero": True, "world_size": 1, "current_epoch": epoch}
    state["is_last_batch"] = True
    return SimpleNamespace(callback_metrics={"val/nll": torch.tensor(value)}, **(state | changed))


@pytest.fixture
def files(tmp_path):
    files = TrialFiles(tmp_path)
    files.begin(number=3, monitor="val/nll", overrides={"seed": "1"})
    return files


def test_a_directory_that_no_search_began_has_no_reports(tmp_path):
    assert TrialReports.of(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_each_epoch_is_reported_once_and_read_once(tmp_path, files):
    reports = TrialReports.of(tmp_path)
    for epoch, value in enumerate([0.5, float("nan"), 0.25]):
        reports.on_validation_end(trainer(epoch, value), None)
    reports.on_validation_end(trainer(0, 0.9, sanity_checking=True), None)
    read, offset = files.read_reports(0)
    assert read == [(1, 0.5), (3, 0.25)]
    assert files.read_reports(offset) == ([], offset)
    reports.on_validation_end(trainer(3, 0.125), None)
    assert files.read_reports(offset)[0] == [(4, 0.125)]


def test_a_line_that_is_still_being_written_is_left_for_the_next_time(files):
    files.reports.write_text('{"epoch": 1, "value": 0.5}\n{"epoch": 2, "val')
    reports, offset = files.read_reports(0)
    assert reports == [(1, 0.5)]
    with open(files.reports, "a") as file:
        file.write('ue": 0.25}\n')
    assert files.read_reports(offset)[0] == [(2, 0.25)]


def test_a_run_that_is_asked_to_stop_ends_at_its_next_validation_and_says_why(tmp_path, files):
    reports = TrialReports.of(tmp_path)
    reports.on_validation_end(trainer(0, 0.5), None)
    files.ask_to_stop("no hope after epoch 1")
    with pytest.raises(TrialPruned, match="no hope after epoch 1"):
        reports.on_validation_end(trainer(1, 0.4), None)
    files.begin(number=3, monitor="val/nll")
    reports.on_validation_end(trainer(2, 0.3), None)


def test_ranks_that_write_nothing_end_with_rank_0(tmp_path, files):
    files.ask_to_stop("no hope")
    reports = []

    def broadcast(reason):
        reports.append(reason)
        return "no hope"

    rank = trainer(0, 0.5, is_global_zero=False, world_size=2, strategy=SimpleNamespace(broadcast=broadcast))
    with pytest.raises(TrialPruned, match="no hope"):
        TrialReports.of(tmp_path).on_validation_end(rank, None)
    assert reports == [""]
    assert not files.reports.exists()


def test_validations_within_an_epoch_are_reported_as_of_the_epochs_that_are_complete(files, tmp_path):
    reports = TrialReports.of(tmp_path)
    for epoch, last, value in [(0, False, 0.9), (0, True, 0.8), (1, False, 0.7), (1, True, 0.6)]:
        reports.on_validation_end(trainer(epoch, value, is_last_batch=last), None)
    read, _ = files.read_reports(0)
    assert [epochs for epochs, _ in read] == [1, 1, 2]
