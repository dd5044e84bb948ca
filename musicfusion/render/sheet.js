"use strict";
// The page of a listening test. data: what render/sheet.py says; state: what one listener has done so far, kept in
// localStorage after every change. A view is the start, a section's introduction, a screen, or the end.

const data = JSON.parse(document.getElementById("data").textContent);
const STORE = `musicfusion sheet ${data.sheet}`;
const screens = new Map(data.sections.flatMap(
  (section) => section.screens.map((one) => [one.id, { section, ...one }])));
let state = null;
let views = ["start"];

// Orders -------------------------------------------------------------------------------------------------------------

function hash(text) { // FNV-1a
  let found = 2166136261;
  for (const c of text) found = Math.imul(found ^ c.codePointAt(0), 16777619);
  return found >>> 0;
}

function generator(seed) { // mulberry32: numbers in [0, 1)
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function shuffled(items, random) {
  const found = [...items];
  for (let i = found.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [found[i], found[j]] = [found[j], found[i]];
  }
  return found;
}

// Row k of Williams' design for n conditions: over its rows each stands in every place, and follows each other one,
// equally often.
function williams(n, k) {
  const first = Array.from({ length: n }, (_, j) => (j % 2 ? (j + 1) / 2 : (n - j / 2) % n));
  const row = first.map((x) => (x + k) % n);
  return n % 2 && Math.floor(k / n) % 2 ? row.reverse() : row;
}

// What a listener hears, in which order. A listener who is a number takes the next form and the next row of the design;
// any other name is hashed.
function plan(listener) {
  const slot = /^\d+$/.test(listener) ? Number(listener) : hash(listener);
  const random = generator(hash(`${data.sheet} ${listener}`));
  const found = { forms: {}, order: [], clips: {} };
  for (const section of data.sections) {
    const form = slot % section.forms;
    found.forms[section.name] = form;
    const kinds = new Map();
    for (const screen of section.screens.filter((one) => one.form === null || one.form === form)) {
      kinds.set(screen.condition, [...(kinds.get(screen.condition) ?? []), screen]);
    }
    const waiting = [...kinds.keys()].sort((a, b) => a - b).map((kind) => shuffled(kinds.get(kind), random));
    for (let round = Math.floor(slot / section.forms); waiting.some((kind) => kind.length); round++) {
      for (const kind of williams(waiting.length, round)) {
        const screen = waiting[kind].pop();
        if (!screen) continue;
        const clips = [...screen.clips].sort((a, b) => a.condition - b.condition);
        found.clips[screen.id] = williams(clips.length, slot + found.order.length).map((k) => clips[k].id);
        found.order.push(screen.id);
      }
    }
  }
  return found;
}

// State --------------------------------------------------------------------------------------------------------------

function stored() {
  try { return JSON.parse(localStorage.getItem(STORE)) ?? { listeners: {} }; } catch { return { listeners: {} }; }
}

function keep() {
  if (!state) return;
  try {
    const all = stored();
    all.current = state.listener;
    all.listeners[state.listener] = state;
    localStorage.setItem(STORE, JSON.stringify(all));
  } catch {
    say("This browser keeps nothing: do not close the page before you have saved your answers.");
  }
}

function begin(listener, background) {
  const known = stored().listeners[listener];
  state = known ?? { listener, ...plan(listener), answers: {}, seconds: {}, plays: {}, at: 1, started: now() };
  state.background = background;
  lay();
  keep();
}

function lay() { // the views of a listener
  views = ["start"];
  let last = null;
  for (const id of state.order) {
    const { section } = screens.get(id);
    if (section !== last) views.push(section);
    views.push(id);
    last = section;
  }
  views.push("end");
}

const now = () => new Date().toISOString();
const place = (clip, question) => `${clip} ${question}`;

function lacking(id) { // what a screen still lacks, in words; "" for nothing
  const { section } = screens.get(id);
  const several = state.clips[id].length > 1;
  const named = (clip, k) => (several ? `clip ${letter(k)}` : "");
  const silent = state.clips[id].map((clip, k) => (state.plays[clip] ? null : named(clip, k)));
  const open = state.clips[id].flatMap((clip, k) => section.questions
    .filter((question) => !state.answers[place(clip, question.name)])
    .map((question) => `${named(clip, k)} ${section.questions.length > 1 ? question.name : ""}`.trim()));
  const words = (what, names) => {
    const found = names.filter((name) => name !== null);
    return found.length ? [[what, found.filter(Boolean).join(", ")].filter(Boolean).join(": ")] : [];
  };
  return [...words("not played", silent), ...words("not answered", open)].join("; ");
}

// Elements -----------------------------------------------------------------------------------------------------------

function element(tag, properties = {}, ...inside) {
  const found = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) found.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) found.setAttribute(name, value === true ? "" : value);
  }
  found.append(...inside.filter((part) => part !== null));
  return found;
}

