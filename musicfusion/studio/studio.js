"use strict";
// The parts of the studio that Gradio has not: each draws what app.py gives it as JSON, as text alone.

globalThis.musicfusionStudio ??= (() => {
  const { node } = musicfusionDrawing;

  // What the visitor does is said one thing after another: of two at once, Gradio may draw the first one's answer last.
  // An answer names what it answers, in the data of `lock`.
  const PATIENCE = 10000; // milliseconds, for an answer may get lost
  const waiting = [];
  let asked = 0, pending = null;

  function ask(say, what) {
    if (what.spans && waiting.at(-1)?.what.spans) waiting.pop(); // they are all that is locked: the latest count
    waiting.push({ say, what });
    if (!pending) next();
  }

  function next() {
    const first = waiting.shift();
    pending = first && setTimeout(next, PATIENCE);
    if (first) first.say({ ...first.what, asked: ++asked });
  }

  // The tempo of clicks in a row, in whole beats a minute; after a pause a new row begins
  const PAUSE = 2000; // milliseconds: of 30 beats a minute
  let taps = [];

  function tap() {
    const now = performance.now();
    taps = [...(now - taps.at(-1) <= PAUSE ? taps : []), now];
    const tempo = Math.round(60000 * (taps.length - 1) / (now - taps[0]));
    return taps.length < 2 ? { __type__: "update" } : Math.min(tempo, 240);
  }

  // draw(root, data) now, and whenever the data change
  const part = (name, draw) => (element, props, watch, trigger) => {
    const root = () => element.querySelector(`.studio-${name}`);
    const redraw = () => draw(root(), JSON.parse(props.data ?? "null"), (what) => ask((said) => trigger("submit", said), what));
    watch("data", redraw);
    redraw();
  };

  function status(root, data) {
    const bar = root.querySelector("progress");
    const late = !bar && ["busy", "refused"].includes(data?.kind); // of work that was cancelled
    if (late || (bar && !data)) return; // an example is put in while there is work
    if (data?.kind === "busy") {
      bar.value = data.share;
      root.querySelector("p").textContent = data.words;
    } else {
      const kind = { begun: "busy", refused: "error" }[data?.kind] ?? data?.kind;
      root.replaceChildren(
        data ? node("p", { class: `studio-${kind}`, role: { error: "alert", done: "status" }[kind] }, data.words) : "",
        kind === "busy" ? node("progress", { max: 1, value: data.share, "aria-label": "Progress" }) : "");
    }
  }

  let player = null, turn = null;

  function showPlayer(root, data, say) {
    if (data && data.turn === turn) return; // Gradio gives a generator's last value twice: whoever plays goes on
    turn = data?.turn ?? null;
    player?.destroy();
    player = null;
    root.replaceChildren();
    if (!data || !data.versions.length) {
      root.append(node("p", { class: "studio-empty" }, "Choose an example or drop your files, and press Fuse. What comes out is shown and played here."));
      return;
    }
    const inside = node("div");
    root.append(inside);
    player = musicfusionPlayer(inside, data, { lockable: data.lockable });
    inside.addEventListener("musicfusion-lock", (event) => say({ spans: event.detail.spans }));
  }

  function lock(root, data, say) {
    if (pending && data?.asked === asked) {
      clearTimeout(pending);
      pending = setTimeout(next); // the other parts are drawn first
    }
    root.replaceChildren();
    if (data?.error) root.append(node("p", { class: "studio-error", role: "alert" }, data.error));
    if (data?.words) {
      root.append(node("p", { role: "status" }, data.words),
        node("button", { type: "button", onclick: () => say({ action: "release" }) }, "Release"));
    }
  }

  function takes(root, data, say) {
    const list = data ?? [];
    const act = (take, action, words, more = {}) => node("button",
      { type: "button", "aria-label": `${words}: take ${take.number}`, onclick: () => say({ action, take: take.number }), ...more }, words);
    const alone = list.filter((take) => take.shown).length === 1;
    const focused = root.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
    root.replaceChildren(list.length ? node("h2", {}, "Takes") : "", node("ol", {}, ...list.map((take) => node("li",
      { class: take.shown ? "studio-take studio-shown" : "studio-take", "data-take": take.number },
      node("div", { class: "studio-title" },
        act(take, "star", take.starred ? "★" : "☆", { "aria-label": `Star: take ${take.number}`, "aria-pressed": String(take.starred), class: "studio-star" }),
        node("b", {}, `take ${take.number}`), node("span", {}, `${take.title}: ${take.files}`)),
      node("p", {}, take.settings),
      take.kept.length ? node("p", {}, take.kept.join("; ")) : "",
      take.notices.length ? node("details", { open: take.shown }, node("summary", {}, `${take.notices.length} notice${take.notices.length > 1 ? "s" : ""}`),
        node("ul", {}, ...take.notices.map((line) => node("li", {}, line)))) : "",
      node("div", { class: "studio-acts" },
        act(take, "show", "Show", { "aria-pressed": String(take.shown && alone) }),
        alone && !take.shown ? act(take, "compare", "Compare") : "",
        alone && !take.shown ? act(take, "lock", "Lock in this one") : "",
        act(take, "delete", "Delete")),
      node("div", { class: "studio-acts studio-downloads" }, ...take.downloads.map((one) => node("a",
        { href: one.href, download: one.file, "aria-label": `${one.name} of take ${take.number}` }, one.name)))))));
    if (focused) root.querySelector(`[aria-label="${CSS.escape(focused)}"]`)?.focus();
  }

  return { tap, status: part("status", status), player: part("player", showPlayer), lock: part("lock", lock), takes: part("takes", takes) };
})();
