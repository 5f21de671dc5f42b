"""What the papers trained their models with."""

import copy
from typing import Any, ClassVar


class PublishedModel:
    """A model with the settings of its paper.

    Attributes
    ----------
    paper_configs
        Published sizes by data set, as keyword arguments.
    """

    paper_configs: ClassVar[dict[str, dict[str, Any]]] = {}

    @classmethod
    def paper_config(cls, dataset: str) -> dict[str, Any]:
        """Return the published sizes for a data set as keyword arguments of the class.

        Parameters
        ----------
        dataset
            A key of ``paper_configs``.

        Raises
        ------
        ValueError
            If no sizes are known for ``dataset``.

        Examples
        --------
        >>> from darts_tsformers import ITransformerModel
        >>> config = ITransformerModel.paper_config("ETTm1")
        >>> config["input_chunk_length"], config["output_chunk_length"], config["d_model"]
        (96, 96, 128)
        >>> model = ITransformerModel(**config | {"n_epochs": 3})
        """
        if dataset not in cls.paper_configs:
            raise ValueError(f"dataset={dataset!r} must be one of {sorted(cls.paper_configs)}")
        return copy.deepcopy(cls.paper_configs[dataset])
