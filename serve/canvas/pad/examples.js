// The example sketches, small, as buttons. They come with the page: props.examples is [[name, strokes], ...].
const SVG = 'http://www.w3.org/2000/svg', THUMBNAIL_LINE = 26;

function thumbnailOf(strokes) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', `0 0 ${SIDE} ${SIDE}`);
  svg.setAttribute('aria-hidden', 'true');
  for (const [xs, ys] of strokes) {
    const line = document.createElementNS(SVG, 'polyline');
    line.setAttribute('points', xs.map((x, i) => `${x},${ys[i]}`).join(' '));
    line.setAttribute('stroke-width', THUMBNAIL_LINE);
    svg.append(line);
  }
  return svg;
}

for (const [name, strokes] of props.examples) {
  const button = Object.assign(document.createElement('button'), { type: 'button', title: `Start from the example: ${name}` });
  button.setAttribute('aria-label', `Start from the example: ${name}`);
  button.append(thumbnailOf(strokes));
  button.addEventListener('click', () => {
    if (!gesture) replace({ strokes: strokes.map(([xs, ys]) => ({ xs, ys, width: LINE })), picture: null });
  });
  part('.examples').append(button);
}
