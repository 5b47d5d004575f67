"""An exported model says of raw rows what its run says, without the run."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from untrained_runs import write_run

from smoothlab.commands import main
from smoothlab.data import Encoding, TableEncoder, TextEncoder, encoder_from_state
from smoothlab.data.table.kinds import understand
from smoothlab.errors import RunFailed, UserMistake
from smoothlab.export import exporting, load
from smoothlab.export.exporting import export
from smoothlab.export.table import TableInputs
from smoothlab.models.loading import load as load_run

pytest.importorskip("onnxscript", reason="the extra export is not installed")
pytest.importorskip("onnxruntime", reason="the extra export is not installed")
onnx = pytest.importorskip("onnx", reason="the extra export is not installed")

LINEAR = {"_target_": "smoothlab.nets.Linear"}
RESNET = {"_target_": "smoothlab.nets.TabularResNet", "width": 8, "blocks": 1, "hidden_factor": 2.0, "embedding": 3}
PIECES = {"_target_": "smoothlab.nets.MLP", "hidden": [6], "numbers": "piecewise_linear", "bins": 7}
WAVES = {**RESNET, "numbers": "periodic"}
TABM = {"_target_": "smoothlab.nets.TabM", "width": 6, "blocks": 2, "members": 3, "numbers": "piecewise_linear"}
BAG = {"_target_": "smoothlab.nets.EmbeddingBag", "width": 6, "pooling": "root", "hidden": [5]}
TRANSFORMER = {"_target_": "smoothlab.nets.TextTransformer", "width": 8, "heads": 2, "hidden": 8}
CONVNET = {"_target_": "smoothlab.nets.ConvNet", "widths": [4, 6]}
NAMES = ["low", "middle", "high"]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def patients() -> pd.DataFrame:
    """Every kind of column, with missing values, and numbers that float32 does not hold."""
    draw = np.random.default_rng(0)
    size = 60
    table = pd.DataFrame(
        {
            "account": 1.7e9 + draw.integers(0, 50, size),
            "pressure": draw.normal(120, 15, size),
            "constant": 3.0,
            "smoker": draw.random(size) < 0.3,
            "colour": draw.choice(["red", "green", "blue"], size),
            "ward": draw.choice(["a", "b"], size).astype(object),
            "admitted": pd.Timestamp("2024-01-01") + pd.to_timedelta(draw.integers(0, 700, size), unit="D"),
            "note": draw.choice(["fever and cough", "a broken arm", "cough"], size),
        }
    )
    table["pressure"] = table["pressure"].mask(draw.random(size) < 0.2)
    table["ward"] = table["ward"].mask(draw.random(size) < 0.2)
    table["admitted"] = table["admitted"].mask(draw.random(size) < 0.2)
    return table


def table_encoder(frame: pd.DataFrame, categories: str, scaling: str = "standard") -> TableEncoder:
    kinds = {
        column.name: column.kind for column in understand(frame, {"note": "text"}).values() if column.name != "constant"
    }
    empty = [name for name in frame if frame[name].isna().any()]
    encoding = Encoding(categories=categories, scaling=scaling, rare=2)
    return TableEncoder.fit(frame, kinds, may_be_missing=empty, encoding=encoding)


@pytest.mark.parametrize(
    ("net", "categories", "scaling", "kind"),
    [
        (LINEAR, "one_hot", "standard", "onnx"),
        (LINEAR, "one_hot", "robust", "onnx"),
        (LINEAR, "one_hot", "quantile", "torch"),
        (RESNET, "codes", "quantile", "onnx"),
        (RESNET, "codes", "standard", "torch"),
        (PIECES, "one_hot", "robust", "onnx"),
        (PIECES, "codes", "standard", "torch"),
        (WAVES, "codes", "robust", "onnx"),
        (TABM, "codes", "quantile", "onnx"),
    ],
)
def test_raw_rows_of_a_table_give_what_the_run_gives(tmp_path, patients, net, categories, scaling, kind):
    run = write_run(tmp_path / "run", table_encoder(patients, categories, scaling), net, NAMES)
    written = export(run, tmp_path / "out", kind)
    strange = patients.iloc[::-1].assign(colour="purple", ward=None, more="columns are found by name")
    rows = pd.concat([patients, strange[strange.columns[::-1]]])
    expected = load_run(run).predict(rows)
    shutil.rmtree(run)  # the file is enough
    written.metadata.unlink()
    made = load(tmp_path / "out")
    pd.testing.assert_frame_equal(made.predict(rows), expected, atol=1e-5, rtol=0)
    row = made.predict(rows.iloc[[3]])
    assert row["prob_low"].to_numpy() == pytest.approx(expected["prob_low"].iloc[[3]].to_numpy(), abs=1e-5)
    with pytest.raises(UserMistake, match="column 'pressure' missing"):
        made.predict(rows.drop(columns="pressure"))


@pytest.mark.parametrize("categories", ["one_hot", "codes"])
def test_bounds_are_an_input_of_the_graph(categories):
    draw = np.random.default_rng(0)
    level = draw.uniform(0, 9, 90).round(1)
    words = ["<1 mg" if value < 1 else ">8 mg" if value > 8 else f"{value} mg" for value in level]
    frame = pd.DataFrame({"age": level, "level": words, "ward": ["a", "b", None] * 30, "dose": words[::-1]})
    frame.loc[::7, "dose"] = None
    writings = {name: column.writing for name, column in understand(frame).items()}
    kinds = {"ward": "categorical"}
    encoder = TableEncoder.fit(
        frame, kinds, may_be_missing=["dose"], writings=writings, encoding=Encoding(categories=categories, rare=2)
    )
    inputs = TableInputs(encoder)
    assert inputs.names == ("numbers", "bounds", "codes")
    for arrays, expected in ((inputs.read(frame), encoder.encode(frame)), inputs.trial(50, 0)):
        made = inputs.graph()(*(torch.from_numpy(arrays[name]) for name in inputs.names))
        assert torch.allclose(made, expected, atol=1e-6)
        assert set(arrays["bounds"].flat) == {-1.0, 0.0, 1.0}


def axes_of(path):
    graph = onnx.load(path).graph
    return {
        value.name: [side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }


@pytest.mark.parametrize(("net", "kind"), [(BAG, "onnx"), (TRANSFORMER, "onnx"), (TRANSFORMER, "torch")])
def test_raw_texts_of_any_length_give_what_the_run_gives(tmp_path, net, kind):
    texts = ["the price rises", "the price falls again and again", "nothing", "rises", "a [PAD] in a text is text"]
    frame = pd.DataFrame({"headline": texts * 4})
    encoder = TextEncoder.fit("headline", frame["headline"], vocab_size=300, max_length=9, min_frequency=1)
    run = write_run(tmp_path / "run", encoder, net, NAMES)
    export(run, tmp_path / "out", kind)
    rows = pd.DataFrame({"headline": [*texts, "words that training never saw " * 20]})
    made = load(tmp_path / "out")
    if kind == "onnx":
        assert axes_of(tmp_path / "out" / "model.onnx") == {
            "ids": ["rows", "tokens"],
            "logits": ["rows", len(NAMES)],
            "probabilities": ["rows", len(NAMES)],
        }
    for part in (rows, rows.iloc[[2]]):  # of one short text too
        pd.testing.assert_frame_equal(made.predict(part), load_run(run).predict(part), atol=1e-5, rtol=0)


def test_images_are_standardised_and_calibrated_in_the_graph(tmp_path):
    pytest.importorskip("PIL", reason="the extra images is not installed")
    from drawn_images import healthy_leaf, write_folders, yellow_leaf

    from smoothlab.calibration import Temperature
    from smoothlab.calibration.decision import Threshold

    write_folders(tmp_path / "leaves", {"healthy": healthy_leaf, "yellow": yellow_leaf}, 3)
    state = {"kind": "image", "size": [16, 16], "channels": 3, "fit": "stretch", "column": "path"}
    encoder = encoder_from_state(state | {"mean": [0.4, 0.5, 0.3], "deviation": [0.2, 0.2, 0.3]})
    generator = torch.Generator().manual_seed(0)
    logits, labels = 9 * torch.randn(80, 2, generator=generator), torch.arange(80) % 2
    calibrator = Temperature().fit(logits, labels)
    plain = write_run(tmp_path / "plain", encoder, CONVNET, ["healthy", "yellow"])
    decision = Threshold(["healthy", "yellow"], threshold=0.98).to_state()  # of the second class: seldom reached
    after = {"calibrator": calibrator.to_state(), "decision": decision}
    run = write_run(tmp_path / "run", encoder, CONVNET, ["healthy", "yellow"], **after)
    written = export(run, tmp_path / "leaf.onnx")
    rows = encoder.read(tmp_path / "leaves")
    prediction = load(written.path).predict(rows)
    pd.testing.assert_frame_equal(prediction, load_run(run).predict(rows), atol=1e-5, rtol=0)
    raw = load_run(plain).logits(rows)
    expected = torch.softmax(calibrator(raw).double(), 1).numpy()
    assert np.abs(prediction[["prob_healthy", "prob_yellow"]].to_numpy() - expected).max() < 1e-5
    assert np.abs(torch.softmax(raw, 1).numpy() - expected).max() > 0.01  # the calibrator does something
    assert json.loads(written.metadata.read_text())["calibrator"]["kind"] == "Temperature"


@pytest.mark.parametrize("kind", ["onnx", "torch"])
def test_smoothing_changes_the_weights_and_nothing_else_of_the_graph(tmp_path, patients, kind):
    import onnx

    encoder = table_encoder(patients, "codes")
    strengths = {"none": 0.0, "smoothed": 0.3}
    written = {}
    for seed, (name, epsilon) in enumerate(strengths.items()):
        smoothing = {"strength": {"epsilon": epsilon}}
        run = write_run(tmp_path / name, encoder, RESNET, NAMES, seed=seed, smoothing=smoothing)
        written[name] = export(run, tmp_path / f"of_{name}", kind)
    assert written["none"].graph == written["smoothed"].graph
    if kind == "torch":
        wider = write_run(tmp_path / "wider", encoder, {**RESNET, "width": 12}, NAMES)
        assert export(wider, tmp_path / "of_wider", kind).graph != written["none"].graph
    else:  # and as onnx itself reads them: the same but for the numbers in the weights
        nodes, weights = [], []
        for exported in written.values():
            graph = onnx.load(exported.path).graph
            nodes.append([node.SerializeToString() for node in graph.node])
            weights.append([tensor.raw_data for tensor in graph.initializer])
        assert nodes[0] == nodes[1]
        assert weights[0] != weights[1]


def test_several_labels_are_exported_as_probabilities_of_their_own(tmp_path, patients):
    run = write_run(tmp_path / "run", table_encoder(patients, "one_hot"), LINEAR, NAMES, kind="multilabel")
    export(run, tmp_path / "out", "torch")
    prediction = load(tmp_path / "out").predict(patients)
    pd.testing.assert_frame_equal(prediction, load_run(run).predict(patients), atol=1e-5, rtol=0)
    assert (prediction.filter(like="prob_").sum(axis=1) - 1).abs().max() > 0.01


def test_metadata_stand_beside_and_inside_and_name_no_place_of_the_machine(tmp_path, patients):
    run = write_run(tmp_path / "run", table_encoder(patients, "codes"), RESNET, NAMES)
    (run / "metrics.csv").write_text("epoch,step,smoothing/epsilon\n0,5,0.12\n")
    for kind in ("onnx", "torch"):
        written = export(run, tmp_path / kind, kind)
        beside = json.loads(written.metadata.read_text())
        inside = load(written.path).metadata
        assert beside == inside | {"check": beside["check"]}
        assert beside["class_names"] == NAMES
        assert beside["epsilon"] == 0.12
        assert beside["check"]["largest_difference"] <= 1e-5
        assert beside["columns"][:2] == ["account", "pressure"]
        content = written.path.read_bytes()
        if kind == "onnx":
            assert {sides[0] for sides in axes_of(written.path).values()} == {"rows"}
        if kind == "torch":
            with zipfile.ZipFile(written.path) as archive:
                content = b"".join(archive.read(name) for name in archive.namelist())
        assert b"site-packages" not in content
        assert str(Path(exporting.__file__).parent).encode() not in content


def test_a_graph_that_differs_from_the_checkpoint_is_refused_and_not_written(tmp_path, patients, monkeypatch, capsys):
    run = write_run(tmp_path / "run", table_encoder(patients, "one_hot"), LINEAR, NAMES)
    honest = exporting.WholeModel.forward

    def off(self, *inputs):
        logits, probabilities = honest(self, *inputs)
        return logits, probabilities + 2e-5

    monkeypatch.setattr(exporting.WholeModel, "forward", off)
    with pytest.raises(RunFailed, match="nothing is written"):
        export(run, tmp_path / "out")
    assert main(["export", f"run={run}", f"output={tmp_path / 'out'}", "format=torch"]) == 1
    assert not list((tmp_path / "out").iterdir())
    assert "2e-05 off those of the checkpoint" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["output=out", "format=tflite"], "format = 'tflite': expected onnx, torch or mlflow"),
        (["output=model.pt2"], "output = 'model.pt2': expected a folder, or a file ending in .onnx"),
        (["output=out", "checkpoint=last"], "checkpoint = 'last': "),
        (["output=null"], "output = None: expected text"),
        (["output=out", "run=nowhere"], "run = 'nowhere': no such directory"),
    ],
)
def test_mistakes_are_one_line_and_leave_no_folder(tmp_path, patients, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    run = write_run(tmp_path / "run", table_encoder(patients, "one_hot"), LINEAR, NAMES)
    assert main(["export", f"run={run}", *words]) == 2
    output = capsys.readouterr().err
    assert output.startswith(f"smoothlab: {message}")
    assert output.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_models_of_translation_are_refused_in_one_line(tmp_path, patients, monkeypatch):
    run = write_run(tmp_path / "run", table_encoder(patients, "one_hot"), LINEAR, NAMES, kind="translation")
    with pytest.raises(UserMistake, match="models of translation are not exported"):
        export(run, tmp_path / "out")


def test_a_program_that_would_be_unpickled_is_not_opened(tmp_path, patients):
    run = write_run(tmp_path / "run", table_encoder(patients, "one_hot"), LINEAR, NAMES)
    written = export(run, tmp_path / "out", "torch")
    for name, content in (("custom_obj_0", b"x"), ("weights.pt", b"x")):
        bad = tmp_path / f"{name}.pt2"
        with zipfile.ZipFile(written.path) as good, zipfile.ZipFile(bad, "w") as file:
            folder = good.namelist()[0].split("/")[0]
            for member in good.namelist():
                file.writestr(member, good.read(member))
            file.writestr(f"{folder}/data/constants/{name}", content)
        with pytest.raises(UserMistake, match="can run code when loaded"):
            load(bad)
    (tmp_path / "text.pt2").write_text("no archive")
    (tmp_path / "text.onnx").write_text("no graph")
    for name in ("text.pt2", "text.onnx"):
        with pytest.raises(UserMistake, match="not readable as"):
            load(tmp_path / name)
