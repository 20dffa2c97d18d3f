// --- what the colour shows -------------------------------------------------------------------------
const MODES = ['token', 'window', 'sentence', 'step', 'phase', 'surprise', 'difference'];
let mode = MODES[0];
let against; // in whose words the difference was shown last
const modes = make('fieldset', 'gs-modes');
root.before(modes);

// A difference that is new is what the colour shows at first.
function chooseMode() {
  const said = words().hint_difference;
  if (said && said !== against) mode = 'difference';
  if (!said && mode === 'difference') [mode] = MODES;
  against = said;
}

function tint(step) {
  if (mode !== 'difference' || !step) return `h${step}`;
  return step > 0 ? `g${step}` : `l${-step}`;
}

// Each legend that says something else stands on the page; the style sheet shows the one of this mode.
const hasLegend = root.dataset.goesOn !== 'no'; // where answers of before and after stand, there is none

function showLegend() {
  if (hasLegend) document.documentElement.dataset.gsColour = mode;
}

function drawModes() {
  showLegend();
  modes.hidden = !value.cards.length;
  const title = make('legend', '', words().mode);
  const choices = MODES.filter((name) => words()[`mode_${name}`]).map((name) => {
    const label = make('label');
    const input = make('input');
    Object.assign(input, { type: 'radio', name: `${root.dataset.name}-mode`, value: name });
    input.checked = name === mode;
    label.append(input, words()[`mode_${name}`]);
    return label;
  });
  modes.replaceChildren(title, ...choices, make('p', 'gs-mode-hint', words()[`hint_${mode}`]));
}

function paint() {
  for (const { card, tokens, steps } of drawn.values()) {
    card.levels[mode].forEach((step, place) => {
      const tinted = tint(step);
      if (tinted !== steps[place]) tokens[place].classList.replace(steps[place], tinted);
      steps[place] = tinted;
    });
  }
}

// What the note adds to a token's entropy: the figure behind the colour.
function modeRows(card, place) {
  const w = words();
  const nats = (figure) => `${figure.toFixed(2)} ${w.nats}`;
  const kind = card.passages[mode];
  if (kind) return passageRows(kind, kind.of[place], nats);
  if (mode === 'difference') {
    const change = card.other[place] - card.entropy[place];
    const sign = change < 0 ? '−' : '+';
    return [row(w.other_entropy, `${nats(card.other[place])} (${sign}${Math.abs(change).toFixed(2)})`)];
  }
  if (mode === 'window') return [row(w.passage, nats(card.window[place]))];
  const name = { c: w.reasoning, f: w.whole_answer }[card.parts[place]];
  return mode === 'phase' && name ? [row(name, nats(card.phases[card.parts[place]]))] : [];
}

function passageRows(kind, own, nats) {
  const w = words();
  return [
    row(w[mode], nats(kind.mean[own])),
    row(w.most, nats(kind.most[own])),
    row(w.high, `${percent(kind.share[own])} (n = ${kind.count[own]})`),
  ];
}

modes.addEventListener('change', (event) => {
  mode = event.target.value;
  modes.querySelector('.gs-mode-hint').textContent = words()[`hint_${mode}`];
  hide();
  showLegend();
  paint();
});
