"""Self-distillation from the epoch before, in memory and in files."""

from __future__ import annotations

import gc
import pickle
import shutil
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

import smoothlab
from smoothlab import InvalidArgument, Smoother, soft_cross_entropy
from smoothlab.errors import UserMistake
from smoothlab.smoothing import ClassInfo, Constant, Linear, SelfDistilled

EXACT = {"rtol": 1e-8, "atol": 1e-10}
IN_MEMORY, IN_FILES = 1 << 20, 0
ROWS, CLASSES = 10, 3


def number(values, **options):
    return torch.tensor(values, dtype=torch.float64, **options)


def bound(limit=IN_MEMORY, *, rows=ROWS, classes=CLASSES, strength=None, folder=None):
    smoother = Smoother(strength or Constant(0.5), SelfDistilled(limit, None if folder is None else str(folder)))
    smoother.bind(ClassInfo([f"c{k}" for k in range(classes)], [1] * classes, num_rows=rows))
    return smoother


def draw(seed, rows):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.tensor(rows)
    return {"labels": rows % CLASSES, "logits": torch.randn(len(rows), CLASSES, generator=generator), "rows": rows}


def prior_of(smoother, batch):
    return smoother(**batch).validate().prior.rows


@pytest.fixture(params=[IN_MEMORY, IN_FILES], ids=["in memory", "in files"])
def limit(request):
    return request.param


def test_published_losses_gradients_and_targets_over_the_epochs(vectors):
    """Linear is theirs at the end of each epoch; files hold single precision, as the original does."""
    for case in vectors("ps_kd")["cases"]:
        params, labels = case["params"], torch.tensor(case["labels"])
        for limit, tolerance in ((1 << 30, EXACT), (0, {"rtol": 1e-6, "atol": 1e-7})):
            smoother = bound(
                limit,
                rows=params["num_samples"],
                classes=params["num_classes"],
                strength=Linear(0.0, params["alpha_T"]),
            )
            for epoch in case["epochs"]:
                progress = (epoch["epoch"] + 1) / params["end_epoch"]
                for step in epoch["steps"]:
                    rows, logits = torch.tensor(step["indices"]), number(step["logits"], requires_grad=True)
                    target = smoother(labels[rows], logits=logits, rows=rows, progress=progress).validate()
                    assert target.epsilon == pytest.approx(epoch["alpha_t"], rel=1e-12)
                    loss = soft_cross_entropy(logits, target)
                    loss.backward()
                    assert_close(target.dense(params["num_classes"]), number(step["targets"]), **tolerance)
                    assert_close(loss.detach(), number(step["loss"]), **tolerance)
                    assert_close(logits.grad, number(step["grad_logits"]), **tolerance)
                smoother.prior.end_epoch()


def test_a_sample_has_its_label_until_an_epoch_has_seen_it_and_then_its_last_prediction(limit):
    smoother = bound(limit)
    first, second, both = draw(0, [1, 2, 7]), draw(1, [2, 5]), draw(2, [1, 2, 5, 7, 9])
    assert_close(prior_of(smoother, first), F.one_hot(first["labels"], CLASSES).float())
    assert_close(prior_of(smoother, first), F.one_hot(first["labels"], CLASSES).float())  # within the epoch too
    smoother.prior.end_epoch()
    prior_of(smoother, second)
    smoother.prior.end_epoch()
    p, q = first["logits"].softmax(1), second["logits"].softmax(1)
    assert_close(prior_of(smoother, both), torch.stack([p[0], q[0], q[1], p[2], torch.eye(CLASSES)[0]]))
    assert smoother.prior.record() == {"self_distilled_rows": 4.0}


def test_votes_stand_in_for_a_prediction_that_is_not_there(limit):
    smoother = bound(limit)
    votes = torch.tensor([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]])
    batch = draw(0, [3, 4]) | {"labels": votes}
    assert_close(prior_of(smoother, batch), votes)
    smoother.prior.end_epoch()
    assert_close(prior_of(smoother, batch), batch["logits"].softmax(1))


def test_ignored_labels_have_a_distribution_too():
    batch = draw(0, [0, 1]) | {"labels": torch.tensor([-100, 1])}
    rows = prior_of(bound(), batch)
    assert rows.shape == batch["logits"].shape
    assert_close(rows.sum(1), torch.ones(2, dtype=rows.dtype))


def test_evaluation_writes_nothing_down(limit, tmp_path):
    smoother = bound(limit, folder=tmp_path / "files").eval()
    prior_of(smoother, draw(0, [1, 2]))
    assert not smoother.prior.seen["count"].any()
    assert not (tmp_path / "files").exists()


