"""Whether a virtual cell agrees with itself across scales: properties that hold, or fail, without any new data."""
