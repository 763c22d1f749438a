"""Where cells lie, and which known cells they are like."""
