"""Files of other tools in, one measurement out: formats, schemas, labels and checks."""
