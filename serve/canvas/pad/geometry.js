// Cutting strokes: what an eraser leaves of them, and what of them lies on the pad.
const CRUMB = 4; // pieces shorter than this are nobody's drawing

// Returns what is left of a stroke when an eraser of this radius, seen from above a disc, goes straight from a to b. It takes
// all ink that it touches. A stroke that it does not touch comes back as the same object.
function erased(stroke, a, b, radius) {
  const reach = radius + stroke.width / 2;
  return pieces(stroke, (p, q) => {
    const gone = covered(p, q, a, b, reach);
    return gone ? [[0, gone[0]], [gone[1], 1]] : [[0, 1]];
  });
}

// Returns what of a stroke lies on the pad: a line may leave it and come back.
function onPad(stroke) {
  return pieces(stroke, (p, q) => {
    const seen = overlap(between(p[0], q[0] - p[0], 0, SIDE), between(p[1], q[1] - p[1], 0, SIDE));
    return [overlap(seen, [0, 1])].filter(Boolean);
  });
}

// Cuts a stroke along its segments; shown(p, q) gives the parts [t, u] of the way from p to q that stay.
function pieces(stroke, shown) {
  const { xs, ys, width } = stroke, found = [];
  let piece = null, whole = true;
  if (xs.length === 1) return shown([xs[0], ys[0]], [xs[0], ys[0]]).some(([t, u]) => t < u) ? [stroke] : [];
  for (let i = 1; i < xs.length; i++) {
    const p = [xs[i - 1], ys[i - 1]], q = [xs[i], ys[i]];
    const parts = shown(p, q).filter(([t, u]) => t < u);
    if (parts.length !== 1 || parts[0][0] > 0 || parts[0][1] < 1) whole = false;
    if (!parts.length) piece = null;
    for (const [t, u] of parts) {
      if (t > 0 || !piece) found.push(piece = { xs: [], ys: [], width }), put(piece, p, q, t);
      put(piece, p, q, u);
      if (u < 1) piece = null;
    }
  }
  return whole ? [stroke] : found.filter(left => lengthOf(left) >= CRUMB);
}

function put({ xs, ys }, p, q, t) {
  xs.push(tenth(p[0] + t * (q[0] - p[0])));
  ys.push(tenth(p[1] + t * (q[1] - p[1])));
}

function tenth(value) {
  return Math.round(value * 10) / 10;
}

function lengthOf({ xs, ys }) {
  return xs.slice(1).reduce((sum, x, i) => sum + Math.hypot(x - xs[i], ys[i + 1] - ys[i]), 0);
}

// The part [t, u] of the way from p to q within reach of the segment from a to b, or null. The points within reach are convex
// (two discs and the band between them), so it is one part.
function covered(p, q, a, b, reach) {
  for (const axis of [0, 1]) {
    if (Math.min(p[axis], q[axis]) > Math.max(a[axis], b[axis]) + reach) return null;
    if (Math.max(p[axis], q[axis]) < Math.min(a[axis], b[axis]) - reach) return null;
  }
  const parts = [inDisc(p, q, a, reach), inDisc(p, q, b, reach), inBand(p, q, a, b, reach)]
    .map(part => overlap(part, [0, 1])).filter(Boolean);
  return parts.length ? [Math.min(...parts.map(part => part[0])), Math.max(...parts.map(part => part[1]))] : null;
}

function inDisc(p, q, centre, radius) { // where |p + t (q - p) - centre| < radius
  const dx = q[0] - p[0], dy = q[1] - p[1], x = p[0] - centre[0], y = p[1] - centre[1];
  const square = dx * dx + dy * dy, half = dx * x + dy * y, rest = x * x + y * y - radius * radius;
  if (square === 0) return rest < 0 ? [0, 1] : null;
  const root = half * half - square * rest;
  return root > 0 ? [(-half - Math.sqrt(root)) / square, (-half + Math.sqrt(root)) / square] : null;
}

function inBand(p, q, a, b, reach) { // where it is beside the segment, no further off than reach
  const length = Math.hypot(b[0] - a[0], b[1] - a[1]);
  if (length === 0) return null;
  const [ux, uy] = [(b[0] - a[0]) / length, (b[1] - a[1]) / length];
  const dx = q[0] - p[0], dy = q[1] - p[1], x = p[0] - a[0], y = p[1] - a[1];
  return overlap(between(x * ux + y * uy, dx * ux + dy * uy, 0, length),
    between(x * uy - y * ux, dx * uy - dy * ux, -reach, reach));
}

function between(start, slope, low, high) { // where low <= start + t slope <= high
  if (slope === 0) return start >= low && start <= high ? [-Infinity, Infinity] : null;
  const ends = [(low - start) / slope, (high - start) / slope];
  return slope > 0 ? ends : ends.reverse();
}

function overlap(one, other) {
  if (!one || !other) return null;
  const both = [Math.max(one[0], other[0]), Math.min(one[1], other[1])];
  return both[0] < both[1] ? both : null;
}
