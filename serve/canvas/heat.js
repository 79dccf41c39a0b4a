// "Why this?": two pictures under a veil that is the brighter the more a place had to do with the match. Colours from dark
// blue to yellow (cividis: Nuñez, Anderton and Renslow 2018), which people of every colour vision tell apart by lightness.
const CIVIDIS = [[0, 32, 77], [65, 77, 107], [124, 123, 120], [188, 175, 111], [255, 234, 70]];
const VEIL = 0.66; // opacity
const ROWS = ['top', 'middle', 'bottom'], COLUMNS = ['left', 'centre', 'right'];

// Returns what to show for an answer of /v1/explain about one result.
function heatFigures(answer, result) {
  const note = answer.exact ? '' : ' The parts are an estimate: this encoder looks at a picture as a whole.';
  return make('div', { class: 'heat' },
    figureOf('Your drawing, as the search sees it', answer.raster, answer.sketch),
    figureOf(nameOf(result), result.image, answer.picture),
    make('p', { class: 'scale' }, 'matched less ', make('i', { class: 'ramp', 'aria-hidden': 'true' }), ' matched more'),
    make('p', {}, `Where the two are alike, for a similarity of ${answer.score.toFixed(3)}.${note}`));
}

function figureOf(caption, source, shares) {
  const matched = Math.max(...shares.flat()) > 0;
  const words = `Heat map of ${caption}: ${matched ? `the match is strongest at the ${strongest(shares)}` : 'no place matches'}.`;
  const picture = make('img', { src: source, alt: '' });
  return make('figure', {}, make('div', { class: 'seen', role: 'img', 'aria-label': words }, picture, veilOf(shares)),
    make('figcaption', {}, caption));
}

function veilOf(shares) { // a pixel a place: the browser makes it large and smooth
  const rows = shares.length, columns = shares[0].length, veil = make('canvas', { width: columns, height: rows });
  const pen = veil.getContext('2d'), pixels = pen.createImageData(columns, rows);
  const most = Math.max(...shares.flat());
  shares.flat().forEach((share, place) => { // a place that speaks against the match is as dark as one without a part
    const colour = colourOf(most > 0 ? Math.max(share, 0) / most : 0);
    pixels.data.set([...colour, 255 * VEIL], 4 * place);
  });
  pen.putImageData(pixels, 0, 0);
  return veil;
}

function colourOf(heat) { // of 0 to 1
  const at = heat * (CIVIDIS.length - 1), low = Math.min(Math.floor(at), CIVIDIS.length - 2);
  return CIVIDIS[low].map((value, channel) => value + (at - low) * (CIVIDIS[low + 1][channel] - value));
}

function strongest(shares) {
  const flat = shares.flat(), place = flat.indexOf(Math.max(...flat)), columns = shares[0].length;
  const third = (index, count) => Math.min(2, Math.floor((index + 0.5) / count * 3));
  const row = ROWS[third(Math.floor(place / columns), shares.length)], column = COLUMNS[third(place % columns, columns)];
  return row === 'middle' ? column : `${row} ${column}`;
}
