"use strict";
// What all scripts of pages draw with: musicfusionDrawing gives {node, button, box, noteBoxes}. All words are shown as text.

globalThis.musicfusionDrawing ??= (() => {
  const DRAWN = new Set(["svg", "g", "path", "rect", "circle", "ellipse", "line", "text", "title", "image"]);

  function node(tag, properties = {}, ...inside) {
    const made = DRAWN.has(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag)
      : document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...inside.filter((part) => part !== null && part !== ""));
    return made;
  }
  const button = (text, properties) => node("button", { type: "button", ...properties }, text);

  // Paths of notes [second, seconds, pitch, ...] in a piano roll: a second is 1 wide, y(pitch) the upper edge of a row.
  const box = (x, from, width, high) => `M${x} ${from}h${width}v${high}h${-width}z`;
  const noteBoxes = (rows, y, high) => rows.map(([at, lasts, pitch]) => box(at, y(pitch), Math.max(lasts, 0.02), high));

  return { node, button, box, noteBoxes };
})();
