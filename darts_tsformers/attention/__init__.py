"""Attention mechanisms: pure PyTorch, one file each, one signature, usable without Darts."""

from darts_tsformers.attention._base import Attention, HeadSizes
from darts_tsformers.attention.auto_correlation import AutoCorrelation
from darts_tsformers.attention.combiner import CombinerAttention
from darts_tsformers.attention.ecoformer import EcoFormerAttention
from darts_tsformers.attention.full import FullAttention
from darts_tsformers.attention.linear import LinearAttention
from darts_tsformers.attention.linformer import LinformerAttention
from darts_tsformers.attention.local import LocalAttention
from darts_tsformers.attention.log_sparse import LogSparseAttention
from darts_tsformers.attention.nprf import NPRFAttention
from darts_tsformers.attention.performer import PerformerAttention
from darts_tsformers.attention.prob_sparse import ProbSparseAttention
from darts_tsformers.attention.reformer import ReformerAttention
from darts_tsformers.attention.registry import (
    AttentionLike,
    AttentionSpec,
    attention_names,
    attention_spec,
    build_attention,
    register_attention,
)
from darts_tsformers.attention.sinkhorn import SinkhornAttention
from darts_tsformers.attention.sparse import SparseAttention
from darts_tsformers.attention.synthesizer import SynthesizerAttention

__all__ = [
    "Attention",
    "AttentionLike",
    "AttentionSpec",
    "AutoCorrelation",
    "CombinerAttention",
    "EcoFormerAttention",
    "FullAttention",
    "HeadSizes",
    "LinearAttention",
    "LinformerAttention",
    "LocalAttention",
    "LogSparseAttention",
    "NPRFAttention",
    "PerformerAttention",
    "ProbSparseAttention",
    "ReformerAttention",
    "SinkhornAttention",
    "SparseAttention",
    "SynthesizerAttention",
    "attention_names",
    "attention_spec",
    "build_attention",
    "register_attention",
]
