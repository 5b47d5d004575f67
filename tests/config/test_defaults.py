"""An argument's default is the same in conf/ and in Python."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import hydra.utils
import pytest
from omegaconf import OmegaConf

from smoothlab.calibration.abstention import Abstention
from smoothlab.export.exporting import export
from smoothlab.models.ensemble import Ensemble
from smoothlab.models.loading import load
from smoothlab.models.model import Model
from smoothlab.models.new_rows import evaluate_file
from smoothlab.models.translator import Translator
from smoothlab.training.evaluating import evaluate
from smoothlab.training.inspecting import inspect_run

CONF = Path(__file__).resolve().parents[2] / "conf"
LOOK = "each look of images is what it changes; without one, as in augment=none, images stay as they are"
OPEN = "a mapping, so that a column can be added on the command line; None says the same"
FORM = "belongs to one form of the argument beside it, that of conf/; with the other form it has to be None"
SETTLED = "null in conf/; a part settles what it means when it is made, and its signature shows that"
# Those that differ: file and argument, and why.
EXCEPTIONS = {
    **{
        f"data/augment/any_side_up.{name}": LOOK
        for name in ("shift", "horizontal_flip", "vertical_flip", "rotation", "zoom", "brightness", "contrast")
    },
    **{f"data/augment/mirrored.{name}": LOOK for name in ("shift", "horizontal_flip")},
    **{f"data/{source}.kinds": OPEN for source in ("parquet", "table")},
    **{f"data/{key}": SETTLED for key in ("images.workers", "table.missing_words", "text.missing_words")},
    "loss/backward_correction.rate": FORM,
    "loss/forward_correction.rate": FORM,
    "smoothing/prior/embeddings.temperature": FORM,
    "smoothing/prior/online.initial_epsilon": "Python has to be told, where rows are smoothed at first",
}

# What the commands hand their keys to; and where a key has another name in Python.
CALLED = {
    "evaluate": (evaluate, evaluate_file),
    "export": (export,),
    "inspect": (inspect_run,),
    "predict": (load, Model.predict, Ensemble.predict, Translator.predict, Abstention.fit),
}
RENAMED = {"export.format": "kind", "predict.abstain_delta": "delta"}


def plain(value: Any) -> Any:
    """Tuples as lists, as YAML has them."""
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def compared() -> list[tuple[str, Any, Any]]:
    """Place, value in conf/ and default in Python, of all arguments of ours that have both."""
    pairs: list[tuple[str, Any, Any]] = []

    def walk(node: Any, place: str) -> None:
        if isinstance(node, list):
            for position, part in enumerate(node):
                walk(part, f"{place}.{position}")
        if not isinstance(node, dict):
            return
        if str(node.get("_target_")).startswith("smoothlab."):
            parameters = inspect.signature(hydra.utils.get_object(node["_target_"])).parameters
            for name, value in node.items():
                parameter = parameters.get(name)
                if parameter is None or parameter.default is parameter.empty:
                    continue
                if not (isinstance(value, str) and ("${" in value or value == "???")):
                    pairs.append((f"{place}.{name}", value, parameter.default))
        for name, value in node.items():
            walk(value, f"{place}.{name}")

    for path in sorted(CONF.rglob("*.yaml")):
        node = OmegaConf.to_container(OmegaConf.load(path))
        assert isinstance(node, dict)
        for part in node.get("defaults", []):
            if isinstance(part, str) and part.endswith("@_here_"):  # its keys stand beside the file's own
                node = OmegaConf.to_container(OmegaConf.load(path.parent / f"{part.split('@')[0]}.yaml")) | node
        walk(node, path.relative_to(CONF).with_suffix("").as_posix())
    for command, functions in CALLED.items():
        settings = OmegaConf.to_container(OmegaConf.load(CONF / f"{command}.yaml"))
        for function in functions:
            parameters = inspect.signature(function).parameters
            for key, value in settings.items():
                parameter = parameters.get(RENAMED.get(f"{command}.{key}", key))
                if parameter is not None and parameter.default is not parameter.empty:
                    pairs.append((f"{command}.{key} of {function.__qualname__}", value, parameter.default))
    return pairs


COMPARED = compared()


def test_some_are_compared():
    assert len(COMPARED) > 250


@pytest.mark.parametrize(("place", "value", "default"), COMPARED, ids=[place for place, _, _ in COMPARED])
def test_a_default_is_the_same_in_conf_and_in_python(place, value, default):
    same = plain(value) == plain(default) and isinstance(value, bool) == isinstance(default, bool)
    assert same != (place in EXCEPTIONS), EXCEPTIONS.get(place)


def test_no_exception_is_of_an_argument_that_is_gone():
    assert set(EXCEPTIONS) <= {place for place, _, _ in COMPARED}
