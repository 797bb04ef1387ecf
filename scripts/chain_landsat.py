"""The chain on real images: the front-position series of glaciers that the segmentation model has not seen.

For each glacier of the Landsat fronts, ``glaciertime track`` runs on its images with the weights of a model that was
trained without it. The reference is the series that the same rooms measure on the fronts traced by hand, in the same
frame and along the same centreline. Both series come from the same pixels, so their difference, date by date, is the
error of the segmentation alone.

The subsets have no georeference and are not certain to be registered to each other, least of all across path/rows: the
series itself is not a retreat rate. Changes are therefore compared between following dates of one path/row only, and
there as well what counts is the difference between the tracked and the traced change.

The sigma of a position needs to know how far the model's fronts lie from the true ones. Each model is told what the
models of the other two glaciers showed, so that the share of errors within the stored sigma is tested on a glacier that
had no part in it; ``--stamp`` writes the sigma from all three into the model that comes with the package.

    python scripts/chain_landsat.py --weights-folder fronts/left_out
    python scripts/chain_landsat.py --weights-folder fronts/left_out --stamp landsat-fronts
    python scripts/chain_landsat.py --table

The folder holds one file per glacier, ``without-<Glacier>.onnx`` or ``.safetensors``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

RESULTS = Path(__file__).parent / "results" / "chain_landsat.csv"
GLACIERS = ("Jakobshavn", "Kangerlussuaq", "Sverdrup")
DATASET = "Mohajerani et al. 2019"
#: The command's own default, and the mean over a band two kilometres wide.
METHODS = ("centreline", "curvilinear-box")
MISSED_PX = 10
WARNING = (
    "The subsets are not certain to be registered to each other: the error of each date and the differences within one "
    "path/row count; the series itself is not a retreat rate."
)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder that holds landsat_fronts")
    parser.add_argument("--weights-folder", type=Path, help="holds without-<Glacier>.onnx or .safetensors")
    parser.add_argument("--results", type=Path, default=RESULTS, help="CSV; the picture lies beside it")
    parser.add_argument("--stamp", help="shipped model, or .onnx or .safetensors file, that is told the sigma found")
    parser.add_argument("--table", action="store_true", help="only print and draw what there is")
    return parser.parse_args()


def weights_of(glacier: str, folder: Path, scratch: Path) -> Path:
    """Return the one ONNX file of the model that has not seen a glacier; safetensors are exported first."""
    found = sorted(path for ending in ("onnx", "safetensors") for path in folder.glob(f"without-{glacier}.{ending}"))
    if len(found) != 1:
        sys.exit(f"{folder}: {len(found)} files of without-{glacier}.onnx or .safetensors found, exactly one expected")
    if found[0].suffix == ".onnx":
        return found[0].resolve()
    from glaciertime.segment.export.folded_export import export_model
    from glaciertime.segment.predict.weights import load_model

    network, spec = load_model(found[0])
    path = scratch / f"without-{glacier}.onnx"
    export_model(network, replace(spec, augmented=True), path)
    return path


def stamp(path: Path, sigma_px: float, *, out: Path | None = None) -> Path:
    """Write ``front_sigma_px`` into the description that a weights file carries; its weights stay as they are."""
    from glaciertime.segment.description import KEY, read_spec

    spec = read_spec(path)
    told = replace(spec, scores={**spec.scores, "front_sigma_px": round(sigma_px, 2)}).to_json()
    out = out or path
    partial = out.with_name(out.name + ".part")
    if path.suffix == ".onnx":
        import onnx

        proto = onnx.load(str(path))
        for item in proto.metadata_props:
            if item.key == KEY:
                item.value = told
        onnx.save_model(proto, str(partial))
    else:
        from safetensors.numpy import load_file, save_file

        save_file(load_file(path), partial, metadata={KEY: told})
    partial.replace(out)
    return out


def tell_card(path: Path, sigma_px: float) -> Path:
    """Write the sigma as the last of the scores in a model card, in place of an earlier one."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("- front_sigma_px:")]
    first = lines.index("## Scores") + 2
    last = next((row for row in range(first, len(lines)) if not lines[row].startswith("- ")), len(lines))
    lines.insert(last, f"- front_sigma_px: {sigma_px:.2f} (`python scripts/chain_landsat.py`)")
    path.write_text("\n".join(lines) + "\n")
    return path


