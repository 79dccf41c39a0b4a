// Painting. What does not change while a line grows waits on a canvas of its own, so that a full pad draws like an empty one.
const still = canvasOf(1, 1);
let stale = true, frame = null, shownInk = null;

function trace(brush, strokes, colour, width = null) {
  const { canvas } = brush;
  brush.setTransform(canvas.width / SIDE, 0, 0, canvas.height / SIDE, 0, 0);
  brush.lineCap = brush.lineJoin = 'round';
  brush.strokeStyle = colour;
  for (const { xs, ys, width: own } of strokes) {
    const last = xs.length - 1;
    brush.lineWidth = width ?? own;
    brush.beginPath();
    brush.moveTo(xs[0], ys[0]);
    for (let i = 1; i < last; i++) // smooth: through the middle between points, bent towards each point
      brush.quadraticCurveTo(xs[i], ys[i], (xs[i] + xs[i + 1]) / 2, (ys[i] + ys[i + 1]) / 2);
    brush.lineTo(xs[last] + (last ? 0 : 0.1), ys[last]); // a dot: lines without any length are not painted
    brush.stroke();
  }
}

function paint() {
  frame = null;
  const side = canvas.width, ink = getComputedStyle(canvas).color;
  const live = gesture?.tool === 'pen' ? [gesture.line] : [];
  if (stale || ink !== shownInk || still.width !== side) {
    [still.width, still.height, stale, shownInk] = [side, side, false, ink];
    const brush = still.getContext('2d');
    if (drawing.picture) brush.drawImage(tinted(drawing.picture, side, ink), 0, 0);
    trace(brush, drawing.strokes.filter(stroke => stroke !== live[0]), ink);
  }
  const pen = canvas.getContext('2d');
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.clearRect(0, 0, side, side);
  pen.drawImage(still, 0, 0);
  trace(pen, live, ink);
}

function repaint(everything = true) {
  stale ||= everything;
  frame ??= requestAnimationFrame(paint);
}

const watcher = new ResizeObserver(([{ devicePixelContentBoxSize: exact }]) => {
  const about = canvas.clientWidth * (window.devicePixelRatio || 1), told = exact?.[0].inlineSize;
  const side = Math.max(1, Math.abs(told - about) < 1 ? told : Math.round(about)); // an emulated screen tells nonsense
  if (canvas.width === side) return;
  canvas.width = canvas.height = side;
  paint();
});
try {
  watcher.observe(canvas, { box: 'device-pixel-content-box' }); // sharp at every zoom
} catch {
  watcher.observe(canvas); // a browser that cannot tell
}
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => setTimeout(repaint)); // the page turns first
