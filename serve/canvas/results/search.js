// Which question is asked now. One search at a time, so that pictures keep coming on a slow line; of the questions that wait
// only the newest goes on, and an older answer never replaces a newer one.
const HINT = 'Draw something, and pictures that look like it appear here.';
let drawing = { strokes: [], picture: null };
let settings = readSettings();
let galleries = [], gallery = null; // what /v1/galleries says, and the one of them that is searched
let asked = 0, shown = 0, searching = null, results = [];
let learnt = learn();

async function learn() {
  const { answer } = await call('/v1/galleries');
  galleries = answer?.galleries ?? galleries;
  gallery = galleries.find(one => one.gallery === settings.gallery) ?? galleries.find(one => one.default) ?? null;
  settings = fitting(settings);
  if (gallery) writeSettings(settings);
  showOptions(settings, galleries, gallery);
  showAbout(gallery);
}

// A link may name what the gallery cannot do, or can no more.
function fitting(wish) {
  if (!gallery) return wish;
  return {
    ...wish,
    gallery: gallery.default ? USUAL.gallery : gallery.gallery,
    ranking: gallery.rankings.includes(wish.ranking) ? wish.ranking : USUAL.ranking,
    min_confidence: gallery.calibrated ? wish.min_confidence : USUAL.min_confidence,
  };
}

async function refresh() {
  const mine = ++asked;
  element.setAttribute('aria-busy', true);
  await learnt;
  if (mine !== asked) return;
  showLike(settings);
  const body = queryOf(drawing, settings);
  if (!body) {
    shown = mine;
    element.setAttribute('aria-busy', false);
    return say({ hint: HINT });
  }
  while (searching) {
    await searching;
    if (mine !== asked) return;
  }
  searching = call('/v1/search', { body, wanted: () => mine === asked });
  const found = await searching;
  searching = null;
  if (mine === asked) element.setAttribute('aria-busy', false);
  if (mine < shown || (found.trouble && mine !== asked)) return; // cleared meanwhile, or a newer question goes on
  shown = mine;
  say(found);
}
