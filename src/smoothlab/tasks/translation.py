"""Translation: classification of the target's tokens, and sentences that are decoded and judged as wholes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor
from torch.optim import Optimizer
from torchmetrics import Metric

from smoothlab.data.batch import TRUTH, Batch
from smoothlab.data.encoder import encoder_from_state
from smoothlab.decoding import Decoded, beam_search, greedy
from smoothlab.errors import InvalidArgument
from smoothlab.flat_keys import takes_keys
from smoothlab.losses import Loss, linear_soft_cross_entropy
from smoothlab.losses.penalties import Penalty
from smoothlab.metrics import OF_PREDICTED, ClassificationMetrics
from smoothlab.metrics.prediction import reduce_rows
from smoothlab.metrics.translation import TranslationQuality, check_tokenizer, sacrebleu
from smoothlab.nets.seq2seq import Seq2Seq
from smoothlab.numbers import check_number, check_whole
from smoothlab.smoothing import MultilabelSmoother
from smoothlab.step import LazyLogits, Step
from smoothlab.targets import PerSample, SoftTarget
from smoothlab.tasks.classification import ClassificationTask
from smoothlab.tasks.ranks import of_all_ranks
from smoothlab.tasks.schedule import Schedule
from smoothlab.tasks.task import WEIGHT

# From so many classes on the fused loss is the faster one, too (benchmarks/large_vocab.py); below it saves memory.
FUSED_CLASSES = 4096
CALIBRATION = tuple(name for name in OF_PREDICTED if name != "confidence_gap")


@dataclass(frozen=True)
class Decoding:
    """How sentences are decoded.

    Args:
        beam_size: hypotheses a sentence in the final decoding; 1 is greedy.
        length_penalty: the exponent alpha by which a hypothesis' length divides its log-probability; 0 is none.
    """

    beam_size: int = 4
    length_penalty: float = 0.6

    def __post_init__(self) -> None:
        check_whole("beam_size", self.beam_size, 1)
        check_number("length_penalty", self.length_penalty, at_least=0)


@dataclass(frozen=True)
class Scoring:
    """How tokens and sentences are judged.

    Args:
        num_bins: bins of the calibration errors.
        slices: a column of the data's sentences by which the final metrics are told apart too, or None.
        num_slices: how many slices of equally many samples a column of numbers is cut into.
        validation_bleu: whether each validation decodes its sentences too, greedily, and reports ``val/bleu``.
        lowercase: whether BLEU and chrF ignore case.
        tokenize: how BLEU cuts texts into words.
    """

    num_bins: int = 15
    slices: str | None = None
    num_slices: int = 5
    validation_bleu: bool = False
    lowercase: bool = False
    tokenize: str = "13a"

    def __post_init__(self) -> None:
        check_tokenizer("tokenize", self.tokenize)


class TranslationTask(ClassificationTask):
    """Each target token is a sample: smoothers, losses, penalties and metrics see flat labels ``(M,)`` without padding.

    Since a batch's loss is the sum over its M tokens, and gradients are divided by the tokens of all micro-batches and
    ranks, neither padding nor the way in which a batch is cut changes a step.

    Validation and test report the metrics of tokens given the true words before them (teacher forcing): ``nll`` and
    ``perplexity`` = exp(nll), ``accuracy`` and calibration. The final scores add those of decoded sentences.

    Args:
        net: a :class:`smoothlab.nets.seq2seq.Seq2Seq`.
        smoother: as of :class:`Task`.
        class_names: the K tokens of the target language.
        fused_loss: whether the loss is made from the hidden vectors, without the logits ``(M, K)`` of all tokens:
            ``"auto"`` where nothing looks at the logits and K is large, True wherever nothing looks at them.
        decoding: how sentences are decoded in the end, or its keys.
        scoring: how tokens and sentences are judged, or its keys.
        others: as of :class:`Task`.

    Raises:
        InvalidArgument: a net that is no Seq2Seq, mixing, an argument outside its range, a fused loss beside another
            loss or penalties.
    """

    kind = "translation"

    @takes_keys
    def __init__(
        self,
        net: Any,
        smoother: Any,
        class_names: Sequence[str],
        *,
        optimizer: Callable[..., Optimizer],
        loss: Loss | None = None,
        penalties: Mapping[str, Penalty] | None = None,
        mixing: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None,
        scheduler: Schedule | Callable[..., Any] | None = None,
        encoder_state: dict[str, Any] | None = None,
        fused_loss: bool | Literal["auto"] = "auto",
        decoding: Decoding = Decoding(),
        scoring: Scoring = Scoring(),
    ) -> None:
        if not isinstance(net, Seq2Seq):
            raise InvalidArgument("net", type(net).__name__, "one that translates, such as net=seq2seq_transformer")
        if mixing is not None:
            raise InvalidArgument("mixing", type(mixing).__name__, "none: two sentences have no mean")
        if fused_loss not in (True, False, "auto"):
            raise InvalidArgument("fused_loss", fused_loss, "auto, true or false")
        if fused_loss is True and (loss is not None or penalties):
            raise InvalidArgument("fused_loss", True, "auto or false: another loss, and penalties, look at the logits")
        sacrebleu()
        module: Any = net
        super().__init__(
            module,
            smoother,
            class_names,
            optimizer=optimizer,
            loss=loss,
            penalties=penalties,
            scheduler=scheduler,
            num_bins=scoring.num_bins,
            slices=scoring.slices,
            num_slices=scoring.num_slices,
            encoder_state=encoder_state,
        )
        self.fused_loss = fused_loss
        self.decoding, self.scoring = decoding, scoring
        self._decoded: list[dict[str, Any]] = []  # of a validation

    @cached_property
    def encoder(self) -> Any:
        """Of sentences and tokens."""
        assert self.encoder_state is not None
        return encoder_from_state(self.encoder_state)

    # Tokens -----------------------------------------------------------------------------------------------------------

    @property
    def monitored(self) -> dict[str, str]:
        """See :class:`Task`."""
        names = [*CALIBRATION, "perplexity", *(["bleu"] if self.scoring.validation_bleu else [])]
        return {f"val/{name}": "max" if name in ("accuracy", "bleu") else "min" for name in names}

    def make_metrics(self) -> list[Metric]:
        """See :class:`Task`."""
        if isinstance(self.smoother, MultilabelSmoother):
            raise InvalidArgument("smoother", "MultilabelSmoother", "a Smoother")
        return [ClassificationMetrics(len(self.class_names), self.num_bins, by_class=False)]

    def terms(self, batch: Batch) -> tuple[Any, Tensor, dict[str, Tensor]]:
        """See :class:`Task`; the logits are made only where something looks at them."""
        net: Any = self.net
        hidden = net.hidden(batch.features)
        logits = LazyLogits(lambda: net.project(hidden), len(self.class_names), hidden.dtype)
        step = Step(batch.labels, logits, self.progress, batch.rows, batch.metadata, batch.features)
        target: Any = self.smoother.target(step)
        if not self._fuses(target, looked_at=logits.made is not None):
            return target, *self.losses(logits.with_graph(), target, step)
        sample_weight = batch.metadata.get(WEIGHT)
        loss = linear_soft_cross_entropy(
            hidden, net.output_weight, net.output_bias, target, sample_weight=sample_weight, reduction="sum"
        )
        return target, loss, {}

    def _fuses(self, target: SoftTarget, *, looked_at: bool) -> bool:
        if self.fused_loss is False or looked_at or self.loss is not None or self.penalties:
            wanted = False
        else:
            wanted = target.is_index and not isinstance(target.prior, PerSample)
        if self.fused_loss is True and not wanted:
            raise InvalidArgument(
                "fused_loss", True, "auto or false: the smoothing looks at the logits, or is by token"
            )
        return wanted and (self.fused_loss is True or len(self.class_names) >= FUSED_CLASSES)

    # Sentences --------------------------------------------------------------------------------------------------------

    def decode(self, source: Tensor, *, beam_size: int | None = None) -> Decoded:
        """Translations of token ids ``(N, S)``.

        Args:
            source: sentences, filled up with padding.
            beam_size: hypotheses a sentence; None takes the task's own.
        """
        return decode(
            self.net, source, self.encoder, beam_size or self.decoding.beam_size, self.decoding.length_penalty
        )

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """See :class:`Task`; decodes the sentences too, where that is asked for."""
        super().validation_step(batch, batch_idx)
        if self.scoring.validation_bleu and len(batch):
            decoded = self.decode(source_of(batch), beam_size=1)
            self._decoded.append({"sentences": sentences_of(batch), "tokens": decoded.tokens})

    def _publish(self, split: str, metrics: list[Metric]) -> dict[str, float]:
        values = super()._publish(split, metrics)
        more = {f"{split}/perplexity": perplexity(values[f"{split}/nll"])}
        if self.scoring.validation_bleu and split == "val":
            parts, self._decoded = [part for rank in of_all_ranks(self._decoded) for part in rank], []
            texts = self.encoder.decode_all([tokens for part in parts for tokens in part["tokens"]])
            known = self.trainer.datamodule.references(split)  # type: ignore[attr-defined]
            references = [known[number] for part in parts for number in part["sentences"].tolist()]
            quality = TranslationQuality(texts, references, self.scoring.lowercase, self.scoring.tokenize)
            more[f"{split}/bleu"] = quality.metrics()["bleu"]
        self.log_dict(more, logger=False)
        return values | more

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """What is left of a batch's tokens ``(M,)`` and of its N decoded sentences, on the CPU.

        Of tokens: ``labels``, ``rows``, ``sequence``, ``position`` and what ``reduce_rows`` gives; of sentences:
        ``sentences`` (their numbers, as in ``sequence``), ``tokens``, ``log_probabilities`` and ``lengths``. Where the
        posterior is known, it and the ``logits`` ``(M, K)`` too.
        """
        logits = self.net(batch.features)
        decoded = self.decode(source_of(batch))
        truth = {name: batch.metadata[name].cpu() for name in TRUTH if name in batch.metadata}
        columns = {
            name: torch.from_numpy(column)
            for name, column in reduce_rows(logits, batch.labels, from_logits=True).items()
        }
        return {
            **columns,
            **({"logits": logits.cpu(), **truth} if truth else {}),
            "labels": batch.labels.cpu(),
            "rows": batch.rows,
            "sequence": batch.metadata["sequence"].cpu(),
            "position": batch.metadata["position"].cpu(),
            "sentences": sentences_of(batch),
            "tokens": decoded.tokens,
            "log_probabilities": decoded.log_probabilities.cpu(),
            "lengths": decoded.lengths.cpu(),
        }


def decode(net: Any, source: Tensor, encoder: Any, beam_size: int, length_penalty: float) -> Decoded:
    """Translations of token ids ``(N, S)``, the same whatever sentences are in the batch."""
    options = encoder.net_arguments
    special = {name: options[name] for name in ("begin_index", "end_index", "padding_index")}
    if beam_size == 1:
        return greedy(net, source, max_length=net.max_length, **special)
    return beam_search(
        net, source, max_length=net.max_length, beam_size=beam_size, length_penalty=length_penalty, **special
    )


def source_of(batch: Batch) -> Tensor:
    """The token ids ``(N, S)`` of a batch's source sentences."""
    pairs: Any = batch.features
    source: Tensor = pairs.source
    return source


def sentences_of(batch: Batch) -> Tensor:
    """The numbers of a batch's sentences ``(N,)``, in its order: each has a first token."""
    return batch.metadata["sequence"][batch.metadata["position"] == 0].cpu()


def perplexity(nll: float) -> float:
    """exp(nll), inf where that is too large."""
    return math.exp(nll) if nll < 700 else math.inf
