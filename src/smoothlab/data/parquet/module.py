"""A data module for Parquet files that do not fit in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.types as types

from smoothlab.data.batch import Batch
from smoothlab.data.loader import StreamLoader
from smoothlab.data.module import SPLITS, DataModule
from smoothlab.data.parquet.features import ArrowEncoder, factorized, numbers, series
from smoothlab.data.parquet.files import ParquetFiles, Reader, RowGroup
from smoothlab.data.parquet.labels import StreamLabels, stream_labels
from smoothlab.data.parquet.source import MetadataColumn, RowGroups, RowWeight, cell_weights
from smoothlab.data.parquet.splitting import Splitter
from smoothlab.data.parquet.stream import ParquetBatches
from smoothlab.data.parts import Columns, Encoding, Labels, Loading, Splits, Weights
from smoothlab.data.parts.columns import notes_on, roles, taken_by
from smoothlab.data.parts.keys import all_named, check_least, named
from smoothlab.data.ranks import this_rank
from smoothlab.data.table.encoder import ColumnEncoder, TableEncoder
from smoothlab.data.table.fitting import MOST_WORDS, CategoryFit, ColumnFit, DateFit, NumericFit
from smoothlab.data.table.kinds import Column, Note, check_columns
from smoothlab.data.table.texts import TextColumn
from smoothlab.data.table.trees import class_tree
from smoothlab.data.table.weights import class_weights
from smoothlab.errors import BadRow, InvalidArgument, UserMistake
from smoothlab.flat_keys import takes_keys

SAMPLED_GROUPS = 8  # row groups, evenly spaced, that kinds of columns are guessed from
SAMPLED_ROWS = 5_000  # of each
IN_A_ROW = 20  # rows that count up one by one, above which a column counts the rows


class ParquetStream(DataModule):
    """Rows of Parquet files, read by row group whenever they are needed.

    ``setup`` reads the files once, for the classes, the encoder and the counts. The fields of the parts may be given as
    keywords; ``conf/data/parquet.yaml`` and ``conf/data/part`` say what each does. None or empty is off.

    Args:
        path: a file, a folder of them, or these by split.
        window: samples that are mixed at least in training.
        workers: processes that read training batches; 0: a thread.
        labels: the target.
        columns: what the columns are.
        encoding: how they become features.
        weights: what rows count.
        splits: which row goes where.
        loading: how rows come in batches.

    Attributes:
        columns: what each column is and what it is used as.
    """

    @takes_keys
    def __init__(
        self,
        path: str | dict[str, str] | None = None,
        *,
        window: int = 100_000,
        workers: int = 0,
        labels: Labels = Labels(),
        columns: Columns = Columns(),
        encoding: Encoding = Encoding(text_encoding="hashed"),
        weights: Weights = Weights(),
        splits: Splits = Splits(),
        loading: Loading = Loading(batch_size=1024, eval_batch_size=4096),
    ) -> None:
        super().__init__(loading=loading, label_kind=labels.labels)
        check_least("window", window, 1)
        check_least("workers", workers, 0)
        weights.refuse_several(labels.labels)
        for name, value, expected in (
            ("label_separator", labels.label_separator, None),
            ("rare_classes", labels.rare_classes, 0),
            ("text_encoding", encoding.text_encoding, "hashed"),
        ):
            if value != expected:
                raise InvalidArgument(name, value, f"{expected or expected == 0 or 'null'} in a stream")
        self.path = path
        self.labels = labels
        self.column_options = columns
        self.encoding = encoding
        self.weights = weights
        self.splits = splits
        self.splitter = Splitter(
            splits, of_files=isinstance(path, dict), val_from_train=isinstance(path, dict) and "val" not in path
        )
        self.window = window
        self.workers = workers
        self.columns: list[Column] = []
        self._source: RowGroups | None = None
        self._num_rows = 0
        self._weight_of_training = 0.0
        self._class_counts: list[int] = []
        self._first: Batch | None = None

    # What is known after setup ----------------------------------------------------------------------------------------

    @property
    def class_counts(self) -> list[int]:
        """See :class:`DataModule`."""
        return self._class_counts

    @property
    def num_rows(self) -> int:
        """See :class:`DataModule`."""
        return self._num_rows

    @property
    def num_samples(self) -> int:
        """See :class:`DataModule`."""
        return int(self.source.counts[:, 0].sum())

    @property
    def source(self) -> RowGroups:
        """Where the samples come from."""
        assert self._source is not None, "call setup() first"
        return self._source

    def first(self, count: int) -> Batch:
        """See :class:`DataModule`."""
        if self._first is None or len(self._first) < min(count, self.num_samples):
            parts, rows = [], 0
            for index, of_split in enumerate(self.source.counts[:, 0].tolist()):
                taken = min(of_split, count - rows)
                if taken:
                    parts.append((index, 0, taken))
                    rows += taken
            with closing(self.source.reader()) as reader:
                self._first = self.source.finished(self.source.joined(reader, "train", parts))
        return self._first.take(slice(0, count))

    def loader(self, split: str) -> StreamLoader:
        """See :class:`DataModule`."""
        return StreamLoader(ParquetBatches(self.source, split, self.eval_batch_size, window=1, **this_rank()))

    def train_dataloader(self) -> StreamLoader:
        """Mixed batches; the order depends on ``shuffle_seed``, the epoch, and the number of ranks and workers."""
        batches = ParquetBatches(
            self.source,
            "train",
            self.batch_size,
            window=self.window,
            shuffle_seed=self.shuffle_seed,
            workers=self.workers,
            **this_rank(),
        )
        return StreamLoader(batches, self.workers)

    # Setup ------------------------------------------------------------------------------------------------------------

    def setup(self, stage: str | None = None) -> None:
        """See :class:`DataModule`."""
        if self._source is not None:
            return
        if self.labels.target is None:
            raise UserMistake("data.target: missing; give the column with the label as data.target=...")
        if self.path is None:
            raise UserMistake("data.path: missing; expected a Parquet file or a folder of them")
        labels = stream_labels(self.labels)
        files = ParquetFiles(self.path)
        options = self.column_options
        sample = _sample_of(files, all_named([*options.drop, *options.ids]))
        check_columns("target", labels.columns, sample)
        taken = taken_by(labels.columns, self.weights.weight, self.splits.split_column)
        self.columns = roles(sample, options, taken)
        whole = len(sample) == files.num_rows
        if not whole:
            self._reconsider(sample)
        self.notes = notes_on(self.columns)
        self.fingerprint = files.fingerprint()
        self._pass(files, labels, sample, whole)

    def _reconsider(self, sample: pd.DataFrame) -> None:
        """What a sample of rows cannot tell: that a column is constant, and that it counts the rows."""
        for column in self.columns:
            cells = sample[column.name].iloc[: min(SAMPLED_ROWS, len(sample))]
            if column.note is not None and column.note.reason == "constant":
                number = pd.api.types.is_numeric_dtype(cells)
                date = pd.api.types.is_datetime64_any_dtype(cells)
                column.kind, column.role = "numeric" if number else "date" if date else "categorical", "feature"
                column.note = None
            elif column.role == "feature" and column.kind == "numeric" and pd.api.types.is_integer_dtype(cells):
                steps = np.diff(cells.to_numpy(dtype=np.float64, na_value=np.nan))
                if len(steps) >= IN_A_ROW and bool((steps == 1).all()):
                    column.role, column.note = "ignored", Note(column.name, "id", "counts the rows")

    def _pass(self, files: ParquetFiles, labels: StreamLabels, sample: pd.DataFrame, whole: bool) -> None:
        """Read all rows once, and settle what batches are made with."""
        features = [column for column in self.columns if column.role == "feature"]
        metadata = {column.name: _fit_of(column, sample) for column in self.columns if column.role == "metadata"}
        fitted: dict[str, ColumnFit] = {}
        if self.encoder is None:
            fitted = {column.name: _fit_of(column, sample) for column in features if column.kind != "text"}
        encoder: TableEncoder | None = self.encoder  # type: ignore[assignment]
        others = self._others(labels, metadata)
        read = list(dict.fromkeys([*fitted, *others]))
        counts = np.zeros((len(files.groups), len(SPLITS)), dtype=np.int64)
        with closing(Reader(read, dictionaries=self._dictionaries(files, read, encoder))) as reader:
            for index, group in enumerate(files.groups):
                table = reader.read(group)
                try:
                    counts[index] = self._take_in(table, group, labels, {**fitted, **metadata})
                except BadRow as error:
                    raise UserMistake(f"{error} (rows counted in {group.place})") from None
        labels.finish()
        self._check(files, labels, counts)
        if encoder is None:
            encoder = self._encoder(features, fitted, whole)
            self.encoder = encoder
        self._finish(files, labels, counts, metadata, encoder, sample)

    def _others(self, labels: StreamLabels, metadata: Iterable[str]) -> list[str]:
        """Columns that are read beside the features."""
        more = (self.weights.weight, self.splits.split_column)
        return [*labels.columns, *metadata, *(str(name) for name in more if name is not None)]

    def _take_in(
        self, table: pa.Table, group: RowGroup, labels: StreamLabels, fits: dict[str, ColumnFit]
    ) -> np.ndarray:
        """Take in a row group; its samples ``(3,)`` of each split."""
        codes = self.splitter.codes(table, group)
        present = labels.present(table)
        if not present.all():
            table, codes = table.filter(pa.array(present)), codes[present]
        train = codes == 0
        weights = cell_weights(table, named(self.weights.weight))
        self._weight_of_training += float(weights[train].sum())
        labels.update(table, train, weights)
        for name, fit in fits.items():
            _update(fit, table.column(name), train)
        return np.bincount(codes, minlength=len(SPLITS))

    def _dictionaries(self, files: ParquetFiles, names: Sequence[str], encoder: TableEncoder | None) -> list[str]:
        """Columns of words that repeat themselves."""
        long = {column.name for column in self.columns if column.kind == "text"}
        if encoder is not None:
            long |= {column.column for column in encoder.columns if isinstance(column, TextColumn)}
        return [name for name in names if name not in long and _is_words(files.types[name])]

    def _check(self, files: ParquetFiles, labels: StreamLabels, counts: np.ndarray) -> None:
        for split, rows in zip(SPLITS, counts.sum(axis=0), strict=True):
            if not rows:
                raise UserMistake(f"data.split: no rows are left for {split}")
        unseen = [name for name, count in zip(labels.names, labels.counts, strict=True) if not count]
        if unseen and self.label_kind == "multilabel":
            self.notes.append(f"{len(unseen)} labels are present in no training row ({', '.join(unseen[:5])})")
        elif unseen:
            raise UserMistake(
                f"data.target: class {unseen[0]!r} is in no training row of this split; choose another "
                "data.split_seed or split, or merge classes with data.classes"
            )
        unlabelled = files.num_rows - int(counts.sum())
        if unlabelled:
            self.notes.append(f"{unlabelled} rows without a label are left out")

    def _encoder(self, features: list[Column], fitted: dict[str, ColumnFit], whole: bool) -> TableEncoder:
        options = self.encoding
        made: list[ColumnEncoder] = []
        for column in features:
            if column.kind == "text":
                made.append(TextColumn(column.name, "hashed", options.text_features))
                continue
            fit = fitted[column.name]
            column.missing = fit.missing
            if fit.constant and not whole:
                column.be_constant()
                self.notes += notes_on([column])
                continue
            made.append(fit.finish(indicators=options.missing, rare=options.rare, scaling=options.scaling))
        if not made:
            raise UserMistake("data: no column is left as a feature")
        return TableEncoder(made, options.categories)

    def _finish(
        self,
        files: ParquetFiles,
        labels: StreamLabels,
        counts: np.ndarray,
        metadata: dict[str, ColumnFit],
        encoder: TableEncoder,
        sample: pd.DataFrame,
    ) -> None:
        used = [column.column for column in encoder.columns]
        lost = [name for name in used if name not in files.types]
        if lost:
            raise UserMistake(f"data.path: column {lost[0]!r} is missing; the model needs {len(used)} columns")
        self._class_counts = [round(count) for count in labels.counts.tolist()]
        tree = self.labels.tree
        if isinstance(tree, str) and tree in files.types:
            raise InvalidArgument("tree", tree, "nested names or a file of them in a stream, no column")
        made = None if tree is None else class_tree(tree, sample, [None] * len(sample), labels.names)
        self.classes_are(labels.names, tree=made)
        columns = [_metadata_column(fit) for fit in metadata.values()]
        self.metadata_categories = {column.name: column.words for column in columns if column.kind == "words"}
        others = self._others(labels, metadata)
        read = list(dict.fromkeys([*used, *others]))
        self._num_rows = files.num_rows
        self._source = RowGroups(
            groups=files.groups,
            counts=counts,
            columns=read,
            dictionaries=self._dictionaries(files, read, encoder),
            splitter=self.splitter,
            labels=labels,
            encoder=ArrowEncoder(encoder),
            metadata=columns,
            weight=self._row_weight(labels, int(counts[:, 0].sum())),
        )
        kinds = Counter(column.kind for column in self.columns if column.role == "feature")
        parts = ", ".join(f"{rows} {split}" for split, rows in zip(SPLITS, counts.sum(axis=0), strict=True))
        self.notes.insert(
            0,
            f"{int(counts.sum())} rows ({parts}) in {len(files.groups)} row groups, {len(labels.names)} classes; "
            f"features: {', '.join(f'{count} {kind}' for kind, count in kinds.items())}",
        )

    def _row_weight(self, labels: StreamLabels, num_samples: int) -> RowWeight | None:
        weight, class_weight = named(self.weights.weight), self.weights.class_weight
        if weight is None and class_weight is None:
            return None
        by_class, total = None, self._weight_of_training
        if class_weight is not None:
            by_class = class_weights(class_weight, labels.names, np.arange(len(labels.weights)), labels.weights)
            total = float((labels.weights * by_class).sum())
        mean = total / num_samples
        if not mean > 0:
            raise UserMistake(f"data.weight: every weight in {weight!r} is 0 in the training rows")
        return RowWeight(weight, by_class, mean)


def _fit_of(column: Column, sample: pd.DataFrame) -> ColumnFit:
    """What learns from a column; texts and ids come here where they are metadata."""
    cells = sample[column.name]
    words = column.kind == "constant" and not pd.api.types.is_numeric_dtype(cells)
    if column.kind in ("categorical", "text", "id") or words:
        return CategoryFit(column.name, most=MOST_WORDS)
    if column.kind == "date":
        return DateFit(column.name, column.style)
    return NumericFit(column.name, column.writing)


def _update(fit: ColumnFit, cells: pa.ChunkedArray, train: np.ndarray) -> None:
    """Let a fit take in the cells of a row group, of which ``train`` ``(N,)`` says which are training rows."""
    if isinstance(fit, CategoryFit):
        fit.take(*factorized(cells), train)
    elif isinstance(fit, NumericFit) and (values := numbers(cells)) is not None and np.isfinite(values).all():
        fit.take(values, train)
    else:  # dates, words, or empty and infinite cells
        fit.update(series(cells, fit.column), train)


def _sample_of(files: ParquetFiles, ignored: Sequence[str]) -> pd.DataFrame:
    """The first rows of some row groups; a column that is empty in them is filled from another group."""
    names = list(files.types)
    chosen = np.linspace(0, len(files.groups) - 1, min(SAMPLED_GROUPS, len(files.groups))).round().astype(int)
    if files.num_rows <= SAMPLED_GROUPS * SAMPLED_ROWS:
        chosen = np.arange(len(files.groups))
    reader = Reader(names)
    tables = [reader.read(files.groups[index]) for index in chosen]
    if len(tables) < len(files.groups) or files.num_rows > SAMPLED_GROUPS * SAMPLED_ROWS:
        tables = [table.slice(0, SAMPLED_ROWS) for table in tables]
    frame = pd.concat([table.to_pandas(ignore_metadata=True) for table in tables], ignore_index=True)
    reader.close()
    for name in names:
        if name in ignored or len(frame) == files.num_rows or frame[name].notna().any():
            continue
        group = files.rows_with(name)
        if group is None:
            continue
        with closing(Reader([name])) as other:
            cells = series(other.read(group).column(name), name).dropna().iloc[:SAMPLED_ROWS]
        frame[name] = pd.concat([cells, frame[name].iloc[len(cells) :].astype(cells.dtype, errors="ignore")]).array
    return frame


def _metadata_column(fit: ColumnFit) -> MetadataColumn:
    if isinstance(fit, DateFit):
        return MetadataColumn(fit.column, "date", style=fit.dates.style)
    if isinstance(fit, CategoryFit):
        return MetadataColumn(fit.column, "words", words=sorted(fit.counts))
    return MetadataColumn(fit.column, "numeric")


def _is_words(kind: pa.DataType) -> bool:
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_binary(kind))
