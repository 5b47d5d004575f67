"""The examples of docs/nets.md run as they stand there."""

import re
import sys
from pathlib import Path

import pytest
from drawn_images import LEAVES, write_folders

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


def test_without_timm_the_command_says_what_is_missing(tmp_path, monkeypatch, cli):
    monkeypatch.chdir(tmp_path)
    write_folders(tmp_path / "leaves", LEAVES, 10, side=32)
    monkeypatch.setitem(sys.modules, "timm", None)
    code, _, error = cli("train", "data=images", "data.path=leaves", "net=timm", "net.name=resnet18")
    assert code == 2
    assert "smoothlab[timm]" in error
    assert error.count("\n") == 1
    assert not Path("outputs").exists()


def test_transformers(example, capsys):
    pytest.importorskip("transformers", reason="transformers is not installed (an optional extra)")
    assert main([*example("transformers"), "debug=quick"]) == 0, capsys.readouterr().err
