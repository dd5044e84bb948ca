"use strict";
// FusionGAN: which generator plays, and the share of two genres.

(() => {
  const { node, button } = musicfusionDrawing;
  const { FINE, rounded, percent, control } = musicfusionWidgets;

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

  musicfusionWidgets.share = share;
})();
