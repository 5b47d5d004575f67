"""Subword tokenizers, trained on the texts that they will cut."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from smoothlab.errors import InvalidArgument, UserMistake

PADDING = "[PAD]"  # gets the id 0
BYTES = 256
UNICODE_FORMS = ("NFC", "NFKC")


def train_tokenizer(
    texts: Iterable[str],
    *,
    vocab_size: int,
    lowercase: bool,
    min_frequency: int = 2,
    special_tokens: Sequence[str] = (PADDING,),
    unicode_form: str = "NFKC",
) -> Any:
    """A tokenizer that joins the pair of tokens that is most frequent, again and again; the id 0 is padding.

    It begins with single bytes and knows all of them, so that no text has an unknown token. (The library's other way,
    unigram, does not learn the same tokens twice from the same texts, and so no run could be repeated.)

    Args:
        texts: of the training rows.
        vocab_size: tokens at most, at least 256 and the special ones; few texts give fewer.
        lowercase: whether upper and lower case are one.
        min_frequency: how often a pair has to occur to be joined, at least 1.
        special_tokens: tokens that no text is cut into; they get the first ids.
        unicode_form: of the letters, ``"NFC"`` or ``"NFKC"``.

    Returns:
        A ``tokenizers.Tokenizer``.

    Raises:
        InvalidArgument: for arguments outside their range.
        UserMistake: the library is not installed.

    Sources: Sennrich, Haddow and Birch, "Neural Machine Translation of Rare Words with Subword Units", ACL 2016; from
    bytes on as in Radford et al., "Language Models are Unsupervised Multitask Learners", 2019.
    """
    special = "padding" if len(special_tokens) == 1 else f"{len(special_tokens)} special tokens"
    for name, value, least, why in (
        ("vocab_size", vocab_size, BYTES + len(special_tokens), f": {special} and every byte"),
        ("min_frequency", min_frequency, 1, ""),
    ):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InvalidArgument(name, value, f"an integer of at least {least}{why}")
    library = tokenizer_library()
    from tokenizers import decoders, models, pre_tokenizers, trainers

    made = library.Tokenizer(models.BPE())
    made.normalizer = normalizer(unicode_form, lowercase=lowercase)
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=list(special_tokens),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    made.train_from_iterator(texts, trainer)
    return made


def normalizer(unicode_form: str, *, lowercase: bool) -> Any:
    """What makes letters alike before a text is cut.

    Raises:
        InvalidArgument: a form that is none of ``UNICODE_FORMS``.
    """
    if unicode_form not in UNICODE_FORMS:
        raise InvalidArgument("unicode_form", unicode_form, f"one of {', '.join(UNICODE_FORMS)}")
    from tokenizers import normalizers

    form = getattr(normalizers, unicode_form)()
    return normalizers.Sequence([form, *([normalizers.Lowercase()] if lowercase else [])])


def tokenizer_library(extra: str = "text") -> Any:
    """The tokenizers library.

    Args:
        extra: that brings it, for the error.

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
            f"{extra} needs the package tokenizers, which is not installed: pip install 'smoothlab[{extra}]'"
        ) from None
    return tokenizers
