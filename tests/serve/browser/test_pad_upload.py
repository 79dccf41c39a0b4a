"""A picture of a sketch on the pad: chosen, dropped or pasted; drawn over, erased, undone; found like by the server."""

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from serve.examples import examples
from sketchray.data.raster import Bitmap, canonical, rasterise
from tests.serve.browser.bare_pad import BarePad
from tests.serve.browser.hand import Line
from tests.serve.browser.visitor import DESKTOP

pytestmark = pytest.mark.slow
SKETCH = next(example for example in examples() if example.name == "umbrella").strokes
CORNER: Line = [(0.05, 0.95), (0.3, 0.95)]


def sheet(width: int = 14) -> Image.Image:
    """Draw the sketch black on white."""
    image = Image.new("L", (1000, 1000), 255)
    for xs, ys in SKETCH:
        ImageDraw.Draw(image).line(list(zip(xs, ys, strict=True)), fill=0, width=width, joint="curve")
    return image.resize((500, 500), Image.Resampling.LANCZOS)


def photographed() -> Image.Image:
    """The sheet on a table's light, with a lamp at one side, a lens and a sensor."""
    rng = np.random.default_rng(0)
    paper_HW = np.asarray(sheet(20), dtype=np.float64) / 255
    y_HW, x_HW = np.mgrid[0:1:500j, 0:1:500j]
    light_HW = 0.55 + 0.3 * x_HW - 0.15 * y_HW**2
    noisy_HW = (0.25 + 0.75 * paper_HW) * light_HW + rng.normal(0, 0.012, paper_HW.shape)
    return Image.fromarray((255 * noisy_HW.clip(0, 1)).astype(np.uint8)).filter(ImageFilter.GaussianBlur(1))


def transparent() -> Image.Image:
    """White lines on nothing."""
    image = Image.new("RGBA", (500, 500), (255, 255, 255, 0))
    image.putalpha(ImageOps.invert(sheet()))
    return image


MAKES: dict[str, Callable[[], Image.Image]] = {
    "black on white": sheet,
    "white on black": lambda: ImageOps.invert(sheet()),
    "transparent": transparent,
    "photographed": photographed,
    "wide": lambda: ImageOps.expand(sheet(), (400, 20, 100, 20), 255),
}


def png(image: Image.Image) -> bytes:
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


ARRIVED = "() => window.values.at(-1)?.[1].picture || document.querySelector('.notice').textContent"


def upload(pad: BarePad, data: bytes, name: str = "sketch.png") -> None:
    pad.page.locator("input[type=file]").set_input_files({"name": name, "mimeType": "image/png", "buffer": data})
    pad.page.wait_for_function(ARRIVED)


def picture_of(value: dict[str, Any]) -> Bitmap:
    """Read a value's picture as the server reads an upload."""
    head, data = value["picture"].split(",", 1)
    assert head == "data:image/png;base64"
    return Bitmap.from_image(Image.open(io.BytesIO(base64.b64decode(data))))


def likeness(one: Bitmap, other: Bitmap) -> float:
    """Return the share of two drawings' canonical lines that lie on each other, give or take one pixel of 64."""
    lines = [rasterise(canonical(bitmap), 64) < 128 for bitmap in (one, other)]
    wide = [np.asarray(Image.fromarray(line).convert("L").filter(ImageFilter.MaxFilter(3))) > 0 for line in lines]
    return float(min((lines[0] & wide[1]).sum() / lines[0].sum(), (lines[1] & wide[0]).sum() / lines[1].sum()))


def test_the_pad_sees_what_the_server_would_see(browser: Any, screenshots: Path) -> None:
    pad = BarePad(browser, **DESKTOP)
    for name, make in MAKES.items():
        upload(pad, png(make()))
        assert likeness(picture_of(pad.value()), Bitmap.from_image(make())) > 0.95, name
        pad.page.screenshot(path=screenshots / f"pad-upload-{name.replace(' ', '-')}.png")
        pad.press("Clear")
    pad.close()


