"""Virtual scanners: their true tracer, fields, receive chain and background.

The study used real scanners; all values are ours.
"""

from typing import Annotated, Literal

from pydantic import Field

from smrestore.support.settings import Flag, Number, Positive, Settings, Whole, setting, vector


class SecondModeSettings(Settings):
    """A second mode of core diameters with its own anisotropy."""

    share: Number = setting(0.3, "share of the magnetic moment", ours=True, gt=0, lt=1)
    median_core_diameter_nm: Number = setting(26.0, "median core diameter", ours=True, ge=1, le=100)
    diameter_spread: Number = setting(
        0.1, "standard deviation of the logarithm of the diameter", ours=True, ge=0, le=1
    )
    anisotropy_constant_J_per_m3: Number = setting(  # noqa: N815
        3000.0, "largest uniaxial anisotropy on the grid", ours=True, ge=0, le=1e6
    )


class RotationSettings(Settings):
    """How moments follow the field with a delay, by the Fokker-Planck equation."""

    kind: Literal["neel", "brown", "mixture"] = setting(
        "neel",
        "inside of cores that do not turn, with particles that turn in the fluid, or a mixture of "
        "particles of both kinds",
    )
    brown_share: Number = setting(
        0.5, "of the moment of a mixture, the share of particles that turn", ours=True, gt=0, lt=1
    )
    precession: Flag = setting(False, "moments also precess around the field (Neel); slow")
    damping: Number = setting(
        0.1, "Landau-Lifshitz-Gilbert damping (Neel)", ours=True, gt=0, le=100
    )
    viscosity_mPa_s: Number = setting(  # noqa: N815
        1.0, "of the fluid (Brown)", ours=True, gt=0, le=1e6
    )
    hydrodynamic_diameter_nm: Number | None = setting(
        None, "of core and shell (Brown); the core diameter if left out", gt=0, le=1e4
    )
    flat: Flag = setting(
        False,
        "of planar sequences, let the small fields across the plane act on the equilibrium alone, "
        "which takes a tenth of the time",
        ours=True,
    )


class TracerSettings(Settings):
    """Fluid particles with a log-normal distribution of core diameters."""

    median_core_diameter_nm: Number = setting(20.0, "median core diameter", ours=True, ge=1, le=100)
    diameter_spread: Number = setting(
        0.1, "standard deviation of the logarithm of the diameter", ours=True, ge=0, le=1
    )
    anisotropy_constant_J_per_m3: Number = setting(  # noqa: N815 (the unit belongs to the key)
        1500.0, "largest uniaxial anisotropy on the grid", ours=True, ge=0, le=1e6
    )
    spatial_modulation: Number = setting(
        1.0,
        "exponent by which the anisotropy grows with the selection field",
        ours=True,
        ge=0,
        le=10,
    )
    relaxation_time_us: Number = setting(
        1.5,
        "Debye relaxation time of the median particle; it grows with the core volume",
        ours=True,
        ge=0,
        le=1000,
    )
    core_sizes: Whole = setting(
        5,
        "number of diameters that represent the distribution; each is a simulation of its own",
        ours=True,
        ge=1,
        le=15,
    )
    second_mode: SecondModeSettings | None = setting(
        None, "second mode of the distribution; none if left out"
    )
    rotation: RotationSettings | None = setting(
        None,
        "moments turn with a delay instead of Debye relaxation, see [dynamics.md](dynamics.md)",
    )


class SampleSettings(Settings):
    """Cuboid of tracer that a calibration moves over the grid."""

    size_mm: vector(Annotated[Number, Field(ge=0, le=100)], 3) = setting(
        (2.0, 2.0, 2.0), "edge lengths along x, y, z; 0 for a point", ours=True
    )
    points: Whole = setting(
        2,
        "Gauss-Legendre points along each edge over which the signal is averaged",
        ours=True,
        ge=1,
        le=8,
    )
    fill_gradient: vector(Annotated[Number, Field(ge=-1, le=1)], 3) = setting(
        (0.0, 0.0, 0.0),
        "by how much more it is filled at the faces at +x, +y and +z than in the center",
        ours=True,
    )


