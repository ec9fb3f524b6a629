// The page of live view: shows what the server tells, and sends what somebody wishes. It keeps no state of the camera.
"use strict";

const find = (id) => document.getElementById(id);
const SILENT_AFTER_MS = 3000;
const MAGNIFICATIONS = [1, 3, 6];
const LINES = ["off", "thirds", "grid", "horizon"];
const BADGES = { aligned: "good", misaligned: "bad", undetermined: "doubt" };
const SVG = "http://www.w3.org/2000/svg";

let status = null;
let newestPicture = { number: -1, atMs: performance.now() };
let receivedMs = 0;
let lines = 0;
let magnification = 0;
let centre = { x: 0.5, y: 0.5 };
let peaking = false;
let drag = null;

// What is sent.

async function wish(path, content) {
  try {
    await fetch(path, { method: "POST", body: content === undefined ? null : JSON.stringify(content) });
  } catch {
    showVeil("sidcap does not answer: was it ended?");
  }
}

// The picture.

function watch() {
  if (document.hidden) {
    find("picture").removeAttribute("src"); // nobody looks: let the camera rest
  } else {
    find("picture").src = `/stream?edges=${peaking ? 1 : 0}&at=${Date.now()}`;
  }
}

function showVeil(text) {
  find("veil").hidden = !text;
  if (find("veil-text").textContent !== text) find("veil-text").textContent = text;
}

function showStage() {
  const stage = find("stage");
  if (status.look) stage.style.aspectRatio = `${status.look.width} / ${status.look.height}`;
  stage.classList.toggle("empty", status.phase !== "live");
  if (status.frames !== newestPicture.number) newestPicture = { number: status.frames, atMs: performance.now() };
  showVeil(veilText());
}

function veilText() {
  if (status.phase !== "live" || status.text) return status.text;
  const silentMs = performance.now() - newestPicture.atMs;
  return silentMs > SILENT_AFTER_MS && !document.hidden ? "no new picture: the camera is busy, or silent" : "";
}

function showZoom() {
  const times = MAGNIFICATIONS[magnification];
  const half = 0.5 / times;
  centre = { x: clamp(centre.x, half, 1 - half), y: clamp(centre.y, half, 1 - half) };
  const zoomed = find("zoomed");
  zoomed.classList.toggle("magnified", times > 1);
  zoomed.style.transform =
    `scale(${times}) translate(${100 * (half - centre.x)}%, ${100 * (half - centre.y)}%)`;
  find("magnifier").setAttribute("aria-pressed", String(times > 1));
  find("magnifier-name").textContent = times > 1 ? `${times}×` : "off";
}

function magnify() {
  if (magnification === 0 && status) {
    centre = { x: status.box.left + status.box.width / 2, y: status.box.top + status.box.height / 2 };
  }
  magnification = (magnification + 1) % MAGNIFICATIONS.length;
  showZoom();
}

function cameraZoom() {
  const offered = [1, ...status.camera.magnifications];
  const box = status.box;
  const [x, y] = status.magnified > 1 ? status.centre : [box.left + box.width / 2, box.top + box.height / 2];
  wish("/magnify", { times: offered[(offered.indexOf(status.magnified) + 1) % offered.length], x, y });
}

function togglePeaking() {
  peaking = !peaking;
  find("peaking").setAttribute("aria-pressed", String(peaking));
  watch();
}

function nextLines() {
  lines = (lines + 1) % LINES.length;
  find("grid").setAttribute("aria-pressed", String(lines > 0));
  find("grid-name").textContent = LINES[lines];
  const places = { off: [], thirds: [1 / 3, 2 / 3], grid: [1 / 8, 2 / 8, 3 / 8, 5 / 8, 6 / 8, 7 / 8], horizon: [] };
  const drawn = places[LINES[lines]].flatMap((at) => [line(at, 0, at, 1), line(0, at, 1, at)]);
  if (["grid", "horizon"].includes(LINES[lines])) {
    drawn.push(line(0, 0.5, 1, 0.5, "axis"), line(0.5, 0, 0.5, 1, "axis"));
  }
  find("lines").replaceChildren(...drawn);
}

function line(x1, y1, x2, y2, kind = "") {
  const drawn = document.createElementNS(SVG, "line");
  for (const [name, value] of Object.entries({ x1, y1, x2, y2, class: kind })) drawn.setAttribute(name, value);
  return drawn;
}

