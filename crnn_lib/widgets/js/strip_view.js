// StripView: the strip maker's field, sliders and picture. Python writes and reads the strip.
import { focusable, make, mount, slider } from "./common.js";

function render({ model, el }) {
  const view = mount({ model, el }, "strip", "Strip maker: a number, written as the sliders say");
  const field = focusable(make("input", { type: "text", size: 14, inputmode: "numeric", spellcheck: "false", autocomplete: "off", maxlength: model.get("longest") }), "number");
  field.addEventListener("input", () => view.change({ text: field.value }));
  const sliders = model.get("ranges").map(([name, min, max, step]) => {
    const made = slider(name, { min, max, step, change: (value) => view.change({ [name]: value }) });
    const digits = Number.isInteger(step) ? 0 : 2;
    return { name, made, show: (value) => made.set(value, value.toFixed(digits).replace("-", "−")) };
  });
  const picture = make("img");
  view.root.append(
    make("div", { class: "controls" }, make("label", { class: "slider" }, make("span", {}, "number"), field), ...sliders.map(({ made }) => made.node)),
    picture, view.status);

  view.listen(["text", ...sliders.map(({ name }) => name)], () => {
    if (document.activeElement !== field) field.value = model.get("text");
    for (const { name, show } of sliders) show(model.get(name));
  });
  view.listen(["picture", "said"], () => {
    picture.src = `data:image/png;base64,${model.get("picture")}`;
    picture.alt = `The strip: ${model.get("said")}`;
    view.say(model.get("said"));
  });
  return view.dispose;
}

export default { render };
