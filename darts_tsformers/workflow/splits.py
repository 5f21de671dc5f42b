"""Which rows train, which stop the training, and which are held back."""

from dataclasses import dataclass

_VALIDATION_SHARE = _TEST_SHARE = 0.2
_MAX_TEST_WINDOWS = 20
_MAX_VALIDATION_ROWS = 1000
_FEW_WINDOWS = 3
_MAX_ENSEMBLE_WINDOWS = 10
_MAX_TESTED_COMPONENTS = 400


@dataclass(frozen=True)
class Split:
    """Rows of a series, oldest first: training, then validation and test windows of one horizon each, side by side.

    Attributes
    ----------
    n_rows
        Length of the series.
    horizon
        Length of a window.
    n_validation_windows, n_test_windows
        Windows that stop the training, and windows held back.
    """

    n_rows: int
    horizon: int
    n_validation_windows: int
    n_test_windows: int

    @property
    def test_start(self) -> int:
        """First row held back."""
        return self.n_rows - self.n_test_windows * self.horizon

    @property
    def validation_start(self) -> int:
        """First row that is not trained on."""
        return self.test_start - self.n_validation_windows * self.horizon

    @property
    def test_windows(self) -> list[int]:
        """First row of each test window."""
        return list(range(self.test_start, self.n_rows, self.horizon))

    @property
    def ensemble_windows(self) -> list[int]:
        """First row of each validation window the ensemble learns on: the last ten, or fewer if the test has fewer."""
        most = min(_MAX_ENSEMBLE_WINDOWS, max(self.n_test_windows, _FEW_WINDOWS))
        return list(range(self.validation_start, self.test_start, self.horizon))[-most:]


def split_rows(n_rows: int, horizon: int, min_train_rows: int, n_components: int = 1) -> Split:
    """Hold back about a fifth for the test and a fifth for validation, less where the series is long or short.

    At most 20 test windows, fewer where there are many components, since baselines are fitted to each component of each
    window; validation windows of about 1,000 rows. Where fewer than ``min_train_rows`` would be left, windows are given
    to the training until one of each is left.
    """
    validation = _n_windows(n_rows * _VALIDATION_SHARE, horizon, max(_FEW_WINDOWS, _MAX_VALIDATION_ROWS // horizon))
    most = max(min(_MAX_TEST_WINDOWS, _MAX_TESTED_COMPONENTS // n_components), _FEW_WINDOWS)
    test = _n_windows(n_rows * _TEST_SHARE, horizon, most)
    while n_rows - (validation + test) * horizon < min_train_rows and validation + test > 2:
        if validation > test:
            validation -= 1
        else:
            test -= 1
    return Split(n_rows, horizon, n_validation_windows=validation, n_test_windows=test)


def _n_windows(rows: float, horizon: int, most: int) -> int:
    return min(max(int(rows) // horizon, 1), most)
