// Look: how a page is painted. A look is a font, a palette and one way each of drawing a field, its
// focus, a button and a tick. Named looks are whole; `mixed` draws each part independently.

const FONTS = ['Liberation Sans', 'Liberation Sans', 'Liberation Sans', 'Liberation Serif', 'Liberation Mono',
  'DejaVu Sans', 'DejaVu Sans', 'DejaVu Serif', 'DejaVu Sans Mono', 'Open Sans', 'Open Sans'];
const SANS = ['Liberation Sans', 'Liberation Sans', 'DejaVu Sans', 'Open Sans'];
const ACCENTS = ['#3367d6', '#0066cc', '#c0392b', '#2a8a3e', '#7b3fb5', '#d2691e', '#00897b', '#ad1457', '#455a64', '#222'];

const LOOK_CSS = `
.page{font-family:var(--font);font-size:var(--size);background:var(--paper);color:var(--ink);line-height:var(--lead)}
.page *{box-sizing:border-box}
.page input,.page button{font-family:inherit;font-size:inherit;margin:0}
.page .tick{accent-color:var(--accent)}
.page .link{color:var(--link)}
.page.dark{color-scheme:dark}
.field-native .field{box-sizing:border-box}
.field-boxed .field{background:var(--field);color:var(--ink);border:1px solid var(--line);border-radius:var(--round);padding:var(--pad) 4px}
.field-filled .field{background:var(--fill);color:var(--ink);border:none;border-radius:var(--round);padding:calc(var(--pad) + 1px) 5px}
.field-inset .field{background:var(--field);color:var(--ink);border:2px inset var(--line);padding:1px 2px}
.field-thick .field{background:var(--field);color:var(--ink);border:2px solid var(--line);border-radius:var(--round);padding:var(--pad) 3px}
.field-under .field{background:transparent;color:var(--ink);border:none;border-bottom:1px solid var(--line);padding:var(--pad) 1px}
.field-shade .field{background:var(--fill);color:var(--ink);border:none;border-bottom:2px solid var(--line);padding:var(--pad) 4px}
.page:not(.field-native) .field:is(.focused,:focus){outline:none}
.field-native .field.focused{outline:-webkit-focus-ring-color auto 1px}
.page.focus-ring .field:is(.focused,:focus){outline:-webkit-focus-ring-color auto 1px}
.page.focus-line .field:is(.focused,:focus){outline:1px solid var(--accent);border-color:var(--accent)}
.page.focus-glow .field:is(.focused,:focus){border-color:var(--accent);box-shadow:0 0 0 2px var(--glow)}
.page.focus-inner .field:is(.focused,:focus){box-shadow:inset 0 0 0 2px var(--accent)}
.page.focus-tint .field:is(.focused,:focus){background:var(--tint)}
.page.focus-under .field:is(.focused,:focus){border-bottom:2px solid var(--accent)}
.page.focus-dots .field:is(.focused,:focus){outline:1px dotted var(--accent);outline-offset:1px}
.button-solid .button{background:var(--accent);color:#fff;border:none;border-radius:var(--round);padding:3px var(--wide)}
.button-outset .button{background:var(--fill);color:var(--ink);border:2px outset var(--line);padding:2px var(--wide)}
.button-fade .button{background:linear-gradient(#fff,#ddd);color:#222;border:1px solid var(--line);border-radius:var(--round);padding:2px var(--wide)}
.button-outline .button{background:transparent;color:var(--accent);border:1px solid var(--accent);border-radius:var(--round);padding:3px var(--wide)}
.button-thick .button{background:var(--paper);color:var(--ink);border:2px solid var(--ink);padding:2px var(--wide)}
.button-soft .button{background:var(--fill);color:var(--ink);border:none;border-radius:var(--round);padding:4px var(--wide)}
.button-dark .button{background:#2b2b33;color:#fff;border:none;border-radius:20px;padding:3px calc(var(--wide) + 3px)}
.tick-flat .tick{appearance:none;width:12px;height:12px;margin:2px 3px;background:var(--field);border:1px solid var(--line);border-radius:2px;vertical-align:middle}
.tick-flat .tick:checked{background:var(--accent)}
.tick-cross .tick,.tick-mark .tick{appearance:none;width:13px;height:13px;margin:1px 3px;background:var(--field);border:2px solid var(--line);vertical-align:middle;display:inline-flex;align-items:center;justify-content:center}
.tick-cross .tick:checked::before{content:"\\2715";font:bold 10px 'DejaVu Sans';line-height:9px;color:var(--ink)}
.tick-mark .tick:checked{background:var(--accent);border-color:var(--accent)}
.tick-mark .tick:checked::before{content:"\\2713";font:bold 10px 'DejaVu Sans';line-height:9px;color:#fff}
.page .tick[type=radio]{border-radius:50%}
.material .field{border:none;border-bottom:1px solid #777;background:transparent;padding:2px 0 1px;color:inherit}
.material .field:is(.focused,:focus){border-bottom:2px solid var(--accent);padding-bottom:0;outline:none}
.material .button{background:var(--accent);color:#fff;border:none;border-radius:3px;padding:4px 10px;box-shadow:0 1px 3px rgba(0,0,0,.5);letter-spacing:.3px}
.material .tick{appearance:none;width:14px;height:14px;margin:2px 5px 2px 1px;border:2px solid #666;border-radius:2px;vertical-align:middle;display:inline-flex;align-items:center;justify-content:center}
.material .tick:checked{background:var(--accent);border-color:var(--accent)}
.material .tick:checked::before{content:"\\2713";color:#fff;font:bold 11px 'DejaVu Sans'}
.large .field{border:2px solid #b9b9c9;border-radius:9px;background:#fff;padding:2px 7px;color:inherit}
.large .field:is(.focused,:focus){border-color:var(--accent);box-shadow:0 0 0 2px rgba(255,150,60,.45);outline:none}
.large .button{border:1px solid var(--accent);border-radius:13px;background:linear-gradient(#fff,var(--fill));padding:3px 12px;font-weight:bold;color:inherit}
.large .tick{appearance:none;width:16px;height:16px;margin:1px 5px 1px 1px;border:2px solid #b9b9c9;border-radius:5px;background:#fff;vertical-align:middle}
.large .tick:checked{background:var(--accent);box-shadow:inset 0 0 0 2px #fff}
`;

