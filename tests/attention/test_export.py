"""Mechanisms as an ONNX file, in one file to be quick."""

import numpy as np
import onnxruntime
import torch
from torch import nn

from darts_tsformers.attention import Attention, HeadSizes, build_attention
from tests.attention.cases import FORMS, MECHANISMS, qkv

HEADS, WIDTH, LENGTH = 2, 4, 23
WAYS = {
    "linear": True,
    "performer": True,
    "nprf": True,
    "linformer": False,
    "local-dilated-global": False,
    "sparse-strided-joint": True,
    "sparse-fixed-joint": False,
}
"""Whether causal: each in the one of its forms that takes more operations."""
FEW_FORMS = [FORMS[i] for i in (2, 3, 4, 5, 7, 9)]
"""One of each mechanism, of Combiner two: the others are made of the same operations."""
BOTH_WAYS = ("reformer", "sinkhorn")
"""Those of them that do more where they are not causal."""


def built() -> list[tuple[str, Attention, bool]]:
    """Build all of them, each with its name and whether it is causal."""
    first = [(name, MECHANISMS[name].build(HEADS, WIDTH, LENGTH, torch.float32), way) for name, way in WAYS.items()]
    sizes = HeadSizes(HEADS, WIDTH, LENGTH, LENGTH)
    return first + [(str(form), build_attention(form, sizes), form[0] not in BOTH_WAYS) for form in FEW_FORMS]


class Together(nn.Module):
    """All of them, one output each."""

    def __init__(self) -> None:
        super().__init__()
        self.names, mechanisms, self.ways = zip(*built(), strict=True)
        self.mechanisms = nn.ModuleList(mechanisms)

    def forward(self, q, k, v):
        return [one(q, k, v, causal=causal)[0] for one, causal in zip(self.mechanisms, self.ways, strict=True)]


def test_all_of_them_as_one_onnx_file_give_what_they_gave_for_any_batch():
    model = Together().eval()
    two, three = ([t.detach() for t in qkv(b, HEADS, LENGTH, WIDTH, WIDTH, torch.float32)] for b in (2, 3))
    batch = {0: torch.export.Dim("batch", min=1, max=64)}
    program = torch.export.export(model, tuple(two), dynamic_shapes=(batch,) * 3, strict=False)
    written = torch.onnx.export(
        program, (), dynamo=True, input_names=["q", "k", "v"], external_data=False, optimize=False, verbose=False
    )
    session = onnxruntime.InferenceSession(written.model_proto.SerializeToString())
    got = session.run(None, {name: t.numpy() for name, t in zip("qkv", three, strict=True)})
    expected = model(*three)
    assert len(got) == len(expected) == len(WAYS) + len(FEW_FORMS)
    for name, ours, theirs in zip(model.names, got, expected, strict=True):
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-4, atol=1e-5, err_msg=name)
