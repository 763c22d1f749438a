"""Methods that take populations forward in time: development as a perturbation without agents."""
