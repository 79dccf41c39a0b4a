// The bar of options. Only what the gallery can do is offered: its rankings, and confidence where it is calibrated.
const RANKINGS = {
  nearest: ['Nearest', 'Every picture by its own likeness to the sketch'],
  cluster: ['Clusters', 'Groups of alike pictures, the nearest group first'],
  mixture: ['Mixture', 'A sketch may match several kinds of picture at once'],
  manifold: ['Manifold', 'Pictures that are like those that are like the sketch'],
};
const bar = part('.options');
const slider = bar.elements.min_confidence;

// `galleries` are all that there are, `gallery` the chosen one; null while none is known.
function showOptions(settings, galleries, gallery) {
  fillSelect(bar.elements.gallery, galleries.map(one => one.gallery), gallery?.gallery ?? '');
  bar.querySelector('.gallery').hidden = galleries.length < 2;
  const rankings = gallery?.rankings ?? [];
  bar.querySelector('.rankings').replaceChildren(...rankings.map(name => rankingSwitch(name, name === settings.ranking)));
  bar.querySelector('.ranking').hidden = rankings.length < 2;
  bar.querySelector('.confidence').hidden = !gallery?.calibrated;
  bar.querySelector('.confidence').title = gallery?.calibration_note ?? '';
  slider.value = settings.min_confidence;
  sayConfidence();
  fillSelect(bar.elements.limit, COUNTS, settings.limit);
}

function fillSelect(select, values, chosen) {
  if (select.options.length === values.length && values.every((value, i) => select.options[i].value === `${value}`)) {
    select.value = chosen;
    return; // untouched while the visitor may have it open
  }
  select.replaceChildren(...values.map(value => make('option', { value }, `${value}`)));
  select.value = chosen;
}

function rankingSwitch(name, chosen) {
  const [title, why] = RANKINGS[name] ?? [name, ''];
  const radio = make('input', { type: 'radio', name: 'ranking', value: name });
  radio.checked = chosen;
  return make('label', { title: why }, radio, make('span', {}, title));
}

function sayConfidence() {
  const value = Number(slider.value);
  bar.querySelector('output').textContent = value ? percent(value) : 'any';
  slider.setAttribute('aria-valuetext', value ? `at least ${percent(value)}` : 'any');
}

function readOptions() {
  return {
    gallery: bar.elements.gallery.value, // empty where none is known
    ranking: bar.querySelector('input[name=ranking]:checked')?.value ?? USUAL.ranking,
    min_confidence: Number(slider.value),
    limit: Number(bar.elements.limit.value),
  };
}

slider.addEventListener('input', sayConfidence);
bar.addEventListener('submit', event => event.preventDefault());
