"""The image of docker/Dockerfile, built by buildah: it trains once while it is built, and once more as a container."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
BASE = "python:3.11-slim"
TORCH_INDEX = os.environ.get("SMOOTHLAB_TORCH_INDEX", "")  # of a CPU build, which is much smaller


def buildah(*words, seconds=3600):
    command = ["buildah", "--storage-driver", "vfs", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, cwd=CHECKOUT)


@pytest.fixture(scope="module")
def image():
    if shutil.which("buildah") is None:
        pytest.skip("the image needs the package buildah")
    pulled = buildah("pull", BASE, seconds=300)
    if pulled.returncode:
        pytest.skip(f"the base image {BASE} cannot be fetched: {pulled.stderr.strip().splitlines()[-1][:200]}")
    built = buildah(
        *("bud", "--isolation", "chroot", "-f", "docker/Dockerfile", "-t", "smoothlab-test"),
        *("--build-arg", f"TORCH_INDEX={TORCH_INDEX}", "."),
    )
    assert built.returncode == 0, built.stderr[-3000:]
    yield "smoothlab-test"
    buildah("rmi", "smoothlab-test")


def test_a_container_of_the_image_trains(image):
    container = buildah("from", image).stdout.strip()
    try:
        words = ["smoothlab", "train", "debug=fast", "progress=none", "output_root=/tmp/again"]
        answer = buildah("run", "--isolation", "chroot", container, "--", *words)
        assert answer.returncode == 0, answer.stderr[-3000:]
    finally:
        buildah("rm", container)
