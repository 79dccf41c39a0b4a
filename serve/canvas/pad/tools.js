// The buttons and the width under the pad, the ring that shows where the eraser is, and the line for messages.
const TOOLS = {
  pen: { min: 4, max: 40, step: 2, name: 'Pen width',
    title: 'Pen width ([ and ]). It changes only how the drawing looks to you: the search gives all lines the same width.' },
  eraser: { min: 20, max: 200, step: 10, name: 'Eraser width', title: 'Eraser width ([ and ])' },
};
const widths = { pen: 14, eraser: 60 };
let tool = 'pen';

function choose(name) {
  tool = name;
  const { min, max, step, name: label, title } = TOOLS[tool];
  for (const other of Object.keys(TOOLS)) part(`.${other}`).setAttribute('aria-pressed', other === tool);
  Object.assign(slider, { min, max, step, value: widths[tool] });
  slider.setAttribute('aria-label', label);
  part('.width').title = title;
  sheet.classList.toggle('erasing', tool === 'eraser');
  hideRing();
  showWidth();
}

function widen(steps) {
  slider[steps > 0 ? 'stepUp' : 'stepDown']();
  showWidth();
}

function showWidth() {
  widths[tool] = Number(slider.value);
  const { min, max } = TOOLS[tool];
  part('.sample').style.setProperty('--width', `${4 + 18 * (widths[tool] - min) / (max - min)}px`);
}

function refresh() {
  repaint();
  sheet.classList.toggle('drawn', !isBlank(drawing));
  for (const [name, idle] of [['undo', !past.length], ['redo', !future.length], ['clear', isBlank(drawing)]]) {
    const button = part(`.${name}`);
    if (idle && button === document.activeElement) canvas.focus({ preventScroll: true }); // a disabled button loses the keys
    button.disabled = idle;
  }
}

function say(text, trouble = false) {
  part('.notice').textContent = text;
  part('.notice').classList.toggle('trouble', trouble);
}

function showRing([x, y], shown = true) {
  ring.hidden = !shown;
  for (const [name, value] of [['left', x], ['top', y], ['width', widths[gesture?.tool ?? tool]]])
    ring.style[name] = `${100 * value / SIDE}%`;
}

function hideRing() {
  ring.hidden = true;
}

part('.pen').addEventListener('click', () => choose('pen'));
part('.eraser').addEventListener('click', () => choose('eraser'));
part('.undo').addEventListener('click', undo);
part('.redo').addEventListener('click', redo);
part('.clear').addEventListener('click', clear);
slider.addEventListener('input', showWidth);
choose('pen');
refresh();
