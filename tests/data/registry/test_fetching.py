"""Files of public sets: mirror, cache, network, and never a wrong one."""

import os
import threading

import pytest

from smoothlab.data.registry import fetch, find_set
from smoothlab.data.registry.fetching import fetch_set, place_of
from smoothlab.errors import UserMistake

CONTENT = b"width,height,shape\n1,2,flat\n2,1,tall\n"


def cached(tmp_path):
    return tmp_path / "cache" / "retail" / "shapes" / "shapes.csv"


def put(folder, content=CONTENT):
    path = folder / "retail" / "shapes" / "shapes.csv"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def test_a_file_is_fetched_once_and_then_taken_from_the_cache(shapes, served, tmp_path):
    first = fetch_set(shapes)
    assert first.came_from == "network"
    assert first.paths == {"shapes.csv": cached(tmp_path)}
    assert first.paths["shapes.csv"].read_bytes() == CONTENT
    assert os.listdir(cached(tmp_path).parent) == ["shapes.csv"]
    (served / "shapes.csv").unlink()
    assert fetch_set(shapes).came_from == "cache"
    assert place_of(shapes) == "cache"


def test_the_mirror_is_looked_at_first_and_left_as_it_is(shapes, tmp_path, monkeypatch):
    mirrored = put(tmp_path / "mirror")
    put(tmp_path / "cache")
    monkeypatch.setenv("SMOOTHLAB_DATA_MIRROR", str(tmp_path / "mirror"))
    assert fetch_set(shapes).paths == {"shapes.csv": mirrored}
    assert fetch_set(shapes).came_from == place_of(shapes) == "mirror"


def test_a_wrong_file_from_the_network_is_kept_aside_and_never_used(shapes, served, tmp_path):
    (served / "shapes.csv").write_bytes(CONTENT + b"3,3,square\n")
    with pytest.raises(UserMistake, match=r"shapes\.csv has the sha256 \w{12}\.\.\., expected .*kept aside") as caught:
        fetch_set(shapes)
    assert "\n" not in str(caught.value)
    folder = cached(tmp_path).parent
    assert os.listdir(folder) == ["shapes.csv.wrong"]
    with pytest.raises(UserMistake):
        fetch_set(shapes)
    assert sorted(os.listdir(folder)) == ["shapes.csv.wrong", "shapes.csv.wrong_2"]


def test_a_wrong_file_in_the_cache_is_put_aside_with_one_line_and_fetched_again(shapes, tmp_path, capsys):
    put(tmp_path / "cache", CONTENT[:-5])
    assert fetch_set(shapes).came_from == "network"
    assert cached(tmp_path).read_bytes() == CONTENT
    assert cached(tmp_path).with_name("shapes.csv.wrong").read_bytes() == CONTENT[:-5]
    (line,) = capsys.readouterr().err.splitlines()
    assert "kept aside as shapes.csv.wrong" in line


def test_a_wrong_file_in_the_mirror_is_not_used(shapes, tmp_path, monkeypatch, capsys):
    mirrored = put(tmp_path / "mirror", CONTENT.replace(b"flat", b"thin"))  # of the same size
    monkeypatch.setenv("SMOOTHLAB_DATA_MIRROR", str(tmp_path / "mirror"))
    assert fetch_set(shapes).paths == {"shapes.csv": cached(tmp_path)}
    assert "not used" in capsys.readouterr().err
    assert mirrored.is_file()


def test_without_network_and_mirror_one_line_says_what_to_do(tmp_path):
    with pytest.raises(UserMistake) as caught:
        fetch("fetal_health")
    line = str(caught.value)
    assert "\n" not in line
    assert "smoothlab data fetch fetal_health" in line
    assert "SMOOTHLAB_DATA_MIRROR" in line
    assert "medical/fetal_health/fetal_health.csv" in line
    assert os.listdir(tmp_path / "cache" / "medical" / "fetal_health") == []


def test_an_address_without_the_file_says_its_status(shapes, served, tmp_path):
    (served / "shapes.csv").unlink()
    with pytest.raises(UserMistake, match="HTTP status 404"):
        fetch_set(shapes)


def test_two_that_fetch_at_once_both_have_the_whole_file(shapes, tmp_path):
    fetched, failed = [], []

    def work():
        try:
            fetched.append(fetch_set(shapes).paths["shapes.csv"].read_bytes())
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert fetched == [CONTENT] * 4
    assert os.listdir(cached(tmp_path).parent) == ["shapes.csv"]


def test_a_mirror_that_is_no_folder_is_a_mistake(shapes, monkeypatch):
    monkeypatch.setenv("SMOOTHLAB_DATA_MIRROR", "/no/such/folder")
    with pytest.raises(UserMistake, match="SMOOTHLAB_DATA_MIRROR = '/no/such/folder': no such folder"):
        fetch_set(shapes)


def test_a_cache_that_cannot_be_written_is_a_mistake(shapes, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SMOOTHLAB_DATA_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserMistake, match="cannot be written"):
        fetch_set(shapes)


def test_terms_that_are_not_open_are_said_once(shared, monkeypatch, capsys):
    monkeypatch.setattr("smoothlab.data.registry.fetching._TOLD", set())
    monkeypatch.setenv("SMOOTHLAB_DATA_MIRROR", str(shared / "data"))
    fetch("phrasebank")
    assert capsys.readouterr().err == "smoothlab: phrasebank: for non-commercial use only (CC BY-NC-SA 3.0)\n"
    fetch("phrasebank")
    fetch("fetal_health")
    assert capsys.readouterr().err == ""


def test_bundled_sets_need_nothing():
    assert fetch("wine_cultivars") == {}
    assert place_of(find_set("breast_cancer")) == "bundled"
