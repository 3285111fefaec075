"""A virtual scanner as in a configuration, and the seed of what it measures in tests."""

SEED = 11
SCANNER = {
    "tracer": {
        "median_core_diameter_nm": 20.0,
        "diameter_spread": 0.1,
        "anisotropy_constant_J_per_m3": 1500.0,
        "spatial_modulation": 1.0,
        "relaxation_time_us": 1.5,
        "core_sizes": 7,
    },
    # A point in ideal fields; tests of sample and fields switch them on.
    "delta_sample": {"size_mm": [0.0, 0.0, 0.0], "points": 2, "fill_gradient": [0.0, 0.0, 0.0]},
    "channels": [
        {"sensitivity_uV_s": 1.0, "resonance_kHz": f, "quality": 1.5, "delay_ns": 200.0}
        for f in (900.0, 750.0, 600.0)
    ],
    "fields": {
        "selection_deviation": 0.0,
        "drive_deviation": 0.0,
        "radius_mm": 20.0,
        "higher_deviation": 0.0,
        "receive_deviation": 0.0,
    },
    "background": {
        "thermal_noise_mV": 3.0,
        "feedthrough_mV": 100.0,
        "drift": 0.3,
        "low_order_drift": 5.0,
        "correlation_frames": 50.0,
        "jump_rate": 0.01,
        "jump_size": 2.0,
    },
    "full_scale_V": 10.0,
    "position_jitter_mm": 0.0,
    "temperature_drift_K": 0.0,
}