const LIGHT = () => ({
  paper: pick(['#fff', '#fff', '#fff', '#f7f7f7', '#f2f2f2', '#eef2f6', '#fffdf5', '#fdf6f0', '#eaf3ea']),
  ink: pick(['#000', '#111', '#222', '#333', '#123', '#321']),
  field: pick(['#fff', '#fff', '#fffefa', '#fafafa']),
  fill: pick(['#e6e9ee', '#e0e0e0', '#dde7f3', '#eee0e8', '#efe6d2', '#e2efe2']),
  line: pick(['#999', '#aaa', '#bbb', '#777', '#555', '#a98', '#334', '#000']),
  link: pick(['#0000ee', '#0066cc', '#0645ad', '#a00', '#1a0dab', '#063', '#800080']),
  tint: pick(['#ffef9a', '#cfe8ff', '#d8ffd0', '#fffbd8', '#ffe0e0']),
  glow: pick(['rgba(60,120,255,.4)', 'rgba(255,150,60,.45)', 'rgba(0,160,120,.4)']),
});
const DARK = () => ({
  paper: pick(['#1e1e1e', '#222', '#111', '#202838', '#2b2b33', '#10202a']),
  ink: pick(['#eee', '#ddd', '#fff', '#cde']),
  field: pick(['#333', '#2c2c2c', '#000', '#3a4252']),
  fill: pick(['#3a3a3a', '#343c4c', '#40404a']),
  line: pick(['#555', '#777', '#666', '#99a']),
  link: pick(['#8ab4f8', '#6cf', '#9d9']),
  tint: pick(['#46442a', '#2a4050']),
  glow: pick(['rgba(120,170,255,.6)', 'rgba(255,180,90,.6)']),
});

const FIELDS = ['native', 'boxed', 'filled', 'inset', 'thick', 'under', 'shade'];
const BUTTONS = ['native', 'solid', 'outset', 'fade', 'outline', 'thick', 'soft', 'dark'];
const TICKS = ['native', 'flat', 'cross', 'mark'];
const FOCUS = ['ring', 'line', 'glow', 'inner', 'tint', 'dots'];

