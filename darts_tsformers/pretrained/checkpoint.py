"""A checkpoint in a folder or on the Hugging Face hub: ``config.json`` beside ``model.safetensors``."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from darts.models.components.huggingface_connector import HuggingFaceConnector
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

CONFIG, WEIGHTS = "config.json", "model.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """Where published weights are.

    Attributes
    ----------
    hub_model_name
        Name of a repository on the hub; None with ``local_dir``.
    hub_model_revision
        Branch, tag or commit; None for the newest.
    local_dir
        A folder that holds the two files; the hub is not asked then.

    Raises
    ------
    ValueError
        If neither a name nor a folder is given.
    FileNotFoundError
        If a folder is given that does not exist or lacks one of the files.

    Examples
    --------
    >>> import json
    >>> import torch
    >>> from pathlib import Path
    >>> from safetensors.torch import save_file
    >>> from darts_tsformers.pretrained import Checkpoint
    >>> Path("tiny").mkdir()
    >>> _ = Path("tiny", "config.json").write_text(json.dumps({"hidden_size": 8}))
    >>> save_file({"weight": torch.zeros(2)}, "tiny/model.safetensors")
    >>> checkpoint = Checkpoint(local_dir="tiny")
    >>> checkpoint.config(), list(checkpoint.weights())
    ({'hidden_size': 8}, ['weight'])
    """

    hub_model_name: str | None = None
    hub_model_revision: str | None = None
    local_dir: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        if self.hub_model_name is None and self.local_dir is None:
            raise ValueError("hub_model_name=None needs local_dir, a folder with the weights")
        if self.local_dir is None:
            return
        for name in (CONFIG, WEIGHTS):
            path = Path(self.local_dir, name)
            if not path.is_file():
                raise FileNotFoundError(f"local_dir={str(self.local_dir)!r} must hold {name}: there is no such file")

    def config(self) -> dict[str, Any]:
        """Return what the checkpoint says of its architecture."""
        config: dict[str, Any] = self._connector().load_config()
        return config

    def weights(self) -> dict[str, Tensor]:
        """Return the weights by the names that they have there.

        Raises
        ------
        ValueError
            If the file is no safetensors file, such as a pickle.
        """
        path = self._connector()._get_file_path(WEIGHTS)
        try:
            return load_file(path)
        except SafetensorError as error:
            raise ValueError(f"{str(path)!r} must be a safetensors file: {error}") from error

    def _connector(self) -> HuggingFaceConnector:
        return HuggingFaceConnector(
            self.hub_model_name, self.hub_model_revision, self.local_dir, config_file=CONFIG, model_file=WEIGHTS
        )
