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
  const { scene, undo: back } = await answer.json();
  if (back) sessionStorage.setItem(UNDO, JSON.stringify([...undoable(), back].slice(-200)));
  return scene;
}
