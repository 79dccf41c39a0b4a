// The keyboard: Ctrl with Z or Y anywhere on the page; single letters, and drawing itself, while the pad has the focus.
const STRIDE = 20, SMALL_STRIDE = 4; // of an arrow key; with Shift
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const LETTERS = {
  p: () => choose('pen'), e: () => choose('eraser'), u: () => chooser.click(),
  '[': () => widen(-1), ']': () => widen(1), Delete: clear,
};
let spot = [SIDE / 2, SIDE / 2]; // where the keyboard's pen is

function isElsewhere(target) { // in a field with an undo and a clipboard of its own, or in a dialog over the pad
  return Boolean(target.closest?.('input:not([type=range], [type=checkbox], [type=radio], [type=file]), textarea, [contenteditable]'))
    || Boolean(document.querySelector('dialog[open]'));
}

document.addEventListener('keydown', () => sheet.classList.add('keyed'), true);

document.addEventListener('keydown', event => {
  if (!(event.ctrlKey || event.metaKey) || event.altKey || isElsewhere(event.target)) return;
  const key = event.key.toLowerCase();
  if (key !== 'z' && key !== 'y') return;
  event.preventDefault();
  if (key === 'y' || event.shiftKey) redo();
  else undo();
});

element.addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const command = LETTERS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!command) return;
  event.preventDefault();
  if (!gesture) command();
});

canvas.addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const byKeys = gesture?.by.keyboard, arrow = ARROWS[event.key];
  if (gesture && !byKeys) return;
  if (arrow) {
    const stride = event.shiftKey ? SMALL_STRIDE : STRIDE;
    spot = spot.map((value, axis) => Math.min(SIDE, Math.max(0, value + stride * arrow[axis])));
    if (byKeys) extend(spot);
  } else if (event.key === ' ' || event.key === 'Enter') {
    if (event.repeat) return event.preventDefault();
    if (byKeys) finish();
    else begin(spot, tool, { keyboard: true });
  } else if (event.key === 'Escape' && byKeys) finish();
  else return;
  event.preventDefault();
  showRing(spot);
  ring.classList.toggle('down', Boolean(gesture));
});

canvas.addEventListener('blur', () => {
  if (gesture?.by.keyboard) finish();
  ring.classList.remove('down');
  hideRing();
});
