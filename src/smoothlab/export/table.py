"""Tables: numbers as they are written, categories as codes; all else is in the graph."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from smoothlab.data.table.categorical import CategoricalColumn
from smoothlab.data.table.dates import EPOCH, DateColumn, date_parts
from smoothlab.data.table.encoder import TableEncoder
from smoothlab.data.table.numeric import NumericColumn
from smoothlab.data.table.scaling import BOUND, FAR, PARTS, normal_scores
from smoothlab.data.table.texts import TextColumn
from smoothlab.export.inputs import Arrays, Inputs

FLOAT32_END = 3.4e38


class TableGraph(nn.Module):
    """From numbers (N, n), bounds (N, b), codes (N, c) and weights of words (N, w) to features ``(N, F)`` in float32.

    A number is scaled in float64 (:class:`Scale`), nan becomes 0; bounds are features; a code is compared with those
    that have a feature of their own, or handed on.

    Args:
        numbers: the columns of numbers.
        one_hot: for each feature that is a 1 for one code: the place among the codes, and the code.
        handed_on: places of the codes that are features themselves.
        weights: how many weights of words.
        order: where each feature stands among standardised numbers, missing, bounds, one-hot, codes and weights.
    """

    shown: Tensor
    one_hot_places: Tensor
    one_hot_codes: Tensor
    handed_on: Tensor
    order: Tensor

    def __init__(
        self,
        numbers: Sequence[NumericColumn],
        one_hot: Sequence[tuple[int, int]],
        handed_on: Sequence[int],
        weights: int,
        order: Sequence[int],
    ) -> None:
        super().__init__()
        self.numbers = _scale_of(numbers) if numbers else None
        for name, values in (
            ("shown", [place for place, column in enumerate(numbers) if column.indicator]),
            ("one_hot_places", [place for place, _ in one_hot]),
            ("one_hot_codes", [code for _, code in one_hot]),
            ("handed_on", handed_on),
            ("order", order),
        ):
            self.register_buffer(name, torch.tensor(values, dtype=torch.int64))
        self.weights = weights
        self.bounds = any(column.bounded for column in numbers)
        self.in_order = list(order) == list(range(len(order)))
        self.codes = bool(len(one_hot) or len(handed_on))

    def forward(self, *inputs: Tensor) -> Tensor:
        """Features; the inputs that there are, in the order numbers, bounds, codes, weights."""
        given, parts = list(inputs), []
        if self.numbers is not None:
            numbers = given.pop(0)
            missing = torch.isnan(numbers)
            scaled = self.numbers(numbers).to(torch.float32)
            parts.append(torch.where(missing, torch.zeros_like(scaled), scaled))
            if len(self.shown):
                parts.append(missing.index_select(1, self.shown).to(torch.float32))
        if self.bounds:
            parts.append(given.pop(0))
        if self.codes:
            codes = given.pop(0)
            if len(self.one_hot_places):
                parts.append((codes.index_select(1, self.one_hot_places) == self.one_hot_codes).to(torch.float32))
            if len(self.handed_on):
                parts.append(codes.index_select(1, self.handed_on).to(torch.float32))
        if self.weights:
            parts.append(given.pop(0))
        features = parts[0] if len(parts) == 1 else torch.cat(parts, 1)
        return features if self.in_order else features.index_select(1, self.order)


class Scale(nn.Module):
    """Numbers ``(N, n)``, less a center, by a scale, smoothly clipped or not; see :class:`NumericColumn`.

    Args:
        columns: of one scaling, ``standard`` or ``robust``.
    """

    centers: Tensor
    scales: Tensor

    def __init__(self, columns: Sequence[NumericColumn]) -> None:
        super().__init__()
        both = torch.tensor([column.center_and_scale for column in columns], dtype=torch.float64)
        self.register_buffer("centers", both[:, 0].clone())
        self.register_buffer("scales", both[:, 1].clone())
        self.clips = columns[0].scaling == "robust"

    def forward(self, numbers: Tensor) -> Tensor:
        """Features ``(N, n)`` in float64."""
        scaled = (numbers - self.centers) / self.scales
        if self.clips:
            near = scaled.clamp(-FAR, FAR)
            scaled = near / torch.sqrt(1 + (near / BOUND) ** 2)
        return scaled


class Interpolation(nn.Module):
    """Numbers ``(N, n)``, each by a line through the quantiles of its column and their normal scores.

    Args:
        columns: of the scaling ``quantile``.
    """

    first: Tensor
    begins: Tensor
    widths: Tensor
    rises: Tensor

    def __init__(self, columns: Sequence[NumericColumn]) -> None:
        super().__init__()
        begins, widths, rises = (np.full((len(columns), PARTS), value) for value in (0.0, 1.0, 0.0))
        first = np.zeros(len(columns))
        for place, column in enumerate(columns):
            values, scores = normal_scores(column.quantiles)
            if len(values):
                pieces = len(values) - 1
                first[place] = scores[0]
                begins[place, :pieces], widths[place, :pieces] = values[:-1], np.diff(values)
                rises[place, :pieces] = np.diff(scores)
        for name, array in (("first", first), ("begins", begins), ("widths", widths), ("rises", rises)):
            self.register_buffer(name, torch.from_numpy(array))

    def forward(self, numbers: Tensor) -> Tensor:
        """Features ``(N, n)`` in float64."""
        shares = ((numbers.unsqueeze(-1) - self.begins) / self.widths).clamp(0.0, 1.0)
        return self.first + (shares * self.rises).sum(-1)


def _scale_of(columns: Sequence[NumericColumn]) -> nn.Module:
    return Interpolation(columns) if columns[0].scaling == "quantile" else Scale(columns)


class TableInputs(Inputs):
    """``numbers`` float64 (nan where a cell is empty; a date is its parts), ``bounds`` float32 of columns that have
    some (-1 for a cell such as ``<0.5``, 1 for one such as ``>100``, else 0), ``codes`` int64, ``weights`` of words."""

    def __init__(self, encoder: TableEncoder) -> None:
        super().__init__(encoder)
        self.numbers: list[NumericColumn] = []
        self.codes: list[CategoricalColumn] = []
        self.texts: list[TextColumn] = []
        for column in encoder.columns:
            if isinstance(column, NumericColumn):
                self.numbers.append(column)
            elif isinstance(column, DateColumn):
                self.numbers += column.parts.values()
            elif isinstance(column, CategoricalColumn):
                self.codes.append(column)
            else:
                self.texts.append(column)
        self.bounded = [column for column in self.numbers if column.bounded]
        there = (
            ("numbers", self.numbers),
            ("bounds", self.bounded),
            ("codes", self.codes),
            ("weights", self.texts),
        )
        self.names = tuple(name for name, columns in there if columns)

    def read(self, frame: pd.DataFrame, *, where: str = "table") -> Arrays:
        """See :class:`Inputs`."""
        self.encoder.check(frame, where=where)
        numbers = np.empty((len(frame), len(self.numbers)))
        codes = np.empty((len(frame), len(self.codes)), dtype=np.int64)
        weights: list[np.ndarray] = []
        place = code = 0
        for column in self.encoder.columns:
            cells = frame[column.column]
            if isinstance(column, NumericColumn):
                numbers[:, place] = self._checked(column, cells, where)
                place += 1
            elif isinstance(column, DateColumn):
                parts = date_parts(column.times(cells, where=where))
                for name, part in column.parts.items():
                    numbers[:, place] = self._checked(part, parts[name], where)
                    place += 1
            elif isinstance(column, CategoricalColumn):
                codes[:, code] = column.codes(cells)
                code += 1
            else:
                weights.append(column.encode(cells, where=where))
        arrays = {"numbers": numbers, "codes": codes}
        if self.bounded:
            sides = [column.bounds(frame[column.column]) for column in self.bounded]
            arrays["bounds"] = np.stack(sides, 1).astype(np.float32)
        if weights:
            arrays["weights"] = np.concatenate(weights, 1)
        return {name: arrays[name] for name in self.names}

    @staticmethod
    def _checked(column: NumericColumn, cells: pd.Series, where: str) -> np.ndarray:
        values = column.numbers(cells, where=where, may_be_missing=column.may_be_missing)
        if (np.abs(column.scaled(values)) > FLOAT32_END).any():
            column.encode(cells, where=where)  # says which
        return values

    def graph(self) -> TableGraph:
        """See :class:`Inputs`."""
        one_hot: list[tuple[int, int]] = []
        handed_on: list[int] = []
        if self.encoder.categories == "codes":
            handed_on = list(range(len(self.codes)))
        else:
            one_hot = [(place, code) for place, words in enumerate(self.codes) for code in range(len(words.all_words))]
        of_texts = sum(text.features for text in self.texts)
        begin = np.cumsum(
            [
                0,
                len(self.numbers),
                sum(column.indicator for column in self.numbers),
                len(self.bounded),
                len(one_hot),
                len(handed_on),
                of_texts,
            ]
        )
        order: list[int] = []
        place, missing, bound, hot, word = (int(begin[at]) for at in (0, 1, 2, 3, 5))
        for column in self.encoder.wide:
            if isinstance(column, NumericColumn | DateColumn):
                for part in [column] if isinstance(column, NumericColumn) else column.parts.values():
                    order.append(place)
                    place += 1
                    if part.indicator:
                        order.append(missing)
                        missing += 1
                    if part.bounded:
                        order.append(bound)
                        bound += 1
            elif isinstance(column, CategoricalColumn):
                order += range(hot, hot + len(column.all_words))
                hot += len(column.all_words)
            else:
                order += range(word, word + column.features)
                word += column.features
        order += range(int(begin[4]), int(begin[5]))
        return TableGraph(self.numbers, one_hot, handed_on, of_texts, order)

    def trial(self, rows: int, seed: int) -> tuple[Arrays, Tensor]:
        """See :class:`Inputs`; with missing values, words that training never saw, and values far out."""
        generator = np.random.default_rng(seed)
        frame = pd.DataFrame({column.column: _cells(column, rows, generator) for column in self.encoder.columns})
        return self.read(frame), self.encoder.encode(frame)


def _cells(column: object, rows: int, generator: np.random.Generator) -> pd.Series:
    """Made-up cells of a column."""
    if isinstance(column, NumericColumn):
        cells = pd.Series(column.mean + 2 * column.deviation * generator.standard_normal(rows))
        if column.bounded and column.writing is not None:
            about, sides = column.writing, pd.Series(generator.choice(["<", "", ">"], rows), dtype=object)
            digits = cells.map(lambda value: f"{value:.3f}".replace(".", about.decimal))
            cells = sides + about.prefix + digits + (f" {about.suffix}" if about.suffix else "")
        return cells.mask(generator.random(rows) < 0.2) if column.may_be_missing else cells
    if isinstance(column, DateColumn):
        day = column.parts["day"]
        days = np.clip(day.mean + 2 * day.deviation * generator.standard_normal(rows), -20_000, 60_000)
        times = pd.Series(EPOCH + pd.to_timedelta(days, unit="D").round("h"))
        return times.mask(generator.random(rows) < 0.2) if day.may_be_missing else times
    if isinstance(column, CategoricalColumn):
        words = np.array([*column.words, "a word that training never saw", None], dtype=object)
        return pd.Series(generator.choice(words, rows), dtype=object)
    words = np.array(getattr(column, "words", None) or ["one", "word", "after", "the", "other"])
    return pd.Series([" ".join(generator.choice(words, 6)) for _ in range(rows)], dtype=object)
