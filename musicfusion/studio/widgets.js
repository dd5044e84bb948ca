"use strict";
// The studio's own controls and views (widgets.py says what their data are), each a function of a gr.HTML's
// {element, props, trigger, watch, server}. props.value holds the controls by name; all text is shown as text alone.

globalThis.musicfusionWidgets ??= (() => {
  const SVG = new Set(["svg", "g", "path", "rect", "circle", "ellipse", "line", "text", "title"]);
  const STEP = 0.05, FINE = 0.01; // of the arrow keys, and with Shift
  const ECHO = 500; // milliseconds in which a component says what it was set to
  const WHEEL = 100; // radius at which the amount is at its most, in units of the wheel's picture
  const LONGEST = 15; // letters of a genre's name on the wheel
  const LETTER = 0.56; // mean width of a letter, of its height

  function node(tag, properties = {}, ...inside) {
    const made = SVG.has(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...inside.filter((part) => part !== null));
    return made;
  }

  const button = (text, properties) => node("button", { type: "button", ...properties }, text);
  const limited = (x, low, high) => Math.min(Math.max(x, low), high);
  const rounded = (x, step) => Number((Math.round(x / step) * step).toFixed(4));
  const percent = (x) => `${Math.round(100 * x)} %`;
  const numbers = (style) => style.map((x) => x.toFixed(2)).join(" : ");

  const recent = ({ at }) => Date.now() - at < ECHO;

  // What a widget holds when components of its controls have changed. What the user just set comes back from them, and
  // changes nothing, or fast keys would undo each other.
  function followed(names, held, now) {
    const trail = (held.trail ?? []).filter(recent);
    const other = names.flatMap((name, k) =>
      (held[name] === now[k] || trail.some((step) => step[name] === now[k]) ? [] : [[name, now[k]]]));
    return other.length ? { ...held, ...Object.fromEntries(other) } : { __type__: "update" };
  }

  // What all controls share: `draw` shows the state; `set` changes it as the user asked, and tells the page.
  function control({ element, props, trigger, watch }, draw) {
    const root = element.querySelector(".mf-widget");
    watch("value", () => draw());
    watch("data", () => draw());
    return {
      root,
      get held() { return props.value ?? {}; },
      get data() { return props.data ?? {}; },
      set(changes) {
        const held = props.value ?? {}, step = { at: Date.now() };
        const before = Object.fromEntries(Object.keys(changes).map((name) => [name, held[name]]));
        props.value = { ...held, ...changes,
          trail: [...(held.trail ?? []).filter(recent), { ...step, ...before }, { ...step, ...changes }] };
        draw();
        trigger("change");
      },
    };
  }

  // Dragging: moved(event) at each step, done() at the end.
  function draggable(target, moved, done) {
    let held = false;
    target.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      held = true;
      target.setPointerCapture(event.pointerId);
      target.focus({ preventScroll: true });
      event.preventDefault();
      moved(event);
    });
    target.addEventListener("pointermove", (event) => { if (held) moved(event); });
    target.addEventListener("lostpointercapture", () => {
      if (held) done();
      held = false;
    });
  }

  // Connective Fusion: a point in the style plane ----------------------------------------------------------------------

  const SQUARE = [[0, 0], [0, 1], [1, 0], [1, 1]];

  // The style at a point of the plane: bilinear between the corners, as sampling.plane_styles.
  function styleAt(corners, row, column) {
    const shares = [(1 - row) * (1 - column), (1 - row) * column, row * (1 - column), row * column];
    return corners[0].map((_, d) => rounded(shares.reduce((sum, share, k) => sum + share * corners[k][d], 0), 0.0001));
  }

  // The point of a style, [row, column]; null for a style that does not lie in the plane.
  function pointOf(corners, style) {
    const whole = style.length === 1 ? corners[0].map(() => style[0]) : style;
    if (whole.length !== corners[0].length || whole.some((x) => !(x >= 0 && x <= 1))) return null;
    const along = [corners[2], corners[1]].map((far) => {
      const found = whole.flatMap((x, d) => (far[d] === corners[0][d] ? [] : [(x - corners[0][d]) / (far[d] - corners[0][d])]));
      return found.length ? found.reduce((sum, x) => sum + x, 0) / found.length : 0.5;
    });
    const near = styleAt(corners, ...along).every((x, d) => Math.abs(x - whole[d]) < 0.002);
    return near ? along : null;
  }

  function style(page) {
    let point = null, corners = null, asked = "";
    const self = control(page, () => {
      learn();
      look();
    });
    const knob = node("div", { class: "mf-knob" });
    const labels = SQUARE.map(([row, column]) => node("span", { class: `mf-corner mf-${row ? "low" : "high"} mf-${column ? "right" : "left"}` }));
    const square = node("div", {
      class: "mf-square", role: "slider", tabindex: 0, "aria-label": "Style: a point in the plane of styles",
      "aria-roledescription": "slider in two directions", "aria-valuemin": 0, "aria-valuemax": 100,
    }, ...labels, knob);
    const said = node("output", { class: "mf-said" });
    self.root.append(
      node("div", { class: "mf-head" }, node("span", { class: "mf-name" }, "Style"), said),
      square,
      node("div", { class: "mf-foot" },
        node("span", { class: "mf-hint" }, "Which way the melodies are changed. Drag the point, or use the arrow keys; the"
          + " corners are the extremes, and what they mean you hear."),
        button("Middle", { class: "mf-button", onclick: () => choose([0.5, 0.5]) })));

    function learn() { // with more than two dimensions, the corners depend on the seed
      const { size = 2 } = self.data, seed = self.held.seed ?? 0;
      if (!corners || corners[0].length !== size) {
        corners = self.data.corners?.length ? self.data.corners : SQUARE;
        asked = `${size} 0`;
      }
      if (size > 2 && asked !== `${size} ${seed}`) {
        asked = `${size} ${seed}`;
        page.server.asked_corners(size, seed).then((found) => {
          if (asked !== `${size} ${seed}` || !found.length) return;
          corners = found;
          look();
        }, () => { asked = ""; });
      }
    }

    function look() {
      point = pointOf(corners, String(self.held.style ?? "").split(":").map(Number));
      show();
    }

    function show() {
      knob.hidden = !point;
      if (point) Object.assign(knob.style, { top: `${100 * point[0]}%`, left: `${100 * point[1]}%` });
      const short = corners[0].length <= 2;
      labels.forEach((label, k) => { label.textContent = short ? corners[k].join(" : ") : ""; });
      const text = !point ? "outside this plane"
        : short ? numbers(styleAt(corners, ...point)) : `${percent(point[0])} down, ${percent(point[1])} right`;
      said.textContent = text;
      square.setAttribute("aria-valuenow", Math.round(100 * (point?.[1] ?? 0.5)));
      square.setAttribute("aria-valuetext", text);
    }

    function choose(to) {
      self.set({ style: styleAt(corners, ...to.map((x) => limited(x, 0, 1))).join(":") });
    }

    draggable(square, (event) => {
      const box = square.getBoundingClientRect();
      point = [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width]
        .map((x) => rounded(limited(x, 0, 1), FINE));
      show();
    }, () => choose(point));
    square.addEventListener("keydown", (event) => {
      const step = event.shiftKey ? FINE : STEP, [row, column] = point ?? [0.5, 0.5];
      const to = {
        ArrowUp: [row - step, column], ArrowDown: [row + step, column],
        ArrowLeft: [row, column - step], ArrowRight: [row, column + step], Home: [0.5, 0.5],
      }[event.key];
      if (!to || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      choose(to.map((x) => rounded(x, FINE)));
    });
    learn();
    look();
  }

  // MusAE: the circle of genres ----------------------------------------------------------------------------------------

  // Genres stand on their mixture components, counterclockwise from the right. One unit of the plane is `unit` long.
  const angleOf = (k, genres) => (2 * Math.PI * k) / genres.length;
  const at = (angle, radius) => [radius * Math.cos(angle), -radius * Math.sin(angle)];
  const shortened = (name) => (name.length > LONGEST ? `${name.slice(0, LONGEST - 1)}…` : name);

  function flower({ genres, petal }, unit, chosen) {
    const petals = node("g", { class: "mf-petals" }), names = node("g", { class: "mf-names" });
    const size = lettering(genres);
    genres.forEach((genre, k) => {
      const degrees = (-360 * k) / genres.length, left = degrees < -90.001 && degrees > -269.999;
      const mark = genre === chosen ? "mf-chosen" : "";
      petals.append(node("ellipse", { class: mark, cx: unit, cy: 0, rx: unit * petal[0],
        ry: Math.max(unit * petal[1], 1.5), transform: `rotate(${degrees})` }));
      names.append(node("text", {
        class: mark, "data-genre": k, "font-size": size, "text-anchor": left ? "end" : "start", "dominant-baseline": "central",
        transform: `rotate(${degrees}) translate(${WHEEL + 6}) ${left ? "rotate(180)" : ""}`,
      }, shortened(genre), node("title", {}, genre)));
    });
    return [petals, names];
  }

  // Marks of points of the plane; a point beyond the wheel is drawn at its rim.
  function marks(points, unit) {
    return Object.entries(points).flatMap(([name, rows]) => rows.map(([x, y]) => {
      const far = Math.max(Math.hypot(x, y) * unit / WHEEL, 1);
      return node("path", { class: `mf-mark mf-${name}`, d: "M0-5 5 0 0 5-5 0Z",
        transform: `translate(${(x * unit) / far} ${(-y * unit) / far})` });
    }));
  }

  const lettering = (genres) => limited(400 / Math.max(genres.length, 1), 6, 12); // height of the names
  const extent = (genres) => WHEEL + 10 + LETTER * lettering(genres) * Math.max(...genres.map((name) => shortened(name).length), 0);

  function picture(genres, ...inside) {
    const far = extent(genres);
    return node("svg", { viewBox: `${-far} ${-far} ${2 * far} ${2 * far}`, class: "mf-circle" }, ...inside);
  }

  function wheel(page) {
    const self = control(page, () => show());
    const said = node("output", { class: "mf-said" });
    const dial = node("div", {
      class: "mf-dial", role: "slider", tabindex: 0, "aria-label": "Genre that the song is moved toward, and how far",
      "aria-roledescription": "wheel", "aria-valuemin": 0,
    });
    const song = node("p", { class: "mf-hint", hidden: true });
    self.root.append(
      node("div", { class: "mf-head" }, node("span", { class: "mf-name" }, "Toward a genre, and how far"), said),
      dial, song,
      node("div", { class: "mf-foot" },
        node("span", { class: "mf-hint" }, "Choose a genre around the wheel; the further out, the further the song is moved."
          + " Keys: left and right go round, up and down change the amount, letters find a genre."),
        button("No genre", { class: "mf-button", onclick: () => self.set({ to: "" }) })));
    const most = () => self.data.most ?? 2;
    const genres = () => self.data.genres ?? [];
    let shown = {}; // {to, amount} while the user drags

    function show() {
      const { to, amount, where } = { ...self.held, ...shown };
      const all = genres(), k = all.indexOf(to), unit = WHEEL / most();
      const text = k < 0 ? "no genre: as it is" : `${to}, ${Number(amount).toFixed(2)}`;
      said.textContent = text;
      dial.setAttribute("aria-valuemax", most());
      dial.setAttribute("aria-valuenow", k < 0 ? 0 : amount);
      dial.setAttribute("aria-valuetext", text);
      if (!all.length) {
        dial.replaceChildren(node("p", { class: "mf-hint" }, "The genres appear when the weights are loaded."));
        return;
      }
      const parts = [node("circle", { class: "mf-rim", r: WHEEL }), node("circle", { class: "mf-ring", r: unit }),
        node("text", { class: "mf-scale", x: 0, y: unit + 8, "text-anchor": "middle" }, "1"),
        node("text", { class: "mf-scale", x: 0, y: WHEEL - 4, "text-anchor": "middle" }, String(most()))];
      const chosen = [];
      if (k >= 0) {
        const [x, y] = at(angleOf(k, all), amount * unit);
        chosen.push(node("line", { class: "mf-arm", x2: x, y2: y }), node("circle", { class: "mf-grip", cx: x, cy: y, r: 7 }));
      }
      dial.replaceChildren(picture(all, ...parts, ...flower(self.data, unit, to),
        ...(where ? marks({ song: where.song }, unit) : []), ...chosen));
      song.hidden = !where;
      song.replaceChildren(node("span", { class: "mf-key mf-song" }), where
        ? ` The last song: the mean of its windows in the plane of the circle. Nearest for most of them: ${where.genre}.` : "");
    }

    function aimed(event) {
      const name = event.target.closest?.("[data-genre]");
      if (event.type === "pointerdown" && name) return { to: genres()[name.dataset.genre] };
      const box = dial.querySelector("svg").getBoundingClientRect(), all = genres();
      const scale = (2 * extent(all)) / box.width;
      const x = (event.clientX - box.left - box.width / 2) * scale, y = (box.top + box.height / 2 - event.clientY) * scale;
      const k = Math.round((Math.atan2(y, x) / (2 * Math.PI)) * all.length);
      const amount = rounded(limited((Math.hypot(x, y) / WHEEL) * most(), 0, most()), STEP);
      return { to: all[(k + all.length) % all.length], amount };
    }

    let onName = false; // a press on a name chooses it, and is no dragging
    draggable(dial, (event) => {
      if (!genres().length) return;
      if (event.type === "pointerdown") onName = Boolean(event.target.closest?.("[data-genre]"));
      if (onName && event.type !== "pointerdown") return;
      shown = aimed(event);
      show();
    }, () => {
      const chosen = shown;
      shown = {};
      if (genres().length) self.set(chosen);
    });
    dial.addEventListener("keydown", (event) => {
      const all = genres(), k = all.indexOf(self.held.to), step = event.shiftKey ? FINE : STEP;
      if (!all.length || event.ctrlKey || event.metaKey || event.altKey) return;
      const round = (by) => ({ to: k < 0 ? all[by > 0 ? 0 : all.length - 1] : all[(k + by + all.length) % all.length] });
      const further = (by) => ({ amount: rounded(limited(Number(self.held.amount) + by, 0, most()), FINE) });
      const found = {
        ArrowLeft: () => round(1), ArrowRight: () => round(-1), ArrowUp: () => further(step), ArrowDown: () => further(-step),
        Delete: () => ({ to: "" }), Backspace: () => ({ to: "" }),
      }[event.key]?.() ?? (event.key.length === 1 && event.key !== " " ? spelled(event.key) : null);
      if (!found) return;
      event.preventDefault();
      self.set(found);

      function spelled(letter) { // the next genre with this initial
        const next = all.map((_, i) => all[(k + 1 + i) % all.length]).find((name) => name.toLowerCase().startsWith(letter.toLowerCase()));
        return next === undefined ? null : { to: next };
      }
    });
    show();
  }

  // FusionGAN: which generator, and the share of two genres ----------------------------------------------------------

  let groups = 0; // of radio buttons in the page

  function share(page) {
    const self = control(page, () => show()), group = `mf-generator-${++groups}`;
    const said = node("output", { class: "mf-said" });
    const choices = ["a", "fusion", "b"].map((genre) => {
      const text = node("span");
      const radio = node("input", { type: "radio", name: group, value: genre, onchange: () => self.set({ genre }) });
      return { genre, radio, text, label: node("label", { class: "mf-choice" }, radio, text) };
    });
    const slider = node("input", { type: "range", min: 0, max: 1, step: FINE, class: "mf-range",
      oninput: () => say(1 - slider.value), onchange: () => self.set({ ratio: rounded(1 - slider.value, FINE) }) });
    const ends = [node("span"), node("span")];
    self.root.append(
      node("div", { class: "mf-head" }, node("span", { class: "mf-name" }, "Between two genres"), said),
      node("div", { class: "mf-choices", role: "radiogroup", "aria-label": "Which generator plays" },
        ...choices.map(({ label }) => label)),
      slider, node("div", { class: "mf-ends" }, ...ends));
    const names = () => (self.data.genres?.length ? self.data.genres : ["the first genre", "the second genre"]);

    function say(ratio) {
      const [a, b] = names(), { genre } = self.held;
      const text = genre === "fusion" ? `${percent(ratio)} ${a}, ${percent(1 - ratio)} ${b}` : genre === "a" ? `only ${a}` : `only ${b}`;
      said.textContent = text;
      slider.setAttribute("aria-valuetext", text);
    }

    function show() {
      const { genre, ratio } = self.held, [a, b] = names();
      for (const choice of choices) {
        choice.radio.checked = choice.genre === genre;
        choice.text.textContent = { a: `only ${a}`, fusion: "between both", b: `only ${b}` }[choice.genre];
      }
      slider.setAttribute("aria-label", `Share of ${a} against ${b}`);
      slider.value = 1 - ratio;
      slider.disabled = genre !== "fusion";
      ends.forEach((end, k) => { end.textContent = `${k ? "" : "← "}${names()[k]}${k ? " →" : ""}`; });
      say(ratio);
    }
    show();
  }

  // Views --------------------------------------------------------------------------------------------------------------

  function view(page) {
    const { element, props, trigger, watch } = page;
    const root = element.querySelector(".mf-widget");
    const kinds = { plane, circle };
    let end = () => {};
    function show() {
      end();
      const draw = kinds[props.data?.kind];
      root.hidden = !draw;
      end = (draw && draw(root, props.data, (chosen) => {
        props.value = chosen;
        trigger("change");
      })) || (() => root.replaceChildren());
    }
    watch("data", show);
    show();
  }

  function circle(root, data, tell) {
    const unit = WHEEL / 2, { genre, to, amount, points } = data;
    const ways = [["song", "moved"], ["start", "end"]].filter(([from, end]) => points[from] && points[end]);
    const lines = ways.map(([from, end]) => node("line", { class: "mf-way", x1: points[from][0][0] * unit,
      y1: -points[from][0][1] * unit, x2: points[end][0][0] * unit, y2: -points[end][0][1] * unit }));
    const words = {
      song: `the song, the mean of its windows; nearest for most of them: ${genre}`,
      moved: to ? `where it was moved: by ${amount} times the way from the mean of ${genre} to that of ${to}` : "",
      start: "the start", end: "the end", new: "the new windows",
    };
    const named = Object.keys(points).filter((name) => words[name]);
    const drawn = Object.fromEntries(named.map((name) => [name, points[name]]));
    root.replaceChildren(
      node("div", { class: "mf-head" }, node("span", { class: "mf-name" }, "In the plane of the circle")),
      node("div", { class: "mf-dial mf-still", role: "img", "aria-label": named.map((name) => words[name]).join("; ") },
        picture(data.genres, node("circle", { class: "mf-rim", r: WHEEL }), node("circle", { class: "mf-ring", r: unit }),
          ...flower(data, unit, to), ...lines, ...marks(drawn, unit))),
      node("ul", { class: "mf-legend" }, ...named.map((name) =>
        node("li", {}, node("span", { class: `mf-key mf-${name}` }), ` ${words[name]}`))),
      node("p", { class: "mf-hint" }, "The genres' means differ in the other dimensions, too: what you hear is not in this"
        + " picture alone."));
    if (points.song) tell({ where: { song: points.song, genre } });
  }

  function plane(root, data, tell) {
    const cells = data.rows.flat(), size = data.rows.length, pitches = cells.flatMap(({ notes }) => notes.map((note) => note[2]));
    const low = Math.min(...pitches, 60) - 1, high = Math.max(...pitches, 72) + 1;
    let now = 0, sounding = null;
    const text = (k) => `style ${numbers(cells[k].style)}`;
    const buttons = cells.map((cell, k) => button("", {
      class: "mf-cell", tabindex: -1, "aria-label": `${text(k)}: play`, title: text(k), onclick: () => play(k), onfocus: () => pick(k),
    }));
    cells.forEach(({ notes }, k) => buttons[k].append(
      node("svg", { viewBox: `0 0 ${data.seconds} ${high - low}`, preserveAspectRatio: "none", "aria-hidden": "true" },
        ...notes.map(([second, seconds, pitch]) => node("rect", { class: second < data.joint - 0.05 ? "mf-of-left" : "mf-of-right",
          x: second, y: high - pitch - 0.5, width: Math.max(Math.min(seconds, data.seconds - second), 0), height: 1.4 }))),
      node("span", { class: "mf-cursor", hidden: true })));
    const said = node("output", { class: "mf-said" });
    const stop = button("Stop", { class: "mf-button", disabled: true, onclick: () => silence() });
    const grid = node("div", { class: "mf-grid", role: "group", "aria-label": `The style plane, ${size} by ${size} melodies`,
      style: `grid-template-columns: repeat(${size}, minmax(0, 1fr))` }, ...buttons);
    grid.addEventListener("keydown", (event) => {
      const row = Math.floor(now / size), column = now % size;
      const to = { ArrowUp: [row - 1, column], ArrowDown: [row + 1, column], ArrowLeft: [row, column - 1],
        ArrowRight: [row, column + 1], Home: [row, 0], End: [row, size - 1] }[event.key];
      if (event.key === "Escape") silence();
      if (!to || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      const [i, j] = to.map((x) => limited(x, 0, size - 1));
      buttons[i * size + j].focus();
    });
    root.replaceChildren(
      node("div", { class: "mf-head" }, node("span", { class: "mf-name" }, "The style plane"), said),
      node("p", { class: "mf-hint" }, "The eight bars around the joint in each style: choose one to hear it, on a plain tone."
        + " Arrow keys go from one to the next, Enter plays."),
      grid,
      node("div", { class: "mf-foot" },
        button("Use this style", { class: "mf-button mf-main", onclick: () => tell({ style: cells[now].style.join(":") }) }), stop));
    pick(0);

    function pick(k) {
      buttons[now].tabIndex = -1;
      buttons[now].classList.remove("mf-chosen");
      now = k;
      buttons[now].tabIndex = 0;
      buttons[now].classList.add("mf-chosen");
      said.textContent = text(now);
    }

    function play(k) {
      const again = sounding?.cell === k;
      silence();
      pick(k);
      if (again) return;
      const tone = sound(cells[k].notes), cursor = buttons[k].querySelector(".mf-cursor");
      sounding = { cell: k, tone, cursor };
      buttons[k].setAttribute("aria-label", `${text(k)}: stop`);
      cursor.hidden = stop.disabled = false;
      const mine = sounding;
      (function follow() {
        if (sounding !== mine) return;
        if (tone.position > data.seconds || !root.isConnected) return silence();
        cursor.style.left = `${(100 * Math.max(tone.position, 0)) / data.seconds}%`;
        requestAnimationFrame(follow);
      })();
    }

    function silence() {
      if (!sounding) return;
      const { cell, tone, cursor } = sounding;
      sounding = null;
      tone.stop();
      buttons[cell].setAttribute("aria-label", `${text(cell)}: play`);
      cursor.hidden = stop.disabled = true;
    }
    return () => {
      silence();
      root.replaceChildren();
    };
  }

  // A plain tone for notes [[second, seconds, pitch], ...] ------------------------------------------------------------

  let context = null;

  function sound(notes) {
    context ??= new AudioContext();
    context.resume();
    const began = context.currentTime + 0.05, out = new GainNode(context, { gain: 0.25 });
    out.connect(context.destination);
    const tones = notes.filter(([, seconds]) => seconds > 0).map(([second, seconds, pitch]) => {
      const from = began + second, until = from + Math.max(seconds, 0.06), level = new GainNode(context, { gain: 0 });
      const tone = new OscillatorNode(context, { type: "triangle", frequency: 440 * 2 ** ((pitch - 69) / 12) });
      level.gain.setValueAtTime(0, from);
      level.gain.linearRampToValueAtTime(1, from + 0.015);
      level.gain.setTargetAtTime(0.6, from + 0.015, 0.2);
      level.gain.setTargetAtTime(0, until - 0.03, 0.012);
      tone.connect(level).connect(out);
      tone.start(from);
      tone.stop(until + 0.05);
      return tone;
    });
    return {
      get position() { return context.currentTime - began; },
      stop() {
        out.gain.setTargetAtTime(0, context.currentTime, 0.01);
        for (const tone of tones) tone.stop(context.currentTime + 0.08);
      },
    };
  }

  return { style, wheel, share, view, followed };
})();
