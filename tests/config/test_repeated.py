"""The configs of many jobs are those that composing each of them gives."""

from __future__ import annotations

import itertools
import random

import pytest

from smoothlab.config.compose import compose_config, plain
from smoothlab.config.repeated import Repeated, compose_jobs
from smoothlab.errors import UserMistake

# What several jobs differ in, by what they have in common.
VARIED = [
    ["seed=0", "seed=1", "seed=1.0", "seed=true"],
    ["optimizer.lr=0.1", "optimizer.lr=1e-3", "optimizer.lr=${seed}", "optimizer.lr='${seed}'"],
    ["smoothing=none", "smoothing=standard", "smoothing=auto"],
    ["data.batch_size=8", "data.batch_size=9"],
    ["monitor=val/nll", "monitor=val/accuracy"],
    ["callbacks.early_stopping=null", "callbacks.early_stopping.patience=3"],
    ["trainer.max_epochs=2", "trainer.max_epochs=null"],
    ["name=one", "name=other"],
    ["output_root=here", "output_root='~/there'"],
    ["logger.csv.save_dir='~'", "logger.csv.save_dir=x"],
    ["data.fold=1", "data.fold=2"],
    ["net.hidden=[8]", "net.hidden=[8,8]"],
    ["+optimizer.eps=1e-6", "+optimizer.eps=1e-5"],
    ["~logger", "logger=none"],
    ["data.target=label", "data.target='a, b'", "data.target=???"],
    ["hydra.job.name=one", "hydra.job.name=other"],
]
ALWAYS = [
    ["+callbacks.mine=word"],
    ["data.split_seed=0"],
    ["optimizer.weight_decay='${optimizer.lr}'"],
    ["+task.note='run ${seed}'"],
]


def alone(job: list[str]) -> object:
    try:
        return plain(compose_config("train", job))
    except UserMistake as mistake:
        return str(mistake)


@pytest.mark.parametrize("number", range(12))
def test_jobs_that_share_their_options_are_those_of_each_alone(number: int) -> None:
    draw = random.Random(number)
    chosen = draw.sample(VARIED, 3)
    common = draw.choice(ALWAYS)
    jobs = [["experiment=medical", "logger=csv", *common, *words] for words in itertools.product(*chosen)]
    expected = [alone(job) for job in jobs]
    good = [job for job, value in zip(jobs, expected, strict=True) if isinstance(value, dict)]
    composed = compose_jobs("train", good)
    assert [job.values for job in composed] == [value for value in expected if isinstance(value, dict)]
    types = [type(job.values["seed"]) for job in composed]
    assert types == [type(value["seed"]) for value in expected if isinstance(value, dict)]
    for job, value in zip(jobs, expected, strict=True):
        if not isinstance(value, dict) and good:
            with pytest.raises(UserMistake):
                compose_jobs("train", [good[0], job])


def test_the_config_of_a_job_is_made_when_it_is_asked_for() -> None:
    jobs = [[f"seed={seed}"] for seed in range(3)]
    assert [job.compose().seed for job in compose_jobs("train", jobs)] == [0, 1, 2]
    assert [job.compose().hydra.overrides.task for job in compose_jobs("train", jobs)] == jobs


@pytest.mark.parametrize(
    ("expression", "key"),
    [
        ("'${seed}'", "seed"),
        ("'${data}'", "data.batch_size"),
        ("'${data.batch_size}${seed}'", "data.batch_size"),
        ("'${hydra:overrides.task}'", "seed"),
        ("'${${name}}'", "seed"),
        ("'${oc.select:seed}'", "seed"),
    ],
)
def test_what_depends_on_a_value_is_followed_or_not_tried(expression: str, key: str) -> None:
    config = compose_config("train", ["name=seed", f"+task.note={expression}"])
    values = Repeated(config).values({key: 7})
    assert values is None or values["task"]["note"] == 7


def test_null_leaves_a_member_out_of_one_job_alone() -> None:
    first, second = compose_jobs("train", [["+callbacks.mine=a", f"callbacks.mine={value}"] for value in ("a", "null")])
    assert first.values["callbacks"]["mine"] == "a"
    assert "mine" not in second.values["callbacks"]


def test_a_value_that_is_missing_in_one_job_is_missed() -> None:
    with pytest.raises(UserMistake, match=r"data\.target: missing"):
        compose_jobs("train", [["data=table", f"data.target={value}"] for value in ("label", "???")])


def test_jobs_share_what_they_have_in_common_and_nothing_else() -> None:
    first, second = compose_jobs("train", [["seed=0", "optimizer.lr=0.1"], ["seed=1", "optimizer.lr=0.2"]])
    assert first.values["net"] is second.values["net"], "a thousand jobs hold a thousand copies"
    assert [job.values["optimizer"]["lr"] for job in (first, second)] == [0.1, 0.2]
    first.values["engine"] = "batched"
    assert second.values["engine"] != "batched"


def test_changed_items_of_lists_are_a_jobs_own() -> None:
    config = compose_config("train", ["net.hidden=[4,'${seed}']"])
    repeated = Repeated(config)
    configs = [repeated.values({"seed": seed}) for seed in (7, 8)]
    assert [values and values["net"]["hidden"] for values in configs] == [[4, 7], [4, 8]]
