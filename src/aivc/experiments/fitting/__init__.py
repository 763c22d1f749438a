"""From a screen to a virtual cell that can be asked, saved and shared."""
