"""Arguments as plain data, which any loader takes."""

from typing import Any

import numpy as np

from darts_tsformers.attention import attention_spec


def plain(params: dict[str, Any]) -> dict[str, Any]:
    """Network parameters as plain data: a mechanism becomes its name, with its arguments if it has any."""
    if "attention" not in params:
        return params
    name, arguments = attention_spec(params["attention"])
    arguments = python_values(arguments)
    return params | {"attention": (name, arguments) if arguments else name}


def python_values(value: Any) -> Any:
    """Turn NumPy scalars, which no safe loader takes, into Python's own."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {name: python_values(one) for name, one in value.items()}
    return type(value)(map(python_values, value)) if type(value) in (list, tuple) else value
