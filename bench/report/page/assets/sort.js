"use strict";
// A click on a heading sorts its table: ascending, then descending, then in the order of the report.

(() => {
  const collator = new Intl.Collator("en", { numeric: true });
  const NEXT = { none: "ascending", ascending: "descending", descending: "none" };

  /** Sort key of a row: the unrounded number, or the text, or null for a dash or a missing cell. */
  function keyOf(row, column) {
    let start = 0;
    for (const cell of row.cells) {
      const end = start + cell.colSpan;
      if (column < end) {
        if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
        if (cell.classList.contains("instead")) return null;
        const own = [...cell.childNodes].filter((node) => node.nodeName !== "SUP");
        const text = own.map((node) => node.textContent).join("").trim();
        return text === "" || text === "—" ? null : text;
      }
      start = end;
    }
    return null;
  }

  /** In both directions, NaN comes after all numbers and null after that. */
  function compare(one, other, sign) {
    if (one === null || other === null) return (one === null) - (other === null);
    if (typeof one === "number" && typeof other === "number") {
      return Number.isNaN(one) - Number.isNaN(other) || sign * (one - other);
    }
    return sign * collator.compare(String(one), String(other));
  }

  function sortBy(body, written, column, direction) {
    if (direction === "none") return body.append(...written);
    const sign = direction === "ascending" ? 1 : -1;
    const keyed = written.map((row) => [keyOf(row, column), row]);
    keyed.sort(([one], [other]) => compare(one, other, sign));
    body.append(...keyed.map(([, row]) => row));
  }

  for (const table of document.querySelectorAll("section.table table")) {
    const body = table.tBodies[0];
    const written = [...body.rows];
    if (written.length < 2) continue;
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      heading.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const direction = NEXT[heading.getAttribute("aria-sort")];
        for (const each of headings) each.setAttribute("aria-sort", "none");
        heading.setAttribute("aria-sort", direction);
        sortBy(body, written, column, direction);
      });
    });
  }
})();
