"""A base image for docker/Dockerfile out of Debian's own packages, where no registry of images is reached."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

PACKAGES = "python3,python3-venv,python-is-python3,ca-certificates"


def make_base(buildah: list[str], name: str, folder: Path) -> None:
    """Make the image ``name``: a minimal Debian with its python, and the settings that pip has on this machine.

    Args:
        buildah: the command, with its options.
        name: of the image.
        folder: where the files are put together; of some 300 MB.

    Raises:
        subprocess.CalledProcessError: Debian's packages cannot be fetched, or buildah failed.
    """
    suite = subprocess.run(["sh", "-c", ". /etc/os-release; echo $VERSION_CODENAME"], capture_output=True, text=True)
    words = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", suite.stdout.strip() or "stable", str(folder)]
    _run(words)
    container = _run([*buildah, "from", "scratch"])
    try:
        _run([*buildah, "add", "-q", container, str(folder), "/"])
        settings = [f"--env=PIP_{key.upper().replace('-', '_')}={value}" for key, value in pip_settings().items()]
        _run([*buildah, "config", *settings, container])
        _run([*buildah, "commit", "-q", container, name])
    finally:
        _run([*buildah, "rm", container])


def pip_settings() -> dict[str, str]:
    """What pip is told on this machine: where packages come from, certificates, times."""
    answer = _run([sys.executable, "-m", "pip", "config", "list"])
    settings = {}
    for line in answer.splitlines():
        key, _, value = line.partition("=")
        settings[key.rsplit(".", 1)[-1]] = " ".join(shlex.split(value))
    return settings


def pip_folders() -> list[str]:
    """The files and folders of this machine that these settings name; a build needs them at the same places."""
    words = [word.removeprefix("file://") for value in pip_settings().values() for word in value.split()]
    named = {path for word in words if word.startswith("/") and (path := Path(word)).exists()}
    above = {path.parent if path.name == "simple" else path for path in named}  # an index, beside its files
    return sorted(map(str, above))


def _run(words: list[str]) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
