"""Tables of scores: means, intervals, gains over baselines, and challenges."""
