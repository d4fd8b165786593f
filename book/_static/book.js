// Dark or light before anything is drawn, so that no page flashes.
const look = document.documentElement.dataset;
if (look.theme !== "light" && look.theme !== "dark") {
  look.theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

// A page that was opened from a disk may not read its neighbours, so the search lists titles alone.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

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
