# Written by `python -m darts_tsformers.stubs`.
from collections.abc import Sequence
from typing import Any, ClassVar

from darts_tsformers.attention import AttentionLike
from darts_tsformers.models.aaren import AarenModel
from darts_tsformers.models.autoformer import AutoformerModel
from darts_tsformers.models.autotcl import AutoTCLModel
from darts_tsformers.models.autotimes import AutoTimesModel
from darts_tsformers.models.chimera import ChimeraModel
from darts_tsformers.models.fedformer import FEDformerModel
from darts_tsformers.models.gpd import GPDModel
from darts_tsformers.models.gpht import GPHTModel
from darts_tsformers.models.informer import InformerModel
from darts_tsformers.models.itransformer import ITransformerModel
from darts_tsformers.models.lmuformer import LMUFormerModel
from darts_tsformers.models.log_sparse import LogSparseTransformerModel
from darts_tsformers.models.mambamixer import MambaMixerModel
from darts_tsformers.models.moirai_moe import MoiraiMoEModel
from darts_tsformers.models.patchtsmixer import PatchTSMixerModel
from darts_tsformers.models.patchtst import PatchTSTModel
from darts_tsformers.models.regenn import ReGENNModel
from darts_tsformers.models.smamba import SMambaModel
from darts_tsformers.models.spacetime import SpaceTimeModel
from darts_tsformers.models.tempo import TEMPOModel
from darts_tsformers.models.tft import TemporalFusionTransformerModel
from darts_tsformers.models.time_llm import TimeLLMModel
from darts_tsformers.models.time_moe import TimeMoEModel
from darts_tsformers.models.timecma import TimeCMAModel
from darts_tsformers.models.tsdiff import TSDiffModel
from darts_tsformers.sktime._forecaster import TSFormerForecaster

class AarenForecaster(TSFormerForecaster):
    r"""Aaren: a causal transformer that takes in each further observation in constant time and memory.

    One learned query attends to all patches up to each, so that attention goes on as a recurrent network does. The
    components do not look at each other. Takes past, future and static covariates, any number of targets, and every
    likelihood of Darts.

    ``stream`` follows a series row by row; train with ``use_instance_norm="running"``, or False, to use it.

    See :class:`darts_tsformers.AarenModel`.
    """

    model_class: ClassVar[type[AarenModel]]
    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        *,
        patch_length: int | None = None,
        channel_independent: bool = True,
        d_model: int = 64,
        n_heads: int = 4,
        n_encoder_layers: int = 3,
        d_ff: int = 128,
        dropout: float = 0.2,
        activation: str = "gelu",
        norm: str = "layer",
        use_instance_norm: bool | str = True,
        instance_norm_affine: bool = False,
        train_variates: int | float | None = None,
        min_input_chunk_length: int | None = None,
        recompute: bool = False,
        quantiles: Sequence[float] | None = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95),
        num_samples: int = 200,
        batch_size: int = 32,
        n_epochs: int = 100,
        random_state: int | None = None,
        pretraining: dict[str, Any] | None = None,
        model_kwargs: dict[str, Any] | None = None,
    ) -> None: ...

class AutoTCLForecaster(TSFormerForecaster):
    r"""AutoTCL: an encoder that learns by telling windows apart, by views that learn what matters, and a linear head.

    One ``fit`` trains it all: the encoder by contrast alone, and a linear head on top. The learnt mask shows which
    steps of a look-back a view can do without.

    See :class:`darts_tsformers.AutoTCLModel`.
    """

    model_class: ClassVar[type[AutoTCLModel]]
    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        *,
        channel_independent: bool = True,
        d_hidden: int = 64,
        d_model: int = 128,
        n_blocks: int | None = None,
        n_scales: int | None = None,
        causal: bool = True,
        d_augmenter: int = 16,
        dropout: float = 0.1,
        hard_mask: bool = True,
        hide_rate: float | int = 0.5,
        temperature: float | int = 1.0,
        local_weight: float | int = 0.72,
        kept_weight: float | int = 0.2,
        consistency_weight: float | int = 0.002,
        ridge: float | int = 1e-3,
        end_to_end: bool = False,
        use_instance_norm: bool = True,
        instance_norm_affine: bool = False,
        train_variates: int | float | None = None,
        min_input_chunk_length: int | None = None,
        recompute: bool = False,
        quantiles: Sequence[float] | None = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95),
        num_samples: int = 200,
        batch_size: int = 32,
        n_epochs: int = 100,
        random_state: int | None = None,
        pretraining: dict[str, Any] | None = None,
        model_kwargs: dict[str, Any] | None = None,
    ) -> None: ...

