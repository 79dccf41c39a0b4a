// What the visitor chose, kept in the page's address: a link opens the same search again, and Back leaves "more like this".
const COUNTS = [12, 24, 48, 96, 192];
const USUAL = { gallery: '', ranking: 'nearest', min_confidence: 0, limit: 24, like: '' };

function readSettings() {
  const query = new URLSearchParams(location.search);
  const sure = Number(query.get('min_confidence')), limit = Number(query.get('limit'));
  return {
    gallery: query.get('gallery') || USUAL.gallery,
    ranking: query.get('ranking') || USUAL.ranking,
    min_confidence: sure > 0 && sure < 1 ? sure : USUAL.min_confidence,
    limit: COUNTS.includes(limit) ? limit : USUAL.limit,
    like: query.get('like') || USUAL.like,
  };
}

// `step` is a step that Back undoes; `name` is of the picture in `like`, for the way back.
function writeSettings(settings, { step = false, name = '' } = {}) {
  const address = new URL(location.href);
  for (const [key, value] of Object.entries(settings)) {
    if (value === USUAL[key]) address.searchParams.delete(key);
    else address.searchParams.set(key, value);
  }
  if (step) history.pushState({ ...history.state, name }, '', address);
  else history.replaceState(history.state, '', address);
}
