"""How the catalogue's tables came to be what they are: one module for each version, each of which only adds to the one before."""
