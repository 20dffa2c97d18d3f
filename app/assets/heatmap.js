// Draws candidates token by token. Every text goes in as textContent, never as HTML.
const root = element.querySelector('.gs-cards');
const TOP = 5;
const SHOWN = { f: 'gs-final', m: 'gs-marker' };

const make = (tag, className, content) => {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (content !== undefined) made.textContent = content;
  return made;
};
let value = { cards: [], words: {} };
const words = () => value.words;

// White space shown without changing the text: marks are drawn by the style sheet on empty elements.
function fill(token, content) {
  for (const part of content.split(/(\n|\t)/)) {
    if (part === '\n') token.append(make('i', 'gs-newline'));
    if (part === '\t') token.append(make('i', 'gs-tab'));
    if (part) token.append(part);
  }
  if (content && !content.trim() && !/[\n\t]/.test(content)) token.classList.add('gs-blank');
}

function visible(text) {
  const names = { ' ': words().space, '\n': words().newline, '\t': words().tab };
  if (text === '') return words().nothing;
  return text.trim() ? text.replace(/\n/g, '↵').replace(/\t/g, '⇥') : names[text] || `${text.length} × ${words().space}`;
}

function drawTokens(card) {
  const box = make('div', 'gs-tokens');
  box.tabIndex = 0;
  box.dir = 'auto';
  box.setAttribute('role', 'group');
  box.setAttribute('aria-label', words().tokens);
  let frame = box;
  let part = '';
  card.texts.forEach((text, place) => {
    const letter = card.parts[place];
    if (letter !== part) {
      part = letter;
      frame = SHOWN[letter] ? box.appendChild(make('span', SHOWN[letter])) : box;
      if (letter === 'f' && !card.is_committed) frame.classList.add('gs-standin');
    }
    const token = make('span', `gs-token h${card.levels[place]}`);
    token.dataset.place = place;
    if (letter === 'e' || letter === 'x') {
      token.classList.add('gs-stop');
      token.dataset.mark = letter === 'e' ? words().end : words().cut;
    }
    fill(token, text);
    frame.append(token);
  });
  return box;
}

function drawCard(card) {
  const article = make('article', 'gs-card');
  article.dataset.id = card.id;
  article.append(make('header', 'gs-card-head'), drawTokens(card));
  return article;
}

function drawHead(article, said) {
  const head = article.querySelector('.gs-card-head');
  const title = make('div', 'gs-card-title');
  title.append(make('h3', '', said.rank), make('span', 'gs-score', said.score));
  for (const term of said.terms) title.append(make('span', 'gs-term', term));
  const answer = make('p', 'gs-card-answer');
  answer.append(make('span', 'gs-name', words().answer), make('bdi', '', said.answer));
  for (const badge of said.badges) answer.append(make('span', 'gs-badge', badge));
  const trace = make('button', 'gs-trace', words().trace);
  trace.type = 'button';
  trace.setAttribute('aria-label', `${words().trace}: ${said.rank}`);
  title.append(trace);
  head.replaceChildren(title, answer);
  article.classList.toggle('gs-first', said.is_first);
  article.setAttribute('aria-label', said.rank);
  const peaks = new Set(said.peaks);
  for (const token of article.querySelectorAll('.gs-token')) {
    token.classList.toggle('gs-peak', peaks.has(Number(token.dataset.place)));
  }
}

function rank() {
  const ranking = (window.gemStudio?.rankings || {})[root.dataset.name];
  if (!ranking) return;
  const cards = new Map([...root.children].map((card) => [card.dataset.id, card]));
  if (!ranking.order.every((id) => cards.has(id))) return;
  ranking.order.forEach((id, place) => {
    drawHead(cards.get(id), ranking.cards[id]);
    if (root.children[place] !== cards.get(id)) root.insertBefore(cards.get(id), root.children[place]);
  });
}

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

