"""Mixtures of experts: which tokens go to which expert, and what they bring back."""
