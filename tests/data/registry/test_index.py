"""The index says of every public set what it must contain, and names a reader that makes a table of it."""

import json
from urllib.parse import urlparse

import pytest

from smoothlab.data.registry import find_set, public_sets
from smoothlab.data.registry.readers import READERS
from smoothlab.errors import UserMistake


@pytest.mark.parametrize("public_set", public_sets().values(), ids=lambda public_set: public_set.name)
def test_every_set_is_described(public_set):
    assert public_set.domain in ("medical", "retail", "translation", "finance", "agriculture")
    assert public_set.terms in ("open", "non-commercial", "unclear")
    assert (public_set.warning is None) == (public_set.terms == "open")
    assert (
        min(map(len, (public_set.title, public_set.shape, public_set.licence, public_set.citation, public_set.notes)))
        > 2
    )
    assert public_set.reader is None or public_set.reader in READERS
    for file in public_set.files:
        assert urlparse(file.address).scheme == "https"
        assert len(file.sha256) == 64
        int(file.sha256, 16)
        assert any(len(part) == 40 for part in file.address.split("/")), "the commit is pinned"


def test_addresses_sizes_and_checksums_are_those_of_the_shared_index(shared):
    theirs = {}
    for entry in json.loads((shared / "data" / "index.json").read_text(encoding="utf-8"))["sets"]:
        for file in entry["files"]:
            if file["origin"].startswith("wheel"):
                continue  # comes with scikit-learn
            theirs[file["file"]] = (file["raw_url"], file["bytes"], file["sha256"])
    ours = {
        f"{public_set.folder}/{file.name}": (file.address, file.bytes, file.sha256)
        for public_set in public_sets().values()
        for file in public_set.files
    }
    assert ours == theirs


def test_a_set_is_found_by_its_name_or_its_folder_and_a_wrong_name_by_its_nearest():
    assert find_set("phrasebank") is find_set("financial_phrasebank")
    with pytest.raises(UserMistake, match="nearest: fetal_health"):
        find_set("fetal_helth")
