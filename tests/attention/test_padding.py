"""No mechanism reads what it pads its inputs with, to blocks, patterns or lengths that transform fast."""

import pytest
import torch
from torch import nn

from darts_tsformers.attention import Attention, HeadSizes, attention_names, build_attention
from tests.helpers import draw

NO_AVERAGE = {
    "linformer": "it mixes values before it averages them",
    "sinkhorn": "it sorts blocks of values by weights that may sum to less than one",
}


class ZerosToBlocks(Attention):
    """Full attention over keys that were filled up with zeros to whole blocks, and left unmasked."""

    def forward(self, q, k, v, *, causal=False, need_weights=False):
        filling = (0, 0, 0, -k.shape[-2] % 4)
        k, v = (nn.functional.pad(t, filling) for t in (k, v))
        return nn.functional.scaled_dot_product_attention(q, k, v), None


def averages_of_equal_values(mechanism: Attention, length: int, causal: bool) -> None:
    q, k = (draw(2, 3, length, 5, seed=seed, dtype=torch.float64) for seed in (0, 1))
    v = torch.full((2, 3, length, 5), 7.0, dtype=torch.float64)
    out, _ = mechanism(q, k, v, causal=causal)
    torch.testing.assert_close(out, v, rtol=0, atol=1e-5)


@pytest.mark.parametrize("length", [1, 7, 29, 31])
@pytest.mark.parametrize("name", sorted(set(attention_names()) - set(NO_AVERAGE)))
def test_equal_values_come_out_as_they_are(name, length):
    mechanism = build_attention(name, HeadSizes(3, 5, n_queries=31, n_keys=31)).double().eval()
    for causal in (False, True) if mechanism.supports_causal else (False,):
        averages_of_equal_values(mechanism, length, causal)


def test_a_mechanism_that_reads_padding_is_caught():
    averages_of_equal_values(ZerosToBlocks(), 8, causal=False)
    with pytest.raises(AssertionError, match="not close"):
        averages_of_equal_values(ZerosToBlocks(), 7, causal=False)
