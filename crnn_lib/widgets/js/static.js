// A model for pages without a kernel: the part of Backbone's that explorers use.
function staticModel(state) {
  const listeners = {};
  const fire = (event) => { for (const f of [...(listeners[event] ?? [])]) f(); };
  return {
    get: (name) => state[name],
    set(name, value) {
      if (JSON.stringify(state[name]) === JSON.stringify(value)) return;
      state[name] = value;
      fire(`change:${name}`);
      fire("change");
    },
    save_changes() {},
    on(event, f) { (listeners[event] ??= []).push(f); },
    off(event, f) { listeners[event] = (listeners[event] ?? []).filter((g) => g !== f); },
    send() {},
    // what can stand in the address of the page: neither lists nor pictures
    scalars: () => Object.keys(state).filter((name) => state[name] === null || (typeof state[name] !== "object" && String(state[name]).length < 4000)),
  };
}

// Equal explorers on a page have equal keys; each call takes the first place that is still free.
function showStatic(key, state, render) {
  const el = document.querySelector(`[data-explorer="${key}"]:not([data-alive])`);
  if (!el) return;
  el.dataset.alive = "";
  el.replaceChildren();
  render({ model: staticModel(state), el });
}
