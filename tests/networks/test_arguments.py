"""What an argument means is said once: by the network itself, or in the table for those that many have."""

import ast
import inspect

import pytest

import darts_tsformers.networks
from darts_tsformers.docstrings import parameters_of, with_shared_parameters
from darts_tsformers.networks import Network
from darts_tsformers.networks._arguments import ARGUMENTS
from tests.helpers import registries_as_before

NETWORKS = [
    network
    for network in (getattr(darts_tsformers.networks, name) for name in darts_tsformers.networks.__all__)
    if inspect.isclass(network) and issubclass(network, Network) and network is not Network
]
SHARED = {"width": "How wide.", "depth": "How deep."}


def written(network: type[Network]) -> dict[str, str]:
    """Return the parameters that the source of a network describes."""
    (definition,) = ast.parse(inspect.getsource(network)).body
    return parameters_of(ast.get_docstring(definition))


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_describes_all_its_arguments_in_order(network):
    described = [name for names in parameters_of(network.__doc__) for name in names.split(", ")]
    assert described == list(inspect.signature(network).parameters)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_repeats_no_text_of_the_table(network):
    own = written(network)
    assert own
    assert {name for name, text in own.items() if " ".join(text.split()) == ARGUMENTS.get(name)} == set()


@pytest.mark.parametrize("name", ARGUMENTS)
def test_the_table_has_what_several_networks_have(name):
    users = [n for n in NETWORKS if name in inspect.signature(n).parameters and name not in written(n)]
    assert len(users) > 1


def test_what_is_left_out_is_filled_in_where_it_belongs():
    docstring = """Summary.

    More.

    Parameters
    ----------
    near, far
        Two ends.
    depth
        In metres.
    **others
        For later.

    Raises
    ------
    ValueError
        If so.
    """
    assert with_shared_parameters(docstring, ["width", "depth", "near", "far", "unknown"], SHARED) == inspect.cleandoc(
        """Summary.

        More.

        Parameters
        ----------
        width
            How wide.
        depth
            In metres.
        near, far
            Two ends.
        **others
            For later.

        Raises
        ------
        ValueError
            If so.
        """
    )


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("Summary.", "Summary.\n\nParameters\n----------\nwidth\n    How wide."),
        (
            "Summary.\n\nNotes\n-----\nA.\n\nExamples\n--------\nB.",
            "Summary.\n\nParameters\n----------\nwidth\n    How wide.\n\nNotes\n-----\nA.\n\nExamples\n--------\nB.",
        ),
        ("", "Parameters\n----------\nwidth\n    How wide."),
    ],
)
def test_a_docstring_without_the_section_gets_one_before_all_others(docstring, expected):
    assert with_shared_parameters(docstring, ["width"], SHARED) == expected


def test_where_nothing_is_to_be_filled_in_nothing_changes():
    assert with_shared_parameters("Summary.\n\nNotes\n-----\nA.", ["unknown"], SHARED) == "Summary.\n\nNotes\n-----\nA."


def test_a_network_of_ones_own_is_filled_in_too():
    with registries_as_before():

        class Own(Network, name="own"):
            """Own.

            Parameters
            ----------
            d_ff
                Unusual.
            """

            def __init__(self, sizes, *, d_model=3, d_ff=5):
                super().__init__(sizes)

            def forward(self, window):
                raise NotImplementedError

    assert parameters_of(Own.__doc__) == {
        "sizes": "Sizes of the problem.",
        "d_model": "Width of a token (``D``).",
        "d_ff": "Unusual.",
    }
