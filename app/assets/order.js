// Cards to put in order, the best first; those that share a place are equally good. Moving is local
// and instant, Python reads the value. Texts are a model's or people's: textContent only.
const board = element.querySelector('.gs-order');
const list = board.querySelector('ol');
const status = board.querySelector('[role=status]');
const WORDS = JSON.parse(board.dataset.words);
const current = () => props.value || {};
const items = new Map(); // id -> its <li>
let drawnCards = '';
let held = null; // { id, before }: the card that Space took up, and the order as it was
let moved = null; // { case, order }: what was moved here, for the case on screen
let drag = null;

// --- orders: lists of places, each a list of ids ----------------------------------------------
const placeOf = (order, id) => order.findIndex((place) => place.includes(id));

function put(order, id, at) {
  const rest = order.map((place) => place.filter((one) => one !== id)).filter((place) => place.length);
  return [...rest.slice(0, at), [id], ...rest.slice(at)];
}

// One of several in a place leaves them; one alone passes all of the next place. Null at the end.
function step(order, id, by) {
  const at = placeOf(order, id);
  const isShared = order[at].length > 1;
  const target = isShared ? at + (by > 0 ? 1 : 0) : at + by;
  return target < 0 || (!isShared && target >= order.length) ? null : put(order, id, target);
}

// With the place above, or, where it shares a place, by itself below those it was equal to.
function tie(order, id) {
  const at = placeOf(order, id);
  if (order[at].length > 1) return put(order, id, at + 1);
  if (at === 0) return null;
  return order.flatMap((place, n) => (n === at ? [] : [n === at - 1 ? [...place, id] : place]));
}

// --- drawing ----------------------------------------------------------------------------------
function part(tag, className, words = '') {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.textContent = words;
  return made;
}

function button(name, words) {
  const made = part('button', '', words);
  made.type = 'button';
  made.dataset[name] = '';
  return made;
}

function card({ id, text }) {
  const made = part('li', 'gs-order-card');
  made.dataset.card = id;
  const grip = button('grip', '');
  const icon = part('span', 'gs-order-icon', '⠿');
  icon.setAttribute('aria-hidden', 'true');
  grip.append(icon, part('span', 'gs-order-place'), part('span', 'gs-order-hidden', `: ${text.slice(0, 60)}`));
  grip.setAttribute('aria-describedby', list.getAttribute('aria-describedby'));
  const bar = part('div', 'gs-order-bar');
  const tools = part('span', 'gs-order-tools');
  tools.append(button('up', `↑ ${WORDS.up}`), button('down', `↓ ${WORDS.down}`), button('tie', WORDS.tie));
  bar.append(grip, tools);
  const words = part('div', 'gs-text', text);
  words.tabIndex = 0;
  words.dir = 'auto';
  words.setAttribute('role', 'region');
  made.append(bar, words);
  return made;
}

function drawCards(cards) {
  if (drawnCards === JSON.stringify(cards)) return false;
  drawnCards = JSON.stringify(cards);
  held = null;
  endDrag();
  items.clear();
  for (const one of cards) items.set(one.id, card(one));
  list.replaceChildren();
  status.textContent = '';
  return cards.length > 0;
}

function drawPlace(id, place, isShared, isBelow) {
  const item = items.get(id);
  const words = fill(WORDS.place, place) + (isShared ? `, ${WORDS.equal}` : '');
  item.querySelector('.gs-order-place').textContent = words;
  item.querySelector('[role=region]').setAttribute('aria-label', `${WORDS.text}, ${words}`);
  item.querySelector('[data-tie]').textContent = isShared ? WORDS.untie : `= ${WORDS.tie}`;
  item.classList.toggle('is-shared', isShared);
  item.classList.toggle('is-below', isBelow);
  item.classList.toggle('is-held', held?.id === id);
  item.querySelector('[data-grip]').setAttribute('aria-pressed', String(held?.id === id));
  for (const [name, by] of [['up', -1], ['down', 1]]) {
    item.querySelector(`[data-${name}]`).setAttribute('aria-disabled', String(!step(current().order, id, by)));
  }
}

