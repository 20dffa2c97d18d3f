// What is said of a case: choosing is local and instant, Python reads the value on save.
const studio = (window.gemStudio = window.gemStudio || {});
const current = () => props.value || {};
studio.choice = current;
const SIDED = ['left', 'right'];
const USABLE = ['left', 'right', 'tie']; // what somebody may or may not put to use
const REASON_KEYS = ['q', 'w', 'e', 'r'];
let drawnWords = '';
let pressed = null; // what was pressed here for the case on screen

function each(selector, draw) {
  for (const found of element.querySelectorAll(selector)) draw(found);
}

function mark(button, isPressed, isDisabled = false) {
  button.disabled = isDisabled;
  button.setAttribute('aria-pressed', String(isPressed));
}

// Reasons are people's words: they are written with textContent.
function drawReasons({ words = [], reasons = [], needs_reason: isNeeded }) {
  const box = element.querySelector('[data-reasons]');
  if (drawnWords !== JSON.stringify(words)) {
    drawnWords = JSON.stringify(words);
    box.replaceChildren(...words.map(chip));
  }
  box.parentElement.hidden = words.length === 0;
  element.querySelector('[data-required]').hidden = !isNeeded;
  each('[data-reason]', (button) => mark(button, reasons.includes(words[button.dataset.reason])));
}

function chip(word, place) {
  const button = document.createElement('button');
  button.type = 'button';
  button.id = `reason-${place}`;
  button.dataset.reason = place;
  const words = document.createElement('span');
  words.textContent = word;
  if (place < REASON_KEYS.length) {
    const key = document.createElement('kbd');
    key.setAttribute('aria-hidden', 'true');
    key.textContent = REASON_KEYS[place];
    button.append(key);
  }
  button.append(words);
  return button;
}

function draw() {
  const value = current();
  const { case: id, choice, strength, is_acceptable: isAcceptable } = value;
  if (studio.caseId !== id) {
    studio.caseId = id;
    studio.shownAt = performance.now();
  }
  const isSided = SIDED.includes(choice);
  const isUsable = USABLE.includes(choice);
  each('[data-choice]', (button) => mark(button, button.dataset.choice === choice));
  each('[data-strength]', (button) =>
    mark(button, isSided && Number(button.dataset.strength) === strength, !isSided));
  each('[data-acceptable]', (button) =>
    mark(button, isUsable && (button.dataset.acceptable === 'yes') === (isAcceptable !== false), !isUsable));
  each('[data-for]', (words) => { words.hidden = (words.dataset.for === 'tie') !== (choice === 'tie'); });
  drawReasons(value);
  element.querySelector('[data-hint]').hidden = choice !== 'cannot_judge';
  const shown = document.getElementById('label-case');
  if (shown) {
    shown.dataset.case = id || ''; // from here on a key is a choice for this case
    shown.dataset.choice = choice || '';
  }
}

function set(change) {
  const { case: id, choice, strength, is_acceptable, reasons } = { ...current(), ...change };
  pressed = { case: id, choice, strength, is_acceptable, reasons };
  props.value = { ...current(), ...pressed };
  draw();
  trigger('input');
}

// An answer about the same case that was on its way while a key was pressed knows nothing of it.
function arrive() {
  const value = current();
  if (pressed && pressed.case !== value.case) pressed = null;
  const isLate = pressed && Object.keys(pressed).some((name) =>
    JSON.stringify(pressed[name]) !== JSON.stringify(value[name]));
  if (isLate) props.value = { ...value, ...pressed };
  draw();
  restore();
}

// What was said while the studio did not answer goes to Python with the first case that comes.
function restore() {
  const kept = current().case && studio.takeKept?.();
  if (!kept) return;
  props.value = { ...current(), kept };
  studio.ask?.(); // the answer would bring a case back that was judged meanwhile
  trigger('restore');
}

// A key pressed again goes on: slightly, clearly, very much, slightly; "both bad" goes to the field.
// hotkeys.js clicks without a pointer, so its clicks are untrusted.
function choose(choice, isKey) {
  const { choice: before, strength } = current();
  if (choice !== before) set({ choice, strength: 1 });
  else if (isKey && SIDED.includes(choice)) set({ strength: (strength % 3) + 1 });
  else if (isKey && choice === 'both_bad') document.querySelector('#label-written textarea')?.focus();
}

function toggle(word) {
  const { reasons = [] } = current();
  set({ reasons: reasons.includes(word) ? reasons.filter((kept) => kept !== word) : [...reasons, word] });
}

element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  const { choice, strength, acceptable, reason } = button.dataset;
  if (choice) choose(choice, !event.isTrusted);
  else if (strength) set({ strength: Number(strength) });
  else if (acceptable) set({ is_acceptable: acceptable === 'yes' });
  else if (reason) toggle(current().words[reason]);
});

draw();
restore();
watch('value', arrive);
