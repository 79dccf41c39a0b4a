// Finding the ink in a picture of unknown make: sketchray/data/ink.py, which see, in the browser. A test compares the two.
const LEAST_CONTRAST = 0.08, NOISE = 6, PLAIN = 50, FIT = 96;

// Returns how much ink there is at each pixel, 0 to 1, or null if nothing stands out.
function inkOf({ data, width, height }) {
  const alpha = new Float32Array(width * height), light = new Float32Array(width * height);
  for (let i = 0, k = 0; i < alpha.length; i++, k += 4) {
    alpha[i] = data[k + 3] / 255;
    light[i] = (0.299 * data[k] + 0.587 * data[k + 1] + 0.114 * data[k + 2]) / 255;
  }
  if (leastOf(alpha) < 0.5) {
    const densest = mostOf(alpha);
    if (densest < LEAST_CONTRAST) return null;
    const visible = light.filter((_, i) => alpha[i] > 0.5 * densest).sort();
    const spread = quantile(visible, 0.95) - quantile(visible, 0.05);
    if (255 * spread < PLAIN) return alpha.map(value => value / densest); // one colour on nothing: the shape is the ink
  }
  const grey = softened(light.map((value, i) => 1 + alpha[i] * (value - 1)), width, height);
  const ground = groundOf(grey, width, height);
  let change = grey.map((value, i) => ground[i] - value);
  if (-leastOf(change) > mostOf(change)) change = change.map(value => -value); // what stands out is lighter than the ground
  const contrast = mostOf(change);
  const noise = 1.4826 * quantile(change.map(Math.abs).sort(), 0.5);
  if (contrast < Math.max(LEAST_CONTRAST, NOISE * noise)) return null;
  const floor = Math.min(NOISE * noise, 0.5 * contrast);
  return change.map(value => Math.min(1, Math.max(0, (value - 0.5 * floor) / (0.75 * contrast))));
}

function leastOf(values) {
  return values.reduce((least, value) => Math.min(least, value), Infinity);
}

function mostOf(values) {
  return values.reduce((most, value) => Math.max(most, value), -Infinity);
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
  const stride = Math.max(1, Math.floor(Math.max(width, height) / FIT)), samples = [];
  for (let row = 0; row < height; row += stride)
    for (let column = 0; column < width; column += stride)
      samples.push([place(column, width), place(row, height), grey[row * width + column]]);
  const border = samples.filter(([x, y]) => Math.max(Math.abs(x), Math.abs(y)) > 0.9);
  let surface = [quantile(border.map(([, , light]) => light).sort((one, other) => one - other), 0.5), 0, 0, 0, 0, 0];
  for (const tolerance of [0.25, 0.15, 0.1]) {
    const agree = samples.filter(([x, y, light]) => Math.abs(light - heightOf(surface, x, y)) < tolerance);
    if (agree.length < 0.05 * samples.length) break;
    surface = fitted(agree);
  }
  return grey.map((_, i) => heightOf(surface, place(i % width, width), place(Math.floor(i / width), height)));
}

function place(i, side) { // -1 to 1
  return side > 1 ? 2 * i / (side - 1) - 1 : -1;
}

function heightOf([c, x1, y1, x2, xy, y2], x, y) {
  return c + x * (x1 + x2 * x + xy * y) + y * (y1 + y2 * y);
}

// Least squares by the normal equations; the little on the diagonal decides where the samples do not.
function fitted(samples) {
  const table = Array.from({ length: 6 }, (_, i) => Array.from({ length: 7 }, (_, j) => i === j ? 1e-9 * samples.length : 0));
  for (const [x, y, light] of samples) {
    const row = [1, x, y, x * x, x * y, y * y, light];
    for (let i = 0; i < 6; i++) for (let j = 0; j < 7; j++) table[i][j] += row[i] * row[j];
  }
  for (let i = 0; i < 6; i++)
    for (let k = 0; k < 6; k++) {
      const factor = table[k][i] / table[i][i];
      if (k !== i) for (let j = i; j < 7; j++) table[k][j] -= factor * table[i][j];
    }
  return table.map((row, i) => row[6] / row[i]);
}
