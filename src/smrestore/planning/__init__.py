"""What a run of the workflow costs, said beforehand from seconds of measurement on this machine.

Jobs and their sizes follow from the configuration. Each kernel is run for a moment on small inputs
of the same kind, and its processor time is scaled to the whole job.
"""
