# SPDX-License-Identifier: Apache-2.0
"""From videos to prepared clips."""

import json
import shutil

import numpy as np
import pytest
from command import files_below, finish, leftovers, make_plate, runner, start, textured
from media_factory import write_movie

from ex4d.protocol.errors import BadInputError, UsageError
from ex4d.system.progress import Silent
from ex4d.training.data import Dataset, DatasetSettings, find_videos, prepare, read_masks, scan_video, window_frames
from ex4d.training.data.dataset import masks_file
from ex4d.training.data.windows import fitted
from ex4d.training.masking import MaskingParameters

SMALL = DatasetSettings(size=(64, 48), frames=5, variants=2, masking=MaskingParameters(grid=(6, 10), kernel=(3, 5)))


@pytest.fixture
def run(capfd):
    return runner(capfd)


def movie(path, pictures):
    return write_movie(path, pictures, fps=25, matrix="bt709")


def still(count):
    return [textured(3)] * count


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / "videos"
    (folder / "deep").mkdir(parents=True)
    make_plate(folder / "moving.mp4", 12)
    movie(folder / "deep" / "still.mp4", still(6))
    other = [textured(30 - index)[::-1] // 4 for index in range(6)]
    movie(folder / "cut.mp4", [*(textured(index) for index in range(7)), *other])
    broken = make_plate(folder / "broken.mp4", 12)
    broken.write_bytes(broken.read_bytes()[:-900])
    (folder / "notes.txt").write_text("no video")
    return folder


def test_videos_of_a_folder_and_of_manifests(videos, tmp_path):
    names = [video.path.name for video in find_videos(videos)]
    assert names == ["broken.mp4", "cut.mp4", "still.mp4", "moving.mp4"]
    listed = tmp_path / "list.jsonl"
    listed.write_text('{"video": "videos/moving.mp4", "caption": "a wall "}\n\n{"video": "videos/cut.mp4"}\n')
    assert [(video.path.name, video.caption) for video in find_videos(listed)] == [
        ("moving.mp4", "a wall"),
        ("cut.mp4", ""),
    ]
    table = tmp_path / "list.csv"
    table.write_text('video,caption,seconds\nvideos/moving.mp4,"a, b",3\n')
    assert [video.caption for video in find_videos(table)] == ["a, b"]
    plain = tmp_path / "list.txt"
    plain.write_text("videos/moving.mp4\nvideos/moving.mp4\n")
    assert len(find_videos(plain)) == 1


@pytest.mark.parametrize(
    ("name", "text"), [("a.jsonl", '{"path": "x.mp4"}'), ("a.jsonl", "x.mp4"), ("a.csv", "file\nx.mp4"), ("a.txt", "")]
)
def test_manifests_without_videos_are_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(BadInputError):
        find_videos(tmp_path / name)
    with pytest.raises(BadInputError):
        find_videos(tmp_path / "nowhere")


def test_windows_never_span_a_cut_and_always_move(videos):
    assert scan_video(videos / "moving.mp4", 5).firsts == [0, 5]
    cut = scan_video(videos / "cut.mp4", 5)
    assert cut.cuts == [7]
    assert cut.firsts == [0, 7]
    assert cut.rejected == {"short": 2}
    assert scan_video(videos / "deep" / "still.mp4", 5).rejected == {"short": 1, "static": 1}
    broken = scan_video(videos / "broken.mp4", 5)
    assert broken.firsts == []
    assert broken.rejected == {"broken": 1}
    assert broken.problem.endswith(".")
    assert scan_video(videos / "moving.mp4", 13).rejected == {"short": 1}


def test_frames_are_cropped_to_the_middle():
    wide = np.zeros((40, 120, 3), np.uint8)
    wide[:, 40:80] = 200
    assert fitted(wide, (32, 32)).mean() > 195
    assert fitted(wide, (32, 32)).shape == (32, 32, 3)
    deep = (wide.astype(np.uint16) * 257)[:, 40:80]
    assert fitted(deep, (48, 32)).dtype == np.uint8


def test_preparing(videos, tmp_path):
    made = prepare(find_videos(videos), tmp_path / "data", SMALL, Silent(), 2)
    assert made.rejected == {"broken": 1, "short": 4, "static": 1}
    assert len(made.windows) == 4
    found = Dataset.open(tmp_path / "data")
    assert found == made
    found.check()
    masks = np.stack([read_masks(found.folder, window) for window in found.windows])
    assert masks.shape == (4, 2, 5, 48, 64)
    assert set(np.unique(masks)) <= {0, 255}
    assert masks[:, :, 0].all()
    assert (masks[:, :, 1:] == 0).any(axis=(2, 3, 4)).mean() > 0.5
    assert leftovers(tmp_path) == []
    window = next(window for window in found.windows if window.path.name == "moving.mp4" and window.first == 5)
    ((same, frames),) = window_frames([window], (96, 64))
    assert same == window
    errors = [np.abs(frames[2].astype(int) - textured(index)).mean() for index in range(12)]
    assert np.argmin(errors) == 7


class Counting(Silent):
    def __init__(self):
        super().__init__()
        self.begun = {}

    def begin(self, stage, of):
        self.begun[stage] = of


def test_preparing_goes_on_where_it_stopped(videos, tmp_path):
    whole = prepare(find_videos(videos), tmp_path / "data", SMALL, Silent(), 1)
    before = {path.name: path.read_bytes() for path in (tmp_path / "data" / "masks").iterdir()}
    lost, damaged = whole.windows[0], whole.windows[1]
    masks_file(whole.folder, lost).unlink()
    masks_file(whole.folder, damaged).write_bytes(b"damaged")
    (whole.folder / "dataset.json").unlink()
    with pytest.raises(BadInputError, match="no prepared folder"):
        Dataset.open(whole.folder)
    counting = Counting()
    again = prepare(find_videos(videos), tmp_path / "data", SMALL, counting, 1)
    assert counting.begun["masks"] == 2
    assert again == whole
    # The same masks, byte by byte.
    assert {path.name: path.read_bytes() for path in (tmp_path / "data" / "masks").iterdir()} == before


def test_other_settings_need_another_folder(videos, tmp_path):
    prepare(find_videos(videos), tmp_path / "data", SMALL, Silent(), 1)
    other = DatasetSettings(size=(64, 48), frames=5, variants=1)
    with pytest.raises(UsageError, match="other settings"):
        prepare(find_videos(videos), tmp_path / "data", other, Silent(), 1)


def test_checks_name_what_is_wrong(videos, tmp_path):
    made = prepare(find_videos(videos), tmp_path / "data", SMALL, Silent(), 1)
    path = masks_file(made.folder, made.windows[0])
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(BadInputError, match=made.windows[0].name):
        made.check()
    shutil.copy(masks_file(made.folder, made.windows[1]), path)
    made.check()
    (videos / "cut.mp4").unlink()
    with pytest.raises(BadInputError, match=r"cut.mp4 is gone"):
        made.check()


def test_held_out_videos_are_whole_and_stay_held_out(videos, tmp_path):
    made = prepare(find_videos(videos), tmp_path / "data", SMALL, Silent(), 1)
    train, held = made.split(0.01)
    assert {window.video for window in train}.isdisjoint({window.video for window in held})
    assert len({window.video for window in held}) == 1
    assert made.split(0.0) == (list(made.windows), [])
    assert {window.video for window in made.split(0.9)[1]} >= {window.video for window in held}


@pytest.mark.parametrize(
    "wrong", [{"size": (60, 64)}, {"size": (16, 64)}, {"frames": 8}, {"frames": 1}, {"variants": 0}]
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(UsageError):
        DatasetSettings(**wrong)


def test_settings_come_back_from_their_file():
    assert DatasetSettings.from_record(json.loads(json.dumps(SMALL.record()))) == SMALL


def test_the_command(videos, tmp_path, run):
    options = ["--data", videos, "--out", tmp_path / "data", "--size", "64x48", "--frames", "5", "--variants", "1"]
    done = run("train", "prepare", *options, "--masks", "tracking", "--workers", "1", "--json")
    assert done.result["clips"] == 4
    assert done.result["rejected"]["static"] == 1
    assert any("broken.mp4 is left out" in event.get("text", "") for event in done.events)
    again = run("train", "prepare", *options, "--masks", "tracking", "--json")
    assert again.ran() == ["scan"]
    assert "other settings" in run("train", "prepare", *options, "--masks", "both", "--json").refused(2)
    elsewhere = ["--out", tmp_path / "x", "--json"]
    assert "no videos" in run("train", "prepare", "--data", tmp_path / "data", *elsewhere).refused(10)
    assert "neither a folder" in run("train", "prepare", "--data", "no.mp4", *elsewhere).refused(10)


def test_an_interrupt_leaves_whole_files_only(videos, tmp_path):
    import signal
    import time

    options = ["--data", videos, "--out", tmp_path / "data", "--size", "64x48", "--frames", "5", "--json"]
    process = start("train", "prepare", *options, "--masks", "tracking", "--workers", "1")
    deadline = time.monotonic() + 60
    while not (tmp_path / "data" / "masks").is_dir() or not any((tmp_path / "data" / "masks").iterdir()):
        assert time.monotonic() < deadline
        assert process.poll() is None or process.returncode == 0
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    done = finish(process)
    assert done.code in (0, 130), done.err
    assert leftovers(tmp_path) == []
    assert all(name.endswith((".npz", ".json")) for name in files_below(tmp_path / "data"))
    again = finish(start("train", "prepare", *options, "--masks", "tracking", "--workers", "1"))
    assert again.result["clips"] == 4
