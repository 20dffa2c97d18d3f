// --- two answers to compare: side by side, and to make a pair of ----------------------------------
const MOST_COMPARED = 2;
let compared = [];
const pairing = make('div', 'gs-pairing');
pairing.hidden = true;
element.append(pairing);

// What stands at the top, beside each other: two, in the order in which they were chosen.
const besides = () => (compared.length === MOST_COMPARED ? compared : []);

function showCompared() {
  compared = compared.filter((id) => drawn.has(id));
  for (const [id, { article: card }] of drawn) {
    const isChosen = compared.includes(id);
    card.classList.toggle('gs-compared', isChosen);
    card.querySelector('.gs-compare')?.setAttribute('aria-pressed', String(isChosen));
  }
  pairing.hidden = compared.length < MOST_COMPARED;
  root.classList.toggle('gs-beside', !pairing.hidden);
  if (pairing.hidden) return;
  const names = compared.map((id) => drawn.get(id).article.getAttribute('aria-label')).join(' · ');
  pairing.replaceChildren(make('span', '', names), makeButton('gs-action gs-pair', words().pair));
}

root.addEventListener('click', (event) => {
  const button = event.target.closest('.gs-compare');
  if (!button) return;
  const { id } = button.closest('.gs-card').dataset;
  const others = compared.filter((one) => one !== id);
  compared = others.length < compared.length ? others : [...others, id].slice(-MOST_COMPARED);
  rank();
  const { article } = drawn.get(id);
  article.querySelector('.gs-compare').focus({ preventScroll: true });
  article.scrollIntoView({ block: 'nearest' });
});
pairing.addEventListener('click', (event) => {
  if (!event.target.closest('.gs-pair')) return;
  const [first, second] = compared;
  compared = [];
  rank();
  trigger('pair', { first, second });
});

// --- what comes from Python ----------------------------------------------------------------------
function draw() {
  value = JSON.parse(props.value.packed);
  hide();
  drawn.clear();
  root.replaceChildren(...value.cards.map(drawCard));
  chooseMode();
  drawModes();
  if (mode !== MODES[0]) paint();
  rank();
}

document.addEventListener('gem-ranking', (event) => {
  if (event.detail === root.dataset.name && element.isConnected) rank();
});
draw();
watch('value', draw);
