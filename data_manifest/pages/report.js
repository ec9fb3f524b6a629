// Tables are sorted by the button in a column's head. Reading needs none of this.
for (const table of document.querySelectorAll("table.sortable")) {
  for (const [column, head] of [...table.tHead.rows[0].cells].entries()) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const text = (row) => row.cells[column].textContent.trim();
      const numeric = head.classList.contains("number");
      const order = (one, other) =>
        numeric
          ? (parseFloat(text(one)) || 0) - (parseFloat(text(other)) || 0)
          : text(one).localeCompare(text(other), "en", { numeric: true });
      const rows = [...table.tBodies[0].rows].sort((one, other) => (down ? order(other, one) : order(one, other)));
      table.tBodies[0].append(...rows);
    });
  }
}
