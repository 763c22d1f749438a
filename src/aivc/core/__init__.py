"""The nouns and the three contracts; numpy and pandas only."""
