"""What is wrong with a request."""

from collections.abc import Sequence


class RefusedError(ValueError):
    """A request that cannot be answered.

    Parameters
    ----------
    where
        Names and positions that lead to the field.
    message
        What is wrong with it.
    status
        Of HTTP.
    """

    def __init__(self, where: Sequence[str | int], message: str, status: int = 422) -> None:
        super().__init__(message)
        self.where = tuple(where)
        self.status = status