// Each named look: parts, fonts and text sizes (CSS px, both ends included).
const LOOKS = {
  plain: { field: ['native'], button: ['native'], tick: ['native'], focus: [''], fonts: FONTS, size: [10, 14], white: 0.6 },
  dark: { field: ['boxed', 'filled', 'native'], button: ['solid', 'native', 'outline'], tick: ['native'], focus: ['line', 'glow', 'ring'], fonts: SANS, size: [10, 13], dark: true },
  flat: { field: ['filled'], button: ['solid', 'soft'], tick: ['flat', 'mark'], focus: ['inner', 'tint', 'line'], fonts: SANS, size: [10, 14] },
  paper: { field: ['inset', 'boxed'], button: ['outset'], tick: ['native'], focus: ['dots', 'tint', 'ring'], fonts: ['Liberation Serif', 'DejaVu Serif'], size: [11, 15] },
  compact: { field: ['boxed'], button: ['fade'], tick: ['native'], focus: ['line', 'ring'], fonts: SANS, size: [9, 11] },
  outlined: { field: ['thick'], button: ['thick'], tick: ['cross'], focus: ['tint', 'glow'], fonts: ['Liberation Mono', 'DejaVu Sans Mono'], size: [10, 13] },
  underlined: { field: ['under', 'shade'], button: ['solid', 'outline', 'dark'], tick: ['mark', 'flat', 'native'], focus: ['under', 'tint'], fonts: SANS, size: [10, 14] },
  mixed: { field: FIELDS, button: BUTTONS, tick: TICKS, focus: FOCUS, fonts: FONTS, size: [9, 15] },
};
// Never rendered for training: what a style that nobody showed it looks like.
const HELD_OUT = ['material', 'large'];
const TRAINED = { plain: 0.2, dark: 0.09, flat: 0.09, paper: 0.09, compact: 0.08, outlined: 0.08, underlined: 0.12, mixed: 0.25 };

// Paints `cell` in a look and returns what widgets need to know about it.
function dress(cell, name) {
  name = name || weighted(TRAINED);
  const look = LOOKS[name];
  const accent = pick(ACCENTS);
  const isDark = look ? look.dark || (name == 'mixed' && chance(0.12)) : false;
  const colours = { ...(isDark ? DARK() : LIGHT()), accent };
  let classes;
  let size;
  let font;
  if (look) {
    let button = pick(look.button);
    if (isDark && button == 'fade') button = 'solid';
    const field = pick(look.field);
    const focus = field == 'native' ? '' : field == 'under' && chance(0.6) ? 'under' : pick(look.focus);
    classes = [`field-${field}`, `focus-${focus}`, `button-${button}`, `tick-${pick(look.tick)}`, isDark ? 'dark' : 'light'];
    if (look.white && !isDark && chance(look.white)) Object.assign(colours, { paper: '#fff', ink: '#000', link: '#0000ee' });
    size = between(...look.size);
    font = pick(look.fonts);
  } else if (name == 'material') {
    classes = ['material'];
    Object.assign(colours, { paper: pick(['#fff', '#fafafa']), ink: '#212121', accent: pick(['#6200ee', '#00796b', '#1976d2']) });
    size = between(11, 14);
    font = pick(SANS);
  } else {
    classes = ['large'];
    Object.assign(colours, { paper: pick(['#fffaf3', '#f4f8ff']), ink: '#2a2a3a', accent: pick(['#e06c1f', '#1f8fe0']), fill: pick(['#ffe2c8', '#d5e9ff']) });
    size = 15;
    font = pick(['Liberation Sans', 'DejaVu Sans']);
  }
  cell.className = 'page ' + classes.join(' ');
  const variables = { ...colours, font: `'${font}'`, size: size + 'px', round: pick([0, 2, 3, 5, 8]) + 'px', pad: pick([1, 2, 2, 3, 4]) + 'px', wide: pick([5, 7, 8, 10, 16]) + 'px', lead: pick(['normal', 'normal', '1.3', '1.5']) };
  for (const key in variables) cell.style.setProperty('--' + key, variables[key]);
  return { name, size, big: size >= 14, underlineLinks: chance(0.7), plain: name == 'plain' };
}
