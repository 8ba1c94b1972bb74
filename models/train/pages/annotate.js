// Annotate: what is where on a page, exactly: characters, words, elements and field labels, as
// rectangles [left, top, right, bottom] in CSS px of the page's own cell.

const CELL_WIDTH = 160;
const CELL_HEIGHT = 208;

const half = (value) => Math.round(value * 2) / 2;

function annotate(page, left, top) {
  const local = (r) => [half(r.left - left), half(r.top - top), half(r.right - left), half(r.bottom - top)];
  const inside = (x, y) => x >= 0 && y >= 0 && x < CELL_WIDTH && y < CELL_HEIGHT;
  // Whether what is painted at a point of the cell belongs to `node`.
  const shows = (node, x, y) => {
    const hit = document.elementFromPoint(x + left, y + top);
    return hit && (hit == node || node.contains(hit) || hit.contains(node));
  };
  const chars = [];
  const range = document.createRange();
  const walker = document.createTreeWalker(page.cell, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    for (let i = 0; i < node.data.length; i++) {
      if (/\s/.test(node.data[i])) continue;
      range.setStart(node, i);
      range.setEnd(node, i + 1);
      const r = local(range.getBoundingClientRect());
      const x = (r[0] + r[2]) / 2;
      const y = (r[1] + r[3]) / 2;
      if (r[2] <= r[0] || !inside(x, y)) continue;
      if (page.overlaps && !shows(node.parentElement, x, y)) continue;
      chars.push([node.data[i], ...r]);
    }
  }
  const pen = document.createElement('canvas').getContext('2d');
  const elements = [];
  page.elements.forEach((element, id) => {
    const note = { id, kind: element.kind, name: element.name };
    let target = element.node;
    if (element.box) {
      note.on = element.box.checked;
      note.box = local(element.box.getBoundingClientRect());
      target = element.label;
    }
    const rects = element.box || element.kind == 'link' ? target.getClientRects() : [target.getBoundingClientRect()];
    if (rects.length != 1) return;
    const r = local(rects[0]);
    if (element.kind == 'field') {
      Object.assign(note, { value: element.node.value, secret: element.secret, focused: element.focused, role: element.role });
      if (element.label) {
        range.selectNodeContents(element.label);
        note.label = local(range.getBoundingClientRect());
      }
      annotateValue(element, r, pen, chars);
    }
    note.whole = r[0] >= 0 && r[1] >= 0 && r[2] <= CELL_WIDTH && r[3] <= CELL_HEIGHT;
    note.rect = [Math.max(0, r[0]), Math.max(0, r[1]), Math.min(CELL_WIDTH, r[2]), Math.min(CELL_HEIGHT, r[3])];
    const [x0, y0, x1, y1] = note.rect;
    if (x1 - x0 < 5 || y1 - y0 < 5) return;
    if (page.overlaps) {
      const visible = [];
      for (let a = 1; a < 6; a++)
        for (let b = 1; b < 6; b++) {
          const x = x0 + ((x1 - x0) * a) / 6;
          const y = y0 + ((y1 - y0) * b) / 6;
          const hit = document.elementFromPoint(x + left, y + top);
          if (hit && (hit == element.node || element.node.contains(hit))) visible.push([half(x), half(y)]);
        }
      if (visible.length < 6) return;
      if (visible.length < 25) note.visible = visible;
    }
    elements.push(note);
  });
  return { kind: page.kind, look: page.look.name, user: page.user, password: page.password, result: !!page.result, greets: !!page.greets, elements, chars };
}

// The characters typed into a field aren't text nodes: place them by measuring, and draw the caret.
function annotateValue(element, r, pen, chars) {
  const node = element.node;
  const style = getComputedStyle(node);
  const inset = parseFloat(style.paddingLeft) + parseFloat(style.borderLeftWidth);
  const high = parseFloat(style.fontSize) * 1.15;
  const y = (r[1] + r[3]) / 2;
  pen.font = style.font;
  const shown = node.value || node.placeholder;
  const widthTo = (count) => pen.measureText(element.secret && node.value ? '\u2022'.repeat(count) : shown.slice(0, count)).width;
  for (let i = 0; i < shown.length; i++) {
    const x0 = r[0] + inset + widthTo(i);
    const x1 = r[0] + inset + widthTo(i + 1);
    if (x1 > r[2] - 2 || y >= CELL_HEIGHT || shown[i] == ' ') continue;
    chars.push([element.secret && node.value ? '\u2022' : shown[i], half(x0), half(y - high / 2), half(x1), half(y + high / 2)]);
  }
  if (!element.caret) return;
  const typed = node.value ? Math.min(widthTo(node.value.length), r[2] - r[0] - 2 * inset - 1) : 0;
  append(element.node.closest('.page'), 'div', undefined, `position:absolute;width:1px;left:${r[0] + inset + typed}px;top:${y - high / 2}px;height:${high}px;background:${style.color}`);
}

// Draws `columns` x `rows` pages next to each other and returns their annotations, row by row.
function drawMontage(seed, columns, rows, wanted) {
  seedChance(seed);
  document.body.innerHTML = '';
  document.body.style.cssText = 'margin:0;background:#fff';
  if (!document.getElementById('looks')) append(document.head, 'style', LOOK_CSS).id = 'looks';
  const pages = [];
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const x = column * CELL_WIDTH;
      const y = row * CELL_HEIGHT;
      const cell = append(document.body, 'div', undefined, `position:absolute;left:${x}px;top:${y}px;width:${CELL_WIDTH}px;height:${CELL_HEIGHT}px;overflow:hidden;contain:strict`);
      pages.push([buildPage(cell, pages.length, wanted), x, y]);
    }
  window.pages = pages.map((entry) => entry[0]);
  return JSON.stringify(pages.map(([page, x, y]) => annotate(page, x, y)));
}
