"""A prior of the model's own predictions of the epoch before, one row a training sample."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from smoothlab.classes.info import ClassInfo
from smoothlab.errors import InvalidArgument
from smoothlab.learner import Learner, sum_over_ranks
from smoothlab.numbers import check_whole
from smoothlab.smoothing.priors.row_file import RowFile
from smoothlab.step import Step
from smoothlab.targets import PerSample

BLOCK = 1 << 22  # numbers that are summed over ranks at once


class SelfDistilled(Learner):
    """Self-distillation (PS-KD): the mass of sample i goes where the model put it when it last saw i.

        q_i = (1 - epsilon) label_i + epsilon p_i,    p_i the prediction in the epoch before

    A sample that the model has not seen yet has its label in place of p_i; one that it did not see in the epoch before
    keeps the last prediction there is. Samples are known by their row numbers, so that mixed samples (mixup, cutmix)
    are refused. The authors let epsilon rise with the epoch e of E, ``epsilon_T (e + 1) / E``, which is ``Linear(0,
    epsilon_T)`` at the end of the epoch.

    Two (N, K) matrices, one read and one written, are in memory, and in each checkpoint, where they take no more than
    ``memory_limit``; else they are two files that change places at each epoch's end. A checkpoint then holds the files'
    mark. A training that went on for more than an epoch after its checkpoint cannot be resumed from that: the older of
    the files has been written over, which is found and refused. Files hold float32.

    Args:
        memory_limit: bytes that both matrices may take in memory, >= 0.
        folder: where the files are, or None: in the run's directory, where there is a run, and else in a temporary one.

    Raises:
        InvalidArgument: for arguments outside their range; in a step without rows, with a row number that is not below
            ``ClassInfo.num_rows``, or where that is not known; in the first step of a resumed training whose files are
            not those of the checkpoint.

    Source: Kim, Ji, Yoon and Hwang, "Self-Knowledge Distillation with Progressive Refinement of Targets", ICCV 2021.
    """

    def __init__(self, memory_limit: int, folder: str | None = None) -> None:
        super().__init__()
        self.memory_limit = check_whole("memory_limit", memory_limit, 0)
        self.folder = None if folder is None else Path(folder)
        self._shape = (0, 0)
        self._epoch = 0  # how often the matrices have changed places
        self._pair: tuple[Tensor, Tensor] | None = None  # past, present
        self._files: tuple[RowFile, RowFile] | None = None  # where they are files
        self._waiting: tuple[Tensor, Tensor, torch.cuda.Event] | None = None  # rows on their way from the device
        self._mine: Tensor | None = None  # rows that this rank has seen, while the ranks' are summed

    # Before the training ----------------------------------------------------------------------------------------------

    def bind(self, info: ClassInfo) -> None:
        """Take the numbers of rows and classes."""
        self._start((info.num_rows, len(info.class_names)))

    def keep_in(self, folder: Path) -> None:
        """Put the files, where there are some, into this folder; one that was given stays."""
        self.folder = self.folder or folder

    def _start(self, shape: tuple[int, int]) -> None:
        if self._shape[0] and shape != self._shape:
            raise InvalidArgument("rows and classes", shape, f"{self._shape}, as were learned")
        if shape[0] and not self._shape[0]:
            self._shape = shape
            self.kept = {"known": torch.zeros(shape[0], dtype=torch.bool)}  # rows that have a past
            self.seen = {"count": torch.zeros(shape[0], dtype=torch.int32)}  # ranks that saw the row in this epoch

    @property
    def mapped(self) -> bool:
        """Whether the matrices are files."""
        return 2 * 4 * self._shape[0] * self._shape[1] > self.memory_limit

    # In a training step -----------------------------------------------------------------------------------------------

    def observe(self, step: Step) -> None:
        """Write down the batch's predictions."""
        if step.logits is None:
            raise InvalidArgument("logits", None, "the model's output: the prior learns from it")
        rows = self._rows(step)
        logits = step.logits.reshape(len(rows), -1)
        if logits.shape[1] != self._shape[1]:
            raise InvalidArgument("classes", logits.shape[1], f"{self._shape[1]}, those of the data")
        p = torch.softmax(logits, 1, dtype=torch.promote_types(logits.dtype, torch.float32))
        present = self._matrices(p)[1]
        if self._files is not None and self._files[1].mark != -self._epoch - 1:
            self._files[1].mark = -self._epoch - 1  # no longer what an older checkpoint may know
        self._settle()
        self._write(present, rows, p)
        count = self.seen["count"]
        count.index_fill_(0, rows.to(count.device, non_blocking=True), 1)

    def forward(self, step: Step) -> PerSample:
        """The rows of the epoch before, ``(..., K)``."""
        rows, labels, votes = self._rows(step), step.labels, step.labels.is_floating_point()
        dtype, device = torch.float32, labels.device
        if step.logits is not None:
            dtype = torch.promote_types(dtype, step.logits.dtype)
        classes = self._shape[1]
        if self._epoch == 0:
            past, fresh = torch.zeros(len(rows), classes, dtype=dtype, device=device), labels.new_ones(len(rows))
        else:
            matrix = self._matrices(torch.empty(0, dtype=dtype, device=device))[0]
            known = self.kept["known"]
            past = matrix.index_select(0, rows.to(matrix.device, non_blocking=True)).to(
                device, dtype, non_blocking=True
            )
            fresh = ~known.index_select(0, rows.to(known.device, non_blocking=True)).to(device, non_blocking=True)
        share = fresh.to(dtype).unsqueeze(1)
        if votes:
            past.addcmul_(labels.reshape(-1, classes).to(dtype), share)
        else:
            past.scatter_add_(1, labels.reshape(-1, 1).clamp(0, classes - 1), share)
        return PerSample(past.reshape(*(labels.shape[:-1] if votes else labels.shape), classes))

    def _rows(self, step: Step) -> Tensor:
        """The batch's row numbers ``(N,)``; looked at where that costs no wait for a device."""
        if step.rows is None:
            expected = "the samples' row numbers in the training data; mixed samples (mixup, cutmix) have none"
            raise InvalidArgument("rows", None, expected)
        if not self._shape[0]:
            raise InvalidArgument("num_rows", 0, "Smoother.bind(ClassInfo(..., num_rows=...)), the rows of the data")
        rows = step.rows.reshape(-1)
        if rows.is_cpu and len(rows):
            least, most = (int(number) for number in rows.aminmax())
            if least < 0 or most >= self._shape[0]:
                wrong = least if least < 0 else most
                raise InvalidArgument("rows", wrong, f"row numbers from 0 to {self._shape[0] - 1}, as the data have")
        return rows

    def _write(self, present: Tensor, rows: Tensor, p: Tensor) -> None:
        if p.is_cuda and present.is_cpu:  # the step goes on while the probabilities travel
            arrived = torch.empty(p.shape, dtype=p.dtype, pin_memory=True)
            arrived.copy_(p, non_blocking=True)
            event = torch.cuda.Event()
            event.record()
            self._waiting = (rows.cpu(), arrived, event)
        else:
            present.index_copy_(0, rows.to(present.device, non_blocking=True), p.to(present))

    def _settle(self) -> None:
        """Write what has arrived from the device since the last step."""
        if self._waiting is not None and self._pair is not None:
            rows, p, event = self._waiting
            event.synchronize()
            self._pair[1].index_copy_(0, rows, p.to(self._pair[1]))
            self._waiting = None

    # The matrices -----------------------------------------------------------------------------------------------------

    def _matrices(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Past and present; made, opened or moved when they are first asked for."""
        if self._pair is None and self.mapped:
            self._open()
        elif self._pair is None:
            zeros = torch.zeros(self._shape, dtype=like.dtype, device=like.device)
            self._pair = (zeros, torch.zeros_like(zeros))
        elif not self.mapped and self._pair[0].device != like.device:
            self._pair = (self._pair[0].to(like.device), self._pair[1].to(like.device))
        assert self._pair is not None
        return self._pair

    def _open(self) -> None:
        if self.folder is None:
            self.folder = Path(tempfile.mkdtemp(prefix="smoothlab-"))
            weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        group = torch.distributed
        rank = group.get_rank() if group.is_available() and group.is_initialized() else 0
        paths = [self.folder / f"self_distilled_rank{rank}_{side}.float32" for side in (0, 1)]
        running = bool(self.seen["count"].any())
        past = RowFile(paths[self._epoch % 2], self._shape, new=self._epoch == 0)
        present = RowFile(paths[1 - self._epoch % 2], self._shape, new=self._epoch == 0 and not running)
        if (self._epoch and past.mark != self._epoch) or (running and present.mark != -self._epoch - 1):
            expected = f"that of the checkpoint, {self._epoch}; the training went on and has written over it"
            raise InvalidArgument(f"mark of {past.path}", past.mark, expected)
        self._files, self._pair = (past, present), (past.rows, present.rows)

    # At the epoch's end -----------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Give each rank the rows that any rank has seen."""
        if self.seen:
            self._mine = self.seen["count"] > 0
            super().sync()
            self._unite()

    def end_epoch(self) -> None:
        """Learn from the epoch's training steps, and forget them."""
        if self.seen:
            self._mine = self.seen["count"] > 0
            super().end_epoch()

    def learn_from_training(self) -> None:
        """The predictions of this epoch, by whichever rank, become the past."""
        past, present = self._unite()
        self.kept["known"] = self.kept["known"] | (self.seen["count"] > 0)
        self._pair = (present, past)
        self._epoch += 1
        if self._files is not None:
            self._files = (self._files[1], self._files[0])
            self._files[0].mark = self._epoch

    def _unite(self) -> tuple[Tensor, Tensor]:
        """Sum the present over the ranks, a block at a time, and fill it up from the past; both of them."""
        count, mine = self.seen["count"], self._mine
        assert mine is not None
        past, present = self._matrices(torch.empty(0, device=count.device))
        self._settle()
        group = torch.distributed
        several = group.is_available() and group.is_initialized() and group.get_world_size() > 1
        for total, own, before, now in zip(
            *(tensor.split(max(1, BLOCK // self._shape[1])) for tensor in (count, mine, past, present)), strict=True
        ):
            if several:
                block = torch.where(own.unsqueeze(1), now.to(total.device), 0)
                sum_over_ranks([block])
                now.copy_(block / total.clamp_min(1).unsqueeze(1))
            unseen = (total == 0).nonzero().squeeze(1).to(now.device)
            if self._epoch and len(unseen):
                now.index_copy_(0, unseen, before.index_select(0, unseen))
        return past, present

    # State ------------------------------------------------------------------------------------------------------------

    def get_extra_state(self) -> dict[str, Any]:
        """The state of every learner, and the matrices, or what tells whether the files are those that it goes with."""
        self._settle()
        rows: dict[str, Any] = {"shape": list(self._shape), "epoch": self._epoch, "mapped": self.mapped}
        if self._files is not None:
            for file in self._files:
                file.flush()
        elif self._pair is not None:
            rows["past"] = self._pair[0]
            if bool(self.seen["count"].any()):
                rows["present"] = self._pair[1]
        return super().get_extra_state() | {"rows": rows}

    def set_extra_state(self, state: Any) -> None:
        """Take the state of a checkpoint; files are looked for in the next step that needs them.

        Raises:
            InvalidArgument: it is that of another strategy or of other data, or its rows are in files and ours are not.
        """
        rows = state.get("rows")
        if rows is None or (self._shape[0] and tuple(rows["shape"]) != self._shape):
            raise InvalidArgument("state rows", rows and rows["shape"], f"that of {self._shape} rows and classes")
        super().set_extra_state(state)
        self._shape = tuple(rows["shape"])
        if rows["mapped"] != self.mapped:
            place = "in files" if rows["mapped"] else "in memory"
            expected = f"one with which the rows are {place}, as they were in the checkpoint"
            raise InvalidArgument("memory_limit", self.memory_limit, expected)
        self._epoch = rows["epoch"]
        self._pair = self._files = self._waiting = None
        if "past" in rows:
            past = rows["past"].to(self.kept["known"].device, copy=True)
            self._pair = (past, rows["present"].to(past, copy=True) if "present" in rows else torch.zeros_like(past))

    def record(self) -> dict[str, float]:
        """How many rows have a past."""
        return {"self_distilled_rows": float(self.kept["known"].sum())} if self.kept else {}

    def extra_repr(self) -> str:
        """Its arguments."""
        return f"memory_limit={self.memory_limit}, folder={self.folder}"
