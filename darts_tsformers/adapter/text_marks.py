"""Time stamps as a language model has read them: a sentence for each step, as a vector."""

import numpy as np
import torch
from darts import TimeSeries
from darts.utils.utils import generate_index

from darts_tsformers.language import LanguageModel

SENTENCE = "The time is from {first} to {last}"
"""What is read of a segment, whose end is where the state is taken."""
BATCH = 256


def text_marks(language: LanguageModel, series: TimeSeries, n: int, segment_length: int) -> TimeSeries:
    """Return a vector for each step of a series, and for ``n`` more: what a language model makes of a segment's times.

    Parameters
    ----------
    language
        The language model.
    series
        Whose steps they are.
    n
        Steps after its end.
    segment_length
        Steps of the segment that begins at a step.

    Returns
    -------
    A series of as many components as the language model is wide.
    """
    step = series.freq
    times = generate_index(series.start_time(), length=len(series) + n, freq=step)
    texts = [SENTENCE.format(first=time, last=time + (segment_length - 1) * step) for time in times]
    parts = [_states(language, texts[i : i + BATCH]) for i in range(0, len(texts), BATCH)]
    names = [f"mark_{i}" for i in range(language.d_model)]
    return TimeSeries.from_times_and_values(times, np.concatenate(parts).astype(series.dtype), columns=names)


@torch.no_grad()
def _states(language: LanguageModel, texts: list[str]) -> np.ndarray:
    """Return the last states of texts, each padded at its beginning."""
    ids = language.tokenize(texts)
    longest = max(map(len, ids))
    padded = torch.tensor([[0] * (longest - len(one)) + one for one in ids])
    observed = torch.arange(longest) >= longest - torch.tensor([[len(one)] for one in ids])
    states: np.ndarray = language(language.embed(padded), observed)[:, -1].numpy()
    return states
