"""The package raison-cuda is found by its name, wherever it is installed; the caller's own places go
before it. A broken plug-in serves: the device list names the file that it tried."""

import pytest

import raison


@pytest.fixture
def cuda(tmp_path, monkeypatch):
    """A package raison_cuda in a folder of its own, and its plug-in."""
    folder = tmp_path / "é site" / "raison_cuda"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('nobody imports it')\n")
    plugin = folder / "libraison-cuda.so"
    plugin.write_bytes(b"no ELF file")
    monkeypatch.syspath_prepend(str(folder.parent))
    monkeypatch.delenv("RAISON_BACKEND_PATH", raising=False)
    return plugin


def tried(path, **arguments):
    return any(str(path) in device.problem for device in raison.devices(**arguments))


def test_found(cuda):
    assert tried(cuda)
    with pytest.raises(raison.Error, match="raison_cuda"):
        raison.Model(device="cuda")


def test_a_folder_given_goes_in_its_place(cuda, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    with pytest.raises(raison.Error, match="has no plug-in"):
        raison.devices(backend_path=str(own))
    (own / "libraison-mine.so").write_bytes(b"nor this")
    assert not tried(cuda, backend_path=str(own))
    assert not tried(cuda, backend_path="")


def test_a_plugin_of_the_environment_goes_before_it(cuda, tmp_path, monkeypatch):
    own = tmp_path / "own"
    own.mkdir()
    monkeypatch.setenv("RAISON_BACKEND_PATH", str(own))
    assert tried(cuda)  # no CUDA plug-in is there
    (own / "libraison-cuda.so").write_bytes(b"nor this")
    assert not tried(cuda)
    assert tried(own / "libraison-cuda.so")
