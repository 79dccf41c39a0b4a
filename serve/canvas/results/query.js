// The body of a search: a form where the drawing is a picture, JSON where it is strokes or a picture of the gallery.
function queryOf(drawing, settings) {
  const { gallery, ranking, min_confidence, limit, like } = settings;
  const options = { limit, ranking };
  if (gallery) options.gallery = gallery;
  if (min_confidence) options.min_confidence = min_confidence;
  if (like) return { like, ...options };
  if (drawing.picture) return formOf(drawing.picture, options);
  return drawing.strokes.length ? { strokes: drawing.strokes, ...options } : null;
}

// The body of the question why a sketch found a picture; null where there is no sketch.
function whyOf({ strokes, picture }, { id }, { gallery, like }) {
  const options = gallery ? { id, gallery } : { id };
  if (like) return null;
  if (picture) return formOf(picture, options);
  return strokes.length ? { strokes, ...options } : null;
}

function formOf(picture, options) {
  const form = new FormData();
  form.append('file', blobOf(picture), 'sketch');
  for (const [name, value] of Object.entries(options)) form.append(name, value);
  return form;
}

function blobOf(dataUrl) { // not by fetch, which a strict content security policy refuses for data:
  const [head, data] = dataUrl.split(',', 2);
  const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
  return new Blob([bytes], { type: head.slice('data:'.length).split(';')[0] });
}
