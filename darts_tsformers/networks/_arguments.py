"""What the arguments mean that several networks have; a network that means something else says so in its docstring."""

ARGUMENTS = {
    "sizes": "Sizes of the problem.",
    "label_length": "Steps of the look-back that the decoder starts from, at most all. None for half of them.",
    "d_model": "Width of a token (``D``).",
    "n_heads": "Attention heads (``h``); must divide ``d_model``.",
    "n_encoder_layers": "Layers of the encoder.",
    "n_decoder_layers": "Layers of the decoder.",
    "d_ff": "Inner width of the feed-forward part.",
    "d_state": "Numbers of the state that a Mamba block has for each of its inner features.",
    "d_conv": "Tokens that the convolution of a Mamba block sees, the own one included.",
    "expand": "Inner features of a Mamba block for each of a token.",
    "dropout": "In the layers and on the tokens that enter them.",
    "activation": 'Of the feed-forward part: ``"gelu"``, ``"relu"``, ``"elu"``, ``"silu"`` or ``"squared_relu"``.',
    "channel_independent": (
        "Whether each component is a series of its own, all with the same weights. Else a token holds the values of "
        "all, which ties the network to their number."
    ),
    "padding_mode": (
        'What the convolutions see beyond the ends: ``"replicate"``, ``"causal"``, or ``"circular"`` as in the '
        "authors' code, where each end leaks into the other."
    ),
}