// The box, and moving the magnified picture.

function place(event) {
  const area = find("zoomed").getBoundingClientRect();
  return { x: clamp((event.clientX - area.left) / area.width, 0, 1), y: clamp((event.clientY - area.top) / area.height, 0, 1) };
}

function beginDrag(event) {
  event.preventDefault();
  find("zoomed").setPointerCapture(event.pointerId);
  drag = { from: place(event), clientX: event.clientX, clientY: event.clientY, centre };
}

function goOnDragging(event) {
  if (!drag) return;
  if (MAGNIFICATIONS[magnification] > 1) {
    const area = find("zoomed").getBoundingClientRect();
    centre = {
      x: drag.centre.x - (event.clientX - drag.clientX) / area.width,
      y: drag.centre.y - (event.clientY - drag.clientY) / area.height,
    };
    showZoom();
  } else if (status.magnified === 1) {
    showBox(boxBetween(drag.from, place(event)));
  }
}

function endDrag(event) {
  if (!drag) return;
  const to = place(event);
  const { from } = drag;
  const box = boxBetween(from, to);
  drag = null;
  if (MAGNIFICATIONS[magnification] === 1 && status.magnified > 1) {
    const [x, y] = status.centre;
    const times = status.magnified;
    wish("/magnify", { times, x: clamp(x + (from.x - to.x) / times, 0, 1), y: clamp(y + (from.y - to.y) / times, 0, 1) });
  } else if (MAGNIFICATIONS[magnification] === 1 && box.width > 0.01 && box.height > 0.01) wish("/box", box);
}

function boxBetween(from, to) {
  const left = Math.min(from.x, to.x);
  const top = Math.min(from.y, to.y);
  return { left, top, width: Math.abs(from.x - to.x), height: Math.abs(from.y - to.y) };
}

function showBox(box) {
  const shown = { x: box.left, y: box.top, width: box.width, height: box.height };
  for (const [name, value] of Object.entries(shown)) find("box").setAttribute(name, value);
}

// Numbers.

function showSharpness() {
  const now = status.look ? status.look.box_sharpness : null;
  find("score").textContent = now === null ? "–" : now.toFixed(2);
  const share = now !== null && status.best ? now / status.best : 0;
  find("score-bar").value = share;
  find("score-of-best").textContent = share ? `${Math.round(100 * share)} % of the best, ${status.best.toFixed(2)}` : "";
  drawHistory(find("history"), status.history);
}

function drawHistory(canvas, points) {
  const pen = canvas.getContext("2d");
  const colours = getComputedStyle(document.documentElement);
  pen.clearRect(0, 0, canvas.width, canvas.height);
  if (points.length < 2) return;
  const end = points.at(-1).at_s;
  const highest = Math.max(...points.flatMap((point) => [point.whole ?? 0, point.box ?? 0]), 0.01) * 1.08;
  const across = (at) => canvas.width * (1 - (end - at) / 60);
  const down = (value) => canvas.height * (1 - value / highest);
  for (const [name, colour, width, dash] of [
    ["whole", colours.getPropertyValue("--quiet"), 2, [8, 6]],
    ["box", colours.getPropertyValue("--accent"), 4, []],
  ]) {
    pen.beginPath();
    for (const point of points.filter((one) => one[name] !== null)) pen.lineTo(across(point.at_s), down(point[name]));
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.setLineDash(dash);
    pen.stroke();
  }
}

function showExposure() {
  const settings = status.camera.settings;
  const first = ["shutter", "aperture", "ISO"].filter((name) => name in settings);
  const names = [...first, ...Object.keys(settings).filter((name) => !first.includes(name))];
  replaceIfChanged(find("settings"), names.map((name) => setting(name, settings[name], first.includes(name))));
  if (!status.look) return;
  drawHistogram(find("histogram"), status.look.histogram);
  find("black").textContent = `black ${percent(status.look.black_share)}`;
  find("white").textContent = `white ${percent(status.look.white_share)}`;
}

function setting(name, value, isLarge) {
  const units = { aperture: `f/${value}`, shutter: /^[0-9./]+$/.test(value) ? `${value} s` : value };
  const shown = element("span", "", isLarge ? "large" : "quiet");
  shown.append(`${name} `, element("b", units[name] ?? value));
  return shown;
}

