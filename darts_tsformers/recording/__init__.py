"""Look inside a forward pass: what is recorded, and what the tokens stand for."""

from darts_tsformers.recording.recorder import (
    KINDS,
    Entry,
    Record,
    is_recording,
    record,
    recorded_kinds,
    recording,
    revise,
)

__all__ = ["KINDS", "Entry", "Record", "is_recording", "record", "recorded_kinds", "recording", "revise"]
