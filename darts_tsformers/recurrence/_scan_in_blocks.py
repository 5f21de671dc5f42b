"""The selective scan a block at a time, with a backward pass that computes again what was not kept."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from darts_tsformers.execution.autocast import without_autocast
from darts_tsformers.recurrence._scan_by_doubling import scan_by_doubling

BLOCK = 2**18
"""Numbers in the states of a block: the cache of a processor holds a few such blocks."""

STEP = 2**15
"""Numbers in one step of a block: few enough for a block to have several steps."""

ACCELERATOR_BLOCK = 2**24
"""The same of both where it is not the cache that counts, but the number of operations."""

KEPT = 2**22
"""Numbers in the states of a whole scan up to which they are kept, and the decays, for the backward pass."""


class ScanInBlocks(torch.autograd.Function):
    """Map x, delta, A, B, C and the state before the first step to the outputs and the state after the last.

    Inside a block of ``K`` steps of ``b`` samples, steps come first and features last, ``(K, b, n, D)``: each step of
    the recurrence is then one operation in place on numbers that lie side by side. The state before each block is kept
    for the backward pass, and all states and decays where they are few.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, state: Tensor, differentiable: bool
    ) -> tuple[Tensor, Tensor]:
        rates, y, last = A.T.contiguous(), torch.empty_like(x), torch.empty_like(state)
        keeps_states = x.numel() * A.shape[1] <= KEPT
        kept: list[Tensor | None] = []
        for samples, spans in _blocks(x, A.shape[1]):
            before = state[samples].mT.contiguous()
            for span in spans:
                xs, deltas, Bs, Cs = (_steps_first(t[samples, span]) for t in (x, delta, B, C))
                decays, states = _run(xs, deltas, rates, Bs, before)
                y[samples, span] = _sum_of_numbers(Cs, states).transpose(0, 1)
                if differentiable:
                    kept += [before, decays, states] if keeps_states else [before, None, None]
                before = states[-1].clone()
            last[samples] = before.mT
        ctx.save_for_backward(x, delta, A, B, C, state, *kept)
        return y, last

    @staticmethod
    def backward(ctx: Any, to_y: Tensor, to_last: Tensor) -> tuple[Tensor | None, ...]:
        x, delta, A, B, C, state, *kept = ctx.saved_tensors
        with without_autocast(x):
            if torch.is_grad_enabled():
                return *_differentiable_gradients(to_y, to_last, x, delta, A, B, C, state), None
            return *_gradients(to_y, to_last, x, delta, A, B, C, kept), None


def _gradients(
    to_y: Tensor,
    to_last: Tensor,
    x: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    kept: list[Any],
) -> tuple[Tensor, ...]:
    """Return the gradients of all inputs, from the last block to the first."""
    rates, to_rates, to_state = A.T.contiguous(), torch.zeros_like(A.T), torch.empty_like(to_last)
    to_inputs = [torch.empty_like(t) for t in (x, delta, B, C)]
    for samples, spans in reversed(_blocks(x, A.shape[1])):
        after = to_last[samples].mT.contiguous()
        for span in reversed(spans):
            xs, deltas, Bs, Cs, to_ys = (_steps_first(t[samples, span]) for t in (x, delta, B, C, to_y))
            states, decays, before = kept.pop(), kept.pop(), kept.pop()
            if states is None:
                decays, states = _run(xs, deltas, rates, Bs, before)
            to_block, to_block_rates, after = _gradients_of_block(
                xs, deltas, rates, Bs, Cs, before, decays, states, to_ys, after
            )
            to_rates += to_block_rates
            for whole, part in zip(to_inputs, to_block, strict=True):
                whole[samples, span] = part.transpose(0, 1)
        to_state[samples] = after.mT
    to_x, to_delta, to_B, to_C = to_inputs
    return to_x, to_delta, to_rates.T, to_B, to_C, to_state


