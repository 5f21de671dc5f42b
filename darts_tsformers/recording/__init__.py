"""Look inside a forward pass: what is recorded, and what the tokens stand for."""

from darts_tsformers.recording.recorder import KINDS, recording
from darts_tsformers.recording.recorder import Entry as Entry
from darts_tsformers.recording.recorder import Record as Record
from darts_tsformers.recording.recorder import is_recording as is_recording
from darts_tsformers.recording.recorder import record as record
from darts_tsformers.recording.recorder import recorded_kinds as recorded_kinds
from darts_tsformers.recording.recorder import revise as revise

__all__ = ["KINDS", "recording"]
