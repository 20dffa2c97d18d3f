// While the studio does not answer: one line says so, nothing is sent, and what was said of the case
// on screen outlasts the reload by which Gradio comes back. So does what was said a moment before any
// reload, which may not have left the page. The tab keeps it only in between.
(() => {
  const KEPT = 'gem-studio-kept';
  const studio = (window.gemStudio = window.gemStudio || {});
  const ask = window.fetch;
  const MOMENT_MS = 3000; // on a busy machine words take their time
  let saidAt = -Infinity;
  let wasLost = false;
  let isLeaving = false; // requests that break off as the page goes say nothing about the studio

  function tell(isLost) {
    if (isLeaving) return;
    studio.isLost = isLost;
    wasLost = wasLost || isLost;
    const line = document.querySelector('#connection p');
    if (line) line.hidden = !isLost;
  }

  const rater = () => document.querySelector('.gs-facts')?.dataset.rater;

  function comeAgain() {
    wasLost = true;
    window.location.reload();
  }

  // Gradio asks for this name only after it lost the studio, and reloads the page at an answer.
  const isReconnecting = ([address]) => String(address.url ?? address).endsWith('/app_id');

  window.fetch = async (...request) => {
    if (isReconnecting(request)) tell(true);
    try {
      const answer = await ask(...request);
      if (!isReconnecting(request)) tell(false);
      if (answer.status === 401 && rater()) comeAgain(); // logged out: elsewhere, or by a restart
      return answer;
    } catch (error) {
      if (error.name !== 'AbortError') tell(true);
      throw error;
    }
  };

  function keep() {
    const choice = studio.choice?.();
    if (!choice?.case || !(wasLost || performance.now() - saidAt < MOMENT_MS)) return;
    const words = (name) => document.querySelector(`#label-${name} :is(textarea, input)`)?.value || '';
    const said = { rationale: words('rationale'), written: words('written') };
    const board = studio.order?.();
    if (board?.case === choice.case) said.order = board.order;
    if (!choice.choice && !choice.reasons.length && !Object.values(said).some(Boolean)) return;
    const kept = { rater: rater(), was_lost: wasLost, choice: { ...choice, sent_ms: Date.now() }, ...said };
    sessionStorage.setItem(KEPT, JSON.stringify(kept));
  }

  studio.takeKept = () => {
    const kept = sessionStorage.getItem(KEPT);
    sessionStorage.removeItem(KEPT);
    return JSON.parse(kept);
  };

  // A tab in the background asks so rarely that the studio may have been closed and opened unseen.
  const nameOfStudio = () =>
    ask(new URL('gradio_api/app_id', document.baseURI)).then((answer) => answer.text(), () => '');
  const name = nameOfStudio();

  async function lookAgain() {
    if (document.hidden) return;
    const [before, now] = [await name, await nameOfStudio()];
    if (before && now && before !== now) comeAgain();
  }

  function hear(event) {
    if (event.target.closest('#label-panel')) saidAt = performance.now();
  }

  for (const said of ['input', 'click']) document.addEventListener(said, hear, true);
  document.addEventListener('visibilitychange', lookAgain);
  window.addEventListener('beforeunload', () => { isLeaving = true; });
  window.addEventListener('pagehide', keep);
})();
