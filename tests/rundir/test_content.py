"""A file that is read back is what was written, or it is named; of an old run nothing is written down."""

import hashlib
import random
import subprocess

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from smoothlab.rundir.content import SUMS, MissingFile, UnreadableFile, content_of, forget_sums, write_sums
from smoothlab.rundir.directory import RunDirectory
from smoothlab.rundir.reading import read_csv, read_json, read_parquet, read_yaml


@pytest.fixture
def run(tmp_path):
    run = RunDirectory(tmp_path / "run")
    run.predictions.mkdir(parents=True)
    run.results.write_text('{"metrics": {"test": {"nll": 0.25}}}')
    run.config.write_text("seed: 1\n")
    run.metrics.write_text("epoch,step\n0,10\n")
    pd.DataFrame({"row": [0, 1], "prob_a": [0.25, 0.75]}).to_parquet(run.predictions / "test.parquet")
    run.write_sums()
    return run


def readers(run):
    return {
        run.results: read_json,
        run.config: read_yaml,
        run.metrics: read_csv,
        run.predictions / "test.parquet": read_parquet,
    }


def test_what_was_written_is_read_and_each_flipped_bit_is_found(run):
    draw = random.Random(0)
    for path, read in readers(run).items():
        read(path)
        whole = path.read_bytes()
        for _ in range(20):
            flipped = bytearray(whole)
            flipped[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
            path.write_bytes(flipped)
            with pytest.raises(UnreadableFile, match="not what was written") as caught:
                read(path)
            assert len(str(caught.value).splitlines()) == 1
        path.write_bytes(whole)


def test_whoever_looks_for_differences_reads_the_changed_file(run):
    run.results.write_text('{"metrics": {"test": {"nll": 9.0}}}')
    with pytest.raises(UnreadableFile, match="not what was written"):
        run.read_results()
    assert run.read_results(verified=False)["metrics"]["test"]["nll"] == 9.0


def test_a_run_of_an_earlier_version_is_read_as_it_is(run):
    run.sums.unlink()
    run.config.write_text("seed: 2\n")
    assert read_yaml(run.config) == {"seed": 2}
    assert content_of(run.metrics) == run.metrics.read_bytes()


def test_the_list_is_that_of_sha256sum(run):
    lines = run.sums.read_text().splitlines()
    assert [line.split("  ")[1] for line in lines] == [
        "config.yaml",
        "metrics.csv",
        "predictions/test.parquet",
        "results.json",
    ]
    assert lines[0].split("  ")[0] == hashlib.sha256(run.config.read_bytes()).hexdigest()
    run.config.write_text("seed: 2\n")
    checked = subprocess.run(["sha256sum", "-c", SUMS], cwd=run.path, capture_output=True, text=True, check=False)
    assert "config.yaml: FAILED" in checked.stdout
    assert checked.stdout.count(": OK") == 3


@pytest.mark.parametrize("text", [b"\xff", b"abc", b"0" * 64 + b"\n", b"G" * 64 + b"  config.yaml\n", b"\0\0"])
def test_a_damaged_list_is_named(run, text):
    run.sums.write_bytes(text)
    with pytest.raises(UnreadableFile, match=f"{SUMS}: damaged"):
        read_yaml(run.config)


def test_lines_of_other_files_stay_and_one_is_forgotten(tmp_path):
    for name in ("a.onnx", "b.onnx"):
        (tmp_path / name).write_text(name)
        write_sums(tmp_path, [tmp_path / name])
    forget_sums(tmp_path, [tmp_path / "a.onnx"])
    (tmp_path / "a.onnx").write_text("anew")
    assert content_of(tmp_path / "a.onnx") == b"anew"
    (tmp_path / "b.onnx").write_text("anew")
    with pytest.raises(UnreadableFile, match="not what was written"):
        content_of(tmp_path / "b.onnx")


def equal_values(path, rows):
    """A table that packs to almost nothing."""
    table = pa.table({"row": pa.array(np.zeros(rows, np.int64)), "prob_a": pa.array(np.ones(rows))})
    pq.write_table(table, path, compression="zstd")


def test_a_table_that_unpacks_to_far_more_than_a_run_writes_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("smoothlab.rundir.reading.MOST_CELLS", 10_000)
    equal_values(tmp_path / "test.parquet", 5_000)
    assert read_parquet(tmp_path / "test.parquet").num_rows == 5_000
    equal_values(tmp_path / "test.parquet", 2_000_000)
    with pytest.raises(UnreadableFile, match="4,000,000 cells in"):
        read_parquet(tmp_path / "test.parquet")


@pytest.mark.parametrize("read", [read_parquet, read_csv])
def test_damaged_tables_of_an_old_run_are_one_line(tmp_path, read):
    equal_values(tmp_path / "whole", 50)
    whole, draw = (tmp_path / "whole").read_bytes(), random.Random(0)
    path = tmp_path / "table"
    with pytest.raises(MissingFile):
        read(path)
    changed = [b"", b"PAR1", b"\0" * 99, whole[:-50], whole[: len(whole) // 2] + whole[-200:], b'"a', b"a\n1,2,3\n"]
    for _ in range(200):
        flipped = bytearray(whole)
        flipped[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        changed.append(bytes(flipped))
    messages = []
    for content in changed:
        path.write_bytes(content)
        try:
            read(path)
        except UnreadableFile as error:
            messages.append(str(error))
    assert len(messages) > 3
    assert all(len(line.splitlines()) == 1 for line in messages)