class AutoTimesForecaster(TSFormerForecaster):
    r"""AutoTimes: a frozen language model reads segments of a series in place of words, and forecasts the next one.

    Only the small networks before and after the language model are trained. To see whether the language model helps,
    compare with ``backbone="random"`` and ``backbone="none"``. Components do not see each other. Takes past, future and
    static covariates, any number of targets, and every likelihood of Darts.

    The model learns from every segment of the look-back and of the horizon.

    The language model needs ``transformers``: ``pip install 'darts_tsformers[llm]'``. ``fit`` reads it, and ``load``
    reads it again: a saved model holds a digest of the language model. It holds weights only if they were trained, as
    with ``enable_finetuning=True``, or if they are those of ``backbone="random"``.

    See :class:`darts_tsformers.AutoTimesModel`.
    """

    model_class: ClassVar[type[AutoTimesModel]]
    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        *,
        patch_length: int = 96,
        n_hidden_layers: int = 1,
        d_hidden: int = 256,
        dropout: float = 0.1,
        activation: str = "tanh",
        marks: str = "mapped",
        backbone: str = "openai-community/gpt2",
        hub_model_revision: str | None = None,
        architecture: str = "gpt2",
        backbone_sizes: dict[str, Any] | None = None,
        n_backbone_layers: int | None = None,
        lora_rank: int | None = None,
        backbone_precision: str | None = None,
        use_instance_norm: bool = True,
        instance_norm_affine: bool = False,
        train_variates: int | float | None = None,
        min_input_chunk_length: int | None = None,
        recompute: bool = False,
        quantiles: Sequence[float] | None = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95),
        num_samples: int = 200,
        batch_size: int = 32,
        n_epochs: int = 100,
        random_state: int | None = None,
        pretraining: dict[str, Any] | None = None,
        model_kwargs: dict[str, Any] | None = None,
    ) -> None: ...

class AutoformerForecaster(TSFormerForecaster):
    r"""Autoformer: finds the periods of a series by auto-correlation, and keeps trend and season apart.

    For seasonal series. The paper has no instance normalisation. It is on by default all the same: data come
    unscaled, and levels move.

    See :class:`darts_tsformers.AutoformerModel`.
    """

    model_class: ClassVar[type[AutoformerModel]]
    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        *,
        label_length: int | None = None,
        kernel_size: int = 25,
        d_model: int = 64,
        n_heads: int = 4,
        n_encoder_layers: int = 2,
        n_decoder_layers: int = 1,
        d_ff: int = 128,
        dropout: float = 0.05,
        activation: str = "gelu",
        attention: AttentionLike = "auto_correlation",
        padding_mode: str = "replicate",
        use_instance_norm: bool = True,
        instance_norm_affine: bool = False,
        min_input_chunk_length: int | None = None,
        recompute: bool = False,
        quantiles: Sequence[float] | None = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95),
        num_samples: int = 200,
        batch_size: int = 32,
        n_epochs: int = 100,
        random_state: int | None = None,
        pretraining: dict[str, Any] | None = None,
        model_kwargs: dict[str, Any] | None = None,
    ) -> None: ...

class ChimeraForecaster(TSFormerForecaster):
    r"""Chimera: a state along time and one across variates, with a trend and a seasonal part.

    For related components with a trend and a season, at a cost that grows with the look-back and with their number, and
    with the square of neither. The order of the components matters, unless it is left to the window
    (``variate_order="correlation"``).

    See :class:`darts_tsformers.ChimeraModel`.
    """

    model_class: ClassVar[type[ChimeraModel]]
    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        *,
        patch_length: int | None = None,
        trend_distance: int = 24,
        d_model: int = 32,
        n_encoder_layers: int = 1,
        d_state: int = 4,
        coupling: str = "bounded",
        dropout: float = 0.1,
        variate_order: str = "given",
        use_instance_norm: bool = True,
        train_variates: int | float | None = None,
        min_input_chunk_length: int | None = None,
        recompute: bool = False,
        quantiles: Sequence[float] | None = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95),
        num_samples: int = 200,
        batch_size: int = 32,
        n_epochs: int = 100,
        random_state: int | None = None,
        pretraining: dict[str, Any] | None = None,
        model_kwargs: dict[str, Any] | None = None,
    ) -> None: ...

class FEDformerForecaster(TSFormerForecaster):
    r"""FEDformer: works on a few frequencies of a series, or on its wavelets, and keeps trend and season apart.

    Its cost grows as the look-back does. The paper has no instance normalisation. It is on by default all the
    same: data come unscaled, and levels move.

    See :class:`darts_tsformers.FEDformerModel`.
    """

    model_class: ClassVar[type[FEDformerModel]]
    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        *,
        version: str = "fourier",
        label_length: int | None = None,
        modes: int = 64,
        mode_select: str = "random",
        modes_seed: int = 0,
        frequency_activation: str = "tanh",
        wavelet_channels: int = 8,
        wavelet_order: int = 4,
        n_coarse_levels: int = 3,
        kernel_sizes: Sequence[int] = (24,),
        d_model: int = 64,
        n_heads: int = 4,
        n_encoder_layers: int = 2,
        n_decoder_layers: int = 1,
        d_ff: int = 128,
        dropout: float = 0.05,
        activation: str = "gelu",
        padding_mode: str = "replicate",
        use_instance_norm: bool = True,
        instance_norm_affine: bool = False,
        min_input_chunk_length: int | None = None,
        recompute: bool = False,
        quantiles: Sequence[float] | None = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95),
        num_samples: int = 200,
        batch_size: int = 32,
        n_epochs: int = 100,
        random_state: int | None = None,
        pretraining: dict[str, Any] | None = None,
        model_kwargs: dict[str, Any] | None = None,
    ) -> None: ...

