// --- a card to hand on: a link to it, or a picture of it ------------------------------------------
const SVG = 'http://www.w3.org/2000/svg';
const MARGIN = 24;
const SCALE = 2; // pixels of a PNG for one on the page
const LONGEST = 16384; // pixels that a canvas may have in one direction

function drawShare(rank) {
  const share = make('details', 'gs-share');
  share.append(make('summary', 'gs-action', words().share));
  for (const name of ['link', 'svg', 'png']) {
    const button = makeButton(`gs-action gs-as-${name}`, words()[name]);
    button.setAttribute('aria-label', `${words()[name]}: ${rank}`);
    share.append(button);
  }
  return share;
}

async function copyLink(id, button) {
  const address = new URL(window.location);
  address.searchParams.set('tab', 'explore');
  address.searchParams.delete('prompt');
  address.searchParams.set('candidate', id);
  await navigator.clipboard.writeText(String(address));
  button.textContent = words().copied;
}

// What the address names is shown once, when its card is first there.
let named = canGoOn ? new URL(window.location).searchParams.get('candidate') : null;

function showNamed() {
  const card = drawn.get(named)?.article;
  if (!card) return;
  named = null;
  card.classList.add('gs-named');
  const bring = () => card.scrollIntoView({ block: 'center' });
  requestAnimationFrame(() => {
    bring();
    requestAnimationFrame(bring); // a long card has its own height only once it is on the screen
  });
}

// Boxes and lines of text as the browser laid them out. Texts go in as textContent here too.
class Picture {
  constructor() {
    this.root = document.createElementNS(SVG, 'svg');
    this.height = MARGIN;
    this.width = 0;
    this.context = document.createElement('canvas').getContext('2d');
  }

  add(part) {
    const home = part.getBoundingClientRect();
    this.move = { x: MARGIN - home.left, y: this.height - home.top };
    const skip = (node) => node.nodeType === 1 && (node.matches('.gs-card-actions') || !node.getClientRects().length);
    const walk = document.createTreeWalker(part, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT, (node) =>
      skip(node) ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT,
    );
    for (let node = part; node; node = walk.nextNode()) {
      if (node.nodeType === 1) this.box(node);
      else this.text(node);
    }
    this.height = Math.ceil(this.height + home.height + MARGIN);
    this.width = Math.max(this.width, Math.ceil(home.width + 2 * MARGIN));
  }

  draw(name, given, content) {
    const made = document.createElementNS(SVG, name);
    for (const [key, one] of Object.entries(given)) made.setAttribute(key, typeof one === 'number' ? one.toFixed(1) : one);
    // XML has no place for most control characters.
    // eslint-disable-next-line no-control-regex
    if (content !== undefined) made.textContent = content.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd');
    this.root.append(made);
  }

  place(rect) {
    return { x: rect.left + this.move.x, y: rect.top + this.move.y };
  }

  box(node) {
    const look = getComputedStyle(node);
    const filled = look.backgroundColor !== 'rgba(0, 0, 0, 0)' && look.backgroundColor !== 'transparent';
    const edge = parseFloat(look.borderTopWidth) && look.borderTopStyle !== 'none';
    const isClear = look.borderBottomColor === 'rgba(0, 0, 0, 0)';
    const under = isClear ? 0 : parseFloat(look.borderBottomWidth);
    const below = edge ? 0 : parseFloat(look.borderBottomWidth); // has no filling
    for (const rect of node.getClientRects()) {
      const at = { ...this.place(rect), width: rect.width, height: rect.height - below };
      if (filled || edge) {
        const line = edge ? { stroke: look.borderTopColor, 'stroke-width': look.borderTopWidth } : {};
        const dash = look.borderTopStyle === 'solid' ? {} : { 'stroke-dasharray': '4 3' };
        this.draw('rect', { ...at, rx: parseFloat(look.borderTopLeftRadius) || 0, fill: filled ? look.backgroundColor : 'none', ...line, ...(edge ? dash : {}) });
      }
      if (under && !edge) {
        const y = at.y + at.height + under / 2;
        this.draw('line', { x1: at.x, x2: at.x + at.width, y1: y, y2: y, stroke: look.borderBottomColor, 'stroke-width': look.borderBottomWidth });
      }
    }
    const before = getComputedStyle(node, '::before');
    const mark = /^"(.*)"$/.exec(before.content.replace(/^attr\(.*\)$/, `"${node.dataset.mark || ''}"`));
    const rect = node.getClientRects()[0];
    if (!mark || !mark[1]) return;
    const left = parseFloat(before.marginLeft || 0) + parseFloat(before.paddingLeft || 0);
    this.line(mark[1], { left: rect.left + left, top: rect.top, height: rect.height, width: 0 }, before);
  }