def sigma_px(table: pd.DataFrame) -> float:
    """Return the distance in pixels that 68.27 % of the fronts keep to, where they cross the centreline."""
    error = table.loc[table["method"] == METHODS[0], "error_px"].abs().dropna()
    return float(error.quantile(0.6827))


def tracked_series(glacier: str, data: Path, weights: Path, scratch: Path) -> pd.DataFrame:
    """Return the positions that the command ``glaciertime track`` stores for the images of a glacier."""
    from glaciertime.archive import Archive

    archive = scratch / f"{glacier}.gpkg"
    command = [sys.executable, "-m", "glaciertime", "track", "--glacier", glacier, "--data", str(data)]
    command += ["--dataset", DATASET, "--weights", str(weights), "--archive", str(archive)]
    command += ["--method", ",".join(METHODS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1) or not archive.is_file():
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    observations = Archive(archive).read("observations")
    return positions(observations)


def traced_series(glacier: str, data: Path) -> pd.DataFrame:
    """Return the positions that the same rooms measure on the traced fronts, in the frame of the images."""
    from glaciertime.catalog import load_catalog
    from glaciertime.scenes.acquisition import ImageScene, MaskScene
    from glaciertime.scenes.datasets.landsat_fronts import LandsatFronts
    from glaciertime.scenes.datasets.traced_zones import zones_from_trace
    from glaciertime.scenes.locate import locate
    from glaciertime.track import TrackSettings, track_scenes

    located = locate(load_catalog().glacier(glacier), data=data, dataset=DATASET)
    reader = LandsatFronts(Path(located.origin))
    traces = {info.name: index for index, info in enumerate(reader.infos)}
    scenes = []
    for scene in located.scenes:
        if not isinstance(scene, ImageScene):
            continue
        index = traces[scene.acquisition.image_id]
        scenes.append(
            MaskScene(
                acquisition=scene.acquisition,
                shape=scene.shape,
                transform=scene.transform,
                read=lambda index=index: zones_from_trace(reader.read_trace(index)),
            )
        )
    tracked = track_scenes(scenes, glacier=located.glacier, settings=TrackSettings(methods=METHODS))
    return positions(tracked.observations)


def positions(observations: pd.DataFrame) -> pd.DataFrame:
    rows = observations[observations["variable"] == "front_position_m"]
    return rows[["image_id", "date", "sensor", "method", "value", "sigma", "quality"]]


def doubts(quality: str) -> str:
    """Return what is known against a position: not the place of its image, nor that a change is yet unconfirmed."""
    from glaciertime.tables import flags_of

    return " ".join(sorted(set(flags_of(quality)) - {"unregistered", "unconfirmed", "seen-clearly", "ok"}))


def compare(glacier: str, tracked: pd.DataFrame, traced: pd.DataFrame) -> pd.DataFrame:
    """Return one row per image and method: both positions, their difference, and that of the change since."""
    from glaciertime.scenes.datasets.landsat_fronts import RESOLUTION_M

    rows = traced.merge(tracked, on=["image_id", "method"], how="outer", suffixes=("_traced", ""), validate="1:1")
    table = pd.DataFrame(
        {
            "glacier": glacier,
            "method": rows["method"],
            "date": pd.to_datetime(rows["date_traced"]).dt.strftime("%Y-%m-%d"),
            "sensor": rows["sensor_traced"],
            "path_row": rows["quality_traced"].str.extract(r"path/row (\d+)")[0],
            "image": rows["image_id"],
            "traced_m": rows["value_traced"],
            "tracked_m": rows["value"],
            "sigma_m": rows["sigma"],
            "flags": rows["quality"].fillna("failed").map(doubts),
        }
    )
    table["error_m"] = table["tracked_m"] - table["traced_m"]
    table["error_px"] = table["error_m"] / RESOLUTION_M
    table = table.sort_values(["method", "date", "image"], ignore_index=True)
    before = table.groupby(["method", "path_row"], sort=False)
    table["since"] = before["date"].shift()
    for name in ("traced", "tracked"):
        table[f"{name}_change_m"] = before[f"{name}_m"].diff()
    table["change_error_m"] = table["tracked_change_m"] - table["traced_change_m"]
    return table


def bootstrap(values: np.ndarray, statistic: Any, *, block: int = 1, seed: int = 0, draws: int = 4000) -> str:
    """Return a statistic with the 5 and 95 % points over blocks of following values drawn with replacement."""
    rng = np.random.default_rng(seed)
    count = len(values)
    blocks = -(-count // block)
    starts = rng.integers(count, size=(draws, blocks, 1))
    chosen = ((starts + np.arange(block)) % count).reshape(draws, -1)[:, :count]
    low, high = np.quantile(statistic(values[chosen]), (0.05, 0.95))
    return f"{float(statistic(values[None])[0]):7.2f} ({low:7.2f} to {high:7.2f})"


STATISTICS = {
    "mean |error|": lambda values: np.abs(values).mean(axis=-1),
    "median |error|": lambda values: np.median(np.abs(values), axis=-1),
    "RMSE": lambda values: np.sqrt((values**2).mean(axis=-1)),
    "bias": lambda values: values.mean(axis=-1),
}


def unflagged(rows: pd.DataFrame) -> str:
    """Return the errors of the dates that nothing is known against, and of the changes between them."""
    within = rows.groupby(["glacier", "path_row"], sort=False)
    changes = pd.DataFrame({name: within[f"{name}_m"].diff() for name in ("traced", "tracked")}).dropna()
    mean, median = rows["error_px"].abs().mean(), rows["error_px"].abs().median()
    return (
        f"mean |error| {mean:.2f} px, median {median:.2f} px; correlation of {len(changes)} changes "
        f"{changes.corr().iloc[0, 1]:.3f}"
    )


def summary(table: pd.DataFrame) -> str:
    """Return the errors as lines: per method and glacier, of the dates and of the changes within one path/row."""
    from glaciertime.scenes.datasets.landsat_fronts import RESOLUTION_M

    lines = [
        WARNING,
        "In brackets: 90 % interval, images (or four following changes at a time) drawn with replacement.",
    ]
    for method, of_method in table.groupby("method", sort=False):
        for glacier, rows in [*of_method.groupby("glacier"), ("all three", of_method)]:
            error = rows["error_m"].dropna().to_numpy()
            change = rows["change_error_m"].dropna().to_numpy()
            lines.append(
                f"\n{glacier}, {method}: {len(rows)} dates, {int(rows['tracked_m'].isna().sum())} without a tracked "
                f"front, {int(rows['traced_m'].isna().sum())} without a traced one there"
            )
            for name, statistic in STATISTICS.items():
                lines.append(
                    f"  {name:15} {bootstrap(error / RESOLUTION_M, statistic)} px  {bootstrap(error, statistic)} m"
                )
            for name in ("mean |error|", "RMSE", "bias"):
                lines.append(f"  change: {name:15} {bootstrap(change, STATISTICS[name], block=4)} m")
            both = rows[["traced_change_m", "tracked_change_m"]].dropna()
            lines.append(
                f"  change: correlation of {len(both)} tracked and traced ones within a path/row "
                f"{both.corr().iloc[0, 1]:.3f}; those that are traced have a spread of {both.iloc[:, 0].std():.0f} m"
            )
            missed = rows["error_px"].abs() > MISSED_PX
            doubted = rows["flags"].fillna("") != ""
            unclear = rows["flags"].fillna("").str.contains("unclear-front")
            lines.append(
                f"  off by more than {MISSED_PX} px: {int(missed.sum())}, of which flagged "
                f"{int((missed & doubted).sum())}; flagged of the other {int((~missed).sum())}: "
                f"{int((doubted & ~missed).sum())}; unclear-front: {int((missed & unclear).sum())} and "
                f"{int((unclear & ~missed).sum())}"
            )
            lines.append(f"  without the flagged: {unflagged(rows[~doubted])}")
            share = (rows["error_m"].abs() / rows["sigma_m"]).dropna()
            if len(share):
                lines.append(
                    f"  stored sigma {rows['sigma_m'].median():.0f} m (median): |error| <= sigma in "
                    f"{(share <= 1).mean():.0%}, <= 2 sigma in {(share <= 2).mean():.0%} (expected 68 and 95 %), "
                    f"at most {share.max():.1f} sigma"
                )
    lines.append(f"\nfront_sigma_px from all three glaciers: {sigma_px(table):.2f}")
    return "\n".join(lines)


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw both series and their difference, one row per glacier."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from glaciertime.plot.canvas import COLOURS, STYLE

    rows = table[table["method"] == METHODS[0]]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11.5, 9.2), layout="constrained")
        axes = figure.subplots(len(GLACIERS), 2, width_ratios=(3.2, 1))
        for (left, right), glacier in zip(axes, GLACIERS, strict=True):
            part = rows[rows["glacier"] == glacier].assign(date=lambda frame: pd.to_datetime(frame["date"]))
            traced, tracked = part["traced_m"] / 1000, part["tracked_m"] / 1000
            left.vlines(part["date"], traced, tracked, color="#bbbbbb", linewidth=1.0, zorder=1)
            left.errorbar(
                part["date"], tracked, yerr=part["sigma_m"] / 1000, fmt="o", markersize=4.2, color=COLOURS[1],
                elinewidth=0.9, label=f"tracked by a model that never saw {glacier}", zorder=2,
            )  # fmt: skip
            left.plot(
                part["date"], traced, linestyle="none", marker="_", markersize=9, markeredgewidth=2.0,
                color=COLOURS[0], label="traced by hand", zorder=3,
            )  # fmt: skip
            left.set(ylabel="front position (km, seaward)")
            left.set_title(f"{glacier} ({len(part)} images, {part['path_row'].nunique()} path/rows)", loc="left")
            left.legend(loc="lower left", fontsize=8.5)
            error = part["error_px"].dropna()
            edge = MISSED_PX + 1
            right.hist(
                error.clip(-edge + 0.5, edge - 0.5), bins=np.arange(-edge, edge + 1), color=COLOURS[1], alpha=0.85
            )
            right.axvline(0, color=COLOURS[0], linewidth=1.5)
            beyond = int((error.abs() > MISSED_PX).sum())
            right.set(xlabel="tracked - traced (px of 48.9 m)", ylabel="images")
            right.text(0.98, 0.97, f"{beyond} beyond\n{MISSED_PX} px", ha="right", va="top", transform=right.transAxes)
            right.set_title(f"mean |error| {error.abs().mean():.2f} px, bias {error.mean():+.2f} px", fontsize=9)
        figure.suptitle(
            "Front positions by glaciertime track on Landsat images of glaciers left out of training\n"
            "The subsets are not certain to be registered: compare the marks of a date; the series is no retreat rate",
            fontsize=10.5,
        )
        figure.savefig(path, dpi=110)


