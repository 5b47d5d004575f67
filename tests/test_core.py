"""The library for loops of others needs torch and numpy alone; the rest says what to install."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from smoothlab.commands import main
from smoothlab.errors import FRAMEWORK, framework_needed

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
CODE = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
import torch
import smoothlab
import smoothlab.classes, smoothlab.loops.hugging_face
import smoothlab.losses.penalties, smoothlab.metrics, smoothlab.smoothing
from smoothlab.smoothing import Smoother

logits, labels = torch.randn(8, 3, generator=torch.Generator().manual_seed(0), requires_grad=True), torch.arange(8) % 3
smoothlab.SmoothCrossEntropy(0.1)(logits, labels).backward()
plain = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.1)
assert torch.allclose(smoothlab.SmoothCrossEntropy(0.1)(logits, labels), plain)
assert smoothlab.smooth_labels(labels.numpy(), 0.1, num_classes=3).shape == (8, 3)
values = smoothlab.metrics.classification_metrics(logits.detach(), labels, from_logits=True, num_bins=15)
assert 0 <= values["ece"] <= 1 and values["aurc"] >= 0
smoothlab.classes.ClassTree.from_nested({"a": ["x", "y"], "b": ["z"]})
for name in ("train", "SmoothClassifier", "load"):
    try:
        getattr(smoothlab, name)
    except ImportError as error:
        assert "pip install 'smoothlab[train]'" in str(error), error
    else:
        raise AssertionError(name)
try:
    import smoothlab.calibration
except ImportError as error:
    assert "smoothlab.calibration needs the framework: pip install 'smoothlab[train]'" in str(error), error
else:
    raise AssertionError("smoothlab.calibration")
try:
    from smoothlab.loops import SmoothingCallback
except ImportError as error:
    assert "smoothlab.loops.SmoothingCallback needs the framework" in str(error), error
else:
    raise AssertionError("SmoothingCallback")
from smoothlab.commands.main import main
sys.exit(main(["train"]))
"""


def test_the_library_alone_imports_torch_and_numpy_and_names_the_extra_for_the_rest():
    code = f"BLOCKED = {sorted(FRAMEWORK)!r}\n{CODE}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("smoothlab: smoothlab train needs the framework: pip install 'smoothlab[train]'")
    assert done.stderr.count("\n") == 1


def test_a_torchvision_of_another_torch_is_said_in_one_line(monkeypatch, capsys):
    def broken(*_):  # as torchmetrics finds it, in a process of the warm server too
        raise RuntimeError("Traceback:\n  ...\nRuntimeError: operator torchvision::nms does not exist\n")

    monkeypatch.setattr(sys.modules[main.__module__], "_dispatch", broken)
    assert main(["train"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("smoothlab: smoothlab train: the installed torchvision was built for another torch")
    assert err.count("\n") == 1
    with pytest.raises(ImportError, match="for another torch"), framework_needed("smoothlab.train"):
        broken()
    with pytest.raises(RuntimeError, match="no reason"), framework_needed("smoothlab.train"):
        raise RuntimeError("for no reason")


def test_the_core_asks_for_torch_and_numpy_and_every_other_extra_for_the_framework():
    names = [line.partition(">")[0] for line in PROJECT["dependencies"]]
    assert names == ["torch", "numpy"]
    for extra, lines in PROJECT["optional-dependencies"].items():
        if extra not in ("train", "dev", "docs"):
            assert lines[0] == "smoothlab[train]", extra
