// Sending. The pad's value is JSON { strokes: [[xs, ys], ...], picture: null or a data URL }: where a picture was uploaded,
// `picture` shows it together with the strokes, and is what to search with. How wide the pen was stays here.
const LINE = 14, SENT_PICTURE = 512, WHILE_DRAWING_MS = 250, AFTER_STROKE_MS = 40;
let timer = null, sent = valueOf(BLANK);

function valueOf({ strokes, picture }) {
  const seen = strokes.flatMap(onPad);
  return JSON.stringify({
    strokes: seen.map(({ xs, ys }) => [xs, ys]),
    picture: picture && flattened(seen, picture).toDataURL(),
  });
}

function flattened(strokes, picture) {
  const sheet = canvasOf(SENT_PICTURE, SENT_PICTURE), brush = sheet.getContext('2d');
  brush.fillStyle = '#fff';
  brush.fillRect(0, 0, SENT_PICTURE, SENT_PICTURE);
  brush.drawImage(tinted(picture, SENT_PICTURE, '#000'), 0, 0);
  trace(brush, strokes, '#000', LINE);
  return sheet;
}

function send() {
  timer = null;
  const value = valueOf(drawing);
  if (value === sent) return;
  sent = value;
  props.value = value;
  trigger('change');
}

function sendIn(delay) {
  clearTimeout(timer);
  timer = setTimeout(send, delay);
}

function sendOnTheBeat() { // while a line grows, steadily
  if (timer === null) sendIn(WHILE_DRAWING_MS);
}
