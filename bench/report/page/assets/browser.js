"use strict";
// The predictions browser. Texts of models and data sets are inserted as text, never as markup.

(() => {
  const data = document.getElementById("predictions");
  const root = document.getElementById("browser");
  if (!data || !root) return;
  const { criteria, sets } = JSON.parse(data.textContent);
  const PAGE = 20;
  const MOST_TALLIES = 8;
  const SHORT = 200;

  const form = root.querySelector("form");
  const count = document.getElementById("browser-count");
  const list = document.getElementById("examples");
  const pager = root.querySelector(".pager");
  const { set: setBox, text: textBox, verdict: verdictBox, criterion: criterionBox, threshold: thresholdBox } = form.elements;

  let admits = () => true;
  let start = 0;
  let found = [];

  /** An element with a class (or "") and children, which are texts or elements. */
  function make(tag, className, ...children) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    element.append(...children);
    return element;
  }

  /** Text of others: it has its own writing direction, which does not affect the text around it. */
  function foreign(tag, className, text) {
    const element = make(tag, className, text);
    element.dir = "auto";
    return element;
  }

  const current = () => sets[Number(setBox.value) || 0];
  /** Whether nothing is asked: each example is a text to be continued. */
  const areTexts = () => current().cells.some((cell) => cell.perplexities);
  const cells = () => current().cells.filter(admits);
  const textOf = (number) => current().texts[number];

  /** A number; null if the cell does not have the score. */
  function scoreOf(cell, name, place) {
    const scores = cell.scores[name];
    return scores ? scores[place] : null;
  }

  /** true or false; null if the cell does not have the score. */
  function isRight(cell, place) {
    const score = scoreOf(cell, criterionBox.value, place);
    if (score === null) return null;
    return criteria[criterionBox.value].is_binary ? score === 1 : score >= Number(thresholdBox.value);
  }

  const VERDICTS = {
    "": () => true,
    "some-wrong": (rights) => rights.includes(false),
    "all-wrong": (rights) => rights.length > 0 && rights.every((right) => right === false),
    mixed: (rights) => rights.includes(false) && rights.includes(true),
    "all-right": (rights) => rights.length > 0 && rights.every((right) => right === true),
  };

  function contains(example, place, shown, wanted) {
    const turns = (example.messages ?? []).map(([, number]) => number);
    const numbers = [example.question, example.context, ...turns, ...(example.references ?? [])];
    numbers.push(...shown.map((cell) => cell.answers[place]));
    const texts = new Set(numbers.filter((number) => number !== undefined && number !== null));
    return example.id.toLowerCase().includes(wanted) || [...texts].some((number) => textOf(number).toLowerCase().includes(wanted));
  }

  function search() {
    const shown = cells();
    const wanted = textBox.value.trim().toLowerCase();
    const judge = VERDICTS[verdictBox.value];
    found = [];
    current().examples.forEach((example, place) => {
      const rights = shown.map((cell) => isRight(cell, place)).filter((right) => right !== null);
      if (judge(rights) && (!wanted || contains(example, place, shown, wanted))) found.push(place);
    });
  }

  function draw() {
    const opened = new Set([...list.children].filter((each) => each.open).map((each) => each.dataset.example));
    start = Math.max(0, Math.min(start, Math.floor((found.length - 1) / PAGE) * PAGE));
    const page = found.slice(start, start + PAGE);
    list.replaceChildren(...page.map(summarise));
    const [all, left] = [current().examples.length, found.length];
    count.textContent = left === all ? `${all} examples shown` : `${left} of ${all} examples shown`;
    pager.hidden = left <= PAGE;
    pager.querySelector("span").textContent = `${start + 1} to ${start + page.length} of ${left}`;
    pager.children.namedItem("previous").disabled = start === 0;
    pager.children.namedItem("next").disabled = start + PAGE >= left;
    for (const each of list.children) each.open = page.length === 1 || opened.has(each.dataset.example);
  }

  function update() {
    search();
    start = 0;
    draw();
  }

  /** One closed example; its contents are built when it is first opened. */
  function summarise(place) {
    const example = current().examples[place];
    const asked = example.question === undefined ? example.id : textOf(example.question);
    const details = make("details", "example", make("summary", "", foreign("span", "asked", asked), tally(place)));
    details.dataset.example = example.id;
    details.addEventListener("toggle", () => {
      if (details.open && details.children.length === 1) details.append(...open(example, place));
    });
    return details;
  }

  /** How many seeds of each setup are right, or how many cells in all if there are many setups. */
  function tally(place) {
    const counts = new Map();
    for (const cell of cells()) {
      const right = isRight(cell, place);
      if (right === null) continue;
      const known = counts.get(cell.label) ?? { right: 0, all: 0 };
      counts.set(cell.label, { right: known.right + right, all: known.all + 1 });
    }
    const tallies = make("span", "tallies");
    if (counts.size > MOST_TALLIES) {
      const sum = (what) => [...counts.values()].reduce((total, each) => total + each[what], 0);
      tallies.append(tallied("right", { right: sum("right"), all: sum("all") }));
    } else {
      for (const [label, each] of counts) tallies.append(tallied(label, each));
    }
    return tallies;
  }

  function tallied(label, { right, all }) {
    const state = right === all ? "right" : right === 0 ? "wrong" : "mixed";
    const figure = all === 1 ? (right ? "✓" : "✗") : `${right}/${all}`;
    return make("span", `tally ${state}`, foreign("bdi", "", label), ` ${figure}`);
  }

  function open(example, place) {
    const parts = make("dl", "question");
    const say = (term, ...told) => parts.append(make("dt", "", term), ...told.map((each) => make("dd", "", each)));
    // A short question on one line is in the summary already
    const question = example.question === undefined ? "" : textOf(example.question);
    const isShort = question.length <= SHORT && !question.includes("\n");
    if (example.messages) say("Conversation", ...example.messages.map(([role, number]) => turn(role, textOf(number))));
    else if (!isShort) say(areTexts() ? "Text" : "Question", foreign("p", "text", question));
    if (example.context !== undefined && textOf(example.context)) {
      say("Context", foreign("p", "text context", textOf(example.context)));
    }
    const references = (areTexts() ? [] : example.references ?? []).map((number) => said(textOf(number), "no answer: the model should abstain"));
    if (references.length) say(references.length > 1 ? "Accepted answers" : "Accepted answer", ...references);
    const link = make("a", "", example.id);
    link.dir = "auto";
    link.href = addressOf(example);
    say("Link to this example", link);
    return [parts, ...answers(place)];
  }

  function turn(role, text) {
    return make("div", "turn", make("p", "meta", role), foreign("p", "text", text));
  }

  function said(text, ifEmpty) {
    return text === "" ? make("p", "text empty", `(${ifEmpty})`) : foreign("p", "text", text);
  }

  /** For each model a row of cards, one for each setup, with each distinct answer and its seeds. */
  function answers(place) {
    const models = grouped(cells(), "model");
    return [...models].map(([model, own]) => {
      const cards = [...grouped(own, "label")].map(([label, same]) => card(label, same, place));
      const head = foreign("h4", "", model);
      return make("div", "answers", ...(models.size > 1 ? [head] : []), make("div", "cards", ...cards));
    });
  }

  function grouped(items, key) {
    const groups = new Map();
    for (const item of items) {
      if (!groups.has(item[key])) groups.set(item[key], []);
      groups.get(item[key]).push(item);
    }
    return groups;
  }

  function card(label, same, place) {
    if (areTexts()) return make("article", "card", foreign("h5", "", label), ...same.map((cell) => perplexity(cell, place)));
    const distinct = grouped(same.map((cell) => ({ cell, answer: cell.answers[place] })), "answer");
    const shown = [...distinct].map(([answer, given]) => {
      const { cell } = given[0];
      if (answer === null || answer === undefined) return make("p", "meta", "not answered");
      const right = isRight(cell, place);
      const state = right === null ? "" : right ? "right" : "wrong";
      const notes = [given.length > 1 ? "seeds " : "seed ", given.map((each) => each.cell.seed).join(", ")];
      const scores = [];
      if (state) scores.push(state === "right" ? "✓ right" : "✗ wrong");
      for (const [name, { title, is_binary: isBinary }] of Object.entries(criteria)) {
        const score = scoreOf(cell, name, place);
        if (score !== null && !isBinary) scores.push(`${title} ${score.toFixed(2)}`);
        if (score === 1 && isBinary) scores.push(title);
      }
      const meta = foreign("p", "meta", [notes.join(""), ...scores].join(" · "));
      return make("div", `answer ${state}`, said(textOf(answer), "empty answer"), meta);
    });
    return make("article", "card", foreign("h5", "", label), ...shown);
  }

  function perplexity(cell, place) {
    const own = cell.perplexities[place];
    return make("p", "meta", `seed ${cell.seed} · ${own === null ? "not known" : `perplexity ${own}`}`);
  }

  function addressOf(example) {
    const asked = new URLSearchParams({ example: example.id });
    if (sets.length > 1) asked.set("set", String(sets.indexOf(current())));
    return `#${asked}`;
  }

  /** Shows the example that the address names, even if the current search excludes it. */
  function follow() {
    const asked = new URLSearchParams(location.hash.slice(1));
    const id = asked.get("example");
    if (id === null) return;
    const has = (set) => set.examples.some((example) => example.id === id);
    const named = Number(asked.get("set"));
    const at = asked.has("set") && sets[named] && has(sets[named]) ? named : sets.findIndex(has);
    if (at < 0) {
      count.textContent = `This page has no example ${JSON.stringify(id)}.`;
      root.scrollIntoView();
      return;
    }
    setBox.value = String(at);
    const place = current().examples.findIndex((example) => example.id === id);
    if (!found.includes(place) || sets.length > 1) {
      textBox.value = "";
      verdictBox.value = "";
      search();
    }
    start = Math.floor(found.indexOf(place) / PAGE) * PAGE;
    draw();
    const details = [...list.children].find((each) => each.dataset.example === id);
    for (const each of list.children) each.open = each === details;
    details.classList.add("linked");
    details.querySelector("summary").focus({ preventScroll: true });
    details.scrollIntoView({ block: "start" });
  }

  sets.forEach((set, index) => {
    const option = make("option", "", `${set.name} (${set.n})`);
    option.value = String(index);
    setBox.append(option);
  });
  setBox.closest("label").hidden = sets.length < 2;
  for (const [name, { title, is_binary: isBinary }] of Object.entries(criteria)) {
    const option = make("option", "", isBinary ? title : `${title} of at least`);
    option.value = name;
    criterionBox.append(option);
  }
  for (const box of [verdictBox, criterionBox]) box.closest("label").hidden = !criterionBox.options.length;

  const criterionChanged = () => {
    thresholdBox.closest("label").hidden = criteria[criterionBox.value]?.is_binary ?? true;
  };
  criterionChanged();
  form.addEventListener("input", () => {
    criterionChanged();
    update();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const [name, by] of [["previous", -PAGE], ["next", PAGE]]) {
    pager.children.namedItem(name).addEventListener("click", () => {
      start += by;
      draw();
      root.scrollIntoView();
    });
  }
  document.addEventListener("tunebench:filter", (event) => {
    admits = event.detail.admits;
    update();
  });
  window.addEventListener("hashchange", follow);
  // After the filter has said what is ticked
  document.addEventListener("DOMContentLoaded", follow);
  root.hidden = false;
  update();
})();
