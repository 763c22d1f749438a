"""Virtual instruments: manipulators and decoders that work on a representation."""
