"use strict";
// MusAE: the circle of genres as a wheel; and as a view, in which a result's songs lie.

(() => {
  const { node, button } = musicfusionDrawing;
  const { STEP, FINE, limited, rounded, control, draggable, views } = musicfusionWidgets;

  const WHEEL = 100; // radius at which the amount is at its most, in units of the wheel's picture
  const UNIT = WHEEL / 2; // of the plane: components lie one unit from the middle
  const UNUSED = -1; // of an angle
  const DEGREES = 5; // of the arrow keys
  const LONGEST = 15; // letters of a genre's name on the wheel
  const LETTER = 0.56; // mean width of a letter, of its height

  // Genres stand on their mixture components, counterclockwise from the right. Angles are in degrees, those of sampling.
  const angleOf = (k, genres) => (360 * k) / genres.length;
  const at = (angle, radius) => [radius * Math.cos(angle * Math.PI / 180), -radius * Math.sin(angle * Math.PI / 180)];
  const shortened = (name) => (name.length > LONGEST ? `${name.slice(0, LONGEST - 1)}…` : name);

  function flower({ genres, component }, chosen) {
    const components = node("g", { class: "mf-components" }), names = node("g", { class: "mf-names" });
    const size = lettering(genres);
    genres.forEach((genre, k) => {
      const degrees = -angleOf(k, genres), left = degrees < -90.001 && degrees > -269.999;
      const mark = genre === chosen ? "mf-chosen" : "";
      components.append(node("ellipse", { class: mark, cx: UNIT, cy: 0, rx: UNIT * component[0],
        ry: Math.max(UNIT * component[1], 1.5), transform: `rotate(${degrees})` }));
      names.append(node("text", {
        class: mark, "data-genre": k, "font-size": size, "text-anchor": left ? "end" : "start", "dominant-baseline": "central",
        transform: `rotate(${degrees}) translate(${WHEEL + 6}) ${left ? "rotate(180)" : ""}`,
      }, shortened(genre), node("title", {}, genre)));
    });
    return [components, names];
  }

  // Marks of points of the plane; a point beyond the wheel is drawn at its rim.
  function marks(points) {
    return Object.entries(points).flatMap(([name, rows]) => rows.map(([x, y]) => {
      const far = Math.max(Math.hypot(x, y) * UNIT / WHEEL, 1);
      return node("path", { class: `mf-mark mf-${name}`, d: "M0-5 5 0 0 5-5 0Z",
        transform: `translate(${(x * UNIT) / far} ${(-y * UNIT) / far})` });
    }));
  }

  const lettering = (genres) => limited(400 / Math.max(genres.length, 1), 6, 12); // height of the names
  const extent = (genres) => WHEEL + 10 + LETTER * lettering(genres) * Math.max(...genres.map((name) => shortened(name).length), 0);

  const lies = (genre) => "the mean of its windows in the plane of the circle, "
    + (genre ? `nearest to ${genre}` : "nearer to the middle than to any genre");

  function picture(genres, ...inside) {
    const far = extent(genres);
    return node("svg", { viewBox: `${-far} ${-far} ${2 * far} ${2 * far}`, class: "mf-circle" }, ...inside);
  }

  function wheel(page) {
    const self = control(page, () => show());
    const said = node("output", { class: "mf-said" });
    const dial = node("div", {
      class: "mf-dial", role: "slider", tabindex: 0, "aria-label": "Genre that the song is moved toward, and how much",
      "aria-roledescription": "wheel", "aria-valuemin": 0,
    });
    const song = node("p", { class: "mf-hint", hidden: true });
    const between = node("input", { type: "checkbox" });
    self.root.append(
      node("div", { class: "mf-head" }, node("span", { class: "mf-name" }, "Toward a genre, and how much"), said),
      dial, song,
      node("div", { class: "mf-foot" },
        node("span", { class: "mf-hint" }, "Choose a genre around the wheel; the further out, the more of the song is made"
          + " anew. Keys: left and right go round, up and down change the amount, letters find a genre."),
        node("label", { class: "mf-choice" }, between, node("span", {}, "also between genres")),
        button("No genre", { class: "mf-button", onclick: () => self.set({ to: "", angle: UNUSED }) })));
    const most = () => self.data.most ?? 1;
    const genres = () => self.data.genres ?? [];
    const named = (k) => ({ to: genres()[(k + genres().length) % genres().length], angle: UNUSED });
    const turned = (degrees) => ({ to: "", angle: rounded((degrees + 360) % 360, 0.1) });
    let shown = {}; // {to, angle, amount} while the user drags

    function show() {
      const { to, angle, amount, where } = { ...self.held, ...shown };
      const all = genres(), k = all.indexOf(to), way = angle >= 0 ? angle : k < 0 ? null : angleOf(k, all);
      const text = way === null ? "no genre: as it is" : `${angle >= 0 ? `${angle}°` : to}, ${Number(amount).toFixed(2)}`;
      said.textContent = text;
      dial.setAttribute("aria-valuemax", most());
      dial.setAttribute("aria-valuenow", way === null ? 0 : amount);
      dial.setAttribute("aria-valuetext", text);
      if (angle >= 0) between.checked = true;
      if (!all.length) {
        dial.replaceChildren(node("p", { class: "mf-hint" }, "The genres appear when the weights are loaded."));
        return;
      }
      const chosen = [];
      if (way !== null) {
        const [x, y] = at(way, (amount / most()) * WHEEL);
        chosen.push(node("line", { class: "mf-arm", x2: x, y2: y }), node("circle", { class: "mf-grip", cx: x, cy: y, r: 7 }));
      }
      dial.replaceChildren(picture(all, node("circle", { class: "mf-rim", r: WHEEL }),
        node("text", { class: "mf-scale", x: 0, y: WHEEL - 4, "text-anchor": "middle" }, String(most())),
        ...flower(self.data, to), ...(where ? marks({ song: where.song }) : []), ...chosen));
      song.hidden = !where;
      song.replaceChildren(node("span", { class: "mf-key mf-song" }), where ? ` The last song: ${lies(where.genre)}.` : "");
    }

    function aimed(event) {
      const name = event.target.closest?.("[data-genre]");
      if (event.type === "pointerdown" && name) return named(Number(name.dataset.genre));
      const box = dial.querySelector("svg").getBoundingClientRect(), all = genres();
      const scale = (2 * extent(all)) / box.width;
      const x = (event.clientX - box.left - box.width / 2) * scale, y = (box.top + box.height / 2 - event.clientY) * scale;
      const way = Math.atan2(y, x) * 180 / Math.PI;
      const amount = rounded(limited((Math.hypot(x, y) / WHEEL) * most(), 0, most()), STEP);
      return { ...(between.checked ? turned(Math.round(way)) : named(Math.round((way / 360) * all.length))), amount };
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
    between.addEventListener("change", () => { // what is chosen stays, or the nearest genre is
      const { to, angle } = self.held, all = genres(), k = all.indexOf(to);
      if (between.checked && k >= 0) self.set(turned(angleOf(k, all)));
      if (!between.checked && angle >= 0) self.set(named(Math.round((angle / 360) * all.length)));
    });
    dial.addEventListener("keydown", (event) => {
      const { to, angle, amount } = self.held;
      const all = genres(), k = all.indexOf(to), step = event.shiftKey ? FINE : STEP;
      if (!all.length || event.ctrlKey || event.metaKey || event.altKey) return;
      const round = (by) => {
        if (!between.checked) return named(k < 0 && by > 0 ? 0 : Math.max(k, 0) + by);
        return turned((angle >= 0 ? angle : angleOf(Math.max(k, 0), all)) + by * (event.shiftKey ? 1 : DEGREES));
      };
      const further = (by) => ({ amount: rounded(limited(Number(amount) + by, 0, most()), FINE) });
      const none = () => ({ to: "", angle: UNUSED });
      const found = {
        ArrowLeft: () => round(1), ArrowRight: () => round(-1), ArrowUp: () => further(step), ArrowDown: () => further(-step),
        Delete: none, Backspace: none,
      }[event.key]?.() ?? (event.key.length === 1 && event.key !== " " ? spelled(event.key) : null);
      if (!found) return;
      event.preventDefault();
      self.set(found);

      function spelled(letter) { // the next genre with this initial
        const next = all.map((_, i) => (k + 1 + i) % all.length).find((i) => all[i].toLowerCase().startsWith(letter.toLowerCase()));
        return next === undefined ? null : named(next);
      }
    });
    show();
  }

  function circle(root, data, tell) {
    const { genre, to, angle, amount, points } = data, aim = angle >= 0 ? `${angle}°` : to;
    const ways = [["song", "moved"], ["start", "end"]].filter(([from, end]) => points[from] && points[end]);
    const lines = ways.map(([from, end]) => node("line", { class: "mf-way", x1: points[from][0][0] * UNIT,
      y1: -points[from][0][1] * UNIT, x2: points[end][0][0] * UNIT, y2: -points[end][0][1] * UNIT }));
    const words = {
      song: `the song, ${lies(genre)}`,
      moved: aim ? `where it was moved: ${Math.round(100 * amount)} % of it was made anew toward ${aim}` : "",
      start: "the start", end: "the end", new: "the new windows",
    };
    const named = Object.keys(points).filter((name) => words[name]);
    const drawn = Object.fromEntries(named.map((name) => [name, points[name]]));
    root.replaceChildren(
      node("div", { class: "mf-head" }, node("span", { class: "mf-name" }, "In the plane of the circle")),
      node("div", { class: "mf-dial mf-still", role: "img", "aria-label": named.map((name) => words[name]).join("; ") },
        picture(data.genres, node("circle", { class: "mf-rim", r: WHEEL }), node("circle", { class: "mf-ring", r: UNIT }),
          ...flower(data, to), ...lines, ...marks(drawn))),
      node("ul", { class: "mf-legend" }, ...named.map((name) =>
        node("li", {}, node("span", { class: `mf-key mf-${name}` }), ` ${words[name]}`))),
      node("p", { class: "mf-hint" }, "The plane tells the genre. All else of the music lies in the other dimensions, which"
        + " this picture does not show."));
    if (points.song) tell({ where: { song: points.song, genre } });
  }

  musicfusionWidgets.wheel = wheel;
  views.circle = circle;
})();
