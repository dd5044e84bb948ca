"use strict";
// MusAE: the circle of genres as a wheel; and as a view, in which a result's songs lie.

(() => {
  const { node, button } = musicfusionDrawing;
  const { STEP, FINE, limited, rounded, control, draggable, views } = musicfusionWidgets;

  const WHEEL = 100; // radius at which the amount is at its most, in units of the wheel's picture
  const LONGEST = 15; // letters of a genre's name on the wheel
  const LETTER = 0.56; // mean width of a letter, of its height

  // Genres stand on their mixture components, counterclockwise from the right. One unit of the plane is `unit` long.
  const angleOf = (k, genres) => (2 * Math.PI * k) / genres.length;
  const at = (angle, radius) => [radius * Math.cos(angle), -radius * Math.sin(angle)];
  const shortened = (name) => (name.length > LONGEST ? `${name.slice(0, LONGEST - 1)}…` : name);

  function flower({ genres, component }, unit, chosen) {
    const components = node("g", { class: "mf-components" }), names = node("g", { class: "mf-names" });
    const size = lettering(genres);
    genres.forEach((genre, k) => {
      const degrees = (-360 * k) / genres.length, left = degrees < -90.001 && degrees > -269.999;
      const mark = genre === chosen ? "mf-chosen" : "";
      components.append(node("ellipse", { class: mark, cx: unit, cy: 0, rx: unit * component[0],
        ry: Math.max(unit * component[1], 1.5), transform: `rotate(${degrees})` }));
      names.append(node("text", {
        class: mark, "data-genre": k, "font-size": size, "text-anchor": left ? "end" : "start", "dominant-baseline": "central",
        transform: `rotate(${degrees}) translate(${WHEEL + 6}) ${left ? "rotate(180)" : ""}`,
      }, shortened(genre), node("title", {}, genre)));
    });
    return [components, names];
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

  musicfusionWidgets.wheel = wheel;
  views.circle = circle;
})();
