// --- the card beside a token ---------------------------------------------------------------------
const note = make('div', 'gs-note');
note.setAttribute('role', 'status');
note.hidden = true;
element.append(note);

function row(name, figure, className) {
  const line = make('div', className);
  line.append(make('span', '', name), make('span', 'gs-figure', figure));
  return line;
}

// The first of a unit's tokens among the candidate's own: a unit may hold several.
const tokenAt = (card, place) => card.pieces.slice(0, place).reduce((sum, count) => sum + count, 0);

// What stood there instead can be taken where one token stands, and something comes after it.
const hasOthers = (card, place) => card.pieces[place] === 1 && !'ex'.includes(card.parts[place]);

function alternative(card, place, rank, canTake) {
  const at = TOP * place + rank;
  const word = card.words[card.tops[at]];
  const share = percent(card.top_probs[at]);
  const isButton = canTake && word !== card.texts[place];
  const line = isButton ? makeButton('gs-alternative gs-other') : make('div', 'gs-alternative');
  const name = make('span');
  name.append(make('bdi', '', visible(word)));
  line.append(name, make('span', 'gs-figure', share));
  line.style.setProperty('--share', card.top_probs[at]);
  if (isButton) {
    line.dataset.rank = rank;
    line.setAttribute('aria-label', `${visible(word)} ${share}: ${words().other}`);
  }
  return line;
}

function describe(card, place, isChosen) {
  const w = words();
  const title = make('div', 'gs-note-title');
  title.append(make('bdi', '', card.parts[place] === 'e' ? w.end : visible(card.texts[place])));
  const parts = [
    title,
    row(w.entropy, `${card.entropy[place].toFixed(2)} ${w.nats}`),
    row(w.probability, percent(card.probability[place])),
    ...modeRows(card, place),
  ];
  if (card.pieces[place] > 1) parts.push(row(w.pieces, String(card.pieces[place])));
  const canTake = isChosen && hasOthers(card, place);
  parts.push(make('div', 'gs-note-name', canTake ? w.take : w.instead));
  for (let rank = 0; rank < TOP && TOP * place + rank < card.tops.length; rank += 1) {
    parts.push(alternative(card, place, rank, canTake));
  }
  if (isChosen) {
    const on = makeButton('gs-action gs-on', w.on);
    on.append(make('kbd', '', 'b'));
    parts.push(on, make('div', 'gs-note-name', w.on_hint));
  }
  note.replaceChildren(...parts);
}

const percent = (share) => (share < 0.001 ? '< 0.1 %' : `${(100 * share).toFixed(1)} %`);

// The token whose note stays, so that the pointer can reach what it offers.
let chosen = null;

// Where the note stands: by the token that it is of.
let noted = null;

function show(token) {
  const { card } = drawnAt(token);
  noted = token;
  describe(card, Number(token.dataset.place), token === chosen);
  markOnCurve(card, Number(token.dataset.place));
  note.classList.toggle('gs-stays', token === chosen);
  note.hidden = false;
  putNote();
}

function putNote() {
  const at = noted.getClientRects()[0] || noted.getBoundingClientRect();
  const home = element.getBoundingClientRect();
  const left = Math.max(0, Math.min(at.left - home.left, home.width - note.offsetWidth));
  const fitsBelow = at.bottom + note.offsetHeight + 8 < window.innerHeight;
  const top = fitsBelow ? at.bottom - home.top + 6 : at.top - home.top - note.offsetHeight - 6;
  note.style.transform = `translate(${left}px, ${top}px)`;
}

// A long card that comes on the screen gets its own height, and what is below it moves.
root.addEventListener('contentvisibilityautostatechange', () => {
  if (!note.hidden) putNote();
});

function hide() {
  chosen = null;
  note.hidden = true;
  unmarkCurve();
}

function goOn(rank) {
  if (!chosen) return;
  const { card } = drawnAt(chosen);
  const token = tokenAt(card, Number(chosen.dataset.place));
  chosen.closest('.gs-tokens').focus({ preventScroll: true });
  hide();
  trigger('branch', { id: card.id, token, alternative: rank });
}

// --- the token cursor ----------------------------------------------------------------------------
function moveTo(token) {
  const one = drawnAt(token);
  one.tokens[one.cursor]?.classList.remove('gs-cursor');
  one.cursor = Number(token.dataset.place);
  token.classList.add('gs-cursor');
  token.scrollIntoView({ block: 'nearest' });
  chosen = canGoOn ? token : null;
  show(token);
}

function step({ tokens, peaks, cursor: here }, key) {
  const moves = {
    ArrowRight: () => Math.min(here + 1, tokens.length - 1),
    ArrowLeft: () => Math.max(here - 1, 0),
    Home: () => 0,
    End: () => tokens.length - 1,
    n: () => peaks.find((place) => place > here) ?? peaks[0],
    p: () => peaks.findLast((place) => place < here) ?? peaks.at(-1),
  };
  return moves[key] && tokens[moves[key]()];
}

function inBox(box, key) {
  if (key === 'Escape') return hide();
  if (chosen && key === 'b') return goOn(null);
  if (chosen && key === 'Enter') return note.querySelector('button').focus();
  const next = step(drawnAt(box), key);
  return next ? moveTo(next) : false;
}

element.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const box = event.target.closest('.gs-tokens');
  if (note.contains(event.target) && event.key === 'Escape') {
    chosen.closest('.gs-tokens').focus({ preventScroll: true });
  } else if (!box || inBox(box, event.key) === false) return;
  event.preventDefault();
  event.stopPropagation();
});
element.addEventListener('focusin', (event) => {
  const box = event.target.closest('.gs-tokens');
  if (!box || chosen || !box.matches(':focus-visible')) return;
  const { tokens, cursor } = drawnAt(box);
  if (tokens.length) moveTo(tokens[Math.max(cursor, 0)]);
});
element.addEventListener('focusout', (event) => {
  const next = event.relatedTarget;
  if (!note.contains(next) && !(chosen && chosen.closest('.gs-tokens') === next)) hide();
});
element.addEventListener('mouseover', (event) => {
  const token = event.target.closest('.gs-token');
  if (token && !chosen) show(token);
});
element.addEventListener('mouseleave', () => {
  if (!chosen) hide();
});
// The tokens keep the focus while the pointer is on the note.
note.addEventListener('mousedown', (event) => event.preventDefault());
note.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (button) goOn(button.dataset.rank === undefined ? null : Number(button.dataset.rank));
});
element.addEventListener('click', (event) => {
  if (note.contains(event.target)) return;
  const token = event.target.closest('.gs-token');
  if (token && token !== chosen) moveTo(token);
  else hide();
  const trace = event.target.closest('.gs-trace');
  if (trace) trigger('show_trace', { id: trace.closest('.gs-card').dataset.id });
});
