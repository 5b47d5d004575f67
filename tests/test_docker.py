"""The image cannot be built in a test: its instructions are read, and what they copy and run is tried in this tree."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch
import yaml

from smoothlab.commands import main

CHECKOUT = Path(__file__).resolve().parent.parent
DOCKER = CHECKOUT / "docker"
WRITTEN = ("Dockerfile", "Dockerfile.dockerignore", "compose.yaml", "requirements.py")


def instructions() -> list[tuple[str, str]]:
    """Each instruction of the Dockerfile and its words, lines joined, comments left out."""
    lines = (DOCKER / "Dockerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#")).replace("\\\n", " ")
    return [
        (word, " ".join(rest.split())) for word, _, rest in (line.partition(" ") for line in text.splitlines() if line)
    ]


def of(kind: str) -> list[str]:
    return [rest for word, rest in instructions() if word == kind]


def copied() -> list[tuple[list[str], str]]:
    """Sources and place of each COPY from the checkout."""
    words = [rest.split() for rest in of("COPY") if not rest.startswith("--from")]
    return [(word[:-1], word[-1]) for word in words]


def default(argument: str) -> str:
    (value,) = {rest.partition("=")[2].strip('"') for rest in of("ARG") if rest.partition("=")[0] == argument}
    return value


@pytest.fixture(scope="module")
def context(tmp_path_factory) -> Path:
    """The build's working directory, as its COPY instructions fill it."""
    folder = tmp_path_factory.mktemp("build")
    for sources, place in copied():
        for source in sources:
            path = CHECKOUT / source
            if path.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", ".env*")
                shutil.copytree(path, folder / place, ignore=ignored)
            else:
                shutil.copy(path, folder / place)
    return folder


def test_only_what_is_copied_is_in_the_context():
    lines = (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == {
        source for sources, _ in copied() for source in sources
    }
    assert "**/.env*" in rules[1:]


def test_requirements_are_those_of_the_project_and_all_of_them_are_locked(context):
    (run,) = [rest for rest in of("RUN") if "requirements.py" in rest]
    command = run.replace("${EXTRAS}", default("EXTRAS")).split(">")[0]
    words = shlex.split(command)
    assert words[0] == "python"
    done = subprocess.run([sys.executable, *words[1:]], cwd=context, capture_output=True, text=True, check=True)
    listed = done.stdout.splitlines()
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    assert set(project["dependencies"]) < set(listed)
    for extra in ("train", "tensorboard"):
        assert {line for line in project["optional-dependencies"][extra] if "smoothlab[" not in line} < set(listed)
    assert not [line for line in listed if line.startswith("smoothlab")]
    lock = (context / "requirements.lock").read_text().lower()
    for path in listed:
        name = re.match(r"[a-z0-9._-]+", path.lower()).group()
        assert re.search(rf"^{re.escape(name)}==", lock, re.MULTILINE), name
    wrong = subprocess.run(
        [sys.executable, "requirements.py", "sweps"], cwd=context, capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("sweps: no such extra; extras: train")


def test_every_installation_is_held_by_the_lock():
    for run in of("RUN"):
        for command in re.findall(r"pip install [^&]*", run):
            assert "-c requirements.lock" in command or "--no-deps" in command, command


def test_what_is_copied_is_enough_to_install(context, tmp_path):
    (install,) = [rest for rest in of("RUN") if "--no-deps" in rest]
    words = shlex.split(install)
    assert (words[0], words[-1]) == ("pip", ".")
    command = [sys.executable, "-m", *words[:-1], "-q", "--target", str(tmp_path / "site"), "."]
    subprocess.run(command, cwd=context, check=True)
    assert (tmp_path / "site" / "smoothlab" / "conf" / "train.yaml").is_file()


def test_the_run_that_proves_the_image_works_here(tmp_path, monkeypatch, capsys):
    (run,) = [rest for rest in of("RUN") if rest.startswith("smoothlab")]
    words, cleaning = (shlex.split(part) for part in run.split("&&"))
    (place,) = [word.partition("=")[2] for word in words if word.startswith("output_root=")]
    assert cleaning == ["rm", "-rf", place]
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    assert main([word.replace(place, str(tmp_path / "check")) for word in words[1:]]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["check"]
    assert "accuracy" in "".join(capsys.readouterr())


def test_the_image_starts_the_command_as_a_user_without_rights(capsys):
    every = instructions()
    last = max(index for index, (word, _) in enumerate(every) if word == "FROM")
    words = [word for word, _ in every[last:]]
    assert of("USER")[-1] == "smoothlab"
    assert "chown" not in " ".join(rest for _, rest in every[last + words.index("USER") :])
    (entry,), (arguments,) = (
        [yaml.safe_load(instruction) for instruction in of(kind)] for kind in ("ENTRYPOINT", "CMD")
    )
    scripts = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["scripts"]
    assert set(entry) <= set(scripts)
    assert main(arguments) == 0
    assert "smoothlab" in capsys.readouterr().out


def test_sources_are_copied_after_everything_that_changes_less_often():
    order = [(word, rest) for word, rest in instructions() if word in ("COPY", "RUN")]
    sources = next(index for index, (_, rest) in enumerate(order) if rest == "src src")
    locked = [index for index, (_, rest) in enumerate(order) if "-c requirements.lock" in rest]
    assert len(locked) == 3
    assert max(locked) < sources


def test_compose_names_what_there_is():
    compose = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    arguments = {rest.partition("=")[0] for rest in of("ARG")}
    made = " ".join(of("RUN"))
    for name, service in compose["services"].items():
        build = service["build"]
        assert (DOCKER / build["context"]).resolve() == CHECKOUT
        assert (CHECKOUT / build["dockerfile"]).is_file()
        assert set(build.get("args", {})) <= arguments, name
        targets = [volume.split(":")[1] for volume in service["volumes"]]
        assert targets == ["/workspace/data", "/workspace/outputs", "/wandb"]
        assert all(target in made for target in targets)
        assert service["init"]
        assert service["env_file"] == [{"path": "../.env", "required": False}]
    assert set(compose["volumes"]) == {"wandb"}


def test_keys_are_in_no_file_and_env_is_never_committed():
    example = (CHECKOUT / ".env.example").read_text()
    values = dict(line.split("=", 1) for line in example.splitlines() if line and not line.startswith("#"))
    assert values == {"WANDB_API_KEY": ""}
    assert not re.search(r"(KEY|TOKEN|SECRET|PASSWORD)", " ".join(of("ENV") + of("ARG")))
    if (CHECKOUT / ".git").exists():
        asked = ["git", "check-ignore", ".env", "docker/.env", ".env.example"]
        done = subprocess.run(asked, cwd=CHECKOUT, capture_output=True, text=True, check=False)
        assert done.stdout.split() == [".env", "docker/.env"]


def test_no_file_names_a_host():
    for name in WRITTEN:
        assert "://" not in (DOCKER / name).read_text(), name
