"use strict";
// What a page's ?seed=N changes: the order of things, the tint and the spacing. The task stays the same.
const seed = Number(new URLSearchParams(location.search).get("seed") ?? 0);
// mulberry32 (Tommy Ettinger): a small generator, so that a seed makes the same page everywhere.
let state = (seed * 0x9e3779b1) >>> 0;
function random() {
  state = (state + 0x6d2b79f5) >>> 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
}
function shuffled(things) {
  const left = [...things];
  for (let i = left.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [left[i], left[j]] = [left[j], left[i]];
  }
  return left;
}
const tints = ["#2563a8", "#2f7d4f", "#8a3f8f", "#a3541c", "#3d4a5c"];
document.documentElement.style.setProperty("--tint", tints[seed % tints.length]);
document.documentElement.style.setProperty("--top", `${8 + Math.floor(random() * 8)}px`);
// Replaces the page by its last word.
function say(text) {
  const end = document.createElement("p");
  end.className = "end";
  end.textContent = text;
  document.body.replaceChildren(end);
}
