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
    "backbone": (
        'The language model: a folder, a name on the Hugging Face hub, ``"random"`` for an untrained one, or '
        '``"none"`` for none. It is read when the network is made, and frozen.'
    ),
    "hub_model_revision": "Branch, tag or commit on the hub; None for the newest.",
    "architecture": (
        'Of an untrained language model: ``"gpt2"``, ``"llama"``, ``"opt"``, ``"bert"`` or another model type of '
        "``transformers``."
    ),
    "backbone_sizes": (
        "Of an untrained language model: ``d_model``, ``n_layers``, ``n_heads``, ``d_ff``, and what else its "
        "configuration has; None for those of the smallest GPT-2. Without a language model, ``d_model`` is the width "
        "of a token."
    ),
    "n_backbone_layers": "Layers of the language model that are kept, the first ones; None for all.",
    "lora_rank": (
        "Rank of adapters (LoRA) beside the maps of attention of the language model, which are trained in the place of "
        "its weights; None for none."
    ),
    "backbone_precision": (
        '``"bf16"`` or ``"fp16"`` to keep the language model in half the memory, and to let it compute in this '
        "precision, while nothing of it is trained; None for the precision of the rest."
    ),
    "padding_mode": (
        'What the convolutions see beyond the ends: ``"replicate"``, ``"causal"``, or ``"circular"`` as in the '
        "authors' code, where each end leaks into the other."
    ),
}
