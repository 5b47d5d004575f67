"""Tables of the public sets, against what is known of them."""

import json

import pandas as pd
import pytest

from smoothlab.data.registry import public_set, public_sets
from smoothlab.data.registry.readers.market_months import market_months
from smoothlab.errors import UserMistake

# columns that hold the classes, where the shared index counts them
TARGETS = {
    "pima": "diabetes",
    "dermatology": "class",
    "fetal_health": "fetal_health",
    "online_shoppers": "Revenue",
    "german_credit": "credit",
    "bank_marketing": "Class",
    "crop_recommendation": "label",
    "wheat_seeds": "variety",
    "dry_bean": "Class",
    "wine_quality": "quality",
    "breast_cancer": "diagnosis",
    "wine_cultivars": "cultivar",
}


@pytest.fixture(autouse=True)
def mirror(shared, monkeypatch):
    monkeypatch.setenv("SMOOTHLAB_DATA_MIRROR", str(shared / "data"))
    return shared / "data"


def baselines(mirror):
    frames = {}
    for entry in json.loads((mirror / "index.json").read_text(encoding="utf-8"))["sets"]:
        folder = entry["files"][0]["file"].rsplit("/", 1)[0]
        for about in entry["baselines"].values():
            if "classes" in about:
                frames[folder] = about
    return frames


@pytest.mark.parametrize("name", TARGETS)
def test_rows_columns_and_classes_are_those_that_the_shared_index_counts(name, mirror):
    about = baselines(mirror)[public_sets()[name].folder]
    frame = public_set(name)
    target = frame.pop(TARGETS[name])
    assert len(frame) == about["rows"]
    assert len(frame.columns) in (about["features"], about["features"] + 1)  # bank marketing with its leak
    assert sorted(target.value_counts()) == sorted(about["classes"].values())


def test_zeros_that_stand_for_missing_are_missing():
    pima = public_set("pima")
    assert pima[["glucose", "pressure", "skin", "insulin", "bmi"]].min().min() > 0
    assert pima["pregnancies"].min() == 0


def test_phrasebank_has_the_agreement_of_each_sentence():
    frame = public_set("phrasebank")
    assert frame["agreement"].value_counts().to_dict() == {1.0: 2263, 0.75: 1190, 0.66: 764, 0.5: 629}
    assert frame["sentiment"].value_counts().to_dict() == {"neutral": 2879, "positive": 1363, "negative": 604}
    assert not frame["sentence"].str.contains("@neutral|@positive|@negative").any()
    assert frame["sentence"].str.contains("ä").any()  # Latin-1, read as such


def test_product_titles_are_nested_in_products_and_categories():
    frame = public_set("pricerunner")
    assert len(frame) == 35311
    assert frame.groupby("product")["category"].nunique().max() == 1
    assert frame["path"].str.split(" > ").str[-1].tolist() == frame["category"].tolist()
    assert frame["path"].str.split(" > ").str[-1].tolist() == frame["category"].tolist()


def test_x_ray_codes_come_in_the_split_of_their_authors_with_their_tree():
    parts = public_set("imclef07a")
    assert {name: len(frame) for name, frame in parts.items()} == {"train": 10000, "test": 1006}
    nodes = parts["train"].attrs["hierarchy"]["class"]
    assert len(nodes) == 96
    assert set("@".join(parts["train"]["class"]).split("@")) <= set(nodes)


def test_sentence_pairs_have_three_parts():
    assert {name: frame.shape for name, frame in public_set("multi30k").items()} == {
        "train": (29000, 2),
        "val": (1014, 2),
        "test": (1000, 2),
    }


def test_images_are_no_table():
    with pytest.raises(UserMistake, match="data=fashion_mnist"):
        public_set("fashion_mnist")


def test_features_of_a_month_do_not_know_what_comes_after_it(mirror, tmp_path):
    raw = pd.read_csv(mirror / "finance" / "sp500_monthly" / "data.csv")
    whole = market_months({"data.csv": mirror / "finance" / "sp500_monthly" / "data.csv"})
    month = "1960-05-01"
    later = raw["Date"] > month
    raw.loc[later, raw.columns[1:]] *= 7.0
    raw.to_csv(tmp_path / "changed.csv", index=False)
    changed = market_months({"data.csv": tmp_path / "changed.csv"})
    known = whole["month"] <= month
    features = [name for name in whole.columns if name != "direction"]
    pd.testing.assert_frame_equal(whole.loc[known, features], changed.loc[changed["month"] <= month, features])
    reports = ["dividend_yield", "earnings_yield", "pe10"]  # of a report of six months ago
    assert whole.loc[known, reports].notna().any().all()


def test_direction_is_that_of_the_month_after_the_next(mirror):
    raw = pd.read_csv(mirror / "finance" / "sp500_monthly" / "data.csv").set_index("Date")["SP500"]
    table = public_set("sp500").set_index("month")
    place = raw.index.get_loc("1987-08-01")
    assert table.loc["1987-08-01", "direction"] == ("up" if raw.iloc[place + 2] > raw.iloc[place + 1] else "down")
    assert table.index[0] == "1872-01-01"  # twelve returns before
    assert table.index[-1] == raw.index[-3]


def test_product_tags_hold_every_tag_above_them():
    frame = public_set("product_tags")
    nodes = set(frame.attrs["hierarchy"]["tags"])
    assert len(nodes) == 48
    for frame_tags in frame["tags"].drop_duplicates():
        tags = set(frame_tags.split(";"))
        assert tags <= nodes
        assert {tag.rpartition("/")[0] for tag in tags} - {""} <= tags
    assert frame["tags"].str.split(";").str.len().between(3, 5).all()
