"""Strategies and calibration for the Trainer of transformers."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from smoothlab.loops.criterion import SmoothCrossEntropy
from smoothlab.metrics import classification_metrics

PADDING = -100


class SmoothTrainerMixin:
    """Put before ``transformers.Trainer``: its loss is that of a criterion, without padding.

        class SmoothTrainer(SmoothTrainerMixin, Trainer):
            criterion = SmoothCrossEntropy(0.1)

    Labels of -100 do not count, in the loss and in its mean; with accumulated gradients the mean is over all tokens of
    the step, as transformers' own. Of a causal language model the logits of a token are for the next one. Progress and
    epochs come from the Trainer's state. In evaluation the loss is that of the labels as they are.

    Attributes:
        criterion: of this training.
        next_token: whether logits are for the next token; None: where the model's class is called so.
    """

    criterion: SmoothCrossEntropy
    next_token: bool | None = None
    _epoch = 0

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The loss of a batch, and the outputs where they are asked for."""
        labels: Tensor = inputs["labels"]
        given = {name: value for name, value in inputs.items() if name != "labels"}
        inner = getattr(model, "module", model)
        makes_inputs = getattr(inner, "prepare_decoder_input_ids_from_labels", None)
        if makes_inputs is not None and "decoder_input_ids" not in given:
            given["decoder_input_ids"] = makes_inputs(labels=labels)
        outputs = model(**given)
        logits: Tensor = outputs["logits"] if isinstance(outputs, dict) else outputs[0]
        if self.next_token if self.next_token is not None else type(inner).__name__.endswith("ForCausalLM"):
            logits, counted = logits[..., :-1, :], labels[..., 1:]
        else:
            counted = labels
        self._tell(bool(model.training))
        summed = model.training and num_items_in_batch is not None
        self.criterion.reduction = "sum" if summed else "mean"
        loss = self.criterion(logits.reshape(-1, logits.shape[-1]), counted.reshape(-1))
        if summed:
            loss = loss / num_items_in_batch
        return (loss, outputs) if return_outputs else loss

    def _tell(self, training: bool) -> None:
        """Tell the criterion how far the training is."""
        state: Any = self.state  # type: ignore[attr-defined]  # the Trainer's
        self.criterion.train(training)
        if not training:
            return
        self.criterion.at_step(int(state.global_step), int(state.max_steps) if state.max_steps > 0 else None)
        if int(state.epoch or 0) > self._epoch:
            self._epoch = int(state.epoch)
            self.criterion.end_epoch()


def calibration_metrics(predictions: Any) -> dict[str, float]:
    """For ``Trainer(compute_metrics=...)``: NLL, accuracy, ECE and their like, without padding.

    Args:
        predictions: an ``EvalPrediction``, or a pair: logits ``(..., K)`` and labels ``(...,)``.
    """
    logits, labels = predictions
    logits = np.asarray(logits[0] if isinstance(logits, tuple) else logits)
    labels = np.asarray(labels)
    counted = labels != PADDING
    return classification_metrics(logits[counted], labels[counted], from_logits=True)
