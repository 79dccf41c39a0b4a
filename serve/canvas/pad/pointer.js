// Mouse, pen and finger. One pointer draws; a second finger does not, and a palm gives way to the pen.
const PALM_MS = 1000; // a touch so soon after the pen was near is the hand that holds it
const ERASER_END = 32; // of a pen, in `buttons`
let penSeen = -Infinity;

function pointOf(event) {
  const box = canvas.getBoundingClientRect();
  return [tenth((event.clientX - box.left) / box.width * SIDE), tenth((event.clientY - box.top) / box.height * SIDE)];
}

canvas.addEventListener('pointerdown', event => {
  const { pointerId, pointerType, button, buttons, timeStamp } = event, flipped = (buttons & ERASER_END) !== 0;
  if (button !== 0 && !flipped) return;
  event.preventDefault();
  if (pointerType === 'pen') penSeen = timeStamp;
  if (pointerType === 'touch' && timeStamp - penSeen < PALM_MS) return;
  if (gesture && pointerType === 'pen' && gesture.by.pointerType === 'touch') abandon();
  if (gesture) return;
  canvas.focus({ preventScroll: true });
  sheet.classList.remove('keyed'); // no frame around the pad for those who only draw
  canvas.setPointerCapture(pointerId);
  begin(pointOf(event), flipped ? 'eraser' : tool, { pointerId, pointerType });
  showRing(pointOf(event), gesture.tool === 'eraser');
});

canvas.addEventListener('pointermove', event => {
  if (event.pointerType === 'pen') penSeen = event.timeStamp;
  if (!gesture && event.pointerType !== 'touch') showRing(pointOf(event), tool === 'eraser');
  if (event.pointerId !== gesture?.by.pointerId) return;
  const parts = event.getCoalescedEvents?.() ?? []; // all that moved since the last frame
  for (const part of parts.length ? parts : [event]) extend(pointOf(part));
  showRing(pointOf(event), gesture.tool === 'eraser');
});

canvas.addEventListener('pointerup', event => {
  if (event.pointerId !== gesture?.by.pointerId) return;
  extend(pointOf(event), 0.1);
  finish();
});

for (const end of ['pointercancel', 'lostpointercapture'])
  canvas.addEventListener(end, event => {
    if (event.pointerId === gesture?.by.pointerId) finish();
  });

canvas.addEventListener('pointerleave', () => {
  if (!gesture) hideRing();
});
