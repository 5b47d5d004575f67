"""What the runs were told and made with: the settings that differ, those that all share, the environment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from smoothlab.reports.arm_names import tells
from smoothlab.reports.page.material import Material
from smoothlab.reports.page.section import PAGE, Block, Heading, Listing, Paragraph, Section
from smoothlab.reports.page.tables import Column, Table, rows_of, text_cell

if TYPE_CHECKING:
    from smoothlab.reports.records import RunRecord

LONGEST = 300  # characters of a setting
ABSENT = "–"
OWN = "smoothlab."  # classes of which the last word says enough


def settings(material: Material) -> Section:
    """The tables of the settings and of the environment."""
    records = material.finished
    every = dict.fromkeys(key for record in records for key in record.flat)
    keys = [key for key in every if tells(key)]
    values = {key: {_plain(record.flat.get(key)) for record in records} for key in keys}
    differing = [key for key in keys if len(values[key]) > 1]
    shared = [[text_cell(key), text_cell(*values[key])] for key in keys if len(values[key]) == 1]
    blocks: list[Block] = [Paragraph((("The runs differ in seed and fold alone.", ""),))]
    if differing:
        blocks = [Listing(_differing(material, differing), sortable=False)]
    if shared:
        columns = (Column("setting"), Column("value"))
        table = Table("shared", "Settings that all runs share.", columns, rows_of(shared))
        folded = f"{len(shared)} settings that all runs share"
        blocks.append(Listing(table, sortable=False, folded=folded, only=PAGE))
    blocks += [Heading("Environment"), Listing(_environment(records), sortable=False)]
    return Section("settings", "Settings", "Settings", tuple(blocks))


def _differing(material: Material, keys: Sequence[str]) -> Table:
    """The settings in which the arms differ, the longer way down."""
    by_arm = material.by_arm
    cells = {
        (key, arm): text_cell(" / ".join(sorted({_plain(record.flat.get(key)) for record in records})))
        for key in keys
        for arm, records in by_arm.items()
    }
    if len(by_arm) > len(keys):
        columns = (Column("arm"), *(Column(key) for key in keys))
        rows = [[text_cell(arm), *(cells[key, arm] for key in keys)] for arm in by_arm]
    else:
        columns = (Column("setting"), *(Column(arm) for arm in by_arm))
        rows = [[text_cell(key), *(cells[key, arm] for arm in by_arm)] for key in keys]
    return Table("settings", "Settings in which the arms differ.", columns, rows_of(rows))


def _plain(value: Any) -> str:
    if value is None:
        return ABSENT
    text = " ".join(str(value).split())
    if text.startswith(OWN):
        text = text.rsplit(".", 1)[-1]
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _environment(records: Sequence[RunRecord]) -> Table:
    """Versions, machine and commit; where the runs differ, how many have which."""
    counts: dict[str, Counter[str]] = {}
    for record in records:
        git = _mapping(record.results.get("git"))
        commit = f"{git['commit']}{', with changes' if git.get('changed') else ''}" if git.get("commit") else ""
        versions, machine = _mapping(record.results.get("versions")), _mapping(record.results.get("machine"))
        for key, value in {**versions, **machine, "commit": commit or "not in git"}.items():
            counts.setdefault(str(key), Counter())[_plain(value)] += 1
    rows = []
    for key, values in counts.items():
        several = len(values) > 1
        text = "; ".join(f"{value} ({count} runs)" if several else value for value, count in values.most_common())
        rows.append([text_cell(key), text_cell(text)])
    columns = (Column("what"), Column("value"))
    return Table("environment", "What the runs were made with.", columns, rows_of(rows))


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
