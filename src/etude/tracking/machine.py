"""What a training takes of its machine: steps a second, and MLflow's system metrics where they are asked for."""

import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

STEPS_PER_SECOND = "train/steps_per_second"


class Speed:
    """Steps a second from one row of training losses to the next, without the time that validation takes."""

    def __init__(self) -> None:
        """No row was seen yet."""
        self._last: tuple[int, float] | None = None  # step and time.monotonic() of the row before

    def measure(self, values: Mapping[str, float], step: int) -> dict[str, float]:
        """``train/steps_per_second`` since the row before; nothing for the first row and for rows of validation."""
        now = time.monotonic()
        last, self._last = self._last, (step, now)
        if last is None or not any(name.startswith("train/") for name in values):
            return {}
        steps, seconds = step - last[0], now - last[1]
        return {STEPS_PER_SECOND: steps / seconds} if steps > 0 and seconds > 0 else {}


def watch(run_id: str, uri: str) -> "SystemMetricsMonitor | None":
    """MLflow's monitor of CPU, memory, disk, network and GPU, started for a run; None where it is not asked for.

    MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING=true asks for it. It logs ``system/...`` every 10 s from a thread of its own,
    and stops for good where the server is away.
    """
    from mlflow.environment_variables import MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING

    if not MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING.get():
        return None
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    logging.getLogger("mlflow.system_metrics").setLevel(logging.WARNING)  # that it starts and stops is no news
    monitor = SystemMetricsMonitor(run_id, tracking_uri=uri, resume_logging=True)
    monitor.start()
    return monitor
