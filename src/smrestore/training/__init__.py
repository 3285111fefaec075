"""Training of restoration networks on simulated system matrices and measured noise."""
