"""Scanners, sequences and grids from their configuration, in SI units."""

from collections.abc import Mapping

from smrestore.physics.dynamics import Rotation
from smrestore.physics.grid import CalibrationGrid
from smrestore.physics.sequence import Sequence
from smrestore.scanner.background import BackgroundSettings
from smrestore.scanner.calibrations import Corruption
from smrestore.scanner.fields import FieldSettings
from smrestore.scanner.scans import Scanner
from smrestore.scanner.signal import DeltaSample, ReceiveChannel, SecondMode, Tracer

Entry = Mapping[str, object]


def load_scanner(name: str, entry: Entry) -> Scanner:
    """Build a virtual scanner from an entry of ``scanners``."""
    tracer, background = entry["tracer"], dict(entry["background"])
    sample, fields = entry["delta_sample"], entry["fields"]
    return Scanner(
        name=name,
        tracer=Tracer(
            median_core_diameter=tracer["median_core_diameter_nm"] * 1e-9,
            diameter_spread=tracer["diameter_spread"],
            anisotropy_constant=tracer["anisotropy_constant_J_per_m3"],
            spatial_modulation=tracer["spatial_modulation"],
            relaxation_time=tracer["relaxation_time_us"] * 1e-6,
            core_sizes=tracer["core_sizes"],
            second_mode=_second_mode(tracer.get("second_mode")),
            rotations=_rotations(tracer.get("rotation")),
        ),
        delta_sample=DeltaSample(
            size=tuple(edge * 1e-3 for edge in sample["size_mm"]),
            points=sample["points"],
            fill_gradient=tuple(sample["fill_gradient"]),
        ),
        channels=tuple(
            ReceiveChannel(
                sensitivity=channel["sensitivity_uV_s"] * 1e-6,
                resonance=channel["resonance_kHz"] * 1e3,
                quality=channel["quality"],
                delay=channel["delay_ns"] * 1e-9,
            )
            for channel in entry["channels"]
        ),
        fields=FieldSettings(
            selection_deviation=fields["selection_deviation"],
            drive_deviation=fields["drive_deviation"],
            radius=fields["radius_mm"] * 1e-3,
            higher_deviation=fields["higher_deviation"],
            receive_deviation=fields["receive_deviation"],
        ),
        background=BackgroundSettings(
            thermal_noise=background.pop("thermal_noise_mV") * 1e-3,
            feedthrough=background.pop("feedthrough_mV") * 1e-3,
            **background,
        ),
        full_scale=entry["full_scale_V"],
        position_jitter=entry["position_jitter_mm"] * 1e-3,
        temperature_drift=entry["temperature_drift_K"],
    )


def _second_mode(entry: Entry | None) -> SecondMode | None:
    return entry and SecondMode(
        share=entry["share"],
        median_core_diameter=entry["median_core_diameter_nm"] * 1e-9,
        diameter_spread=entry["diameter_spread"],
        anisotropy_constant=entry["anisotropy_constant_J_per_m3"],
    )


def _rotations(entry: Entry | None) -> tuple[tuple[Rotation, float], ...]:
    if entry is None:
        return ()
    kind, turning = entry["kind"], entry["brown_share"]
    shares = {"neel": 1 - turning, "brown": turning} if kind == "mixture" else {kind: 1.0}
    diameter = entry.get("hydrodynamic_diameter_nm")
    return tuple(
        (
            Rotation(
                kind=name,
                precession=entry["precession"] and (name == "neel" or kind != "mixture"),
                damping=entry["damping"],
                viscosity=entry["viscosity_mPa_s"] * 1e-3,
                hydrodynamic_diameter=None if diameter is None else diameter * 1e-9,
                flat=entry["flat"],
            ),
            share,
        )
        for name, share in shares.items()
    )


def load_sequence(entry: Entry) -> Sequence:
    """Build a sequence from an entry of ``sequences``."""
    return Sequence(
        drive_amplitude=tuple(a * 1e-3 for a in entry["drive_amplitude_mT"]),
        gradient=tuple(entry["gradient_T_per_m"]),
        dividers=tuple(entry["dividers"]),
        base_frequency=entry["base_frequency_Hz"],
        sampling_rate=entry["sampling_rate_Hz"],
    )


def load_grid(entry: Entry) -> CalibrationGrid:
    """Build a calibration grid from an entry of ``grids``."""
    return CalibrationGrid(
        size=tuple(entry["size"]),
        fov=tuple(f * 1e-3 for f in entry["fov_mm"]),
        center=tuple(c * 1e-3 for c in entry["center_mm"]),
    )


def load_corruption(entry: Entry | None) -> Corruption | None:
    """Build the corrupted run of a scan from its entry, None if there is none."""
    return entry and Corruption(entry["kind"], entry["first"], entry["count"])


def load_calibration(settings: Entry) -> dict[str, object]:
    """Return the arguments of a calibration scan, measured for the first time or repeated.

    ``settings`` is an entry of ``scans`` in which scanner, sequence and grid are their own entries,
    and ``scanner_name`` is the name of the first.
    """
    return {
        "scanner": load_scanner(settings["scanner_name"], settings["scanner"]),
        "sequence": load_sequence(settings["sequence"]),
        "grid": load_grid(settings["grid"]),
        "averages": settings["averages"],
        "meandering": settings.get("meandering", False),
        "corruption": load_corruption(settings.get("corruption")),
        "max_mixing_order": settings.get("max_mixing_order"),
    }
