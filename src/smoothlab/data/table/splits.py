"""Which row of a table goes where: training, validation or test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from smoothlab.data.table.kinds import listed
from smoothlab.data.table.places import row_number
from smoothlab.errors import InvalidArgument, UserMistake

SplitKind = Literal["random", "group", "time", "column", "fold"]
FEW_GROUPS = 20_000  # draws are repeated where that is cheap
Rows = dict[str, np.ndarray]  # sorted positions of each split
WORDS = {
    "train": ("train", "training", "tr", "trn", "train set", "train_set", "learn", "learning"),
    "val": ("val", "valid", "validation", "dev", "eval", "evaluation", "publictest"),
    "test": ("test", "testing", "te", "tst", "test set", "test_set", "holdout", "hold-out", "privatetest"),
}


def check_fractions(fractions: Sequence[float]) -> tuple[float, float, float]:
    """Three positive numbers that sum to 1.

    Raises:
        InvalidArgument: they are not.
    """
    wrong = len(fractions) != 3 or any(not part > 0 for part in fractions) or abs(sum(fractions) - 1) > 1e-6
    if wrong:
        raise InvalidArgument("fractions", list(fractions), "three positive numbers that sum to 1")
    train, val, test = fractions
    return train, val, test


def random_split(labels: np.ndarray, class_names: Sequence[str], fractions: Sequence[float], seed: int) -> Rows:
    """Rows drawn with the classes' shares of the whole in each split.

    Args:
        labels: what is to be shared out evenly, class indices ``(N,)``.
        class_names: by index.
        fractions: of train, val and test.
        seed: decides which row goes where.

    Raises:
        UserMistake: a class has fewer than three rows, so that it cannot stand in every split.
    """
    _check_counts(labels, class_names, 3, "train, val and test need at least one each", empty_is_fine=True)
    _, val, test = fractions
    rest, test_rows = _cut(np.arange(len(labels)), labels, test, fractions, seed)
    train_rows, val_rows = _cut(rest, labels, val / (1 - test), fractions, seed)
    return _sorted({"train": train_rows, "val": val_rows, "test": test_rows})


def val_of(
    train: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    fractions: Sequence[float],
    seed: int,
    groups: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Rows for validation out of training rows, ``val / (train + val)`` of them; groups stay together."""
    share = fractions[1] / (fractions[0] + fractions[1])
    if groups is not None:
        parts = _share_groups(groups[train], labels[train], (1 - share, share), seed)
        return train[parts[0]], train[parts[1]]
    _check_counts(labels[train], class_names, 2, "train and val need at least one each", empty_is_fine=True)
    rest, val = _cut(train, labels, share, fractions, seed)
    return np.sort(rest), np.sort(val)


