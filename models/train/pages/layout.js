// Layout: the kinds of page. Each fills `page.root` with widgets in one state out of the many a
// task passes through; a `fresh` page is as nobody has touched it yet.

const PAGE_KINDS = { form: 0.29, login: 0.12, ticks: 0.2, flow: 0.15, text: 0.05, scattered: 0.04, dialog: 0.09, result: 0.06 };

const SUBMITS = ['Submit', 'Save', 'OK', 'Send', 'Confirm', 'Done', 'Apply', 'Continue', 'Next', 'Register', 'Go'];
const SIGN_INS = ['Log in', 'Login', 'Sign in', 'Sign in', 'Enter', 'Go', 'Submit', 'Log In', 'Sign In', 'Continue', 'Log on'];
const REMEMBER = ['Remember me', 'Remember me', 'Keep me signed in', 'Stay signed in', 'Remember password', 'Trust this device', 'Show password', 'I agree'];

function distinct(count, draw) {
  const seen = new Map();
  for (let tries = 0; seen.size < count && tries < 60; tries++) {
    const text = draw();
    if (!seen.has(text.toLowerCase())) seen.set(text.toLowerCase(), text);
  }
  return [...seen.values()];
}

// Which fields are filled and which one has the focus: as left by someone working downwards, or any.
function fieldStates(count, fresh) {
  const filled = Array(count).fill(false);
  let focused = -1;
  if (fresh) return { filled, focused };
  if (chance(0.6)) {
    const done = between(0, count);
    filled.fill(true, 0, done);
    const where = random();
    focused = where < 0.25 ? -1 : where < 0.45 ? done - 1 : where < 0.9 ? Math.min(done, count - 1) : between(0, count - 1);
  } else {
    for (let i = 0; i < count; i++) filled[i] = chance(0.35);
    focused = chance(0.3) ? -1 : between(0, count - 1);
  }
  return { filled, focused };
}

// Labelled fields, one under the other. `fields` is [{ name, secret, role, value }].
function addFields(page, parent, fields, fresh) {
  const { filled, focused } = fieldStates(fields.length, fresh);
  const place = weighted({ above: 0.4, left: 0.4, bold: 0.08, inside: 0.12 });
  const colon = chance(0.5) ? ':' : '';
  const width = place == 'left' ? between(50, 88) : between(70, 148);
  const column = chance(0.5) ? between(38, 58) : 0; // labels in one column, or fields right after them
  const gap = between(0, fields.length > 2 ? 5 : 11);
  const big = page.look.big;
  fields.forEach((field, i) => {
    const row = append(parent, 'div', undefined, `margin-bottom:${gap}px`);
    let label = null;
    if (place != 'inside') {
      const beside = place == 'left' && !big;
      label = append(row, beside ? 'span' : place == 'bold' ? 'b' : 'div', field.name + colon);
      if (place == 'bold') label.style.display = 'block';
      if (beside && column) label.style.cssText = `display:inline-block;width:${column}px;white-space:nowrap`;
      row.append(' ');
    }
    const node = addField(page, row, { ...field, label, width, focused: i == focused, value: filled[i] ? field.value || fieldValue() : '' });
    if (place == 'inside') node.placeholder = field.name;
  });
}

function tickStates(count, fresh) {
  const rate = fresh ? 0 : pick([0, 0.25, 0.5, 0.5, 0.8]);
  return Array.from({ length: count }, () => chance(rate));
}

