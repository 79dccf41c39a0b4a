// The drawing pad. A drawing is a list of strokes [xs, ys] in units of a thousandth of the pad's side.
const SIDE = 1000, LINE = 14, NEAREST = 3, WHILE_DRAWING_MS = 250, AFTER_STROKE_MS = 40;
const sheet = element.querySelector('.sheet');
const canvas = element.querySelector('canvas');
const undoButton = element.querySelector('.undo');
const clearButton = element.querySelector('.clear');
const pen = canvas.getContext('2d');

let strokes = [];
let past = []; // what Undo goes back to: the drawing before each stroke and before each Clear
let current = null, pointer = null, timer = null, sent = '[]';

function paint() {
  pen.setTransform(canvas.width / SIDE, 0, 0, canvas.height / SIDE, 0, 0);
  pen.clearRect(0, 0, SIDE, SIDE);
  pen.lineWidth = LINE;
  pen.lineCap = pen.lineJoin = 'round';
  pen.strokeStyle = '#16181d';
  for (const [xs, ys] of strokes) {
    pen.beginPath();
    pen.moveTo(xs[0], ys[0]);
    for (let i = 1; i < xs.length; i++) pen.lineTo(xs[i], ys[i]);
    if (xs.length === 1) pen.lineTo(xs[0], ys[0]);
    pen.stroke();
  }
}

function refresh() {
  paint();
  sheet.classList.toggle('drawn', strokes.length > 0);
  undoButton.disabled = past.length === 0;
  clearButton.disabled = strokes.length === 0;
}

function send() {
  timer = null;
  const drawing = JSON.stringify(strokes);
  if (drawing === sent) return;
  sent = drawing;
  props.value = drawing;
  trigger('change');
}

function sendIn(delay) {
  clearTimeout(timer);
  timer = setTimeout(send, delay);
}

function add(event) {
  const box = canvas.getBoundingClientRect();
  const x = Math.round((event.clientX - box.left) / box.width * SIDE);
  const y = Math.round((event.clientY - box.top) / box.height * SIDE);
  const [xs, ys] = current, last = xs.length - 1;
  if (last >= 0 && Math.hypot(x - xs[last], y - ys[last]) < NEAREST) return;
  xs.push(x);
  ys.push(y);
}

canvas.addEventListener('pointerdown', event => {
  if (pointer !== null || event.button !== 0) return; // one pointer draws; a second finger or another button does not
  event.preventDefault();
  canvas.setPointerCapture(event.pointerId);
  pointer = event.pointerId;
  past.push(strokes);
  current = [[], []];
  add(event);
  strokes = [...strokes, current];
  refresh();
});

canvas.addEventListener('pointermove', event => {
  if (event.pointerId !== pointer) return;
  const parts = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
  for (const part of parts.length ? parts : [event]) add(part);
  paint();
  if (timer === null) sendIn(WHILE_DRAWING_MS); // a steady beat while the line grows
});

function lift(event) {
  if (event.pointerId !== pointer) return;
  pointer = current = null;
  sendIn(AFTER_STROKE_MS);
}
canvas.addEventListener('pointerup', lift);
canvas.addEventListener('pointercancel', lift);
canvas.addEventListener('lostpointercapture', lift);

function undo() {
  if (!past.length || pointer !== null) return;
  strokes = past.pop();
  refresh();
  sendIn(AFTER_STROKE_MS);
}

function clear() {
  if (!strokes.length || pointer !== null) return;
  past.push(strokes);
  strokes = [];
  refresh();
  sendIn(AFTER_STROKE_MS);
}

undoButton.addEventListener('click', undo);
clearButton.addEventListener('click', clear);
document.addEventListener('keydown', event => {
  if ((event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === 'z') {
    event.preventDefault();
    undo();
  }
});

new ResizeObserver(() => {
  const side = Math.max(1, Math.round(canvas.clientWidth * (window.devicePixelRatio || 1)));
  if (canvas.width !== side) {
    canvas.width = canvas.height = side;
    paint();
  }
}).observe(canvas);
