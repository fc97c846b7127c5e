import io
import pickle
import tarfile

import keras
import numpy as np
import pytest

from lib import data, downloads, sample


def images(n=3, shape=(28, 28)):
    random = np.random.default_rng(0)
    arrays = {}
    for split in data.SPLITS:
        arrays[f"x_{split}"] = random.integers(0, 256, (n, *shape), dtype=np.uint8)
        arrays[f"y_{split}"] = np.arange(n, dtype=np.uint8)
    return arrays


def reviews():
    arrays = {}
    for split in data.SPLITS:
        arrays[f"tokens_{split}"] = np.array([1, 5, 9, 1, 7], np.uint32)
        arrays[f"lengths_{split}"] = np.array([3, 2], np.uint32)
        arrays[f"y_{split}"] = np.array([0, 1], np.uint8)
    return arrays


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BOOK_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def offline(monkeypatch):
    """Keras cannot download anything."""

    def fail(*arguments, **options):
        raise OSError("no network")

    for name in ("mnist", "fashion_mnist", "imdb"):
        monkeypatch.setattr(getattr(keras.datasets, name), "load_data", fail)
    monkeypatch.setattr(keras.utils, "get_file", fail)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10"])
def test_sample_images_are_uint8_with_labels_of_every_class(name):
    dataset = data.load(name)
    assert dataset.is_sample
    assert dataset.x_train.dtype == dataset.x_test.dtype == np.uint8
    assert dataset.x_train.shape[1:] == data.IMAGE_SHAPES[name]
    assert dataset.y_train.shape == (len(dataset.x_train),)
    assert set(dataset.y_train) == set(range(len(dataset.class_names)))


def test_sample_is_the_same_every_time():
    assert all(np.array_equal(a, b) for a, b in zip(*(sample.arrays("cifar10").values() for _ in range(2)), strict=True))


def test_folder_file_is_read_as_it_is(folder):
    arrays = images()
    np.savez(folder / "mnist.npz", **arrays)
    dataset = data.load("mnist")
    assert dataset.source == "folder"
    np.testing.assert_array_equal(dataset.x_train, arrays["x_train"])
    np.testing.assert_array_equal(dataset.y_test, arrays["y_test"])


def test_cifar_labels_come_flat(folder):
    arrays = images(shape=(32, 32, 3))
    for split in data.SPLITS:
        arrays[f"y_{split}"] = arrays[f"y_{split}"][:, None]
    np.savez(folder / "cifar10.npz", **arrays)
    assert data.load("cifar10").y_train.shape == (3,)


def test_train_and_test_keep_the_first_examples():
    whole, part = data.load("mnist"), data.load("mnist", train=7, test=5)
    np.testing.assert_array_equal(part.x_train, whole.x_train[:7])
    assert len(part.x_test) == len(part.y_test) == 5


def test_reviews_are_cut_and_padded_in_front_and_rare_words_become_unknown(folder):
    np.savez(folder / "imdb.npz", **reviews())
    dataset = data.load("imdb", words=9, length=2)
    np.testing.assert_array_equal(dataset.x_train, [[5, 2], [1, 7]])
    np.testing.assert_array_equal(data.load("imdb", length=4).x_train, [[0, 1, 5, 9], [0, 0, 1, 7]])


def test_sample_reviews_can_be_told_apart_by_their_hint_words():
    dataset, index = data.load("imdb"), data.word_index()
    good = np.isin(dataset.x_test, [index[word] + 3 for word in sample.GOOD]).any(axis=1)
    np.testing.assert_array_equal(good, dataset.y_test == 1)


@pytest.mark.parametrize("bad", ["mnits", "", None])
def test_unknown_name_is_named(bad):
    with pytest.raises(ValueError, match="name: expected one of mnist"):
        data.load(bad)


@pytest.mark.parametrize("argument", ["train", "test", "words", "length"])
@pytest.mark.parametrize("value", [0, -1, 2.5, "3"])
def test_sizes_must_be_positive_numbers(argument, value):
    with pytest.raises(ValueError, match=f"{argument}: expected a positive number"):
        data.load("mnist", **{argument: value})


def test_missing_folder_says_what_to_do(monkeypatch):
    monkeypatch.setenv("BOOK_DATA", "/nowhere/at/all")
    with pytest.raises(data.DataError, match=r"BOOK_DATA: .* is not a folder; .*python -m lib.data"):
        data.load("mnist")


@pytest.mark.usefixtures("offline")
def test_no_file_and_no_network_says_what_to_do(folder):
    with pytest.raises(data.DataError, match=r"could not download.*BOOK_DATA"):
        data.load("mnist")


DAMAGE = {
    "no array y_test": lambda arrays: arrays.pop("y_test"),
    "uint8 of shape": lambda arrays: arrays.update(x_train=arrays["x_train"].astype(np.float32)),
    r"shape \(3, 8, 8\)": lambda arrays: arrays.update(x_train=arrays["x_train"][:, :8, :8]),
    "2 labels for 3 examples": lambda arrays: arrays.update(y_train=arrays["y_train"][:2]),
    "class numbers from 0 to 9": lambda arrays: arrays.update(y_train=np.array([0, 1, 10], np.uint8)),
}


@pytest.mark.parametrize("problem", DAMAGE)
def test_wrong_arrays_name_file_and_problem(folder, problem):
    arrays = images()
    DAMAGE[problem](arrays)
    np.savez(folder / "mnist.npz", **arrays)
    with pytest.raises(data.DataError, match=rf"mnist.npz: .*{problem}"):
        data.load("mnist")