class GPDForecaster(TSFormerForecaster):
    r"""GPD: a diffusion learnt over many series, which forecasts one it never saw by filling in its horizon.

    For many series, and for those that come later: ``fit`` on a list of series of any kind, then
    ``predict(n, series=other, num_samples=100)``, which draws paths; without ``num_samples`` the forecast is their
    median. Each window is put at a level and spread of its own. The components do not look at each other. Takes past,
    future and static covariates and any number of targets; no likelihood.

    See :class:`darts_tsformers.GPDModel`.
    """

    model_class: ClassVar[type[GPDModel]]
    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        *,
        patch_length: int | None = None,
        d_model: int = 64,
        expansion_factor: int = 2,
        n_layers: int = 4,
        d_step: int | None = None,
        n_diffusion_steps: int = 1000,
        sampler: str = "ddim",
        n_sampling_steps: int = 20,
        spacing: str = "uniform",
        eta: float | int = 1.0,
        guidance_scale: float | int = 3.0,
        n_passes: int = 1,
        n_paths: int = 100,
        dropout: float = 0.0,
        use_instance_norm: bool | str = True,
        instance_norm_affine: bool = False,
        train_variates: int | float | None = None,
        min_input_chunk_length: int | None = None,
        recompute: bool = False,
        quantiles: Sequence[float] | None = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95),
        num_samples: int = 200,
        batch_size: int = 32,
        n_epochs: int = 100,
        random_state: int | None = None,
        pretraining: dict[str, Any] | None = None,
        model_kwargs: dict[str, Any] | None = None,
    ) -> None: ...

class GPHTForecaster(TSFormerForecaster):
    r"""GPHT: a hierarchy of causal transformers, coarse to fine, that forecasts patch by patch.

    Forecasts without any training from weights in a folder, is trained further from them, or is trained from the start
    at any size. The components do not look at each other.

    ``GPHTModel.from_pretrained(folder).predict(n, series)`` forecasts any number of steps. The authors have not
    published weights: such a folder is made of what their code has trained, or by ``save_pretrained``.

    Past, future and static covariates are learnt when the model is trained; weights of a folder know of none.

    It learns from every patch of the look-back, and of the horizon.

    See :class:`darts_tsformers.GPHTModel`.
    """

    model_class: ClassVar[type[GPHTModel]]
    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        *,
        patch_length: int = 48,
        pool_sizes: Sequence[int] = (8, 4, 2, 1),
        d_model: int = 64,
        n_heads: int = 4,
        n_encoder_layers: int = 3,
        d_ff: int = 128,
        dropout: float = 0.1,
        activation: str = "gelu",
        hub_model_name: str | None = None,
        hub_model_revision: str | None = None,
        local_dir: str | None = None,
        use_instance_norm: bool = True,
        instance_norm_affine: bool = False,
        train_variates: int | float | None = None,
        min_input_chunk_length: int | None = None,
        recompute: bool = False,
        quantiles: Sequence[float] | None = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95),
        num_samples: int = 200,
        batch_size: int = 32,
        n_epochs: int = 100,
        random_state: int | None = None,
        pretraining: dict[str, Any] | None = None,
        model_kwargs: dict[str, Any] | None = None,
    ) -> None: ...

class ITransformerForecaster(TSFormerForecaster):
    r"""iTransformer: each variate is one token, attention runs across variates.

    A strong default for many related components, at a cost that hardly grows with the look-back.

    See :class:`darts_tsformers.ITransformerModel`.
    """

    model_class: ClassVar[type[ITransformerModel]]
    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        *,
        d_model: int = 128,
        n_heads: int = 8,
        n_encoder_layers: int = 2,
        d_ff: int = 256,
        dropout: float = 0.1,
        activation: str = "gelu",
        attention: AttentionLike = "full",
        use_instance_norm: bool = True,
        train_variates: int | float | None = None,
        min_input_chunk_length: int | None = None,
        recompute: bool = False,
        quantiles: Sequence[float] | None = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95),
        num_samples: int = 200,
        batch_size: int = 32,
        n_epochs: int = 100,
        random_state: int | None = None,
        pretraining: dict[str, Any] | None = None,
        model_kwargs: dict[str, Any] | None = None,
    ) -> None: ...

