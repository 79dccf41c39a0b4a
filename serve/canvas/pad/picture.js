// A picture on the pad: its ink as a mask, a canvas over the whole pad, opaque where there is ink, and what was rubbed out of
// it since, as strokes. The mask is never changed: the rubs are replayed, so that each can be undone.
const MASK = 768, MARGIN = 0.08, LEAST_INK = 0.25;

// Returns the mask of a decoded picture, its ink centred, or null if nothing stands out.
function maskOf(image) {
  const scale = Math.min(1, MASK / Math.max(image.width, image.height));
  const width = Math.max(1, Math.round(image.width * scale)), height = Math.max(1, Math.round(image.height * scale));
  const sheet = canvasOf(width, height), brush = sheet.getContext('2d', { willReadFrequently: true });
  brush.imageSmoothingQuality = 'high';
  brush.drawImage(image, 0, 0, width, height);
  const pixels = brush.getImageData(0, 0, width, height), ink = inkOf(pixels);
  if (!ink) return null;
  let left = width, top = height, right = -1, bottom = -1;
  ink.forEach((value, i) => {
    const x = i % width, y = Math.floor(i / width);
    pixels.data.set([0, 0, 0, Math.round(255 * value)], 4 * i);
    if (value < LEAST_INK) return;
    [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y)];
  });
  brush.putImageData(pixels, 0, 0);
  const box = [left, top, right - left + 1, bottom - top + 1], zoom = MASK * (1 - 2 * MARGIN) / Math.max(box[2], box[3]);
  const mask = canvasOf(MASK, MASK), across = box[2] * zoom, down = box[3] * zoom;
  mask.getContext('2d').drawImage(sheet, ...box, (MASK - across) / 2, (MASK - down) / 2, across, down);
  return mask;
}

function canvasOf(width, height) {
  return Object.assign(document.createElement('canvas'), { width, height });
}

// Returns the picture's ink in one colour, without what was rubbed out.
function tinted({ mask, rubs }, side, colour) {
  const layer = canvasOf(side, side), brush = layer.getContext('2d', { willReadFrequently: side < MASK });
  brush.imageSmoothingQuality = 'high';
  brush.drawImage(mask, 0, 0, side, side);
  brush.globalCompositeOperation = 'source-in';
  brush.fillStyle = colour;
  brush.fillRect(0, 0, side, side);
  brush.globalCompositeOperation = 'destination-out';
  trace(brush, rubs, '#000');
  return layer;
}

function isRubbedOut(picture) {
  const { data } = tinted(picture, 128, '#000').getContext('2d').getImageData(0, 0, 128, 128);
  return !data.some((value, i) => i % 4 === 3 && value > 255 * LEAST_INK);
}
