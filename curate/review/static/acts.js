// What a person does, sent to sidcap; and the way back, kept for this window.

import { alarm, tell } from "./live.js";

const UNDO = "sidcap-undo";

/** A decision about pairs, each [frame, reference]. Gives the scene's new card, or null where it was refused. */
export function judge(scene, revision, pairs, choice, why) {
  return act(`/api/scenes/${scene}/judgement`, { revision, pairs, choice, why });
}

/** A star, a note or tags of a scene. Gives its new card, or null where it was refused. */
export function annotate(scene, revision, said) {
  return act(`/api/scenes/${scene}/annotation`, { revision, ...said });
}

/** Puts a scene into another split. Gives its card, which has another number, or null where it was refused. */
export function move(scene, revision, split) {
  return act(`/api/scenes/${scene}/split`, { revision, split });
}

/** Takes back what was done last in this window; gives the scene's new card, or null. */
export async function undo() {
  const done = undoable();
  const last = done.pop();
  if (!last) return null;
  sessionStorage.setItem(UNDO, JSON.stringify(done));
  const card = await act("/api/undo", last);
  if (card) tell(`undone in scene ${card.name}`);
  return card;
}

/** How many things can be taken back. */
export function undoCount() {
  return undoable().length;
}

/** A scene has another number: it keeps its place in this window, and the pages hear of it. */
function renumbered(old, now) {
  const order = JSON.parse(sessionStorage.getItem("sidcap-order") ?? "[]");
  sessionStorage.setItem("sidcap-order", JSON.stringify(order.map((id) => (id === old ? now : id))));
  if (Number(sessionStorage.getItem("sidcap-scene")) === old) sessionStorage.setItem("sidcap-scene", now);
  document.dispatchEvent(new CustomEvent("renumbered", { detail: { old, now } }));
}

function undoable() {
  return JSON.parse(sessionStorage.getItem(UNDO) ?? "[]");
}

async function act(address, asked) {
  let answer;
  try {
    answer = await fetch(address, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(asked),
    });
  } catch {
    alarm("Not written: sidcap does not answer. Is it still running in its terminal?");
    return null;
  }
  if (!answer.ok) {
    const words = await answer.text();
    alarm(`Not written: ${words}`);
    document.dispatchEvent(new CustomEvent("refused", { detail: { stale: answer.status === 409 } }));
    return null;
  }
  const { scene, gone, undo: back } = await answer.json();
  if (gone) renumbered(gone, scene.id);
  if (back) sessionStorage.setItem(UNDO, JSON.stringify([...undoable(), back].slice(-200)));
  return scene;
}
