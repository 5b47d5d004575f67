"""An exported model is data: no code in it runs, its metadata is looked at, and a changed file is named."""

import io
import json
import pickle
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
from payloads import CANARY, Payload

from smoothlab.errors import UserMistake
from smoothlab.export import load

pytest.importorskip("onnxscript", reason="the extra export is not installed")
pytest.importorskip("onnxruntime", reason="the extra export is not installed")


@pytest.fixture(scope="session")
def exported(trained, tmp_path_factory):
    """A model as ONNX and as a program of torch."""
    from smoothlab.export.exporting import export

    run, folder = next((trained / "runs").iterdir()), tmp_path_factory.mktemp("exported")
    for kind in ("onnx", "torch"):
        export(run, folder, kind)
    return folder


@pytest.fixture
def models(exported):
    shutil.copytree(exported, "models")
    return Path("models")


def mistake(path) -> str:
    with pytest.raises(UserMistake) as caught:
        load(path)
    assert not CANARY.exists(), "code ran"
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def rewritten(path: Path, edit) -> None:
    """An archive anew, with right sums, as somebody would write it who means harm."""
    archive = zipfile.ZipFile(io.BytesIO(path.read_bytes()))
    parts = {part: archive.read(part) for part in archive.namelist()}
    edit(parts)
    with zipfile.ZipFile(path, "w") as anew:
        for name, content in parts.items():
            anew.writestr(name, content)


def pickled(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("place", ["sample_inputs", "custom_obj", "opaque_obj", "weights", "use_pickle"])
def test_pickles_in_a_program_of_torch_are_not_run(models, place):
    path = models / "model.pt2"
    (models / "SHA256SUMS").unlink()

    def edit(parts):
        root = next(iter(parts)).split("/")[0]
        (inputs,) = [name for name in parts if "data/sample_inputs/" in name]
        if place == "sample_inputs":
            parts[inputs] = pickled((Payload(),))
        elif place == "use_pickle":
            name = next(name for name in parts if name.endswith("_config.json"))
            config = json.loads(parts[name])
            for entry in config["config"].values():
                entry["use_pickle"] = True
            parts[name] = json.dumps(config).encode()
            for weight in [part for part in parts if "data/weights/" in part and not part.endswith(".json")]:
                parts[weight] = pickled(Payload())
        else:
            folder = {"custom_obj": "data/constants/custom_obj_0", "opaque_obj": "data/constants/opaque_obj_0"}
            parts[f"{root}/{folder.get(place, 'data/weights/more.pt')}"] = pickle.dumps(Payload())

    rewritten(path, edit)
    assert "Python objects" in mistake(path)


ODD = [
    "null",
    "[]",
    "3",
    "{}",
    "{",
    '{"format": 1}',
    '{"format": 1, "class_names": 3}',
    '{"format": 1, "class_names": ["a"], "encoder": {"kind": "nothing"}}',
    '{"format": 1, "class_names": ["a"], "encoder": {"kind": "table"}}',
    '{"format": 1, "class_names": ["a"], "encoder": []}',
    "[" * 100_000,
]


@pytest.mark.parametrize("text", ODD, ids=lambda text: text[:40])
def test_odd_metadata_is_one_line(models, text):
    import onnx

    (models / "SHA256SUMS").unlink()
    model = onnx.load(models / "model.onnx")
    del model.metadata_props[:]
    model.metadata_props.add(key="smoothlab", value=text)
    onnx.save(model, models / "model.onnx")
    mistake(models / "model.onnx")
    rewritten(
        models / "model.pt2",
        lambda parts: parts.update({name: text.encode() for name in parts if name.endswith("smoothlab.json")}),
    )
    mistake(models / "model.pt2")


@pytest.mark.parametrize("ending", ["onnx", "pt2"])
def test_a_changed_model_is_named(models, ending):
    path = models / f"model.{ending}"
    load(path)
    whole = path.read_bytes()
    for place in range(100, len(whole), len(whole) // 12):
        flipped = bytearray(whole)
        flipped[place] ^= 16
        path.write_bytes(flipped)
        assert "not what was written" in mistake(path)
    path.write_bytes(whole[:-1])
    assert "not what was written" in mistake(path)


def test_a_changed_program_of_an_earlier_version_is_named_by_its_own_sums(models):
    path = models / "model.pt2"
    (models / "SHA256SUMS").unlink()
    archive = zipfile.ZipFile(path)
    (weight,) = [part for part in archive.infolist() if "data/weights/weight_0" in part.filename]
    content = bytearray(path.read_bytes())
    content[content.index(archive.read(weight), weight.header_offset)] ^= 16
    path.write_bytes(content)
    assert "its CRC-32 differs" in mistake(path)


def test_a_model_that_is_exported_again_and_one_that_is_moved_are_read(models, trained, cli):
    (run,) = (trained / "others").iterdir()
    assert cli("export", f"run={run}", "output=models", "format=torch")[0] == 0
    load(models / "model.pt2")
    load(models / "model.onnx")
    Path("elsewhere").mkdir()
    shutil.move(models / "model.onnx", "elsewhere/renamed.onnx")
    assert load("elsewhere/renamed.onnx").class_names == ["benign", "malignant"]


def test_an_export_that_is_cut_off_after_its_file_is_read(models, trained, cli, monkeypatch):
    (run,) = (trained / "others").iterdir()

    def cut_off(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("smoothlab.export.exporting.write_sums", cut_off)
    assert cli("export", f"run={run}", "output=models", "format=torch")[0] == 130
    assert "model.pt2" not in (models / "SHA256SUMS").read_text()
    load(models / "model.pt2")