const letter = (k) => String.fromCharCode(65 + k);
const byId = (id) => document.getElementById(id);
let silence = 0;

function say(text) {
  byId("message").textContent = text;
  clearTimeout(silence);
  if (text) silence = setTimeout(() => say(""), 6000);
}

const ICONS = { play: "M4 2 L20 12 L4 22 Z", pause: "M4 2 H9.5 V22 H4 Z M14.5 2 H20 V22 H14.5 Z" };

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

const players = [];

function player(label, sound, name, started) { // name: what assistive technology reads
  const audio = new Audio(`data:audio/ogg;base64,${data.sounds[sound]}`);
  audio.preload = "auto";
  const bar = element("i");
  const time = element("span", { class: "time" }, "");
  const button = element("button", { class: "play", type: "button", "aria-label": `Play ${name}`, onclick: toggle });
  function show() {
    const playing = !audio.paused && !audio.ended;
    button.replaceChildren(icon(playing ? "pause" : "play"));
    button.setAttribute("aria-label", `${playing ? "Pause" : "Play"} ${name}`);
    bar.style.width = audio.duration ? `${(100 * audio.currentTime) / audio.duration}%` : "0";
    if (Number.isFinite(audio.duration)) time.textContent = `${audio.duration.toFixed(1)} s`;
    if (playing) requestAnimationFrame(show);
  }
  function toggle() {
    if (!audio.paused && !audio.ended) { audio.pause(); return; }
    for (const other of players) if (other !== found) other.audio.pause();
    if (audio.ended) audio.currentTime = 0;
    if (audio.currentTime === 0) started?.();
    audio.play().catch(() => say("This browser cannot play the sound."));
  }
  for (const event of ["play", "pause", "ended", "loadedmetadata"]) audio.addEventListener(event, show);
  const found = { audio, toggle, node: element("div", { class: "player" }, button,
    element("span", { class: "label" }, label), element("span", { class: "track" }, bar), time) };
  players.push(found);
  show();
  return found;
}

function choices(question, name, chosen, pick, short = false) { // short: its text stands above already
  const answers = Object.entries(question.answers);
  const long = answers.length > 7 ? " long" : "";
  const group = element("div", { class: `choices${question.scale ? " scale" : ""}${long}` });
  for (const [value, words] of answers) {
    const read = question.scale && words ? `${value}, ${words}` : undefined;
    group.append(element("label", {}, element("input", {
      type: "radio", name, value, checked: chosen === value, "aria-label": read, onchange: () => pick(value) }),
    element("span", {}, question.scale ? value : words)));
  }
  const ends = question.scale ? element("div", { class: "ends", "aria-hidden": "true" },
    element("span", {}, `${answers[0][0]} = ${answers[0][1]}`),
    element("span", {}, `${answers.at(-1)[0]} = ${answers.at(-1)[1]}`)) : null;
  return element("fieldset", { class: short ? "short" : "" }, element("legend", {}, question.text), group, ends);
}

// Views --------------------------------------------------------------------------------------------------------------

function start() {
  const said = { ...(state?.background ?? {}) };
  const id = element("input", { type: "text", id: "listener", autocomplete: "off", value: state?.listener ?? "" });
  const ask = data.background.map((question) => choices(question, `background ${question.name}`, said[question.name],
    (value) => { said[question.name] = value; }));
  function go() {
    const listener = id.value.trim();
    const open = data.background.filter((question) => !said[question.name]);
    ask.forEach((node, k) => node.classList.toggle("missing", open.includes(data.background[k])));
    if (!listener) { say("Please enter the number or name that you were given."); id.focus(); return; }
    if (open.length) { say(`Please answer: ${open.map((question) => question.text).join(" ")}`); return; }
    begin(listener, said);
    show(Math.max(state.at, 1));
  }
  const volume = player("Sound check", data.practice, "the sound check");
  const playable = volume.audio.canPlayType('audio/ogg; codecs="vorbis"');
  return [
    element("h1", { tabindex: -1 }, data.title),
    element("p", {}, data.text),
    element("p", { class: "lead" }, `This takes about ${data.minutes} minutes. Use headphones in a quiet place. You may`
      + " stop at any time and go on later: your answers stay in this browser. Nothing is sent anywhere. At the end you"
      + " save your answers as a file."),
    playable ? null : element("p", { class: "warning" }, "This browser cannot play OGG Vorbis: please use another one"
      + " (Chrome, Edge, Firefox, or Safari from version 18.4)."),
    element("section", { class: "card" }, element("h2", {}, "About you"),
      element("label", { class: "field" }, element("span", {}, "Your number or name, as you were told"), id), ...ask),
    element("section", { class: "card" }, element("h2", {}, "Set your volume"),
      element("p", { class: "lead" }, "Play this, choose a comfortable volume, and leave it there."), volume.node),
    steps(null, ["Begin", go]),
  ];
}

