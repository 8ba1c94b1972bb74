// Says what to do next on a page of MiniWoB++, from its DOM and its instruction: it proves that the harness gives every
// action and every reward its due. It never sees a pixel, and no model is ever shown it.
(utterance => {
  const all = (selector) => [...document.querySelectorAll("#area " + selector + ", .ui-dialog " + selector)];
  const text = (element) => element.textContent.replace(/\s+/g, " ").trim();
  const quoted = [...utterance.matchAll(/"([^"]*)"/g)].map((match) => match[1]);
  const click = (element) => {
    if (!element) throw new Error(`nothing to click for: ${utterance}`);
    const { left, top, width, height } = element.getClientRects()[0];
    return { function: "click", arguments: { point: [Math.floor(left + width / 2), Math.floor(top + height / 2)] } };
  };
  // A field holds the text, or is clicked, or is typed into.
  const fill = (field, wanted) =>
    field.value === wanted ? null
    : document.activeElement !== field ? click(field)
    : { function: "type_text", arguments: { text: wanted } };
  const labelled = (label) => all("label").find((one) => text(one) === label).querySelector("input");
  const submit = () => click(all("button").find((button) => /^(submit|login)$/i.test(text(button))));
  const first = (...steps) => steps.reduce((done, step) => done ?? step(), null);
  const list = (words) => words.split(",").map((word) => word.trim()).filter((word) => word && word !== "nothing");

  const rules = [
    [/^Click the button\.$/, () => click(all("button")[0])],
    [/^Click button ONE, then click button TWO\.$/, () => {
      window.perceptPressed = !window.perceptPressed;
      return click(all("button").find((button) => text(button) === (window.perceptPressed ? "ONE" : "TWO")));
    }],
    [/^Click button ([A-Z]+)\.$/, (word) => click(all("button").find((button) => text(button) === word))],
    [/^Click on the "(.*)" button\.$/, (word) => click(all("button").find((button) => text(button) === word))],
    [/^Click on the link "(.*)"\.$/, (word) => click(all(".alink").find((link) => text(link) === word))],
    [/^Click on the "(.*)" link\.$/, (word) => click(all(".alink").find((link) => text(link) === word))],
    [/^Close the dialog box/, () => click(all(".ui-dialog-titlebar-close")[0])],
    [/^Click the button in the dialog box labeled "(.*)"\.$/, (word) =>
      click(word === "x" ? all(".ui-dialog-titlebar-close")[0] : all(".ui-dialog-buttonset button").find((b) => text(b) === word))],
    [/^Focus into the (\d).* input textbox\.$/, (number) => click(all("input")[number - 1])],
    [/^Focus into the textbox\.$/, () => click(all("input")[0])],
    [/^Enter the username/, () => first(
      () => fill(all("#username")[0], quoted[0]), () => fill(all("#password")[0], quoted[1]), submit)],
    [/^Enter the password/, () => first(
      () => fill(all("input[type=password]")[0], quoted[0]), () => fill(all("input[type=password]")[1], quoted[0]), submit)],
    [/^Enter ".*" into the text field/, () => first(() => fill(all("input")[0], quoted[0]), submit)],
    [/^Type ".*" in all (upper|lower)/, (which) => first(
      () => fill(all("input")[0], which === "upper" ? quoted[0].toUpperCase() : quoted[0].toLowerCase()), submit)],
    [/^Select (.*) and click Submit\.$/, (words) => {
      const boxes = all("input[type=checkbox]");
      if (boxes.length === 0) return labelled(words).checked ? submit() : click(labelled(words));
      const left = list(words).map(labelled).find((box) => !box.checked);
      return left ? click(left) : submit();
    }],
    [/^Click on Tab #(\d)\.$/, (number) => click(all("ul a").find((tab) => text(tab) === "Tab #" + number))],
    [/^Click on a "(.*)" widget\.$/, (kind) => click(all(`[data-type=${kind}]`)[0])],
    [/^Expand the section below and click submit\.$/, () =>
      all(".ui-accordion-header-active").length ? submit() : click(all(".ui-accordion-header")[0])],
    [/^Solve the math problem/, () => {
      const [, a, sign, b] = text(document.querySelector("#math-problem")).match(/(\d+) (.) (\d+)/);
      const answer = sign === "+" ? +a + +b : sign === "-" ? a - b : a * b;
      return first(() => fill(all("#math-answer")[0], String(answer)), submit);
    }],
    // Once the first is clicked the others are covered, and each goes away in its turn.
    [/^Click on the numbers in ascending order\.$/, () => click(document.querySelector("svg rect, svg text"))],
  ];
  for (const [pattern, rule] of rules) {
    const match = utterance.match(pattern);
    if (match) return rule(...match.slice(1));
  }
  throw new Error(`no rule for: ${utterance}`);
})
