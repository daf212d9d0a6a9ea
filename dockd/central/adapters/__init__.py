"""The central's devices and libraries, one a file, no decisions inside."""
