"""Trained runs that each test gets a copy of; a command that is refused in one line."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from payloads import CANARY, WORDS

from smoothlab.commands import main
from smoothlab.data import breast_cancer


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Two runs with a calibrator."""
    folder, before = tmp_path_factory.mktemp("trained"), Path.cwd()
    os.chdir(folder)
    try:
        assert main(["train", "name=runs", *WORDS]) == 0
        assert main(["train", "name=others", "seed=1", *WORDS]) == 0
    finally:
        os.chdir(before)
    return folder / "outputs"


@pytest.fixture
def run(trained):
    shutil.copytree(trained, "outputs")
    (run,) = Path("outputs/runs").iterdir()
    return run


@pytest.fixture
def rows():
    breast_cancer().drop(columns="diagnosis").head(5).to_csv("rows.csv", index=False)
    return Path("rows.csv")


@pytest.fixture
def harmless(cli):
    """Run a command that ends well, or in one line and exit code 2, and leaves no canary; returns the line."""

    def outcome(*words: str) -> str:
        code, _, err = cli(*words)
        assert not CANARY.exists(), "code ran"
        assert code in (0, 2), err
        assert code == 0 or len(err.strip().splitlines()) == 1, err
        return err if code else ""

    return outcome


@pytest.fixture
def refused(harmless):
    """Run a command that must end in one line and exit code 2; returns the line."""

    def outcome(*words: str) -> str:
        line = harmless(*words)
        assert line, "not refused"
        return line

    return outcome
