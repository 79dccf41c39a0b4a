// Building and showing parts of the page. Text and attributes go through the DOM, which escapes them: labels, addresses and
// metadata are other people's words.
const part = name => element.querySelector(name);

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function percent(share) {
  return `${Math.round(share * 100)} %`;
}

function nameOf({ label, uri }) { // a picture without a label goes by its file's name
  const file = uri.split('#')[0].split('/').pop();
  return label || file.replace(/\.\w+$/, '').replaceAll('_', ' ') || 'untitled';
}
