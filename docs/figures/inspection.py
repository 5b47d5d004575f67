"""Draw the figure of docs/inspect.md: ``python docs/figures/inspection.py`` (seconds, no network).

Five wine grades in an order, as many rows each as the white-wine quality data have; the rows themselves do not matter
for what a strategy does.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from smoothlab.classes import ClassInfo
from smoothlab.data.batch import Batch
from smoothlab.inspection import Inspection, Probe
from smoothlab.reports.inspection import soft_target_map
from smoothlab.smoothing import Constant, Smoother, Sord

HERE = Path(__file__).resolve().parent
GRADES = {"4 or less": 183, "5": 1457, "6": 2198, "7": 880, "8 or more": 180}


def main() -> None:
    """Draw into docs/figures, or another folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=HERE)
    folder = parser.parse_args().folder
    names, counts = list(GRADES), list(GRADES.values())
    labels = torch.repeat_interleave(torch.arange(len(names)), torch.tensor(counts))
    smoother = Smoother(Constant(0.3), Sord(alpha=1.0))
    smoother.bind(ClassInfo(names, counts, len(labels)))
    rows = Batch(torch.zeros(len(labels), 1), labels, torch.arange(len(labels)))
    inspection = Inspection(smoother, Probe.of(rows, len(names)), names, counts)
    soft_target_map(inspection).savefig(folder / "inspect_ordinal.png")


if __name__ == "__main__":
    main()
