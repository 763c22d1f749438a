"""Trust: any set of methods, on questions they have not seen, between a floor and a ceiling."""
