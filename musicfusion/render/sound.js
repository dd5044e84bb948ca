"use strict";
// The sound of a player: musicfusionSound(data, length, volume) gives one. Stems of all versions run side by side;
// volume(stem), 0 or 1, says which are audible.

globalThis.musicfusionSound ??= (() => {
  const RAMP = 0.012; // seconds in which a volume changes: no click, no gap
  let context = null; // of all players of a page

  async function bytes(address) {
    const [, inside] = address.split("data:audio/ogg;base64,"); // decoded here: a page may forbid every request
    if (inside) return Uint8Array.from(atob(inside), (c) => c.charCodeAt(0)).buffer;
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(answer.statusText);
    return answer.arrayBuffer();
  }
  function ramp({ gain }, to) {
    gain.cancelScheduledValues(context.currentTime);
    gain.setValueAtTime(gain.value, context.currentTime);
    gain.linearRampToValueAtTime(to, context.currentTime + RAMP);
  }
  function create(data, length, volume) {
    const stems = data.versions.flatMap((version) => version.stems.map((stem) => ({ version: version.name, ...stem })));
    let loading = null, out = null, from = 0, began = 0;
    const self = {
      get clock() { return context?.currentTime ?? 0; },
      stems, status: stems.length ? "not loaded" : "none", loaded: 0,
      get playing() { return out !== null; },
      get position() { return out ? Math.min(from + Math.max(context.currentTime - began, 0), length) : from; },
      load(progress) {
        context ??= new AudioContext({ sampleRate: data.rate });
        if (!loading) Object.assign(self, { status: "loading", loaded: 0 });
        loading ??= Promise.all(stems.map(async (stem) => {
          stem.buffer = await context.decodeAudioData(await bytes(stem.src));
          self.loaded++;
          progress();
        })).then(() => { self.status = "ready"; }, () => { self.status = "failed"; loading = null; }).then(progress);
        progress();
        return loading;
      },
      start(seconds) {
        self.stop();
        context.resume();
        [from, began, out] = [seconds, context.currentTime + 0.02, new GainNode(context, { gain: 0 })];
        out.gain.setValueAtTime(0, began);
        out.gain.linearRampToValueAtTime(1, began + RAMP);
        out.connect(context.destination);
        for (const stem of stems.filter(({ buffer }) => seconds < buffer.duration)) {
          stem.volume = new GainNode(context, { gain: volume(stem) });
          stem.source = new AudioBufferSourceNode(context, { buffer: stem.buffer });
          stem.source.connect(stem.volume).connect(out);
          stem.source.start(began, seconds);
        }
      },
      stop() {
        if (!out) return;
        from = self.position;
        ramp(out, 0);
        for (const stem of stems) stem.source?.stop(context.currentTime + 2 * RAMP);
        for (const stem of stems) stem.volume = stem.source = null;
        out = null;
      },
      move(seconds) { if (out) self.start(seconds); else from = seconds; },
      level() { for (const stem of stems) if (stem.volume) ramp(stem.volume, volume(stem)); },
    };
    return self;
  }
  return create;
})();
