"""What `smoothlab --help` prints."""

from __future__ import annotations

from collections.abc import Mapping


def overview(commands: Mapping[str, str]) -> str:
    """Commands, config groups with their options, and where to read on."""
    from smoothlab.config.compose import all_groups

    options = all_groups()
    wide = max(map(len, [*options, *commands]))
    return "\n".join(
        [
            "smoothlab: train classifiers whose confidence can be trusted",
            "",
            "usage: smoothlab <command> [group=option ...] [key=value ...]",
            "",
            "commands",
            *(f"  {name:<{wide}}  {what}" for name, what in commands.items()),
            "",
            "config groups of train",
            *(f"  {group:<{wide}}  {', '.join(names)}" for group, names in options.items()),
            "",
            "first steps",
            "  smoothlab train                                    the default experiment",
            "  smoothlab train smoothing=none seed=1              another smoothing, another seed",
            "  smoothlab train -m smoothing=none,standard seed=0,1,2   a sweep",
            "  smoothlab data describe my.csv target=label        what is understood of your own file",
            "  smoothlab train data=table data.path=my.csv data.target=label",
            "  smoothlab inspect smoothing=ordinal                what a strategy does, without training",
            "  smoothlab train --help                             every key with its value",
            "  smoothlab train --cfg job                          the composed config",
            '  eval "$(smoothlab -sc install=bash)"               tab completion',
            "",
            "exit codes: 0 done, 1 a run failed, 2 a mistake in the command, 130 interrupted",
        ]
    )