class ChannelSettings(Settings):
    """A receive channel."""

    sensitivity_uV_s: Positive = setting(  # noqa: N815
        1.0, "voltage per change of the normalized moment", ours=True
    )
    resonance_kHz: Number = setting(  # noqa: N815
        ..., "resonance frequency of the receive chain", ours=True, ge=1, le=1e5
    )
    quality: Positive = setting(..., "quality factor of the resonance", ours=True)
    delay_ns: Number = setting(..., "signal delay", ours=True, ge=0, le=1e5)


class FieldSettings(Settings):
    """Smooth deviations from the ideal fields, drawn by the seed and the name of the scanner."""

    selection_deviation: Number = setting(
        0.03,
        "root mean square deviation of the selection field over that of the ideal one, at the "
        "radius; 0 for an ideal field",
        ours=True,
        ge=0,
        le=0.2,
    )
    drive_deviation: Number = setting(
        0.03,
        "root mean square relative deviation of each drive field amplitude at the radius",
        ours=True,
        ge=0,
        le=0.2,
    )
    radius_mm: Number = setting(
        20.0, "distance from the center at which the deviations are given", ours=True, ge=1, le=1000
    )
    higher_deviation: Number = setting(
        0.0,
        "the same of both fields by harmonics of two more degrees each",
        ours=True,
        ge=0,
        le=0.2,
    )
    receive_deviation: Number = setting(
        0.0,
        "root mean square relative deviation of the sensitivity of each receive coil at the radius",
        ours=True,
        ge=0,
        le=0.5,
    )


class BackgroundSettings(Settings):
    """Signal without a sample."""

    thermal_noise_mV: Number = setting(  # noqa: N815
        3.0, "standard deviation of a time sample without averages", ours=True, gt=0, le=1e5
    )
    feedthrough_mV: Number = setting(  # noqa: N815
        100.0, "amplitude of the constant background at low mixing orders", ours=True, ge=0, le=1e5
    )
    drift: Number = setting(
        0.3,
        "standard deviation of the drift of weak components, relative to their thermal noise",
        ours=True,
        ge=0,
    )
    low_order_drift: Number = setting(
        5.0, "how many times stronger the drift is at the lowest mixing orders", ours=True, ge=0
    )
    correlation_frames: Positive = setting(
        200.0, "correlation time of the drift", unit="frames", ours=True
    )
    jump_rate: Number = setting(
        0.002, "probability per frame that the background jumps", ours=True, ge=0, le=1
    )
    jump_size: Number = setting(
        2.0, "size of jumps in standard deviations of the drift", ours=True, ge=0
    )


class Scanner(Settings):
    """A virtual scanner.

    [virtual-scanner.md](virtual-scanner.md) explains the effects, and how far each leads away from
    the training data.
    """

    tracer: TracerSettings = setting(TracerSettings())
    delta_sample: SampleSettings = setting(SampleSettings())
    channels: vector(ChannelSettings, 3) = setting(
        tuple(
            ChannelSettings(resonance_kHz=resonance, quality=quality, delay_ns=delay)
            for resonance, quality, delay in (
                (900.0, 1.5, 200.0),
                (750.0, 2.0, 300.0),
                (600.0, 1.2, 100.0),
            )
        ),
        "the receive channels for x, y and z",
        ours=True,
    )
    fields: FieldSettings = setting(FieldSettings())
    background: BackgroundSettings = setting(BackgroundSettings())
    full_scale_V: Number = setting(  # noqa: N815
        16.0, "largest voltage of the 16-bit converter; more is clipped", ours=True, gt=0, le=1000
    )
    position_jitter_mm: Number = setting(
        0.0,
        "standard deviation of the robot's position along each axis, in calibrations",
        ours=True,
        ge=0,
        le=10,
    )
    temperature_drift_K: Number = setting(  # noqa: N815
        0.0,
        "by how much the sample warms up during a calibration, around 293 K",
        ours=True,
        ge=-100,
        le=100,
    )
