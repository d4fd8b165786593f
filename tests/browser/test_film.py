"""The training film in a real browser: scrubbed, played, by mouse and by keys."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from browser.harness import assert_accessible, assert_fits, assert_focus_is_seen
from crnn_lib.widgets import TrainingFilm

expect = pytest.importorskip("playwright.sync_api", reason="no playwright").expect


@pytest.fixture(scope="module")
def made():
    return TrainingFilm.recorded()


def after(step):
    return f"After {step} {'step' if step == 1 else 'steps'} the loss"


@pytest.fixture
def film(show, made):
    return show(made.static_html()).locator(".crnn-explorer.film")


def test_stations_slider_and_keys_go_to_their_moments(film, made):
    status, read = film.locator(".status"), film.locator(".read")
    for name, moment in made.stations.items():
        film.get_by_role("button", name=name).click()
        expect(status).to_contain_text(after(made.steps[moment]))
        expect(read).to_have_text(made.readings[moment].text or "nothing")
        expect(film.locator(".facts")).to_contain_text(f"loss {made.losses[moment]:.2f}")
    chart = film.get_by_role("slider", name="moment on the curve of the loss")
    chart.press("Home")
    expect(status).to_contain_text(after(0))
    for key, step in (("ArrowRight", 1), ("PageUp", 11), ("ArrowLeft", 10)):
        chart.press(key)
        expect(status).to_contain_text(after(made.steps[step]))
    film.get_by_role("slider", name="moment", exact=True).press("End")
    expect(read).to_have_text("55207")
    box = chart.bounding_box()
    chart.click(position={"x": 1, "y": box["height"] / 2})
    expect(status).to_contain_text(after(0))


def test_it_plays_stops_and_begins_again(film, made):
    slider = film.get_by_role("slider", name="moment", exact=True)
    film.get_by_role("button", name="play", exact=True).click()
    expect(slider).not_to_have_value("0")
    film.get_by_role("button", name="pause").click()
    film.get_by_role("button", name="play", exact=True).click()
    expect(slider).to_have_value(str(len(made.steps) - 1))
    expect(film.get_by_role("button", name="play", exact=True)).to_be_visible()
    expect(film.locator(".status")).to_contain_text("the line reads 55207")
    film.get_by_role("button", name="play", exact=True).click()
    expect(slider).not_to_have_value(str(len(made.steps) - 1))


def test_strong_pushes_have_a_sign(film, made):
    film.get_by_role("button", name="all blank").click()
    expect(film.locator(".push").first).to_be_attached()
    film.get_by_role("slider", name="moment", exact=True).press("End")
    expect(film.locator(".best")).to_have_count(made.frames)


def test_the_gif_has_all_moments_as_they_play(show, made, tmp_path):
    page = show(made.static_html(), color_scheme="dark", accept_downloads=True)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as GIF").click()
    assert download.value.suggested_filename == "training-55207.gif"
    expect(page.locator(".film .status")).to_contain_text(f"saved: {len(made.steps)} moments")
    download.value.save_as(tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == len(made.steps) and film.info["loop"] == 0
        assert (tmp_path / "film.gif").stat().st_size < 3_000_000
        width, height = film.size
        assert width == 520 and 400 < height < 700
        sheets, delays = [], []
        for m in range(film.n_frames):
            film.seek(m)
            delays.append(film.info["duration"])
            sheets.append(np.asarray(film.convert("RGB"), dtype=np.uint8))
    sheets = np.stack(sheets)  # (M, H, W, 3)
    assert delays == [140] * (len(made.steps) - 1) + [2000]
    assert sheets[0][0, 0].mean() < 40  # the paper is the theme's
    high = min(150, 480 * made.height / made.width)  # of the ink; then the strips follow
    left, right = (28 + high / made.height * end for end in made.ends)
    order = [made.blank, *(c for c in range(len(made.symbols)) if c != made.blank)]
    columns = left + (right - left) * (np.arange(made.frames) + 0.5) / made.frames
    lines = 86 + high + 9 * (np.arange(len(order)) + 0.5)
    places = np.ix_(lines.astype(int), columns.astype(int))
    for m in (*made.stations.values(), len(sheets) - 1):
        probs = made.log_probs[m].exp().numpy()[:, order].T  # (C, T), as they stand in the strip
        bright = sheets[m].mean(2)[places]
        assert np.corrcoef(bright.ravel(), probs.ravel())[0, 1] > 0.97
    accent = (np.abs(sheets[:, -40:] - np.array([209, 73, 91])).max(-1) < 12).any(1)  # (M, W)
    marks = [np.flatnonzero(row).mean() for row in accent]  # how far along the curve
    assert marks == sorted(marks) and marks[0] < 32 and marks[-1] > width - 18


def test_fits_a_narrow_page_and_is_accessible(film):
    assert_accessible(film)
    assert_focus_is_seen(film)
    film.page.set_viewport_size({"width": 390, "height": 900})
    assert_fits(film.page)


def test_python_and_page_stay_together(lab, lab_page):
    code = "from crnn_lib.widgets import TrainingFilm\nexplorer = TrainingFilm.recorded()"
    notebook = lab.open(lab_page, "film", code, "explorer.moment = 0")
    live = lab_page.locator(".jp-OutputArea .crnn-explorer.film")
    expect(live).to_have_count(1)
    live.get_by_role("slider", name="moment", exact=True).press("ArrowRight")
    notebook.wait_for_python(moment=1)
    live.get_by_role("button", name="the text").click()
    notebook.wait_for_python(moment=TrainingFilm.recorded().stations["the text"])
    notebook.run(1)
    expect(live.get_by_role("slider", name="moment", exact=True)).to_have_value("0")
    notebook.assert_shortcuts_stay_away(live)
