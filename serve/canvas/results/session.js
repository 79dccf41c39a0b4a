// Who is signed in, and the ways in and out. Where no key is needed, nothing of it shows.
function leaveForSignIn() { // and come back: options wait in the address, the pad keeps the drawing
  location.assign(`/signin?${new URLSearchParams({ next: location.pathname + location.search })}`);
}

async function showSession() {
  const { answer } = await call('/v1/session');
  if (!answer?.required || !answer.signed_in) return;
  const leave = make('button', { type: 'button' }, 'Sign out');
  leave.addEventListener('click', async () => {
    await fetch('/v1/session', { method: 'DELETE' });
    leaveForSignIn();
  });
  document.querySelector('#foot .who').replaceChildren(`Signed in as ${answer.name} · `, leave);
}
