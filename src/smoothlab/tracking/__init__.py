"""Where a run's numbers and figures go: metrics.csv, W&B, MLflow, TensorBoard, files, the console."""

from smoothlab.tracking.csv import CSVLogger
from smoothlab.tracking.mlflow import MLflowLogger
from smoothlab.tracking.sink import save_figure
from smoothlab.tracking.tensorboard import TensorBoardLogger
from smoothlab.tracking.wandb import make_wandb_logger

__all__ = ["CSVLogger", "MLflowLogger", "TensorBoardLogger", "make_wandb_logger", "save_figure"]