function draw() {
  const { cards = [], order = [] } = current();
  const isNew = drawCards(cards);
  board.hidden = cards.length === 0;
  const focused = list.contains(document.activeElement) ? document.activeElement : null;
  const ids = order.flat().filter((id) => items.has(id));
  const isSame = ids.every((id, n) => list.children[n]?.dataset.card === id);
  if (!isSame || list.children.length !== ids.length) list.replaceChildren(...ids.map((id) => items.get(id)));
  order.forEach((place, at) => place.forEach((id, n) =>
    items.has(id) && drawPlace(id, at + 1, place.length > 1, n > 0)));
  focused?.focus({ preventScroll: true });
  if (isNew && [null, document.body].includes(document.activeElement)) {
    list.querySelector('[data-grip]')?.focus({ preventScroll: true });
  }
}

// --- what a move does -------------------------------------------------------------------------
function fill(words, place) {
  return words.replace('%place', place).replace('%total', current().order.length);
}

function say(name, id) {
  status.textContent = fill(WORDS[name], placeOf(current().order, id) + 1);
}

function set(order, name, id) {
  moved = { case: current().case, order };
  props.value = { ...current(), order };
  draw();
  items.get(id).scrollIntoView({ block: 'nearest' });
  say(name, id);
  trigger('input');
}

function move(id, by) {
  const order = step(current().order, id, by);
  if (order) set(order, 'moved', id);
  else say(by < 0 ? 'first' : 'last', id);
}

function toggleTie(id) {
  const { order } = current();
  const changed = tie(order, id);
  if (changed) set(changed, order[placeOf(order, id)].length > 1 ? 'untied' : 'tied', id);
  else say('first', id);
}

function toggleHeld(id) {
  const isHeld = held?.id === id;
  held = isHeld ? null : { id, before: current().order };
  draw();
  say(isHeld ? 'dropped' : 'held', id);
}

function putBack() {
  const { id, before } = held;
  held = null;
  set(before, 'back', id);
}

// --- keys -------------------------------------------------------------------------------------
function goTo(item) {
  if (!item) return;
  if (held) toggleHeld(held.id);
  item.querySelector('[data-grip]').focus();
}

function onGrip(id, key) {
  const at = current().order.flat().indexOf(id);
  if (key === ' ') toggleHeld(id);
  else if (key === 'Escape' && held) putBack();
  else if (key === 'ArrowUp' || key === 'ArrowDown') {
    const by = key === 'ArrowUp' ? -1 : 1;
    if (held?.id === id) move(id, by);
    else goTo(list.children[at + by]);
  } else return false;
  return true;
}

