"""`smoothlab compare`: does smoothing help here, which, and by how much?"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf, open_dict

from smoothlab.commands.file_first import named_by_data, with_file
from smoothlab.comparing.arm import Arm, Settings, read_arms, take
from smoothlab.comparing.condition import Condition, read_condition
from smoothlab.comparing.plan import signature
from smoothlab.comparing.repetition import AUTO, Repetition
from smoothlab.comparing.typed import OWN, key_of, merged
from smoothlab.config.compose import compose_config, no_sweep, plain, quoted
from smoothlab.config.explained import own_folders
from smoothlab.config.foreign_files import check_override
from smoothlab.config.repeated import Repeated
from smoothlab.errors import UserMistake
from smoothlab.rundir.directory import RunDirectory
from smoothlab.rundir.files_read import State, files_read, is_file, states
from smoothlab.rundir.named_files import weights_of
from smoothlab.training.stacked.stackable import check_engine, settled

if TYPE_CHECKING:
    from smoothlab.comparing.question import Question
    from smoothlab.comparing.repetition import Resolve

FROZEN = ("split_seed", "row_seed")  # of the data: they stay those of the first seed, so that all seeds share the split
NO_FOLDS = "none"
DEBUG = ("fast", "quick", "anomaly")  # a look at whether it runs: two seeds, one setting, and few arms
DEBUG_ARMS = 3


def run(words: Sequence[str]) -> int:
    """The command: exit code 0, or 1 where a run failed; the others are compared all the same."""
    question, resolve = asked(words)
    from smoothlab.comparing.comparison import answer

    return answer(question, resolve)


def asked(words: Sequence[str]) -> tuple[Question, Resolve]:
    """What the words of the command ask, and what resolves the configs of its runs.

    Raises:
        UserMistake: one of them is wrong.
    """
    overrides = no_sweep("compare", [quoted_arm(word) for word in with_file(words, "compare")])
    overrides = named_by_data(overrides)
    config = compose_config("compare", overrides)
    settings = plain(config)
    for key in ("resume", "figures"):
        if key_given(overrides, key):
            raise UserMistake(f"{key}: is of single runs; a comparison that is started again goes on by itself")
    own_arms = {
        override.lstrip("+").split("=")[0].split(".")[1] for override in overrides if re.match(r"\+*arms\.", override)
    }
    arms = read_arms(settings["arms"])
    condition = read_condition(str(config.hydra.runtime.choices["condition"]), settings["vary"])
    _check_overrides({name: arm for name, arm in arms.items() if name not in own_arms}, condition)
    arms = take(arms, settings["baseline"], settings["take"], settings["without"] or [])
    trial = config.hydra.runtime.choices.get("debug") in DEBUG
    if trial:
        settings |= {"seeds": min(settings["seeds"], 2), "grid": 1, "looks": None}
        chosen = {*list(arms)[:DEBUG_ARMS], *own_arms, *(settings["take"] or ())}
        arms = {name: arm for name, arm in arms.items() if name in chosen}
    check(settings)
    name = re.sub(r"[^\w.=+-]+", "_", settings["name"]) + ("-debug" if trial else "")
    folder = Path(settings["output_root"]) / "comparisons" / name
    from smoothlab.comparing.question import Judging, Question

    composer = Composer(
        [override for override in overrides if key_of(override).split(".")[0] not in OWN], settings, config
    )
    required = tuple(name for name in arms if name in own_arms or name in (settings["take"] or ()))
    for name in own_arms & set(arms):  # a mistake in them is told before anything heavy is imported
        for point in arms[name].settings(settings["grid"]):
            named(name, composer.resolve, arms[name].overrides, point, (), settings["seed"], None)
    question = Question(
        folder=folder,
        arms=arms,
        repetition=Repetition(settings["seed"], settings["seeds"], settings["folds"]),
        grid=settings["grid"],
        required=required,
        n_jobs=settings["n_jobs"],
        judging=Judging(settings["level"], settings["margin"], trial, looks_of(settings, condition)),
        typed=tuple(words),
        title=str(settings["name"]),
        condition=condition,
        signature=signature(sorted(overrides), composer.files()),
    )
    return question, composer.resolve


def looks_of(settings: Mapping[str, Any], condition: Condition | None) -> tuple[int, ...]:
    """Runs of an arm at each look, the last one at ``seeds``; empty of a single look.

    Raises:
        UserMistake: they are no rising integers of at least 2, or there are several levels of a condition.
    """
    looks, most = settings["looks"], settings["seeds"]
    if looks is None:
        return ()
    numbers = looks if isinstance(looks, list) else [looks]
    whole = all(isinstance(look, int) and not isinstance(look, bool) and look >= 2 for look in numbers)
    if not whole or numbers != sorted(set(numbers)):
        raise UserMistake(f"looks = {looks!r}: expected rising integers of at least 2, such as [5,10], or null")
    if condition is not None and len(condition.levels) > 1:
        raise UserMistake(
            f"looks = {looks!r}: with condition={condition.name} there are {len(condition.levels)} verdicts to look "
            "at; expected looks=null, or another budget"
        )
    earlier = tuple(look for look in numbers if look < most)
    return (*earlier, most) if earlier else ()


def _check_overrides(arms: Mapping[str, Arm], condition: Condition | None) -> None:
    """Refuse what config files must not say, neither by the overrides of an arm nor by those of a level."""
    words = [(f"arms.{name}", word) for name, arm in arms.items() for word in arm.overrides]
    words += [("vary.levels", word) for level in (condition.levels if condition else ()) for word in level.overrides]
    for where, word in words:
        key, _, value = word.partition("=")
        check_override(key, value, where=where)
    for name, arm in arms.items():
        for key, values in arm.grid.items():
            check_override(key, values, where=f"arms.{name}.grid")


def named(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function; a mistake that it finds is that of an arm.

    Raises:
        UserMistake: with the arm's name.
    """
    try:
        return function(*arguments)
    except UserMistake as mistake:
        raise UserMistake(f"arm {name}: {mistake}") from None


