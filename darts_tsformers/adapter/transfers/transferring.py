"""Models that learn before they forecast, and begin with what they learnt."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple

from darts.models.forecasting.pl_forecasting_module import PLForecastingModule
from darts.models.forecasting.torch_forecasting_model import MixedCovariatesTorchModel

from darts_tsformers.adapter.checks.names import Names
from darts_tsformers.adapter.forecasting.alone import trains
from darts_tsformers.adapter.transfers.finetuning import require_learning
from darts_tsformers.adapter.transfers.transfer import TRANSFERS, freeze, take_over
from darts_tsformers.checks import require_one_of
from darts_tsformers.networks import Network
from darts_tsformers.pretraining.encoder import has_encoder


class Plan(NamedTuple):
    """How the module is made that is made next.

    Attributes
    ----------
    objective
        Name and settings of what it learns by; None to learn to forecast.
    source
        The module whose weights it begins with; None for none.
    freezes
        Whether its encoder stays as it is.
    """

    objective: dict[str, Any] | None = None
    source: PLForecastingModule | None = None
    freezes: bool = False


class TransferringModel(MixedCovariatesTorchModel):
    """A model that may learn by an objective first, and then begins with the weights of that."""

    network_class: ClassVar[type[Network]]
    _plan = Plan()
    _static_names: list[str] | None
    _component_names: Names

    @property
    def objective(self) -> str | None:
        """What a model has learnt by that cannot forecast yet; None if it is new or fitted."""
        objective = None if self.model is None else self.model.forecaster.objective
        return None if objective is None else objective.name

    @trains
    def fit(
        self,
        series: Any,
        *args: Any,
        transfer: str | None = None,
        pretrained: "TransferringModel | None" = None,
        **kwargs: Any,
    ) -> Any:
        """Train; see Darts' documentation.

        A pre-trained model is trained further. Units of the data are measured on these series. A warning names the
        weights that are not transferred because their shapes differ. If the training fails, in any phase, the model is
        as it was.

        Parameters
        ----------
        series, *args, **kwargs
            What to train on, and how; as for any model of Darts.
        transfer
            ``"full"`` trains all weights; ``"probe"`` trains the head alone and leaves the encoder as it is;
            ``"probe_then_full"`` does one after the other, each for all epochs. The default is ``"full"`` if there is
            anything to transfer.
        pretrained
            A pre-trained or fitted model of the same class to start from. The default is this model.

        Raises
        ------
        ValueError
            If there is nothing to transfer, if nothing of it fits, or if ``enable_finetuning`` leaves nothing to train.
        """
        if self.model is None:
            self._static_names, self._component_names = None, {}
        if transfer is None and pretrained is None and self.objective is None:
            return super().fit(series, *args, **kwargs)
        transfer = "full" if transfer is None else transfer
        require_one_of(TRANSFERS, transfer=transfer)
        source = self._source(pretrained, transfer)
        with self._restored_on_failure():
            for phase in transfer.split("_then_"):
                self._train_anew(Plan(source=source, freezes=phase == "probe"), series, *args, **kwargs)
                source = self.model
        return self

    @trains
    def learn_by(self, objective: dict[str, Any], series: Any, **kwargs: Any) -> None:
        """Learn by an objective, from the weights at hand if there are any: what ``pretrain`` calls."""
        with self._restored_on_failure():
            self._train_anew(Plan(objective, source=self.model), series, **kwargs)

    def _source(self, pretrained: "TransferringModel | None", transfer: str) -> PLForecastingModule:
        """Return the module to begin with."""
        own = type(self)
        giver = self if pretrained is None else pretrained
        if not isinstance(giver, own):
            raise ValueError(f"pretrained={type(pretrained).__name__}(...) must be a {own.__name__}, as the model is")
        if giver.model is None:
            raise ValueError(
                f"transfer={transfer!r} needs a model that was pre-trained, or fitted, and has its weights"
            )
        if transfer != "full" and not has_encoder(own.network_class):
            raise ValueError(f"transfer={transfer!r} of {own.__name__} must be 'full': its network is all one")
        return giver.model

    @contextmanager
    def _restored_on_failure(self) -> Iterator[None]:
        """Leave the model as it was if the block fails."""
        before = dict(self.__dict__)
        try:
            yield
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _train_anew(self, plan: Plan, series: Any, *args: Any, **kwargs: Any) -> None:
        """Train a new module, made as planned."""
        self.__dict__.update(_plan=plan, model=None, _static_names=None, _component_names={})
        super().fit(series, *args, **kwargs)
        del self._plan
        if plan.freezes:
            self.model.requires_grad_(True)
            self._setup_finetuning(self.model)

    def _setup_finetuning(self, model: PLForecastingModule) -> None:
        super()._setup_finetuning(model)
        freeze(model, encoder=self._plan.freezes)
        require_learning(model, self.enable_finetuning, "transfer='probe'" if self._plan.freezes else "the call")

    def begin_as_planned(self, model: PLForecastingModule) -> None:
        """Give a new module the weights that it is to begin with."""
        if self._plan.source is not None:
            take_over(model, self._plan.source)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is of a training."""
        return {name: value for name, value in super().__getstate__().items() if name != "_plan"}
