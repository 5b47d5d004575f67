"""The text presets read the public sets as their configs say; skipped where there is no shared folder."""

import pytest

pytest.importorskip("tokenizers", reason="the extra [text] is not installed")

from smoothlab.config.build import build
from smoothlab.config.compose import compose_config, plain
from smoothlab.data.text import product_tags


@pytest.fixture(autouse=True)
def mirror(shared, monkeypatch, tmp_path):
    monkeypatch.setenv("SMOOTHLAB_DATA_MIRROR", str(shared / "data"))
    monkeypatch.setenv("SMOOTHLAB_DATA_CACHE", str(tmp_path))


def data_of(name, *words):
    """A preset's data, set up."""
    data = build(plain(compose_config("train", [f"data={name}", *words]))["data"], "data")
    data.setup()
    return data


def test_phrasebank_comes_with_the_agreement_of_each_sentence():
    data = data_of("phrasebank_text")
    assert data.class_names == ["negative", "neutral", "positive"]
    agreement = data.split("train").metadata["agreement"]
    assert sorted({round(float(share), 2) for share in agreement}) == [0.5, 0.66, 0.75, 1.0]


def test_titles_of_a_product_are_in_one_split_and_every_label_is_below_its_groups():
    data = data_of("pricerunner_tags", "data.vocab_size=300", "data.max_length=4")
    products = product_tags()["product"].to_numpy()
    products_of_splits = [set(products[data.split(split).rows.numpy()]) for split in ("train", "val", "test")]
    assert not (
        products_of_splits[0] & products_of_splits[1]
        | products_of_splits[0] & products_of_splits[2]
        | products_of_splits[1] & products_of_splits[2]
    )
    labels = data.split("train").labels
    assert labels.shape[1] == 35
    assert labels.any(0).all()
    place = {name: index for index, name in enumerate(data.class_names)}
    for child, parent in (("Fridges", "Cooling"), ("Cooling", "Kitchen"), ("White", "Colour"), ("Smart", "Feature")):
        assert (labels[:, place[child]] <= labels[:, place[parent]]).all()


def test_an_attribute_holds_for_every_title_of_a_product_whose_words_one_shop_says():
    frame = product_tags()
    tagged = frame["tags"].str.split(";").map(set)
    says = frame["title"].str.lower().str.contains(r"\b(?:freestanding)\b", regex=True)
    for product, rows in frame.groupby("product").groups.items():
        if product % 50:  # one in fifty
            continue
        assert {"Freestanding" in tags for tags in tagged[rows]} == {bool(says[rows].any())}
    share = says[tagged.map(lambda tags: "Freestanding" in tags)].mean()
    assert 0.2 < share < 0.6  # many titles lack the word
