"""The one exception of the workflow."""


class DataError(ValueError):
    """What was asked cannot be done with this data, these settings or this folder.

    The message is one line that says what is wrong and what to do about it.
    """
