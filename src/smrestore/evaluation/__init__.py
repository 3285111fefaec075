"""Restored components against the truth: scores, tables, claims of the study, transfer to scans."""
