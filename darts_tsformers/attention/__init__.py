"""Attention mechanisms: pure PyTorch, one file each, one signature, usable without Darts."""

from darts_tsformers.attention._base import Attention, HeadSizes
from darts_tsformers.attention.auto_correlation import AutoCorrelation
from darts_tsformers.attention.full import FullAttention
from darts_tsformers.attention.log_sparse import LogSparseAttention
from darts_tsformers.attention.prob_sparse import ProbSparseAttention
from darts_tsformers.attention.registry import (
    AttentionLike,
    AttentionSpec,
    attention_names,
    attention_spec,
    build_attention,
    register_attention,
)

__all__ = [
    "Attention",
    "AttentionLike",
    "AttentionSpec",
    "AutoCorrelation",
    "FullAttention",
    "HeadSizes",
    "LogSparseAttention",
    "ProbSparseAttention",
    "attention_names",
    "attention_spec",
    "build_attention",
    "register_attention",
]
