import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def messages_come_back() -> Iterator[None]:
    """Benchmarks silence the process that they run in: other tests look for messages."""
    yield
    logging.disable(logging.NOTSET)
