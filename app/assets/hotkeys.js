// Single keys for the visible buttons they name. Never chords; silent while somebody types.
(() => {
  const LABEL = {
    1: '#choice-left', 2: '#choice-right', 3: '#choice-tie', 4: '#choice-both_bad',
    5: '#choice-cannot_judge', a: '[data-acceptable][aria-pressed=false]',
    q: '#reason-0', w: '#reason-1', e: '#reason-2', r: '#reason-3',
    Enter: '#label-save,#order-save', Backspace: '#label-undo', s: '#label-skip',
    k: '#order-open,#order-close',
  };
  const ALWAYS = { g: '#label-guidelines .label-wrap', '?': '#keys-open' };
  const TYPING = 'input,textarea,select,[contenteditable],[role=textbox],[role=combobox],[role=slider]';
  const PRESSED_BY_KEY = 'button,a,[role=button],[role=tab],summary';
  const CHOSEN = '#label-choice [aria-pressed=true]';
  const CARD = '#label-order [data-grip]'; // its keys are the board's, but Enter saves
  const ANSWERED_BY_SERVER =
    '#label-save,#label-skip,#label-undo,#label-recent ol button,#order-open,#order-save,#order-close';
  // Then a lost answer no longer keeps the keys waiting. Long, because one that comes after all would
  // show what was on its way when it was asked.
  const LONGEST_ANSWER_MS = 60000;

  // A case's text and its buttons arrive one after the other, and the answer to "save" ends after
  // both; so does that to an opened tab, which would bring back a case that was judged meanwhile.
  // What is pressed in between waits, and counts only for the case whose text was on screen.
  const studio = (window.gemStudio = window.gemStudio || {});
  const waiting = [];
  let open = 0; // answers that are on their way
  let askedAt = -Infinity;
  const isLate = () => performance.now() - askedAt > LONGEST_ANSWER_MS;
  studio.ask = () => {
    open = isLate() ? 1 : open + 1;
    askedAt = performance.now();
  };
  studio.settle = () => { open = Math.max(0, open - 1); };

  const shownCase = () => document.querySelector('#label-case [data-pair]')?.dataset.pair;

  function isSettled() {
    if (open && !isLate()) return false;
    const shown = shownCase();
    return shown === undefined || shown === studio.caseId;
  }

  function whenSettled(act) {
    if (isSettled() && !waiting.length) return act();
    waiting.push({ act, shown: shownCase() });
    if (waiting.length === 1) requestAnimationFrame(goOn);
  }

  function goOn() {
    if (isSettled()) {
      const { act, shown } = waiting[0];
      if (shown === shownCase()) act();
      waiting.shift();
    }
    if (waiting.length) requestAnimationFrame(goOn);
  }

  // Clicks of a pointer wait as keys do. One answer at a time: a second click judges no unseen case.
  function guard(event) {
    const button = event.target.closest?.(`${ANSWERED_BY_SERVER},#label-choice button`);
    if (!button) return;
    if (studio.isLost && button.matches(ANSWERED_BY_SERVER)) {
      event.stopImmediatePropagation(); // the line over the page says why
    } else if (!isSettled() || (event.isTrusted && waiting.length)) { // no click overtakes a key
      event.stopImmediatePropagation();
      event.preventDefault();
      if (event.isTrusted) whenSettled(() => button.click());
    } else if (button.matches(ANSWERED_BY_SERVER)) {
      studio.ask();
    }
  }

  function visible(selector) {
    const isThere = (found) => found.offsetParent !== null && !found.disabled;
    return [...document.querySelectorAll(selector)].find(isThere) || null;
  }

  function press(event) {
    if (event.defaultPrevented || event.isComposing || event.repeat) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector('dialog[open]')) return;
    if (event.key === 'Escape' && event.target.closest(TYPING)) event.target.blur();
    if (event.target.closest(TYPING)) return;
    if ((event.key === 'Enter' || event.key === ' ') && event.target.closest(PRESSED_BY_KEY)) {
      if (!(event.key === 'Enter' && event.target.closest(`${CHOSEN},${CARD}`))) return;
    }
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const isLabel = Object.hasOwn(LABEL, key) && visible('#label-actions');
    if (!isLabel && !(Object.hasOwn(ALWAYS, key) && visible(ALWAYS[key]))) return;
    event.preventDefault();
    // A button that kept the focus of an earlier click would take the next Enter for itself.
    if (event.target.closest(PRESSED_BY_KEY) && !event.target.closest(CARD)) event.target.blur();
    if (isLabel) whenSettled(() => visible(LABEL[key])?.click());
    else visible(ALWAYS[key]).click();
  }

  // Arrow keys between the tabs that are there for who is at the page, as the tab pattern asks.
  function moveTab(event) {
    const tab = event.target.closest('[role=tab]');
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!tab || !step) return;
    const tabs = [...tab.closest('[role=tablist]').querySelectorAll('[role=tab]')]
      .filter((one) => one.offsetParent !== null);
    const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
    next.focus();
    next.click();
    event.preventDefault();
  }

  function click(event) {
    const dialog = document.getElementById('keys-dialog');
    if (event.target.closest('#keys-open')) dialog.showModal();
    if (event.target.closest('#keys-close') || event.target === dialog) dialog.close();
  }

  // A list that filters as you type starts from an empty word, not in the middle of the old one.
  function selectOld(event) {
    if (event.target.matches('input[role=listbox],input[role=combobox]')) event.target.select();
  }

  document.addEventListener('click', guard, true);
  document.addEventListener('click', selectOld);
  document.addEventListener('keydown', moveTab);
  document.addEventListener('keydown', press);
  document.addEventListener('click', click);
})();
