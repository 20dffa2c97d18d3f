// The five answers and the strength: choosing is local and instant, Python reads the value on save.
const clock = (window.gemStudio = window.gemStudio || {});
const current = () => props.value || {};

function draw() {
  const { case: id, choice, strength } = current();
  if (clock.caseId !== id) {
    clock.caseId = id;
    clock.shownAt = performance.now();
  }
  for (const button of element.querySelectorAll('[data-choice]')) {
    button.setAttribute('aria-pressed', String(button.dataset.choice === choice));
  }
  const isSided = choice === 'left' || choice === 'right';
  for (const button of element.querySelectorAll('[data-strength]')) {
    button.disabled = !isSided;
    button.setAttribute('aria-pressed', String(isSided && Number(button.dataset.strength) === strength));
  }
  element.querySelector('[data-hint]').hidden = choice !== 'cannot_judge';
  const shown = document.getElementById('label-case');
  if (shown) {
    shown.dataset.case = id || ''; // from here on a key is a choice for this case
    shown.dataset.choice = choice || '';
  }
}

function set(change) {
  props.value = { ...current(), ...change };
  draw();
}

element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  const { choice, strength } = button.dataset;
  if (strength) set({ strength: Number(strength) });
  // A key pressed again says "clearly"; hotkeys.js clicks without a pointer (detail 0 and untrusted).
  else if (!event.isTrusted && choice === current().choice) set({ strength: 3 - current().strength });
  else set({ choice, strength: choice === current().choice ? current().strength : 1 });
});

draw();
watch('value', draw);
