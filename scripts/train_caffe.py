"""Weights for the radar images of CaFFe, from the download to the mean distance error of its benchmark.

``fetch`` downloads and unpacks the data set (2.9 GB), ``train`` learns from the glaciers of its training part (a tenth
of whole blocks of them chooses the checkpoint), ``score`` draws zones on every image of its test part, takes the front
from them by the steps of the reference and pools the distances to the traced fronts, both ways, as the benchmark does.
Without a step all three are done. A training that was killed goes on where it stopped.

    python scripts/train_caffe.py --root data --out caffe
    python scripts/train_caffe.py train score --root data --out caffe --epochs 60 --precision bf16-mixed --workers 14
    python scripts/train_caffe.py score --root data --out caffe --weights other.safetensors

It writes ``weights.safetensors`` and ``model.onnx`` (as ``glaciertime segment --weights`` takes them),
``front_error.csv``: the error of all test images, and of those of each season, glacier, sensor and pixel size, and
``fronts.csv``: a row per image. The published error of the baseline is 753 m (zones; Gourmelon et al. 2022).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))

from glaciertime.catalog import load_catalog
from glaciertime.errors import GlacierTimeError, InputError, UsageError
from glaciertime.scenes.caffe import CaffeName, bounding_box, caffe_root, parse_caffe_name
from glaciertime.scenes.datasets.pictures import read_picture
from glaciertime.segment.judge.front_error import FrontDistances, front_distances, mean_front_error, season
from glaciertime.track.scene.reference import reference_front_pixels

STEPS = ("fetch", "train", "score")
# All others of the seven lie on the Antarctic Peninsula.
NORTHERN = ("COL", "JAC")
AUGMENTATION: dict[str, object] = {
    "flip_rows": True,
    "rotation_deg": 180.0,
    "scale": [0.7, 1.5],
    "brightness": 0.3,
    "noise": 0.3,
    "blur_px": 1.0,
    "tone_step": 0.0,
    "gaps": 0.0,
}


@dataclass(frozen=True)
class TestImage:
    """One image of the test part: what its name says, where it lies, and how its front is told."""

    name: CaffeName
    image: Path
    front: Path
    box: Path


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", nargs="*", metavar="STEP", help=f"some of {', '.join(STEPS)}; all by default")
    parser.add_argument("--root", type=Path, required=True, help="folder that CaFFe is unpacked in, or will be")
    parser.add_argument("--out", type=Path, required=True, help="folder of the training and of the scores")
    parser.add_argument("--weights", type=Path, help="for score, in place of those in --out")
    parser.add_argument("--model", default="unet-small-deep")
    parser.add_argument("--fold", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--draws", type=int, default=4000, help="patches per epoch")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--patch", type=int, default=384, help="side of a patch, pixels")
    parser.add_argument("--precision", default="32-true")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if unknown := sorted(set(options.steps) - set(STEPS)):
        parser.error(f"step {', '.join(unknown)} given, some of {', '.join(STEPS)} expected")
    return options


def fetch(options: argparse.Namespace) -> None:
    """Download and unpack what is not there yet."""
    from glaciertime.scenes.download import fetch as download

    if caffe_root(options.root) is not None:
        print(f"CaFFe is in {caffe_root(options.root)}: nothing is downloaded")
        return
    download(load_catalog().dataset("CaFFe"), folder=options.root)


def train(options: argparse.Namespace) -> None:
    """Train on the training part, and export."""
    from glaciertime.scenes.datasets.readable import readable_part
    from glaciertime.scenes.datasets.readers import open_training_data
    from glaciertime.segment.export.folded_export import export_model
    from glaciertime.segment.predict.weights import load_model
    from glaciertime.segment.teach import training
    from glaciertime.segment.teach.config import TrainConfig

    data = readable_part(open_training_data("caffe", root=options.root))
    for problem in getattr(data, "problems", ()):
        print(problem, file=sys.stderr)
    parts = {part: {info.glacier for info in data.infos if info.split == part} for part in ("train", "test")}
    if both := sorted(parts["train"] & parts["test"]):
        raise InputError(f"{', '.join(both)} in both parts of {options.root}; a glacier is learned or tested")
    config = TrainConfig(
        data="caffe", root=options.root, model=options.model, fold=options.fold, loss="front", metric="iou",
        test=tuple(sorted(parts["test"])), validation_fraction=0.1, balance=0.5, class_balance=0.5,
        augmentation=AUGMENTATION, patch=(options.patch, options.patch), epochs=options.epochs, draws=options.draws,
        batch=options.batch, average=0.998, precision=options.precision, workers=options.workers, seed=options.seed,
    )  # fmt: skip
    trained = training.train(data, config, out=options.out, name="caffe-zones", progress=sys.stderr.isatty())
    network, spec = load_model(trained.weights)
    export_model(network, spec, options.out / "model.onnx", mark="glaciertime train", overwrite=True)
    print(f"{trained.weights}: {len(trained.history)} epochs, last {trained.history[-1]}")


def find_test_images(root: Path) -> Iterator[TestImage]:
    """Yield the images of the test part that have a front."""
    top = caffe_root(root)
    if top is None:
        raise UsageError(f"{root} holds no CaFFe tree; run the step fetch, or give the folder it was unzipped in")
    for path in sorted((top / "sar_images" / "test").glob("*.png")):
        name = parse_caffe_name(path.name)
        yield TestImage(
            name,
            path,
            top / "fronts" / "test" / f"{path.stem}_front.png",
            top / "bounding_boxes" / f"{path.stem}_front_extent_coord.txt",
        )


def front_of(zones: np.ndarray, image: TestImage) -> np.ndarray:
    """Return the front in zones by the steps of the reference, within the image's box where there is one."""
    box = bounding_box(image.box) if image.box.is_file() else None
    return reference_front_pixels(zones, resolution_m=image.name.resolution_m, box=box)


