"""The search for a recipe's options (Optuna)."""