function drawHistogram(canvas, channels) {
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, canvas.width, canvas.height);
  pen.globalCompositeOperation = "lighter";
  const highest = Math.max(...channels.flat(), 1);
  const step = canvas.width / channels[0].length;
  const isNight = document.documentElement.hasAttribute("data-night");
  const colours = isNight ? ["#300", "#300", "#300"] : ["#7a2c26", "#286632", "#2c4494"];
  channels.forEach((counts, channel) => {
    pen.fillStyle = colours[channel];
    counts.forEach((count, index) => {
      const height = canvas.height * Math.sqrt(count / highest); // the root: a few bright lamps show beside much night
      pen.fillRect(index * step, canvas.height - height, step, height);
    });
  });
  pen.globalCompositeOperation = "source-over";
}

function showCamera() {
  const camera = status.camera;
  find("model").textContent = camera.model;
  find("lens").textContent = camera.lens && `· ${camera.lens}`;
  find("battery").textContent = camera.battery || "not told";
  find("card").textContent = camera.card || "not told";
  showLine("warnings", [status.notice, ...camera.warnings].filter(Boolean).join("\n"));
  showLine("focus-refusal", camera.focus_refusal);
  for (const button of document.querySelectorAll("[data-step]")) {
    button.disabled = status.phase !== "live" || camera.focus_refusal !== "";
  }
  find("switch").hidden = !status.has_lens_switch;
  for (const button of document.querySelectorAll("[data-switch]")) {
    button.setAttribute("aria-pressed", String((button.dataset.switch === "mf") === (camera.settings.focus === "Manual")));
  }
  find("camera-zoom").hidden = camera.magnifications.length === 0;
  find("camera-zoom").disabled = status.phase !== "live";
  find("camera-zoom").setAttribute("aria-pressed", String(status.magnified > 1));
  find("zoom-name").textContent = status.magnified > 1 ? `${status.magnified}×` : "off";
  find("box").toggleAttribute("hidden", status.magnified > 1);
  find("rate").textContent = status.phase === "live" ? `${status.frames_per_s.toFixed(1)} pictures a second` : "";
}

// The bracket.

function showScene() {
  const refusal = status.phase === "live" ? status.shoot_refusal : "";
  find("plan").textContent = status.plan.join(" · ");
  find("confirm-plan").textContent = status.plan.join(" · ");
  find("shoot").disabled = status.phase !== "live" || status.shoot_refusal !== "";
  showLine("shoot-refusal", refusal);
  const place = find(status.phase === "shooting" ? "veil" : "last-bracket");
  if (find("bracket").parentElement !== place) place.append(find("bracket"));
  find("bracket").hidden = !status.bracket;
  if (status.bracket) showBracket(status.bracket);
}

function showBracket(bracket) {
  find("bracket-title").textContent = bracketTitle();
  find("bracket-left").textContent = bracket.outcome === "running" ? timeLeft(bracket) : "";
  find("bracket-bar").max = bracket.shots.length;
  find("bracket-bar").value = bracket.home;
  showLine("bracket-text", bracket.text);
  find("stop").hidden = status.phase !== "shooting";
  replaceIfChanged(find("shots"), bracket.shots.map(shotRow));
  replaceIfChanged(find("notes"), bracket.notes.map((note) => element("li", note)));
}

function bracketTitle() {
  const bracket = status.bracket;
  const compared = bracket.outcome === "running" && bracket.done < bracket.home ? `, ${bracket.done} of them compared` : "";
  return `Scene ${String(bracket.scene).padStart(5, "0")} (${bracket.split}): ${bracket.home} of ${bracket.shots.length} frames${compared}`;
}

function timeLeft(bracket) {
  if (bracket.left_s === 0) return "comparing with the long";
  const current = bracket.shots.find((shot) => shot.doing);
  const passed = Math.min((performance.now() - receivedMs) / 1000, current ? current.left_s : 0);
  return `about ${Math.ceil(bracket.left_s - passed)} s to go`;
}

