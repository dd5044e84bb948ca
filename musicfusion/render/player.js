"use strict";
// A player with a piano roll, for any page: musicfusionPlayer(element, data, options) plays and draws data (player.py)
// and gives {play, pause, seek, show, state, locked, destroy}; times are in seconds. It shows all words as text, and
// loads nothing but the addresses of sounds and pictures. options.lockable: bars can be locked; the element tells each
// change by the event "musicfusion-lock", detail {spans: [[begin, end, part], ...]} in quarters, part null for all. A
// part is that of a track, or the name of a lane of drums.

globalThis.musicfusionPlayer ??= (() => {
  const { node, button, box, noteBoxes } = musicfusionDrawing;
  const ICONS = { play: "M5 3 20 12 5 21Z", pause: "M5 3h5v18H5ZM14 3h5v18h-5Z",
    lock: "M7 10V7a5 5 0 0 1 10 0v3h2v11H5V10ZM9.5 10h5V7a2.5 2.5 0 0 0-5 0Z" };
  const MARKS = { gone: "gone in the new version", kept: "kept", new: "new" };
  const LINE = 18, DRUM = 7, NAMED = 16, SIGN = 26, WAVE = 96, PICTURE = 128, KEYS = 40, NAMES = 62; // pixels
  const WIDEST = 60000; // pixels
  const ZOOM = 30, CLOSEST = 400; // pixels a second
  const HOLD = 450; // milliseconds after which a finger that rests does not scroll, but locks bars
  let sounding = null; // the player that plays

  const group = (name, kind, ...inside) => node("div", { class: kind, role: "group", "aria-label": name }, ...inside);
  const row = (...inside) => node("div", { class: "mf-row" }, ...inside);
  const icon = (name) => node("svg", { viewBox: "0 0 24 24", "aria-hidden": "true", class: "mf-icon" },
    node("path", { d: ICONS[name], "fill-rule": "evenodd" }));
  const sample = (text, wide, properties) => node("span", { class: "mf-sample", title: text },
    node("svg", { width: wide, height: 10, "aria-hidden": "true" },
      node("rect", { x: 1, y: 1, width: wide - 2, height: 8, ...properties })), node("span", {}, text));
  const press = (one, pressed) => one.setAttribute("aria-pressed", pressed);
  const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
  const unique = (items) => [...new Set(items)];
  const isBlack = (pitch) => [1, 3, 6, 8, 10].includes(pitch % 12);

  // Locks: spans [begin, end, part] -----------------------------------------------------------------------------------
  function merged(spans) {
    const found = [];
    for (const [begin, end, part] of [...spans].sort((a, b) => a[0] - b[0])) {
      const last = found.findLast((span) => span[2] === part);
      if (last && begin <= last[1]) last[1] = Math.max(last[1], end);
      else found.push([begin, end, part]);
    }
    return found;
  }
  const without = (spans, begin, end, part) => spans.flatMap((one) => (one[2] !== part ? [one]
    : [[one[0], Math.min(one[1], begin), part], [Math.max(one[0], end), one[1], part]].filter(([a, b]) => a < b)));
  const covers = (spans, begin, end, part) => spans.some((one) => one[0] <= begin && end <= one[1] && one[2] === part);

  // A player ----------------------------------------------------------------------------------------------------------
  function create(element, data, options = {}) {
    const { versions } = data, several = versions.length > 1;
    const tracks = versions.flatMap((version) => version.tracks);
    const parts = unique(tracks.map((track) => track.part));
    const marks = unique(tracks.flatMap((track) => track.notes.map((note) => note[3])));
    const compared = marks.some((mark) => mark !== "kept");
    const lockable = Boolean(options.lockable) && versions.some((version) => version.bars.length > 1);
    const length = Math.max(...versions.map((version) => version.seconds), 0.1);
    const chosen = { Mute: new Set(), Solo: new Set() };
    let shown = versions[0], locked = merged(data.locked ?? []), zoom = 0, wide = 0, drawn = 0, lastX = 0, drag = null;
    const audible = (part) => (chosen.Solo.size ? chosen.Solo.has(part) : !chosen.Mute.has(part));
    const volume = (stem) => Number(stem.version === shown.name && audible(stem.part));
    const sound = musicfusionSound(data, length, volume);

    // Rows, the same for all versions: numbers of bars, chords, pitches, drums, of which some are lanes with names
    const pitchesOf = (kind) => unique(tracks.filter((track) => track.drums === kind).flatMap((track) => (
      track.notes.map((note) => note[2])))).sort((a, b) => b - a);
    const lanes = new Map(tracks.flatMap((track) => track.lanes.map(([pitch, name]) => [pitch, { name, track }])));
    const pitched = pitchesOf(false), others = pitchesOf(true).filter((pitch) => !lanes.has(pitch));
    const drums = [...lanes.keys(), ...others], drum = lanes.size ? NAMED : DRUM;
    const laneOf = (name) => [...lanes.keys()].find((pitch) => lanes.get(pitch).name === name);
    const lockableParts = unique([...parts, ...[...lanes.values()].map(({ name }) => name)]);
    const low = (pitched.at(-1) ?? 60) - 2, high = Math.max(pitched[0] ?? 0, low + 12) + 2;
    const pitches = pitched.length ? Array.from({ length: high - low + 1 }, (_, k) => low + k) : [];
    const size = Math.min(10, Math.max(4, Math.floor(300 / (high - low + 1))));
    const top = versions.some((version) => version.chords.length) ? 2 * LINE : LINE;
    const floor = top + pitches.length * size;
    const y = (pitch, isDrum) => (isDrum ? floor + 6 + drums.indexOf(pitch) * drum : top + (high - pitch) * size);
    const height = Math.max(floor + (drums.length ? 10 + drums.length * drum : 0), top + 40,
      versions.some((version) => version.peaks) ? top + WAVE + PICTURE : 0);

    // Bars
    const count = () => Math.max(shown.bars.length - 1, 0);
    const inBars = (index) => Math.min(Math.max(index, 0), count() - 1);
    const barAt = (seconds) => inBars(shown.bars.findLastIndex(([at]) => at <= seconds + 0.002));
    const numberOf = (bar) => bar + (shown.bars[0][1] < 0 ? 0 : 1); // a pickup is bar 0
    const quarters = (first, last) => [Math.max(shown.bars[first][1], 0), shown.bars[last + 1][1]];
    function secondsAt(quarter) {
      const k = inBars(shown.bars.findLastIndex(([, at]) => at <= quarter));
      const [[begin, first], [end, last]] = shown.bars.slice(k, k + 2);
      return begin + Math.min(Math.max((quarter - first) / (last - first), 0), 1) * (end - begin);
    }
    const bounds = (lane) => (lane === undefined ? { y: 0, height } : { y: y(lane, true), height: drum });
    const place = ({ style }, begin, end) => Object.assign(style, { left: `${begin * zoom}px`,
      width: `${(end - begin) * zoom}px` });

    // Drawing ---------------------------------------------------------------------------------------------------------
    const rolls = new Map(); // version -> what is drawn of it, in seconds to the right: the zoom stretches it
    function roll(version) {
      const found = node("g", { class: compared ? "" : "mf-plain" });
      const path = (kind, pieces, more) => found.append(node("path", { class: kind, d: pieces.join(""), ...more }));
      if (version.tracks.length) {
        const rules = [...pitches.filter((pitch) => pitch % 12 === 0).map((pitch) => y(pitch) + size),
          ...[...lanes.keys()].map((pitch) => y(pitch, true))];
        path("mf-black", pitches.filter(isBlack).map((pitch) => box(0, y(pitch), length, size)));
        path("mf-octave", rules.map((down) => `M0 ${down}h${length}`));
      }
      const each = version.seconds / version.peaks?.length;
      path("mf-wave", (version.peaks ?? []).map((peak) => Math.max(peak, 0.01) * WAVE).map((high, k) => (
        box(k * each, top + (WAVE - high) / 2, each, high))));
      if (version.picture) {
        found.append(node("image", { href: version.picture, y: top + WAVE, width: version.seconds, height: PICTURE,
          preserveAspectRatio: "none" }));
      }
      path("mf-bar", version.bars.map(([at]) => `M${at} ${LINE}V${height}`));
      for (const [mark, track] of Object.keys(MARKS).flatMap((one) => version.tracks.map((track) => [one, track]))) {
        const own = noteBoxes(track.notes.filter((note) => note[3] === mark),
          (pitch) => y(pitch, track.drums) + (track.lanes.length ? 2.5 : 0.5),
          track.drums ? drum - (track.lanes.length ? 5 : 1) : size - 1);
        if (own.length) path(`mf-note mf-${mark}`, own, { color: track.colour, "data-part": track.part });
      }
      rolls.set(version, found);
      return found;
    }
    function labels(rows, down, kind, room) { // [second, words], as far as there is room
      let free = 0;
      const fits = ([at, words]) => words && at * zoom >= free && (free = at * zoom + room(words));
      return rows.filter(fits).map(([at, words]) => node("text", { x: at * zoom + 3, y: down, class: kind }, words));
    }

    function lay() { // all that depends on the zoom, the version and what is chosen
      const began = performance.now();
      const inside = rolls.get(shown) ?? roll(shown);
      inside.setAttribute("transform", `scale(${zoom} 1)`);
      inside.querySelector(".mf-bar").style.opacity = Math.min((length * zoom) / count() / 30, 1);
      inside.querySelectorAll(".mf-note").forEach((one) => one.classList.toggle("mf-silent", !audible(one.dataset.part)));
      const notes = shown.tracks.reduce((sum, track) => sum + track.notes.length, 0);
      const what = shown.tracks.length ? `piano roll, ${count()} bars, ${notes} notes` : "waveform";
      drawing.setAttribute("aria-label", `${shown.label}: ${what}`);
      drawing.setAttribute("width", Math.floor(length * zoom));
      const rows = unique(locked.map((span) => span[2])), bands = [];
      signs.replaceChildren(...(count() ? locked : []).map(([begin, end, part]) => {
        const [from, to] = [secondsAt(begin), secondsAt(end)];
        const [first, last] = [barAt(from), barAt(to - 0.01)].map(numberOf);
        const words = `Unlock bar${last > first ? `s ${first} to` : ""} ${last}, ${part ?? "all parts"}`;
        const sign = button(icon("lock"), { class: "mf-sign", "aria-label": words, title: words,
          onclick: () => lock(begin, end, part) });
        sign.append(node("span", {}, part ?? "all"));
        place(sign, from, to);
        sign.style.top = `${rows.indexOf(part) * SIGN}px`;
        const track = tracks.find((track) => track.part === part), lane = track ? undefined : laneOf(part);
        bands.push(node("rect", { class: "mf-band", x: from * zoom, width: (to - from) * zoom,
          color: (track ?? lanes.get(lane)?.track)?.colour, ...bounds(lane) }));
        return sign;
      }));
      keys.style.visibility = shown.tracks.length ? "" : "hidden";
      signs.style.height = keys.style.marginTop = `${rows.length * SIGN}px`;
      const numbers = shown.bars.slice(0, -1).map(([at], bar) => [at, `${numberOf(bar)}`]);
      drawing.replaceChildren(inside, ...labels(numbers, 13, "mf-number", () => 28),
        ...labels(shown.chords, LINE + 13, "mf-chord", (words) => 9 * words.length + 6), ...bands);
      drawn = Math.max(drawn, performance.now() - began);
      tell();
    }

    function tell(follow = false) { // all that depends on the time
      const now = sound.position, x = now * zoom, left = scroll.scrollLeft, right = left + scroll.clientWidth;
      const wanted = follow || (sound.playing && lastX >= left && lastX <= right);
      if (wanted && (x < left || x > right - 8)) scroll.scrollLeft = x - 0.15 * (right - left);
      lastX = x;
      head.style.transform = `translateX(${x}px)`;
      slider.value = now;
      time.textContent = `${clock(now)} / ${clock(shown.seconds)}`;
      const bar = count() ? barAt(now) : null;
      slider.setAttribute("aria-valuetext", bar === null ? clock(now) : `bar ${numberOf(bar)}, ${clock(now)}`);
      lockRow.style.display = bar === null ? "none" : "";
      if (!lockable || bar === null) return;
      lockButton.textContent = `Lock bar ${numberOf(bar)}`;
      press(lockButton, covers(locked, ...quarters(bar, bar), part()));
      place(cursor, shown.bars[bar][0], shown.bars[bar + 1][0]);
    }

    function say() { // the state of the sound
      const words = { "not loaded": "Load and play", loading: `Loading ${sound.loaded} of ${sound.stems.length}`,
        none: "No sound", failed: "Load again", ready: sound.playing ? "Pause" : "Play" };
      playButton.replaceChildren(icon(sound.playing ? "pause" : "play"), node("span", {}, words[sound.status]));
      playButton.disabled = sound.status === "none";
      message.textContent = sound.status === "failed" ? "The sound (OGG Vorbis) cannot be loaded or decoded." : "";
      tell();
    }

    // What can be done ------------------------------------------------------------------------------------------------
    async function play() {
      if (sound.status === "none") return;
      await sound.load(say);
      if (sound.status !== "ready" || sound.playing || !root.isConnected) return;
      sounding?.pause();
      sounding = self;
      sound.start(sound.position < shown.seconds - 0.05 ? sound.position : 0);
      say();
      requestAnimationFrame(function frame() {
        if (sound.position >= shown.seconds) pause();
        tell();
        if (sound.playing) requestAnimationFrame(frame);
      });
    }
    function pause() { sound.stop(); say(); }
    function seek(seconds) {
      sound.move(Math.min(Math.max(seconds, 0), length));
      tell(true);
    }
    function step(by) { // a bar on or back; five seconds where there are no bars
      const now = sound.position, bar = barAt(now);
      if (!count()) seek(now + 5 * by);
      else if (by > 0) seek(shown.bars[bar + 1][0]);
      else seek(shown.bars[Math.max(now > shown.bars[bar][0] + 0.3 ? bar : bar - 1, 0)][0]);
    }
    function change() { sound.level(); lay(); } // of what is audible
    function show(name) {
      shown = versions.find((version) => version.name === name) ?? shown;
      versionButtons.forEach((one, k) => press(one, versions[k] === shown));
      change();
    }
    function magnify(to, at = sound.position, x = at * zoom - scroll.scrollLeft) { // the moment `at` stays where it is
      wide = scroll.clientWidth;
      zoom = Math.max(wide / length, Math.min(to, CLOSEST, WIDEST / length));
      lay();
      scroll.scrollLeft = at * zoom - x;
    }
    function lock(...span) { // what is locked already is free again
      locked = covers(locked, ...span) ? without(locked, ...span) : merged([...locked, span]);
      lay();
      element.dispatchEvent(new CustomEvent("musicfusion-lock", { bubbles: true, detail: { spans: self.locked() } }));
    }
    const part = () => (select.value ? lockableParts[select.value] : null);
    const lockBar = () => lock(...quarters(barAt(sound.position), barAt(sound.position)), part());

    // Elements --------------------------------------------------------------------------------------------------------
    const toggle = (word, one) => button(word, { "aria-label": `${word} ${one}`, "aria-pressed": "false", onclick(event) {
      if (!chosen[word].delete(one)) chosen[word].add(one);
      press(event.currentTarget, chosen[word].has(one));
      change();
    } });
    const playButton = button("", { class: "mf-play", onclick: () => (sound.playing ? pause() : play()) });
    const time = node("span", { class: "mf-time" });
    const message = node("p", { class: "mf-message", role: "status" });
    const versionButtons = versions.map((version) => button(version.label, { onclick: () => show(version.name) }));
    const partControls = parts.map((one) => {
      const own = new Map(tracks.filter((track) => track.part === one).map((track) => [track.name, track.colour]));
      return group(one, "mf-part", ...[...own].map(([name, fill]) => sample(name, 10, { fill })),
        ...(versions.some((version) => version.stems.length > 1) ? [toggle("Mute", one), toggle("Solo", one)] : []));
    });
    const slider = node("input", { type: "range", class: "mf-slider", min: 0, max: length, step: "any",
      "aria-label": "Position", oninput: () => seek(Number(slider.value)) });
    const side = lanes.size ? NAMES : KEYS;
    const keys = node("svg", { class: "mf-keys", width: tracks.length ? side : 0, height, "aria-hidden": "true" },
      ...pitches.flatMap((pitch) => [node("rect", { class: isBlack(pitch) ? "mf-pitch mf-dark" : "mf-pitch",
        x: side - 12, y: y(pitch), width: 12, height: size }), pitch % 12 ? null
        : node("text", { x: side - 35, y: y(pitch) + size }, `C${pitch / 12 - 1}`)]),
      ...[...lanes].map(([pitch, { name }]) => node("text", { x: 3, y: y(pitch, true) + 11.5 }, name)),
      others.length ? node("text", { x: 3, y: y(others[0], true) + 9 }, "drums") : null);
    const drawing = node("svg", { class: "mf-drawing", role: "img", height });
    const [signs, head, cursor, selection] = ["signs", "playhead", "now", "selection"].map((name) => node("div",
      { class: `mf-${name}` }));
    const sheet = node("div", { class: "mf-sheet" }, drawing, lockable ? cursor : null, selection, head);
    const scroll = node("div", { class: "mf-scroll", tabindex: -1 }, signs, sheet);
    const lockButton = button("", { onclick: lockBar });
    const select = node("select", { onchange: () => tell() }, node("option", { value: "" }, "all parts"),
      ...lockableParts.map((one, k) => node("option", { value: k }, one)));
    const lockRow = row(lockButton, node("label", {}, "of ", select));
    const ofLane = lanes.size ? "; dragging in a drum's lane, that drum alone" : "";
    const help = [["Space", "plays and pauses"], ["← →", versions.some((version) => version.bars.length > 1) ? "go bar by bar" : "go 5 seconds on or back"],
      several && ["B", "changes the version"], ["Ctrl + wheel", "zooms"],
      lockable && ["Enter", `locks or frees a bar, as dragging does${ofLane}`]].filter(Boolean);
    const root = node("div", { class: "mf-player", role: "group", "aria-label": `Player: ${data.title}`, tabindex: 0,
      "aria-keyshortcuts": `Space ArrowLeft ArrowRight${several ? " B" : ""}${lockable ? " Enter" : ""}`,
      "data-lm-suppress-shortcuts": "true" }, // else B adds a cell in JupyterLab
    row(playButton, time, several ? group("Version", "mf-group", ...versionButtons)
      : node("span", { class: "mf-label" }, shown.label),
    group("Zoom", "mf-group", button("−", { "aria-label": "Zoom out", onclick: () => magnify(zoom / 1.5) }),
      button("+", { "aria-label": "Zoom in", onclick: () => magnify(zoom * 1.5) }))),
    message, row(...partControls), slider, node("div", { class: "mf-roll" }, keys, scroll),
    lockable ? lockRow : null,
    row(node("span", { class: "mf-touch" }, lockable ? `Tap to go there; hold, then drag, to lock or free bars${ofLane}.`
      : "Tap to go there."), ...Object.keys(MARKS).filter((mark) => compared && marks.includes(mark)).map((mark) => sample(MARKS[mark], 22,
      { class: `mf-${mark}` })), node("span", { class: "mf-help" }, ...help.flatMap(([key, does], k) => [k ? ", " : "",
      node("kbd", {}, key), ` ${does}`]))));
    root.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target === select) return;
      const free = !event.target.closest("button");
      const act = { ArrowLeft: () => step(-1), ArrowRight: () => step(1), " ": free && (() => playButton.click()),
        b: several && (() => show(versions[(versions.indexOf(shown) + 1) % versions.length].name)),
        Enter: free && lockable && count() && lockBar }[event.key === "B" ? "b" : event.key];
      if (!act) return;
      event.preventDefault();
      event.stopPropagation();
      act();
    });
    scroll.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      const x = event.clientX - scroll.getBoundingClientRect().left;
      magnify(zoom * 1.0015 ** -event.deltaY, (scroll.scrollLeft + x) / zoom, x);
    }, { passive: false });
    const under = (event) => Math.max(event.clientX - sheet.getBoundingClientRect().left, 0) / zoom; // seconds
    function laneAt(event) { // the pitch of the lane under a pointer
      const down = event.clientY - sheet.getBoundingClientRect().top;
      const rows = shown.tracks.length ? [...lanes.keys()] : [];
      return rows.find((pitch) => down >= y(pitch, true) && down < y(pitch, true) + drum);
    }
    const dragged = (event) => [barAt(drag.at), barAt(under(event))].sort((a, b) => a - b);
    const drop = () => {
      clearTimeout(drag?.timer);
      drag = selection.style.display = null;
    };
    function sweep(event) {
      drag.far = true;
      const [first, last] = dragged(event);
      selection.style.display = "block";
      place(selection, shown.bars[first][0], shown.bars[last + 1][0]);
      const rows = bounds(drag.lane);
      Object.assign(selection.style, { top: `${rows.y}px`, height: `${rows.height}px` });
    }
    sheet.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      root.focus({ preventScroll: true });
      drop();
      drag = { at: under(event), x: event.clientX, lane: laneAt(event), far: false };
      if (event.pointerType !== "touch") sheet.setPointerCapture(event.pointerId);
      else if (lockable && count()) drag.timer = setTimeout(() => sweep(event), HOLD);
    });
    sheet.addEventListener("pointermove", (event) => {
      if (!drag || !lockable || !count()) return;
      const moved = Math.abs(event.clientX - drag.x) > 5;
      if (drag.far || (moved && event.pointerType !== "touch")) sweep(event);
      else if (moved) drop(); // a finger scrolls
    });
    sheet.addEventListener("touchmove", (event) => { if (drag?.far && event.cancelable) event.preventDefault(); }, { passive: false });
    sheet.addEventListener("contextmenu", (event) => { if (event.pointerType === "touch") event.preventDefault(); });
    sheet.addEventListener("pointerup", (event) => {
      if (drag?.far) lock(...quarters(...dragged(event)), lanes.get(drag.lane)?.name ?? part());
      else if (drag) seek(under(event));
      drop();
    });
    sheet.addEventListener("pointercancel", drop);

    const self = {
      play, pause, seek, show, locked: () => locked.map((span) => [...span]),
      state: () => ({ playing: sound.playing, position: sound.position, version: shown.name, sound: sound.status,
        clock: sound.clock, muted: [...chosen.Mute], solo: [...chosen.Solo], zoom, drawn,
        gains: sound.stems.map((stem) => [stem.version, stem.part, stem.volume?.gain.value ?? volume(stem)]) }),
      destroy() { sound.stop(); watch.disconnect(); root.remove(); },
    };
    const watch = new ResizeObserver(() => { // what was shown whole still is
      if (scroll.clientWidth !== wide) magnify(zoom * length > wide + 1 ? zoom : Math.min(zoom, ZOOM));
    });
    element.replaceChildren(root);
    magnify(ZOOM);
    show(shown.name);
    say();
    watch.observe(scroll);
    return self;
  }
  create.start = () => { // players of a page that were not started yet, their data beside them
    for (const found of document.querySelectorAll(".mf-place")) {
      const data = found.querySelector('script[type="application/json"]').textContent;
      found.player ??= create(found.querySelector("div"), JSON.parse(data));
    }
  };
  return create;
})();
