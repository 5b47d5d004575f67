"""Encoder-decoders of the transformers library, with the weights that others trained or without."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from smoothlab.data.parallel.pairs import SentencePairs
from smoothlab.data.text.pretrained import transformers_library
from smoothlab.errors import InvalidArgument, reason_of


class PretrainedSeq2Seq(nn.Module):
    """An encoder-decoder of transformers (Marian, BART, mBART, Pegasus, T5, ...), which translates as ours does.

    Weights come as safetensors alone, and no code comes with them. The data must cut sentences with the tokenizer that
    the model was trained with: ids are taken as they are. What the model itself begins a target with takes the place
    of the data's begin token. Its last layer must be linear, which is tried out on one token.

    Args:
        source_vocab_size: tokens of the source language.
        num_classes: tokens K of the target language; the model may know more, which are left out.
        padding_index: the id in a source that is no token.
        begin_index: the id that a target of the data begins with.
        end_index: the id that a sentence ends with.
        max_length: tokens of a sentence at most, the begin or the end token apart.
        pretrained: a folder with config.json and safetensors, or a model's name on its hub.
        architecture: in its place a model type for random first weights, such as marian, bart or t5.
        settings: entries of the model's configuration, such as dropout, or the sizes of an architecture.

    Raises:
        InvalidArgument: neither or both of ``pretrained`` and ``architecture``, one that cannot be had, settings it
            does not know, or sizes that do not fit the data.
        UserMistake: transformers is not installed.
    """

    def __init__(
        self,
        source_vocab_size: int,
        num_classes: int,
        *,
        padding_index: int,
        begin_index: int,
        end_index: int,
        max_length: int,
        pretrained: str | None = None,
        architecture: str | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if (pretrained is None) == (architecture is None):
            raise InvalidArgument("pretrained", pretrained, "a folder or a name, or architecture in its place")
        self.num_classes = num_classes
        self.padding_index = padding_index
        self.max_length = max_length
        if pretrained is not None:
            self.net = load_pretrained(pretrained, settings or {})
        else:
            of_data = {"pad_token_id": padding_index, "bos_token_id": begin_index, "eos_token_id": end_index}
            of_data |= {"decoder_start_token_id": begin_index, "vocab_size": source_vocab_size}
            of_data |= {"decoder_vocab_size": num_classes, "max_position_embeddings": max_length + 1}
            self.net = make_untrained(str(architecture), settings or {}, of_data)
        start = self._configured("decoder_start_token_id")
        self.start_index = begin_index if start is None else int(start)
        self._check_sizes(source_vocab_size)
        self._check_linear(end_index)
        self.train()  # transformers hands a loaded model over in evaluation mode, in which a Trainer would leave it

    def _configured(self, name: str) -> Any:
        generation = getattr(self.net, "generation_config", None)
        value = getattr(generation, name, None)
        return getattr(self.net.config, name, None) if value is None else value

    def _check_sizes(self, source_vocab_size: int) -> None:
        known = self.net.get_input_embeddings().num_embeddings
        if source_vocab_size > known:
            raise InvalidArgument(
                "source_vocab_size", source_vocab_size, f"at most the {known} tokens that the model reads"
            )
        if self.num_classes > len(self._head().weight):
            raise InvalidArgument(
                "num_classes", self.num_classes, f"at most the {len(self._head().weight)} tokens that the model writes"
            )
        places = getattr(self.net.config, "max_position_embeddings", None)
        if places is not None and self.max_length + 1 > places:
            raise InvalidArgument(
                "max_length", self.max_length, f"at most {places - 1}, for which the model has places"
            )

    @torch.no_grad()
    def _check_linear(self, end_index: int) -> None:
        """What comes out must be a linear map of what goes into the last layer (soft-capped logits are none)."""
        self.eval()
        source = torch.tensor([[end_index]])
        start = torch.tensor([[self.start_index]])
        logits = self.net(input_ids=source, decoder_input_ids=start).logits
        hidden, _ = self._last_vectors(input_ids=source, decoder_input_ids=start)
        if not torch.allclose(self.project(hidden), logits[..., : self.num_classes], rtol=1e-3, atol=1e-4):
            raise InvalidArgument("architecture", type(self.net).__name__, "a model whose last layer is linear")

    def _head(self) -> nn.Linear:
        head: nn.Linear = self.net.get_output_embeddings()
        return head

    @property
    def output_weight(self) -> Tensor:
        """``(K, D)`` of the last linear layer."""
        return self._head().weight[: self.num_classes]

    @property
    def output_bias(self) -> Tensor | None:
        """``(K,)`` of the last linear layer; None if it has none."""
        fixed = getattr(self.net, "final_logits_bias", None)  # a buffer (1, K) of Marian, BART and their kin
        bias = self._head().bias if fixed is None else fixed[0]
        return None if bias is None else bias[: self.num_classes]

    def forward(self, pairs: SentencePairs) -> Tensor:
        """Logits ``(M, K)`` at ``pairs.positions``."""
        return self.project(self.hidden(pairs))

    def hidden(self, pairs: SentencePairs) -> Tensor:
        """What goes into the last layer, ``(M, D)``, at ``pairs.positions``."""
        target = pairs.target.clone()
        target[:, 0] = self.start_index
        mask = (pairs.source != self.padding_index).long()
        hidden, _ = self._last_vectors(
            input_ids=pairs.source, attention_mask=mask, decoder_input_ids=target, use_cache=False
        )
        return hidden.flatten(0, 1).index_select(0, pairs.positions)

    def project(self, hidden: Tensor) -> Tensor:
        """Logits ``(..., K)`` of the last vectors ``(..., D)``."""
        return functional.linear(hidden, self.output_weight, self.output_bias)

    def begin(self, source: Tensor) -> CachedModel:
        """Read sentences ``(N, S)``."""
        mask = (source != self.padding_index).long()
        memory = self.net.get_encoder()(input_ids=source, attention_mask=mask).last_hidden_state
        return CachedModel(memory, mask)

    def next(self, tokens: Tensor, state: CachedModel) -> Tensor:
        """Logits ``(B, K)`` after one more token ``(B,)`` a row of the state."""
        if state.cache is None:
            tokens = torch.full_like(tokens, self.start_index)
        hidden, output = self._last_vectors(
            encoder_outputs=(state.memory,),
            attention_mask=state.mask,
            decoder_input_ids=tokens[:, None],
            use_cache=True,
            **{self._cache_name: state.cache},
        )
        state.cache = output[self._cache_name]
        return self.project(hidden[:, 0])

    @cached_property
    def _cache_name(self) -> str:
        """What this release of transformers calls the vectors of the tokens so far: ``cache`` since 5.24."""
        return "cache" if "cache" in inspect.signature(self.net.forward).parameters else "past_key_values"

    def _last_vectors(self, **inputs: Any) -> tuple[Tensor, Any]:
        """What goes into the last layer ``(N, T, D)``, and the model's output, without logits being made.

        Models scale these vectors in ways of their own before that layer (T5), so they are taken where they enter it.
        """
        vectors: list[Tensor] = []

        def take(_: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            vectors.append(given[0])
            return (given[0][:0],)

        handle = self._head().register_forward_pre_hook(take)
        try:
            output = self.net(**inputs)
        finally:
            handle.remove()
        return vectors[0], output


@dataclass
class CachedModel:
    """The state of a model of transformers.

    Args:
        memory: the encoder's output ``(B, S, D)``.
        mask: 1 where the source is no padding, ``(B, S)``.
        cache: the model's own, of the tokens so far; None before the first.
    """

    memory: Tensor
    mask: Tensor
    cache: Any = None

    def select(self, index: Tensor) -> None:
        """Keep the rows ``index`` ``(B',)``, in this order."""
        self.memory = self.memory.index_select(0, index)
        self.mask = self.mask.index_select(0, index)
        if self.cache is not None:
            self.cache.reorder_cache(index)


def load_pretrained(pretrained: str, settings: Mapping[str, Any]) -> Any:
    """A model with its weights, in float32.

    Raises:
        InvalidArgument: there is none, it is no encoder-decoder, it has no safetensors, or a setting is unknown.
        UserMistake: transformers is not installed.
    """
    library = transformers_library("net: pretrained encoder-decoders")
    try:
        config = library.AutoConfig.from_pretrained(pretrained, trust_remote_code=False)
        _check_settings(config, settings)
        config.update(dict(settings))
        model = library.AutoModelForSeq2SeqLM.from_pretrained(
            pretrained, config=config, use_safetensors=True, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        if isinstance(error, InvalidArgument):
            raise
        reason = reason_of(error)
        expected = f"an encoder-decoder of transformers with weights as safetensors ({reason})"
        raise InvalidArgument("pretrained", pretrained, expected) from None
    return model.float()


def make_untrained(architecture: str, settings: Mapping[str, Any], of_data: Mapping[str, int]) -> Any:
    """A model with random first weights.

    Args:
        architecture: model type.
        settings: entries of its configuration.
        of_data: entries that the data determine; those that the architecture does not know are left out.

    Raises:
        InvalidArgument: an unknown architecture or setting, or one that the data determine.
        UserMistake: transformers is not installed.
    """
    library = transformers_library("net: pretrained encoder-decoders")
    try:
        default = library.AutoConfig.for_model(architecture)
        _check_settings(default, settings)
        for name in settings:
            if name in of_data:
                raise InvalidArgument(f"settings.{name}", settings[name], "no value: the data determine it")
        known = {name: value for name, value in of_data.items() if name.endswith("_id") or hasattr(default, name)}
        config = library.AutoConfig.for_model(architecture, **known, **settings)
        return library.AutoModelForSeq2SeqLM.from_config(config, trust_remote_code=False)
    except ValueError as error:
        if isinstance(error, InvalidArgument):
            raise
        reason = reason_of(error)
        expected = f"the model type of an encoder-decoder of transformers ({reason[:200]})"
        raise InvalidArgument("architecture", architecture, expected) from None


def _check_settings(config: Any, settings: Mapping[str, Any]) -> None:
    for name, value in settings.items():
        if not hasattr(config, name):
            raise InvalidArgument(f"settings.{name}", value, f"an entry of {type(config).__name__}")
