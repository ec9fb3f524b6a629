// The two pictures of a pair on top of each other: a line to drag, blinking, a loupe. Both always look alike.

import { alarm } from "./live.js";

const LOUPE_PX = 240;
const NUDGE_PX = 16;

export class Stage {
  constructor(root) {
    this.root = root;
    const names = ["slider", "rate", "brightness", "divider", "loupe", "loupe-words", "said-short", "said-long"];
    this.part = Object.fromEntries(names.map((name) => [name, document.getElementById(name)]));
    this.picture = { long: document.getElementById("long"), short: document.getElementById("short") };
    this.button = Object.fromEntries(["compare", "blink", "flip", "loupe-on"].map((id) => [id, document.getElementById(id)]));
    this.mode = sessionStorage.getItem("sidcap-mode") ?? "compare";
    this.top = "long"; // which one is seen where only one is
    this.ev = Number(sessionStorage.getItem("sidcap-ev") ?? 0);
    this.at = null; // where the loupe is, photosites
    this.full = null; // the pictures at full size, once they are wanted
    this.listen();
    this.show();
    this.brighten(0);
  }

  /** Loads both pictures and shows them together. */
  async load() {
    for (const role of ["long", "short"]) this.picture[role].src = this.root.dataset[`${role}Stage`];
    try {
      await Promise.all([this.picture.long.decode(), this.picture.short.decode()]);
      document.getElementById("developing").hidden = true;
      this.root.classList.add("ready");
    } catch {
      const answer = await fetch(this.root.dataset.shortStage);
      alarm(answer.ok ? "The pictures cannot be shown: reload the page." : await answer.text());
      document.getElementById("developing").textContent = "no picture";
    }
    this.root.setAttribute("aria-busy", "false");
  }

  keys() {
    return {
      c: () => this.set("compare"),
      b: () => this.set("blink"),
      x: () => this.flip(),
      l: () => this.toggleLoupe(),
      "+": () => this.brighten(0.5),
      "=": () => this.brighten(0.5),
      "-": () => this.brighten(-0.5),
      0: () => this.brighten(-this.ev),
    };
  }

  listen() {
    this.button.compare.onclick = () => this.set("compare");
    this.button.blink.onclick = () => this.set("blink");
    this.button.flip.onclick = () => this.flip();
    this.button["loupe-on"].onclick = () => this.toggleLoupe();
    document.getElementById("brighter").onclick = () => this.brighten(0.5);
    document.getElementById("darker").onclick = () => this.brighten(-0.5);
    this.part.slider.oninput = () => this.set("compare");
    this.part.rate.onchange = () => this.show();
    this.root.addEventListener("pointerdown", (event) => {
      this.root.setPointerCapture(event.pointerId);
      this.drag(event);
    });
    this.root.addEventListener("pointermove", (event) => {
      if (event.buttons & 1) this.drag(event);
      if (!this.part.loupe.hidden) this.follow(event);
    });
  }

  set(mode) {
    this.mode = mode;
    sessionStorage.setItem("sidcap-mode", mode);
    this.show();
  }

  flip() {
    this.top = this.mode === "flip" && this.top === "long" ? "short" : this.mode === "flip" ? "long" : "short";
    this.set("flip");
  }

  drag(event) {
    if (this.mode !== "compare") return;
    const box = this.root.getBoundingClientRect();
    this.part.slider.value = String((100 * (event.clientX - box.left)) / box.width);
    this.show();
  }

  show() {
    clearInterval(this.blinking);
    for (const mode of ["compare", "blink", "flip"]) this.button[mode].setAttribute("aria-pressed", String(mode === this.mode));
    const comparing = this.mode === "compare";
    const share = Number(this.part.slider.value);
    this.part.divider.hidden = !comparing;
    this.part.divider.style.left = `${share}%`;
    this.picture.short.style.clipPath = comparing ? `inset(0 ${100 - share}% 0 0)` : "none";
    if (comparing) this.reveal("both");
    else this.reveal(this.top);
    if (this.mode === "blink") {
      const half = 1000 / (2 * Number(this.part.rate.value)); // one blink is there and back
      this.blinking = setInterval(() => this.reveal((this.top = this.top === "long" ? "short" : "long")), half);
    }
  }