def check(settings: dict[str, Any]) -> None:
    """Refuse numbers that make no comparison.

    Raises:
        UserMistake: one of them.
    """
    from smoothlab.sweeps.devices import check_n_jobs

    check_n_jobs(settings["n_jobs"])
    check_engine(settings["engine"])
    for key, least in (("seeds", 2), ("grid", 1), ("epochs", 1)):
        value = settings[key]
        if value is None and key == "epochs":
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise UserMistake(f"{key} = {value!r}: expected an integer of at least {least}")
    folds = settings["folds"] = None if settings["folds"] == NO_FOLDS else settings["folds"]
    if folds not in (AUTO, None) and (not isinstance(folds, int) or isinstance(folds, bool) or folds < 2):
        raise UserMistake(f"folds = {folds!r}: expected auto, none or an integer of at least 2")
    if not isinstance(settings["level"], float) or not 0.5 < settings["level"] < 1:
        raise UserMistake(f"level = {settings['level']!r}: expected a number between 0.5 and 1, such as 0.95")
    margin = settings["margin"]
    if not isinstance(margin, int | float) or isinstance(margin, bool) or not 0 <= margin < 1:
        raise UserMistake(f"margin = {margin!r}: expected a share of the baseline's NLL in [0, 1), such as 0.02")
    if not isinstance(settings["seed"], int):
        raise UserMistake(f"seed = {settings['seed']!r}: expected an integer")