element.addEventListener('keydown', (event) => {
  const item = event.target.closest('[data-card]');
  if (!item || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const isGrip = event.target.matches('[data-grip]');
  const isTie = event.key.toLowerCase() === 't';
  if (isTie && !event.repeat) toggleTie(item.dataset.card);
  if (!isTie && !(isGrip && onGrip(item.dataset.card, event.key))) return;
  event.preventDefault();
  event.stopPropagation();
});

// A button presses itself when Space is let go: that is the second half of a press seen above.
element.addEventListener('keyup', (event) => {
  if (event.key === ' ' && event.target.matches('[data-grip]')) event.preventDefault();
});

// A card that is left behind with Tab or the pointer is put down where it is.
list.addEventListener('focusout', (event) => {
  if (held && event.relatedTarget && !items.get(held.id)?.contains(event.relatedTarget)) toggleHeld(held.id);
});

// --- the pointer ------------------------------------------------------------------------------
list.addEventListener('click', (event) => {
  const tool = event.target.closest('.gs-order-tools button');
  const item = event.target.closest('[data-card]');
  // Enter, or a screen reader, presses the grip without a pointer.
  if (event.target.closest('[data-grip]') && !event.detail) toggleHeld(item.dataset.card);
  if (!tool) return;
  if ('tie' in tool.dataset) toggleTie(item.dataset.card);
  else move(item.dataset.card, 'up' in tool.dataset ? -1 : 1);
  if (event.detail) item.querySelector('[data-grip]').focus({ preventScroll: true }); // Enter is free again
});

list.addEventListener('pointerdown', (event) => {
  const bar = event.target.closest('.gs-order-bar');
  if (!bar || event.button !== 0 || event.target.closest('.gs-order-tools button')) return;
  if (held) toggleHeld(held.id);
  const item = bar.closest('[data-card]');
  const y = event.clientY;
  drag = { id: item.dataset.card, item, pointer: event.pointerId, from: y, y, at: null, scrolled: window.scrollY };
  bar.setPointerCapture(event.pointerId);
  requestAnimationFrame(scrollAlong);
});

function overPlaces(id) {
  const rest = current().order.map((place) => place.filter((one) => one !== id)).filter((place) => place.length);
  return rest.map((place) => {
    const top = items.get(place[0]).getBoundingClientRect().top;
    const bottom = items.get(place[place.length - 1]).getBoundingClientRect().bottom;
    return { first: items.get(place[0]), top, bottom, middle: (top + bottom) / 2 };
  });
}

function showDrag() {
  const by = drag.y - drag.from + window.scrollY - drag.scrolled;
  if (drag.at === null && Math.abs(by) < 5) return;
  const places = overPlaces(drag.id);
  drag.at = places.filter(({ middle }) => middle < drag.y).length;
  drag.item.classList.add('is-dragged');
  drag.item.style.transform = `translateY(${by}px)`;
  const edge = drag.at < places.length ? places[drag.at].top - 7 : places.at(-1).bottom + 5;
  list.style.setProperty('--drop', `${edge - list.getBoundingClientRect().top}px`);
  list.classList.add('is-dragging');
}

function scrollAlong() {
  if (!drag) return;
  const beyond = drag.y < 72 ? -12 : drag.y > window.innerHeight - 96 ? 12 : 0;
  if (beyond && drag.at !== null) {
    window.scrollBy(0, beyond);
    showDrag();
  }
  requestAnimationFrame(scrollAlong);
}

function endDrag() {
  if (!drag) return null;
  const { id, item, at } = drag;
  drag = null;
  item.classList.remove('is-dragged');
  item.style.transform = '';
  list.classList.remove('is-dragging');
  return at === null ? null : { id, at };
}

list.addEventListener('pointermove', (event) => {
  if (!drag || event.pointerId !== drag.pointer) return;
  drag.y = event.clientY;
  showDrag();
});

list.addEventListener('pointerup', (event) => {
  if (!drag || event.pointerId !== drag.pointer) return;
  const { id } = drag;
  const dropped = endDrag();
  if (dropped) {
    const order = put(current().order, id, dropped.at);
    if (JSON.stringify(order) !== JSON.stringify(current().order)) set(order, 'dropped', id);
  }
  items.get(id)?.querySelector('[data-grip]').focus({ preventScroll: true });
});

list.addEventListener('pointercancel', endDrag);

document.addEventListener('keydown', (event) => {
  if (!drag || event.key !== 'Escape') return;
  endDrag();
  event.stopPropagation();
}, true);

// An answer about the same cards that was on its way while one was moved knows nothing of it.
function arrive() {
  const value = current();
  if (moved && moved.case !== value.case) moved = null;
  const isLate = moved && JSON.stringify(value.cards) === drawnCards &&
    JSON.stringify(value.order) !== JSON.stringify(moved.order);
  if (isLate) props.value = { ...value, order: moved.order };
  draw();
}

// How far the open board is: what connection.js keeps while the studio does not answer.
(window.gemStudio = window.gemStudio || {}).order = () => {
  const { case: about, cards = [], order } = current();
  return cards.length ? { case: about, order } : null;
};

draw();
watch('value', arrive);
