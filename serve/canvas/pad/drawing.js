// The drawing and its history. A drawing is replaced and never changed, so that going back is taking out an older one.
// Lengths are thousandths of the pad's side. A stroke is { xs, ys, width }; a picture { mask, rubs }, see picture.js.
const SIDE = 1000;
const BLANK = { strokes: [], picture: null };
let drawing = BLANK;
let past = [], future = [];

function isBlank({ strokes, picture }) {
  return !strokes.length && !picture;
}

function replace(next) {
  remember(drawing);
  drawing = next;
  changed();
}

function remember(before) {
  past.push(before);
  future = [];
}

function undo() {
  travel(past, future);
}

function redo() {
  travel(future, past);
}

function travel(from, to) {
  if (!from.length || gesture) return;
  to.push(drawing);
  drawing = from.pop();
  changed();
}

function clear() {
  if (!isBlank(drawing) && !gesture) replace(BLANK);
}

function changed() {
  say('');
  refresh();
  sendIn(AFTER_STROKE_MS);
}
