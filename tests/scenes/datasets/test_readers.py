import h5py
import numpy as np
import pytest
from skimage import io

from glaciertime.errors import DataNotFoundError, InputError, UsageError
from glaciertime.scenes.datasets.caffe_training import official_validation
from glaciertime.scenes.datasets.readers import open_training_data
from glaciertime.scenes.datasets.sample import IGNORE, TrainingData
from glaciertime.segment.normalisation import Normalisation


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    io.imsave(path, array, check_contrast=False)


def caffe(root):
    zones = np.zeros((16, 12), np.uint8)
    zones[4:8], zones[8:12], zones[12:] = 64, 127, 254
    for split, stem in (("train", "Crane_2002-11-09_ERS_20_2_061"), ("test", "COL_2011-11-13_TDX_7_1_092")):
        write(root / "data_raw" / "sar_images" / split / f"{stem}.png", np.full((16, 12), 9, np.uint8))
        write(root / "data_raw" / "zones" / split / f"{stem}_zones.png", zones)


def test_caffe_keeps_glacier_date_sensor_resolution_and_split(tmp_path):
    caffe(tmp_path)
    data = open_training_data("caffe", root=tmp_path)
    assert isinstance(data, TrainingData)
    info = data.infos[0]
    assert (info.glacier, info.date.isoformat(), info.sensor, info.resolution_m) == ("Crane", "2002-11-09", "ERS", 20.0)
    assert [item.split for item in data.infos] == ["train", "test"]
    assert data[0].labels[:, 0].tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4


def test_caffe_zones_with_an_unknown_value_are_refused(tmp_path):
    caffe(tmp_path)
    write(tmp_path / "data_raw/zones/train/Crane_2002-11-09_ERS_20_2_061_zones.png", np.full((16, 12), 33, np.uint8))
    with pytest.raises(InputError, match=r"labels \[33\] given"):
        open_training_data("caffe", root=tmp_path)[0]


def test_caffe_official_validation_set():
    chosen = official_validation(559)
    assert len(chosen) == 56
    assert len(set(chosen)) == 56
    assert max(chosen) < 559


def test_nird_masks_a_missing_modality_instead_of_filling_it(tmp_path):
    with h5py.File(tmp_path / "train.h5", "w") as stored:
        for name, radar in (("a", True), ("b", False)):
            tile = stored.create_group(name)
            tile["optical"] = np.full((8, 8, 6), 0.5, np.float32)
            tile["dem"] = np.full((8, 8, 2), 44.49, np.float32)
            tile["outlines"] = np.stack([np.zeros((8, 8)), np.eye(8)], axis=-1)
            if radar:
                tile["co_pol_sar"] = np.full((8, 8, 2), 0.1, np.float32)
            tile.attrs["region"], tile.attrs["subregion"] = "HMA", "east"
    data = open_training_data("nird", root=tmp_path)
    full, partial = data[0], data[1]
    assert full.present.all()
    assert partial.present.tolist() == [True] * 8 + [False] * 2
    assert np.isnan(partial.image[8:]).all()
    assert full.image[8, 0, 0] == np.float32(0.1), "raw, as in the file"
    assert full.image[7, 0, 0] == np.float32(44.49)
    scaled = Normalisation().scaled_as(data.scaling).prepare(full.image)
    assert scaled[8, 0, 0] == pytest.approx(-1.0, abs=1e-4)
    assert scaled[7, 0, 0] == pytest.approx(0.5, abs=1e-4)
    assert full.labels.sum() == 8
    assert (data.infos[0].glacier, data.infos[0].block, data.infos[0].split) == ("HMA", "east", "train")


def test_nird_refuses_a_modality_that_it_does_not_have(tmp_path):
    with pytest.raises(InputError, match="modalities"):
        open_training_data("nird", root=tmp_path, options={"modalities": ["lidar"]})


def test_hkh_of_baraka_ignores_ice_of_unknown_kind(tmp_path):
    image = np.zeros((8, 8, 15), np.float32)
    mask = np.zeros((8, 8, 3), np.float32)
    mask[0, :, 0] = mask[0, :, 1] = 1
    mask[1, :, 0] = mask[1, :, 2] = 1
    mask[2, :, 0] = 1
    np.save(tmp_path / "LE07_140041_20051012_img_003.npy", image)
    np.save(tmp_path / "LE07_140041_20051012_mask_003.npy", mask)
    sample = open_training_data("hkh-baraka", root=tmp_path)[0]
    assert sample.labels[:4, 0].tolist() == [1, 2, IGNORE, 0]
    assert sample.info.glacier == "LE07_140041_20051012"
    binary = open_training_data("hkh-baraka", root=tmp_path, options={"binary": True})[0]
    assert binary.labels[:4, 0].tolist() == [1, 1, 1, 0]