def traced_front(image: TestImage) -> np.ndarray:
    """Return the front that was traced.

    Raises
    ------
    InputError
        If there is none, or a picture that is no mask.
    """
    if not image.front.is_file():
        raise InputError(f"{image.front} does not exist; {image.image.name} has no traced front")
    picture = read_picture(image.front)
    if picture.ndim != 2:
        raise InputError(f"{image.front.name} has {picture.shape}; a grey picture expected")
    return picture > 0


def predictor(weights: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Return what draws zones on a grey image."""
    import torch

    from glaciertime.segment.predict.engine import load_engine
    from glaciertime.segment.predict.prediction import predict_image, zones_from_probability

    run, spec = load_engine(weights, engine="torch" if weights.suffix == ".safetensors" else "onnx")
    print(f"{weights} on {'a GPU' if torch.cuda.is_available() else 'the CPU'}")

    def zones_of(image: np.ndarray) -> np.ndarray:
        return zones_from_probability(predict_image(image[None].astype(np.float32), run=run, spec=spec), spec=spec)

    return zones_of


def measure(images: Sequence[TestImage], zones_of: Callable[[np.ndarray], np.ndarray]) -> list[FrontDistances]:
    """Return the distances of every image."""
    found = []
    for image in images:
        predicted = front_of(zones_of(read_picture(image.image)), image)
        found.append(front_distances(predicted, traced_front(image), resolution_m=image.name.resolution_m))
    return found


def table_of(images: Sequence[TestImage], distances: Sequence[FrontDistances]) -> pd.DataFrame:
    """Return the error of all images and of parts of them."""
    names = [image.name for image in images]
    parts = {
        "all": ["all"] * len(names),
        "season": [season(name.date, southern=name.glacier not in NORTHERN) for name in names],
        "glacier": [name.glacier for name in names],
        "sensor": [name.sensor for name in names],
        "pixel_m": [f"{name.resolution_m:g}" for name in names],
    }
    rows = []
    for part, values in parts.items():
        for value in sorted(set(values)):
            error = mean_front_error([d for d, other in zip(distances, values, strict=True) if other == value])
            rows.append(
                {
                    "part": part,
                    "of": value,
                    "mean_distance_error_m": round(error.mean_m, 1),
                    "images": error.n_images,
                    "without_prediction": error.n_without_prediction,
                    "without_label": error.n_without_label,
                }
            )
    return pd.DataFrame(rows)


def score(options: argparse.Namespace) -> None:
    """Write and print the mean distance error of the test part."""
    images = list(find_test_images(options.root))
    if not images:
        raise InputError(f"{options.root} holds no image in sar_images/test; unzip CaFFe again")
    distances = measure(images, predictor(options.weights or options.out / "weights.safetensors"))
    table = table_of(images, distances)
    options.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(options.out / "front_error.csv", index=False)
    pd.DataFrame(
        {
            "image": [image.name.stem for image in images],
            "mean_distance_m": [mean_front_error([each]).mean_m for each in distances],
            "has_prediction": [each.predicted for each in distances],
            "has_label": [each.labelled for each in distances],
        }
    ).to_csv(options.out / "fronts.csv", index=False)
    print(table.to_string(index=False))


def main() -> int:
    options = arguments()
    try:
        for step in STEPS:
            if not options.steps or step in options.steps:
                {"fetch": fetch, "train": train, "score": score}[step](options)
    except GlacierTimeError as error:
        print(f"train_caffe.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
