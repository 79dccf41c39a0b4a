// Calls of the API, the same that everybody uses: tried again while that can help; what cannot be had becomes a sentence.
const TRIES = 3, PAUSE_MS = 1000, LONGEST_PAUSE_MS = 3000, TIMEOUT_MS = 20000, LOOK_MS = 50;
const PASSING = [429, 502, 503, 504];
const UNREACHABLE = 'The search cannot be reached just now. Your drawing is safe: please try again in a moment.';
const OFFLINE = 'This device is offline. Your drawing is safe: the search goes on when the network is back.';
const SIGNED_OUT = 'You are signed out. Sign in again, and the search goes on.';

// Returns {answer}, or {trouble, status} with a sentence; status 0 is a network that failed. `wanted` turns false when a
// newer question makes this one idle.
async function call(path, { body = null, wanted = () => true } = {}) {
  let failed = { trouble: UNREACHABLE, status: 0 };
  for (let attempt = 0; attempt < TRIES && wanted(); attempt++) {
    if (attempt) await pause(failed.after || PAUSE_MS, wanted);
    if (!wanted()) break;
    try {
      const response = await fetch(path, { ...request(body), signal: AbortSignal.timeout(TIMEOUT_MS) });
      const answer = await response.json();
      if (response.ok) return { answer };
      if (response.status === 401) leaveForSignIn();
      failed = { trouble: sentenceOf(response.status, answer), status: response.status, after: patience(response) };
      if (!PASSING.includes(response.status) || failed.after > LONGEST_PAUSE_MS) break;
    } catch {
      if (!navigator.onLine) return { trouble: OFFLINE, status: 0 }; // the browser tells when that is over
      failed = { trouble: UNREACHABLE, status: 0 };
    }
  }
  return failed;
}

function request(body) {
  if (body === null) return {};
  if (body instanceof FormData) return { method: 'POST', body };
  return { method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } };
}

function sentenceOf(status, { detail, request_id }) {
  if (status === 401) return SIGNED_OUT;
  if (typeof detail !== 'string') return UNREACHABLE;
  return status === 500 && request_id ? `${detail} (Request ${request_id}.)` : detail;
}

function patience(response) { // in ms; 0 where the server does not say
  return (Number(response.headers.get('Retry-After')) || 0) * 1000;
}

async function pause(ms, wanted) {
  for (const end = Date.now() + ms; Date.now() < end && wanted();) await new Promise(wake => setTimeout(wake, LOOK_MS));
}
