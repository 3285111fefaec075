"""Public scans: which there are, and how they are fetched."""
