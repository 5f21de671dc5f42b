"""A fitted forecaster behind an HTTP server that watches its own errors; needs ``darts_tsformers[serve]``."""

from darts_tsformers.serving.app import make_app
from darts_tsformers.serving.limits import Limits
from darts_tsformers.serving.serve import serve

__all__ = ["Limits", "make_app", "serve"]
