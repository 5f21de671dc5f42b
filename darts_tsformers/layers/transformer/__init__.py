"""Parts of transformers: tokens, attention layers, feed-forward parts, stacks."""
