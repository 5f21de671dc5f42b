"""Published accuracy: MSE and MAE, all components forecast from all, with the look-back it was reached with.

S-Mamba's paper tests all windows; the others drop the last incomplete batch: of 32, PatchTST's of 128. TimeXer's paper
does not say, which matters little among ten thousand windows; its models saw the known columns up to the present.
"""

from typing import NamedTuple


class Published(NamedTuple):
    """A published figure."""

    mse: float
    mae: float
    lookback: int
    source: str

    @property
    def what(self) -> str:
        """The figure of ours that is like it."""
        return "mse" if self.source in (SMAMBA, TIMEXER) else "mse, published windows"


LTSF = "Zeng et al. 2023"
PTST = "Nie et al. 2023"
SMAMBA = "Wang et al. 2025 (S-Mamba)"
AUTO = "Wu et al. 2021"
INFORMER = "Zhou et al. 2021"
TIMEXER = "Wang et al. 2024 (TimeXer)"

TABLES: dict[str, dict[str, Published]] = {
    "ETTh1 96": {
        "PatchTST": Published(0.375, 0.399, 336, PTST),
        "iTransformer": Published(0.386, 0.405, 96, SMAMBA),
        "S-Mamba": Published(0.386, 0.405, 96, SMAMBA),
        "Informer": Published(0.865, 0.713, 96, LTSF),
        "LogSparse": Published(0.878, 0.740, 96, LTSF),
        "Autoformer": Published(0.449, 0.459, 96, LTSF),
        "FEDformer": Published(0.376, 0.419, 96, LTSF),
        "DLinear": Published(0.375, 0.399, 336, LTSF),
        "NLinear": Published(0.374, 0.394, 336, LTSF),
        "last value": Published(1.295, 0.713, 1, LTSF),
    },
    "ETTh1 24": {"Informer": Published(0.577, 0.549, 48, INFORMER)},
    "ETTh2 96": {
        "PatchTST": Published(0.274, 0.336, 336, PTST),
        "iTransformer": Published(0.297, 0.349, 96, SMAMBA),
        "Informer": Published(3.755, 1.525, 96, LTSF),
        "LogSparse": Published(2.116, 1.197, 96, LTSF),
        "Autoformer": Published(0.358, 0.397, 96, LTSF),
        "FEDformer": Published(0.346, 0.388, 96, LTSF),
        "DLinear": Published(0.289, 0.353, 336, LTSF),
        "NLinear": Published(0.277, 0.338, 336, LTSF),
        "last value": Published(0.432, 0.422, 1, LTSF),
    },
    "ETTm1 96": {
        "PatchTST": Published(0.290, 0.342, 336, PTST),
        "iTransformer": Published(0.334, 0.368, 96, SMAMBA),
        "Informer": Published(0.672, 0.571, 96, LTSF),
        "LogSparse": Published(0.600, 0.546, 96, LTSF),
        "Autoformer": Published(0.505, 0.475, 96, LTSF),
        "FEDformer": Published(0.379, 0.419, 96, LTSF),
        "DLinear": Published(0.299, 0.343, 336, LTSF),
        "NLinear": Published(0.306, 0.348, 336, LTSF),
        "last value": Published(1.214, 0.665, 1, LTSF),
    },
    "weather 96": {
        "PatchTST": Published(0.152, 0.199, 336, PTST),
        "iTransformer": Published(0.174, 0.214, 96, SMAMBA),
        "Informer": Published(0.300, 0.384, 96, AUTO),
        "Autoformer": Published(0.266, 0.336, 96, AUTO),
        "FEDformer": Published(0.217, 0.296, 96, LTSF),
        "DLinear": Published(0.176, 0.237, 336, LTSF),
        "NLinear": Published(0.182, 0.232, 336, LTSF),
        "last value": Published(0.259, 0.254, 1, LTSF),
    },
    "exchange_rate 96": {
        "PatchTST": Published(0.088, 0.205, 96, SMAMBA),
        "iTransformer": Published(0.086, 0.206, 96, SMAMBA),
        "Autoformer": Published(0.197, 0.323, 96, AUTO),
        "FEDformer": Published(0.148, 0.278, 96, LTSF),
        "DLinear": Published(0.081, 0.203, 336, LTSF),
        "NLinear": Published(0.089, 0.208, 336, LTSF),
        "last value": Published(0.081, 0.196, 1, LTSF),
    },
    "national_illness 24": {
        "PatchTST": Published(1.522, 0.814, 104, PTST),
        "Informer": Published(5.764, 1.677, 36, AUTO),
        "Autoformer": Published(3.483, 1.287, 36, AUTO),
        "FEDformer": Published(3.228, 1.260, 36, LTSF),
        "DLinear": Published(2.215, 1.081, 104, LTSF),
        "NLinear": Published(1.683, 0.858, 104, LTSF),
        "last value": Published(6.587, 1.701, 1, LTSF),
    },
    "epf_NP 24": {
        "PatchTST": Published(0.267, 0.284, 168, TIMEXER),
        "iTransformer": Published(0.265, 0.300, 168, TIMEXER),
        "Autoformer": Published(0.402, 0.398, 168, TIMEXER),
        "DLinear": Published(0.309, 0.321, 168, TIMEXER),
    },
    "epf_PJM 24": {
        "PatchTST": Published(0.106, 0.209, 168, TIMEXER),
        "iTransformer": Published(0.097, 0.197, 168, TIMEXER),
        "Autoformer": Published(0.168, 0.267, 168, TIMEXER),
        "DLinear": Published(0.108, 0.215, 168, TIMEXER),
    },
    "epf_BE 24": {
        "PatchTST": Published(0.400, 0.262, 168, TIMEXER),
        "iTransformer": Published(0.394, 0.270, 168, TIMEXER),
        "Autoformer": Published(0.500, 0.333, 168, TIMEXER),
        "DLinear": Published(0.463, 0.313, 168, TIMEXER),
    },
}
