// What came of a question: pictures, a hint, or a sentence about what is the matter.
const hint = part('.hint'), trouble = part('.trouble'), news = part('.news'), likeness = part('.like');

function say(found) {
  results = found.answer?.results ?? [];
  showTiles(results);
  hint.textContent = found.hint ?? (found.answer && !results.length ? nothingFound() : '');
  hint.hidden = !hint.textContent;
  trouble.hidden = !found.trouble;
  trouble.querySelector('p').textContent = found.trouble ?? '';
  news.textContent = results.length ? newsOf(found.answer) : '';
  if (found.answer && found.answer.gallery_version !== gallery?.gallery_version) learnt = learn(); // a newer version
}

function newsOf({ results, timings_ms }) {
  const count = results.length === 1 ? '1 picture' : `${results.length} pictures`;
  return `${count}, best first · ${Math.round(timings_ms.total)} ms`;
}

function nothingFound() {
  if (settings.min_confidence) return `No picture is ${percent(settings.min_confidence)} sure. Lower the confidence to see more.`;
  return settings.like ? 'The gallery has no other pictures.' : 'This gallery has no pictures yet.';
}

function showLike({ like, gallery }) {
  likeness.hidden = !like;
  if (!like) return;
  const name = history.state?.name;
  likeness.querySelector('p').textContent = name ? `Pictures like this one: ${name}` : 'Pictures like this one';
  const image = `/v1/images/${encodeURIComponent(like)}${gallery ? `?gallery=${encodeURIComponent(gallery)}` : ''}`;
  const picture = likeness.querySelector('img');
  if (picture.getAttribute('src') !== image) picture.src = image;
}

function showAbout(gallery) { // the line under the page
  const about = document.querySelector('#foot .about');
  about.textContent = gallery ? `${gallery.pictures.toLocaleString('en')} pictures · gallery “${gallery.gallery}”` : '';
  about.title = gallery ? `version ${gallery.gallery_version} · ${gallery.model}` : '';
}
