import numpy as np
import pytest
from skimage import io

from glaciertime.errors import DataNotFoundError, InputError
from glaciertime.scenes.datasets.landsat_fronts import LandsatFronts
from glaciertime.scenes.datasets.sample import IGNORE
from glaciertime.scenes.datasets.traced_zones import zones_from_trace
from glaciertime.segment.predict.front_line import front_pixels


def draw(folder, *, glacier="Crane", date="2000-01-02", row=5):
    (folder / "images").mkdir(exist_ok=True)
    (folder / "fronts").mkdir(exist_ok=True)
    name = f"{glacier}_{date}"
    image = np.full((20, 12, 4), 80, np.uint8)
    image[row + 1 :] = 160
    image[..., 3] = 255
    front = np.full((20, 12, 3), 255, np.uint8)
    front[row, 3:9] = 0
    io.imsave(folder / "images" / f"{name}_Subset.png", image, check_contrast=False)
    io.imsave(folder / "fronts" / f"{name}_Front.png", front, check_contrast=False)
    return f"{glacier},{date},LE07,9011,L1TP,T1,B2,{name}_Subset.png,{name}_Front.png\n"


@pytest.fixture
def folder(tmp_path):
    lines = "glacier,date,sensor,pathrow,level,tier,band,image,front\n"
    lines += draw(tmp_path, date="2001-01-02") + draw(tmp_path, date="2000-01-02")
    (tmp_path / "index.csv").write_text(lines)
    return tmp_path


def test_samples_are_ordered_by_glacier_and_date_and_keep_where_they_come_from(folder):
    data = LandsatFronts(folder)
    assert [info.date.year for info in data.infos] == [2000, 2001]
    info = data.infos[0]
    assert (info.glacier, info.sensor, info.block) == ("Crane", "LE07", "")
    assert info.resolution_m == pytest.approx(48.9, abs=0.1)


def test_labels_are_ocean_above_and_ice_below_and_unknown_beside_the_trace(folder):
    sample = LandsatFronts(folder)[0]
    assert sample.image.shape == (1, 20, 12)
    assert (sample.labels[:6, 3:9] == 1).all()
    assert (sample.labels[6:, 3:9] == 0).all()
    assert (sample.labels[:, :3] == IGNORE).all()
    assert (sample.labels[:, 9:] == IGNORE).all()


def test_a_missing_picture_is_named(folder):
    next((folder / "images").iterdir()).unlink()
    with pytest.raises(DataNotFoundError, match=r"does not exist; complete the folder"):
        list(LandsatFronts(folder))


def test_a_picture_that_is_cut_short_is_named(folder):
    path = next((folder / "images").iterdir())
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match=rf"{path.name} cannot be (read|opened) (as an image|to its end)"):
        list(LandsatFronts(folder))


def test_a_missing_column_is_named(tmp_path):
    (tmp_path / "index.csv").write_text("glacier,date\nCrane,2000-01-01\n")
    with pytest.raises(InputError, match="sensor"):
        _ = LandsatFronts(tmp_path).index


def test_zones_give_the_trace_back_for_a_steep_front():
    trace = np.zeros((30, 20), bool)
    trace[10, 2:8] = True
    trace[10:20, 8] = True
    trace[20, 8:15] = True
    zones = zones_from_trace(trace)
    front = front_pixels(zones)
    assert not (front & ~trace).any()
    # The pixel in the inner corner touches glacier with no side.
    assert (trace & ~front).sum() <= 1
    assert zones[5, 4] == 254
    assert zones[25, 4] == 127
    assert zones[15, 12] == 254
    assert zones[15, 4] == 127


def test_a_trace_with_a_gap_is_refused():
    trace = np.zeros((10, 10), bool)
    trace[4, 1:3] = trace[4, 6:9] = True
    with pytest.raises(InputError, match="gaps"):
        zones_from_trace(trace)


def test_an_empty_trace_is_refused():
    with pytest.raises(InputError, match="without a traced pixel"):
        zones_from_trace(np.zeros((5, 5), bool))


def test_real_traces_are_the_front_of_their_zones(shared_data):
    data = LandsatFronts(shared_data / "landsat_fronts")
    assert len(data) == 123
    for index in range(0, 123, 10):
        codes = np.array([127, 254] + [0] * 254, np.uint8)
        front = front_pixels(codes[data[index].labels])
        trace = data.read_trace(index)
        assert not (front & ~trace).any()
        assert front.any(axis=0)[trace.any(axis=0)].mean() > 0.9


def test_the_columns_beside_the_trace_have_no_label():
    trace = np.zeros((15, 7), bool)
    trace[3:5, 2] = trace[5, 3] = trace[6, 4] = True
    zones = zones_from_trace(trace)
    assert (zones[:, [0, 1, 5, 6]] == 0).all()
    assert (zones[:, 2:5] != 0).all()