def run(folder: Path, data: Path, scratch: Path) -> pd.DataFrame:
    """Return the comparison of every glacier, each model told the sigma that the other two glaciers showed."""
    from glaciertime.segment.description import read_spec

    traced = {glacier: traced_series(glacier, data) for glacier in GLACIERS}
    weights = {glacier: weights_of(glacier, folder, scratch) for glacier in GLACIERS}
    first = {
        glacier: compare(glacier, tracked_series(glacier, data, weights[glacier], scratch), traced[glacier])
        for glacier in GLACIERS
    }
    parts = []
    for glacier in GLACIERS:
        others = pd.concat([table for name, table in first.items() if name != glacier])
        told = stamp(weights[glacier], sigma_px(others), out=scratch / f"told-{glacier}.onnx")
        table = compare(glacier, tracked_series(glacier, data, told, scratch), traced[glacier])
        parts.append(table.assign(weights=read_spec(told).name))
    return pd.concat(parts, ignore_index=True)


def main() -> None:
    options = arguments()
    if not options.table:
        if options.weights_folder is None:
            sys.exit("--weights-folder DIR with without-<Glacier>.onnx or .safetensors is needed; or --table")
        with tempfile.TemporaryDirectory() as name:
            table = run(options.weights_folder, options.data, Path(name))
        options.results.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(options.results, index=False, float_format="%.2f", lineterminator="\n")
    table = pd.read_csv(options.results, dtype={"path_row": str}, keep_default_na=True)
    draw(table, options.results.with_suffix(".png"))
    print(summary(table))
    if options.stamp:
        from glaciertime.segment.description import shipped_names, weights_path

        endings = (".onnx", ".safetensors") if options.stamp in shipped_names() else (Path(options.stamp).suffix,)
        for ending in endings:
            path = stamp(weights_path(options.stamp, suffix=ending), sigma_px(table))
            print("told", path)
        card = path.with_suffix(".md")
        if card.is_file():
            print("told", tell_card(card, sigma_px(table)))


if __name__ == "__main__":
    main()
