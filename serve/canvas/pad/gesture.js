// One line of the pen or one sweep of the eraser, from putting it down to lifting it, whatever moves it.
const NEAREST = 2; // points closer to the one before are left out, but for the last
let gesture = null;

function begin(point, tool, by) {
  say('');
  gesture = { tool, by, before: drawing, line: { xs: [], ys: [], width: widths[tool] } };
  if (tool === 'pen') drawing = { ...drawing, strokes: [...drawing.strokes, gesture.line] };
  if (tool === 'eraser' && drawing.picture) {
    const { mask, rubs } = drawing.picture;
    drawing = { ...drawing, picture: { mask, rubs: [...rubs, gesture.line] } };
  }
  extend(point);
  refresh();
}

function extend(point, least = NEAREST) {
  const { tool, line: { xs, ys, width } } = gesture, last = xs.length - 1;
  const from = last < 0 ? point : [xs[last], ys[last]];
  if (last >= 0 && Math.hypot(point[0] - from[0], point[1] - from[1]) < least) return;
  xs.push(point[0]);
  ys.push(point[1]);
  if (tool === 'eraser') rub(from, point, width / 2);
  repaint(tool === 'eraser');
  sendOnTheBeat();
}

function rub(from, to, radius) {
  const strokes = drawing.strokes.flatMap(stroke => erased(stroke, from, to, radius));
  if (strokes.length !== drawing.strokes.length || strokes.some((stroke, i) => stroke !== drawing.strokes[i]))
    drawing = { ...drawing, strokes };
}

function finish() {
  const { before } = gesture;
  gesture = null;
  if (drawing.picture && drawing.picture !== before.picture && isRubbedOut(drawing.picture))
    drawing = { ...drawing, picture: null };
  if (drawing !== before) remember(before);
  changed();
}

function abandon() {
  drawing = gesture.before;
  gesture = null;
  changed();
}
