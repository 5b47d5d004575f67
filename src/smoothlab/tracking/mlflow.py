"""MLflow: a run of its own for each run, on the server that MLFLOW_TRACKING_URI names, or in a folder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import MLFlowLogger

from smoothlab.errors import InvalidArgument, UserMistake, reason_of

CHECKPOINTS = ("best", "last")
RUN_ID = "mlflow-run-id.txt"  # in the run directory: a resumed run goes on under it


class MLflowLogger(MLFlowLogger):
    """Lightning's MLflow logger, with what a run says at its end: final and best numbers, figures, tables.

    Args:
        run_dir: the run directory.
        config: the resolved config, shown as parameters.
        identity: the run's identity, shown as a tag.
        name: shown name.
        resume_step: the step that the run continues from; above 0, the MLflow run of this directory goes on.
        experiment: MLflow's experiment.
        tracking_uri: of the server, or ``file:<folder>``; None: MLFLOW_TRACKING_URI, or else the folder ``mlruns``
            beside the run directory.
        tags: of the run, by name.
        checkpoints: which of ``best`` and ``last`` are sent.
        samples: send tables and figures that show single samples, which may name a person.

    Raises:
        InvalidArgument: an unknown checkpoint.
        UserMistake: the server does not answer.
    """

    def __init__(
        self,
        run_dir: str | Path,
        *,
        config: dict[str, Any],
        identity: str,
        name: str,
        resume_step: int = 0,
        experiment: str = "smoothlab",
        tracking_uri: str | None = None,
        tags: dict[str, str] | None = None,
        checkpoints: Sequence[str] = (),
        samples: bool = False,
    ) -> None:
        check_mlflow(experiment=experiment, checkpoints=checkpoints)
        folder = Path(run_dir).resolve()
        file = folder / RUN_ID
        before = file.read_text(encoding="utf-8").strip() if resume_step and file.is_file() else None
        uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or f"file:{folder.parent / 'mlruns'}"
        super().__init__(
            experiment_name=experiment,
            run_name=name,
            tracking_uri=uri,
            tags={"smoothlab.identity": identity, **{key: str(value) for key, value in (tags or {}).items()}},
            run_id=before,
        )
        self.takes_samples = samples
        self._checkpoints = tuple(checkpoints or ())
        try:
            run_id = str(self.run_id)
            self.log_hyperparams(config)
        except Exception as error:  # of the server, of its client, of the network: in their own words
            raise UserMistake(f"logger.mlflow: {uri} does not take the run ({reason_of(error)})") from error
        file.write_text(run_id + "\n", encoding="utf-8")

    def log_image(self, key: str, images: Sequence[str]) -> None:
        """Send figures as files of ``figures/``."""
        for image in images:
            self.experiment.log_artifact(self.run_id, image, str(Path(key).parent))

    def log_table(self, key: str, columns: Sequence[str], data: Sequence[Sequence[Any]]) -> None:
        """Send a table as a file of ``tables/``."""
        content = {"columns": list(columns), "data": [list(row) for row in data]}
        self.experiment.log_dict(self.run_id, content, f"{key}.json")

    def log_summary(self, values: Mapping[str, float]) -> None:
        """Send final values as metrics."""
        self.log_metrics({name: float(value) for name, value in values.items()})

    def log_checkpoint(self, path: Path, alias: str, about: Mapping[str, Any]) -> None:
        """Send a checkpoint, if it was asked for."""
        if alias in self._checkpoints:
            self.experiment.log_artifact(self.run_id, str(path), "checkpoints")

    def finalize(self, status: str = "success") -> None:
        """Nothing yet: Lightning says so when the training is over, and the scores come after it."""

    def finish(self, *, failed: bool) -> None:
        """Close the run; a failed one is marked as such."""
        self.experiment.set_terminated(self.run_id, "FAILED" if failed else "FINISHED")


def check_mlflow(*, experiment: str = "smoothlab", checkpoints: Sequence[str] = (), **others: Any) -> None:
    """Find out before a run's directory is made what would keep its MLflow run from starting.

    Raises:
        InvalidArgument: an unknown checkpoint, or no name of an experiment.
        TypeError: an option that there is not.
    """
    known = {"tracking_uri", "tags", "samples"}
    if unknown := set(others) - known:
        raise TypeError(f"no argument {sorted(unknown)[0]!r}; it has {', '.join(sorted(known))}")
    if not isinstance(experiment, str) or not experiment.strip():
        raise InvalidArgument("experiment", experiment, "a text that is not empty")
    if isinstance(checkpoints, str) or not set(checkpoints or ()) <= set(CHECKPOINTS):
        raise InvalidArgument("checkpoints", checkpoints, f"a list of {', '.join(CHECKPOINTS)}; [] sends none")
