"""Threads and GPUs are shared out so that no two jobs fight for them."""

from __future__ import annotations

import pytest

from smoothlab.errors import UserMistake
from smoothlab.sweeps import devices
from smoothlab.sweeps.devices import Devices


def values(accelerator: str, count: object = 1) -> dict:
    return {"trainer": {"accelerator": accelerator, "devices": count}}


@pytest.mark.parametrize(("n_jobs", "cores", "threads"), [(1, 8, 8), (2, 8, 4), (3, 8, 2), (16, 8, 1), ("auto", 8, 1)])
def test_threads_are_shared_out(n_jobs, cores, threads):
    assert Devices(n_jobs, cores).threads == threads


def test_the_environment_withholds(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert Devices.of_this_machine(1).threads == 1
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr(devices, "DRIVERS", ("/dev/null",))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,GPU-abc")
    assert devices.visible_gpus() == ["5", "GPU-abc"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert Devices.of_this_machine("auto").n_jobs == 2


def test_no_two_jobs_get_one_gpu():
    pool = Devices(3, 8, ["0", "1", "2"])
    assert pool.take(values("gpu", 2)) == ("0", "1")
    assert pool.take(values("gpu", 2)) is None
    assert pool.take(values("auto")) == ("2",)
    assert pool.take(values("cpu", 4)) == ()
    pool.give_back(("0", "1"))
    assert pool.take(values("gpu", 2)) == ("0", "1")


def test_all_devices_means_a_fair_share():
    assert Devices(2, 8, ["0", "1", "2", "3"]).take(values("gpu", "auto")) == ("0", "1")
    assert Devices(2, 8).take(values("gpu", "auto")) == ()  # where there is none, nothing is touched
    assert Devices(2, 8, ["0", "1"]).take(values("gpu", [1])) == ()  # the user has chosen


def test_more_gpus_than_there_are_is_a_mistake():
    with pytest.raises(UserMistake, match="this machine has 2"):
        Devices(1, 8, ["0", "1"]).take(values("gpu", 3))


@pytest.mark.parametrize("n_jobs", [0, -1, 1.5, "many", True, None])
def test_a_wrong_number_of_jobs_is_a_mistake(n_jobs):
    with pytest.raises(UserMistake, match="n_jobs"):
        Devices(n_jobs, 8)
