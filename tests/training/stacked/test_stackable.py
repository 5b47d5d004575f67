"""Which runs may train as one, as their configs tell."""

from __future__ import annotations

import subprocess
import sys

import pytest

from smoothlab.config.compose import compose_config, plain
from smoothlab.errors import UserMistake
from smoothlab.rundir.identity import run_identity
from smoothlab.training.stacked.stackable import BATCHED, SINGLE, bundles, check_engine, is_stackable, settled


def values_of(*overrides: str) -> dict:
    return plain(compose_config("train", ["experiment=medical", "logger=csv", *overrides]))


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["smoothing=online"],
        ["mixing=mixup"],
        ["net.dropout=0.5"],
        ["scheduler=plateau"],
        ["optimizer=sgd"],
        ["trainer.precision=64-true"],
        ["callbacks=none"],
        ["task=ordinal"],
    ],
)
def test_usual_runs_of_small_nets_stack(overrides):
    assert is_stackable(values_of(*overrides))


@pytest.mark.parametrize(
    "overrides",
    [
        ["model=boosting", "smoothing=none"],
        ["net=resnet"],
        ["compile=true"],
        ["trainer.gradient_clip_val=1.0"],
        ["trainer.accumulate_grad_batches=2"],
        ["+trainer.max_steps=10"],
        ["trainer.limit_train_batches=0.5"],
        ["trainer.precision=bf16-mixed"],
        ["trainer=gpu"],
        ["trainer.max_epochs=-1"],
        ["+callbacks.mine._target_=pytorch_lightning.callbacks.Timer"],
        ["callbacks.best_checkpoint.save_on_train_epoch_end=true"],
        ["optimizer._target_=torch.optim.LBFGS"],
    ],
)
def test_what_a_stack_does_not_do_is_trained_alone(overrides):
    assert not is_stackable(values_of(*overrides))


def test_auto_is_batched_in_a_comparison_alone():
    assert settled(values_of(), by_itself=True) == BATCHED
    assert settled(values_of(), by_itself=False) == SINGLE
    assert settled(values_of("engine=batched"), by_itself=False) == BATCHED
    assert settled(values_of("engine=single"), by_itself=True) == SINGLE


def test_an_unknown_engine_is_one_line():
    with pytest.raises(UserMistake, match="engine = 'many': expected one of auto, single, batched"):
        check_engine("many")


def test_identities_tell_a_stack_alone():
    """Digits may differ by it; the others are the runs that they were before there were engines."""
    values = values_of()
    without = {name: value for name, value in values.items() if name != "engine"}
    single = {run_identity({**without, "engine": engine}, "data") for engine in ("auto", "single")}
    assert single == {run_identity(without, "data")}
    assert run_identity({**without, "engine": "batched"}, "data") not in single


def test_each_process_gets_a_share_of_the_runs_that_stack():
    runs = [{**values_of(f"seed={seed}"), "engine": BATCHED} for seed in range(5)]
    runs.insert(2, {**values_of("model=logistic_regression", "smoothing=none"), "engine": SINGLE})
    runs.append({**values_of("net.hidden=[8]"), "engine": BATCHED})
    assert bundles(runs, 2) == [[0, 3, 5], [1, 4]]  # neither the model that is no net, nor the one of another width
    assert bundles(runs[:1], 2) == []


def test_other_models_share_processes():
    runs = [plain(compose_config("train", [f"model={name}"])) for name in ("boosting", "logistic_regression") * 2]
    assert bundles(runs, 2) == [[0, 2], [1, 3]]
    assert bundles(runs[:1], 2) == []


def test_looking_at_configs_imports_nothing_heavy():
    program = (
        "import sys; import smoothlab.training.stacked.stackable; "
        "sys.exit(bool({'torch', 'pytorch_lightning', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