def resumed(smoother, limit, folder):
    """A new smoother with the state of a checkpoint, which was on a disk in between."""
    state = pickle.loads(pickle.dumps(smoother.state_dict()))
    other = bound(limit, folder=folder)
    other.load_state_dict(state)
    return other


@pytest.mark.parametrize("where", ["in the first epoch", "in an epoch", "at its end"])
def test_a_resumed_training_goes_on_with_the_same_targets(limit, tmp_path, where):
    batches = [draw(seed, [seed % 5, 5 + seed % 4, 9]) for seed in range(8)]
    cut = {"in the first epoch": 1, "in an epoch": 4, "at its end": 5}[where]

    def train(smoother, start):
        targets = []
        for position in range(start, len(batches)):
            if position in (3, 5) and position != start:
                smoother.prior.end_epoch()
            targets.append(prior_of(smoother, batches[position]))
            if position + 1 == cut and start == 0:
                if where == "at its end":
                    smoother.prior.end_epoch()
                return targets, resumed(smoother, limit, tmp_path)
        return targets, smoother

    whole = bound(limit, folder=tmp_path / "other")
    expected = []
    for position, batch in enumerate(batches):
        if position in (3, 5):
            whole.prior.end_epoch()
        expected.append(prior_of(whole, batch))
    first, other = train(bound(limit, folder=tmp_path), 0)
    rest, _ = train(other, cut)
    assert_close(torch.cat(first + rest), torch.cat(expected), rtol=0, atol=0)


def test_a_training_that_was_cut_off_in_the_next_epoch_is_resumed_from_its_checkpoint(tmp_path):
    smoother = bound(IN_FILES, folder=tmp_path)
    prior_of(smoother, draw(0, [1, 2]))
    smoother.prior.end_epoch()
    state = pickle.loads(pickle.dumps(smoother.state_dict()))
    prior_of(smoother, draw(1, [1, 2]))
    smoother.prior.end_epoch()  # and no checkpoint
    other = bound(IN_FILES, folder=tmp_path)
    other.load_state_dict(state)
    assert_close(prior_of(other, draw(1, [1, 2])), draw(0, [1, 2])["logits"].softmax(1))


def test_a_checkpoint_whose_file_was_written_over_is_refused(tmp_path):
    smoother = bound(IN_FILES, folder=tmp_path)
    prior_of(smoother, draw(0, [1, 2]))
    smoother.prior.end_epoch()
    state = pickle.loads(pickle.dumps(smoother.state_dict()))
    for seed in (1, 2):
        prior_of(smoother, draw(seed, [1, 2]))
        smoother.prior.end_epoch()
    other = bound(IN_FILES, folder=tmp_path)
    other.load_state_dict(state)  # as it is at the end of a run, to score its best model
    with pytest.raises(InvalidArgument, match=r"mark of .*: expected that of the checkpoint, 1;"):
        prior_of(other, draw(3, [1]))


def test_a_checkpoint_whose_files_are_gone_is_refused(tmp_path):
    smoother = bound(IN_FILES, folder=tmp_path / "a")
    prior_of(smoother, draw(0, [1, 2]))
    smoother.prior.end_epoch()
    with pytest.raises(InvalidArgument, match=r"None: expected the 128 bytes that the checkpoint goes with"):
        prior_of(resumed(smoother, IN_FILES, tmp_path / "b"), draw(3, [1]))


def test_files_hold_what_is_beyond_the_limit_and_the_checkpoint_does_not(tmp_path):
    size = 2 * 4 * ROWS * CLASSES
    for limit, files in ((size, 0), (size - 1, 2)):
        smoother = bound(limit, folder=tmp_path / str(limit))
        prior_of(smoother, draw(0, [1, 2]))
        smoother.prior.end_epoch()
        assert len(list((tmp_path / str(limit)).glob("*.float32"))) == files
        assert ("past" in smoother.prior.get_extra_state()["rows"]) == (files == 0)


def test_without_a_folder_the_files_are_temporary():
    smoother = bound(IN_FILES)
    prior_of(smoother, draw(0, [1, 2]))
    folder = Path(smoother.prior.folder)
    assert len(list(folder.iterdir())) == 2
    del smoother
    gc.collect()
    assert not folder.exists()


def test_the_folder_of_a_run_does_not_replace_one_that_was_given(tmp_path):
    given, other = bound(folder=tmp_path / "a").prior, bound().prior
    for prior in (given, other):
        prior.keep_in(tmp_path / "b")
    assert (given.folder, other.folder) == (tmp_path / "a", tmp_path / "b")


