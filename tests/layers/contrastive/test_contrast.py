from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from darts_tsformers.layers.contrastive.augmentation import Augmenter
from darts_tsformers.layers.contrastive.contrast import Contrast, held, hide
from darts_tsformers.layers.contrastive.dilated import DilatedEncoder
from darts_tsformers.window import Sizes, Window
from tests.helpers import draw, exactly, make_window, scatter_
from tests.layers.contrastive import _naive as naive

SIZES = Sizes(17, 5, n_targets=3, n_past=2, n_future=1)
either_way = pytest.mark.parametrize("n_features", [1, 6], ids=["one by one", "side by side"])


class Encoder(nn.Module):
    """Tokens of each component, of all that is known of a step."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.map = nn.Linear(width, 7)

    def encode(self, window: Window) -> Tensor:
        known = [x for x in (window.past, window.historic_future) if x is not None]
        rows = [torch.cat([window.target[..., c : c + 1], *known], dim=-1) for c in range(window.target.shape[-1])]
        return self.map(torch.stack(rows, dim=1)).tanh()


def contrast(n_features: int = 1, **kwargs) -> Contrast:
    return scatter_(Contrast(Augmenter(n_features, d_hidden=5, d_model=3, n_blocks=2, kernels=(1, 2)), **kwargs))


def losses(model: Contrast, encoder: Encoder, window: Window) -> dict[str, Tensor]:
    return model(encoder.encode, encoder, window)


@either_way
def test_equals_its_definition(n_features):
    weights = {"temperature": 0.5, "local_weight": 0.3, "kept_weight": 2.0, "kept_share": 0.1, "consistency_weight": 3}
    model, encoder = contrast(n_features, **weights).double().eval(), Encoder().double()
    window = make_window(SIZES, dtype=torch.float64)
    variables = torch.cat([window.target, window.past, window.historic_future], dim=-1)
    rows = [variables] if n_features == 6 else [variables[..., v : v + 1] for v in range(6)]
    views = [model.augmenter(row) for row in rows]
    values, kept = (torch.cat([getattr(view, part) for view in views], dim=-1) for part in ("values", "kept"))
    view = replace(window, target=values[..., :3], past=values[..., 3:5], historic_future=values[..., 5:])
    z_x, z_v = (encoder.encode(each).flatten(0, 1) for each in (window, view))
    centres = torch.arange(1, 16).expand(3, -1)
    expected = {
        "contrast": naive.info_nce(z_x, z_v, 0.5),
        "local": 0.3 * naive.local_info_nce(z_x, 16, 0),
        "relevance": naive.mean_discrepancy(z_x, z_v),
        "sparsity": 2 * (kept.mean() - 0.1),
        "consistency": 3 * naive.consistency(kept, centres, (centres + 8) % 17),
    }
    torch.testing.assert_close(losses(model, encoder, window), expected)
    torch.testing.assert_close(model.kept(window), kept)


@either_way
@pytest.mark.parametrize("training", [True, False])
def test_each_learns_by_its_own_loss(n_features, training):
    model, encoder = contrast(n_features, kept_share=0.0).train(training), Encoder()
    for name, loss in losses(model, encoder, make_window(SIZES)).items():
        of_encoder, of_views = (
            torch.autograd.grad(loss, list(part.parameters()), retain_graph=True, materialize_grads=True)
            for part in (encoder, model)
        )
        is_of_encoder = name in ("contrast", "local")
        assert any(g.any() for g in of_encoder) == is_of_encoder
        assert any(g.any() for g in of_views) != is_of_encoder


def test_an_encoder_learns_to_tell_windows_apart():
    torch.manual_seed(0)
    model = contrast(hide_rate=0.1, temperature=0.1)
    encoder = DilatedEncoder(1, d_hidden=8, d_model=8, n_blocks=3, kernels=(1, 2), causal=True)
    pace = torch.linspace(0.2, 1.5, 16)[:, None]
    window = Window(torch.sin(torch.arange(24) * pace)[..., None])

    def parts() -> dict[str, Tensor]:
        return model(lambda each: encoder(each.target)[:, None], encoder, window)

    optimizer = torch.optim.Adam([*model.parameters(), *encoder.parameters()], lr=0.01)
    before = parts()
    for _ in range(60):
        optimizer.zero_grad()
        sum(parts().values()).backward()
        optimizer.step()
    assert parts()["contrast"] < 0.5 * before["contrast"]


def test_steps_are_hidden_in_training():
    class Watch(Encoder):
        seen: list[Window]

        def encode(self, window: Window) -> Tensor:
            self.seen.append(window)
            return super().encode(window)

    encoder, window = Watch(), make_window(replace(SIZES, input_length=101))
    for training in (True, False):
        encoder.seen = []
        losses(contrast(hide_rate=0.3).train(training), encoder, window)
        hidden = [
            (w.target == 0).all(-1) & (w.past == 0).all(-1) & (w.historic_future == 0).all(-1) for w in encoder.seen
        ]
        shares = [h.float().mean() for h in hidden[:1]]
        assert all(0.2 < share < 0.4 for share in shares) == training
        assert torch.equal(hidden[1], hidden[2]) != training
        torch.testing.assert_close(encoder.seen[0].target[~hidden[0]], window.target[~hidden[0]])


def test_hiding_leaves_the_rest_as_it_was():
    window, hidden = make_window(SIZES), draw(3, 17) > 0
    out = hide(window, hidden)
    assert not any(part[hidden].any() for part in (out.target, out.past, out.historic_future))
    torch.testing.assert_close(out.past[~hidden], window.past[~hidden])
    assert out.future is window.future


def test_nothing_is_drawn_in_evaluation():
    model, encoder, window = contrast().eval(), Encoder(), make_window(SIZES)
    torch.testing.assert_close(losses(model, encoder, window), losses(model, encoder, window), rtol=0, atol=0)
    assert not torch.equal(*(losses(model.train(), encoder, window)["contrast"] for _ in range(2)))


@pytest.mark.parametrize("length", [1, 2, 3])
@pytest.mark.parametrize("training", [True, False])
def test_short_windows_of_a_batch_of_one(length, training):
    window = make_window(Sizes(length, 1), batch=1)
    parts = losses(contrast().train(training), Encoder(1), window)
    assert ("consistency" in parts) == (length > 2)
    assert all(part.isfinite() for part in parts.values())


def test_without_the_local_contrast():
    assert "local" not in losses(contrast(local_weight=0), Encoder(), make_window(SIZES))


def test_what_is_held_learns_no_more_within():
    encoder, x = Encoder(1), draw(2, 5, 1).requires_grad_()
    encoder.frozen = nn.Parameter(torch.ones(()), requires_grad=False)
    with held(encoder):
        out = encoder.encode(Window(x))
    out.sum().backward()
    assert x.grad.abs().sum() > 0
    assert encoder.map.weight.grad is None
    assert {name for name, p in encoder.named_parameters() if p.requires_grad} == {"map.weight", "map.bias"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperature": 0}, "temperature=0 must be above 0"),
        ({"temperature": -1}, "temperature=-1 must be a finite number of at least 0"),
        ({"local_weight": -1}, "local_weight=-1 must be a finite number of at least 0"),
        ({"kept_weight": -1}, "kept_weight=-1 must be a finite number of at least 0"),
        ({"consistency_weight": -1}, "consistency_weight=-1 must be a finite number of at least 0"),
        ({"n_crops": 0}, "n_crops=0 must be an integer of at least 1"),
        ({"hide_rate": 1}, "hide_rate=1 must be in [0, 1)"),
        ({"kept_share": 1}, "kept_share=1 must be in [0, 1)"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
@pytest.mark.usefixtures("unchecked")
def test_a_bad_argument_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        contrast(**changes)
