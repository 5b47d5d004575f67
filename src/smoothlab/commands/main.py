"""`smoothlab <command> ...`: choose the command, turn every ending into its exit code."""

from __future__ import annotations

import atexit
import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from smoothlab.commands.help import HELP, WITHOUT_CONFIG, command_help, overview
from smoothlab.commands.hydra_questions import QUESTIONS, ask_hydra
from smoothlab.commands.manual import ELSEWHERE, PAGES
from smoothlab.errors import Terminated, UserMistake, disk_refusal, unusable_framework
from smoothlab.starters import TORCHRUN, found_ranks

DONE, FAILED, MISTAKE, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code: 0 done, 1 a run failed, 2 a mistake, 130 interrupted, 143 by SIGTERM."""
    code = _run(list(sys.argv[1:] if arguments is None else arguments))
    if arguments is None and code != DONE and found_ranks(os.environ) is not None:
        _leave(code)
    return code


def _leave(code: int) -> NoReturn:
    """End the process of a rank, as those do that smoothlab makes itself.

    The connections to the other ranks are broken and not closed. Where their threads ask for the interpreter while it
    ends, the C++ library aborts the process, and a starter reads SIGABRT for 143: the job is not put back.
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run(words: list[str]) -> int:
    try:
        return _dispatch(words)
    except UserMistake as mistake:
        print(f"smoothlab: {mistake}", file=sys.stderr)
        return MISTAKE
    except (ModuleNotFoundError, RuntimeError) as error:
        if (line := unusable_framework(error, f"smoothlab {words[0]}" if words else "smoothlab")) is None:
            raise
        print(f"smoothlab: {line}", file=sys.stderr)
        return MISTAKE
    except Terminated:
        return TERMINATED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `smoothlab --help | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as error:
        if not (refusal := disk_refusal(error)):
            raise
        print(f"smoothlab: {refusal}", file=sys.stderr)
        return FAILED


def refuse_ranks(name: str, words: Sequence[str]) -> None:
    """Refuse to do side by side, as each of several ranks, what one process does.

    Args:
        name: of the command.
        words: its own.

    Raises:
        UserMistake: this process is one of several ranks, and the command is not a single training.
    """
    place = found_ranks(os.environ)
    several = place is not None and place.ranks > 1
    many = bool({"-m", "--multirun"} & set(words))
    if place is None or not (several or (many and place.starter == TORCHRUN)) or (name == "train" and not many):
        return
    what = "-m" if many else name
    how = {"srun": "srun --ntasks=1", "mpirun": "mpirun -n 1"}.get(place.starter, "start it by itself")
    raise UserMistake(f"{what}: not as ranks, of which {place.starter} has started {place.ranks}; {how}")


def _dispatch(words: list[str]) -> int:
    if not words or words in ([word] for word in (*HELP, "help")):
        print(overview())
        return DONE
    if words[0] in ("--version", "-V"):
        import smoothlab

        print(f"smoothlab {smoothlab.__version__}")
        return DONE
    if words[0] in ("-sc", "--shell-completion"):
        from smoothlab.commands.completion import complete

        return complete(words, list(PAGES))
    name, *rest = words if words[0] not in (*HELP, "help") else (*words[1:], HELP[0])
    if name not in PAGES:
        near = ELSEWHERE.get(name) or next(iter(difflib.get_close_matches(name, PAGES, n=1)), None)
        hint = f"; nearest: {near}" if near else ""
        raise UserMistake(f"{name}: no such command{hint}; commands: {', '.join(PAGES)}")
    if set(HELP) & set(rest) or (name in WITHOUT_CONFIG and rest in ([], ["help"])):
        print(command_help(name, rest))
        return DONE
    refuse_ranks(name, rest)
    if name not in WITHOUT_CONFIG and QUESTIONS & {word.split("=")[0] for word in rest}:
        return ask_hydra(name, rest)
    return int(importlib.import_module(f"smoothlab.commands.{name}").run(rest))
