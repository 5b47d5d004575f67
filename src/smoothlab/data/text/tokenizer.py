"""Subword tokenizers, trained on the texts that they will cut."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from smoothlab.errors import InvalidArgument, UserMistake

PADDING = "[PAD]"  # gets the id 0
SMALLEST = 257  # padding and the 256 bytes


def train_tokenizer(texts: Iterable[str], *, vocab_size: int, lowercase: bool, min_frequency: int = 2) -> Any:
    """A tokenizer that joins the pair of tokens that is most frequent, again and again; the id 0 is padding.

    It begins with single bytes and knows all of them, so that no text has an unknown token. (The library's other way,
    unigram, does not learn the same tokens twice from the same texts, and so no run could be repeated.)

    Args:
        texts: of the training rows.
        vocab_size: tokens at most, at least 257; few texts give fewer.
        lowercase: whether upper and lower case are one.
        min_frequency: how often a pair has to occur to be joined, at least 1.

    Returns:
        A ``tokenizers.Tokenizer``.

    Raises:
        InvalidArgument: for arguments outside their range.
        UserMistake: the library is not installed.

    Sources: Sennrich, Haddow and Birch, "Neural Machine Translation of Rare Words with Subword Units", ACL 2016; from
    bytes on as in Radford et al., "Language Models are Unsupervised Multitask Learners", 2019.
    """
    for name, value, least, why in (
        ("vocab_size", vocab_size, SMALLEST, ": padding and every byte"),
        ("min_frequency", min_frequency, 1, ""),
    ):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InvalidArgument(name, value, f"an integer of at least {least}{why}")
    library = tokenizer_library()
    from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

    made = library.Tokenizer(models.BPE())
    made.normalizer = normalizers.Sequence([normalizers.NFKC(), *([normalizers.Lowercase()] if lowercase else [])])
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=[PADDING],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    made.train_from_iterator(texts, trainer)
    return made


def tokenizer_library() -> Any:
    """The tokenizers library.

    Raises:
        UserMistake: it is not installed.
    """
    # One thread, unless the user says otherwise: a training that is repeated makes the same tokens, and processes that
    # are forked later need not warn about threads.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        import tokenizers
    except ImportError:
        raise UserMistake(
            "text needs the package tokenizers, which is not installed: pip install 'smoothlab[text]'"
        ) from None
    return tokenizers
