"""Where a result comes from: versions, machine, git commit."""

from __future__ import annotations

import functools
import logging
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

PACKAGES = (
    "smoothlab",
    "torch",
    "pytorch-lightning",
    "torchmetrics",
    "hydra-core",
    "omegaconf",
    "numpy",
    "wandb",
)
MOST_DIFF = 1_000_000
# Names of files that a diff leaves out, tracked or not.
SECRETS = (".env*", "*.pem", "*.key", "*.p12", ".netrc", "_netrc", "*secret*", "*credential*", "*password*")
log = logging.getLogger("smoothlab")


def peak_memory() -> int:
    """The most memory in bytes that this process has held, imports included; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # no such module on Windows
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


COMMIT = "# branch.oid "  # before the commit in git's output


def provenance(code: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Versions of the packages that matter, the machine, and the commit of the working directory's repository.

    Args:
        code: the commit, by ``code_state``; None: it is asked for.
    """
    return {
        "versions": dict(_versions()),
        "machine": {
            "platform": platform.platform(),
            "device": torch.cuda.get_device_name() if torch.cuda.is_initialized() else "cpu",
            "threads": torch.get_num_threads(),
        },
        "git": dict(code or code_state()),
    }


@functools.cache  # they stay while the process is there
def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def code_state() -> dict[str, Any]:
    """The ``commit`` of the working directory's repository, and whether anything has ``changed`` since."""
    lines = (_git("status", "--porcelain=v2", "--branch") or "").splitlines()
    commits = [line.removeprefix(COMMIT) for line in lines if line.startswith(COMMIT)]
    commit = commits[0] if commits and commits[0] != "(initial)" else None
    return {"commit": commit, "changed": any(not line.startswith("#") for line in lines)}


def code_diff() -> str | None:
    """What tracked files of the working directory's repository have in addition to the commit.

    Files that are ignored or were never added are not in it, nor those whose names say that they hold secrets, such as
    ``.env``; the value of WANDB_API_KEY is struck out wherever it stands.

    Returns:
        The text; None where there is none, or more than ``MOST_DIFF`` characters, of which a line of the log tells.
    """
    left_out = [f":(top,exclude,glob,icase)**/{name}" for name in SECRETS]
    text = _git("diff", "HEAD", "--no-color", "--no-ext-diff", "--no-textconv", "--", ":(top)", *left_out)
    if not text:
        return None
    if len(text) > MOST_DIFF:
        log.warning("code: the diff to the commit is larger than %d characters and is not sent", MOST_DIFF)
        return None
    key = os.environ.get("WANDB_API_KEY")
    return (text.replace(key, "***") if key else text) + "\n"


def _git(*arguments: str) -> str | None:
    """Output of a git command; None where there is no git or no repository."""
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command
            ["git", *arguments],  # noqa: S607 - whichever git the user has
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
