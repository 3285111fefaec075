"""System matrices as plain arrays, for programs that read no MDF, and MDF from such arrays.

arrays        variables of .npz and .mat files
description   what the arrays of a group without MDF mean
exported      MDF to arrays, with their description
imported      arrays and their description to MDF
"""