function introduction(section) {
  const count = state.order.filter((id) => screens.get(id).section === section).length;
  const number = data.sections.indexOf(section) + 1;
  return [
    element("h1", { tabindex: -1 }, section.title),
    element("p", {}, section.text),
    element("p", { class: "lead" },
      `Part ${number} of ${data.sections.length}: ${count} ${count > 1 ? "screens" : "screen"}.`),
    steps(["Back", back], ["Go on", forward]),
  ];
}

let current = null; // the card that keys mean

function screen(id) {
  const { section, references } = screens.get(id);
  const clips = state.clips[id];
  const several = clips.length > 1;
  const cards = clips.map((clip, k) => {
    const { sound } = screens.get(id).clips.find((one) => one.id === clip);
    const name = several ? `Clip ${letter(k)}` : "Clip";
    const own = player(name, sound, name.toLowerCase(), () => {
      state.plays[clip] = (state.plays[clip] ?? 0) + 1;
      choose(card);
      keep();
      count();
    });
    const asked = section.questions.map((question) => choices(
      question, place(clip, question.name), state.answers[place(clip, question.name)]?.answer, (value) => {
        state.answers[place(clip, question.name)] = {
          clip, question: question.name, answer: value, seconds: spent(id) };
        choose(card);
        keep();
        count();
      }, several));
    const card = { own, node: element("section", { class: "card", "aria-label": name }, own.node, ...asked) };
    return card;
  });
  function choose(card) {
    for (const other of cards) other.node.classList.toggle("now", several && other === card);
    current = card;
  }
  choose(cards[0]);
  const open = references.length ? element("section", { class: "card open", "aria-label": "For comparison" },
    ...references.map((one) => player(one.label, one.sound, one.label, () => {
      state.plays[`${id} ${one.label}`] = (state.plays[`${id} ${one.label}`] ?? 0) + 1;
      keep();
    }).node)) : null;
  const number = state.order.indexOf(id) + 1;
  screen.cards = cards;
  return [
    element("h1", { tabindex: -1, class: "number" }, `${section.title}: ${number} of ${state.order.length}`),
    element("p", { class: "lead" }, section.text),
    several ? element("p", {}, section.questions.map((question) => question.text).join(" ")) : null,
    open, ...cards.map((card) => card.node), steps(["Back", back], ["Next", forward]),
    element("p", { class: "keys" }, "Keys: ", element("kbd", {}, several ? `A to ${letter(clips.length - 1)}` : "P"),
      " plays, ", element("kbd", {}, "1"), " ", element("kbd", {}, "2"), " … answer, ", element("kbd", {}, "Enter"),
      " goes on"),
  ];
}

function end() {
  const incomplete = state.order.filter((id) => lacking(id));
  const list = element("ul", { class: "incomplete", tabindex: -1 }, ...incomplete.map((id) => element("li", {},
    element("button", { type: "button", onclick: () => show(views.indexOf(id)) },
      `${screens.get(id).section.title}: ${state.order.indexOf(id) + 1} of ${state.order.length}`,
      element("small", {}, lacking(id))))));
  function finish() {
    const missing = state.order.filter(lacking);
    if (missing.length) {
      say(`Not finished yet: ${missing.length} ${missing.length > 1 ? "screens are" : "screen is"} incomplete.`);
      list.focus();
      return;
    }
    state.finished ??= now();
    keep();
    save();
    say("");
    byId("saved").textContent = `Saved as ${fileName()} in your downloads. Please send this file to whoever asked you.`
      + " You may save it again.";
  }
  return [
    element("h1", { tabindex: -1 }, incomplete.length ? "Not finished yet" : "That was all. Thank you!"),
    element("p", {}, incomplete.length ? "These are incomplete. Choose one to go there."
      : "Save your answers as a file, and send it to whoever asked you."),
    incomplete.length ? list : null,
    element("p", { id: "saved", role: "status" }),
    steps(["Back", back], ["Save my answers", finish]),
    incomplete.length ? null : element("p", { class: "keys" }, element("button", { type: "button", onclick: another },
      "Start anew for another listener")),
  ];
}

