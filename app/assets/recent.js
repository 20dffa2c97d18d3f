// The last labels, newest first; a button reopens its own. Texts are people's: textContent only.
const list = element.querySelector('ol');

function part(tag, name, words) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  made.textContent = words;
  return made;
}

function row(line) {
  const made = document.createElement('li');
  const words = part('span', 'gs-recent-words', '');
  words.append(part('span', 'gs-recent-question', line.question), part('span', 'gs-recent-verdict', line.verdict), part('span', 'gs-recent-source', line.source));
  const button = part('button', '', list.dataset.reopen);
  button.type = 'button';
  button.dataset.pair = line.pair_id;
  button.setAttribute('aria-label', `${list.dataset.reopen}: ${line.question}`);
  made.append(words, part('time', '', line.time), button);
  return made;
}

function draw() {
  const { lines = [] } = props.value || {};
  list.replaceChildren(...lines.map(row));
  element.querySelector('[data-empty]').hidden = lines.length > 0;
}

list.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  props.value = { ...props.value, reopen: button.dataset.pair };
  trigger('reopen');
});

draw();
watch('value', draw);
