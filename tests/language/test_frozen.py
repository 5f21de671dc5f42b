"""A backbone that is not trained, and not saved."""

import pytest
import torch
from torch import nn

from darts_tsformers.language import Frozen
from darts_tsformers.language.frozen import digest_of
from tests.helpers import draw


class Net(nn.Module):
    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.backbone = Frozen(nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Dropout(0.5)), "tiny")
        self.head = nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(x))


def test_it_stays_as_it_is_while_the_rest_trains():
    net = Net().train()
    before, x = digest_of(net.backbone.backbone), draw(7, 3)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    first = net.backbone(x)
    net(x).square().sum().backward()
    optimizer.step()
    assert torch.equal(digest_of(net.backbone.backbone), before)
    assert torch.equal(net.backbone(x), first)
    assert net.head.weight.grad.any()


def test_a_state_dict_holds_its_digest_alone_and_loads_strictly():
    first, second = Net(), Net()
    second.head.weight.data += 1
    assert list(first.state_dict()) == ["backbone.digest", "head.weight", "head.bias"]
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(draw(2, 3)), second(draw(2, 3)))


def test_other_weights_are_refused():
    with pytest.raises(RuntimeError, match="'tiny' has other weights or settings than the one that this"):
        Net(seed=1).load_state_dict(Net(seed=0).state_dict())


def test_a_digest_tells_values_names_and_shapes_apart():
    base = nn.Linear(2, 3)
    moved = nn.Linear(2, 3)
    moved.load_state_dict(base.state_dict())
    assert torch.equal(digest_of(base), digest_of(moved))
    moved.weight.data[0, 0] += 1e-6
    assert not torch.equal(digest_of(base), digest_of(moved))
    assert not torch.equal(digest_of(nn.ModuleDict({"a": base})), digest_of(nn.ModuleDict({"b": base})))


def test_what_is_trained_after_all_is_saved_and_loaded():
    first, second, third = Net(), Net(), Net()
    first.backbone.backbone[0].bias.requires_grad_(True)
    first.backbone.backbone[0].bias.data += 1
    names = ["backbone.digest", "backbone.backbone.0.bias", "head.weight", "head.bias"]
    assert list(first.state_dict()) == names
    second.load_state_dict(first.state_dict())
    assert list(second.state_dict()) == names  # saved again, though it is not trained any more
    third.load_state_dict(second.state_dict())
    assert torch.equal(first.eval()(draw(2, 3)), third.eval()(draw(2, 3)))


def test_it_is_in_training_only_while_something_of_it_is_trained():
    net = Net().train()
    assert not any(part.training for part in net.backbone.modules())
    net.backbone.backbone[0].bias.requires_grad_(True)
    assert all(part.training for part in net.train().backbone.modules())
    assert not any(part.training for part in net.eval().backbone.modules())
