"""A prior that learns online: what the model itself predicts, on the average, for each class."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from smoothlab.classes.info import ClassInfo
from smoothlab.errors import InvalidArgument
from smoothlab.learner import Learner
from smoothlab.numbers import check_choice, check_number, check_share
from smoothlab.smoothing.priors.table import Table
from smoothlab.smoothing.ranges import check_matrix
from smoothlab.step import Step
from smoothlab.targets import PerClass

FEW = 1 << 14
PIECE = 1 << 17  # probabilities that are computed at once on a CPU: they stay in its cache


class Online(Learner):
    """Online label smoothing: the mass of label y goes where right predictions of y went in the epoch before.

        S[y] += p,  n[y] += 1    for each training sample whose largest probability is p_y
        M[c] = S[c] / n[c]       at the epoch's end

    A sample whose base is a distribution (votes, mixup) belongs to the base's mode c and counts ``base_c`` in both
    sums; labels outside [0, K) count nothing. The authors' loss ``a CE(label) + b CE(M[label])`` is a + b times the
    cross-entropy of a target with the strength ``b / (a + b)``: 0.5 for both of their scripts.

    Args:
        initial: the rows before a class was learned: ``"label"``, the label itself, so that the first epoch has no
            smoothing (the authors start with zeros, which is a CE(label) alone: less by the factor a / (a + b));
            ``"uniform"`` (their fine-grained script); or ``"smoothed"``, the label with ``initial_epsilon`` spread over
            the other classes.
        unseen: the row of a class without a right prediction in an epoch: ``"uniform"``, as the authors do, or
            ``"keep"`` the one it has.
        freeze_at: a learned row whose largest entry is at least this, in (0, 1], no longer changes (0.88 in their
            fine-grained script), but for ``unseen``; None: every row goes on learning.
        initial_epsilon: for ``"smoothed"``, in [0, 1).

    Raises:
        InvalidArgument: for arguments outside their range; for data with another number of classes than were learned.

    Source: Zhang, Jiang, Hou, Wei, Han, Li and Cheng, "Delving Deep into Label Smoothing", IEEE Transactions on Image
    Processing 2021.
    """

    def __init__(
        self,
        initial: Literal["label", "uniform", "smoothed"],
        unseen: Literal["uniform", "keep"],
        freeze_at: float | None = None,
        initial_epsilon: float | None = None,
    ) -> None:
        super().__init__()
        self.initial = check_choice("initial", initial, ("label", "uniform", "smoothed"))
        self.unseen = check_choice("unseen", unseen, ("uniform", "keep"))
        self.freeze_at = None if freeze_at is None else check_number("freeze_at", freeze_at, above=0, at_most=1)
        self.initial_epsilon = 0.0
        if initial_epsilon is not None or initial == "smoothed":
            self.initial_epsilon = check_share("initial_epsilon", initial_epsilon)
        self._table: tuple[Tensor, Table] | None = None

    def bind(self, info: ClassInfo) -> None:
        """Make the first matrix, for the data's number of classes."""
        self._start(len(info.class_names))

    def _start(self, classes: int) -> None:
        if not self.kept:
            check_matrix(classes)
            self.kept = {
                "matrix": self._initial(classes),
                "learned": torch.zeros(classes, dtype=torch.bool),  # rows that were made of predictions
            }
            self.seen = {  # a last row for the samples that do not count, so that none has to be taken out
                "sums": torch.zeros(classes + 1, classes, dtype=torch.float64),
                "count": torch.zeros(classes + 1, dtype=torch.float64),
            }
        if len(self.kept["matrix"]) != classes:
            raise InvalidArgument("classes", classes, f"{len(self.kept['matrix'])}, as were learned")

    def _initial(self, classes: int) -> Tensor:
        label = torch.eye(classes, dtype=torch.float64)
        if self.initial == "uniform":
            return torch.full_like(label, 1 / classes)
        if self.initial == "label" or classes == 1:
            return label
        return (1 - self.initial_epsilon) * label + self.initial_epsilon * (1 - label) / (classes - 1)

    def observe(self, step: Step) -> None:
        """Add the probabilities of the rightly predicted samples to the sums of their classes."""
        if step.logits is None:
            raise InvalidArgument("logits", None, "the model's output: the prior learns from it")
        logits = step.logits.reshape(-1, step.logits.shape[-1])
        classes = logits.shape[1]
        self._start(classes)
        wide = torch.float32 if logits.device.type == "mps" else torch.float64  # Metal has no float64
        self.seen = {name: total.to(logits.device, wide) for name, total in self.seen.items()}
        votes = step.labels.is_floating_point()
        if votes:
            mass, label = step.labels.reshape(-1, classes).max(1)
            label = label.where(mass > 0, classes)  # a row that is left out is filled with -100
            weight = mass.to(wide)
        else:
            label = step.labels.reshape(-1)
            weight = torch.ones(len(label), dtype=wide, device=logits.device)
        largest, predicted = logits.max(1)
        # the predicted class is one of the K, so that equality keeps labels outside [0, K) out too
        place = label.where((predicted == label) & largest.isfinite(), classes)
        rows = max(1, PIECE // classes if logits.is_cpu else len(logits))
        for where, how_much, z in zip(place.split(rows), weight.split(rows), logits.split(rows), strict=True):
            single = torch.promote_types(z.dtype, torch.float32)
            # of few logits torch's log_softmax takes half the time of its softmax
            p = torch.log_softmax(z, 1, single).exp_() if z.numel() <= FEW else torch.softmax(z, 1, single)
            p = p.to(wide)
            if votes:
                p *= how_much.unsqueeze(1)
            self.seen["sums"].index_add_(0, where, p)
        self.seen["count"].index_add_(0, place, weight)

    def learn_from_training(self) -> None:
        """The mean prediction of each class becomes its row."""
        if not self.kept:
            return
        old, learned = self.kept["matrix"], self.kept["learned"]
        sums, count = (self.seen[name][:-1].to(old) for name in ("sums", "count"))
        right = count > 0
        stays = ~right if self.unseen == "keep" else torch.zeros_like(right)
        if self.freeze_at is not None:
            stays = stays | right & learned & (old.amax(1) >= self.freeze_at)
        mean = torch.where(right, sums.T / count.where(right, 1.0), 1 / len(old)).T
        self.kept = {
            "matrix": torch.where(stays.unsqueeze(1), old, mean),
            "learned": torch.where(stays, learned, right),
        }

    def forward(self, step: Step) -> PerClass:
        """The matrix, whose row the label picks: as it was when the epoch began."""
        if not self.kept:
            classes = step.num_classes
            if classes is None:
                raise InvalidArgument("logits", None, "the model's output: the prior learns from it")
            self._start(classes)
        matrix = self.kept["matrix"]
        if self._table is None or self._table[0] is not matrix:  # learned, loaded or moved since
            self._table = (matrix, Table(matrix))
        return self._table[1].per_class(step)

    def record(self) -> dict[str, float]:
        """The share of the mass that goes back to the label, the mean over the classes."""
        return {"online_label_share": float(self.kept["matrix"].diagonal().mean())} if self.kept else {}

    def extra_repr(self) -> str:
        """Its arguments."""
        smoothed = f", initial_epsilon={self.initial_epsilon}" if self.initial == "smoothed" else ""
        return f"initial={self.initial}, unseen={self.unseen}, freeze_at={self.freeze_at}{smoothed}"
