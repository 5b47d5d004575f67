"""Encoders of texts that others trained: a folder, or an installed package that holds one."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from smoothlab.errors import InvalidArgument, UserMistake, reason_of
from smoothlab.packaged_files import files_of_package

CONFIG, TOKENIZER, WEIGHTS = "config.json", "tokenizer.json", "*.safetensors"
PARTS = f"{CONFIG}, {TOKENIZER} and {WEIGHTS}"


class TextVectors(nn.Module):
    """The vectors that an encoder of transformers has for the tokens of texts.

    Args:
        model: maps ``input_ids`` and ``attention_mask`` to hidden states.
        layers: those that are taken, one beside the other: 0 is what goes into the first block, -1 what leaves the
            last one.

    Raises:
        InvalidArgument: no layer, or one that the model does not have.
    """

    def __init__(self, model: nn.Module, layers: Sequence[int]) -> None:
        super().__init__()
        self.model = model
        self.layers = list(layers)
        config: Any = model.config
        self.blocks = int(config.num_hidden_layers)
        wrong = [layer for layer in self.layers if not -self.blocks - 1 <= layer <= self.blocks]
        if wrong or not self.layers:
            raise InvalidArgument(
                "layers", self.layers, f"a list of layers, each in [{-self.blocks - 1}, {self.blocks}]"
            )
        self.width = int(config.hidden_size) * len(self.layers)

    def forward(self, ids: Tensor) -> Tensor:
        """Vectors ``(N, T, width)`` of token ids ``(N, T)``, each the model's own and 1 more; of id 0, zeros."""
        mask = (ids != 0).long()
        states = self.model((ids - 1).clamp_min(0), attention_mask=mask, output_hidden_states=True).hidden_states
        return torch.cat([states[layer] for layer in self.layers], -1) * mask.unsqueeze(-1)


def pooled(vectors: Tensor) -> Tensor:
    """One vector ``(N, 3 D)`` of each text's tokens ``(N, T, D)``: their mean, largest and smallest values.

    A place without a token has a vector of zeros, and does not count. Each of the three has mean 0 and variance 1.
    """
    there = (vectors != 0).any(-1, keepdim=True)
    mean = vectors.sum(1) / there.sum(1).clamp_min(1)
    largest = vectors.masked_fill(~there, -torch.inf).amax(1)
    smallest = vectors.masked_fill(~there, torch.inf).amin(1)
    return torch.cat([functional.layer_norm(part, part.shape[-1:]) for part in (mean, largest, smallest)], -1)


class FrozenFeatures(nn.Module):
    """From token ids ``(N, T)`` to features: one vector a text ``(N, 3 D)``, or one a token ``(N, T, D)``, in float16.

    Args:
        vectors: of the tokens.
        each_token: whether each token has its vector.
    """

    def __init__(self, vectors: TextVectors, *, each_token: bool) -> None:
        super().__init__()
        self.vectors = vectors
        self.each_token = each_token

    def forward(self, ids: Tensor) -> Tensor:
        """The features."""
        vectors: Tensor = self.vectors(ids)
        return vectors.half() if self.each_token else pooled(vectors)


def transformers_library(what: str = "pretrained: encoders of texts") -> Any:
    """The library ``transformers``.

    Args:
        what: needs it, for the error.

    Raises:
        UserMistake: it is not installed.
    """
    try:
        return importlib.import_module("transformers")
    except ImportError:
        raise UserMistake(
            f"{what} need the package transformers, which is not installed: pip install 'smoothlab[transformers]'"
        ) from None


def folder_of(pretrained: str) -> Path:
    """The folder of an encoder; nothing is fetched, and no code of a package runs.

    Args:
        pretrained: a folder, or the name of an installed package with one such folder in it.

    Raises:
        InvalidArgument: there is none, or a part of it is missing.
    """
    folder = Path(pretrained)
    if folder.is_dir():
        missing = [part for part in (CONFIG, TOKENIZER, WEIGHTS) if not any(folder.glob(part))]
        if missing:
            raise InvalidArgument("pretrained", pretrained, f"a folder with {PARTS}; {', '.join(missing)} is missing")
        return folder.resolve()
    files = files_of_package(pretrained)
    inside = [file.parent for file in files or () if file.name == TOKENIZER]
    whole = [path for path in inside if (path / CONFIG).is_file() and any(path.glob(WEIGHTS))]
    if len(whole) == 1:
        return whole[0].resolve()
    why = "" if files is None else f"; the package holds {len(whole)} such folders"
    raise InvalidArgument("pretrained", pretrained, f"a folder with {PARTS}, or an installed package with one{why}")


def content_of(folder: Path) -> str:
    """A hash of an encoder's config, tokenizer and weights, 32 hexadecimal digits."""
    digest = hashlib.sha256()
    for file in (folder / CONFIG, folder / TOKENIZER, *sorted(folder.glob(WEIGHTS))):
        with file.open("rb") as opened:
            digest.update(f"{file.name}\0".encode() + hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()[:32]


def config_of(folder: Path) -> dict[str, Any]:
    """The model's configuration, plain values."""
    read: Any = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    if not isinstance(read, dict) or "model_type" not in read:
        raise InvalidArgument("pretrained", str(folder), f"a folder whose {CONFIG} names a model_type of transformers")
    return read


def load_model(folder: Path) -> nn.Module:
    """The encoder with its weights, in float32.

    Raises:
        InvalidArgument: it is none of transformers.
    """
    library = transformers_library()
    with _quiet(library):
        try:
            model = library.AutoModel.from_pretrained(
                str(folder), use_safetensors=True, trust_remote_code=False, local_files_only=True
            )
        except (OSError, ValueError, KeyError) as error:
            raise InvalidArgument(
                "pretrained", str(folder), f"an encoder of transformers with its weights ({reason_of(error)})"
            ) from None
    return _bare(model)


def untrained_model(config: dict[str, Any]) -> nn.Module:
    """The same with random weights, which those of a checkpoint will replace."""
    library = transformers_library()
    rest = {name: value for name, value in config.items() if name not in ("model_type", "transformers_version")}
    with _quiet(library):
        made = library.AutoConfig.for_model(config["model_type"], **rest)
        return _bare(library.AutoModel.from_config(made, trust_remote_code=False))


def _bare(model: Any) -> nn.Module:
    """The model in float32 without its pooling layer, which nothing here uses."""
    if getattr(model.config, "is_encoder_decoder", False) or not hasattr(model.config, "num_hidden_layers"):
        raise InvalidArgument("pretrained", type(model).__name__, "an encoder of texts, such as BERT")
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    bare: nn.Module = model.float().train()
    return bare


@contextmanager
def _quiet(library: Any) -> Iterator[None]:
    """Without the library's progress bar and its report on layers that are left out."""
    logging = library.utils.logging
    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()
