"""What the tests of diffusions are given."""

from dataclasses import replace

from darts_tsformers.networks import Noise
from darts_tsformers.window import Window
from tests.helpers import draw


def noise_for(window: Window, n_paths: int = 1, seed: int = 0) -> Noise:
    return Noise(range(n_paths), n_paths=n_paths, seed=seed, windows=window.target)


def with_future(window: Window, horizon: int = 5) -> Window:
    return replace(window, future_target=draw(len(window.target), horizon, window.target.shape[-1], seed=8))
