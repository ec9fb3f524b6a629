// What others change, seen about a second later. One request at a time; less often where nobody looks.

const LOOK_EVERY_MS = 1000;
const HIDDEN_EVERY_MS = 5000;

/** Calls `changed` with {scenes, gone, unread} whenever something is new; the first time with everything there is. */
export async function follow(changed, since = 0) {
  let lost = false;
  for (;;) {
    let more = false;
    try {
      const answer = await fetch(`/api/changes?since=${since}`);
      if (!answer.ok) throw new Error(await answer.text());
      const news = await answer.json();
      since = news.sequence;
      more = news.more;
      if (lost) tell("sidcap answers again");
      lost = false;
      changed(news);
    } catch (error) {
      if (!lost) alarm("sidcap does not answer any more: is it still running in its terminal?");
      lost = true;
      console.info(error);
    }
    if (more) continue;
    await new Promise((go) => setTimeout(go, document.hidden ? HIDDEN_EVERY_MS : LOOK_EVERY_MS));
  }
}

let forgetting = 0;

/** Says something that is good to know, for a few seconds. */
export function tell(words) {
  show("told", words);
  show("alarm", "");
  clearTimeout(forgetting);
  forgetting = setTimeout(() => show("told", ""), 5000);
}

/** Says something that needs attention; stays until the next thing is said. */
export function alarm(words) {
  show("told", "");
  show("alarm", words);
}

function show(id, words) {
  const place = document.getElementById(id);
  place.textContent = words;
  place.classList.toggle("speaking", words !== "");
}
