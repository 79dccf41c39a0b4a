// What the visitor does, and what follows from it.
const SLIDE_MS = 150;

let touched = false; // before that, a drawing is an earlier one that the pad brings back
for (const deed of ['pointerdown', 'keydown', 'drop', 'paste']) {
  window.addEventListener(deed, () => { touched = true; }, { capture: true, once: true });
}

document.addEventListener('sketchray:drawing', event => { // from the pad
  drawing = JSON.parse(event.detail);
  if (settings.like && touched) choose({ like: USUAL.like });
  refresh();
});

let sliding = null;
bar.addEventListener('input', () => { // while a slider moves, too
  clearTimeout(sliding);
  sliding = setTimeout(chooseOptions, SLIDE_MS);
});

function chooseOptions() {
  const chosen = readOptions();
  const moved = (gallery?.gallery ?? '') !== chosen.gallery;
  choose(moved ? { ...chosen, like: USUAL.like } : { ...chosen, gallery: settings.gallery }); // ids are of one gallery
  if (moved) learnt = learn();
  refresh();
}

function choose(change, step = {}) {
  settings = { ...settings, ...change };
  writeSettings(settings, step);
}

list.addEventListener('click', event => {
  const tile = event.target.closest('.tile');
  if (tile) openLarge(results, results.findIndex(result => result.image === tile.dataset.image));
});

large.querySelector('.more').addEventListener('click', () => {
  const result = leafed[at];
  large.close();
  choose({ like: result.id }, { step: true, name: nameOf(result) });
  refresh().then(() => likeness.querySelector('.back').focus());
});

likeness.querySelector('.back').addEventListener('click', () => {
  choose({ like: USUAL.like }, { step: true });
  refresh().then(() => tileOf()?.focus());
});

trouble.querySelector('.again').addEventListener('click', () => {
  learnt = learn();
  refresh();
});

window.addEventListener('online', () => { if (!trouble.hidden) refresh(); });
window.addEventListener('popstate', () => {
  settings = readSettings();
  learnt = learn();
  refresh();
});

async function askWhy(result, wanted) {
  return call('/v1/explain', { body: whyOf(drawing, result, settings), wanted });
}

function mayAskWhy() {
  return whyOf(drawing, leafed[at], settings) !== null;
}

showSession();
refresh();
