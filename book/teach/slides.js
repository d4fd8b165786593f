// An explorer is loaded where its slide is shown, and made as large as the slide has room.
function fit(frame) {
  const page = frame.contentDocument.documentElement, room = frame.parentElement;
  const width = 890, height = page.querySelector("body").scrollHeight;
  const scale = Math.min(room.clientWidth / width, room.clientHeight / height, 1.4);
  frame.style.height = `${height}px`;
  frame.style.transform = `scale(${scale})`;
  frame.style.left = `${(room.clientWidth - scale * width) / 2}px`;
}

function wake(slide) {
  for (const frame of slide.querySelectorAll("iframe[data-page]")) {
    if (!frame.clientWidth) continue; // its answer is not shown yet
    const page = frame.dataset.page;
    frame.removeAttribute("data-page");
    frame.addEventListener("load", () => {
      fit(frame);
      new ResizeObserver(() => fit(frame)).observe(frame.contentDocument.body);
      // The keys that turn pages work after a click into it as well.
      frame.contentDocument.addEventListener("keydown", (event) => {
        if (["PageDown", "PageUp", "Escape"].includes(event.key)) window.focus();
        if (event.key === "PageDown") Reveal.next();
        if (event.key === "PageUp") Reveal.prev();
      });
    });
    frame.srcdoc = page;
  }
}

async function start() {
  await window.MathJax?.startup?.promise; // formulas are measured while all slides are laid out
  for (const name of ["ready", "slidechanged", "fragmentshown"]) {
    Reveal.on(name, () => wake(Reveal.getCurrentSlide()));
  }
  Reveal.on("pdf-ready", () => document.querySelectorAll("section").forEach(wake));
  await Reveal.initialize({
    width: 1280, height: 720, margin: 0, center: false, display: "flex", hash: true,
    slideNumber: "c/t", transition: "none", overview: false,
  });
}

start();
