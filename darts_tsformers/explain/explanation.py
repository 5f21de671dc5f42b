"""An explanation: what was recorded, and its ways to look at it."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from darts_tsformers.explain import findings, plots, words
from darts_tsformers.explain.pictures.canvas import Canvas
from darts_tsformers.explain.recorded import Recorded


class Explanation(Recorded):
    """What a model looked at, window by window and layer by layer.

    Axes of time have the first step of each token as their coordinate, counted from the last step seen (0), and next to
    it the last one and the time stamps of both: ``key``, ``key_last``, ``key_start``, ``key_end``. Axes of variables
    have names, and say of which kind each is: ``key_kind``. Heads are numbered from 1.

    Attributes
    ----------
    model
        Name of the model's class.
    parts
        By kind and module path: ``parts["attention"]["encoder.layers.0.attention"]``. See
        :data:`darts_tsformers.recording.KINDS` for what each kind holds.
    origins
        Where each window stands.
    forecasts
        What was forecast, one for each window that did not start from forecasts.
    groups
        For a mechanism of fixed distances what they are, by layer.
    level
        The parameter of the likelihood, by position, that says where the target will be.
    folder
        Where maps are that memory is not to hold.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import PatchTSTModel
    >>> from darts_tsformers.explain import explain
    >>> series = TimeSeries.from_values(np.sin(np.arange(90) / 2).astype(np.float32))
    >>> quiet = {"enable_progress_bar": False}
    >>> model = PatchTSTModel(24, 6, patch_length=6, stride=6, n_epochs=1, random_state=0, pl_trainer_kwargs=quiet)
    >>> e = explain(model.fit(series, verbose=False))
    >>> list(e.parts), e.window_names
    (['attention'], ['89'])
    >>> e.maps["backbone.encoder.layers.0.attention"].dims
    ('window', 'component', 'head', 'query', 'key')
    >>> e.to_frame(layer="backbone.encoder.layers.0.attention").columns[-4:].tolist()
    ['key_last', 'key_start', 'key_end', 'weight']
    """

    def summary(self) -> str:
        """Say in words what the model looked at."""
        return words.summary(self)

    def health(self) -> pd.DataFrame:
        """Return figures of each head, and whether it has collapsed to one key or looks at all alike."""
        return findings.model_health(self)

    def plot(self, kind: str | None = None, *, ax: Axes | None = None, **options: Any) -> Canvas | Axes:
        """Draw a picture.

        Parameters
        ----------
        kind
            ``"attention"``: a heat map; ``"importance"``: bars of the variables, or what part of the look-back is
            attended to; ``"lags"``: attention, the correlation at each delay, or the weight of a delay or mode, by lag;
            ``"mode_attention"``: a heat map by periods; ``"levels"``: what the levels of a wavelet tree add;
            ``"experts"``: what each moving average makes of the trends; ``"routing"``: which experts tokens go to;
            ``"prototypes"``: which prototypes tokens attend to;
            ``"gates"``: where a layer lets in what it has mixed; ``"memory"``: what was written to a memory and what it
            still holds; ``"responses"``: what the models of a layer answer to a pulse; ``"guidance"``: how hard what
            was observed pulled paths; ``"spread"``: how far paths lie apart; ``"mask"``: which steps a learnt view
            keeps; ``"decomposition"``: trend and remainder of a forecast; ``"stages"``: what each stage of a hierarchy
            adds to it. By default the first of them that there is something to show of.
        ax
            Axes of a grid, as from ``subplots``, whose place the picture takes; by default it is a figure of its own.
        **options
            ``layer`` (a path), ``head`` (from 1), ``window`` (a position), ``component`` (a name), ``top`` (how many
            variables, prototypes or models); by default the last layer, means over the rest, 30 variables, 12
            prototypes and 8 models.

        Returns
        -------
        ``ax``, or the figure.

        Raises
        ------
        ValueError
            If an option does not exist for the picture, or there is nothing of the kind to show.
        """
        return plots.plot(self, kind, ax, **options)

    def __str__(self) -> str:
        return self.summary()
