"""The wheel holds every YAML file of conf/ and runs by itself."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel built from a copy of the sources, with the tools of this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, folder)
    for name in ("src", "conf"):
        shutil.copytree(CHECKOUT / name, folder / name, ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "-q", "-w", "out"]
    subprocess.run(command, cwd=folder, check=True)
    (path,) = (folder / "out").glob("*.whl")
    return path


def test_the_wheel_holds_exactly_the_yaml_files_of_conf_and_the_index_of_public_sets(wheel):
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".yaml" in name]
    assert [name for name in names if not name.startswith("smoothlab/conf/")] == ["smoothlab/data/registry/index.yaml"]
    held = {name.removeprefix("smoothlab/conf/") for name in names if name.startswith("smoothlab/conf/")}
    assert held == {str(path.relative_to(CHECKOUT / "conf")) for path in (CHECKOUT / "conf").rglob("*.yaml")}


def test_the_wheel_holds_every_module(wheel):
    held = {name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".py")}
    source = CHECKOUT / "src"
    assert held - {"smoothlab/conf/__init__.py"} == {str(path.relative_to(source)) for path in source.rglob("*.py")}


def test_the_wheel_holds_what_the_report_is_made_of(wheel):
    held = {name.rsplit("/", 1)[1] for name in zipfile.ZipFile(wheel).namelist() if "/reports/page/templates/" in name}
    assert held == {path.name for path in (CHECKOUT / "src/smoothlab/reports/page/templates").iterdir()}


REGISTERED = """
import sys
from hydra.core.plugins import Plugins
from smoothlab.config.compose import PLUGINS, register_plugins
register_plugins()
heavy = {"torch", "pytorch_lightning", "optuna", "pandas"} & set(sys.modules)
assert not heavy, heavy
known = Plugins.instance().class_name_to_class
print(all(f"hydra_plugins.smoothlab_plugins.{module}.{name}" in known for module, name in PLUGINS.items()))
print(sys.modules["hydra_plugins.smoothlab_plugins"].__file__)
"""


def test_hydra_finds_the_plugins_of_this_install_without_heavy_imports(tmp_path):
    command = [sys.executable, "-c", REGISTERED]
    output = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert output.startswith("True\n")


def test_hydra_finds_the_plugins_of_the_wheel(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    command = [sys.executable, "-c", REGISTERED]
    environment = dict(os.environ) | {"PYTHONPATH": str(tmp_path / "site")}
    output = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout
    assert output.splitlines() == [
        "True",
        str(tmp_path / "site" / "hydra_plugins" / "smoothlab_plugins" / "__init__.py"),
    ]


def test_the_installed_wheel_trains_from_an_empty_folder(wheel, tmp_path):
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "-q", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True)
    environment = dict(os.environ) | {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    program = "import smoothlab, sys; print(smoothlab.__file__); from smoothlab.commands import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", program, "train", "logger=csv", "trainer.max_epochs=1"],
        cwd=empty,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(site))
    assert list(empty.glob("outputs/medical/*/results.json"))


def test_no_file_of_the_repository_is_ignored_by_accident():
    """An ignore rule such as ``wandb/`` would hide conf/logger/wandb.yaml's neighbours from git."""
    if not (CHECKOUT / ".git").exists():
        pytest.skip("not a git checkout")
    files = [str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / "conf").rglob("*.yaml")]
    files += [str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / "src" / "smoothlab").rglob("*.py")]
    ignored = subprocess.run(["git", "check-ignore", *files], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert ignored.stdout == ""
