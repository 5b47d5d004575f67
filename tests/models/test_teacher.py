"""The net of a run as a teacher for another run."""

from __future__ import annotations

import shutil

import pytest
import torch
from torch.testing import assert_close

import smoothlab
from smoothlab.config.allowed import ALLOWED, ALLOWED_FROM_RUN, resolve_target
from smoothlab.config.compose import compose_config, plain
from smoothlab.errors import InvalidArgument, UserMistake
from smoothlab.models.checkpoint import read_checkpoint
from smoothlab.models.loading import load
from smoothlab.models.teacher import TeacherNet, teacher_net, without_teachers
from smoothlab.smoothing import ClassInfo
from smoothlab.sweeps.fingerprints import Fingerprints
from smoothlab.training.evaluating import evaluate
from smoothlab.training.preparing import prepare

SHORT = ["logger=csv", "threads=1", "progress=none", "trainer.max_epochs=2"]
TARGET = "smoothlab.models.teacher.teacher_net"


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A finished run."""
    folder = tmp_path_factory.mktemp("teacher")
    return smoothlab.train([*SHORT, "smoothing=none", f"output_root={folder}"])


def student(teacher, *more):
    return smoothlab.train([*SHORT, "smoothing=teacher", f"smoothing.prior.net.path={teacher.path}", *more])


def test_it_has_the_logits_of_the_run(teacher):
    net, model = teacher_net(str(teacher.path)), load(teacher.path)
    features = torch.randn(3, len(model.encoder.columns), generator=torch.Generator().manual_seed(0))
    assert_close(net(features), model.net(features), rtol=0, atol=0)
    assert net.class_names == model.class_names


def test_a_student_is_evaluated_when_its_teacher_is_gone_but_not_trained(teacher, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = shutil.copytree(teacher.path, tmp_path / "own")
    run = smoothlab.train([*SHORT, "smoothing=teacher", f"smoothing.prior.net.path={own}"])
    weights = read_checkpoint(run.path / "checkpoints" / "last.ckpt")["state_dict"]
    assert all(name.startswith("net.") for name in weights)
    shutil.rmtree(own)
    assert evaluate(run.path, splits=["val"])["val"]["nll"] > 0
    with pytest.raises(UserMistake, match="own"):
        smoothlab.train([*SHORT, "smoothing=teacher", f"smoothing.prior.net.path={own}"])


def test_another_teacher_at_the_same_place_makes_another_run(teacher, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own, identities = tmp_path / "own", []
    for checkpoint in ("best", "last"):
        shutil.rmtree(own, ignore_errors=True)
        shutil.copytree(teacher.path, own)
        content = read_checkpoint(own / "checkpoints" / "best.ckpt")
        content["note"] = checkpoint
        torch.save(content, own / "checkpoints" / "best.ckpt")
        identities.append(student(type("Run", (), {"path": own})).results["identity"])
    assert identities[0] != identities[1]


def test_a_sweep_knows_a_run_by_its_teacher_too(teacher, tmp_path):
    own = shutil.copytree(teacher.path, tmp_path / "own")
    config = plain(compose_config("train", [*SHORT, "smoothing=teacher", f"smoothing.prior.net.path={own}"]))
    before = prepare(config).identity
    assert Fingerprints().identity(config) == before
    file = own / "checkpoints" / "best.ckpt"
    torch.save(read_checkpoint(file) | {"note": "another"}, file)
    assert Fingerprints().identity(config) != before


def test_a_teacher_of_another_split_is_refused(teacher, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        UserMistake, match=r"net = 'a teacher whose features have another encoder': expected .*split_seed"
    ):
        student(teacher, "data.split_seed=3")
    assert not list(tmp_path.iterdir())


def test_a_teacher_of_other_classes_is_refused():
    net = TeacherNet(torch.nn.Identity(), ["a", "b"], {"mean": [0.5, torch.ones(2)]})
    encoder = {"mean": [0.5, torch.ones(2)]}
    net.bind(ClassInfo(["a", "b"], [1, 1], encoder=encoder))
    net.bind(ClassInfo(["a", "b"], [1, 1]))  # in a loop of one's own there may be no encoder
    with pytest.raises(InvalidArgument, match="expected one of b, a, in this order"):
        net.bind(ClassInfo(["b", "a"], [1, 1], encoder=encoder))
    for other in ({"mean": [0.4, torch.ones(2)]}, {"mean": [0.5, torch.zeros(2)]}, {"mean": [0.5]}, {}):
        with pytest.raises(InvalidArgument, match="another encoder"):
            net.bind(ClassInfo(["a", "b"], [1, 1], encoder=other))


def test_a_run_without_a_checkpoint_is_no_teacher(tmp_path):
    with pytest.raises(UserMistake):
        teacher_net(str(tmp_path))


def test_only_the_names_of_its_file_are_allowed_and_not_to_a_run_from_elsewhere():
    assert resolve_target(TARGET, ALLOWED) is teacher_net
    for reached in ("run_checkpoint", "torch.load", "_same"):
        with pytest.raises(UserMistake, match="not allowed"):
            resolve_target(f"smoothlab.models.teacher.{reached}", ALLOWED)
    with pytest.raises(UserMistake, match="not allowed"):
        resolve_target(TARGET, ALLOWED_FROM_RUN)


def test_a_config_without_teachers_is_otherwise_the_same():
    config = {"smoothing": {"prior": {"net": {"_target_": TARGET, "path": "x"}, "temperature": 1.0}}, "list": [1, {}]}
    changed = {"smoothing": {"prior": {"net": {"_target_": "torch.nn.Identity"}, "temperature": 1.0}}, "list": [1, {}]}
    assert without_teachers(config) == changed
