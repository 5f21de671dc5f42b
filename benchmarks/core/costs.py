"""What the time of a step is spent on, in words."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from torch.profiler import ProfilerActivity, profile, record_function

STEP = "one step"
OTHER = "other"
PYTHON, AUTOGRAD, OPTIMIZER = "Python between operations", "bookkeeping of autograd", "optimiser"

KINDS: dict[str, str] = {
    "matrix products": "mm addmm addmm_ bmm baddbmm matmul linear einsum outer convolution",
    "fused attention": (
        "scaled_dot_product_attention _scaled_dot_product_flash_attention_for_cpu "
        "_scaled_dot_product_flash_attention_for_cpu_backward"
    ),
    "recurrent layer": "lstm mkldnn_rnn_layer mkldnn_rnn_layer_backward",
    "softmax": "softmax _softmax _softmax_backward_data",
    "normalisation": (
        "batch_norm native_batch_norm native_batch_norm_backward _batch_norm_impl_index layer_norm native_layer_norm "
        "native_layer_norm_backward cudnn_is_acceptable"
    ),
    "activations and gates": (
        "gelu gelu_backward elu elu_ elu_backward relu threshold_backward sigmoid glu glu_backward tanh tanh_backward"
    ),
    "dropout": "dropout bernoulli_ rand uniform_ log1p_ floor_ neg_ searchsorted index_fill_ clamp_",
    "Fourier transforms": "fft_fft fft_ifft _fft_c2c",
    "gathering and scattering": (
        "index_select gather gather_backward scatter scatter_ scatter_add_ topk randperm embedding_bag _embedding_bag "
        "_embedding_bag_forward_only _embedding_bag_per_sample_weights_backward max_pool1d max_pool1d_with_indices "
        "max_pool2d_with_indices max_pool2d_with_indices_backward"
    ),
    "copies": (
        "copy_ clone contiguous to _to_copy cat stack repeat repeat_interleave constant_pad_nd replication_pad1d "
        "replication_pad1d_backward pad slice_backward select_backward unfold_backward flip resize_ resize_as_ tril "
        "reshape _reshape_alias conj_physical_"
    ),
    "new tensors": (
        "empty empty_like empty_strided zeros zeros_like zero_ ones ones_like fill_ new_empty new_empty_strided "
        "new_zeros new_full arange scalar_tensor"
    ),
    "views": (
        "view view_as t transpose permute numpy_T mT slice as_strided as_strided_ expand expand_as unsqueeze squeeze "
        "select narrow split split_with_sizes chunk detach alias unfold flatten view_as_real view_as_complex real "
        "broadcast_tensors _unsafe_view unbind resolve_conj is_nonzero item _local_scalar_dense promote_types "
        "result_type"
    ),
    "sums and means": "sum nansum mean var_mean amax amin cumsum linalg_vector_norm",
    "arithmetic": (
        "add add_ sub sub_ rsub mul mul_ div div_ sqrt reciprocal neg abs clamp clamp_min remainder remainder_ where "
        "masked_fill masked_fill_ isnan nan_to_num addcmul_ ne lt le gt ge any lerp minimum maximum bitwise_not sin "
        "cos square pow mse_loss mse_loss_backward"
    ),
}
"""The operations of each kind. What is not among them counts as other."""

_KIND_OF = {f"aten::{name}": kind for kind, names in KINDS.items() for name in names.split()}


def shares(step: Callable[[], object], steps: int = 20) -> dict[str, float]:
    """Return the share of each kind in the time of a step, the largest first. They sum to 1."""
    times: Counter[str] = Counter()
    for event in events(step, steps):
        times[kind(event)] += event.self_cpu_time_total
    return {name: time / times.total() for name, time in times.most_common()}


def events(step: Callable[[], object], steps: int) -> list[Any]:
    """Return what the profiler saw of some steps."""
    with profile(activities=[ProfilerActivity.CPU]) as record:
        for _ in range(steps):
            with record_function(STEP):
                step()
    return list(record.events())


def kind(event: Any) -> str:
    """Return what kind an event is of: by its name, unless the optimiser called it."""
    outer = event
    while outer is not None:
        if outer.name.startswith("Optimizer."):
            return OPTIMIZER
        outer = outer.cpu_parent
    if event.name == STEP:
        return PYTHON
    if not event.name.startswith("aten::"):
        return AUTOGRAD
    return _KIND_OF.get(event.name, OTHER)
