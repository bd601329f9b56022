"use strict";
// Every table of the page is sorted by a click on a heading: rising, falling, then as it was written.

(() => {
  const collator = new Intl.Collator("en", { numeric: true });
  const NEXT = { none: "ascending", ascending: "descending", descending: "none" };

  /** What a row is sorted by: the unrounded number, else the text, else null for a dash and for what has no cell. */
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

  /** Nulls are last whichever way the others go, and NaN before them. */
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