function describe(card, place) {
  const w = words();
  const title = make('div', 'gs-note-title');
  title.append(make('bdi', '', card.parts[place] === 'e' ? w.end : visible(card.texts[place])));
  const parts = [
    title,
    row(w.entropy, `${card.entropy[place].toFixed(2)} ${w.nats}`),
    row(w.probability, percent(card.probability[place])),
  ];
  if (card.pieces[place] > 1) parts.push(row(w.pieces, String(card.pieces[place])));
  parts.push(make('div', 'gs-note-name', w.instead));
  for (let i = TOP * place; i < TOP * place + TOP && i < card.tops.length; i += 1) {
    const line = row('', percent(card.top_probs[i]), 'gs-alternative');
    line.firstChild.append(make('bdi', '', visible(card.words[card.tops[i]])));
    line.style.setProperty('--share', card.top_probs[i]);
    parts.push(line);
  }
  note.replaceChildren(...parts);
}

const percent = (share) => (share < 0.001 ? '< 0.1 %' : `${(100 * share).toFixed(1)} %`);

function show(token) {
  const article = token.closest('.gs-card');
  const card = value.cards.find((one) => one.id === article.dataset.id);
  if (!card) return;
  describe(card, Number(token.dataset.place));
  note.hidden = false;
  const at = token.getClientRects()[0] || token.getBoundingClientRect();
  const home = element.getBoundingClientRect();
  const left = Math.max(0, Math.min(at.left - home.left, home.width - note.offsetWidth));
  const fitsBelow = at.bottom + note.offsetHeight + 8 < window.innerHeight;
  const top = fitsBelow ? at.bottom - home.top + 6 : at.top - home.top - note.offsetHeight - 6;
  note.style.transform = `translate(${left}px, ${top}px)`;
}

function hide() {
  note.hidden = true;
}

// --- the token cursor ----------------------------------------------------------------------------
function moveTo(box, token) {
  box.querySelector('.gs-cursor')?.classList.remove('gs-cursor');
  if (!token) return;
  token.classList.add('gs-cursor');
  token.scrollIntoView({ block: 'nearest' });
  show(token);
}

function step(box, key) {
  const tokens = [...box.querySelectorAll('.gs-token')];
  const here = tokens.findIndex((token) => token.classList.contains('gs-cursor'));
  const isPeak = (token) => token.classList.contains('gs-peak');
  const moves = {
    ArrowRight: () => tokens[Math.min(here + 1, tokens.length - 1)],
    ArrowLeft: () => tokens[Math.max(here - 1, 0)],
    Home: () => tokens[0],
    End: () => tokens[tokens.length - 1],
    n: () => tokens.slice(here + 1).find(isPeak) || tokens.find(isPeak),
    p: () => tokens.slice(0, Math.max(here, 0)).findLast(isPeak) || tokens.findLast(isPeak),
  };
  return moves[key] && moves[key]();
}

element.addEventListener('keydown', (event) => {
  const box = event.target.closest('.gs-tokens');
  if (!box || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === 'Escape') hide();
  const next = step(box, event.key);
  if (!next) return;
  event.preventDefault();
  event.stopPropagation();
  moveTo(box, next);
});
element.addEventListener('focusin', (event) => {
  const box = event.target.closest('.gs-tokens');
  if (box && box.matches(':focus-visible')) moveTo(box, box.querySelector('.gs-cursor') || box.querySelector('.gs-token'));
});
element.addEventListener('focusout', hide);
element.addEventListener('mouseover', (event) => {
  const token = event.target.closest('.gs-token');
  if (token) show(token);
});
element.addEventListener('mouseleave', hide);
element.addEventListener('click', (event) => {
  const token = event.target.closest('.gs-token');
  if (token) moveTo(token.closest('.gs-tokens'), token);
  const trace = event.target.closest('.gs-trace');
  if (trace) trigger('show_trace', { id: trace.closest('.gs-card').dataset.id });
});

function draw() {
  value = JSON.parse(props.value.packed);
  hide();
  root.replaceChildren(...value.cards.map(drawCard));
  rank();
}

document.addEventListener('gem-ranking', (event) => {
  if (event.detail === root.dataset.name && element.isConnected) rank();
});
draw();
watch('value', draw);