function shotRow(shot) {
  const row = document.createElement("tr");
  const ratio = shot.ratio > 1 ? `1/${shot.ratio}` : "";
  row.append(element("td", shot.role), element("td", shot.dial, "number"), element("td", ratio, "number"));
  const [verdict, ...reasons] = shot.found.split(": ");
  const cell = document.createElement("td");
  if (BADGES[verdict]) cell.append(element("span", verdict, `badge ${BADGES[verdict]}`), ` ${reasons.join(": ")}`);
  else cell.append(shot.found || shot.doing);
  row.append(cell);
  return row;
}

function askToShoot() {
  if (find("shoot").disabled) return;
  find("confirm").showModal();
  find("confirm-shoot").focus();
}

function shoot() {
  find("confirm").close();
  wish("/shoot", { split: find("split").value });
}

// Small things.

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

function element(name, text, kind = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = kind;
  return made;
}

function showLine(id, text) {
  find(id).hidden = !text;
  if (find(id).textContent !== text) find(id).textContent = text;
}

function replaceIfChanged(parent, children) {
  const before = [...parent.children].map((child) => child.outerHTML).join("");
  if (before !== children.map((child) => child.outerHTML).join("")) parent.replaceChildren(...children);
}

function show() {
  showStage();
  if (!drag) showBox(status.box);
  const moves = status.magnified > 1 || MAGNIFICATIONS[magnification] > 1;
  find("hint").textContent = moves ? "drag to move the picture" : "drag a box over what is to be sharp";
  showSharpness();
  showCamera();
  showExposure();
  showScene();
}

// Keys and buttons.

const STEPS = {
  ArrowLeft: "near 1", ArrowRight: "far 1", "Shift+ArrowLeft": "near 2", "Shift+ArrowRight": "far 2",
  "[": "near 3", "]": "far 3",
};

function moveFocus(step) {
  if (!find("focus").querySelector(`[data-step="${step}"]`).disabled) wish(`/focus/${encodeURIComponent(step)}`);
}

function startOver() {
  if (status) wish("/box", status.box);
}

function toggleNight() {
  const night = document.documentElement.toggleAttribute("data-night");
  find("night").setAttribute("aria-pressed", String(night));
  if (status) show();
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || find("confirm").open) return;
  if (event.target.closest("select, input, textarea")) return;
  const step = STEPS[event.shiftKey && event.key.startsWith("Arrow") ? `Shift+${event.key}` : event.key];
  const act = step ? () => moveFocus(step) : { g: nextLines, p: togglePeaking, m: magnify, r: startOver, n: toggleNight, z: () => find("camera-zoom").click(), " ": askToShoot }[event.key];
  if (!act) return;
  event.preventDefault();
  if (!event.repeat || step) act();
}

function begin() {
  const clicks = {
    peaking: togglePeaking, grid: nextLines, magnifier: magnify, reset: startOver, night: toggleNight,
    shoot: askToShoot, "confirm-shoot": shoot, "confirm-cancel": () => find("confirm").close(),
    stop: () => wish("/stop"), "camera-zoom": cameraZoom,
  };
  for (const [id, act] of Object.entries(clicks)) find(id).addEventListener("click", act);
  for (const button of document.querySelectorAll("[data-step]")) {
    button.addEventListener("click", () => moveFocus(button.dataset.step));
  }
  for (const button of document.querySelectorAll("[data-switch]")) {
    button.addEventListener("click", () => wish(`/lens/${button.dataset.switch}`));
  }
  const zoomed = find("zoomed");
  zoomed.addEventListener("pointerdown", beginDrag);
  zoomed.addEventListener("pointermove", goOnDragging);
  zoomed.addEventListener("pointerup", endDrag);
  zoomed.addEventListener("pointercancel", () => { drag = null; });
  document.addEventListener("keydown", pressed);
  document.addEventListener("visibilitychange", watch);
  find("picture").addEventListener("error", () => setTimeout(watch, 1000));
  const told = new EventSource("/status");
  told.onmessage = (event) => {
    const first = status === null;
    status = JSON.parse(event.data);
    receivedMs = performance.now();
    if (first) find("split").value = status.split;
    show();
  };
  told.onerror = () => showVeil("sidcap does not answer: was it ended?");
  setInterval(() => { if (status && told.readyState === EventSource.OPEN) show(); }, 500);
  window.addEventListener("load", watch); // not before: a page has not loaded as long as its first picture has not come
}

begin();