class Composer:
    """Configs of the runs.

    Args:
        words: the overrides of train that hold for every run.
        settings: of the comparison.
        config: the composed config of the comparison, with Hydra's node.
    """

    def __init__(self, words: Sequence[str], settings: dict[str, Any], config: DictConfig) -> None:
        extra = ["progress=none", "figures=false"]
        if not key_given(words, "logger") and config.hydra.runtime.choices.get("logger") == "wandb":
            extra.append("logger=csv")
        self._words = [*words, *extra]
        self._settings = settings
        self._composed: dict[tuple[str, ...], DictConfig] = {}
        self._repeated: dict[tuple[Any, ...], tuple[DictConfig, Repeated]] = {}

    def resolve(
        self,
        overrides: Sequence[str],
        settings: Settings,
        level: Sequence[str],
        seed: int,
        fold: int | None,
        *,
        folds: int | None = None,
    ) -> dict[str, Any]:
        """The resolved config of a run; see ``smoothlab.comparing.repetition``.

        Raises:
            UserMistake: an override or a setting names nothing, or has a wrong value.
        """
        key = (*level, *overrides, *(f"{name}={value!r}" for name, value in settings.items()))
        if key not in self._repeated:
            config = self._with_settings(overrides, settings, level)
            self._repeated[key] = config, Repeated(config, held=[f"data.{name}" for name in FROZEN])
        config, repeated = self._repeated[key]
        if fold is not None and "fold" not in config.data:
            raise UserMistake(f"folds = {folds}: these data have no folds; give seeds")
        changes = {"seed": seed, **({} if fold is None else {"data.fold": fold, "data.folds": folds})}
        values = repeated.values(changes)
        if values is None:
            values = plain(_changed(config, changes))
        return {**values, "engine": settled(values, by_itself=True)}

    def _with_settings(self, overrides: Sequence[str], settings: Settings, level: Sequence[str]) -> DictConfig:
        """The config of an arm with one of its settings, for the seed of the words."""
        config = self._compose(
            merged(self._words, level, overrides, [f"{k}={v}" for k, v in settings.items() if "." not in k or "/" in k])
        )
        with open_dict(config):
            for key, value in settings.items():
                if "." in key and "/" not in key:
                    parent, _, leaf = key.rpartition(".")
                    node = OmegaConf.select(config, parent)
                    if not isinstance(node, DictConfig) or leaf not in node.keys():  # noqa: SIM118 - also one with ???
                        raise UserMistake(f"{key}: no such key here")
                    OmegaConf.update(config, key, value)
            most, epochs = self._settings["epochs"], config.trainer.get("max_epochs")
            if most is not None and (epochs is None or epochs == -1 or epochs > most):
                config.trainer.max_epochs = most
        return config

    def files(self) -> list[State] | None:
        """What the configs are made from, the data, and files that words name; None where more may be read."""
        data = files_read(self._settings)
        if data is None:
            return None
        places = list(own_folders())
        places += [Path(place.split("file://", 1)[1].rstrip("'] ")) for place in self._words if "file://" in place]
        arms = [word for arm in read_arms(self._settings["arms"]).values() for word in arm.overrides]
        for word in (*self._words, *arms):  # a file, or a run's folder
            key, _, value = word.partition("=")
            name = value.strip("'\" ")
            run = RunDirectory(name)
            places += [file for file in (Path(name), run.best_checkpoint, run.last_checkpoint) if is_file(file)]
            places += weights_of(key, name)
        return [*data, *(state for place in places for state in states(place))]

    def _compose(self, overrides: Sequence[str]) -> DictConfig:
        key = tuple(overrides)
        if key not in self._composed:
            self._composed[key] = compose_config("train", overrides)
        return self._composed[key].copy()


def _changed(config: DictConfig, changes: Mapping[str, Any]) -> DictConfig:
    """The config of another seed and fold; the split stays that of the config's own seed."""
    changed = config.copy()
    with open_dict(changed):
        frozen = {key: value for key in FROZEN if (value := OmegaConf.select(config, f"data.{key}")) is not None}
        changed.data.update(frozen)
        for key, value in changes.items():
            OmegaConf.update(changed, key, value)
    return changed


def key_given(overrides: Sequence[str], key: str) -> bool:
    """Whether the command line gives a key, or one below it."""
    return any(key_of(override).split(".")[0] == key for override in overrides)


def quoted_arm(word: str) -> str:
    """``arms.mine=[smoothing=none,seed=1]`` as Hydra's grammar takes it, with each override in quotes, and added."""
    match = re.fullmatch(r"\+*(arms\.[\w-]+)=\[(.*)\]", word, re.DOTALL)
    if not match:
        return re.sub(r"^arms\.", "++arms.", word)
    items, depth, last = [], 0, ""
    quote = ""
    for letter in match[2]:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        depth += (letter in "[{(") - (letter in "]})") if not quote else 0
        if letter == "," and not depth and not quote:
            items.append(last)
            last = ""
        else:
            last += letter
    items = [item.strip() for item in (*items, last) if item.strip()]
    unquoted = [item[1:-1] if len(item) > 1 and item[0] == item[-1] and item[0] in "'\"" else item for item in items]
    return f"++{match[1]}=[{','.join(quoted(item) for item in unquoted)}]"
