// From the pad's strokes to the results' HTML, by the same API that everybody uses. Gradio calls this in the browser, so no
// event goes through its own server routes: nothing is kept between requests, and a failure is a sentence, not a reload.
async (drawing) => {
  const UNCHANGED = { __type__: 'update' };
  const SHOWN = 24, TRIES = 3, PAUSE_MS = 1500, TIMEOUT_MS = 20000;
  const UNREACHABLE = 'The search cannot be reached just now. Your drawing is safe: please try again in a moment.';

  const strokes = JSON.parse(drawing || '[]');
  const desk = window.sketchray ??= { asked: 0, shown: 0, searching: null };
  const mine = ++desk.asked;
  if (!strokes.length) {
    desk.shown = mine;
    return sentence('Draw something, and pictures that look like it appear here.', 'hint');
  }
  // One search at a time, so that pictures keep coming on a slow line; of the drawings that wait, only the newest goes on.
  while (desk.searching) {
    await desk.searching;
    if (mine !== desk.asked) return UNCHANGED;
  }
  desk.searching = search();
  const found = await desk.searching;
  desk.searching = null;
  if (mine < desk.shown) return UNCHANGED; // cleared meanwhile
  desk.shown = mine;
  return found;

  async function search() {
    let trouble = UNREACHABLE;
    for (let attempt = 0; attempt < TRIES && mine === desk.asked; attempt++) {
      if (attempt) await new Promise(resolve => setTimeout(resolve, PAUSE_MS));
      try {
        const response = await fetch('/v1/search', {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify({ strokes, limit: SHOWN }),
          signal: AbortSignal.timeout(TIMEOUT_MS),
        });
        const answer = await response.json();
        if (response.ok) return tiles(answer.results);
        trouble = answer.detail;
        if (response.status < 500) break;
      } catch {
        trouble = UNREACHABLE;
      }
    }
    return sentence(trouble, 'trouble');
  }

  // Text and attributes go through the DOM, which escapes them; only then is there any HTML.
  function make(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  }

  function sentence(text, kind) {
    return make('p', { class: kind, role: 'status' }, text).outerHTML;
  }

  function tiles(results) {
    if (!results.length) return sentence('This gallery has no pictures yet.', 'hint');
    return make('ol', { class: 'tiles', 'aria-label': 'Pictures, best first' }, ...results.map(tile)).outerHTML;
  }

  function tile({ id, uri, label, image, score }) {
    const name = label || nameOf(uri);
    return make('li', { class: 'tile', 'data-id': id, title: uri },
      make('img', { src: image, alt: name, loading: 'lazy', decoding: 'async', width: 160, height: 160 }),
      make('span', { class: 'name' }, name),
      make('span', { class: 'score', title: 'similarity' }, score.toFixed(2)));
  }

  function nameOf(uri) { // a picture without a label goes by its file's name
    const file = uri.split('#')[0].split('/').pop();
    return file.replace(/\.\w+$/, '').replaceAll('_', ' ') || 'untitled';
  }
}
