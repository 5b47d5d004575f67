"""What a model said of its validation rows, and what may be promised of its predictions by that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from smoothlab.calibration.abstention import Abstention
from smoothlab.calibration.conformal import APS, RAPS, ConformalSets, Split
from smoothlab.errors import InvalidArgument, UserMistake
from smoothlab.rundir.directory import RunDirectory
from smoothlab.rundir.reading import MissingFile, read_parquet
from smoothlab.ties import ROUNDING

SETS = ("none", "split", "aps", "raps", "class")
SMALLEST = 5e-324  # whose logarithm is finite; a larger floor would make ties of what is above 0


@dataclass(frozen=True)
class Validated:
    """Predictions of validation rows and their labels.

    Args:
        probabilities: ``(N, K)``.
        predicted: class indices ``(N,)``.
        labels: class indices ``(N,)``.
    """

    probabilities: np.ndarray
    predicted: np.ndarray
    labels: np.ndarray

    @classmethod
    def of(cls, run: str | Path, class_names: Sequence[str]) -> Validated:
        """Those that a run, or an ensemble, has left.

        Raises:
            UserMistake: it has none.
        """
        path = RunDirectory(run).predictions / "val.parquet"
        try:
            table = read_parquet(path).to_pandas()
        except MissingFile as mistake:
            raise UserMistake(
                f"{mistake}; abstaining and sets are chosen by the run's validation predictions"
            ) from None
        columns = [f"prob_{name}" for name in class_names]
        lacking = [name for name in ("label", "prediction", *columns) if name not in table]
        if lacking:
            raise UserMistake(f"{path}: no column {lacking[0]!r}; abstaining and sets are for one label a sample")
        names = pd.Index(class_names)
        indices = [names.get_indexer(table[name].astype(str)) for name in ("prediction", "label")]
        return cls(table[columns].to_numpy(dtype=np.float64), *indices)


@dataclass
class Promises:
    """What stands beside each prediction: its confidence, whether to abstain, and a set of classes.

    Args:
        class_names: in the order of the probabilities.
        abstention: or None.
        sets: fitted, or None.
    """

    class_names: Sequence[str]
    abstention: Abstention | None = None
    sets: ConformalSets | None = None

    @classmethod
    def chosen(
        cls,
        run: str | Path,
        class_names: Sequence[str],
        *,
        abstain_at_risk: float | None,
        abstain_delta: float,
        conformal: str,
        alpha: float,
    ) -> Promises:
        """By the validation predictions of a run.

        Raises:
            UserMistake: there are none, an argument is outside its range, or no threshold keeps the risk.
        """
        if conformal not in SETS:
            raise UserMistake(f"conformal = {conformal!r}: expected one of {', '.join(SETS)}")
        if abstain_at_risk is None and conformal == "none":
            return cls(class_names)
        try:
            seen, abstention, sets = Validated.of(run, class_names), None, None
            if abstain_at_risk is not None:
                confidence = seen.probabilities[np.arange(len(seen.predicted)), seen.predicted]
                right = seen.predicted == seen.labels
                abstention = Abstention.fit(confidence, right, abstain_at_risk, abstain_delta)
                if abstention is None:
                    raise UserMistake(
                        f"abstain_at_risk = {abstain_at_risk}: no threshold keeps it with probability "
                        f"{1 - abstain_delta:g} by {len(right)} validation rows, {int((~right).sum())} of them wrong; "
                        "allow more, or validate on more rows"
                    )
            if conformal != "none":
                kinds = {"split": Split, "aps": APS, "raps": RAPS, "class": Split}
                sets = kinds[conformal](alpha, class_conditional=conformal == "class")
                sets.fit(_logits(seen.probabilities), torch.from_numpy(seen.labels.copy()))
        except InvalidArgument as error:
            named = {"risk": "abstain_at_risk", "delta": "abstain_delta"}.get(error.name, error.name)
            raise UserMistake(f"{named} = {error.value!r}: expected {error.expected}") from None
        return cls(class_names, abstention, sets)

    def beside(self, table: pd.DataFrame) -> pd.DataFrame:
        """A table of predictions with ``confidence``, and ``abstain``, ``set_size`` and ``set`` where they are chosen.

        The confidence is the probability of the predicted class. ``set`` holds the names of its classes as a JSON list,
        the most probable first.
        """
        if "prediction" not in table:  # several labels a sample
            return table
        probabilities = table[[f"prob_{name}" for name in self.class_names]].to_numpy(dtype=np.float64)
        places = pd.Index(self.class_names).get_indexer(table["prediction"])
        confidence = probabilities[np.arange(len(table)), places]
        made = table.assign(confidence=confidence)
        if self.abstention is not None:
            made["abstain"] = confidence < self.abstention.threshold - ROUNDING
        if self.sets is not None:
            inside = self.sets.sets(_logits(probabilities)).numpy()
            made["set_size"] = inside.sum(1)
            made["set"] = _named(inside, probabilities, self.class_names)
        return made

    def sentences(self) -> list[str]:
        """What is promised, a line each."""
        lines = []
        if (rule := self.abstention) is not None:
            lines.append(
                f"abstain: where the confidence is below {rule.threshold:.4f}; of {rule.rows} validation rows "
                f"{rule.coverage:.1%} are kept, {rule.error:.1%} of them wrong; on rows like these at most "
                f"{rule.risk:.1%}, with probability {1 - rule.delta:.0%}"
            )
        if self.sets is not None:
            per = "of each class" if self.sets.class_conditional else "of all rows like those of validation"
            lines.append(f"sets: hold the label for at least {1 - self.sets.alpha:.1%} {per}, on average")
        return lines


def _logits(probabilities: np.ndarray) -> Tensor:
    return torch.from_numpy(np.log(np.maximum(probabilities, SMALLEST)))


def _named(inside: np.ndarray, probabilities: np.ndarray, names: Sequence[str]) -> list[str]:
    import json

    order = np.argsort(-probabilities, axis=1, kind="stable")
    return [
        json.dumps([names[place] for place in places if row[place]], ensure_ascii=False)
        for places, row in zip(order, inside, strict=True)
    ]
