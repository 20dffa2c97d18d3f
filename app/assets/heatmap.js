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
    const token = make('span', `gs-token h${card.levels.token[place]}`);
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
  for (const id of ranking.order) drawHead(cards.get(id), ranking.cards[id]);
  showCompared();
  arrange([...besides(), ...ranking.order.filter((id) => !besides().includes(id))], cards);
  showNamed();
}

// A card that is moved loses the focus that is in it.
function arrange(order, cards) {
  const focused = root.contains(document.activeElement) ? document.activeElement : null;
  order.forEach((id, place) => {
    if (root.children[place] !== cards.get(id)) root.insertBefore(cards.get(id), root.children[place]);
  });
  focused?.focus({ preventScroll: true });
}