def test_review_lengths_must_add_up(folder):
    arrays = reviews()
    arrays["lengths_test"] = np.array([3, 3], np.uint32)
    np.savez(folder / "imdb.npz", **arrays)
    with pytest.raises(data.DataError, match="lengths_test add up to 6, but tokens_test has 5"):
        data.load("imdb")


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
def test_truncated_file_is_named(folder, keep):
    path = folder / "mnist.npz"
    np.savez(path, **images(n=50 if keep == 0.5 else 3) | ({"y_train": np.arange(50, dtype=np.uint8) % 10,
             "y_test": np.arange(50, dtype=np.uint8) % 10} if keep == 0.5 else {}))  # fmt: skip
    content = path.read_bytes()
    path.write_bytes(content[: keep if isinstance(keep, int) else int(keep * len(content))])
    with pytest.raises(data.DataError, match=r"mnist.npz: damaged"):
        data.load("mnist")


class Bomb:
    def __reduce__(self):
        return (open, ("bomb-went-off", "w"))


def test_pickles_in_a_folder_are_never_opened(folder, monkeypatch):
    monkeypatch.chdir(folder)
    np.savez(folder / "mnist.npz", x_train=np.array([Bomb()], dtype=object))
    with pytest.raises(data.DataError, match=r"mnist.npz: damaged, or not a NumPy archive of plain arrays"):
        data.load("mnist")
    (folder / "cifar10.npz").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(data.DataError, match=r"cifar10.npz"):
        data.load("cifar10")
    assert not (folder / "bomb-went-off").exists()


def cifar_archive(path, images_per_batch=2):
    with tarfile.open(path, "w:gz") as tar:
        for k, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
            pixels = np.full((images_per_batch, 3072), k, np.uint8)
            pixels[:, :1024] = 200 + k  # the red plane
            content = pickle.dumps({b"data": pixels, b"labels": [k] * images_per_batch})
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def test_cifar_archive_becomes_channels_last(tmp_path, monkeypatch):
    archive = tmp_path / "cifar.tar.gz"
    cifar_archive(archive)
    monkeypatch.setattr(keras.utils, "get_file", lambda *arguments, **options: archive)
    arrays = downloads.download("cifar10")
    assert arrays["x_train"].shape == (10, 32, 32, 3)
    np.testing.assert_array_equal(arrays["x_train"][2, 5, 5], [201, 1, 1])
    np.testing.assert_array_equal(arrays["y_train"][:, 0], [0, 0, 1, 1, 2, 2, 3, 3, 4, 4])


def test_a_download_that_is_not_the_expected_file_is_refused_before_it_is_opened(tmp_path, monkeypatch):
    forged = tmp_path / "forged.tar.gz"
    cifar_archive(forged)
    monkeypatch.setenv("BOOK_DATA", "")
    monkeypatch.setattr(downloads, "CIFAR10_URL", forged.as_uri())
    monkeypatch.setattr(pickle, "load", lambda *a, **k: pytest.fail("an unchecked file was unpickled"))
    get_file = keras.utils.get_file
    monkeypatch.setattr(keras.utils, "get_file", lambda *a, **k: get_file(*a, **k, cache_dir=tmp_path / "cache"))
    with pytest.raises(data.DataError, match="cifar10: Keras could not download it"):
        data.load("cifar10")


def keras_like(monkeypatch):
    for name in ("mnist", "fashion_mnist"):
        arrays = images()
        splits = tuple((arrays[f"x_{split}"], arrays[f"y_{split}"]) for split in data.SPLITS)
        monkeypatch.setattr(getattr(keras.datasets, name), "load_data", lambda splits=splits: splits)
    lists = np.array([[1, 5, 9], [1, 7]], dtype=object), np.array([0, 1])
    monkeypatch.setattr(keras.datasets.imdb, "load_data", lambda: (lists, lists))
    monkeypatch.setattr(keras.datasets.imdb, "get_word_index", lambda: {"the": 1})


def test_lay_out_writes_what_load_reads_and_leaves_finished_files_alone(tmp_path, monkeypatch):
    keras_like(monkeypatch)
    archive = tmp_path / "cifar.tar.gz"
    cifar_archive(archive)
    monkeypatch.setattr(keras.utils, "get_file", lambda *arguments, **options: archive)
    target = tmp_path / "shared"
    data.main([str(target)])
    assert sorted(path.name for path in target.iterdir()) == sorted(
        [*(f"{n}.npz" for n in data.CLASS_NAMES), data.WORD_INDEX]
    )
    monkeypatch.setenv("BOOK_DATA", str(target))
    for name in data.CLASS_NAMES:
        assert data.load(name).source == "folder"
    np.testing.assert_array_equal(data.load("imdb", length=3).x_train, [[1, 5, 9], [0, 1, 7]])
    assert data.word_index() == {"the": 1}
    before = {path: path.stat().st_mtime_ns for path in target.iterdir()}
    data.main([str(target)])
    assert before == {path: path.stat().st_mtime_ns for path in target.iterdir()}


def test_a_write_that_fails_leaves_no_half_file(tmp_path, monkeypatch):
    keras_like(monkeypatch)

    def half(path, **arrays):
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez_compressed", half)
    with pytest.raises(OSError, match="disk full"):
        data.lay_out(tmp_path / "shared")
    assert list((tmp_path / "shared").iterdir()) == []


@pytest.mark.usefixtures("offline")
def test_command_line_reports_a_failed_download(tmp_path):
    with pytest.raises(SystemExit, match="error: mnist: Keras could not download it"):
        data.main([str(tmp_path)])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["--help"]])
def test_command_line_explains_itself(arguments):
    with pytest.raises(SystemExit, match=r"usage: python -m lib\.data FOLDER"):
        data.main(arguments)
