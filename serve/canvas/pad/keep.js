// The drawing outlives a reload, and the way to the sign-in page and back: it waits in this tab's own storage.
const KEPT = 'sketchray-pad';

function keep() {
  const { strokes, picture } = drawing;
  try {
    sessionStorage.setItem(KEPT, JSON.stringify({ strokes, mask: picture && tinted(picture, MASK, '#000').toDataURL() }));
  } catch { // storage is full or forbidden: then it does not outlive them
  }
}

async function bringBack() {
  let kept = null;
  try {
    kept = JSON.parse(sessionStorage.getItem(KEPT));
  } catch { // forbidden
  }
  if (!kept || (!kept.strokes.length && !kept.mask)) return;
  const picture = kept.mask && { mask: await drawn(kept.mask), rubs: [] };
  if (!isBlank(drawing) || gesture) return; // the visitor was faster
  drawing = { strokes: kept.strokes, picture };
  changed();
}

async function drawn(address) {
  const image = Object.assign(new Image(), { src: address }), mask = canvasOf(MASK, MASK);
  await image.decode();
  mask.getContext('2d').drawImage(image, 0, 0);
  return mask;
}

window.addEventListener('pagehide', keep);
document.addEventListener('visibilitychange', keep); // a phone may never tell of the end
bringBack();
