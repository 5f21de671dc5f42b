"""What tells whether weights belong to a model: the digest of their file, which is in that of the model."""

import hashlib
import zipfile
from pathlib import Path

RECORD = "digest_of_weights"
NONE = "none"


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def note_digest(path: Path, digest: str | None) -> None:
    """Put the digest of its weights into the archive of a model; None if it has none."""
    with zipfile.ZipFile(path, "a") as archive:
        folder = archive.namelist()[0].partition("/")[0]
        archive.writestr(f"{folder}/{RECORD}", digest or NONE)


def are_own_weights(path: Path, weights: Path) -> bool:
    """Say whether the weights beside a model are those it was saved with; older files do not say, and are believed."""
    with zipfile.ZipFile(path) as archive:
        found = [name for name in archive.namelist() if name.endswith(f"/{RECORD}")]
        noted = archive.open(found[0]).read(64).decode("ascii", "replace") if found else None
    return noted is None or noted == digest_of(weights)
