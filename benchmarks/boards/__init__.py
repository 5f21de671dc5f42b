"""Two public boards of forecasters, as far as they can be rebuilt from public files: GIFT-Eval and fev-bench."""
