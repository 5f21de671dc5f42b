"""Configurations of checkpoints, every key accounted for."""

import pytest

from darts_tsformers.pretrained import ConfigMap
from tests.helpers import exactly

TABLE = ConfigMap(
    {"hidden_size": "d_model", "rope_theta": "theta"},
    defaults={"rope_theta": 500},
    fixed={"model_type": "toy", "bias": False},
    ignored=("use_cache",),
)
CONFIG = {"hidden_size": 8, "model_type": "toy", "use_cache": True}


def test_keys_become_arguments():
    assert TABLE.ours(CONFIG) == {"d_model": 8, "theta": 500}
    assert TABLE.ours(CONFIG | {"rope_theta": 7, "bias": False}) == {"d_model": 8, "theta": 7}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rope_scaling": 2}, "config.json has rope_scaling=2, which is not known"),
        ({"model_type": "llama"}, "config.json has model_type='llama', which must be 'toy'"),
        ({"bias": True}, "config.json has bias=True, which must be False"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_the_network_does_not_have_is_named(change, message):
    with pytest.raises(ValueError, match=exactly(message)):
        TABLE.ours(CONFIG | change)


def test_a_missing_key_is_named():
    with pytest.raises(ValueError, match=exactly("config.json must have hidden_size")):
        TABLE.ours({"model_type": "toy"})