class InformerForecaster(TSFormerForecaster):
    r"""Informer: sparse attention over time steps, the whole horizon in one pass.

    For long look-backs: its cost grows hardly faster than the look-back. The paper has no instance normalisation, so
    it is off by default; ``use_instance_norm=True`` helps where the level of a series moves.

    See :class:`darts_tsformers.InformerModel`.
    """

    model_class: ClassVar[type[InformerModel]]
    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        *,
        label_length: int | None = None,
        d_model: int = 64,
        n_heads: int = 4,
        n_encoder_layers: int = 2,
        n_decoder_layers: int = 1,
        d_ff: int = 128,
        dropout: float = 0.05,
        activation: str = "gelu",
        attention: AttentionLike = "prob_sparse",
        distil: bool = True,
        distil_norm: str = "batch",
        replica_layers: Sequence[int] | None = None,
        padding_mode: str = "replicate",
        mix: bool = False,
        use_instance_norm: bool = False,
        instance_norm_affine: bool = False,
        min_input_chunk_length: int | None = None,
        recompute: bool = False,
        quantiles: Sequence[float] | None = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95),
        num_samples: int = 200,
        batch_size: int = 32,
        n_epochs: int = 100,
        random_state: int | None = None,
        pretraining: dict[str, Any] | None = None,
        model_kwargs: dict[str, Any] | None = None,
    ) -> None: ...

class LMUFormerForecaster(TSFormerForecaster):
    r"""LMUFormer: a memory of the look-back, held as polynomials, that takes in each further observation at once.

    The memory stands in the place of attention, and what it still holds can be looked at. The components do not look at
    each other. Takes past, future and static covariates, any number of targets, and every likelihood of Darts.

    ``stream`` follows a series row by row; train with ``use_instance_norm="running"``, or False, to use it.

    See :class:`darts_tsformers.LMUFormerModel`.
    """

    model_class: ClassVar[type[LMUFormerModel]]
    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        *,
        patch_length: int | None = None,
        channel_independent: bool = True,
        d_model: int = 64,
        n_encoder_layers: int = 2,
        d_ff: int = 128,
        memory_length: int | None = None,
        memory_order: int | None = None,
        d_memory: int = 4,
        dropout: float = 0.2,
        norm: str = "layer",
        use_instance_norm: bool | str = True,
        instance_norm_affine: bool = False,
        train_variates: int | float | None = None,
        min_input_chunk_length: int | None = None,
        recompute: bool = False,
        quantiles: Sequence[float] | None = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95),
        num_samples: int = 200,
        batch_size: int = 32,
        n_epochs: int = 100,
        random_state: int | None = None,
        pretraining: dict[str, Any] | None = None,
        model_kwargs: dict[str, Any] | None = None,
    ) -> None: ...

class LogSparseTransformerForecaster(TSFormerForecaster):
    r"""LogSparse Transformer: forecasts step by step, each step from all before it, at a logarithmic price.

    With a likelihood a sample is a path, each step drawn given the steps drawn before, and quantiles are those of
    paths; without one the mean is trained, and fed back. ``mode="direct"`` gives the horizon, and its quantiles, in one
    pass instead. The paper scales each series; instance normalisation takes that place and is on by default.

    See :class:`darts_tsformers.LogSparseTransformerModel`.
    """

    model_class: ClassVar[type[LogSparseTransformerModel]]
    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        *,
        mode: str = "autoregressive",
        d_model: int = 64,
        n_heads: int = 4,
        n_decoder_layers: int = 3,
        d_ff: int = 256,
        kernel_size: int = 6,
        dropout: float = 0.1,
        activation: str = "relu",
        attention: AttentionLike = "log_sparse",
        positions: str = "window",
        use_instance_norm: bool | str = True,
        instance_norm_affine: bool = False,
        min_input_chunk_length: int | None = None,
        recompute: bool = False,
        quantiles: Sequence[float] | None = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95),
        num_samples: int = 200,
        batch_size: int = 32,
        n_epochs: int = 100,
        random_state: int | None = None,
        pretraining: dict[str, Any] | None = None,
        model_kwargs: dict[str, Any] | None = None,
    ) -> None: ...

class MambaMixerForecaster(TSFormerForecaster):
    r"""MambaMixer (TSM2): patches as tokens, Mamba over time and across variates in turn.

    For related components with a long look-back, at a cost that grows with both and with the square of neither. The
    order of the components matters, unless it is left to the window (``variate_order="correlation"``).

    See :class:`darts_tsformers.MambaMixerModel`.
    """

    model_class: ClassVar[type[MambaMixerModel]]
    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        *,
        patch_length: int | None = None,
        stride: int = 8,
        pad_end: bool = True,
        d_model: int = 64,
        n_encoder_layers: int = 2,
        d_state: int = 16,
        d_conv: int = 4,
        expand: int = 2,
        dropout: float = 0.1,
        residual: bool = False,
        variate_order: str = "given",
        use_instance_norm: bool = True,
        train_variates: int | float | None = None,
        min_input_chunk_length: int | None = None,
        recompute: bool = False,
        quantiles: Sequence[float] | None = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95),
        num_samples: int = 200,
        batch_size: int = 32,
        n_epochs: int = 100,
        random_state: int | None = None,
        pretraining: dict[str, Any] | None = None,
        model_kwargs: dict[str, Any] | None = None,
    ) -> None: ...

