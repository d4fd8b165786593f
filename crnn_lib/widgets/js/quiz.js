// Card: a question in two steps. The reply comes after both, so that neither gives the other away.
import { button, focusable, make, mount } from "./common.js";

export const letterOf = (index) => "abcdefghijklmnopqrstuvwxyz"[index];

/** The reply to two letters: { right, headline, replies: [[letter, reply], ...] }. */
export function replyTo(content, given) {
  const chosen = [content.answers, content.reasons].map((options, step) =>
    options.find((_, index) => letterOf(index) === given[step]));
  const name = chosen.map(({ right }) => (right ? "right" : "wrong")).join("_");
  return {
    right: chosen.every(({ right }) => right),
    headline: content.headlines[name],
    replies: chosen.map(({ reply }, step) => [given[step], reply]),
  };
}

function render({ model, el }) {
  const content = model.get("content");
  const view = mount({ model, el }, "crnn-quiz", `Question: ${content.id}`);
  const chosen = [...model.get("given")];
  const group = `crnn-${Math.random().toString(36).slice(2)}`; // radios of one name exclude each other

  const list = (step, name, options) => make("fieldset", {},
    make("legend", {}, name),
    ...options.map(({ text }, index) => {
      const input = focusable(make("input", { type: "radio", name: `${group}-${step}`, value: letterOf(index) }),
        `${letterOf(index)}: ${text}`);
      input.addEventListener("change", () => {
        chosen[step] = input.value;
        if (model.get("given").length) view.change({ given: [] }); // the old reply goes
        update();
      });
      return make("label", {}, input, make("b", {}, letterOf(index)), make("span", {}, text));
    }));

  const lists = [list(0, "Your answer", content.answers), list(1, "The reason", content.reasons)];
  const submit = button("Check", "Check answer and reason", () => view.change({ given: [...chosen] }));
  submit.classList.add("main");
  const reply = make("div", { class: "reply" });
  // there from the start: a live region that comes with its text is often not read out
  const heard = make("div", { role: "status", "aria-live": "polite" }, reply);

  function update() {
    lists[1].hidden = submit.hidden = !chosen[0];
    submit.disabled = !chosen[1];
    lists.forEach((fields, step) => {
      for (const input of fields.querySelectorAll("input")) input.checked = input.value === chosen[step];
    });
  }

  function redraw() {
    const given = model.get("given");
    if (given.length) chosen.splice(0, 2, ...given);
    update();
    reply.hidden = !given.length;
    if (!given.length) return reply.replaceChildren();
    const { right, headline, replies } = replyTo(content, given);
    reply.classList.toggle("right", right);
    reply.replaceChildren(
      make("p", { class: "headline" }, `${right ? "\u2713" : "\u2717"} ${headline}`),
      ...replies.map(([letter, text]) => make("p", {}, make("b", {}, `${letter}  `), text)),
      make("p", { class: "soft" }, "See for yourself:"),
      make("pre", {}, `${content.code}\n`, make("span", { class: "shows" }, content.shows)));
  }

  view.root.append(
    make("h4", {}, `Question: ${content.id}`),
    make("p", { class: "question" }, content.text), ...lists, submit, heard);
  view.listen(["given"], redraw);
  return view.dispose;
}

export default { render };
