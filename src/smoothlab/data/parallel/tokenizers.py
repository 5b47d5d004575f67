"""Tokenizers of translation: subwords, whole words, or one that somebody trained before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from smoothlab.data.parallel.lines import read_text
from smoothlab.data.text.tokenizer import normalizer, tokenizer_library, train_tokenizer
from smoothlab.errors import InvalidArgument, readable

EXTRA = "translation"


@dataclass(frozen=True)
class SpecialTokens:
    """Names of the tokens that are no part of a text.

    Args:
        padding: fills up shorter sentences.
        begin: what the decoder reads first; some pretrained nets begin with padding.
        end: ends every sentence.
        unknown: what a tokenizer says for a word that it does not know; None: there is no such word.
    """

    padding: str = "[PAD]"
    begin: str = "[BOS]"
    end: str = "[EOS]"
    unknown: str | None = None

    def names(self) -> dict[str, str]:
        """By what they are for; those that there are."""
        return {use: name for use, name in asdict(self).items() if name is not None}


SUBWORDS = SpecialTokens()
WORDS = SpecialTokens(unknown="[UNK]")


def subword_tokenizer(
    texts: Iterable[str], *, vocab_size: int, lowercase: bool, min_frequency: int, unicode_form: str
) -> str:
    """Byte pairs (:func:`smoothlab.data.text.tokenizer.train_tokenizer`) as JSON text; nothing is unknown to it."""
    tokenizer_library(EXTRA)
    made = train_tokenizer(
        texts,
        vocab_size=vocab_size,
        lowercase=lowercase,
        min_frequency=min_frequency,
        special_tokens=list(SUBWORDS.names().values()),
        unicode_form=unicode_form,
    )
    return str(made.to_str())


def word_tokenizer(
    texts: Iterable[str], *, vocab_size: int, lowercase: bool, min_frequency: int, unicode_form: str
) -> str:
    """Words between white space, the most frequent first, as a tokenizer's JSON text; others are ``[UNK]``.

    Args:
        texts: of the training sentences.
        vocab_size: tokens at most, at least 5: four special ones and a word.
        lowercase: whether upper and lower case are one.
        min_frequency: how often a word has to occur, at least 1.
        unicode_form: of the letters, ``"NFC"`` or ``"NFKC"``.

    Raises:
        InvalidArgument: for arguments outside their range.
        UserMistake: the library is not installed.
    """
    special = list(WORDS.names().values())
    for name, value, least in (("vocab_size", vocab_size, len(special) + 1), ("min_frequency", min_frequency, 1)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InvalidArgument(name, value, f"an integer of at least {least}")
    tokenizer_library(EXTRA)
    alike = normalizer(unicode_form, lowercase=lowercase)
    counts = Counter(word for text in texts for word in alike.normalize_str(text).split())
    # equal counts in alphabetical order: the same texts make the same vocabulary in whatever order they come
    known = sorted((word for word in counts if word not in special), key=lambda word: (-counts[word], word))
    frequent = [word for word in known if counts[word] >= min_frequency][: vocab_size - len(special)]
    return words_as_tokenizer(frequent, lowercase=lowercase, unicode_form=unicode_form)


def words_as_tokenizer(words: Sequence[str], *, lowercase: bool = False, unicode_form: str = "NFC") -> str:
    """A tokenizer of these words, after the special tokens, as JSON text."""
    library = tokenizer_library(EXTRA)
    from tokenizers import models, pre_tokenizers

    vocabulary = {word: index for index, word in enumerate([*WORDS.names().values(), *words])}
    made = library.Tokenizer(models.WordLevel(vocabulary, unk_token=WORDS.unknown))
    made.normalizer = normalizer(unicode_form, lowercase=lowercase)
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return str(made.to_str())


def tokenizer_in_file(path: str | Path, key: str) -> str:
    """The JSON text of a tokenizer that was saved by the ``tokenizers`` library.

    Raises:
        UserMistake: no such file, or no tokenizer in it.
    """
    text = read_text(path, key)
    open_tokenizer(text, f"{key} = {str(path)!r}")
    return text


def open_tokenizer(text: str, where: str) -> Any:
    """A tokenizer that cuts plain text: what is special to it is text when it stands in a sentence.

    Args:
        text: as JSON.
        where: what to call it in an error.

    Raises:
        UserMistake: the library is not installed, or the text is no tokenizer.
    """
    library = tokenizer_library(EXTRA)
    with readable(where, "a tokenizer"):
        made = library.Tokenizer.from_str(text)
    made.encode_special_tokens = True
    made.no_truncation()
    made.no_padding()
    return made


def special_tokens(given: SpecialTokens | Mapping[str, str | None] | None) -> SpecialTokens:
    """Names of special tokens as a config gives them.

    Raises:
        InvalidArgument: another key than those of :class:`SpecialTokens`, or a name that is no text.
    """
    if isinstance(given, SpecialTokens):
        return given
    expected = "names by use: {padding: ..., begin: ..., end: ..., unknown: ...}"
    if given is None:
        return SUBWORDS
    uses = ("padding", "begin", "end", "unknown")
    if not isinstance(given, Mapping) or not {"padding", "begin", "end"} <= set(given) <= set(uses):
        raise InvalidArgument("special_tokens", given, expected)
    if not all(isinstance(name, str) and name for use, name in given.items() if use != "unknown" or name is not None):
        raise InvalidArgument("special_tokens", dict(given), expected)
    return SpecialTokens(**given)  # type: ignore[arg-type]