class MoiraiMoEForecaster(TSFormerForecaster):
    r"""Moirai-MoE: a decoder with experts over patches of any number of variates, which draws paths.

    Forecasts with published weights without any training, trains them further, or trains from the start at any size.
    Targets and covariates are read jointly. ``predict(n, num_samples=100)`` draws paths, whose quantiles are those of
    the forecast; without ``num_samples`` the forecast is their median. It takes past, future and static covariates;
    past and future ones also before any training.

    ``MoiraiMoEModel.from_pretrained(folder, accept_license=True).predict(n, series)`` forecasts any number of steps.
    Take a look-back of whole patches, which are 16 steps in the published weights.

    It learns the likelihood of each patch of the targets, and is validated by it. A ``likelihood`` or ``loss_fn`` would
    have no part in that, and is refused.

    See :class:`darts_tsformers.MoiraiMoEModel`.
    """

    model_class: ClassVar[type[MoiraiMoEModel]]
    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        *,
        patch_lengths: Sequence[int] = (16,),
        patch_length: int | None = None,
        d_model: int = 64,
        n_heads: int = 4,
        n_decoder_layers: int = 3,
        d_ff: int = 64,
        n_experts: int = 8,
        n_experts_per_token: int = 2,
        farthest: bool = False,
        max_patches: int = 512,
        n_paths: int = 100,
        dropout: float = 0.0,
        hub_model_name: str | None = None,
        hub_model_revision: str | None = None,
        local_dir: str | None = None,
        accept_license: bool = False,
        use_instance_norm: bool = True,
        instance_norm_affine: bool = False,
        train_variates: int | float | None = None,
        min_input_chunk_length: int | None = None,
        recompute: bool = False,
        quantiles: Sequence[float] | None = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95),
        num_samples: int = 200,
        batch_size: int = 32,
        n_epochs: int = 100,
        random_state: int | None = None,
        pretraining: dict[str, Any] | None = None,
        model_kwargs: dict[str, Any] | None = None,
    ) -> None: ...

class PatchTSMixerForecaster(TSFormerForecaster):
    r"""PatchTSMixer (IBM's TSMixer): patches mixed by small gated maps instead of attention.

    A light model for long look-backs, cheap to train. The components do not look at each other, unless
    ``mode="mix_channel"`` mixes them in every layer or ``cross_channel_context`` in the forecast. Not the
    ``TSMixerModel`` of Darts, which is another architecture of that name.

    ``PatchTSMixerModel.from_pretrained(folder)`` reads what ``PatchTSMixerForPrediction`` of transformers has saved, or
    a repository on the hub that holds it. Look-back, horizon and scaling (``use_instance_norm``) are those of the
    checkpoint then. In ``mode="common_channel"`` it forecasts any number of components.

    See :class:`darts_tsformers.PatchTSMixerModel`.
    """

    model_class: ClassVar[type[PatchTSMixerModel]]
    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        *,
        patch_length: int | None = None,
        stride: int = 8,
        d_model: int = 64,
        expansion_factor: int = 2,
        n_layers: int = 3,
        mode: str = "common_channel",
        gated_attention: bool = True,
        self_attention: bool = False,
        n_heads: int = 4,
        norm: str = "layer",
        positional_encoding: str | None = None,
        dropout: float = 0.2,
        head_dropout: float = 0.0,
        cross_channel_context: int | None = None,
        hierarchy: int | None = None,
        hierarchy_weight: float = 0.0,
        hub_model_name: str | None = None,
        hub_model_revision: str | None = None,
        local_dir: str | None = None,
        use_instance_norm: bool = True,
        instance_norm_affine: bool = False,
        train_variates: int | float | None = None,
        min_input_chunk_length: int | None = None,
        recompute: bool = False,
        quantiles: Sequence[float] | None = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95),
        num_samples: int = 200,
        batch_size: int = 32,
        n_epochs: int = 100,
        random_state: int | None = None,
        pretraining: dict[str, Any] | None = None,
        model_kwargs: dict[str, Any] | None = None,
    ) -> None: ...

