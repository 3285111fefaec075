"use strict";

// Rows whose first cell is empty belong to the one above and are sorted with it.
function groupsOf(body) {
  const groups = [];
  for (const row of body.rows) {
    const goesOn = groups.length && !row.cells[0].textContent.trim();
    row.classList.toggle("rest", Boolean(goesOn));
    if (goesOn) groups.at(-1).push(row);
    else groups.push([row]);
  }
  return groups;
}

function compare(a, b) {
  const [x, y] = [a, b].map((text) => parseFloat(text.replace("−", "-")));
  if (!Number.isNaN(x) && !Number.isNaN(y)) return x - y;
  return a.localeCompare(b);
}

function sort(table, column) {
  const heads = Array.from(table.tHead.rows[0].cells);
  const falling = heads[column].getAttribute("aria-sort") === "ascending";
  heads.forEach((head) => head.removeAttribute("aria-sort"));
  heads[column].setAttribute("aria-sort", falling ? "descending" : "ascending");
  const text = (group) => group[0].cells[column].textContent.trim();
  const groups = groupsOf(table.tBodies[0]);
  // Empty cells stay last in both directions.
  groups.sort((a, b) => {
    if (!text(a) || !text(b)) return Number(!text(a)) - Number(!text(b));
    return (falling ? -1 : 1) * compare(text(a), text(b));
  });
  table.tBodies[0].append(...groups.flat());
}

function addColumns(table) {
  const heads = Array.from(table.tHead.rows[0].cells);
  if (heads.length < 5) return;
  const box = document.createElement("details");
  box.className = "columns";
  const summary = document.createElement("summary");
  summary.textContent = "show or hide columns; click a heading to sort";
  box.append(summary);
  heads.forEach((head, column) => {
    const label = document.createElement("label");
    const check = document.createElement("input");
    check.type = "checkbox";
    check.checked = true;
    check.addEventListener("change", () => {
      for (const row of table.rows) row.cells[column].classList.toggle("off", !check.checked);
    });
    label.append(check, ` ${head.textContent}`);
    box.append(label);
  });
  table.parentElement.before(box);
}

for (const table of document.querySelectorAll(".wide table")) {
  groupsOf(table.tBodies[0]);
  addColumns(table);
  Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
    head.classList.add("sorts");
    head.addEventListener("click", () => sort(table, column));
  });
}

// What a link leads to may be folded.
function unfold() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (!target) return;
  const inner = target.tagName === "SECTION" ? target.querySelector("details:not(.columns)") : null;
  const folded = target.closest("details") ?? (target.querySelector("h3:not(details h3)") ? null : inner);
  if (folded) folded.open = true;
  target.scrollIntoView();
}

window.addEventListener("hashchange", unfold);
unfold();
