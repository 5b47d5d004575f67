"""Where a run's numbers and figures go: metrics.csv, Weights & Biases, files, the console."""

from smoothlab.tracking.csv import CSVLogger
from smoothlab.tracking.sink import save_figure
from smoothlab.tracking.wandb import make_wandb_logger

__all__ = ["CSVLogger", "make_wandb_logger", "save_figure"]