class PatchTSTForecaster(TSFormerForecaster):
    r"""PatchTST: patches as tokens, every component through one shared encoder.

    A strong default for series with a long look-back; the components do not look at each other.

    See :class:`darts_tsformers.PatchTSTModel`.
    """

    model_class: ClassVar[type[PatchTSTModel]]
    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        *,
        patch_length: int | None = None,
        stride: int = 8,
        pad_end: bool = True,
        d_model: int = 64,
        n_heads: int = 4,
        n_encoder_layers: int = 3,
        d_ff: int = 128,
        dropout: float = 0.2,
        head_dropout: float = 0.0,
        activation: str = "gelu",
        norm: str = "batch",
        attention: AttentionLike = "full",
        residual_attention: bool = True,
        individual_head: bool = False,
        decomposition_kernel: int | None = None,
        use_instance_norm: bool = True,
        instance_norm_affine: bool = False,
        train_variates: int | float | None = None,
        min_input_chunk_length: int | None = None,
        recompute: bool = False,
        quantiles: Sequence[float] | None = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95),
        num_samples: int = 200,
        batch_size: int = 32,
        n_epochs: int = 100,
        random_state: int | None = None,
        pretraining: dict[str, Any] | None = None,
        model_kwargs: dict[str, Any] | None = None,
    ) -> None: ...

class ReGENNForecaster(TSFormerForecaster):
    r"""ReGENN: a graph of the components, learnt from the data, that evolves in training and can be read.

    For a fixed set of a few related components, observed on many series or on one: the graph ties the model to them,
    and their order matters. What goes into what is to be read off the evolved graph, by name.

    See :class:`darts_tsformers.ReGENNModel`.
    """

    model_class: ClassVar[type[ReGENNModel]]
    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        *,
        graph: str = "correlation",
        n_encoder_layers: int = 1,
        d_ff: int = 256,
        dropout: float = 0.1,
        activation: str = "relu",
        evolution_activation: str | None = None,
        bidirectional_gate: bool = False,
        bidirectional_decoder: bool = False,
        highway: bool = True,
        use_instance_norm: bool = True,
        instance_norm_affine: bool = False,
        min_input_chunk_length: int | None = None,
        recompute: bool = False,
        quantiles: Sequence[float] | None = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95),
        num_samples: int = 200,
        batch_size: int = 32,
        n_epochs: int = 100,
        random_state: int | None = None,
        pretraining: dict[str, Any] | None = None,
        model_kwargs: dict[str, Any] | None = None,
    ) -> None: ...

class SMambaForecaster(TSFormerForecaster):
    r"""S-Mamba: each variate is one token, Mamba runs across variates from both ends.

    iTransformer at a cost that grows with the number of variates, not with its square: for a thousand related
    components and more. Their order matters, unless it is left to the window (``variate_order="correlation"``).

    See :class:`darts_tsformers.SMambaModel`.
    """

    model_class: ClassVar[type[SMambaModel]]
    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        *,
        d_model: int = 128,
        n_encoder_layers: int = 2,
        d_ff: int = 256,
        d_state: int = 16,
        d_conv: int = 2,
        expand: int = 1,
        dropout: float = 0.1,
        activation: str = "gelu",
        variate_order: str = "given",
        use_instance_norm: bool = True,
        train_variates: int | float | None = None,
        min_input_chunk_length: int | None = None,
        recompute: bool = False,
        quantiles: Sequence[float] | None = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95),
        num_samples: int = 200,
        batch_size: int = 32,
        n_epochs: int = 100,
        random_state: int | None = None,
        pretraining: dict[str, Any] | None = None,
        model_kwargs: dict[str, Any] | None = None,
    ) -> None: ...

class SpaceTimeForecaster(TSFormerForecaster):
    r"""SpaceTime: state-space models that hold any autoregressive process, and forecast by feeding themselves.

    The whole forecast is one closed form in the last state, whose waves have periods that can be looked at. The
    components do not look at each other. Takes past, future and static covariates, any number of targets, and every
    likelihood of Darts.

    ``stream`` follows a series row by row; train with ``use_instance_norm="running"``, or False, to use it.

    See :class:`darts_tsformers.SpaceTimeModel`.
    """

    model_class: ClassVar[type[SpaceTimeModel]]
    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        *,
        channel_independent: bool = True,
        d_model: int = 64,
        d_state: int = 64,
        n_encoder_layers: int = 1,
        n_kernels: int | None = None,
        max_window: int | None = None,
        embedding: str = "repeat",
        dropout: float = 0.25,
        norm_order: int = 1,
        open_loop_weight: float | int = 1.0,
        next_input_weight: float | int = 1.0,
        use_instance_norm: bool | str = True,
        instance_norm_affine: bool = False,
        train_variates: int | float | None = None,
        min_input_chunk_length: int | None = None,
        recompute: bool = False,
        quantiles: Sequence[float] | None = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95),
        num_samples: int = 200,
        batch_size: int = 32,
        n_epochs: int = 100,
        random_state: int | None = None,
        pretraining: dict[str, Any] | None = None,
        model_kwargs: dict[str, Any] | None = None,
    ) -> None: ...

