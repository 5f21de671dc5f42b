"""A model and its files: saving, loading, and a form that runs without PyTorch."""

import copy
import os
from functools import partial
from pathlib import Path
from typing import Any, Self

import torch
from darts.models.forecasting.torch_forecasting_model import DEFAULT_DARTS_FOLDER, MixedCovariatesTorchModel

from darts_tsformers.adapter.files.digest import note_digest
from darts_tsformers.adapter.files.loading import own_pair, read_from, require_saved
from darts_tsformers.adapter.files.onnx import export_onnx
from darts_tsformers.adapter.files.pair import write_pair
from darts_tsformers.adapter.files.runs import checkpoint_of, is_of_run
from darts_tsformers.adapter.forecasting.alone import drawing, forecasts, trains
from darts_tsformers.adapter.processes import writes_files
from darts_tsformers.adapter.transfers.transfer import require_forecasts
from darts_tsformers.catalogue import load_all

MOVED = {"darts_tsformers.models._module": "darts_tsformers.adapter.module"}
"""Where files of earlier versions say that the module class is, and where it is now."""


class StoredModel(MixedCovariatesTorchModel):
    """What a model does with files; all else is its subclass'."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        home = state["_module_path"]
        super().__setstate__({"_component_names": {}, "_run": None} | state | {"_module_path": MOVED.get(home, home)})

    @trains
    def save(self, path: str | os.PathLike[str] | None = None, clean: bool = False) -> None:
        """Save the model under ``path`` and its weights under ``path + ".ckpt"``; see Darts' documentation.

        An older model at the path is replaced as a whole: if this fails or is killed at any moment, ``load`` reads the
        older one or the new one, and never parts of both. Unlike in Darts, any path-like is taken, and weights that
        were loaded and have not run since are kept. Of several processes that train together all have to call this,
        and the first writes. A model without weights leaves none beside its file.

        Raises
        ------
        ValueError
            If the model is a copy, or was pickled, and so has lost the weights it was fitted with.
        """
        self._require_weights()
        path = self._default_save_path() + ".pt" if path is None else os.fspath(path)
        if self.model is not None and (self.trainer is None or self.trainer.lightning_module is not self.model):
            trainer = self._init_trainer(self.trainer_params)
            trainer.strategy.connect(self.model)
            self.trainer = trainer
        if self._writes_files():
            write_weights = None if self.model is None else partial(self._write_weights, clean)
            write_pair(Path(path), write_weights, partial(self._write_model, clean))
        elif self.trainer is not None and self.trainer.world_size > 1:
            self.trainer.save_checkpoint(f"{path}.ckpt", weights_only=clean)  # gathers what the first process writes

    def _write_weights(self, clean: bool, path: Path) -> None:
        assert self.trainer is not None
        self.trainer.save_checkpoint(path, weights_only=clean)

    def _write_model(self, clean: bool, path: Path, digest: str | None) -> None:
        with path.open("wb") as file:
            torch.save(self._clean() if clean else self, file)
        note_digest(path, digest)

    def reset_model(self) -> None:
        """Make the model as it was before it was fitted; see Darts' documentation."""
        super().reset_model()
        self.trainer = None
        self.load_ckpt_path = None
        self._fit_called = False

    def _require_weights(self) -> None:
        if self._fit_called and self.model is None:
            raise ValueError(
                f"{type(self).__name__} was fitted, but has no weights: copy and pickle leave them behind; "
                "use save and load instead, or fit it anew"
            )

    def _create_save_dirs(self) -> None:
        if self._writes_files():
            super()._create_save_dirs()

    def _remove_save_dirs(self) -> None:
        if self._writes_files():
            super()._remove_save_dirs()

    def _writes_files(self) -> bool:
        return writes_files(getattr(self, "trainer", None), self.model_params.get("pl_trainer_kwargs") or {})

    @classmethod
    def load(cls, path: str | os.PathLike[str], *args: Any, **kwargs: Any) -> Self:
        """Load a saved model; see Darts' documentation. Any path-like is taken.

        With ``trusted=True`` the files are unpickled as they are, which runs whatever code they ask for: only for files
        from a source you trust. Without, nothing but what a model is made of is read. What a save that was killed has
        left beside the files is tidied up. ``enable_finetuning`` holds for a loaded model that is trained further, too.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it was not written by :meth:`save`, is damaged, lacks its weights, has others beside it or holds a model
            of another class.
        UnpicklingError
            If it asks for code that a model has no need of. Nothing of it has run then.
        """
        path = os.fspath(path)
        load_all()
        with drawing(), own_pair(path):
            model = MixedCovariatesTorchModel.load(path, *args, **kwargs)
        if not isinstance(model, cls):
            raise ValueError(f"path={path!r} must hold {cls.__name__}, but holds {type(model).__name__}")
        if model.model is None and model.train_sample is not None:
            raise ValueError(
                f"path={path!r} must have its weights beside it, in {path + '.ckpt'!r}: there is no such file"
            )
        if model.model is not None:
            model._setup_finetuning(model.model)
        return model

    @classmethod
    def load_from_checkpoint(
        cls,
        model_name: str,
        work_dir: str | os.PathLike[str] | None = None,
        file_name: str | None = None,
        best: bool = True,
        **kwargs: Any,
    ) -> Self:
        """Load what ``save_checkpoints=True`` kept; see Darts' documentation. Any path-like is taken.

        Raises
        ------
        FileNotFoundError
            If a file of the run does not exist.
        ValueError
            If one is damaged, of another kind or of another run, or holds a model of another class.
        UnpicklingError
            If one asks for code that a model has no need of. Nothing of it has run then.
        """
        folder = os.path.abspath(DEFAULT_DARTS_FOLDER if work_dir is None else work_dir)
        source = f"model_name={model_name!r} in {folder!r}"
        load_all()
        with drawing(), read_from(source):
            name = checkpoint_of(Path(folder, model_name), file_name, best=best, trusted=kwargs.get("trusted", False))
            model = MixedCovariatesTorchModel.load_from_checkpoint(model_name, folder, name, **kwargs)
        if not isinstance(model, cls):
            raise ValueError(f"{source} must be a run of {cls.__name__}, but is one of {type(model).__name__}")
        model._restore_loss()
        model._setup_finetuning(model.model)
        return model

    @forecasts
    def load_weights_from_checkpoint(
        self,
        model_name: str | None = None,
        work_dir: str | os.PathLike[str] | None = None,
        file_name: str | None = None,
        best: bool = True,
        **kwargs: Any,
    ) -> None:
        """Take over weights that ``save_checkpoints=True`` kept; see Darts' documentation. Any path-like is taken.

        Raises
        ------
        FileNotFoundError
            If a file of the run does not exist.
        ValueError
            If one is damaged, of another kind or of another run, or the models differ.
        UnpicklingError
            If one asks for code that a model has no need of. Nothing of it has run then.
        """
        if file_name is not None and not is_of_run(file_name):
            super().load_weights_from_checkpoint(model_name, work_dir, file_name, best, **kwargs)
            return
        folder = os.path.abspath(DEFAULT_DARTS_FOLDER if work_dir is None else work_dir)
        run = self.model_name if model_name is None else model_name
        with read_from(f"model_name={run!r} in {folder!r}"):
            name = checkpoint_of(Path(folder, run), file_name, best=best, trusted=kwargs.get("trusted", False))
            super().load_weights_from_checkpoint(run, folder, name, **kwargs)

    def _restore_loss(self) -> None:
        """Give the module its loss back, which no checkpoint holds; Darts does so for one that is an argument alone."""
        loss = self.pl_module_params.get("loss_fn")
        if loss is not None:
            self.model.criterion = loss
            self.model.train_criterion, self.model.val_criterion = copy.deepcopy(loss), copy.deepcopy(loss)

    @forecasts
    def load_weights(self, path: str | os.PathLike[str], *args: Any, **kwargs: Any) -> None:
        """Take over the weights of a saved model; see Darts' documentation. Any path-like is taken.

        Raises
        ------
        FileNotFoundError
            If the file, or that of its weights, does not exist.
        ValueError
            If one was not written by :meth:`save` or is damaged, or the models differ.
        """
        path = os.fspath(path)
        require_saved(Path(path + ".ckpt"))
        with own_pair(path):
            super().load_weights(path, *args, **kwargs)

    @forecasts
    def to_onnx(self, path: str | os.PathLike[str] | None = None, **kwargs: Any) -> None:
        """Write the fitted model to an ONNX file, which forecasts without PyTorch; see Darts' documentation.

        Unlike Darts' own, the file takes batches of any size, any path-like is taken, and a file is written whole or
        not at all. It computes in single precision; that of a model trained on float64 takes and gives float64 all the
        same, and is as exact as single precision is at the level of the data. Missing values and short histories,
        filled up with NaN on the left, are forecast as by ``predict``, but for a component without any value in the
        window: put its last known value at the first step of it, from which ``predict`` goes on. Of a likelihood the
        file gives the parameters. Networks are written as they are, since onnxruntime simplifies what it loads;
        ``optimize=True`` does so beforehand, which takes long for a forecast step by step.

        Raises
        ------
        ImportError
            If the packages that write ONNX are missing: they come with the extra ``onnx``.
        ValueError
            If the model has not been fitted, there is no folder to write to, or the network feeds on the mean of a
            likelihood that ONNX has no operator for (Weibull).
        """
        if self.model is None or not self._fit_called:
            raise ValueError(f"{type(self).__name__} must be fitted, or loaded with its weights, before to_onnx")
        require_forecasts(self)
        export_onnx(self.model, Path(self._default_save_path() + ".onnx" if path is None else path), **kwargs)
