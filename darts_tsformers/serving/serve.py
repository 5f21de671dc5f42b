"""Run a server."""

from os import PathLike
from pathlib import Path
from typing import Any

from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.catalogue import load_all
from darts_tsformers.serving.app import make_app
from darts_tsformers.serving.limits import Limits
from darts_tsformers.workflow import DataError, TableForecaster, load

GRACE_SECONDS = 30
"""How long requests that were begun may take when the server is told to stop."""


def serve(
    forecaster: TableForecaster | TSFormerModel | str | PathLike[str],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    limits: Limits | None = None,
    frequency: str | int | None = None,
) -> None:
    """Serve forecasts over HTTP until the process is told to stop (SIGINT or SIGTERM): what was begun is answered.

    See :func:`make_app` for the routes. One process serves one forecaster; run several behind a proxy for more.

    Parameters
    ----------
    forecaster
        A folder that ``darts-tsformers forecast`` has written, a file that ``save`` has written, what
        :func:`~darts_tsformers.workflow.load` has read, or a fitted model.
    host
        Address to listen on; ``"0.0.0.0"`` for all. There is no authentication: put a proxy before it.
    port
        Port to listen on; 0 for a free one.
    limits, frequency
        As for :func:`make_app`.

    Raises
    ------
    ImportError
        If the packages of the server are missing.
    DataError
        If there is no forecaster where one should be, or it cannot be served.

    Examples
    --------
    >>> from darts_tsformers.serving import serve
    >>> serve("forecast", port=8000)  # doctest: +SKIP
    >>> try:
    ...     serve("absent")
    ... except ValueError as error:
    ...     print(error)
    absent: there is no such folder or file
    """
    app = make_app(read(forecaster), limits, frequency)
    import uvicorn

    uvicorn.run(app, host=host, port=port, timeout_graceful_shutdown=GRACE_SECONDS, log_level="warning")


def read(forecaster: TableForecaster | TSFormerModel | str | PathLike[str]) -> Any:
    """Return what is to be served.

    Raises
    ------
    DataError
        If there is none.
    """
    if isinstance(forecaster, TableForecaster | TSFormerModel):
        return forecaster
    path = Path(forecaster)
    if path.is_dir():
        return load(path)
    if not path.is_file():
        raise DataError(f"{path}: there is no such folder or file")
    load_all()
    try:
        return TSFormerModel.load(str(path), map_location="cpu")
    except (ValueError, OSError, RuntimeError) as error:
        raise DataError(f"{path} holds no model that can be read: {error}") from None
