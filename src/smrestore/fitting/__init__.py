"""Physics fitted to a scan: tracer and fields from a calibration, then all its components."""