def _differentiable_gradients(to_y: Tensor, to_last: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    """Return gradients that can be differentiated themselves, and need the memory for it."""
    inputs = tuple(t.view_as(t) if t.requires_grad else t.detach().requires_grad_() for t in inputs)
    return torch.autograd.grad(scan_by_doubling(*inputs), inputs, (to_y, to_last), create_graph=True)


def _blocks(x: Float[Tensor, "B L D"], n: int) -> list[tuple[slice, list[slice]]]:
    """Cut a scan into groups of samples, and each group into spans of steps."""
    batch, length, width = x.shape
    on_processor = x.device.type == "cpu"
    n_samples = max(1, (STEP if on_processor else ACCELERATOR_BLOCK) // (n * width))
    n_steps = max(1, (BLOCK if on_processor else ACCELERATOR_BLOCK) // (n * width * min(n_samples, batch)))
    return [(samples, _slices(length, n_steps)) for samples in _slices(batch, n_samples)]


def _slices(length: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


def _steps_first(x: Float[Tensor, "b K *D"]) -> Float[Tensor, "K b *D"]:
    return x.transpose(0, 1).contiguous()


def _run(
    x: Float[Tensor, "K b D"],
    delta: Float[Tensor, "K b D"],
    rates: Float[Tensor, "n D"],
    B: Float[Tensor, "K b n"],
    before: Float[Tensor, "b n D"],
) -> tuple[Float[Tensor, "K b n D"], Float[Tensor, "K b n D"]]:
    """Return the decays and the states of a block."""
    decays = torch.mul(delta[:, :, None], rates).exp_()
    states = B[..., None] * (delta * x)[:, :, None]
    for decay, state in zip(decays.unbind(), states.unbind(), strict=True):
        before = state.addcmul_(decay, before)
    return decays, states


def _gradients_of_block(
    x: Float[Tensor, "K b D"],
    delta: Float[Tensor, "K b D"],
    rates: Float[Tensor, "n D"],
    B: Float[Tensor, "K b n"],
    C: Float[Tensor, "K b n"],
    before: Float[Tensor, "b n D"],
    decays: Float[Tensor, "K b n D"],
    states: Float[Tensor, "K b n D"],
    to_y: Float[Tensor, "K b D"],
    after: Float[Tensor, "b n D"],
) -> tuple[list[Tensor], Float[Tensor, "n D"], Float[Tensor, "b n D"]]:
    """Return the gradients of a block's inputs, of the rates and of the state before, from that of the state after."""
    to_states = C[..., None] * to_y[:, :, None]
    to_states[-1] += after
    steps = list(zip(to_states.unbind(), decays.unbind(), strict=True))
    for (now, _), (later, decay) in zip(steps[-2::-1], steps[:0:-1], strict=True):
        now.addcmul_(decay, later)
    to_before = to_states[0] * decays[0]
    to_B, to_C = _sum_of_features(to_states, delta * x), _sum_of_features(states, to_y)
    to_taken = _sum_of_numbers(B, to_states)  # the gradient of delta * x

    to_exponents = to_states.mul_(decays)
    to_exponents[0] *= before
    to_exponents[1:] *= states[:-1]
    to_delta = (to_exponents * rates).sum(2).addcmul_(to_taken, x)
    to_rates = to_exponents.mul_(delta[:, :, None]).sum((0, 1))
    return [to_taken * delta, to_delta, to_B, to_C], to_rates, to_before


def _sum_of_numbers(weights: Float[Tensor, "K b n"], states: Float[Tensor, "K b n D"]) -> Float[Tensor, "K b D"]:
    return (weights[:, :, None] @ states).squeeze(2)


def _sum_of_features(states: Float[Tensor, "K b n D"], weights: Float[Tensor, "K b D"]) -> Float[Tensor, "K b n"]:
    return (weights[:, :, None] @ states.mT).squeeze(2)  # the other way round takes seven times as long
