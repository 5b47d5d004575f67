"""null leaves a member of a group out: a callback, a logger, a penalty."""

from __future__ import annotations

import pytest

from smoothlab.config.compose import compose_config, plain

GROUPS = {
    "callbacks.early_stopping": ["callbacks=default"],
    "logger.csv": ["logger=csv"],
    "penalty.confidence": ["penalty=confidence"],
}


@pytest.mark.parametrize(("member", "choice"), GROUPS.items())
def test_null_is_what_a_deletion_is(member, choice):
    group, name = member.split(".")
    assert name in plain(compose_config("train", choice))[group]
    without = plain(compose_config("train", [*choice, f"{member}=null"]))
    assert without == plain(compose_config("train", [*choice, f"~{member}"]))