function another() {
  const all = stored();
  delete all.current;
  localStorage.setItem(STORE, JSON.stringify(all));
  state = null;
  views = ["start"];
  show(0);
}

const fileName = () => `answers-${state.listener.replace(/[^\w-]+/g, "_")}.json`;

function save() {
  const { at, answers, ...rest } = state;
  const saved = { schema: data.answers, sheet: data.sheet, ...rest, answers: Object.values(answers) };
  const text = JSON.stringify(saved, null, 1);
  const link = element("a", { href: URL.createObjectURL(new Blob([text], { type: "application/json" })),
    download: fileName() });
  document.body.append(link);
  link.click();
  link.remove();
}

// Moving -------------------------------------------------------------------------------------------------------------

function steps(left, right) {
  const button = ([text, action], kind) => element("button", { type: "button", class: kind, onclick: action }, text);
  return element("div", { class: "steps" }, left ? button(left, "") : element("span"), button(right, "main"));
}

let at = 0;
let entered = performance.now();

function spent(id) { // seconds that a screen was seen
  return Math.round(10 * ((state.seconds[id] ?? 0) + (performance.now() - entered) / 1000)) / 10;
}

function leave() { // adds up the seconds of what is seen
  if (state && screens.has(views[at])) {
    state.seconds[views[at]] = spent(views[at]);
    keep();
  }
  entered = performance.now();
}

function show(position) {
  leave();
  for (const one of players.splice(0)) one.audio.pause();
  at = Math.min(Math.max(position, 0), views.length - 1);
  current = null;
  const view = views[at];
  if (state) state.at = at;
  const own = { start, end }[view] ?? (() => (screens.has(view) ? screen(view) : introduction(view)));
  const parts = own();
  byId("view").replaceChildren(...parts.filter((part) => part !== null));
  say("");
  count();
  keep();
  window.scrollTo(0, 0);
  if (position !== 0) document.querySelector("h1").focus();
}

const forward = () => show(at + 1);
const back = () => show(at - 1);

function count() {
  const section = screens.get(views[at])?.section ?? (typeof views[at] === "object" ? views[at] : null);
  byId("part").textContent = section ? section.title : "";
  const done = state ? state.order.filter((id) => !lacking(id)).length : 0;
  byId("count").textContent = state ? `${done} of ${state.order.length} done` : "";
  byId("progress").value = state ? done / state.order.length : 0;
}

document.addEventListener("visibilitychange", () => (document.hidden ? leave() : (entered = performance.now())));
window.addEventListener("pagehide", leave);

document.addEventListener("keydown", (event) => {
  const { target, key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || target.type === "text") return;
  if (key === "Enter" && target.tagName !== "BUTTON") {
    document.querySelector(".steps .main").click();
  } else if (current && /^[a-z]$/i.test(key)) {
    const alone = key.toLowerCase() === "p" ? current : null;
    const card = screen.cards.length > 1 ? screen.cards[key.toUpperCase().charCodeAt(0) - 65] : alone;
    card?.own.toggle();
  } else if (current && key === " " && !["BUTTON", "INPUT"].includes(target.tagName)) {
    current.own.toggle();
  } else if (current && /^\d$/.test(key)) {
    const asked = [...current.node.querySelectorAll("fieldset")];
    const mine = target.closest("fieldset");
    const meant = (asked.includes(mine) && mine) || asked.find((one) => !one.querySelector(":checked")) || asked[0];
    const button = meant.querySelectorAll("input")[key === "0" ? 9 : Number(key) - 1];
    if (!button) return;
    button.click();
    if (asked.includes(mine)) button.focus();
  } else {
    return;
  }
  event.preventDefault();
});

{
  const { current: last, listeners } = stored();
  state = listeners[last] ?? null;
  if (state) lay();
  show(state ? state.at : 0);
}
