// A picture of a sketch from a file: by the button, dropped anywhere on the page, or pasted. It never leaves the browser whole:
// its ink is put on the pad.
const LARGEST_FILE = 40 * 2 ** 20;
const chooser = part('input[type=file]');

async function load(file) {
  if (!file) return;
  if (file.size > LARGEST_FILE) return say(`This file is too large: ${LARGEST_FILE / 2 ** 20} MB are the most.`, true);
  let image;
  try {
    image = await createImageBitmap(file);
  } catch {
    return say('This file is not a picture that can be read here. Try a PNG, JPEG or WebP.', true);
  }
  const mask = maskOf(image);
  image.close();
  if (!mask) return say('There is no drawing in this picture: nothing stands out from its background.', true);
  if (gesture) finish();
  replace({ strokes: [], picture: { mask, rubs: [] } });
}

function pictureIn(files) { // a file that is no picture is tried too, so that one hears why not
  return [...files].find(file => file.type.startsWith('image/')) ?? files[0];
}

part('.upload').addEventListener('click', () => chooser.click());
chooser.addEventListener('change', () => {
  load(chooser.files[0]);
  chooser.value = ''; // the same file can be chosen again
});

const holdsFiles = event => event.dataTransfer?.types.includes('Files');
for (const [name, over] of [['dragover', true], ['dragleave', false], ['drop', false]])
  document.addEventListener(name, event => {
    if (!holdsFiles(event)) return;
    event.preventDefault(); // or the browser would leave the page for the file
    sheet.classList.toggle('awaiting', over);
    if (name === 'drop') load(pictureIn(event.dataTransfer.files));
  });

document.addEventListener('paste', event => {
  const files = event.clipboardData?.files ?? [];
  if (!files.length || isElsewhere(event.target)) return;
  event.preventDefault();
  load(pictureIn(files));
});
