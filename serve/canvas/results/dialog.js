// One result, large: what is known about it, more like it, and why it was found. Escape closes; the focus returns to its tile.
const large = part('.large'), whyButton = large.querySelector('.why'), reason = large.querySelector('.reason');
let leafed = [], at = 0; // the results that the dialog leafs through, and where it is

function openLarge(results, index) {
  leafed = results;
  turnTo(index);
  large.showModal();
}

function turnTo(index) {
  const result = leafed[at = index];
  large.querySelector('h2').textContent = nameOf(result);
  const picture = large.querySelector('.picture');
  picture.src = result.image;
  picture.alt = `Picture: ${nameOf(result)}`;
  large.querySelector('dl').replaceChildren(...facts(result).flatMap(([name, value]) => [
    make('dt', {}, name), make('dd', {}, value)]));
  reason.replaceChildren();
  whyButton.setAttribute('aria-expanded', 'false');
  whyButton.hidden = !mayAskWhy();
  for (const [name, end] of [['previous', 0], ['next', leafed.length - 1]]) large.querySelector(`.${name}`).disabled = at === end;
}

function facts({ score, confidence, uri, label, metadata }) {
  const known = [['Score', score.toFixed(3)]];
  if (typeof confidence === 'number') known.push(['Confidence', percent(confidence)]);
  if (label) known.push(['Category', label]);
  known.push(['Source', sourceOf(uri)]);
  for (const [name, value] of Object.entries(metadata ?? {})) if (value !== null) known.push([name, `${value}`]);
  return known;
}

function sourceOf(uri) { // only what a browser can open safely is a link
  if (!/^https?:\/\//i.test(uri)) return uri;
  return make('a', { href: uri, target: '_blank', rel: 'noopener noreferrer' }, uri);
}

async function explain() {
  const result = leafed[at];
  if (whyButton.getAttribute('aria-expanded') === 'true') {
    whyButton.setAttribute('aria-expanded', 'false');
    return reason.replaceChildren();
  }
  whyButton.setAttribute('aria-expanded', 'true');
  reason.replaceChildren(make('p', {}, 'Comparing sketch and picture …'));
  const open = () => large.open && leafed[at] === result && whyButton.getAttribute('aria-expanded') === 'true';
  const { answer, trouble } = await askWhy(result, open);
  if (!open()) return;
  reason.replaceChildren(answer ? heatFigures(answer, result) : make('p', {}, trouble));
  reason.scrollIntoView({ block: 'nearest' });
}

function leaf(step) {
  if (at + step in leafed) turnTo(at + step);
}

large.querySelector('.close').addEventListener('click', () => large.close());
large.querySelector('.previous').addEventListener('click', () => leaf(-1));
large.querySelector('.next').addEventListener('click', () => leaf(1));
whyButton.addEventListener('click', explain);
large.addEventListener('click', event => { if (event.target === large) large.close(); }); // beside it, on the backdrop
large.addEventListener('keydown', event => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step) leaf(step);
});
large.addEventListener('close', () => tileOf(leafed[at].image)?.focus());
