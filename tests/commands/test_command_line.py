"""Help, config and completion answer without importing torch; imports of the library bring no framework along."""

import json
import subprocess
import sys

import pytest

IMPORTED = """
import json, sys
from smoothlab.commands import main
try:
    code = main(sys.argv[1:])
finally:
    print("\\nMODULES " + json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
sys.exit(code)
"""


def ask(*words: str, **environment: str) -> tuple[str, set[str]]:
    """Standard output of a command in a new process, and the packages that it imported."""
    import os

    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, *words],
        capture_output=True,
        text=True,
        env=dict(os.environ) | environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    out, _, modules = done.stdout.rpartition("\nMODULES ")
    return out, set(json.loads(modules))


HEAVY = {"torch", "pytorch_lightning", "torchmetrics", "wandb", "pandas", "scipy", "sklearn", "matplotlib"}


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["--help"], "smoothlab train --help smoothing"),
        (["train", "--help"], "smoothing/strength      accuracy, "),
        (["evaluate", "--help"], "checkpoint=best"),
        (["train", "--cfg", "job"], "_target_: smoothlab.tasks.ClassificationTask"),
        (["train", "--cfg", "job", "smoothing=none"], "epsilon: 0.0"),
        (["--version"], "smoothlab 0"),
    ],
)
def test_questions_are_answered_without_heavy_imports(words, shown):
    out, modules = ask(*words)
    assert shown in out
    assert not modules & HEAVY


@pytest.mark.parametrize(
    ("line", "choices"),
    [
        ("smoothlab tr", {"train"}),
        ("smoothlab train smoothing=", {"smoothing=none", "smoothing=standard"}),
        ("smoothlab train optimizer.l", {"optimizer.lr="}),
        ("smoothlab predict inp", {"input="}),
        ("/opt/train/bin/smoothlab train smoothing=", {"smoothing=none", "smoothing=standard"}),
        ("./train train smoothing=n", {"smoothing=none"}),
    ],
)
def test_completion_knows_the_command(line, choices):
    out, modules = ask("-sc", "query=bash", COMP_LINE=line)
    assert choices <= set(out.split())
    assert not modules & HEAVY


def test_completion_installs_for_the_program():
    out, _ = ask("-sc", "install=bash")
    assert "hydra_bash_completion" in out


def test_the_library_comes_without_frameworks():
    code = (
        "import sys, torch, smoothlab\n"
        "from smoothlab import SoftTarget, Smoother, soft_cross_entropy\n"
        "target = SoftTarget(base=torch.tensor([1]), epsilon=0.1)\n"
        "soft_cross_entropy(torch.zeros(1, 3), target)\n"
        "print({'hydra', 'omegaconf', 'pytorch_lightning', 'wandb', 'torchmetrics'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
