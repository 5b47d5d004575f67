"""What Hydra answers itself about a command's config, without a run."""

from __future__ import annotations

import contextlib
import io
import sys
from itertools import pairwise

from smoothlab.errors import UserMistake, reason_of

# Options that Hydra answers itself, without a run, and those that may stand beside them. Its other ones stay shut:
# --experimental-rerun loads a pickle, --config-path reads any folder.
QUESTIONS = {"--hydra-help", "--cfg", "-c", "--info", "-i", "--shell-completion", "-sc"}
BESIDE = {"--resolve", "--package", "-p", "--multirun", "-m"}
WITH_WORD = {"--cfg", "-c", "--info", "-i", "--package", "-p"}  # the next word is theirs


def ask_hydra(name: str, words: list[str]) -> int:
    """Let Hydra answer ``--cfg``, ``--info`` and shell completion for the config of a command."""
    import hydra

    from smoothlab.config.compose import check_overrides, translate_config_dir

    words = translate_config_dir(words)
    for word in words:
        if word.startswith("-") and word.split("=")[0] not in QUESTIONS | BESIDE:
            raise UserMistake(f"{word}: no such option; options: {', '.join(sorted(QUESTIONS | BESIDE))}")
    overrides = [word for before, word in pairwise(["", *words]) if word[:1] != "-" and before not in WITH_WORD]
    if not {"-sc", "--shell-completion"} & {word.split("=")[0] for word in words}:
        check_overrides(name, overrides)
    before = sys.argv
    sys.argv = [f"smoothlab {name}", *words]
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            hydra.main(config_path="pkg://smoothlab.conf", config_name=name, version_base="1.3")(_never)()
        code: object = 0
    except SystemExit as ending:
        code = ending.code
    except UserMistake:
        raise
    except Exception as error:  # of Hydra's own, which knows no single line
        raise UserMistake(f"{' '.join(overrides) or name}: {reason_of(error)}") from None
    finally:
        sys.argv = before
    if code == 2:  # of argparse, below its usage
        raise UserMistake(complaint.getvalue().strip().splitlines()[-1].partition("error: ")[2])
    if code == 1 and complaint.getvalue().strip():  # Hydra's first line says what, the others how to debug it
        raise UserMistake(complaint.getvalue().strip().splitlines()[0])
    print(complaint.getvalue(), end="", file=sys.stderr)
    return code if isinstance(code, int) else 0


def _never(config: object) -> None:
    raise AssertionError("Hydra was only asked a question")