def test_hkh_of_aryal_reads_padded_float_masks_and_sorts_by_number(tmp_path):
    for number in (10, 2):
        np.save(tmp_path / f"tiff_1_slice_{number}.npy", np.full((8, 8, 12), number, np.float32))
        np.save(tmp_path / f"mask_1_slice_{number}.npy", np.eye(8) * 2.0)
    np.save(tmp_path / "normalize_train.npy", np.arange(48.0).reshape(4, 12))
    data = open_training_data("hkh-aryal", root=tmp_path)
    assert [info.name for info in data.infos] == ["tiff_1_slice_2", "tiff_1_slice_10"]
    assert data[0].image.shape == (8, 8, 8)
    assert data.bands[5] == "B6_VCID1"
    assert np.unique(data[0].labels).tolist() == [0, 2]
    assert data.statistics()["std"].tolist() == list(range(12, 20))


class Planted:
    """Unpickling this creates the file it names."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_an_array_of_objects_is_not_unpickled(tmp_path):
    trap = tmp_path / "trap"
    np.save(tmp_path / "tiff_1_slice_1.npy", np.array([Planted(str(trap))], dtype=object), allow_pickle=True)
    np.save(tmp_path / "mask_1_slice_1.npy", np.zeros((8, 8)))
    trap.unlink(missing_ok=True)
    with pytest.raises(InputError, match="not a plain array"):
        open_training_data("hkh-aryal", root=tmp_path)[0]
    assert not trap.exists()


def test_glacierhack_has_bands_stretched_and_masks_a_missing_one(tmp_path):
    labels = np.repeat(np.array([0, 85, 170, 255], np.uint8), 64).reshape(16, 16)
    write(tmp_path / "train" / "labels" / "img001.tif", labels)
    for band in range(1, 5):
        write(
            tmp_path / "train" / f"Band{band}" / "img001.tif", np.arange(256, dtype=np.float32).reshape(16, 16) * band
        )
    (tmp_path / "train" / "Band5").mkdir()
    sample = open_training_data("glacierhack", root=tmp_path)[0]
    assert sample.labels[::4, 0].tolist() == [0, 1, 2, 3]
    assert sample.present.tolist() == [True] * 4 + [False]
    assert sample.image[3].max() == 4 * 255, "raw, as in the file"
    scaled = Normalisation().scaled_as(open_training_data("glacierhack", root=tmp_path).scaling).prepare(sample.image)
    assert (scaled[3].min(), scaled[3].max()) == (0, 1)
    assert (scaled[3] == 1).sum() == 6, "of 256 values the 2 % above 249.9"


def test_cityscapes_ignores_what_the_benchmark_does_not_score(tmp_path):
    write(tmp_path / "leftImg8bit/val/ulm/ulm_000000_000019_leftImg8bit.png", np.zeros((4, 6, 3), np.uint8))
    ids = np.array([[0, 7, 8, 33, 29, 26]] * 4, np.uint8)
    write(tmp_path / "gtFine/val/ulm/ulm_000000_000019_gtFine_labelIds.png", ids)
    sample = open_training_data("cityscapes", root=tmp_path)[0]
    assert sample.labels[0].tolist() == [IGNORE, 0, 1, 18, IGNORE, 13]
    assert (sample.info.glacier, sample.info.split) == ("ulm", "val")


def test_cdw_seg_reads_the_lists(tmp_path):
    write(tmp_path / "JPEGImages" / "p1.png", np.zeros((4, 6, 3), np.uint8))
    write(tmp_path / "SegmentationClass" / "p1.png", np.full((4, 6), 9, np.uint8))
    (tmp_path / "ImageSets" / "Segmentation").mkdir(parents=True)
    (tmp_path / "ImageSets" / "Segmentation" / "val.txt").write_text("p1\n")
    data = open_training_data("cdw-seg", root=tmp_path)
    assert data.infos[0].split == "val"
    assert (data[0].labels == 9).all()
    assert len(data.classes) == 10


@pytest.mark.parametrize("name", ["caffe", "nird", "hkh-aryal", "hkh-baraka", "glacierhack", "cityscapes", "cdw-seg"])
def test_an_empty_folder_is_refused_in_one_sentence(name, tmp_path):
    data = open_training_data(name, root=tmp_path)
    with pytest.raises(DataNotFoundError, match=r"holds? no|holds none|names no"):
        len(data.infos)


def test_a_mistyped_reader_gets_the_nearest_name(tmp_path):
    with pytest.raises(UsageError, match="caffe"):
        open_training_data("cafe", root=tmp_path)
