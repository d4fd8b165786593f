"""The loops of the decoders, compiled by numba."""
