// The pictures found, as a grid. A picture that stays keeps its tile, so nothing flickers while one draws; one tile takes
// part in the Tab order, and the arrow keys go from there.
const list = part('.tiles');

function showTiles(results) {
  const held = list.contains(document.activeElement) ? document.activeElement : null;
  const kept = new Map([...list.children].map(tile => [tile.dataset.image, tile]));
  const wanted = new Set(results.map(result => result.image));
  for (const [image, tile] of kept) if (!wanted.has(image)) tile.remove();
  let place = list.firstElementChild;
  for (const result of results) {
    const tile = kept.get(result.image) ?? makeTile(result);
    fillTile(tile, result);
    if (tile === place) place = place.nextElementSibling;
    else list.insertBefore(tile, place);
  }
  list.hidden = !results.length;
  if (held) (held.isConnected ? held : buttons()[0])?.focus({ preventScroll: true }); // moving a node takes its focus away
  rove(list.contains(document.activeElement) ? document.activeElement : buttons()[0]);
}

function makeTile({ id, image, uri }) {
  const picture = make('img', { src: image, alt: '', loading: 'lazy', decoding: 'async', width: 160, height: 160 });
  const button = make('button', { type: 'button', tabindex: -1, 'aria-haspopup': 'dialog' },
    picture, make('span', { class: 'name' }), make('span', { class: 'score' }));
  return make('li', { class: 'tile', 'data-id': id, 'data-image': image, title: uri }, button);
}

function fillTile(tile, result) {
  const { score, confidence } = result;
  const sure = typeof confidence === 'number';
  tile.querySelector('.name').textContent = nameOf(result);
  const value = tile.querySelector('.score');
  value.textContent = sure ? percent(confidence) : score.toFixed(2);
  value.title = sure ? `confidence; score ${score.toFixed(3)}` : 'score; higher is better';
}

function buttons() {
  return [...list.querySelectorAll('button')];
}

function tileOf(image) {
  return [...list.children].find(tile => tile.dataset.image === image)?.querySelector('button') ?? buttons()[0];
}

function rove(chosen) {
  for (const button of buttons()) button.tabIndex = button === chosen ? 0 : -1;
}

list.addEventListener('focusin', event => rove(event.target));
list.addEventListener('keydown', event => {
  const all = buttons(), here = all.indexOf(event.target), top = all[0]?.offsetTop;
  const columns = all.filter(button => button.offsetTop === top).length;
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
  const ends = { Home: 0, End: all.length - 1 };
  const next = event.key in ends ? ends[event.key] : here + steps[event.key];
  if (here < 0 || !(next in all)) return;
  event.preventDefault();
  all[next].focus();
});
