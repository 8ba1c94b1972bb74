// Widgets: the things on a page that can be clicked, typed into or ticked. Each function appends
// one to `parent` and records it in `page.elements`, with the name a person would call it by.

function append(parent, tag, text, style) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (style) node.style.cssText = style;
  parent.append(node);
  return node;
}

function addButton(page, parent, name) {
  name = name || caption();
  let node;
  if (chance(0.88)) {
    node = append(parent, 'button', name);
    node.type = 'button';
  } else {
    node = append(parent, 'input');
    node.type = 'button';
    node.value = name;
  }
  node.classList.add('button');
  if (page.look.plain && chance(0.2)) node.style.padding = `${between(1, 7)}px ${between(6, 26)}px`;
  page.elements.push({ kind: 'button', name, node });
  return node;
}

// A text field. `label` is the node that names it (nothing for a placeholder or an unnamed field).
function addField(page, parent, { name = '', label = null, secret = false, value = '', focused = false, width = 100, role = '' }) {
  const node = append(parent, 'input');
  node.className = 'field' + (focused ? ' focused' : '');
  node.type = secret ? 'password' : 'text';
  node.style.width = Math.min(150, width) + 'px';
  node.value = value;
  node.spellcheck = false;
  node.autocomplete = 'off';
  page.elements.push({ kind: 'field', name, node, label, secret, focused, role, caret: focused && chance(0.6) });
  return node;
}

function addTick(page, parent, { name, on = false, radio = false }) {
  const row = append(parent, 'label');
  const box = append(row, 'input');
  box.className = 'tick';
  box.type = radio ? 'radio' : 'checkbox';
  if (radio) box.name = 'group' + page.id;
  box.checked = on;
  if (page.look.plain && chance(0.4)) box.style.width = '20px';
  const text = append(row, 'span', (chance(0.5) ? '' : ' ') + name);
  if (chance(0.75)) append(parent, 'br');
  else append(parent, 'span', ' ');
  page.elements.push({ kind: radio ? 'radio' : 'check', name, node: row, box, label: text });
  return row;
}

function addText(page, parent, count, linkRate) {
  const block = append(parent, 'div');
  sentence(count).split(' ').forEach((part) => {
    if (chance(linkRate)) {
      const name = part.replace(/[.,]$/, '');
      const node = append(block, 'span', name);
      node.className = 'link';
      if (page.look.underlineLinks) node.style.textDecoration = 'underline';
      page.elements.push({ kind: 'link', name, node });
      if (name != part) block.append(part[part.length - 1]);
    } else block.append(part);
    block.append(' ');
  });
  return block;
}

function addLink(page, parent, name) {
  const node = append(parent, 'span', name || caption());
  node.className = 'link';
  if (page.look.underlineLinks) node.style.textDecoration = 'underline';
  page.elements.push({ kind: 'link', name: node.textContent, node });
  return node;
}

function addHeading(parent, text) {
  const node = append(parent, chance(0.4) ? 'b' : 'div', text);
  node.style.cssText = `display:block;margin:${between(0, 5)}px 0;` + (chance(0.6) ? 'font-weight:bold;' : '') + (chance(0.3) ? `font-size:${between(110, 140)}%;` : '');
  return node;
}
