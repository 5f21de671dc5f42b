"""Fitted models as small ONNX files: weights of 8 bits, fewer and fewer different ones, deflated."""

from darts_tsformers.compression.compress import METHODS, Compressed, compress
from darts_tsformers.compression.session import load_session

__all__ = ["METHODS", "Compressed", "compress", "load_session"]
