"""What training and decoding ask of a net that translates."""

from __future__ import annotations

from typing import Protocol, TypeVar, runtime_checkable

from torch import Tensor

from smoothlab.data.parallel.pairs import SentencePairs


class DecodingState(Protocol):
    """What a net remembers of the sentences that it is translating, a row a hypothesis."""

    def select(self, index: Tensor) -> None:
        """Keep the rows ``index`` ``(B',)``, in this order; a row may come more than once, as its hypotheses part."""
        ...


State = TypeVar("State", bound=DecodingState)


@runtime_checkable
class Seq2Seq(Protocol[State]):
    """An encoder-decoder: logits of all known tokens at once for training, token by token for decoding.

    Args:
        max_length: tokens of a target sentence at most, the begin or the end token apart.
        output_weight: ``(K, D)`` of ``project``.
        output_bias: ``(K,)`` of ``project``, if it has one.
    """

    @property
    def max_length(self) -> int: ...  # noqa: D102

    @property
    def output_weight(self) -> Tensor: ...  # noqa: D102

    @property
    def output_bias(self) -> Tensor | None: ...  # noqa: D102

    def __call__(self, pairs: SentencePairs) -> Tensor:
        """Logits ``(M, K)`` at ``pairs.positions``: ``project(hidden(pairs))``."""
        ...

    def hidden(self, pairs: SentencePairs) -> Tensor:
        """The last vectors ``(M, D)`` at ``pairs.positions``."""
        ...

    def project(self, hidden: Tensor) -> Tensor:
        """Logits ``(..., K)`` of vectors ``(..., D)``: a linear map by ``output_weight`` and ``output_bias``."""
        ...

    def begin(self, source: Tensor) -> State:
        """Read sentences ``(N, S)`` to translate: a state of N rows."""
        ...

    def next(self, tokens: Tensor, state: State) -> Tensor:
        """Logits ``(B, K)`` after one more token ``(B,)`` of each of the state's rows; the first is the begin token."""
        ...
