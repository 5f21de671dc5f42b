"""Models whose weights others have trained: they forecast as they are, or are trained further."""

import os
import re
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from darts.models.forecasting.pl_forecasting_module import PLForecastingModule
from darts.typing import TimeSeriesLike
from darts.utils.data.torch_datasets.utils import TorchTrainingSample
from torch import Tensor

from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.checks import require_one_of
from darts_tsformers.pretrained import Checkpoint, KeyMap, load_mapped

REPOSITORY = r"\w[\w.-]*(/[\w.-]+)?"
"""The form of the names of repositories on the hub."""


class PretrainedModel(TSFormerModel):
    """A model that takes its weights from a folder or from the Hugging Face hub.

    With ``hub_model_name`` or ``local_dir`` its sizes are those of the checkpoint, ``fit`` only looks at the series
    (``enable_finetuning=None`` means False), and ``predict`` forecasts by the published weights, in blocks of
    ``output_chunk_length`` as any model does; before ``fit``, it forecasts all steps as one block.
    ``enable_finetuning=True``, or patterns of names as in Darts, trains the weights further. Without a checkpoint it is
    an ordinary model, trained from the start at the sizes given. A saved model needs its checkpoint no more.

    A subclass names its arguments ``hub_model_name``, ``hub_model_revision`` and ``local_dir``, and sets what follows.

    Attributes
    ----------
    key_map
        From the names of weights in the checkpoint to those in the network.
    pretrained_part
        The path of what the checkpoint holds, in the network; empty for all of it.
    scratch_sizes
        Sizes to train from the start, by name, as keyword arguments.
    knows_covariates
        Whether published weights read past and future covariates.
    """

    key_map: ClassVar[KeyMap]
    pretrained_part: ClassVar[str] = ""
    scratch_sizes: ClassVar[dict[str, dict[str, Any]]] = {}
    knows_covariates: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def architecture(cls, config: dict[str, Any]) -> dict[str, Any]:
        """Return the network's arguments that the configuration of a checkpoint asks for.

        Raises
        ------
        ValueError
            If it asks for something that the network does not have.
        """

    @classmethod
    def arranged(cls, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return the weights of a checkpoint in the shapes of the network's, still by the checkpoint's names."""
        return weights

    def __init__(self) -> None:
        if self._checkpoint is not None and self.model_params.get("enable_finetuning") is None:
            self.model_params["enable_finetuning"] = False
        super().__init__()

    @property
    def _checkpoint(self) -> Checkpoint | None:
        where = {name: self.model_params.get(name) for name in ("hub_model_name", "hub_model_revision", "local_dir")}
        return None if where["hub_model_name"] is where["local_dir"] is None else Checkpoint(**where)

    def _network_arguments(self) -> dict[str, Any]:
        given = super()._network_arguments()
        return given if self._checkpoint is None else given | self.architecture(self._checkpoint.config())

    def _create_model(self, train_sample: TorchTrainingSample) -> PLForecastingModule:
        module = super()._create_model(train_sample)
        checkpoint = self._checkpoint
        if checkpoint is not None:
            source = f"checkpoint {str(checkpoint.local_dir or checkpoint.hub_model_name)!r}"
            part = module.forecaster.network.get_submodule(self.pretrained_part)
            load_mapped(part, self.arranged(checkpoint.weights()), self.key_map, source)
            module.forecaster.network.knows_units = True
        return module

    def predict(
        self,
        n: int,
        series: TimeSeriesLike | None = None,
        past_covariates: TimeSeriesLike | None = None,
        future_covariates: TimeSeriesLike | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> TimeSeriesLike:
        """Forecast; see Darts' documentation.

        Before ``fit``, a model with a checkpoint forecasts any ``n`` as one block, of series of any lengths: each is
        forecast from what there is of it, up to the last ``input_chunk_length`` steps. The weights are read for each
        such call; after ``fit`` they are kept.

        Raises
        ------
        ValueError
            If ``series`` is missing before ``fit``, or covariates are given and published weights know nothing of them.
        """
        given = past_covariates, future_covariates
        model = self
        if self.model is None and not self._fit_called and self._checkpoint is not None and not self._requires_training:
            model = self._at_once(n, series, *(given if self.knows_covariates else ()))
        return super(PretrainedModel, model).predict(n, series, *given, *args, **kwargs)

    def _at_once(self, n: int, series: TimeSeriesLike | None, *covariates: TimeSeriesLike | None) -> Self:
        """Return the same model made for ``n`` steps, which has looked at the series."""
        if series is None:
            raise ValueError("series=None must be one or several series: the model was not fitted")
        model_class: Any = type(self)
        model: Self = model_class(**self.model_params | self._lengths_at_once(n)).fit(series, *covariates)
        return model

    def _lengths_at_once(self, n: int) -> dict[str, Any]:
        """Return the lengths to forecast ``n`` steps with before ``fit``."""
        shortest = self.model_params.get("min_input_chunk_length") or 1
        return {"output_chunk_length": n, "min_input_chunk_length": shortest}

    @classmethod
    def from_pretrained(
        cls,
        source: str | os.PathLike[str],
        input_chunk_length: int = 512,
        output_chunk_length: int = 96,
        *args: Any,
        **kwargs: Any,
    ) -> Self:
        """Make a model with the weights of a folder, or of a repository on the hub if there is no such folder.

        Parameters
        ----------
        source
            The folder, or the name of the repository.
        input_chunk_length, output_chunk_length
            Steps looked back on at most, and steps forecast at once after ``fit``.
        *args, **kwargs
            The other arguments of the class.

        Raises
        ------
        ValueError
            If there is no such folder, and the hub has no such names.
        """
        lengths: tuple[Any, ...] = input_chunk_length, output_chunk_length, *args
        return cls(*lengths, **cls._where(source), **kwargs)

    @staticmethod
    def _where(source: str | os.PathLike[str]) -> dict[str, Any]:
        """Return the argument that says where a checkpoint is."""
        name = os.fspath(source)
        if Path(source).is_dir():
            return {"local_dir": name}
        if not re.fullmatch(REPOSITORY, name):
            raise ValueError(f"source={name!r} must be a folder that exists or a repository on the hub, owner/name")
        return {"hub_model_name": name}

    @classmethod
    def scratch(cls, size: str, *args: Any, **kwargs: Any) -> Self:
        """Make a model to train from the start.

        Parameters
        ----------
        size
            A key of ``scratch_sizes``.
        *args, **kwargs
            The other arguments of the class.
        """
        require_one_of(cls.scratch_sizes, size=size)
        return cls(*args, **cls.scratch_sizes[size] | kwargs)
