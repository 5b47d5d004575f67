"""A checkpoint holds tensors and plain values: what else it holds is neither run nor believed."""

import io
import json
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from payloads import CANARY, WORDS, Payload

from smoothlab.models.checkpoint import KEY, read_checkpoint


def commands(run, rows):
    return {
        "evaluate": ("evaluate", f"run={run}"),
        "predict": ("predict", f"run={run}", f"input={rows}", "output=out.csv"),
        "export": ("export", f"run={run}", "output=exported", "format=torch"),
        "inspect": ("inspect", f"run={run}"),
        "ensemble": ("ensemble", f"runs=[{run},{next(Path('outputs/others').iterdir())}]", "output=both"),
    }


def change(file, edit):
    content = read_checkpoint(file)
    edit(content)
    torch.save(content, file)


@pytest.mark.parametrize("where", ["beside", "state_dict", "encoder", "calibrator", "config", "the whole file"])
def test_a_pickle_is_not_run(run, rows, refused, where):
    file = run / "checkpoints" / "best.ckpt"
    content = read_checkpoint(file)
    if where == "the whole file":
        file.write_bytes(pickle.dumps(Payload()))
    else:
        places = {"beside": content, "state_dict": content["state_dict"]}
        places.get(where, content[KEY].get(where, content))["payload"] = Payload()
        torch.save(content, file)
    for words in commands(run, rows).values():
        assert "best.ckpt: " in refused(*words)


def test_nor_in_the_checkpoint_that_a_run_goes_on_from(run, cli):
    status = json.loads((run / "status.json").read_text())
    (run / "status.json").write_text(json.dumps(status | {"state": "interrupted"}))
    change(run / "checkpoints" / "last.ckpt", lambda content: content.update(payload=Payload()))
    code, _, err = cli("train", f"resume={run}", "name=runs", *WORDS)
    assert code in (1, 2)
    assert not CANARY.exists()
    assert "holds Python objects" in err
    assert "Traceback" not in err


def test_nor_in_a_member_of_an_ensemble_or_a_teacher(run, rows, cli, refused):
    other = next(Path("outputs/others").iterdir())
    assert cli("ensemble", f"runs=[{run},{other}]", "output=both")[0] == 0
    change(other / "checkpoints" / "best.ckpt", lambda content: content.update(payload=Payload()))
    assert "holds Python objects" in refused("predict", "run=both", f"input={rows}", "output=out.csv")
    teacher = ("smoothing=teacher", f"smoothing.prior.net.path={other}", "logger=none", "progress=none")
    assert "holds Python objects" in refused("train", *teacher)


def test_a_config_in_a_checkpoint_names_no_other_code(run, rows, harmless, refused):
    for target in ("os.system", "builtins.eval", "subprocess.Popen", "smoothlab.tracking.CSVLogger", "pickle.loads"):
        change(
            run / "checkpoints" / "best.ckpt",
            lambda content, target=target: content[KEY]["config"]["net"].update(_target_=target),
        )
        for name, words in commands(run, rows).items():
            (harmless if name == "inspect" else refused)(*words)


ODD = {
    "kind unknown": lambda ours: ours.update(kind="nothing"),
    "kind a list": lambda ours: ours.update(kind=[]),
    "encoder unknown": lambda ours: ours["encoder"].update(kind="nothing"),
    "encoder empty": lambda ours: ours.update(encoder={"kind": "table"}),
    "encoder a list": lambda ours: ours.update(encoder=[1]),
    "columns of the encoder": lambda ours: ours["encoder"].update(columns=3),
    "class names of other types": lambda ours: ours.update(class_names=[1, None]),
    "no class names": lambda ours: ours.update(class_names=[]),
    "a class more": lambda ours: ours["class_names"].append("more"),
    "no config": lambda ours: ours.pop("config"),
    "net a text": lambda ours: ours["config"].update(net="mlp"),
    "net without a target": lambda ours: ours["config"].update(net={}),
    "net of a giant": lambda ours: ours["config"]["net"].update(hidden=[2**40]),
    "net of other widths": lambda ours: ours["config"]["net"].update(hidden="a"),
    "calibrator unknown": lambda ours: ours["calibrator"].update(kind="nothing"),
    "calibrator a text": lambda ours: ours.update(calibrator="x"),
    "calibrator empty": lambda ours: ours.update(calibrator={}),
    "decision unknown": lambda ours: ours.update(decision={"kind": "nothing"}),
    "format": lambda ours: ours.update(format=None),
}


@pytest.mark.parametrize("edit", ODD.values(), ids=ODD)
def test_odd_content_is_one_line(run, rows, harmless, refused, edit):
    change(run / "checkpoints" / "best.ckpt", lambda content: edit(content[KEY]))
    for name, words in commands(run, rows).items():
        (refused if name == "predict" else harmless)(*words)  # not every command needs every part


@pytest.mark.parametrize("value", [None, "x", 3, [], {"net.x": 1}, {1: torch.ones(2)}], ids=repr)
def test_odd_weights_are_one_line(run, rows, refused, value):
    change(run / "checkpoints" / "best.ckpt", lambda content: content.update(state_dict=value))
    for name in ("evaluate", "predict", "export", "ensemble"):
        refused(*commands(run, rows)[name])


def test_a_checkpoint_that_unpacks_to_more_than_the_memory_is_refused(run, rows, refused, monkeypatch):
    file = run / "checkpoints" / "best.ckpt"
    whole = zipfile.ZipFile(io.BytesIO(file.read_bytes()))
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for part in whole.infolist():
            packed.writestr(part.filename, whole.read(part))
        packed.writestr("archive/data/more", b"\0" * 50_000_000)
    monkeypatch.setattr("smoothlab.unpacking.memory", lambda: 4 * 10_000_000)
    for words in commands(run, rows).values():
        assert "unpacks to more than" in refused(*words)
