"""Texts as samples: read, cut into subwords, padded."""

from smoothlab.data.text.encoder import TextEncoder
from smoothlab.data.text.loader import TextLoader
from smoothlab.data.text.product_tags import product_tags
from smoothlab.data.text.text import TextData

__all__ = ["TextData", "TextEncoder", "TextLoader", "product_tags"]
