"""What is put together from kept parts is what Hydra composes."""

import os
import random

import pytest
from hydra import compose, initialize_config_module
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from smoothlab.config.compose import all_groups
from smoothlab.config.foreign_files import GuardedLoader

VALUES = [
    "seed=3",
    "optimizer.lr=0.01",
    "optimizer.lr=${seed}",
    "+optimizer.eps=1e-6",
    "++trainer.max_epochs=4",
    "trainer.max_epochs=5",
    "~logger",
    "~trainer.max_epochs",
    "data.batch_size=7",
    "name='a, b'",
    "hydra.job.name=other",
    "hydra.job.env_copy=[HOME]",
    "+hydra.job.env_set.A=b",
    "smoothing/strength=constant",
    "smoothing={strength:{epsilon:0.3}}",
]
WRONG = ["seed=1,2", "no_such_key=1", "+seed=4", "optimizer.lr=[1", "budget=quick", "smoothing=nothing", "~net"]
MULTIRUN = ["hydra.sweep.dir=elsewhere", "hydra/launcher=joblib"]


def composed(loader: type[ConfigLoaderImpl], name: str, overrides: list[str]) -> tuple[object, ...]:
    """The config with its flags, or the error."""
    with initialize_config_module("smoothlab.conf", job_name=name, version_base="1.3"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        hydra.config_loader = loader(hydra.config_loader.get_search_path())
        try:
            config = compose(name, overrides=overrides, return_hydra_config=True)
        except Exception as error:
            return (type(error).__name__, str(error))
    return (OmegaConf.to_container(config, resolve=False), flags(config, ""))


def flags(node: DictConfig, at: str) -> list[tuple[str, object, object]]:
    children = [node._get_node(key) for key in node]
    inner = [flags(child, f"{at}.{child._key()}") for child in children if OmegaConf.is_dict(child) and child]
    return [(at, node._get_flag("struct"), node._get_flag("readonly")), *(entry for each in inner for entry in each)]


def drawn(draw: random.Random, groups: dict[str, list[str]]) -> list[str]:
    elsewhere = ("arms", "budget", "condition", "hydra")  # options of compare
    names = [group for group in groups if "/" not in group and not group.startswith(elsewhere)]
    chosen = draw.sample(names, draw.randint(0, 3))
    overrides = [f"{group}={draw.choice(groups[group])}" for group in chosen]
    overrides += draw.sample(VALUES, draw.randint(0, 4)) + draw.sample(MULTIRUN, draw.randint(0, 1))
    overrides += draw.sample(WRONG, int(draw.random() < 0.2))
    draw.shuffle(overrides)
    return overrides


@pytest.fixture(scope="module")
def groups() -> dict[str, list[str]]:
    return all_groups()


@pytest.mark.parametrize("seed", range(16))
def test_equal_to_hydras_own(seed: int, groups: dict[str, list[str]]) -> None:
    draw = random.Random(seed)
    first = drawn(draw, groups)
    # values of another draw on the same options: this one is set on a copy
    second = [word for word in first if word not in VALUES + WRONG] + draw.sample(VALUES, 3)
    for overrides in (first, second):
        assert composed(GuardedLoader, "train", overrides) == composed(ConfigLoaderImpl, "train", overrides), overrides


def test_the_values_of_one_config_are_not_in_the_next() -> None:
    first = composed(GuardedLoader, "train", ["seed=3", "optimizer.lr=0.5"])
    second = composed(GuardedLoader, "train", [])
    assert first != second == composed(ConfigLoaderImpl, "train", [])


def test_a_changed_file_is_read_again(tmp_path) -> None:
    (tmp_path / "experiment").mkdir()
    preset = tmp_path / "experiment" / "mine.yaml"
    overrides = [f"hydra.searchpath=[file://{tmp_path}]", "experiment=mine"]
    assert composed(GuardedLoader, "train", overrides)[0] == "MissingConfigException"
    for seed in (1, 2):
        preset.write_text(f"# @package _global_\nseed: {seed}\n")
        os.utime(preset, ns=(seed, seed))
        config = composed(GuardedLoader, "train", overrides)[0]
        assert isinstance(config, dict)
        assert config["seed"] == seed
    preset.unlink()
    assert composed(GuardedLoader, "train", overrides)[0] == "MissingConfigException"
