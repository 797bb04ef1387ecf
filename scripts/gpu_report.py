"""What ``gpu_check.py`` found: printed, kept as CSV, within a number of seconds."""

from __future__ import annotations

import csv
import datetime as dt
import importlib.metadata
import importlib.util
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import torch

COLUMNS = ("date", "card", "torch", "triton", "cuda", "part", "case", "quantity", "value", "unit")


class Report:
    """Prints figures and keeps them, written anew after every part, so that a run that is cut off leaves some.

    What the seconds do not suffice for is left out, case by case, and told as failed; ``kept`` of them are for the
    parts that follow.
    """

    def __init__(self, path: Path, device: str, *, seconds: float) -> None:
        self.end, self.kept = time.perf_counter() + seconds, 0.0
        self.path, self.device = path, device
        self.rows: list[dict[str, object]] = []
        self.failed: list[str] = []
        self.part = ""
        card = torch.cuda.get_device_name() if device == "cuda" else f"none ({device})"
        triton = importlib.metadata.version("triton") if importlib.util.find_spec("triton") else "none"
        self.same = {
            "date": dt.datetime.now(dt.UTC).date().isoformat(),
            "card": card,
            "torch": torch.__version__,
            "triton": triton,
            "cuda": torch.version.cuda or "none",
        }

    def add(self, case: str, quantity: str, value: float | str, unit: str = "") -> None:
        shown = f"{value:.4g}" if isinstance(value, float) else value
        self.rows.append(self.same | dict(zip(COLUMNS[5:], (self.part, case, quantity, shown, unit), strict=True)))
        print(f"{self.part:9} {case:42} {quantity:34} {shown} {unit}", flush=True)

    def fail(self, case: str, why: str) -> None:
        self.failed.append(f"{self.part}, {case}: {why}")
        self.add(case, "failed", why.replace("\n", " ")[:300])

    def left_s(self) -> float:
        return self.end - self.kept - time.perf_counter()

    def has_time(self, case: str) -> bool:
        """Return whether a case may begin; if not, it is told as failed."""
        if self.left_s() > 0:
            return True
        self.fail(case, "left out: the time for it was used up (--seconds)")
        return False

    def run(self, part: str, call: Callable[[], None]) -> None:
        self.part, start = part, time.perf_counter()
        try:
            if self.has_time("whole part"):
                call()
        except Exception as error:
            traceback.print_exc()
            self.fail("whole part", f"{type(error).__name__}: {error}")
        self.add("whole part", "took", time.perf_counter() - start, "s")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)
