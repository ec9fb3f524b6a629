// The grid of scenes: filtered and sorted here. Only the rows around what is seen are in the page, however many there are.

import { annotate, judge, move as moveTo, undo, undoCount } from "./acts.js";
import { askSplit, askWhy, askWords, listenTo, nightButton, tagsOf } from "./asking.js";
import { follow, tell } from "./live.js";

const KIND = { aligned: "good", accepted: "good", misaligned: "bad", rejected: "bad", undetermined: "doubt" };
const DOUBT = { undetermined: 0, "not verified": 1, misaligned: 2, rejected: 3, aligned: 4, accepted: 5 };
const FILTERS = ["words", "split", "verdict", "decision", "tag", "sort"];

const grid = document.getElementById("grid");
const template = document.getElementById("card").content.firstElementChild;
const control = Object.fromEntries(FILTERS.map((name) => [name, document.getElementById(name)]));
const starred = document.getElementById("starred");
const scenes = new Map(); // number -> { card, item }; the item is made when it is first to be seen
const ROWS_BEYOND = 3; // kept ready above and below what is seen
let shown = []; // numbers, in the order of the grid
let current = Number(sessionStorage.getItem("sidcap-scene") ?? 0);
let unread = 0;
let settled = false;
let placing = false;

function itemOf(id) {
  const scene = scenes.get(id);
  if (!scene.item) {
    scene.item = newItem(id);
    draw(scene.item, scene.card);
  }
  return scene.item;
}

function newItem(id) {
  const item = document.getElementById(`scene-${id}`) ?? template.cloneNode(true); // the page brings the first ones along
  item.id = `scene-${id}`;
  item.dataset.scene = id;
  item.querySelector("a").href = `/scenes/${id}`;
  item.querySelector("a").addEventListener("click", () => sessionStorage.setItem("sidcap-scene", id));
  item.querySelector("a").addEventListener("focus", () => setCurrent(id));
  item.querySelector(".star").addEventListener("click", () => star(id));
  return item;
}

function draw(item, card) {
  const part = (name) => item.querySelector(name);
  const image = part("img");
  if (card.picture && image.getAttribute("src") !== card.picture) image.src = card.picture;
  image.hidden = !card.picture;
  part(".waiting").hidden = Boolean(card.picture);
  part(".waiting").textContent = card.problem || card.lacking || "developing …";
  part(".name").textContent = card.name;
  part(".split").textContent = [card.split ?? "", card.complete ? "" : "incomplete"].filter(Boolean).join(" · ");
  part(".pairs").replaceChildren(...card.pairs.map(badge));
  part(".note").textContent = card.note;
  part(".tags").replaceChildren(...card.tags.map((tag) => element("span", "tag", tag)));
  part(".star").textContent = card.starred ? "★" : "☆";
  part(".star").setAttribute("aria-pressed", String(card.starred));
  part(".star").setAttribute("aria-label", `star scene ${card.name}`);
  part("a").setAttribute("aria-label", `Scene ${card.name}, ${card.split}: ${card.pairs.map((pair) => `${pair.label} ${pair.standing}`).join(", ")}`);
  part("a").title = card.shot;
}

function badge(pair) {
  const mark = element("span", `badge ${KIND[pair.standing] ?? ""}`, [pair.label === "closing" ? "end" : pair.label, pair.by].join(" ").trim());
  mark.title = `${pair.label}: ${pair.standing}${pair.by ? ` by ${pair.by} (verdict: ${pair.verdict ?? "not verified"})` : ""}`;
  return mark;
}

function element(name, kind, words) {
  const made = document.createElement(name);
  made.className = kind;
  made.textContent = words;
  return made;
}

function matches(card) {
  const has = (test) => card.pairs.some(test);
  const { split, verdict, decision, tag, words } = control;
  const text = words.value.trim().toLowerCase();
  return (
    (!split.value || card.split === split.value) &&
    (!verdict.value || has((pair) => (pair.verdict ?? "not verified") === verdict.value)) &&
    (!decision.value || has((pair) => (pair.by ? pair.standing : "undecided") === decision.value)) &&
    (!tag.value || card.tags.includes(tag.value)) &&
    (!starred.checked || card.starred) &&
    (!text || searched(card).includes(text))
  );
}

function searched(card) {
  return [card.name, card.note, card.shot, card.words, card.problem, ...card.tags].join(" ").toLowerCase();
}

const ORDERS = {
  number: () => 0,
  doubt: (a, b) => doubt(a) - doubt(b),
  shift: (a, b) => (b.worst_shift_px ?? -1) - (a.worst_shift_px ?? -1),
  newest: (a, b) => (a.shot_utc < b.shot_utc ? 1 : a.shot_utc > b.shot_utc ? -1 : 0),
};