def test_drawing_over_it_erasing_and_going_back(pad: BarePad, screenshots: Path, request: Any) -> None:
    pad.draw(CORNER)
    upload(pad, png(sheet()))
    bare, looks = pad.value(), [pad.shown()]
    assert bare["strokes"] == []  # a picture is a new drawing
    pad.draw(CORNER)
    over = pad.value()
    assert len(over["strokes"]) == 1
    assert likeness(picture_of(over), picture_of(bare)) < 0.9  # the picture that is sent shows the line, too
    looks.append(pad.shown())
    pad.press("Eraser")
    pad.draw([(0.5, 0.1), (0.5, 0.9)])
    looks.append(pad.shown())
    rubbed = pad.value()
    assert rubbed["strokes"] == over["strokes"]
    assert picture_of(rubbed).ink_HW.sum() < 0.95 * picture_of(over).ink_HW.sum()
    assert len(set(looks)) == 3
    pad.page.screenshot(path=screenshots / f"pad-over-upload-{request.node.callspec.id}.png")
    for value, look in ((over, looks[1]), (bare, looks[0])):
        pad.press("Undo")
        assert pad.value() == value
        assert pad.shown() == look
    pad.press("Undo")
    assert pad.value()["picture"] is None
    assert len(pad.value()["strokes"]) == 1
    pad.press("Redo")
    assert pad.value() == bare
    pad.press("Clear")
    assert pad.value() == {"strokes": [], "picture": None}


def test_it_outlives_a_reload(pad: BarePad) -> None:
    upload(pad, png(sheet()))
    pad.press("Eraser")
    pad.draw([(0.5, 0.1), (0.5, 0.9)])
    pad.press("Pen")
    pad.draw(CORNER)
    value = pad.value()
    pad.open()
    pad.page.locator(".sheet.drawn").wait_for()
    assert pad.value()["strokes"] == value["strokes"]
    assert likeness(picture_of(pad.value()), picture_of(value)) > 0.99


def test_a_picture_that_was_erased_is_gone(pad: BarePad) -> None:
    upload(pad, png(sheet()))
    pad.press("Eraser")
    slider = pad.page.get_by_role("slider", name="Eraser width")
    slider.fill("200")
    pad.draw(*([(0.0, y), (1.0, y)] for y in (0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 0.95)))
    assert pad.value() == {"strokes": [], "picture": None}
    assert pad.button("Clear").is_disabled()


GIVE = """async ([kind, data, name, type]) => {
  const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
  const held = new DataTransfer();
  held.items.add(new File([bytes], name, { type }));
  const made = kind === 'paste' ? new ClipboardEvent('paste', { clipboardData: held, bubbles: true, cancelable: true })
                                : new DragEvent(kind, { dataTransfer: held, bubbles: true, cancelable: true });
  return document.querySelector('#pad').dispatchEvent(made);
}"""


def give(pad: BarePad, kind: str, data: bytes, name: str = "a.png", mime: str = "image/png") -> bool:
    """Drag or paste a file; return whether the browser may do with it what it likes."""
    return bool(pad.page.evaluate(GIVE, [kind, base64.b64encode(data).decode(), name, mime]))


def test_dropped_and_pasted(pad: BarePad) -> None:
    data = png(sheet())
    assert not give(pad, "dragover", data)
    assert pad.page.locator(".sheet.awaiting").count() == 1
    assert not give(pad, "drop", data)
    assert pad.page.locator(".sheet.awaiting").count() == 0
    pad.page.locator(".sheet.drawn").wait_for()
    dropped = pad.value()
    pad.press("Clear")
    assert not give(pad, "paste", data)
    pad.page.locator(".sheet.drawn").wait_for()
    assert pad.value() == dropped


NO_SKETCHES = (
    (b"not a picture", "This file is not a picture that can be read here. Try a PNG, JPEG or WebP."),
    (png(Image.new("L", (300, 200), 250)), "There is no drawing in this picture: nothing stands out"),
    (png(Image.new("RGBA", (30, 20), (0, 0, 0, 0))), "There is no drawing in this picture: nothing stands out"),
)


def test_what_is_no_sketch_is_told_and_the_drawing_stays(browser: Any) -> None:
    pad = BarePad(browser, **DESKTOP)
    for number, (data, sentence) in enumerate(NO_SKETCHES, 1):
        pad.draw(CORNER)
        before = pad.value()
        assert len(before["strokes"]) == number
        assert pad.notice() == ""  # one who draws on has read it
        upload(pad, data)
        pad.page.get_by_text(sentence).wait_for()
        assert pad.value() == before
    pad.close()


def test_a_huge_file_is_not_even_decoded(browser: Any) -> None:
    pad = BarePad(browser, **DESKTOP)
    pad.page.evaluate("() => { window.createImageBitmap = () => window.values.push('decoded'); }")
    pad.page.evaluate(GIVE.replace("[bytes]", "[new ArrayBuffer(41 * 2 ** 20)]"), ["drop", "", "a.png", "image/png"])
    pad.page.get_by_text("This file is too large: 40 MB are the most.").wait_for()
    assert pad.page.evaluate("window.values") == []
    pad.close()