def test_steps_without_row_numbers_are_refused():
    batch = draw(0, [1, 2])
    with pytest.raises(InvalidArgument, match=r"^rows = None: .*mixup"):
        bound()(batch["labels"], logits=batch["logits"])
    with pytest.raises(InvalidArgument, match=r"^num_rows = 0: expected Smoother\.bind"):
        Smoother(Constant(0.5), SelfDistilled(0))(**batch)
    with pytest.raises(InvalidArgument, match=r"^logits = None"):
        bound()(batch["labels"], rows=batch["rows"])


@pytest.mark.parametrize("row", [-1, ROWS])
def test_row_numbers_that_the_data_do_not_have_are_refused(limit, row):
    batch = draw(0, [1, 2]) | {"rows": torch.tensor([1, row])}
    with pytest.raises(InvalidArgument, match=rf"^rows = {row}: expected row numbers from 0 to 9"):
        bound(limit)(**batch)


def test_other_classes_other_rows_and_another_place_are_refused():
    smoother = bound()
    prior_of(smoother, draw(0, [1, 2]))
    with pytest.raises(InvalidArgument, match=r"rows and classes = \(11, 3\)"):
        smoother.bind(ClassInfo(["a", "b", "c"], [1, 1, 1], num_rows=11))
    for other in (bound(rows=11), bound(classes=4)):
        with pytest.raises(InvalidArgument, match=r"^state rows = "):
            other.load_state_dict(smoother.state_dict())
    with pytest.raises(InvalidArgument, match=r"^memory_limit = 0: expected one with which the rows are in memory"):
        bound(IN_FILES).load_state_dict(smoother.state_dict())
    with pytest.raises(InvalidArgument, match=r"^classes = 4"):
        bound()(torch.tensor([0]), logits=torch.zeros(1, 4), rows=torch.tensor([0]))


@pytest.mark.parametrize("limit", [-1, 0.5, True])
def test_a_limit_out_of_range_is_refused(limit):
    with pytest.raises(InvalidArgument, match=r"^memory_limit = "):
        SelfDistilled(limit)


def rank_learns(rank, limit, folder, shares):
    smoother = bound(limit, folder=folder)
    for seeds in shares:
        for seed, rows in seeds[rank]:
            smoother(**draw(seed, rows))
        smoother.prior.end_epoch()
    return smoother.eval()(**draw(9, list(range(ROWS)))).prior.rows


def test_two_processes_know_the_rows_that_either_has_seen(limit, tmp_path):
    from tests.support.ranks import on_ranks  # not at the top: the other process imports this file too

    shares = [
        ([(0, [0, 1, 2])], [(1, [5, 6, 7])]),
        ([(2, [0, 5])], []),  # the second rank has no samples
    ]
    alone = bound(limit, folder=tmp_path / "alone")
    for epoch in shares:
        for seed, rows in epoch[0] + epoch[1]:
            alone(**draw(seed, rows))
        alone.prior.end_epoch()
    expected = alone.eval()(**draw(9, list(range(ROWS)))).prior.rows
    for rows in on_ranks(rank_learns, limit, str(tmp_path / "two"), shares):
        assert_close(rows, expected, rtol=0, atol=0)


SHORT = ["smoothing=self_distilled", "trainer.max_epochs=3", "logger=csv", "threads=1", "progress=none"]


def test_a_run_computes_the_same_in_files_as_in_memory_and_leaves_no_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders, remove = [], shutil.rmtree

    def note(path, **options):
        folders.extend(Path(path).glob("*.float32"))
        remove(path, **options)

    monkeypatch.setattr("smoothlab.training.train.shutil.rmtree", note)
    runs = [smoothlab.train([*SHORT, f"smoothing.prior.memory_limit={limit}"]) for limit in (IN_MEMORY, IN_FILES)]
    assert len(folders) == 2
    assert not any(folder.exists() for folder in folders)
    first, other = (run.metrics for run in runs)
    assert_close(torch.tensor(first["train/loss"].values), torch.tensor(other["train/loss"].values), rtol=0, atol=0)
    assert first["smoothing/self_distilled_rows"].max() > 300


def test_a_run_with_mixup_is_refused_before_its_directory_is_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserMistake, match=r"rows = None: expected .*mixup"):
        smoothlab.train([*SHORT, "mixing=mixup"])
    assert not list(tmp_path.iterdir())