class TEMPOForecaster(TSFormerForecaster):
    r"""TEMPO: a language model reads trend, season and rest of a series, each after a prompt; the forecasts add up.

    For seasonal series whose parts you want to see. Measure whether the language model helps: ``backbone="none"`` takes
    it out, leaves the rest as it is, and trains in a fraction of the time.

    See :class:`darts_tsformers.TEMPOModel`.
    """

    model_class: ClassVar[type[TEMPOModel]]
    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        *,
        prompt: str = "text",
        n_prompts: int = 30,
        prompt_length: int = 3,
        top_k: int = 3,
        key_weight: float = 0.1,
        head_reads_prompts: bool = False,
        patch_length: int | None = None,
        stride: int = 8,
        kernel_size: int = 25,
        period: int | None = None,
        decomposition_weight: float = 0.01,
        dropout: float = 0.1,
        faithful: bool = False,
        backbone: str = "openai-community/gpt2",
        hub_model_revision: str | None = None,
        architecture: str = "gpt2",
        backbone_sizes: dict[str, Any] | None = None,
        n_backbone_layers: int | None = None,
        lora_rank: int | None = None,
        backbone_precision: str | None = None,
        use_instance_norm: bool = True,
        instance_norm_affine: bool = False,
        train_variates: int | float | None = None,
        min_input_chunk_length: int | None = None,
        recompute: bool = False,
        quantiles: Sequence[float] | None = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95),
        num_samples: int = 200,
        batch_size: int = 32,
        n_epochs: int = 100,
        random_state: int | None = None,
        pretraining: dict[str, Any] | None = None,
        model_kwargs: dict[str, Any] | None = None,
    ) -> None: ...

class TSDiffForecaster(TSFormerForecaster):
    r"""TSDiff: a diffusion that draws whole paths, and is told while it draws what was observed.

    For distributions of what comes: ``predict(n, num_samples=100)`` draws paths; without ``num_samples`` the forecast
    is their median. It learns windows, and not a forecast: gaps and guidance can change after training. The components
    do not look at each other. Takes past, future and static covariates and any number of targets; no likelihood.

    See :class:`darts_tsformers.TSDiffModel`.
    """

    model_class: ClassVar[type[TSDiffModel]]
    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        *,
        d_model: int = 32,
        d_state: int = 64,
        n_layers: int = 2,
        d_step: int | None = None,
        n_diffusion_steps: int = 100,
        conditional: bool = False,
        lags: Sequence[int] | str | None = None,
        skips: bool = False,
        sampler: str = "ddim",
        n_sampling_steps: int = 10,
        spacing: str = "uniform",
        eta: float | int = 1.0,
        guidance: str = "quantile",
        guidance_scale: float | int = 1.0,
        n_paths: int = 100,
        dropout: float = 0.0,
        use_instance_norm: bool | str = True,
        instance_norm_affine: bool = False,
        train_variates: int | float | None = None,
        min_input_chunk_length: int | None = None,
        recompute: bool = False,
        quantiles: Sequence[float] | None = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95),
        num_samples: int = 200,
        batch_size: int = 32,
        n_epochs: int = 100,
        random_state: int | None = None,
        pretraining: dict[str, Any] | None = None,
        model_kwargs: dict[str, Any] | None = None,
    ) -> None: ...

class TemporalFusionTransformerForecaster(TSFormerForecaster):
    r"""Temporal Fusion Transformer: which variables matter, and when.

    For series with covariates, which are weighed against each other at every step; the weights can be read. The paper
    standardises each series as a whole and has no instance normalisation. It is on by default all the same: data come
    unscaled, and levels move; where the level itself tells what comes, on standardised data, try
    ``use_instance_norm=False``.

    See :class:`darts_tsformers.TemporalFusionTransformerModel`.
    """

    model_class: ClassVar[type[TemporalFusionTransformerModel]]
    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        *,
        d_model: int = 64,
        n_heads: int = 4,
        n_lstm_layers: int = 1,
        d_variable: int | None = None,
        dropout: float = 0.1,
        full_attention: bool = False,
        attention: AttentionLike = "full",
        use_instance_norm: bool = True,
        instance_norm_affine: bool = False,
        min_input_chunk_length: int | None = None,
        recompute: bool = False,
        quantiles: Sequence[float] | None = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95),
        num_samples: int = 200,
        batch_size: int = 32,
        n_epochs: int = 100,
        random_state: int | None = None,
        pretraining: dict[str, Any] | None = None,
        model_kwargs: dict[str, Any] | None = None,
    ) -> None: ...

