"""Machines and a SLURM for the tests of this folder, which `make cluster-test` runs and `make test` does not."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import machines
import postgres
import pytest
import slurm


@pytest.fixture(scope="module")
def cables():
    """Two machines, joined by a cable."""
    if (reason := machines.missing()) is not None:
        pytest.skip(reason)
    with machines.Machines() as made:
        yield made


@pytest.fixture(scope="module")
def cluster(cables):
    """A SLURM of two nodes."""
    if (reason := slurm.missing()) is not None:
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # a short path, for its socket
    with slurm.Slurm(cables, folder) as made:
        yield made
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def database():
    """A PostgreSQL with an empty database."""
    if (reason := postgres.missing()) is not None:
        pytest.skip(reason)
    with postgres.Postgres() as made:
        yield made
