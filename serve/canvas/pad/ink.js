// Finding the ink in a picture of unknown make: sketchray/data/ink.py, which see, in the browser. A test compares the two.
const LEAST_CONTRAST = 0.08, NOISE = 6, PLAIN = 50, FIT = 96;

// Returns how much ink there is at each pixel, 0 to 1, or null if nothing stands out.
function inkOf({ data, width, height }) {
  const count = width * height;
  const alpha = Float32Array.from({ length: count }, (_, i) => data[4 * i + 3] / 255);
  const light = Float32Array.from({ length: count }, (_, i) =>
    (0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2]) / 255);
  if (alpha.some(value => value < 0.5)) {
    const densest = alpha.reduce((most, value) => Math.max(most, value), 0);
    if (densest < LEAST_CONTRAST) return null;
    const visible = light.filter((_, i) => alpha[i] > 0.5 * densest).sort();
    const spread = quantile(visible, 0.95) - quantile(visible, 0.05);
    if (255 * spread < PLAIN) return alpha.map(value => value / densest); // one colour on nothing: the shape is the ink
  }
  const grey = softened(light.map((value, i) => 1 + alpha[i] * (value - 1)), width, height);
  const ground = groundOf(grey, width, height);
  let change = grey.map((value, i) => ground[i] - value);
  const [least, most] = change.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [0, 0]);
  if (-least > most) change = change.map(value => -value); // what stands out is lighter than the ground
  const contrast = Math.max(-least, most);
  const noise = 1.4826 * quantile(change.map(Math.abs).sort(), 0.5);
  if (contrast < Math.max(LEAST_CONTRAST, NOISE * noise)) return null;
  const floor = Math.min(NOISE * noise, 0.5 * contrast);
  return change.map(value => Math.min(1, Math.max(0, (value - 0.5 * floor) / (0.75 * contrast))));
}

function quantile(sorted, share) {
  return sorted[Math.round(share * (sorted.length - 1))];
}

// A large picture without a camera's single odd pixels: weights 1 2 1 each way, which is a blur of 0.7 pixels.
function softened(grey, width, height) {
  if (Math.min(width, height) < 128) return grey;
  const across = grey.map((value, i) => (grey[i % width ? i - 1 : i] + 2 * value + grey[(i + 1) % width ? i + 1 : i]) / 4);
  return across.map((value, i) => (across[i < width ? i : i - width] + 2 * value + (across[i + width] ?? value)) / 4);
}

// The ground's light as a quadratic surface: fitted to the border first, then to all that agrees with the fit.
function groundOf(grey, width, height) {
  const place = (i, side) => side > 1 ? 2 * i / (side - 1) - 1 : -1;
  const terms = (x, y) => [1, x, y, x * x, x * y, y * y];
  const surface = (weights, x, y) => terms(x, y).reduce((sum, term, k) => sum + term * weights[k], 0);
  const stride = Math.max(1, Math.floor(Math.max(width, height) / FIT)), samples = [];
  for (let row = 0; row < height; row += stride)
    for (let column = 0; column < width; column += stride)
      samples.push([place(column, width), place(row, height), grey[row * width + column]]);
  const border = samples.filter(([x, y]) => Math.max(Math.abs(x), Math.abs(y)) > 0.9).map(([, , light]) => light);
  let weights = [quantile(Float32Array.from(border).sort(), 0.5), 0, 0, 0, 0, 0];
  for (const tolerance of [0.25, 0.15, 0.1]) {
    const agree = samples.filter(([x, y, light]) => Math.abs(light - surface(weights, x, y)) < tolerance);
    if (agree.length < 0.05 * samples.length) break;
    weights = leastSquares(agree.map(([x, y]) => terms(x, y)), agree.map(([, , light]) => light));
  }
  return Float32Array.from(grey, (_, i) => surface(weights, place(i % width, width), place(Math.floor(i / width), height)));
}

// Solves for the weights of the terms by the normal equations; the little on the diagonal decides where the samples do not.
function leastSquares(rows, values) {
  const size = rows[0].length;
  const table = Array.from({ length: size }, (_, i) => [
    ...Array.from({ length: size }, (_, j) => rows.reduce((sum, row) => sum + row[i] * row[j], i === j ? 1e-9 * rows.length : 0)),
    rows.reduce((sum, row, n) => sum + row[i] * values[n], 0),
  ]);
  for (let i = 0; i < size; i++)
    for (let k = 0; k < size; k++) {
      const factor = table[k][i] / table[i][i];
      if (k !== i) for (let j = i; j <= size; j++) table[k][j] -= factor * table[i][j];
    }
  return table.map((row, i) => row[size] / row[i]);
}
