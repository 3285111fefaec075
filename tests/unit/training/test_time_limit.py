"""Time limits that do not hold an interval."""

import logging

from smrestore.training.time_limit import too_short


def test_interval_that_fits_or_has_no_limit():
    assert too_short(1.0, 3600, 3600.0) is None
    assert too_short(1e6, 10**6, None) is None


def test_interval_beyond_the_limit_is_named_with_both_remedies():
    text = too_short(step_s=2.0, interval=2000, limit_s=1800.0)
    assert text.startswith(
        "training.interval: 2000 steps take about 67 min, longer than the 30 min"
    )
    assert "Set interval to 450 or less, or runtime of train_network to 133 min or more" in text


def test_training_warns_after_its_first_steps(monkeypatch, tmp_path, caplog):
    from types import SimpleNamespace

    from smrestore.training import run

    settings = SimpleNamespace(steps=40, interval=10**6, early_stop=None)
    loop = SimpleNamespace(
        settings=settings,
        step=0,
        fabric=SimpleNamespace(is_global_zero=True, world_size=1),
        at_end_of_interval=False,
        steps=lambda: iter(range(1, 41)),
    )
    clock = iter([10.0, 30.0])
    monkeypatch.setattr(run.time, "monotonic", lambda: next(clock))
    with caplog.at_level(logging.WARNING, logger="smrestore"):
        run._run(loop, None, False, 600.0)
    (record,) = caplog.records
    assert "1000000 steps take about 16667 min, longer than the 10 min" in record.message
