"""What a training takes of its machine: MLflow's system metrics, where they are asked for."""

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor


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
