// The grid of scenes: drawn once, then only what changes; filtered and sorted here.

import { annotate, judge, undo, undoCount } from "./acts.js";
import { askWhy, askWords, listenTo, nightButton, tagsOf } from "./asking.js";
import { follow, tell } from "./live.js";

const KIND = { aligned: "good", accepted: "good", misaligned: "bad", rejected: "bad", undetermined: "doubt" };
const DOUBT = { undetermined: 0, "not verified": 1, misaligned: 2, rejected: 3, aligned: 4, accepted: 5 };
const FILTERS = ["words", "split", "verdict", "decision", "tag", "sort"];

const grid = document.getElementById("grid");
const template = document.getElementById("card").content.firstElementChild;
const control = Object.fromEntries(FILTERS.map((name) => [name, document.getElementById(name)]));
const starred = document.getElementById("starred");
const scenes = new Map(); // number -> { card, item }
let shown = []; // numbers, in the order of the grid
let current = Number(sessionStorage.getItem("sidcap-scene") ?? 0);
let unread = 0;

function newItem(id) {
  const item = template.cloneNode(true);
  item.id = `scene-${id}`;
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

/** Puts into the grid what the filters let through; moves nothing that is in its place already. */
function arrange() {
  const order = ORDERS[control.sort.value] ?? ORDERS.number;
  const cards = [...scenes.values()].map((scene) => scene.card).filter(matches);
  cards.sort((a, b) => order(a, b) || a.id - b.id);
  const now = cards.map((card) => card.id);
  if (now.length !== shown.length || now.some((id, index) => id !== shown[index])) {
    const same = shown.every((id, index) => id === now[index]); // usually some are new at the end
    const items = (same ? now.slice(shown.length) : now).map((id) => scenes.get(id).item);
    if (same) grid.append(...items);
    else grid.replaceChildren(...items);
    shown = now;
  }
  sessionStorage.setItem("sidcap-order", JSON.stringify(shown));
  const filtered = shown.length < scenes.size;
  const reading = unread ? ", more to come …" : "";
  const count = filtered ? `${shown.length} of ${scenes.size} scenes` : `${scenes.size} ${scenes.size === 1 ? "scene" : "scenes"}`;
  document.getElementById("count").textContent = count + reading;
  document.getElementById("nothing").hidden = shown.length > 0 || unread > 0 || scenes.size === 0;
  document.getElementById("clear").hidden = !filtered;
  if (!shown.includes(current)) setCurrent(shown[0] ?? 0);
  else setCurrent(current);
}

/** The one scene that Tab stops at; arrows go on from there. */
function setCurrent(id) {
  scenes.get(current)?.item.querySelector("a").setAttribute("tabindex", "-1");
  current = id;
  scenes.get(id)?.item.querySelector("a").setAttribute("tabindex", "0");
}

function move(step) {
  const here = shown.indexOf(current);
  const to = shown[Math.min(Math.max(here + step, 0), shown.length - 1)];
  if (to === undefined) return;
  setCurrent(document.activeElement?.closest?.(".card") ? to : current);
  scenes.get(current).item.querySelector("a").focus();
  scenes.get(current).item.scrollIntoView({ block: "nearest" });
}

function columns() {
  return getComputedStyle(grid).gridTemplateColumns.split(" ").length;
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

/** Takes over what an act answered; live news would say the same a second later. */
function took(card) {
  if (!card) return;
  scenes.get(card.id).card = card;
  draw(scenes.get(card.id).item, card);
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

async function undoLast() {
  if (undoCount() === 0) tell("nothing to undo in this window");
  else took(await undo());
}

recall();
nightButton();
for (const name of FILTERS) control[name].addEventListener(name === "words" ? "input" : "change", filter);
starred.addEventListener("change", filter);
document.getElementById("clear").onclick = clear;
document.getElementById("clear-too").onclick = clear;
listenTo({
  ArrowRight: () => move(1),
  ArrowLeft: () => move(-1),
  ArrowDown: () => move(columns()),
  ArrowUp: () => move(-columns()),
  a: () => decide("accepted"),
  r: () => decide("rejected"),
  w: () => decide("withdrawn"),
  s: () => star(),
  n: note,
  t: tags,
  u: undoLast,
  "/": () => control.words.focus(),
});

follow((news) => {
  const first = scenes.size === 0;
  for (const card of news.scenes) {
    const item = scenes.get(card.id)?.item ?? newItem(card.id);
    draw(item, card);
    scenes.set(card.id, { card, item });
  }
  for (const id of news.gone) scenes.delete(id);
  unread = news.unread + (news.more ? 1 : 0);
  if (news.scenes.length || news.gone.length || first) {
    listTags();
    arrange();
  }
  if (first && scenes.size) scenes.get(current)?.item.scrollIntoView({ block: "nearest" });
});
