"""The one exception of the workflow."""


class DataError(ValueError):
    """What was asked cannot be done with this data, these settings or this folder.

    The message is one line that says what is wrong and what to do about it.

    Examples
    --------
    >>> from darts_tsformers.workflow import DataError, read_table
    >>> try:
    ...     read_table("absent.csv")
    ... except DataError as error:
    ...     print(error)
    absent.csv: no such file
    """
