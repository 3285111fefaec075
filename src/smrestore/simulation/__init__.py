"""Simulated system matrices on disk.

batches   from cases to a store
staging   images that arrive a part of their voxels at a time
store     HDF5 files of selected components, and access to them
"""