def fold_split(
    labels: np.ndarray,
    class_names: Sequence[str],
    fractions: Sequence[float],
    seed: int,
    folds: int,
    fold: int,
    groups: np.ndarray | None = None,
) -> Rows:
    """Fold ``fold`` of a stratified k-fold split is the test data; validation rows come out of the others.

    Args:
        labels: what is to be shared out evenly ``(N,)``.
        class_names: by index.
        fractions: those of train and val say how the other folds are shared out.
        seed: decides which row goes into which fold; the same for each fold.
        folds: how many, at least 2.
        fold: 0 to folds - 1.
        groups: rows of the same group ``(N,)`` stay together, or None.

    Raises:
        UserMistake: a class has fewer rows than there are folds, or there are fewer groups.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    if folds < 2:
        raise InvalidArgument("folds", folds, "an integer of at least 2")
    if not 0 <= fold < folds:
        raise InvalidArgument("fold", fold, f"an integer in [0, {folds - 1}], of data.folds = {folds}")
    everything = np.arange(len(labels))
    if groups is None:
        _check_counts(labels, class_names, folds, f"fewer than data.folds = {folds}", empty_is_fine=True)
        kfold = StratifiedKFold(folds, shuffle=True, random_state=seed)
        train, test = list(kfold.split(everything, labels))[fold]
    else:
        if len(np.unique(groups)) < folds + 1:
            raise UserMistake(f"data.split_column: {len(np.unique(groups))} groups; data.folds = {folds} needs more")
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of small classes, which are looked at after the split
            grouped = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
            train, test = list(grouped.split(everything, labels, groups))[fold]
    train, val = val_of(train, labels, class_names, fractions, seed, groups)
    return _sorted({"train": train, "val": val, "test": test})


def group_split(groups: np.ndarray, labels: np.ndarray, fractions: Sequence[float], seed: int) -> Rows:
    """Whole groups drawn until each split has its share of the rows.

    Args:
        groups: number of each row's group ``(N,)``.
        labels: class indices ``(N,)``; of several draws the one whose splits are most alike is taken.
        fractions: of train, val and test.
        seed: decides which group goes where.

    Raises:
        UserMistake: fewer than three groups.
    """
    if len(np.unique(groups)) < 3:
        raise UserMistake(f"data.split_column: {len(np.unique(groups))} groups; train, val and test need one each")
    parts = _share_groups(groups, labels, fractions, seed)
    return dict(zip(("train", "val", "test"), parts, strict=True))


def _share_groups(
    groups: np.ndarray, labels: np.ndarray, fractions: Sequence[float], seed: int, draws: int = 20
) -> list[np.ndarray]:
    """Positions of each part; the draw with the smallest distance from the wanted count of every class is taken."""
    _, members = np.unique(groups, return_inverse=True)
    count, classes = int(members.max()) + 1, int(labels.max()) + 1
    if count < len(fractions):
        raise UserMistake(f"data.split_column: {count} groups left for {len(fractions)} splits")
    table = np.zeros((count, classes))  # rows of each class in each group
    np.add.at(table, (members, labels), 1)
    sizes, whole = table.sum(1), table.sum(0)
    wanted = np.asarray(fractions)
    generator = np.random.default_rng(seed)
    best, part_of = np.inf, np.zeros(count, dtype=np.int64)
    for _ in range(max(1, min(draws, FEW_GROUPS // count))):
        order = generator.permutation(count)
        filled = np.zeros(len(wanted))
        drawn = np.empty(count, dtype=np.int64)
        for place, group in enumerate(order):
            need = wanted - filled / sizes.sum()
            empty = np.flatnonzero(filled == 0)
            if len(empty) and count - place <= len(empty):  # the last groups go where there is none yet
                need = np.where(filled == 0, need + 2, need)
            part = int(need.argmax())
            drawn[group] = part
            filled[part] += sizes[group]
        shares = np.stack([table[drawn == part].sum(0) for part in range(len(wanted))])
        distance = float(np.abs(shares - wanted[:, None] * whole).sum())
        distance += float((shares[0] == 0).sum()) * sizes.sum()  # a class that training lacks is the worst
        if distance < best:
            best, part_of = distance, drawn
    return [np.flatnonzero(part_of[members] == part) for part in range(len(wanted))]


def time_split(times: np.ndarray, fractions: Sequence[float]) -> Rows:
    """The oldest rows train, later ones validate, the latest test; rows of the same time stay together.

    Args:
        times: of each row ``(N,)``, any numbers.
        fractions: of train, val and test.

    Raises:
        UserMistake: there are too few different times.
    """
    order = np.argsort(times, kind="stable")
    ordered = times[order]
    cuts = []
    for share in (fractions[0], fractions[0] + fractions[1]):
        place = min(max(round(share * len(times)), 1), len(times) - 1)
        cuts.append(int(np.searchsorted(ordered, ordered[place], side="left")))
    parts = np.split(order, cuts) if cuts[0] <= cuts[1] else []
    if not parts or any(not len(part) for part in parts):
        raise UserMistake(
            f"data.split_column: {len(np.unique(times))} different times in {len(times)} rows are too few for splits "
            f"of {list(fractions)}"
        )
    return _sorted(dict(zip(("train", "val", "test"), parts, strict=True)))


def column_split(words: np.ndarray, numbers: np.ndarray | None = None) -> Rows:
    """Rows by a column that says train, val or test, in usual spellings; a split that is not named has none.

    Args:
        words: of each row ``(N,)``.
        numbers: of the rows in their source ``(N,)``, from 0, for the error; None: as they come.

    Raises:
        UserMistake: an empty cell or another word; no training or no test rows.
    """
    split_of = {word: split for split, words_of in WORDS.items() for word in words_of}
    splits = np.array([split_of.get(str(word).strip().lower(), "") for word in words], dtype=object)
    bad = np.flatnonzero(splits == "")
    if bad.size:
        row = int(bad[0] if numbers is None else numbers[bad[0]]) + 1
        raise UserMistake(f"data.split_column: data row {row} holds {words[bad[0]]!r}; expected train, val or test")
    rows = {split: np.flatnonzero(splits == split) for split in WORDS}
    for split in ("train", "test"):
        if not len(rows[split]):
            raise UserMistake(f"data.split_column: no row of {split!r}")
    return rows


def check_learnable(rows: Rows, labels: np.ndarray, class_names: Sequence[str]) -> None:
    """Refuse a split in which training lacks a class.

    Args:
        rows: of each split.
        labels: class indices ``(N,)``, or votes ``(N, K)``.
        class_names: by index.

    Raises:
        UserMistake: with the class.
    """
    for split, index in rows.items():
        if not len(index):
            raise UserMistake(f"data.split: no rows are left for {split}")
    if labels.ndim == 1:
        trained = np.bincount(labels[rows["train"]], minlength=len(class_names))
    else:
        trained = np.maximum(labels[rows["train"]], 0).sum(axis=0)
    lost = np.flatnonzero(trained == 0)
    if lost.size:
        raise UserMistake(
            f"data.target: class {class_names[lost[0]]!r} is in no training row of this split; choose another "
            "data.split_seed or split, or merge classes with data.rare_classes or data.classes"
        )


def lacking(rows: Rows, labels: np.ndarray, class_names: Sequence[str]) -> list[str]:
    """Notes on the classes that validation or test lack, of class indices or votes as in :func:`check_learnable`."""
    notes = []
    for split in ("val", "test"):
        part = labels[rows[split]]
        seen = np.isin(np.arange(len(class_names)), part) if labels.ndim == 1 else np.asarray((part > 0).any(axis=0))
        lost = [name for name, present in zip(class_names, seen, strict=True) if not present]
        if lost:
            notes.append(f"{split} has no row of {len(lost)} of {len(class_names)} classes: {listed(lost)}")
    return notes


def groups_of(cells: pd.Series, name: str) -> np.ndarray:
    """Numbers ``(N,)`` of the groups in a column.

    Raises:
        UserMistake: an empty cell.
    """
    codes, _ = pd.factorize(cells)
    refuse_empty(cells, codes < 0, name, "group")
    return np.asarray(codes)


def refuse_empty(cells: pd.Series, empty: np.ndarray, name: str, what: str) -> None:
    """Refuse a column that splits go by, where some of its cells are empty ``(N,)``."""
    if empty.any():
        row = row_number(cells, int(empty.argmax()))
        raise UserMistake(f"data.split_column = {name!r}: data row {row} is empty; every row needs its {what}")


def _check_counts(
    labels: np.ndarray, class_names: Sequence[str], least: int, why: str, *, empty_is_fine: bool = False
) -> None:
    counts = np.bincount(labels, minlength=len(class_names)).astype(float)
    if empty_is_fine:
        counts[counts == 0] = np.inf
    if len(class_names) < 2:
        raise UserMistake(f"data.target: expected at least two classes, got {listed(class_names)}")
    smallest = int(counts.argmin())
    if counts[smallest] < least:
        few = int((counts < least).sum())
        too_few = f"{few} of {len(class_names)} classes have too few; " if few > 2 else ""
        rare = class_names[smallest]
        if few > 20 and few > len(class_names) / 2:
            raise UserMistake(
                f"data.target: {few} of {len(class_names)} classes have fewer than {least} rows: a quantity or a name, "
                f"and no class? Cut a quantity into ranges first; data.rare_classes={least} merges rare classes"
            )
        alike = [name for name in class_names if name != rare and name.lower() == rare.lower()]
        merged = merging(counts, least)
        together = "" if merged else f" where they have {least} rows together"
        large = np.where(np.isfinite(counts) & (np.arange(len(counts)) != smallest), counts, -1)
        other = alike[0] if alike else class_names[int(large.argmax())]
        what = "another spelling of that one" if alike else "that one"
        renamed = f"; 'data.classes={{{rare}: {other}}}' takes it as {what}" if alike or not merged else ""
        raise UserMistake(
            f"data.target: class {rare!r} has {int(counts[smallest])} row(s); {why} ({too_few}"
            f"data.rare_classes={merged or least} merges such classes into one{together}{renamed})"
        )


def merging(counts: np.ndarray, least: int) -> int | None:
    """The ``data.rare_classes`` that makes of the rare ones, and the next smallest, a class of enough rows.

    Args:
        counts: rows of each class ``(K,)``; not finite where there is none.
        least: rows that a class needs.

    Returns:
        At most ten times ``least``; None where that is not enough or leaves no other class.
    """
    present = np.sort(counts[np.isfinite(counts)])
    for limit in range(least, 10 * least + 1):
        rare = present[present < limit]
        if len(rare) > 1 and rare.sum() >= least and len(rare) < len(present):
            return limit
    return None


def _cut(
    rows: np.ndarray, labels: np.ndarray, share: float, fractions: Sequence[float], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows in two parts with the same shares of the classes; the second has ``share`` of them."""
    from sklearn.model_selection import train_test_split

    try:
        first, second = train_test_split(rows, test_size=share, stratify=labels[rows], random_state=seed)
    except ValueError:  # a part would have fewer rows than there are classes
        classes = len(np.unique(labels[rows]))
        raise UserMistake(
            f"data: {len(labels)} rows are too few for {classes} classes in splits of data.fractions = "
            f"{list(fractions)}"
        ) from None
    return first, second


def _sorted(rows: Rows) -> Rows:
    return {split: np.sort(index) for split, index in rows.items()}
