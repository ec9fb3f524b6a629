// One pair: pictures compared, and decided on.

import { annotate, judge, move, undo, undoCount } from "./acts.js";
import { askSplit, askWhy, askWords, listenTo, nightButton, tagsOf } from "./asking.js";
import { alarm, follow, tell } from "./live.js";
import { Stage } from "./stage.js";

const view = document.getElementById("view");
const scene = Number(view.dataset.scene);
const pair = Number(view.dataset.pair);
const panel = document.getElementById("panel");
const stage = document.getElementById("stage") ? new Stage(document.getElementById("stage")) : null;
const goOn = document.getElementById("go-on");
let leaving = false;

function facts() {
  return document.getElementById("facts").dataset;
}

/** Fetches the panel anew: somebody changed something. */
async function renew() {
  const answer = await fetch(`/scenes/${scene}/pairs/${pair}/panel`);
  if (!answer.ok) return;
  const opened = [...panel.querySelectorAll("details")].map((one) => one.open);
  panel.replaceChildren(...new DOMParser().parseFromString(await answer.text(), "text/html").body.childNodes);
  panel.querySelectorAll("details").forEach((one, index) => (one.open = opened[index] ?? one.open));
  showState();
}

function showState() {
  const star = document.getElementById("star");
  star.setAttribute("aria-pressed", facts().starred);
  document.getElementById("undo").disabled = undoCount() === 0;
}

async function histograms() {
  const place = document.getElementById("histograms");
  if (!stage) return place.replaceChildren();
  const answer = await fetch(`/scenes/${scene}/pairs/${pair}/histograms`);
  const drawn = new DOMParser().parseFromString(await answer.text(), "text/html");
  place.replaceChildren(...(answer.ok ? drawn.body.childNodes : ["The photosites cannot be counted."]));
}

async function decide(choice, all = false) {
  const { revision, frame, reference } = facts();
  const what = all ? `all pairs of scene ${view.dataset.name}` : `${view.dataset.label} of scene ${view.dataset.name}`;
  const why = await askWhy(choice, what);
  if (why === null) return;
  const pairs = all ? await (await fetch(`/api/scenes/${scene}/pairs`)).json() : [[frame, reference]];
  const card = await judge(scene, revision, pairs, choice, why);
  if (!card) return;
  tell(`${what}: ${choice}, ${why}`);
  await renew();
  if (goOn.checked) step(1);
}

async function say(said) {
  if (await annotate(scene, facts().revision, said)) await renew();
}

async function note() {
  const words = await askWords(`Note on scene ${view.dataset.name}`, "Enter saves, Shift+Enter begins a new line.", facts().note);
  if (words !== null) await say({ note: words });
}

async function tags() {
  const words = await askWords(`Tags of scene ${view.dataset.name}`, "Divided by commas.", facts().tags);
  if (words !== null) await say({ tags: tagsOf(words) });
}

async function resplit() {
  const to = await askSplit(`Put scene ${view.dataset.name} into another split`, view.dataset.split);
  if (to) await move(scene, facts().revision, to);
}

async function undoLast() {
  if (undoCount() === 0) return tell("nothing to undo in this window");
  const card = await undo();
  if (leaving) return;
  await renew();
  if (card && card.id !== scene) tell(`undone in scene ${card.name}, not this one`);
}

// Scenes in the order of the grid; where nobody came from there, by number.
const order = JSON.parse(sessionStorage.getItem("sidcap-order") ?? "[]");

function neighbour(by) {
  const here = order.indexOf(scene);
  return here < 0 ? undefined : order[here + by];
}

function toScene(by, pairIndex = 0) {
  const to = neighbour(by);
  if (to === undefined) tell(by > 0 ? "that was the last scene" : "that was the first scene");
  else go(`/scenes/${to}?pair=${pairIndex}`, to);
}

function step(by) {
  const to = pair + by;
  if (to < 0 || to >= Number(facts().pairs)) toScene(by);
  else go(`/scenes/${scene}?pair=${to}`, scene);
}

function go(address, to) {
  sessionStorage.setItem("sidcap-scene", to);
  location.assign(address);
}

function neighbours() {
  const here = order.indexOf(scene);
  if (here < 0) return;
  document.getElementById("place").textContent = `${here + 1} of ${order.length}`;
  for (const [id, by] of [["previous", -1], ["next", 1]]) {
    const link = document.getElementById(id);
    link.hidden = neighbour(by) === undefined;
    if (!link.hidden) link.href = `/scenes/${neighbour(by)}`;
  }
}

const back = document.getElementById("back");
back.href = `/${sessionStorage.getItem("sidcap-grid") ?? ""}`;
sessionStorage.setItem("sidcap-scene", scene);
goOn.checked = localStorage.getItem("sidcap-go-on") === "on";
goOn.onchange = () => localStorage.setItem("sidcap-go-on", goOn.checked ? "on" : "off");

const buttons = {
  accept: () => decide("accepted"),
  reject: () => decide("rejected"),
  withdraw: () => decide("withdrawn"),
  star: () => say({ starred: facts().starred !== "true" }),
  note,
  tags,
  resplit,
  undo: undoLast,
};
for (const [id, what] of Object.entries(buttons)) document.getElementById(id).onclick = what;

nightButton();
neighbours();
listenTo({
  ArrowRight: (event) => (event.shiftKey ? toScene(1) : stage?.nudged(event) || step(1)),
  ArrowLeft: (event) => (event.shiftKey ? toScene(-1) : stage?.nudged(event) || step(-1)),
  ArrowUp: (event) => stage?.nudged(event),
  ArrowDown: (event) => stage?.nudged(event),
  a: buttons.accept,
  r: buttons.reject,
  w: buttons.withdraw,
  A: () => decide("accepted", true),
  R: () => decide("rejected", true),
  W: () => decide("withdrawn", true),
  s: buttons.star,
  n: note,
  t: tags,
  p: resplit,
  u: undoLast,
  g: () => back.click(),
  ...(stage?.keys() ?? {}),
});
document.addEventListener("refused", renew);
document.addEventListener("renumbered", ({ detail: { old, now } }) => {
  if (old !== scene) return;
  leaving = true; // this scene is shown at another address from now on
  location.replace(`/scenes/${now}?pair=${pair}`);
});

showState();
stage?.load().then(histograms);
if (!stage) histograms();
follow((news) => {
  if (news.gone.includes(scene) && !leaving) alarm(`Scene ${view.dataset.name} is here no more: it was put into another split, or deleted.`);
  if (news.scenes.some((card) => card.id === scene && card.revision !== facts().revision)) renew();
});
