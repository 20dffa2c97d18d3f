// Single keys for the visible buttons they name. Never chords; silent while somebody types.
(() => {
  const CLICKS = {
    1: 'choice-left', 2: 'choice-right', 3: 'choice-tie', 4: 'choice-both_bad',
    5: 'choice-cannot_judge', Enter: 'label-save', Backspace: 'label-undo', s: 'label-skip',
    '?': 'keys-open',
  };
  const TYPING = 'input,textarea,select,[contenteditable],[role=textbox],[role=combobox],[role=slider]';
  const PRESSED_BY_KEY = 'button,a,[role=button],[role=tab],summary';

  function visible(id) {
    const found = document.getElementById(id);
    return found && found.offsetParent !== null && !found.disabled ? found : null;
  }

  function press(event) {
    if (event.defaultPrevented || event.isComposing || event.repeat) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector('dialog[open]')) return;
    if (event.key === 'Escape' && event.target.closest(TYPING)) event.target.blur();
    if (event.target.closest(TYPING)) return;
    const isChosen = event.target.closest('[data-choice][aria-pressed=true],[data-strength][aria-pressed=true]');
    if ((event.key === 'Enter' || event.key === ' ') && event.target.closest(PRESSED_BY_KEY)) {
      if (!(event.key === 'Enter' && isChosen)) return;
    }
    const id = CLICKS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    const button = id && visible(id);
    if (!button) return;
    event.preventDefault();
    // A button that kept the focus of an earlier click would take the next Enter for itself.
    if (event.target.closest(PRESSED_BY_KEY)) event.target.blur();
    button.click();
  }

  // Arrow keys between tabs, as the tab pattern asks.
  function moveTab(event) {
    const tab = event.target.closest('[role=tab]');
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!tab || !step) return;
    const tabs = [...tab.closest('[role=tablist]').querySelectorAll('[role=tab]')];
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

  document.addEventListener('click', selectOld);
  document.addEventListener('keydown', moveTab);
  document.addEventListener('keydown', press);
  document.addEventListener('click', click);
})();
