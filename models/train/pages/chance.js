// Chance: a seeded generator of random choices and of the text that fills practice pages.
// The same seed gives the same page in every browser.

let random = Math.random;
let WORDS = { words: [], captions: [], labels: [], ticks: [], people: [] };

// Mulberry32, a public-domain 32-bit generator by Tommy Ettinger.
function seedChance(seed) {
  let state = seed | 0;
  random = function () {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const chance = (probability) => random() < probability;
const between = (low, high) => low + Math.floor(random() * (high - low + 1)); // both ends included
const pick = (list) => list[Math.floor(random() * list.length)];
const capital = (text) => text[0].toUpperCase() + text.slice(1);

// Weighted choice from { name: weight }.
function weighted(table) {
  let left = random() * Object.values(table).reduce((sum, weight) => sum + weight, 0);
  for (const name in table) {
    left -= table[name];
    if (left < 0) return name;
  }
  return Object.keys(table)[0];
}

function shuffled(list) {
  const copy = [...list];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = between(0, i);
    [copy[i], copy[j]] = [copy[j], copy[i]];
  }
  return copy;
}

function gibberish(low, high) {
  const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
  return Array.from({ length: between(low, high) }, () => pick(letters)).join('');
}

function pseudoWord() {
  let word = '';
  for (let syllables = between(1, 4); syllables > 0; syllables--) {
    if (chance(0.85)) word += pick('bcdfghjklmnprstvwz');
    word += pick('aeiou');
    if (chance(0.35)) word += pick('lmnrstck');
  }
  return chance(0.15) ? capital(word) : word;
}

function word() {
  const kind = random();
  if (kind > 0.88) return gibberish(2, 7);
  if (kind > 0.74) return pseudoWord();
  const common = pick(WORDS.words);
  return chance(0.2) ? capital(common) : chance(0.05) ? common.toUpperCase() : common;
}

const phrase = (count) => Array.from({ length: count }, word).join(' ');

function sentence(count) {
  const parts = Array.from({ length: count }, word);
  parts[0] = capital(parts[0]);
  return parts.map((part) => (chance(0.12) ? part + ',' : part)).join(' ') + (chance(0.7) ? '.' : '');
}

function titleCase(text) {
  const style = random();
  if (style < 0.4) return capital(text);
  if (style < 0.7) return text.split(' ').map(capital).join(' ');
  return style < 0.8 ? text.toUpperCase() : text;
}

function caption() {
  const kind = random();
  if (kind < 0.55) return titleCase(pick(WORDS.captions));
  if (kind < 0.8) return titleCase(word());
  return kind < 0.92 ? titleCase(phrase(2)) : gibberish(1, 5);
}

function labelText() {
  const kind = random();
  if (kind < 0.6) return pick(WORDS.labels);
  return kind < 0.85 ? capital(word()) : capital(phrase(2));
}

function tickText() {
  const kind = random();
  if (kind < 0.25) return pick(WORDS.ticks);
  if (kind < 0.65) return chance(0.5) ? capital(word()) : word();
  return kind < 0.8 ? gibberish(2, 8) : capital(phrase(2));
}

// What someone might type into a field; short, because fields here are narrow.
function fieldValue() {
  const kind = random();
  if (kind < 0.3) return pick(WORDS.people);
  if (kind < 0.6) return chance(0.5) ? capital(pick(WORDS.words)) : pick(WORDS.words);
  if (kind < 0.75) return pseudoWord() + (chance(0.3) ? between(1, 99) : '');
  return kind < 0.87 ? String(between(10, 10 ** between(2, 8))) : gibberish(3, 10);
}
