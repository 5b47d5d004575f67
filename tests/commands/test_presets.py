"""Every experiment runs from the command line to a finished run, and folders of experiments work like experiments."""

import json
from pathlib import Path

import pytest
import yaml
from drawn_images import LEAVES, LESIONS, write_folders
from omegaconf import OmegaConf

from smoothlab.config.compose import compose_config

CONF = Path(__file__).resolve().parents[2] / "conf"
EXPERIMENTS = sorted(str(path.relative_to(CONF / "experiment"))[:-5] for path in CONF.glob("experiment/**/*.yaml"))
DOMAINS = ("medical", "retail", "finance", "agriculture", "translation")


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch, request):
    """Public sets come from the shared folder, where there is one; nothing reaches a network; no figures, for speed."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("SMOOTHLAB_DATA_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SMOOTHLAB_DATA_MIRROR", raising=False)
    monkeypatch.setattr("smoothlab.scoring.outcome.save_figure", lambda *_: None)


@pytest.fixture
def mirror(shared, monkeypatch):
    monkeypatch.setenv("SMOOTHLAB_DATA_MIRROR", str(shared / "data"))


def own_words(name, folder):
    """What presets for your own data need beside them, and what makes a large one small."""
    if name == "retail/fashion_mnist":
        return ["net.widths=[4,8]"]
    if name in ("retail/product_tags", "retail/product_titles"):
        return ["data.text_features=64"]
    if name == "translation":
        return ["data.rows=600", "data.val_rows=20", "data.test_rows=20", "task.beam_size=1"]
    if name == "translation/multi30k":
        return ["net.width=16", "net.hidden=16", "data.vocab_size=400", "data.max_length=20", "task.beam_size=1"]
    if name not in ("medical/images", "agriculture/leaves"):
        return []
    write_folders(folder / "drawn", LESIONS if name == "medical/images" else LEAVES, 12)
    return ["data.path=drawn", "data.size=16"]


def finished(name):
    (path,) = Path("outputs", name).glob("*/results.json")
    assert json.loads((path.parent / "status.json").read_text())["state"] == "done"
    return path.parent


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_runs_to_its_end(name, cli, mirror, tmp_path):
    code, _, err = cli("train", f"experiment={name}", "debug=quick", *own_words(name, tmp_path))
    assert code == 0, err
    results = json.loads((finished(name) / "results.json").read_text())
    assert results["name"] == name
    assert results["metrics"]["test"]["nll"] > 0


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_default_of_a_domain_needs_no_network(domain, cli, tmp_path):
    code, _, err = cli("train", f"experiment={domain}", "debug=quick", *own_words(domain, tmp_path))
    assert code == 0, err
    finished(domain)


def test_a_set_that_is_not_here_ends_in_one_line_and_no_directory(cli):
    code, _, err = cli("train", "experiment=agriculture/dry_bean", "debug=quick")
    assert code == 2
    (line,) = err.splitlines()
    assert "smoothlab data fetch dry_bean" in line
    assert not Path("outputs").exists()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_says_how_to_run_it_and_why_its_smoothing_fits(name):
    text = (CONF / "experiment" / f"{name}.yaml").read_text()
    package, command, reason, *_ = text.splitlines()
    assert package == "# @package _global_"
    assert command.endswith(f"smoothlab train experiment={name}")
    assert reason.startswith("# ")
    assert len(reason) > 40
    assert isinstance(yaml.safe_load(text), dict)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_another_smoothing_beside_an_experiment_is_the_whole_smoothing(name):
    """What an experiment says of the smoothing's own keys would be merged into any other smoothing."""
    chosen = "multilabel" if "multilabel" in (CONF / "experiment" / f"{name}.yaml").read_text() else "none"
    words = [f"smoothing={chosen}"]
    alone, beside = (compose_config("train", [*words, f"experiment={option}"]) for option in ("medical", name))
    assert OmegaConf.to_container(beside.smoothing) == OmegaConf.to_container(alone.smoothing)


def test_an_unfinished_run_of_an_experiment_in_a_folder_is_resumed(cli):
    words = ("train", "experiment=agriculture/wine_cultivars", "debug=quick")
    assert cli(*words)[0] == 0
    run = finished("agriculture/wine_cultivars")
    status = json.loads((run / "status.json").read_text())
    (run / "status.json").write_text(json.dumps(status | {"state": "interrupted"}))
    code, _, err = cli(*words, "resume=auto")
    assert code == 0, err
    assert "resumed at step" in err
    assert finished("agriculture/wine_cultivars") == run


def test_experiments_in_folders_are_swept(cli):
    code, _, err = cli("train", "-m", "experiment=medical/breast_cancer,agriculture/wine_cultivars", "debug=quick")
    assert code == 0, err
    names = {
        json.loads(path.read_text())["name"]
        for path in Path("outputs/sweeps/medical/breast_cancer").glob("*/*/results.json")
    }
    assert names == {"medical/breast_cancer", "agriculture/wine_cultivars"}


def test_a_misspelt_experiment_in_a_folder_is_met_with_its_nearest(cli):
    code, _, err = cli("train", "experiment=finance/german_kredit")
    assert code == 2
    assert "nearest: finance/german_credit" in err


def test_a_wrong_key_beside_an_experiment_in_a_folder_is_what_is_named(cli):
    code, _, err = cli("train", "experiment=agriculture/wine_cultivars", "optimizer.lrr=1")
    assert code == 2
    assert "optimizer.lrr: no such key; nearest: optimizer.lr" in err
