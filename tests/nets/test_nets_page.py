"""The examples of docs/nets.md run as they stand there."""

import re
import sys
import types
from pathlib import Path

import pytest
from drawn_images import LEAVES, write_folders
from torch import nn

from smoothlab.commands import main

PAGE = Path(__file__).resolve().parents[2] / "docs" / "nets.md"


@pytest.fixture
def example(tmp_path, monkeypatch):
    """Write the files of a section; returns the words of its command."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("smoothlab.scoring.outcome.save_figure", lambda *_: None)
    write_folders(tmp_path / "leaves", LEAVES, 10, side=32)

    def make(section):
        text = PAGE.read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]
        for language, content in re.findall(r"```(python|yaml)\n(.*?)```", text, re.DOTALL):
            file = Path(re.match(r"# (\S+)\n", content)[1])
            assert file.suffix == {"python": ".py", "yaml": ".yaml"}[language]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        (command,) = re.findall(r"```bash\nsmoothlab (.*?)\n```", text)
        return command.split()

    return make


def test_timm(example, monkeypatch, capsys):
    """timm itself needs torchvision; a stand-in with the signature of its create_model takes its place."""
    asked = []

    def create_model(model_name, pretrained=False, *, in_chans=3, num_classes=1000):
        asked.append((model_name, pretrained, in_chans, num_classes))
        return nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * in_chans, num_classes))

    words = example("timm")
    monkeypatch.setitem(sys.modules, "timm", types.SimpleNamespace(create_model=create_model))
    assert main([*words, "data.size=32", "debug=quick"]) == 0, capsys.readouterr().err
    assert asked[0] == ("resnet18", True, 3, 3)


def test_without_timm_the_command_says_what_is_missing(example, monkeypatch, capsys):
    words = example("timm")
    monkeypatch.setitem(sys.modules, "timm", None)
    assert main(words) == 2
    error = capsys.readouterr().err
    assert "timm" in error
    assert error.count("\n") == 1
    assert not Path("outputs").exists()


def test_transformers(example, capsys):
    pytest.importorskip("transformers", reason="transformers is not installed (an optional extra)")
    assert main([*example("transformers"), "debug=quick"]) == 0, capsys.readouterr().err