const LAYOUTS = {
  form(page, root, fresh) {
    if (chance(0.35)) addHeading(root, titleCase(phrase(between(1, 2))));
    const count = page.look.big ? between(1, 3) : pick([1, 2, 2, 3, 3, 4]);
    const fields = distinct(count, labelText).map((name) => ({ name, secret: chance(0.04) }));
    addFields(page, root, fields, fresh);
    if (chance(0.3)) distinct(between(1, 2), tickText).forEach((name) => addTick(page, root, { name, on: !fresh && chance(0.5) }));
    if (chance(0.88)) addButton(page, root, chance(0.6) ? pick(SUBMITS) : undefined).style.marginTop = between(0, 6) + 'px';
    if (chance(0.25)) addButton(page, root);
  },

  login(page, root, fresh) {
    if (chance(0.45)) addHeading(root, chance(0.6) ? pick(['Log in', 'Sign in', 'Welcome', 'Welcome back', 'Login', 'Account', 'Please sign in', 'Member login']) : titleCase(phrase(2)));
    page.user = chance(0.6) ? pick(WORDS.people) : fieldValue();
    page.password = chance(0.3) ? pick(WORDS.people) : fieldValue();
    addFields(page, root, [
      { name: pick(['Username', 'Username', 'Username', 'User', 'User name', 'Login', 'Email', 'Account', 'Name', 'Your name']), role: 'user', value: page.user },
      { name: pick(['Password', 'Password', 'Password', 'Password', 'Pass', 'Passcode', 'PIN', 'Your password']), role: 'password', secret: chance(0.85), value: page.password },
    ], fresh);
    if (chance(0.5)) addTick(page, root, { name: chance(0.75) ? pick(REMEMBER) : tickText(), on: !fresh && chance(0.5) });
    addButton(page, root, pick(SIGN_INS)).style.marginTop = between(0, 9) + 'px';
    if (chance(0.2)) addButton(page, root, pick(['Cancel', 'Register', 'Sign up', 'Help', 'Back']));
    if (chance(0.25)) append(root, 'div').append(addLink(page, root, pick(['Forgot password?', 'Create account', 'Need help?', 'Sign up', 'Register'])));
  },

  ticks(page, root, fresh) {
    const radio = chance(0.13);
    if (chance(0.35)) addHeading(root, titleCase(phrase(between(1, 3))));
    const names = distinct(between(2, page.look.big ? 5 : 7), tickText);
    const states = tickStates(names.length, fresh);
    const chosen = fresh ? -1 : between(-1, names.length - 1);
    names.forEach((name, i) => addTick(page, root, { name, radio, on: radio ? i == chosen : states[i] }));
    if (chance(0.4)) append(root, 'br');
    if (chance(0.15)) addButton(page, root);
    addButton(page, root, chance(0.75) ? pick(SUBMITS) : undefined);
  },

  flow(page, root, fresh) {
    for (let left = between(2, page.look.big ? 6 : 11); left > 0; left--) {
      const kind = random();
      if (kind < 0.22) addText(page, root, between(1, 6), chance(0.4) ? 0.3 : 0);
      else if (kind < 0.3) addFields(page, root, [{ name: labelText() }], fresh);
      else if (kind < 0.72) addButton(page, root);
      else if (kind < 0.82) addLink(page, root);
      else if (kind < 0.9) addTick(page, root, { name: tickText(), on: !fresh && chance(0.4) });
      else addHeading(root, titleCase(phrase(2)));
      if (chance(0.5)) append(root, 'br');
      else root.append(' ');
    }
  },

  text(page, root) {
    for (let left = between(1, 4); left > 0; left--) {
      addText(page, root, between(6, page.look.big ? 12 : 22), 0.2);
      if (chance(0.4)) append(root, 'br');
    }
    if (chance(0.3)) addButton(page, root);
  },

  scattered(page, root) {
    for (let left = pick([1, 2, 2, 3, 4]); left > 0; left--) {
      const width = between(34, 100);
      const height = between(18, 60);
      addButton(page, root).style.cssText += `;position:absolute;padding:1px 4px;left:${between(0, 160 - width)}px;top:${between(0, 208 - height)}px;width:${width}px;height:${height}px;white-space:normal`;
    }
    page.overlaps = true;
  },

  dialog(page, root, fresh) {
    if (chance(0.6)) LAYOUTS[pick(['flow', 'text', 'form'])](page, root, fresh);
    page.overlaps = true;
    const width = between(90, 152);
    const height = between(56, 140);
    const box = append(root, 'div', undefined, `position:absolute;left:${between(0, 160 - width)}px;top:${between(0, 208 - height)}px;width:${width}px;height:${height}px;overflow:hidden;background:var(--paper);border:${between(1, 2)}px solid var(--line);border-radius:var(--round)`);
    const tall = between(15, 24);
    const bar = append(box, 'div', undefined, `position:relative;height:${tall}px;line-height:${tall}px;padding:0 4px;overflow:hidden;white-space:nowrap;` + pick(['background:var(--fill)', 'background:var(--accent);color:#fff', '', 'border-bottom:1px solid var(--line)']));
    if (chance(0.75)) append(bar, 'span', titleCase(phrase(between(1, 2))));
    const side = between(12, Math.min(20, tall));
    const close = append(bar, chance(0.6) ? 'button' : 'span', undefined, `position:absolute;right:${between(1, 6)}px;top:50%;transform:translateY(-50%);width:${side}px;height:${side}px;padding:0;text-align:center;line-height:${side - 3}px;font-size:${side - 3}px;` + pick(['border:1px solid #999', 'border:none;background:transparent', '', 'background:#e33;color:#fff;border:none']));
    if (chance(0.5)) close.innerHTML = `<svg width=${side >> 1} height=${side >> 1} viewBox="0 0 10 10" style="display:block;margin:auto"><path d="M1 1L9 9M9 1L1 9" stroke="currentColor" stroke-width="${between(15, 30) / 10}"/></svg>`;
    else close.textContent = pick(['\u00d7', '\u2715', 'x', 'X']);
    page.elements.push({ kind: 'close', name: 'x', node: close });
    const body = append(box, 'div', undefined, `margin:${between(1, 8)}px 5px`);
    addText(page, body, between(2, 9), 0);
    for (let left = between(0, 2); left > 0; left--) addButton(page, body, chance(0.6) ? pick(['OK', 'Cancel', 'Yes', 'No', 'Accept', 'Close', 'Later', 'Delete', 'Keep', 'Retry']) : undefined);
  },

  // Nothing but things to read, from top to bottom; drawn on demand, for the eye alone.
  dense(page, root, fresh) {
    for (let left = between(10, 20); left > 0; left--) {
      const kind = random();
      if (kind < 0.5) addText(page, root, between(4, 14), chance(0.3) ? 0.3 : 0);
      else if (kind < 0.65) addHeading(root, titleCase(phrase(between(1, 3))));
      else if (kind < 0.75) addTick(page, root, { name: tickText(), on: !fresh && chance(0.4) });
      else if (kind < 0.83) addFields(page, root, [{ name: labelText() }, { name: labelText() }], fresh);
      else for (let buttons = between(1, 3); buttons > 0; buttons--) chance(0.7) ? addButton(page, root) : addLink(page, root);
    }
  },

  // What a finished task leaves on the screen.
  result(page, root) {
    page.user = chance(0.6) ? pick(WORDS.people) : fieldValue();
    page.result = true;
    root.style.paddingTop = between(2, 60) + 'px';
    if (chance(0.5)) root.style.textAlign = 'center';
    page.greets = chance(0.5);
    const message = page.greets
      ? pick(['Welcome, @', 'Welcome, @', 'Welcome @', 'Hello @', 'Hello, @!', 'Signed in as @', 'Welcome back, @', 'Hi @', 'You are logged in as @', 'Logged in as @.']).replace('@', page.user)
      : pick(['Saved', 'Saved.', 'Thank you', 'Thank you!', 'Thanks', 'Done', 'Done.', 'Success', 'Sent', 'Your changes were saved', 'Order placed', 'Message sent', 'Submitted', 'All set', 'Request received', 'Your form was sent', 'Registered', 'Changes applied', 'Complete', 'Your answers were saved']);
    addHeading(root, message);
    if (chance(0.35)) addText(page, root, between(2, 9), 0);
    if (chance(0.3)) addButton(page, root, pick(['Log out', 'Sign out', 'Back', 'Home', 'Continue', 'OK', 'Done']));
    if (chance(0.2)) addLink(page, root, pick(['Log out', 'Back', 'Home', 'Settings', 'My orders']));
  },
};

// Builds one page in `cell`. `wanted` may fix { kind, look, fresh }.
function buildPage(cell, id, wanted) {
  const look = dress(cell, wanted.look);
  const kind = wanted.kind || weighted(PAGE_KINDS);
  const page = { id, kind, look, cell, elements: [] };
  const root = append(cell, 'div', undefined, `padding:${chance(0.5) ? 3 : between(0, look.big ? 6 : 12)}px`);
  if (kind != 'result' && chance(0.35)) root.style.paddingTop = between(3, 60) + 'px';
  LAYOUTS[kind](page, root, wanted.fresh);
  if (['form', 'login', 'ticks'].includes(kind) && chance(0.35)) {
    if (chance(0.7)) addText(page, root, between(2, 10), chance(0.5) ? 0.25 : 0);
    else addLink(page, root);
  }
  return page;
}
