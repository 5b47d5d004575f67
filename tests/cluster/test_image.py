"""The image of docker/Dockerfile, built by buildah: it trains once while it is built, and once more as a container."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import debian
import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
BASE = "python:3.11-slim"
NAME = "smoothlab-test"
FETCHED, MADE = "fetched", "made of Debian's packages"
TORCH_INDEX = os.environ.get("SMOOTHLAB_TORCH_INDEX", "")  # of a CPU build, which is much smaller
BUILDAH = ["buildah", "--storage-driver", "vfs"]


def buildah(*words, seconds=3600):
    return subprocess.run([*BUILDAH, *words], capture_output=True, text=True, timeout=seconds, cwd=CHECKOUT)


def make_base(name):
    """The base image from where images are, else one of Debian's packages; skips where neither is to be had.

    Returns whether it was fetched or made.
    """
    pulled = buildah("pull", name, seconds=300)
    if pulled.returncode == 0:
        return FETCHED
    why = f"the base image {name} cannot be fetched ({pulled.stderr.strip().splitlines()[-1][:200]})"
    if shutil.which("debootstrap") is None:
        pytest.skip(f"{why}, and one of Debian's packages needs the package debootstrap")
    with tempfile.TemporaryDirectory() as folder:
        try:
            debian.make_base(BUILDAH, f"localhost/{name}", Path(folder))
        except subprocess.CalledProcessError as error:
            pytest.skip(f"{why}, nor made of Debian's packages ({(error.stderr or error.stdout).strip()[-200:]})")
    return MADE


@pytest.fixture(scope="module")
def image():
    if shutil.which("buildah") is None:
        pytest.skip("the image needs the package buildah")
    base = make_base(BASE)
    print(f"base image {BASE}: {base}")
    folders = [word for path in debian.pip_folders() for word in ("-v", f"{path}:{path}:ro")]
    built = buildah(
        *("bud", "--isolation", "chroot", "--pull-never", *folders, "-f", "docker/Dockerfile", "-t", NAME),
        *("--build-arg", f"TORCH_INDEX={TORCH_INDEX}", "."),
    )
    assert built.returncode == 0, (built.stdout + built.stderr)[-3000:]
    yield NAME
    buildah("rmi", NAME, *((f"localhost/{BASE}",) if base == MADE else ()))


def test_a_container_of_the_image_trains(image):
    container = buildah("from", "--pull-never", image).stdout.strip()
    try:
        words = ["smoothlab", "train", "debug=fast", "progress=none", "output_root=/tmp/again"]
        answer = buildah("run", "--isolation", "chroot", container, "--", *words)
        assert answer.returncode == 0, answer.stderr[-3000:]
        there = buildah(
            "run", "--isolation", "chroot", container, "--", "sh", "-c", "cat /tmp/again/*/*/status.json; id -un"
        )
        assert '"state": "done"' in there.stdout
        assert there.stdout.split()[-1] == "smoothlab"
    finally:
        buildah("rm", container)
