import cv2
import numpy as np
import pytest

from app.inference import loading
from app.inference.loading import LoadingError, load_models
from app.settings import Settings
from models.inference import InvalidImageError


@pytest.mark.parametrize("threads", [1, 3])
def test_there_are_as_many_face_paths_as_threads_are_asked_for(threads):
    models = load_models(Settings(_env_file=None, face_model="fer_resnet", face_threads=threads))
    paths = [models.face, *models.more_faces]
    assert len(paths) == threads
    assert len({id(path.detector) for path in paths}) == threads
    assert len({id(path.model) for path in paths}) == 1
    for path in paths:
        path.close()


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (3, 3), (64, 8)])
def test_unasked_there_is_one_for_each_core_and_no_end_of_them(monkeypatch, cores, threads):
    monkeypatch.setattr(loading, "_cores", lambda: cores)
    models = load_models(Settings(_env_file=None, face_model="fer_resnet"))
    paths = [models.face, *models.more_faces]
    assert len(paths) == threads
    for path in paths:
        path.close()


def test_every_face_path_refuses_pictures_that_are_larger_than_the_setting_says():
    settings = Settings(_env_file=None, face_model="fer_resnet", face_threads=2, max_frame_pixels=500_000)
    sizes = {(1000, 500): True, (1000, 501): False}
    jpegs = {size: cv2.imencode(".jpg", np.zeros((*size[::-1], 3), np.uint8))[1].tobytes() for size in sizes}
    models = load_models(settings)
    for path in (models.face, *models.more_faces):
        outcomes = path.analyse(list(jpegs.values()))
        assert [not isinstance(outcome, InvalidImageError) for outcome in outcomes] == list(sizes.values())
        path.close()


def test_a_provider_that_is_not_there_stops_the_start_with_one_line():
    settings = Settings(_env_file=None, face_model="fer_resnet", onnx_providers="quantum, cpu")
    with pytest.raises(LoadingError) as refused:
        load_models(settings)
    assert "ONNX_PROVIDERS=quantum" in str(refused.value)
    assert "\n" not in str(refused.value)
