"""Files in the Magnetic Particle Imaging Data Format (MDF), version 2.

Indices are 0-based in Python, whatever the file stores, and frequency index k is a bin of the
unnormalized real FFT of one drive-field period.
"""

from smrestore.mdf.acquisition import Acquisition
from smrestore.mdf.background import (
    BackgroundFrames,
    background_std,
    corrected_noise,
    read_background,
)
from smrestore.mdf.calibration import Calibration
from smrestore.mdf.choices import MEAN, Period
from smrestore.mdf.dead import dead_channels
from smrestore.mdf.file import MdfFile, open_mdf
from smrestore.mdf.flags import Flags
from smrestore.mdf.frames import FrameTable
from smrestore.mdf.imported import import_scan
from smrestore.mdf.inspection import Summary, inspect_mdf
from smrestore.mdf.plausibility import Implausible, implausible
from smrestore.mdf.reconstructed import Reconstruction, read_reconstruction, write_reconstruction
from smrestore.mdf.restored import write_restored
from smrestore.mdf.scans import Tracer, write_frames
from smrestore.mdf.snr import read_snr, signal_to_noise
from smrestore.mdf.spectra import iter_spectra, read_spectra
from smrestore.mdf.system_matrix import read_system_matrix
from smrestore.mdf.writer import Blocks, write_mdf

__all__ = [
    "MEAN",
    "Acquisition",
    "BackgroundFrames",
    "Blocks",
    "Calibration",
    "Flags",
    "FrameTable",
    "Implausible",
    "MdfFile",
    "Period",
    "Reconstruction",
    "Summary",
    "Tracer",
    "background_std",
    "corrected_noise",
    "dead_channels",
    "implausible",
    "import_scan",
    "inspect_mdf",
    "iter_spectra",
    "open_mdf",
    "read_background",
    "read_reconstruction",
    "read_snr",
    "read_spectra",
    "read_system_matrix",
    "signal_to_noise",
    "write_frames",
    "write_mdf",
    "write_reconstruction",
    "write_restored",
]
