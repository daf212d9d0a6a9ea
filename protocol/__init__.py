"""The evidence format, its wires and its verifier. Imports nothing of Sealcam's other packages."""
