"""Figures of a measurement: components of its system matrices, and what they reconstruct.

Every task has the same figure: a column for the scan as it was measured, what methods see of it,
each method, a better scan and the truth; rows of components and of reconstructed images.

    choice     which components are shown
    content    what a figure shows, free of files
    reading    from files to content
    drawing    from content to a picture
"""
