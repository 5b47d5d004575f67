"""Declares torchvision's operators where its compiled part is for another torch, such as one with CUDA.

Without them it cannot be imported, and timm neither, which uses none of them. install.sh puts this file beside the
torchvision of the tests' own environment, which then imports it first.
"""

import re
from pathlib import Path

import torch

text = Path(__file__).with_name("torchvision").joinpath("_meta_registrations.py").read_text(encoding="utf-8")
for name in sorted({"".join(names) for names in re.findall(r'register_meta\("(\w+)"|torchvision::(\w+)', text)}):
    torch.library.define(f"torchvision::{name}", "(Tensor boxes) -> Tensor")