function doubt(card) {
  return Math.min(...card.pairs.map((pair) => DOUBT[pair.standing] ?? 1), 9);
}

/** Finds what the filters let through, and puts it into the grid. */
function arrange() {
  const order = ORDERS[control.sort.value] ?? ORDERS.number;
  const cards = [...scenes.values()].map((scene) => scene.card).filter(matches);
  cards.sort((a, b) => order(a, b) || a.id - b.id);
  const now = cards.map((card) => card.id);
  shown = now;
  if (!shown.includes(current)) current = shown[0] ?? 0;
  place();
  sessionStorage.setItem("sidcap-order", JSON.stringify(shown));
  const filtered = shown.length < scenes.size;
  const reading = unread ? ", more to come …" : "";
  const count = filtered ? `${shown.length} of ${scenes.size} scenes` : `${scenes.size} ${scenes.size === 1 ? "scene" : "scenes"}`;
  document.getElementById("count").textContent = count + reading;
  document.getElementById("nothing").hidden = shown.length > 0 || unread > 0 || scenes.size === 0;
  document.getElementById("clear").hidden = !filtered;
}

/** Puts the rows around what is seen into the grid, with room for the others above and below; moves what has to move. */
function place({ scrolled = false } = {}) {
  if (!scrolled) measure();
  const { columns, pitch, offset } = layout;
  const rows = Math.ceil(shown.length / columns);
  const top = scrollY - offset;
  const first = Math.min(Math.max(Math.floor(top / pitch) - ROWS_BEYOND, 0), rows);
  const last = Math.min(Math.max(Math.ceil((top + innerHeight) / pitch) + ROWS_BEYOND, first), rows);
  if (scrolled && first === layout.first && last === layout.last) return;
  Object.assign(layout, { first, last });
  grid.style.paddingBlock = `calc(1rem + ${first * pitch}px) calc(1rem + ${(rows - last) * pitch}px)`;

  const wanted = shown.slice(first * columns, last * columns);
  const staying = new Set(wanted);
  for (const item of [...grid.children]) if (!staying.has(Number(item.dataset.scene))) item.remove();
  let next = grid.firstElementChild;
  wanted.forEach((id, index) => {
    const item = itemOf(id);
    if (item === next) next = next.nextElementSibling;
    else grid.insertBefore(item, next);
    item.ariaSetSize = shown.length;
    item.ariaPosInSet = first * columns + index + 1;
  });
  const stop = staying.has(current) ? current : wanted[0]; // the one scene that Tab stops at; arrows go on from there
  grid.querySelector('a[tabindex="0"]')?.setAttribute("tabindex", "-1");
  scenes.get(stop)?.item.querySelector("a").setAttribute("tabindex", "0");
}

const layout = { columns: 1, pitch: 1, offset: 0, first: 0, last: 0 };

/** How many scenes stand in a row, how far rows lie apart and where they begin, pixels. */
function measure() {
  const style = getComputedStyle(grid);
  layout.columns = style.gridTemplateColumns.split(" ").length;
  layout.pitch = parseFloat(style.gridAutoRows) + parseFloat(style.rowGap);
  layout.offset = grid.offsetTop;
}

/** Scrolls to a scene as far as it takes to see it. */
function reveal(id) {
  const { columns, pitch, offset } = layout;
  const top = offset + Math.floor(shown.indexOf(id) / columns) * pitch;
  const bar = document.querySelector(".bar").offsetHeight;
  if (top < scrollY + bar) scrollTo(0, top - bar);
  else if (top + pitch > scrollY + innerHeight) scrollTo(0, top + 1.2 * pitch - innerHeight);
  place();
}

function setCurrent(id) {
  current = id;
  place();
}

function move(step) {
  const here = shown.indexOf(current);
  const to = shown[Math.min(Math.max(here + step, 0), shown.length - 1)];
  if (to === undefined) return;
  current = document.activeElement?.closest?.(".card") ? to : current;
  reveal(current);
  itemOf(current).querySelector("a").focus({ preventScroll: true });
}

function listTags() {
  const tags = [...new Set([...scenes.values()].flatMap((scene) => scene.card.tags))].sort();
  const chosen = control.tag.value || new URLSearchParams(location.search).get("tag") || "";
  const options = tags.map((tag) => new Option(tag, tag));
  control.tag.replaceChildren(new Option("every tag", ""), ...options);
  control.tag.value = tags.includes(chosen) ? chosen : "";
}

function remember() {
  const query = new URLSearchParams();
  for (const name of FILTERS) if (control[name].value && !(name === "sort" && control.sort.value === "number")) query.set(name, control[name].value);
  if (starred.checked) query.set("starred", "1");
  history.replaceState(null, "", query.size ? `/?${query}` : "/");
  sessionStorage.setItem("sidcap-grid", location.search);
}

