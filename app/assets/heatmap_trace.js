// --- the curve of a card: what is pointed at in the one is marked in the other --------------------
const linked = new WeakSet(); // how to listen to a plot; one that is drawn anew has another way
const curveOf = () => document.querySelector('#explore-trace .js-plotly-plot');
const ownCurve = (card, plot) => plot?.layout?.meta?.candidate_id === card.id;
let here = null; // the line on the curve

function markOnCurve(card, place) {
  const plot = curveOf();
  unmarkCurve();
  if (!ownCurve(card, plot)) return;
  const { xaxis, yaxis } = plot._fullLayout;
  const middle = tokenAt(card, place) + (card.pieces[place] + 1) / 2; // the curve counts from 1
  const along = xaxis.d2p(middle);
  if (along < 0 || along > xaxis._length) return; // outside of what is zoomed into
  const line = make('span', 'gs-here');
  line.style.cssText = `left:${xaxis._offset + along}px;top:${yaxis._offset}px;height:${yaxis._length}px`;
  plot.querySelector('.svg-container').append(line);
  here = line;
}

function unmarkCurve() {
  here?.remove();
  here = null;
}

function tokenUnder(plot, x) {
  const one = drawn.get(plot?.layout?.meta?.candidate_id);
  let end = 0;
  return one ? one.tokens[one.card.pieces.findIndex((count) => (end += count) >= x)] : null;
}

let lit = null;

function light(token) {
  lit?.classList.remove('gs-linked');
  token?.classList.add('gs-linked');
  lit = token;
}

function listenTo(plot) {
  if (linked.has(plot.on)) return;
  linked.add(plot.on);
  plot.on('plotly_hover', ({ points }) => light(tokenUnder(plot, points[0].x)));
  plot.on('plotly_unhover', () => light(null));
  plot.on('plotly_click', ({ points }) => {
    const token = tokenUnder(plot, points[0].x);
    if (!token) return;
    light(null);
    token.closest('.gs-tokens').focus({ preventScroll: true });
    moveTo(token);
  });
}

document.addEventListener('mouseover', (event) => {
  const plot = event.target.closest?.('#explore-trace .js-plotly-plot');
  if (plot) listenTo(plot);
  else light(null); // the page may have scrolled away under the pointer, which the plot does not tell
});
