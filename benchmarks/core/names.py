"""What tables call the forecasters."""

from darts_tsformers.catalogue import Entry, forecasters

SHORTER = {"LogSparse Transformer": "LogSparse", "Temporal Fusion Transformer": "TFT"}


def titles() -> dict[str, Entry]:
    """Return all forecasters by the name that tables give them, in alphabetical order of their files."""
    return {SHORTER.get(entry.title, entry.title): entry for entry in forecasters().values()}
