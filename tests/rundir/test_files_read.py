"""What is known of the files that a config's data come from."""

from __future__ import annotations

import os

import pytest

from smoothlab.config.compose import compose_config, plain
from smoothlab.rundir.files_read import files_read
from smoothlab.sweeps.fingerprints import Fingerprints

TABLE = ["data=table", "data.path=rows.csv", "data.target=label"]


def config(*words: str) -> dict[str, object]:
    return plain(compose_config("train", ["logger=none", *words]))


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "rows.csv"
    file.write_text("x,label\n" + "".join(f"{number * 7 % 11},{number % 2}\n" for number in range(40)))
    return file


def test_a_file_has_another_state_when_its_content_its_time_or_its_place_changed(table):
    before = files_read(config(*TABLE))
    assert before == files_read(config(*TABLE))
    os.utime(table, ns=(1, 1))
    touched = files_read(config(*TABLE))
    copy = table.with_name("copy.csv")
    copy.write_bytes(table.read_bytes())
    os.utime(copy, ns=(1, 1))
    copy.replace(table)
    assert len({str(states) for states in (before, touched, files_read(config(*TABLE)))}) == 3


def test_files_below_a_folder_count(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    words = ["data=images", "net=convnet", "data.path=photos", "data.size=8"]
    before = files_read(config(*words))
    (tmp_path / "photos" / "cat" / "1.png").write_bytes(b"1")
    assert before is not None
    assert before != files_read(config(*words))


@pytest.mark.parametrize(
    "words",
    [
        ["data=table", "data.target=y", "data.source={_target_:mine.rows,_partial_:true}"],
        ["data=images", "net=convnet", "data.path=list.csv", "data.target=label", "data.size=8"],
        ["data=text", "net=pretrained", "data.path=rows.csv", "data.text=text", "data.target=label"],
        ["data=text", "data.path=rows.csv", "data.text=text", "data.target=label", "data.pretrained=some_package"],
        ["data=parallel", "data.train=a.csv"],
    ],
)
def test_where_more_may_be_read_nothing_is_known(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert files_read(config(*words)) is None


def test_a_later_command_reads_only_what_has_changed(table):
    known: dict[str, str] = {}
    seeds = [config(*TABLE, f"seed={seed}") for seed in range(3)]
    reads: list[int] = []

    def call(read, configs):
        reads.append(len(configs))
        return read(configs)

    Fingerprints(known, call).learn(seeds)
    Fingerprints(known, call).learn(seeds)
    assert reads == [1]
    table.write_text(table.read_text() + "3,1\n")
    Fingerprints(known, call).learn([*seeds, config(*TABLE, "data.deduplicate=true")])
    assert reads == [1, 2]
    assert len(known) == 3


def test_data_that_cannot_be_read_are_not_known_for_good(table):
    known: dict[str, str] = {}
    wrong = config(*TABLE[:2], "data.target=nothing")
    assert Fingerprints(known).identity(wrong) == Fingerprints(known).identity(wrong)
    assert known == {}