  // A text node as one piece for each line that it stands on.
  text(node) {
    const range = document.createRange();
    let at = 0;
    let piece = null;
    const pieces = [];
    for (const letter of node.data) {
      range.setStart(node, at);
      range.setEnd(node, at + letter.length);
      at += letter.length;
      const rect = range.getClientRects()[0];
      if (!rect || !rect.width) continue;
      if (!piece || Math.abs(piece.top - rect.top) > 1) {
        piece = { text: '', left: rect.left, right: rect.right, top: rect.top, height: rect.height };
        pieces.push(piece);
      }
      piece.text += letter;
      piece.left = Math.min(piece.left, rect.left);
      piece.right = Math.max(piece.right, rect.right);
    }
    const look = getComputedStyle(node.parentElement);
    for (const { text, left, right, top, height } of pieces) {
      if (text.trim()) this.line(text, { left, top, height, width: right - left }, look);
    }
  }

  line(text, rect, look) {
    this.context.font = `${look.fontWeight} ${look.fontSize} ${look.fontFamily}`;
    const { fontBoundingBoxAscent: over, fontBoundingBoxDescent: below } = this.context.measureText(text);
    const { x, y } = this.place(rect);
    const lead = (rect.height - over - below) / 2;
    const isRtl = look.direction === 'rtl'; // such a line begins on its right
    this.draw('text', {
      x: isRtl ? x + rect.width : x,
      y: y + lead + over,
      fill: look.color,
      'font-family': look.fontFamily,
      'font-size': look.fontSize,
      'font-weight': look.fontWeight,
      ...(look.textDecorationLine === 'underline' ? { 'text-decoration': `underline ${look.textDecorationStyle}` } : {}),
      ...(rect.width ? { textLength: rect.width, lengthAdjust: 'spacingAndGlyphs' } : {}),
      ...(isRtl ? { direction: 'rtl' } : {}),
      style: 'white-space:pre',
    }, text);
  }

  source(paper) {
    const { root: made, width, height } = this;
    made.setAttribute('xmlns', SVG);
    made.setAttribute('width', width);
    made.setAttribute('height', height);
    made.style.background = paper;
    return new XMLSerializer().serializeToString(made);
  }
}

// The whole card, its legend, and what the colour shows in words.
function pictureOf(article) {
  article.classList.add('gs-whole');
  try {
    const picture = new Picture();
    const legend = [...document.querySelectorAll('.gs-legend')].find((one) => one.getClientRects().length);
    for (const part of [article, modes.querySelector('.gs-mode-hint'), legend]) {
      if (part && part.getClientRects().length) picture.add(part);
    }
    return { svg: picture.source(getComputedStyle(article).backgroundColor), ...picture };
  } finally {
    article.classList.remove('gs-whole');
  }
}

async function asPng({ svg, width, height }) {
  const image = new Image();
  image.src = URL.createObjectURL(new Blob([svg], { type: 'image/svg+xml' }));
  await image.decode();
  URL.revokeObjectURL(image.src);
  const scale = Math.min(SCALE, LONGEST / Math.max(width, height));
  const canvas = Object.assign(document.createElement('canvas'), { width: width * scale, height: height * scale });
  canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, 'image/png'));
}

function offer(blob, name) {
  const link = Object.assign(document.createElement('a'), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

root.addEventListener('click', async (event) => {
  const button = event.target.closest('.gs-share button');
  if (!button) return;
  const article = button.closest('.gs-card');
  const { id } = article.dataset;
  if (button.matches('.gs-as-link')) return copyLink(id, button);
  const picture = pictureOf(article);
  const svg = new Blob([picture.svg], { type: 'image/svg+xml' });
  if (button.matches('.gs-as-svg')) offer(svg, `${words().picture}-${id}.svg`);
  else offer(await asPng(picture), `${words().picture}-${id}.png`);
});
