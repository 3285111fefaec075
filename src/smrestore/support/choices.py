"""Lists of choices that the library shares with settings and the command line.

They stand apart from the models of the settings, because ``smrestore --help`` must not wait for
pydantic. Code that needs the values takes them with :func:`typing.get_args`.
"""

from typing import Literal

Alignment = Literal["aligned", "half-pixel"]
Background = Literal["interpolate", "mean", "none"]
BackgroundLevel = Literal["remove", "keep"]
Choice = Literal["spread", "information", "random"]
Ensemble = Literal["phases", "flips"]
Evaluator = Literal["table", "quadrature"]
Fitted = Literal["model", "model-and-measurement"]
Leakage = Literal["ignore", "correct"]
ParticleModel = Literal["anisotropy", "langevin", "neel"]
ParticleState = Literal["fluid", "immobilized"]
ScanKind = Literal["empty", "calibration", "phantom"]
SigmaConvention = Literal["complex", "per-channel"]
State = Literal["fluid", "immobilized", "langevin", "neel"]
Weighting = Literal["none", "row-norm", "whitening"]
