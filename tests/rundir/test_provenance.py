"""What a run says of the code: the commit, and on request what differs from it, without anybody's secrets."""

from __future__ import annotations

import subprocess

import pytest

from smoothlab.rundir import provenance
from smoothlab.rundir.provenance import code_diff, code_state


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with a commit; the working directory is a folder in it."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    folder = tmp_path / "repository"
    (folder / "inner").mkdir(parents=True)
    for name in ("net.py", ".env", "inner/.env.local", "inner/my_secrets.yaml", "inner/server.pem"):
        (folder / name).write_text("before\n")
    (folder / ".gitignore").write_text("ignored.py\n")
    (folder / "ignored.py").write_text("before\n")
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    for words in (("init", "-q"), ("add", "."), (*who, "commit", "-q", "-m", "first")):
        subprocess.run(["git", *words], cwd=folder, check=True)
    monkeypatch.chdir(folder / "inner")
    return folder


def test_a_clean_tree_has_a_commit_and_no_diff(repository):
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert code_state() == {"commit": commit, "changed": False}
    assert code_diff() is None


def test_the_diff_has_tracked_files_and_never_secrets(repository, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "a-key-of-mine")
    (repository / "net.py").write_text("after\nwandb.login('a-key-of-mine')\n")
    for name in (".env", "inner/.env.local", "inner/my_secrets.yaml", "inner/server.pem", "ignored.py", "untracked.py"):
        (repository / name).write_text("hidden\n")
    text = code_diff()
    assert text is not None
    assert "+after\n+wandb.login('***')\n" in text
    assert "hidden" not in text
    assert [line for line in text.splitlines() if line.startswith("diff")] == ["diff --git a/net.py b/net.py"]
    assert code_state()["changed"]


def test_a_large_diff_is_left_out(repository, monkeypatch):
    messages = []
    monkeypatch.setattr(provenance.log, "warning", lambda text, *values: messages.append(text % values))
    (repository / "net.py").write_text("x" * (provenance.MOST_DIFF + 1))
    assert code_diff() is None
    assert messages == ["code: the diff to the commit is larger than 1000000 characters and is not sent"]


def test_outside_a_repository_nothing_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    assert code_state() == {"commit": None, "changed": False}
    assert code_diff() is None
