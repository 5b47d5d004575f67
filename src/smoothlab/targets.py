"""Soft targets, kept as factors: a base, a strength epsilon and a prior, never multiplied out.

Every soft target of this field is ``q = (1 - epsilon) * base + epsilon * prior``. A smoother makes one, a
loss takes one; neither knows the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from numbers import Real
from typing import Literal

import torch
from torch import Tensor

from smoothlab.errors import InvalidArgument

IGNORED = -100  # the label of a row that is left out; a row of a distribution base is filled with it
EPSILON_RANGE = "a number in [0, 1)"
SIGNED_RANGE = "a finite number of at most 1"
BASES = "integer class indices (...,) or a float distribution (..., K)"


@dataclass(frozen=True, eq=False)
class PerClass:
    """A prior that depends on the label: row ``matrix[label]``; for a vote base, ``base @ matrix``.

    Args:
        matrix: ``(K, K)`` float tensor, each row a distribution over the classes.
    """

    matrix: Tensor

    def __post_init__(self) -> None:
        check_tensor("PerClass.matrix", self.matrix, "a square tensor of shape (K, K)")
        if self.matrix.ndim != 2 or self.matrix.shape[0] != self.matrix.shape[1]:
            raise InvalidArgument("PerClass.matrix", tuple(self.matrix.shape), "a square tensor of shape (K, K)")


@dataclass(frozen=True, eq=False)
class PerSample:
    """A prior of its own for every sample.

    Args:
        rows: ``(N, K)`` float tensor (or the logits' shape), each row a distribution over the classes.
    """

    rows: Tensor

    def __post_init__(self) -> None:
        check_tensor("PerSample.rows", self.rows, "a tensor of shape (N, K)")
        if self.rows.ndim < 1:
            raise InvalidArgument("PerSample.rows", tuple(self.rows.shape), "a tensor of shape (N, K)")


@dataclass(frozen=True, eq=False)
class OtherClasses:
    """A prior on the classes that are not the label, in the proportion of the same weights for all samples.

    Class k gets ``w_k / (sum_j w_j - w_y)`` for k != y, and the label y nothing; where no other class has a weight, the
    mass returns to the label. For a vote base it is the expected prior of its classes. Equal weights are
    ``"exclusive"``; a weight of 0 keeps a class out. Neither ``(K, K)`` nor ``(N, K)`` numbers are held.

    Args:
        weights: ``(K,)`` float tensor, numbers >= 0.
    """

    weights: Tensor

    def __post_init__(self) -> None:
        check_tensor("OtherClasses.weights", self.weights, "a tensor of shape (K,)")
        if self.weights.ndim != 1:
            raise InvalidArgument("OtherClasses.weights", tuple(self.weights.shape), "a tensor of shape (K,)")

    def rows(self, base: Tensor) -> Tensor:
        """The prior ``(..., K)`` of each row of a dense base ``(..., K)``."""
        weights = self.weights.to(base.dtype)
        rest = weights.sum() - weights  # what the other classes weigh, for each label
        some = ~(rest <= 0)  # nan stays nan
        shares = base * rest.where(some, 1).reciprocal() * some
        rows = weights * (shares.sum(-1, keepdim=True) - shares)
        return rows + base * ~some


Prior = None | Literal["uniform", "exclusive"] | Tensor | PerClass | PerSample | OtherClasses


@dataclass(frozen=True, eq=False)
class SoftTarget:
    """The distribution a loss is taken against: ``q_i = (1 - epsilon_i) * base_i + epsilon_i * prior_i``.

    A row whose label is -100 is left out: no loss or penalty of this library counts it. A row of a distribution base is
    left out where it is filled with -100, as :class:`~smoothlab.losses.Mixup` does it.

    Args:
        base: class indices ``(...,)`` of an integer type, or distributions ``(..., K)`` of a float type
            (votes, mixup).
        epsilon: how much mass leaves the base, in [0, 1): a number, or a tensor with one value or one per
            sample ``(...,)``. Numbers are checked here; tensors only by :meth:`validate`, since a look at
            their values would make the device wait in every step.
        prior: where that mass goes.

            - ``None`` or ``"uniform"``: ``1/K`` on every class, the label's own included, so that the label keeps
              ``1 - epsilon + epsilon/K`` (Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016).
            - ``"exclusive"``: ``1/(K-1)`` on every class but the label, which keeps ``1 - epsilon`` (Vaswani et al.,
              "Attention Is All You Need", NeurIPS 2017, as coded in fairseq); ``(1 - base)/(K-1)`` for a vote base.
              Uniform with epsilon is exclusive with ``epsilon * (K-1)/K``. With K = 1 the mass returns to the label.
              :class:`OtherClasses` is the same with weights, 0 for classes that are to get nothing.
            - a tensor ``(K,)``: the same distribution for all, such as class frequencies (Pereyra et al., "Regularizing
              Neural Networks by Penalizing Confident Output Distributions", ICLR workshop 2017).
            - :class:`PerClass`, a matrix whose row the label picks; :class:`PerSample`, rows given by the caller.
        signed: epsilon may be any finite number of at most 1. Below 0 q is no distribution, its entropy is not defined,
            and the cross-entropy against it has no lower bound: only strategies that say so by their name ask for it.

    Raises:
        InvalidArgument: for a base that is no tensor; a number epsilon outside its range or not a number; a prior of
            another kind. A bare 2-D tensor is refused, because a square one could mean either wrapper.
    """

    base: Tensor
    epsilon: float | Tensor = 0.0
    prior: Prior = None
    signed: bool = False

    def __post_init__(self) -> None:
        check_tensor("base", self.base, BASES)
        if not isinstance(self.epsilon, Tensor):
            object.__setattr__(self, "epsilon", checked_epsilon(self.epsilon, signed=self.signed))
        prior = self.prior
        if prior is None:
            object.__setattr__(self, "prior", "uniform")
        elif isinstance(prior, Tensor):
            if prior.ndim != 1:
                expected = "shape (K,); wrap a (K, K) matrix in PerClass, (N, K) rows in PerSample"
                raise InvalidArgument("prior", f"tensor of shape {tuple(prior.shape)}", expected)
        elif not isinstance(prior, PerClass | PerSample | OtherClasses):
            expected = "None, 'uniform', 'exclusive', a (K,) tensor, PerClass, PerSample or OtherClasses"
            if not isinstance(prior, str):
                raise InvalidArgument("prior", type(prior).__name__, expected)
            if prior not in ("uniform", "exclusive"):
                raise InvalidArgument("prior", prior, expected)
        dtype = self.base.dtype
        if dtype is not torch.int64 and not dtype.is_floating_point:
            if dtype is torch.bool or dtype.is_complex:
                raise InvalidArgument("base", dtype, BASES)
            object.__setattr__(self, "base", self.base.long())

    @property
    def is_index(self) -> bool:
        """Whether the base is class indices (else it is distributions)."""
        return not self.base.is_floating_point()

    def dense(self, num_classes: int, logits: Tensor | None = None, *, dtype: torch.dtype | None = None) -> Tensor:
        """The target multiplied out, ``(..., K)``; rows sum to 1.

        Args:
            num_classes: K.
            logits: ``(..., K)``. A class whose logit is -inf gets no smoothing mass: the prior is
                renormalised over the other classes, and where nothing of it is left its mass returns to the
                base.
            dtype: of the result; by default the widest among float32, the float factors and the logits.

        The base row of a label outside [0, K), and of a row that is left out, is all zeros.
        """
        dtype = dtype or self._dtype(logits)
        base = self._dense_base(num_classes, dtype)
        if isinstance(self.epsilon, float) and self.epsilon == 0.0:
            return base
        epsilon = self._column_epsilon(dtype)
        prior = self._dense_prior(base, num_classes)
        if logits is None and num_classes > 1:
            return (1 - epsilon) * base + epsilon * prior
        if logits is not None:
            prior = prior.masked_fill(logits == -math.inf, 0)
        left = prior.sum(-1, keepdim=True)
        spread = (1 - epsilon) * base + epsilon * (prior / left.clamp_min(torch.finfo(dtype).tiny))
        return torch.where(left <= 0, base, spread)  # not left > 0, so that a prior with nan is seen in the loss

    def entropy(self, num_classes: int) -> float | Tensor:
        """Entropy of the target in nats: the floor of the loss, and ``KL(q || p) = CE(q, p) - entropy``.

        A Python float where it is the same for every sample (class indices, a number epsilon, uniform or
        exclusive prior), else a tensor ``(...,)``. For class indices it comes from the entropies of the
        prior's rows, not from a pass over the dense target: with t = 1 - epsilon + epsilon r_y and r the
        prior,

            H(q) = epsilon H(r) - epsilon log epsilon + epsilon r_y log(epsilon r_y) - t log t

        Rows that are left out, and labels outside [0, K), get 0, as in the loss with ``reduction="none"``. A signed
        target has none, nan, unless its epsilon is a number of at least 0.
        """
        if self.signed and (isinstance(self.epsilon, Tensor) or self.epsilon < 0):
            return math.nan
        if not self.is_index:
            entropy: Tensor = torch.special.entr(self.dense(num_classes)).sum(-1)
            return entropy.masked_fill(self.left_out, 0)
        if isinstance(self.prior, str):
            inclusive = self.prior == "uniform" or num_classes == 1
            others = num_classes if inclusive else num_classes - 1
            row_entropy, at_label = math.log(others), 1 / num_classes if inclusive else 0.0
            if not isinstance(self.epsilon, Tensor):
                return _number_entropy(self.epsilon, row_entropy, at_label)
            return _mixture_entropy(self.epsilon, row_entropy, at_label).where(self._inside(num_classes), 0)
        inside = self._inside(num_classes)
        label = self.base.where(inside, 0)
        assert self.prior_tensor is not None
        rows = self.prior_tensor.to(self._dtype(None))
        if isinstance(self.prior, OtherClasses):
            own = rows[label]
            rest = rows.sum() - own
            some = rest > 0
            rest = rest.where(some, 1)
            # of w / rest without the label: log rest - (sum w log w) / rest
            spread = rest.log() - (torch.xlogy(rows, rows).sum() - torch.xlogy(own, own)) / rest
            epsilon = torch.as_tensor(self.epsilon, dtype=rows.dtype, device=rows.device)
            return _mixture_entropy(epsilon, spread, 0.0).where(inside & some, 0)
        if isinstance(self.prior, PerSample):
            rows = rows.reshape(*self.base.shape, num_classes)
            at_labels = rows.gather(-1, label.unsqueeze(-1)).squeeze(-1)
        else:
            at_labels = rows[label] if rows.ndim == 1 else rows.diagonal()[label]
        entropies = torch.special.entr(rows).sum(-1)
        if isinstance(self.prior, PerClass):
            entropies = entropies[label]
        epsilon = torch.as_tensor(self.epsilon, dtype=rows.dtype, device=rows.device)
        return _mixture_entropy(epsilon, entropies, at_labels).where(inside, 0)

    def validate(self) -> SoftTarget:
        """Look at every value, for tests and debugging (on a GPU this waits for the device); returns self.

        Raises:
            InvalidArgument: epsilon outside its range, a distribution (base or prior) with a negative or
                non-finite entry or a row that does not sum to 1 (to 1e-4; 1e-2 in half precision), weights of other
                classes of which none is above 0, a label that is negative and not -100, or beyond the prior's classes,
                or shapes that do not fit. Rows that are left out are not looked at.
        """
        classes = None
        rows = self.prior_tensor
        if rows is not None:
            classes = rows.shape[-1]
            _check_distribution("prior", rows / rows.sum() if isinstance(self.prior, OtherClasses) else rows)
            if isinstance(self.prior, PerSample) and rows.numel() // classes != self._num_samples():
                raise InvalidArgument("prior", tuple(rows.shape), f"{self._num_samples()} rows, one per sample")
        labelled = self.base[~self.left_out]
        if not self.is_index:
            _check_distribution("base", labelled)
            if classes not in (None, self.base.shape[-1]):
                raise InvalidArgument("base", tuple(self.base.shape), f"{classes} classes, as in the prior")
        elif labelled.numel():
            low, high = int(labelled.min()), int(labelled.max())
            if low < 0:
                raise InvalidArgument("base", low, f"labels of at least 0, or {IGNORED} for a row to leave out")
            if classes is not None and high >= classes:
                raise InvalidArgument("base", high, f"labels below {classes}, the classes of the prior")
        epsilon = self.epsilon
        if isinstance(epsilon, Tensor):
            inside = (epsilon.isfinite() & (epsilon <= 1)) if self.signed else (epsilon >= 0) & (epsilon < 1)
            if not bool(inside.all()):  # written so that nan fails too
                raise InvalidArgument("epsilon", epsilon, "finite values <= 1" if self.signed else "values in [0, 1)")
            if epsilon.numel() not in (1, self._num_samples()):
                raise InvalidArgument("epsilon", tuple(epsilon.shape), "one value, or one per sample")
        return self

    def flatten(self) -> SoftTarget:
        """The same target with its leading dimensions merged into one: base ``(N,)`` or ``(N, K)``."""
        flat = self.base.ndim == (1 if self.is_index else 2)
        if flat and not isinstance(self.epsilon, Tensor) and not isinstance(self.prior, PerSample):
            return self
        base = self.base.reshape(-1) if self.is_index else self.base.reshape(-1, self.base.shape[-1])
        epsilon, prior = self.epsilon, self.prior
        if isinstance(epsilon, Tensor):
            epsilon = epsilon.reshape(()) if epsilon.numel() == 1 else epsilon.reshape(-1)
        if isinstance(prior, PerSample):
            prior = PerSample(prior.rows.reshape(-1, prior.rows.shape[-1]))
        return SoftTarget(base, epsilon, prior, self.signed)

    def part(self, rows: slice) -> SoftTarget:
        """Some samples of a flat target."""
        epsilon, prior = self.epsilon, self.prior
        if isinstance(epsilon, Tensor) and epsilon.ndim:
            epsilon = epsilon[rows]
        if isinstance(prior, PerSample):
            prior = PerSample(prior.rows[rows])
        return SoftTarget(self.base[rows], epsilon, prior, self.signed)

    @property
    def left_out(self) -> Tensor:
        """Which rows are left out, ``(...,)``: the label is -100, or the distribution is filled with it."""
        return (self.base if self.is_index else self.base[..., 0]) == IGNORED

    @property
    def prior_tensor(self) -> Tensor | None:
        """The tensor inside the prior, if there is one."""
        if isinstance(self.prior, PerClass):
            return self.prior.matrix
        if isinstance(self.prior, PerSample):
            return self.prior.rows
        if isinstance(self.prior, OtherClasses):
            return self.prior.weights
        return self.prior if isinstance(self.prior, Tensor) else None

    def _inside(self, num_classes: int) -> Tensor:
        return (self.base >= 0) & (self.base < num_classes)

    def _num_samples(self) -> int:
        return self.base.numel() if self.is_index else math.prod(self.base.shape[:-1])

    def _dtype(self, logits: Tensor | None) -> torch.dtype:
        dtype = torch.float32
        for tensor in (self.base, self.epsilon, self.prior_tensor, logits):
            if isinstance(tensor, Tensor) and tensor.is_floating_point():
                dtype = torch.promote_types(dtype, tensor.dtype)
        return dtype

    def _dense_base(self, num_classes: int, dtype: torch.dtype) -> Tensor:
        if not self.is_index:
            return self.base.to(dtype).masked_fill(self.left_out.unsqueeze(-1), 0)
        # a comparison, not a scatter: it works under vmap and torch.compile and leaves ignored labels at zero
        classes = torch.arange(num_classes, device=self.base.device)
        return (self.base.unsqueeze(-1) == classes).to(dtype)

    def _dense_prior(self, base: Tensor, num_classes: int) -> Tensor:
        """The prior of each sample, broadcastable to the dense base ``(..., K)``."""
        if isinstance(self.prior, PerSample):
            return self.prior.rows.to(base.dtype).reshape(base.shape)
        if isinstance(self.prior, PerClass):
            matrix = self.prior.matrix.to(base.dtype)
            if self.is_index:
                return matrix[self.base.clamp(0, num_classes - 1)]
            with torch.autocast(base.device.type, enabled=False):  # which would make the product in half precision
                return base @ matrix
        if isinstance(self.prior, OtherClasses):
            return self.prior.rows(base)
        if isinstance(self.prior, Tensor):
            return self.prior.to(base.dtype).expand_as(base)
        if self.prior == "exclusive":
            return (1 - base) / max(num_classes - 1, 1)
        return torch.full_like(base, 1 / num_classes)

    def _column_epsilon(self, dtype: torch.dtype) -> float | Tensor:
        """Epsilon as a number or a column ``(..., 1)``."""
        if isinstance(self.epsilon, float):
            return self.epsilon
        epsilon = self.epsilon.to(dtype)
        leading = self.base.shape if self.is_index else self.base.shape[:-1]
        return epsilon.reshape(()) if epsilon.numel() == 1 else epsilon.reshape(leading).unsqueeze(-1)


def check_tensor(name: str, value: object, expected: str) -> None:
    """Raise InvalidArgument unless the value is a tensor: a list or an array has none of its methods."""
    if not isinstance(value, Tensor):
        raise InvalidArgument(name, type(value).__name__, f"{expected}, a torch.Tensor")


def checked_epsilon(value: object, *, signed: bool = False) -> float:
    """A Python number in [0, 1) as a float; where it is signed, any finite one of at most 1.

    Raises:
        InvalidArgument: for anything else: nan, a string and a bool among them.
    """
    expected = SIGNED_RANGE if signed else EPSILON_RANGE
    if type(value) is not float:
        if isinstance(value, bool) or not isinstance(value, Real):
            shown = type(value).__name__ if hasattr(value, "__len__") and not isinstance(value, str) else value
            raise InvalidArgument("epsilon", shown, expected)
        value = float(value)
    inside = -math.inf < value <= 1.0 if signed else 0.0 <= value < 1.0
    if not inside:
        raise InvalidArgument("epsilon", value, expected)
    return value


@lru_cache(maxsize=1024)  # asked in every step, of the same few numbers
def _number_entropy(epsilon: float, row_entropy: float, at_label: float) -> float:
    return _mixture_entropy(torch.tensor(epsilon, dtype=torch.float64), row_entropy, at_label).item()


def _mixture_entropy(epsilon: Tensor, row_entropy: float | Tensor, at_label: float | Tensor) -> Tensor:
    """Entropy of ``(1 - epsilon) * one_hot(y) + epsilon * r``, from H(r) and r_y; entr(x) is -x log x."""
    entr = torch.special.entr
    top = 1 - epsilon + epsilon * at_label
    entropy: Tensor = epsilon * row_entropy + entr(epsilon) - entr(epsilon * at_label) + entr(top)
    return entropy


def _check_distribution(name: str, rows: Tensor) -> None:
    rows = rows.detach()
    if not bool((torch.isfinite(rows) & (rows >= 0)).all()):
        raise InvalidArgument(name, "a negative or non-finite entry", "a distribution: entries >= 0, rows summing to 1")
    tolerance = 1e-2 if rows.dtype in (torch.float16, torch.bfloat16) else 1e-4
    error = (rows.double().sum(-1) - 1).abs()
    if error.numel() and float(error.max()) > tolerance:
        raise InvalidArgument(name, f"a row off 1 by {float(error.max()):.2g}", "rows that sum to 1")
