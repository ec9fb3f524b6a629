// The dialogs: why a decision is made, a note, tags, and the keys.

const TITLES = { accepted: "Accept", rejected: "Reject", withdrawn: "Let the verdict decide about" };

/** Why a person decides so about `what`; null where they think better of it. */
export function askWhy(choice, what) {
  const dialog = document.getElementById("why");
  const words = document.getElementById("why-words");
  const list = dialog.querySelector(`.whys[data-choice="${choice}"]`);
  for (const other of dialog.querySelectorAll(".whys")) other.hidden = other !== list;
  document.getElementById("why-title").textContent = `${TITLES[choice]} ${what}`;
  words.value = "";
  const buttons = [...list.querySelectorAll("button")];

  return asked(dialog, buttons[0], (answer) => {
    for (const button of buttons) button.onclick = () => answer(button.value);
    document.getElementById("why-cancel").onclick = () => answer(null);
    dialog.querySelector("form").onsubmit = (event) => {
      event.preventDefault();
      if (words.value.trim()) answer(words.value.trim());
      else words.focus();
    };
    dialog.onkeydown = (event) => {
      if (event.target === words || event.ctrlKey || event.metaKey || event.altKey) return;
      const chosen = buttons[Number(event.key) - 1];
      if (chosen) {
        event.preventDefault();
        answer(chosen.value);
      }
    };
  });
}

/** Words of a person, begun with `before`; null where they think better of it. */
export function askWords(title, hint, before) {
  const dialog = document.getElementById("say");
  const words = document.getElementById("say-words");
  document.getElementById("say-title").textContent = title;
  document.getElementById("say-hint").textContent = hint;
  words.value = before;

  return asked(dialog, words, (answer) => {
    document.getElementById("say-cancel").onclick = () => answer(null);
    dialog.querySelector("form").onsubmit = (event) => {
      event.preventDefault();
      answer(words.value.trim());
    };
    dialog.onkeydown = (event) => {
      if (event.key === "Enter" && !event.shiftKey && event.target === words) {
        event.preventDefault();
        answer(words.value.trim());
      }
    };
  });
}

/** The split that a scene is to go to, other than `now`; null where it is to stay. */
export function askSplit(title, now) {
  const dialog = document.getElementById("move");
  document.getElementById("move-title").textContent = title;
  const buttons = [...dialog.querySelectorAll("button")];
  for (const button of buttons) button.disabled = button.value === now;

  return asked(dialog, buttons.find((button) => !button.disabled), (answer) => {
    for (const button of buttons) button.onclick = () => answer(button.value || null);
    dialog.onkeydown = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const chosen = buttons[Number(event.key) - 1];
      if (!chosen?.value || chosen.disabled) return;
      event.preventDefault();
      answer(chosen.value);
    };
  });
}

function asked(dialog, first, listen) {
  return new Promise((resolve) => {
    let given = null;
    listen((answer) => {
      given = answer;
      dialog.close();
    });
    dialog.onclose = () => resolve(given);
    dialog.showModal();
    first.focus();
  });
}

/** Tags out of what a person typed, divided by commas. */
export function tagsOf(words) {
  return [...new Set(words.split(/[,\n]/).map((tag) => tag.trim()).filter(Boolean))];
}

/** Listens to single keys. `keys`: what event.key says -> what to do; not while somebody types, nor in a dialog. */
export function listenTo(keys) {
  const help = document.getElementById("help");
  const on = document.getElementById("keys-on");
  on.checked = localStorage.getItem("sidcap-keys") !== "off";
  on.onchange = () => localStorage.setItem("sidcap-keys", on.checked ? "on" : "off");
  document.getElementById("help-open").onclick = () => help.showModal();
  document.getElementById("help-close").onclick = () => help.close();

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.matches("input[type=range]") && event.key.length > 1) return; // arrows move the slider
    if (event.target.matches("input:not([type=checkbox], [type=range]), textarea, select")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "?") help.showModal();
    else if (on.checked && keys[event.key]) keys[event.key](event);
    else return;
    event.preventDefault();
  });
}

/** The button that leaves only red light, for eyes that are used to the dark. */
export function nightButton() {
  const button = document.getElementById("night");
  const set = (night) => {
    document.documentElement.toggleAttribute("data-night", night);
    button.setAttribute("aria-pressed", String(night));
  };
  set(localStorage.getItem("sidcap-night") === "on");
  button.onclick = () => {
    const night = button.getAttribute("aria-pressed") !== "true";
    localStorage.setItem("sidcap-night", night ? "on" : "off");
    set(night);
  };
}
