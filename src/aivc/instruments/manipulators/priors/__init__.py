"""Simple methods that read what is known of molecules."""
