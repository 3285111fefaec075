"""Restored components against the truth, from scores to tables.

scores             one row for each simulated component
simulated_twins    the same on averages over twin frequencies
tables, layout     tables of the study: numbers, then what readers see
claims             verdicts on the claims of the study
transfer           restored scans against the truth of the virtual scanner
calibration_time   the measurement time that a restoration saves
"""
