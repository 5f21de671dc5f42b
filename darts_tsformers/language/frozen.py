"""A network inside another one: it is not trained, and its weights are not saved."""

import hashlib
from typing import Any

import torch
from torch import Tensor, nn

from darts_tsformers.language.adapters import is_trained


class Frozen(nn.Module):
    """A published network as a part of another one: in evaluation mode, without gradients, and not in the state dict.

    In place of its weights, the state dict holds a digest of its weights and settings. Loading it beside other ones
    raises an error.

    Weights that are set to require gradients are trained and saved like any other. The backbone then follows the
    training mode of the network around it, unless only adapters are trained.

    Parameters
    ----------
    backbone
        The network, complete with its weights.
    name
        What error messages call it.
    settings
        What its output depends on besides its weights, as text.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.language import Frozen
    >>> frozen = Frozen(torch.nn.Linear(3, 2), name="tiny")
    >>> list(frozen.state_dict()), [p.requires_grad for p in frozen.parameters()]
    (['digest'], [False, False])
    """

    digest: Tensor

    def __init__(self, backbone: nn.Module, name: str, settings: str = "") -> None:
        super().__init__()
        self.backbone = backbone.requires_grad_(False)
        self.name = name
        self.register_buffer("digest", digest_of(backbone, settings))
        self._own: set[str] = set()
        self.eval()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the backbone."""
        return self.backbone(*args, **kwargs)

    def train(self, mode: bool = True) -> "Frozen":
        """Stay in evaluation while nothing of it is trained, whatever the network around it does."""
        return super().train(mode and is_trained(self.backbone))

    def state_dict(self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> Any:
        """Return the digest, and the weights that were trained."""
        self._own |= {name for name, weight in self.backbone.named_parameters() if weight.requires_grad}
        destination = {} if destination is None else destination
        destination[f"{prefix}digest"] = self.digest
        for name, value in self.backbone.state_dict(keep_vars=keep_vars).items():
            if name in self._own:
                destination[f"{prefix}backbone.{name}"] = value
        return destination

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        saved = state_dict.get(f"{prefix}digest")
        if saved is None:
            missing_keys.append(f"{prefix}digest")
        elif not torch.equal(saved.cpu(), self.digest.cpu()):
            error_msgs.append(
                f"backbone={self.name!r} has other weights or settings than the one that this model was trained with"
            )
        weights = {f"{prefix}backbone.{name}": value for name, value in self.backbone.state_dict().items()}
        self._own |= {key.removeprefix(f"{prefix}backbone.") for key in weights if key in state_dict}
        # what was not saved is neither missing nor unexpected
        state_dict |= {key: value for key, value in weights.items() if key not in state_dict}


def digest_of(module: nn.Module, settings: str = "") -> Tensor:
    """Return a digest of settings and of the names, shapes and values of all weights, 32 bytes."""
    digest = hashlib.sha256(settings.encode())
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)}".encode())
        digest.update(value.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
    return torch.frombuffer(bytearray(digest.digest()), dtype=torch.uint8)
