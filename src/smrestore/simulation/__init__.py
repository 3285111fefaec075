"""Simulation of system matrices in batches, and the store that holds them."""