function recall() {
  const query = new URLSearchParams(location.search);
  for (const name of FILTERS) if (query.has(name) && name !== "tag") control[name].value = query.get(name);
  starred.checked = query.has("starred");
}

function clear() {
  for (const name of FILTERS) if (name !== "sort") control[name].value = "";
  starred.checked = false;
  filter();
}

function filter() {
  remember();
  arrange();
}

function take(card) {
  const item = scenes.get(card.id)?.item;
  scenes.set(card.id, { card, item });
  if (item) draw(item, card);
}

function forget(id) {
  scenes.delete(id);
  pairsOf.delete(id);
}

/** Takes over what an act answered; live news would say the same a second later. */
function took(card) {
  if (!card) return;
  take(card);
  listTags();
  arrange();
}

const pairsOf = new Map(); // number -> [[frame, reference]], asked for when they are needed

async function pairsIn(id) {
  if (!pairsOf.has(id)) {
    const answer = await fetch(`/api/scenes/${id}/pairs`);
    pairsOf.set(id, await answer.json());
  }
  return pairsOf.get(id);
}

async function decide(choice) {
  const scene = scenes.get(current);
  if (!scene || !scene.card.pairs.length) return;
  const { id, name, revision } = scene.card;
  const why = await askWhy(choice, `all pairs of scene ${name}`);
  if (why === null) return;
  const card = await judge(id, revision, await pairsIn(id), choice, why);
  if (card) tell(`scene ${name}: ${choice}, ${why}`);
  took(card);
}

async function star(id = current) {
  const scene = scenes.get(id);
  if (scene) took(await annotate(id, scene.card.revision, { starred: !scene.card.starred }));
}

async function note() {
  const { id, name, note: before, revision } = scenes.get(current).card;
  const words = await askWords(`Note on scene ${name}`, "Enter saves, Shift+Enter begins a new line.", before);
  if (words !== null) took(await annotate(id, revision, { note: words }));
}

async function tags() {
  const { id, name, tags: before, revision } = scenes.get(current).card;
  const words = await askWords(`Tags of scene ${name}`, "Divided by commas.", before.join(", "));
  if (words !== null) took(await annotate(id, revision, { tags: tagsOf(words) }));
}

async function resplit() {
  const scene = scenes.get(current);
  if (!scene?.card.split) return;
  const { id, name, split, revision } = scene.card;
  const to = await askSplit(`Put scene ${name} into another split`, split);
  const card = to && (await moveTo(id, revision, to));
  if (!card) return;
  took(card);
  tell(`scene ${name} is ${card.name} now, in ${card.split}`);
  if (shown.includes(current)) itemOf(current).querySelector("a").focus({ preventScroll: true });
}

async function undoLast() {
  if (undoCount() === 0) tell("nothing to undo in this window");
  else took(await undo());
}

function placeSoon() {
  if (placing) return;
  placing = true;
  requestAnimationFrame(() => {
    placing = false;
    place({ scrolled: true });
  });
}

document.addEventListener("renumbered", ({ detail: { old, now } }) => {
  forget(old);
  if (current === old) current = shown[shown.indexOf(old) + 1] ?? now; // whoever goes through the scenes goes on from here
});

recall();
nightButton();
addEventListener("scroll", placeSoon, { passive: true });
addEventListener("resize", () => place());
for (const name of FILTERS) control[name].addEventListener(name === "words" ? "input" : "change", filter);
starred.addEventListener("change", filter);
document.getElementById("clear").onclick = clear;
document.getElementById("clear-too").onclick = clear;
listenTo({
  ArrowRight: () => move(1),
  ArrowLeft: () => move(-1),
  ArrowDown: () => move(layout.columns),
  ArrowUp: () => move(-layout.columns),
  a: () => decide("accepted"),
  r: () => decide("rejected"),
  w: () => decide("withdrawn"),
  s: () => star(),
  n: note,
  t: tags,
  p: resplit,
  u: undoLast,
  "/": () => control.words.focus(),
});

function heard(news) {
  const first = scenes.size === 0;
  news.scenes.forEach(take);
  news.gone.forEach(forget);
  unread = news.unread + (news.more ? 1 : 0);
  if (news.scenes.length || news.gone.length || first) {
    listTags();
    arrange();
  }
  if (!news.more && !settled && shown.includes(current)) {
    settled = true; // where somebody comes back from a scene, that scene is seen
    reveal(current);
  }
}

heard({ ...JSON.parse(document.getElementById("first").textContent), gone: [], more: true }); // what the page brought along
follow(heard);
