"""The station's devices and libraries, one a file, no decisions inside."""
