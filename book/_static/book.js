// Dark or light before anything is drawn, so that no page flashes.
const look = document.documentElement.dataset;
if (look.theme !== "light" && look.theme !== "dark") {
  look.theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

// The search reads the pages that it found, to show the words around. A page that was opened from a
// disk may not do that; their texts are in texts.js, which the search page has loaded.
if (location.protocol === "file:") {
  const ask = window.fetch.bind(window);
  window.fetch = (address, ...rest) => {
    const [path] = String(address).split(/[?#]/);
    const name = decodeURI(new URL(path, location.href).href).slice(decodeURI(location.href).replace(/[^/]*$/, "").length);
    if (typeof BOOK_TEXTS === "undefined" || !(name in BOOK_TEXTS)) return ask(address, ...rest);
    const main = document.createElement("div");
    main.setAttribute("role", "main");
    main.textContent = BOOK_TEXTS[name];
    return Promise.resolve(new Response(main.outerHTML));
  };
}

// What draws formulas has 2 MB: it comes when the first formula does.
addEventListener("DOMContentLoaded", () => {
  const [script, first] = [document.querySelector("script[data-draws]"), document.querySelector(".math")];
  if (!script || !first) return;
  const near = new IntersectionObserver((seen) => {
    if (!seen.some(({ isIntersecting }) => isIntersecting)) return;
    near.disconnect();
    const drawing = document.createElement("script");
    drawing.src = script.dataset.draws;
    document.head.append(drawing);
  }, { rootMargin: "1500px 0px" });
  near.observe(first);
});

// Paper is light, whatever the screen is.
let ofScreen = null;
const onPaper = (printing) => {
  if (printing && ofScreen === null) {
    ofScreen = look.theme;
    look.theme = "light";
  } else if (!printing && ofScreen !== null) {
    look.theme = ofScreen;
    ofScreen = null;
  }
};
matchMedia("print").addEventListener("change", ({ matches }) => onPaper(matches));
addEventListener("beforeprint", () => onPaper(true));
addEventListener("afterprint", () => onPaper(false));
