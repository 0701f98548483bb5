# SPDX-License-Identifier: Apache-2.0
"""Prompts → embeddings."""

from __future__ import annotations

import html
import re

import ftfy
import torch
from transformers import PreTrainedTokenizerBase, UMT5EncoderModel

from ex4d.models.wan.sizes import TEXT_LENGTH


def clean_prompt(prompt: str) -> str:
    """The prompt as Wan's training cleaned it: broken encodings and HTML entities mended, runs of white space one."""
    text = html.unescape(html.unescape(ftfy.fix_text(prompt)))
    return re.sub(r"\s+", " ", text).strip()


def count_tokens(tokenizer: PreTrainedTokenizerBase, prompt: str) -> int:
    """How many tokens a prompt has, the end mark included."""
    return len(tokenizer(clean_prompt(prompt), add_special_tokens=True).input_ids)


@torch.no_grad()
def encode_prompt(tokenizer: PreTrainedTokenizerBase, encoder: UMT5EncoderModel, prompt: str) -> torch.Tensor:
    """Embeddings (1, n, D) of a prompt, without padding; what is beyond 512 tokens is cut off, as in training."""
    tokens = tokenizer(
        [clean_prompt(prompt)],
        padding="max_length",
        max_length=TEXT_LENGTH,
        truncation=True,
        add_special_tokens=True,
        return_attention_mask=True,
        return_tensors="pt",
    )
    ids, mask = tokens.input_ids.to(encoder.device), tokens.attention_mask.to(encoder.device)
    embeds = encoder(ids, attention_mask=mask).last_hidden_state
    return embeds[:, : int(mask.sum())]
