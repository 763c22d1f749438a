"""The one gradient loop: every torch model of the house is trained by it."""
