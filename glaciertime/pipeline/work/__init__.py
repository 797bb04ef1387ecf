"""How work is run: tasks that need nothing of each other, by processes of this machine or workers of a cluster."""

from glaciertime.pipeline.work.running import run_tasks
from glaciertime.pipeline.work.task import Result, Task, Where

__all__ = ["Result", "Task", "Where", "run_tasks"]