class TimeCMAForecaster(TSFormerForecaster):
    r"""TimeCMA: each variate is one token, aligned with the state of a frozen language model that reads its values.

    Needs ``pip install 'darts_tsformers[llm]'`` and a language model, by default GPT-2 from the Hugging Face hub, which
    ``fit`` reads. ``backbone="none"`` takes it out, and ``backbone="random"`` takes an untrained one: compare with both
    before you rely on the language model.

    See :class:`darts_tsformers.TimeCMAModel`.
    """

    model_class: ClassVar[type[TimeCMAModel]]
    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        *,
        d_model: int = 64,
        n_heads: int = 8,
        n_encoder_layers: int = 1,
        n_decoder_layers: int = 2,
        d_ff: int = 256,
        d_ff_alignment: int = 32,
        dropout: float = 0.1,
        activation: str = "relu",
        faithful: bool = False,
        backbone: str = "openai-community/gpt2",
        hub_model_revision: str | None = None,
        architecture: str = "gpt2",
        backbone_sizes: dict[str, Any] | None = None,
        n_backbone_layers: int | None = None,
        lora_rank: int | None = None,
        backbone_precision: str | None = None,
        description: str | None = None,
        prompt_decimals: int = 1,
        n_kept_prompts: int = 100_000,
        use_instance_norm: bool = True,
        train_variates: int | float | None = None,
        min_input_chunk_length: int | None = None,
        recompute: bool = False,
        quantiles: Sequence[float] | None = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95),
        num_samples: int = 200,
        batch_size: int = 32,
        n_epochs: int = 100,
        random_state: int | None = None,
        pretraining: dict[str, Any] | None = None,
        model_kwargs: dict[str, Any] | None = None,
    ) -> None: ...

class TimeLLMForecaster(TSFormerForecaster):
    r"""Time-LLM: a frozen language model reads a prompt and patches that are translated into words.

    Each component is forecast by itself. ``backbone="none"`` takes the language model out: try that first, it costs far
    less and is seldom worse.

    See :class:`darts_tsformers.TimeLLMModel`.
    """

    model_class: ClassVar[type[TimeLLMModel]]
    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        *,
        backbone: str = "openai-community/gpt2",
        hub_model_revision: str | None = None,
        architecture: str = "gpt2",
        backbone_sizes: dict[str, Any] | None = None,
        n_backbone_layers: int | None = 6,
        lora_rank: int | None = None,
        backbone_precision: str | None = None,
        prompt: str = "statistics",
        description: str | None = None,
        n_prototypes: int = 100,
        patch_length: int | None = None,
        stride: int = 8,
        pad_end: bool = True,
        d_model: int = 16,
        n_heads: int = 8,
        d_ff: int = 32,
        dropout: float = 0.1,
        head_dropout: float = 0.0,
        use_instance_norm: bool = True,
        instance_norm_affine: bool = False,
        train_variates: int | float | None = None,
        min_input_chunk_length: int | None = None,
        recompute: bool = False,
        quantiles: Sequence[float] | None = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95),
        num_samples: int = 200,
        batch_size: int = 32,
        n_epochs: int = 100,
        random_state: int | None = None,
        pretraining: dict[str, Any] | None = None,
        model_kwargs: dict[str, Any] | None = None,
    ) -> None: ...

class TimeMoEForecaster(TSFormerForecaster):
    r"""Time-MoE: a decoder over single values with a mixture of experts, trained by its authors on 300 billion of them.

    Forecasts without any training from published weights, is trained further from them, or is trained from the start at
    any size. The components do not look at each other.

    ``TimeMoEModel.from_pretrained(folder).predict(n, series)`` forecasts any number of steps. The weights see windows
    at their own level and spread, the unbiased one, as the authors' README recommends; with ``use_instance_norm=False``
    they see the series as they are, as in the authors' published evaluation: scale them by their training part then.

    Past, future and static covariates are learnt when the model is trained; published weights know of none.

    It learns from every step of look-back and horizon by all heads, and from a penalty on uneven loads of the experts.
    Without a ``loss_fn`` or a ``likelihood`` the loss is that of the authors, Huber's with a delta of 2, here
    standard deviations of the component within the series of the training part, as all losses are measured.

    See :class:`darts_tsformers.TimeMoEModel`.
    """

    model_class: ClassVar[type[TimeMoEModel]]
    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        *,
        horizon_lengths: Sequence[int] = (1, 8, 32, 64),
        d_model: int = 64,
        n_heads: int = 4,
        n_kv_heads: int | None = None,
        n_decoder_layers: int = 3,
        d_ff: int = 128,
        n_experts: int = 8,
        n_experts_per_token: int = 2,
        dense: bool = False,
        balance: float = 0.02,
        rope_theta: float = 10000.0,
        norm_epsilon: float = 1e-6,
        max_positions: int = 4096,
        dropout: float = 0.0,
        activation: str = "silu",
        hub_model_name: str | None = None,
        hub_model_revision: str | None = None,
        local_dir: str | None = None,
        use_instance_norm: bool = True,
        instance_norm_affine: bool = False,
        train_variates: int | float | None = None,
        min_input_chunk_length: int | None = None,
        recompute: bool = False,
        quantiles: Sequence[float] | None = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95),
        num_samples: int = 200,
        batch_size: int = 32,
        n_epochs: int = 100,
        random_state: int | None = None,
        pretraining: dict[str, Any] | None = None,
        model_kwargs: dict[str, Any] | None = None,
    ) -> None: ...
