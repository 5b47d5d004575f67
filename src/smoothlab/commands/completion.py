"""Tab completion: Hydra's, for the command that the line names."""

from __future__ import annotations

import os

from smoothlab.commands.hydra_questions import ask_hydra


def complete(words: list[str], commands: list[str]) -> int:
    """Answer the shell's question in COMP_LINE, or print the script that makes the shell ask.

    Hydra would take the command's name for an override, so it is taken out of the line first.
    """
    line = os.environ.get("COMP_LINE", "")
    if not any(word.startswith("query=") for word in words):
        return ask_hydra("train", words)
    parts = line.split()
    if len(parts) < 2 or (len(parts) == 2 and not line.endswith(" ")):
        print(" ".join(commands))
        return 0
    program, name = parts[0], parts[1]
    if name not in commands:
        return 0
    if name == "sweep":
        print(" ".join(("prune", "status")) if len(parts) == 2 else "")
        return 0
    if name == "report":
        from smoothlab.commands.report import OPTIONS

        print(" ".join(OPTIONS))
        return 0
    if name == "data":
        from smoothlab.commands.data import completions

        print(" ".join(completions(line)))
        return 0
    # The second word is cut out by its place: its text may also stand in the program's path.
    end = line.index(name, line.index(program) + len(program)) + len(name)
    os.environ["COMP_LINE"] = program + line[end:]
    try:
        return ask_hydra(name, words)
    finally:
        os.environ["COMP_LINE"] = line
