"""Physics fitted to a scan: tracer and fields from a calibration, images of all components from them."""
