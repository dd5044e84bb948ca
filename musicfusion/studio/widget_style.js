"use strict";
// Connective Fusion: the style, a point in the style plane; and the plane of a result, whose cells play.

(() => {
  const { node, button, noteBoxes } = musicfusionDrawing;
  const { STEP, FINE, limited, rounded, percent, control, draggable, views } = musicfusionWidgets;

  const numbers = (style) => style.map((x) => x.toFixed(2)).join(" : ");

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
        ...["left", "right"].map((side) => node("path", { class: `mf-of-${side}`, d: noteBoxes(notes.filter(
          ([second]) => (second < data.joint - 0.05) === (side === "left")), (pitch) => high - pitch - 0.5, 1.4).join("") }))),
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

  musicfusionWidgets.style = style;
  views.plane = plane;
})();
