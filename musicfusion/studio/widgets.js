"use strict";
// The studio's own controls and views (widgets.py says what their data are). This is what all of them share; each file
// widget_NAME.js adds its own: controls, functions of a gr.HTML's {element, props, trigger, watch, server}, and kinds of
// views. props.value holds the controls by name; all text is shown as text alone.

globalThis.musicfusionWidgets ??= (() => {
  const ECHO = 500; // milliseconds in which a component says what it was set to

  const limited = (x, low, high) => Math.min(Math.max(x, low), high);
  const rounded = (x, step) => Number((Math.round(x / step) * step).toFixed(4));
  const percent = (x) => `${Math.round(100 * x)} %`;
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

  // views[kind](root, data, tell) draws data into root; tell(controls) sets controls. It may return a function that ends it.
  const views = {};

  function view(page) {
    const { element, props, trigger, watch } = page;
    const root = element.querySelector(".mf-widget");
    let end = () => {};
    function show() {
      end();
      const draw = views[props.data?.kind];
      root.hidden = !draw;
      end = (draw && draw(root, props.data, (chosen) => {
        props.value = chosen;
        trigger("change");
      })) || (() => root.replaceChildren());
    }
    watch("data", show);
    show();
  }

  return {
    STEP: 0.05, FINE: 0.01, // of the arrow keys, and with Shift
    limited, rounded, percent, followed, control, draggable, view, views,
  };
})();
