"use strict";
// Steps by keyboard, the film strip in step with the page, what changed, a search, and a choice of light or dark.
const steps = [...document.querySelectorAll(".step")];
const links = new Map([...document.querySelectorAll(".film a")].map(a => [a.getAttribute("href").slice(1), a]));
let here = -1, settled = 0;
function mark(index) {
  if (index === here || !steps[index]) return;
  here = index;
  steps.forEach((step, i) => step.classList.toggle("here", i === index));
  links.forEach((link, id) => link.classList.toggle("here", id === steps[index].id));
  const film = document.querySelector(".film"), link = links.get(steps[index].id);
  if (link) film.scrollTo({ left: link.offsetLeft - film.clientWidth / 2 + link.clientWidth / 2 });
}
// The next step in this direction that the search hasn't hidden.
function go(index) {
  let next = Math.max(0, Math.min(steps.length - 1, index));
  // At an end of the list, inwards.
  const way = next === 0 ? 1 : next === steps.length - 1 || index < here ? -1 : 1;
  while (steps[next]?.hidden) next += way;
  if (!steps[next]) return;
  steps[next].scrollIntoView({ block: "start" });
  steps[next].focus({ preventScroll: true });
  mark(next);
  // While the page scrolls there, what passes by isn't what was chosen.
  settled = Date.now() + 800;
}
function theme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
}
function changed(button, on) {
  button.setAttribute("aria-pressed", on);
  button.closest("figure").classList.toggle("differs", on);
}
const switches = [...document.querySelectorAll(".changed")];
switches.forEach(button => button.addEventListener("click", () => changed(button, button.getAttribute("aria-pressed") !== "true")));
function allChanged() {
  const on = switches.some(button => button.getAttribute("aria-pressed") !== "true");
  switches.forEach(button => changed(button, on));
}
function unfold() {
  const folds = [...document.querySelectorAll("details")];
  const open = folds.some(fold => !fold.open);
  folds.forEach(fold => { fold.open = open; });
}
const find = document.getElementById("find"), found = document.getElementById("found");
const texts = steps.map(step => step.textContent.toLowerCase());
find.addEventListener("input", () => {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  steps.forEach((step, i) => {
    step.hidden = !words.every(word => texts[i].includes(word));
    links.get(step.id)?.classList.toggle("gone", step.hidden);
    count += !step.hidden;
  });
  found.textContent = words.length ? `${count} of ${steps.length}` : "";
});
const observer = new IntersectionObserver(seen => {
  const entered = seen.find(entry => entry.isIntersecting);
  if (entered && Date.now() > settled) mark(steps.indexOf(entered.target));
}, { rootMargin: "-30% 0px -60% 0px" });
steps.forEach(step => observer.observe(step));
document.getElementById("theme").addEventListener("click", theme);
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target === find) {
    if (event.key === "Escape") { find.value = ""; find.dispatchEvent(new Event("input")); find.blur(); }
    return;
  }
  const move = { j: 1, ArrowRight: 1, k: -1, ArrowLeft: -1 }[event.key];
  if (move) { event.preventDefault(); go(here + move); }
  if (event.key === "Home") go(0);
  if (event.key === "End") go(steps.length - 1);
  if (event.key === "t") theme();
  if (event.key === "d") allChanged();
  if (event.key === "o") unfold();
  if (event.key === "/") { event.preventDefault(); find.focus(); }
});
