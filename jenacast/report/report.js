"use strict";
// Tables are sorted by a click on a column's head, first upwards; what was not measured goes last.
for (const table of document.querySelectorAll("table.sortable")) {
  const [body] = table.tBodies;
  for (const head of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const isDown = head.getAttribute("aria-sort") === "ascending";
      const isNumber = [...body.rows].some((row) => "key" in row.cells[head.cellIndex].dataset);
      const value = (row) => {
        const { dataset, textContent } = row.cells[head.cellIndex];
        return isNumber ? Number(dataset.key ?? NaN) : textContent;
      };
      const order = (a, b) => {
        if (!isNumber) return a.localeCompare(b, "en", { numeric: true }) * (isDown ? -1 : 1);
        if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
        return (a - b) * (isDown ? -1 : 1);
      };
      body.append(...[...body.rows].sort((a, b) => order(value(a), value(b))));
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", isDown ? "descending" : "ascending");
    });
  }
}
// A link opens what it names.
const unfold = (hash) => {
  const folded = document.getElementById(hash.slice(1))?.querySelector(":scope > h2 + details");
  if (folded) folded.open = true;
};
for (const link of document.querySelectorAll("nav a")) link.addEventListener("click", () => unfold(link.hash));
unfold(location.hash);
// On paper nothing is folded.
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
