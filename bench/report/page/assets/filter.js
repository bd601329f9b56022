"use strict";
// Hides the models and methods that are not ticked: rows of tables, figures of one cell, and answers.
// Other scripts listen to the document's event "tunebench:filter", whose detail has a function that says what to show.

(() => {
  const bar = document.getElementById("filters");
  if (!bar) return;
  const KINDS = ["model", "method"];
  const boxes = [...bar.querySelectorAll("input[type=checkbox]")];
  const marked = [...document.querySelectorAll("[data-model], [data-method]")];

  function ticked(kind) {
    const own = boxes.filter((box) => box.name === kind);
    return own.length ? new Set(own.filter((box) => box.checked).map((box) => box.value)) : null;
  }

  function apply() {
    const chosen = Object.fromEntries(KINDS.map((kind) => [kind, ticked(kind)]));
    const admits = (values) => KINDS.every((kind) => !chosen[kind] || !(kind in values) || chosen[kind].has(values[kind]));
    for (const element of marked) element.hidden = !admits(element.dataset);
    for (const section of document.querySelectorAll("section.table")) {
      const rows = [...section.querySelectorAll("tbody tr")];
      const empty = rows.length > 0 && rows.every((row) => row.hidden);
      section.hidden = empty;
      const link = document.querySelector(`nav a[href="#${CSS.escape(section.id)}"]`);
      if (link) link.parentElement.hidden = empty;
    }
    const all = boxes.every((box) => box.checked);
    bar.querySelector("button").hidden = all;
    document.body.classList.toggle("filtered", !all);
    document.dispatchEvent(new CustomEvent("tunebench:filter", { detail: { admits } }));
  }

  bar.hidden = false;
  bar.addEventListener("change", apply);
  bar.querySelector("button").addEventListener("click", () => {
    for (const box of boxes) box.checked = true;
    apply();
  });
  // Browsers keep ticks when a page is loaded again
  apply();
})();
