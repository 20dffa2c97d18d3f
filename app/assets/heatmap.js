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
const canGoOn = root.dataset.goesOn === 'yes'; // from here one can branch and make pairs

function makeButton(className, content) {
  const made = make('button', className, content);
  made.type = 'button';
  return made;
}

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

// What is drawn, by the candidate's id: the card, its words in their order, and how they stand. The
// page may hold ten thousand of them, so they are never looked up in it.
const drawn = new Map();
const drawnAt = (node) => drawn.get(node.closest('.gs-card')?.dataset.id);
const LONG = 400; // words that fill the height a card has for them, so that it is known unseen

function drawTokens(card, tokens) {
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
    const token = make('span', `gs-token h${card.levels.token[place]}`);
    token.dataset.place = place;
    if (letter === 'e' || letter === 'x') {
      token.classList.add('gs-stop');
      token.dataset.mark = letter === 'e' ? words().end : words().cut;
    }
    fill(token, text);
    frame.append(token);
    tokens.push(token);
  });
  return box;
}

function drawCard(card) {
  const article = make('article', card.texts.length < LONG ? 'gs-card' : 'gs-card gs-long');
  article.dataset.id = card.id;
  const tokens = [];
  article.append(make('header', 'gs-card-head'), drawTokens(card, tokens));
  const steps = card.levels.token.map((step) => `h${step}`);
  drawn.set(card.id, { article, card, tokens, steps, peaks: [], cursor: -1 });
  return article;
}

function drawHead({ article }, said) {
  const head = article.querySelector('.gs-card-head');
  const title = make('div', 'gs-card-title');
  title.append(make('h3', '', said.rank), make('span', 'gs-score', said.score));
  for (const term of said.terms) title.append(make('span', 'gs-term', term));
  const answer = make('p', 'gs-card-answer');
  answer.append(make('span', 'gs-name', words().answer), make('bdi', '', said.answer));
  for (const badge of said.badges) answer.append(make('span', 'gs-badge', badge));
  const actions = make('div', 'gs-card-actions');
  for (const name of canGoOn ? ['compare', 'trace'] : ['trace']) {
    const button = makeButton(`gs-action gs-${name}`, words()[name]);
    button.setAttribute('aria-label', `${words()[name]}: ${said.rank}`);
    actions.append(button);
  }
  if (canGoOn) actions.append(drawShare(said.rank));
  title.append(actions);
  head.replaceChildren(title, answer);
  article.classList.toggle('gs-first', said.is_first);
  article.setAttribute('aria-label', said.rank);
}

function markPeaks(one, peaks) {
  const before = new Set(one.peaks);
  const after = new Set(peaks);
  for (const place of one.peaks) if (!after.has(place)) one.tokens[place].classList.remove('gs-peak');
  for (const place of peaks) if (!before.has(place)) one.tokens[place].classList.add('gs-peak');
  one.peaks = peaks;
}

function rank() {
  const ranking = (window.gemStudio?.rankings || {})[root.dataset.name];
  if (!ranking) return;
  if (!ranking.order.every((id) => drawn.has(id))) return;
  for (const id of ranking.order) {
    drawHead(drawn.get(id), ranking.cards[id]);
    markPeaks(drawn.get(id), ranking.cards[id].peaks);
  }
  showCompared();
  arrange([...besides(), ...ranking.order.filter((id) => !besides().includes(id))]);
  showNamed();
}

// A card that is moved loses the focus that is in it.
function arrange(order) {
  const focused = root.contains(document.activeElement) ? document.activeElement : null;
  order.forEach((id, place) => {
    const { article } = drawn.get(id);
    if (root.children[place] !== article) root.insertBefore(article, root.children[place]);
  });
  focused?.focus({ preventScroll: true });
}
