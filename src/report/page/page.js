"use strict";
for (const table of document.querySelectorAll("table.sort")) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  const number = s => parseFloat(s.replace(/[, ]/g, ""));
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.onclick = () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      const key = row => row.cells[column].textContent;
      const rows = [...body.rows].sort((x, y) => {
        const a = key(x), b = key(y), n = number(a), m = number(b);
        const order = isNaN(n) || isNaN(m) ? isNaN(n) - isNaN(m) || a.localeCompare(b) : n - m;
        return down ? -order : order;
      });
      heads.forEach(h => h.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      body.append(...rows);
    };
  });
  const search = document.createElement("input"), count = document.createElement("span");
  search.type = "search";
  search.placeholder = "Search " + body.rows.length + " rows";
  search.setAttribute("aria-label", "Search the table");
  count.setAttribute("role", "status");
  search.oninput = () => {
    const words = search.value.toLowerCase().split(/\s+/);
    let shown = 0;
    for (const row of body.rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every(w => text.includes(w));
      shown += !row.hidden;
    }
    count.textContent = search.value ? " " + shown + " found" : "";
  };
  table.parentNode.before(search, count);
}
document.documentElement.dataset.script = "ran";