  /** Shows the long, the short, or both with the line between them, and says which. */
  reveal(which) {
    this.picture.short.classList.toggle("unseen", which === "long");
    this.part["said-short"].textContent = which === "long" ? "" : "short, amplified";
    this.part["said-long"].textContent = which === "short" ? "" : "long";
    this.root.dataset.shows = which;
  }

  brighten(by) {
    this.ev = Math.min(Math.max(this.ev + by, -4), 6);
    sessionStorage.setItem("sidcap-ev", this.ev);
    // What is multiplied is the curved value; 0.45 is the exponent of the curve.
    const filter = this.ev ? `brightness(${2 ** (0.45 * this.ev)})` : "none";
    for (const picture of Object.values(this.picture)) picture.style.filter = filter;
    this.part.loupe.style.filter = filter;
    this.part.brightness.textContent = `${this.ev > 0 ? "+" : ""}${this.ev} EV`.replace("-", "−");
  }

  async toggleLoupe() {
    const open = this.part.loupe.hidden;
    this.part.loupe.hidden = !open;
    this.button["loupe-on"].setAttribute("aria-pressed", String(open));
    if (!open) return;
    this.root.focus({ preventScroll: true });
    this.part["loupe-words"].textContent = "developing every photosite …";
    this.full ??= Promise.all(["short", "long"].map((role) => this.bitmap(role)));
    const [short] = await this.full;
    this.lookAt(this.at ?? [short.width / 2, short.height / 2]);
  }

  async bitmap(role) {
    const answer = await fetch(this.root.dataset[`${role}Full`]);
    return createImageBitmap(await answer.blob());
  }

  /** Moves the loupe to where the pointer points. */
  async follow(event) {
    const box = this.root.getBoundingClientRect();
    const [short] = await this.full;
    this.lookAt([((event.clientX - box.left) / box.width) * short.width, ((event.clientY - box.top) / box.height) * short.height]);
  }

  /** Moves the loupe by the arrow keys; false where it is not for them. */
  nudged(event) {
    if (this.part.loupe.hidden || document.activeElement !== this.root || !this.at) return false;
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    this.lookAt([this.at[0] + dx * NUDGE_PX, this.at[1] + dy * NUDGE_PX]);
    return true;
  }

  async lookAt(at) {
    const [short, long] = await this.full;
    this.at = [Math.min(Math.max(at[0], 0), short.width), Math.min(Math.max(at[1], 0), short.height)];
    const pixels = Math.round(LOUPE_PX * devicePixelRatio);
    for (const [role, picture] of [["short", short], ["long", long]]) {
      const canvas = document.getElementById(`loupe-${role}`);
      canvas.width = canvas.height = pixels;
      const left = Math.round(this.at[0] - pixels / 2);
      const top = Math.round(this.at[1] - pixels / 2);
      canvas.getContext("2d").drawImage(picture, left, top, pixels, pixels, 0, 0, pixels, pixels);
    }
    this.part["loupe-words"].textContent = `short, amplified | long at ${Math.round(this.at[0])}, ${Math.round(this.at[1])}`;
    this.float(this.at[0] / short.width, this.at[1] / short.height);
  }

  /** Puts the loupe beside the place it shows, inside the stage. */
  float(x, y) {
    const box = this.root.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.part.loupe;
    const left = x * box.width + (x < 0.5 ? 24 : -width - 24);
    const top = y * box.height - height / 2;
    this.part.loupe.style.left = `${Math.min(Math.max(left, 0), Math.max(box.width - width, 0))}px`;
    this.part.loupe.style.top = `${Math.min(Math.max(top, 0), Math.max(box.height - height, 0))}px`;
  }
}
