"""Tab completion: Hydra's, for the command that the line names."""

from __future__ import annotations

import os


def complete(words: list[str], commands: list[str]) -> int:
    """Answer the shell's question in COMP_LINE, or print the script that makes the shell ask.

    Hydra would take the command's name for an override, so it is taken out of the line first.
    """
    from smoothlab.commands.main import ask_hydra

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
    rest = line.split(name, 1)[1] if program != name else line.split(name, 2)[2]
    os.environ["COMP_LINE"] = program + rest
    try:
        return ask_hydra(name, words)
    finally:
        os.environ["COMP_LINE"] = line
