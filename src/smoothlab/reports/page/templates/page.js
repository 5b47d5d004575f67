"use strict";
(() => {
  const valueOf = (row, place) => {
    const cell = row.cells[place];
    if (cell.classList.contains("number")) {
      return cell.dataset.value === undefined ? NaN : Number(cell.dataset.value);
    }
    return cell.dataset.value ?? cell.textContent;
  };

  const compare = (one, other) => {
    if (typeof one === "number") {
      return one - other;
    }
    return one.localeCompare(other, "en", { numeric: true, sensitivity: "base" });
  };

  // Rows without a number stay last whichever way the column is sorted; equal ones keep their order.
  const sort = (table, place, descending) => {
    const body = table.tBodies[0];
    const rows = Array.from(body.rows, (row) => ({ row, value: valueOf(row, place) }));
    const missing = (one) => typeof one.value === "number" && Number.isNaN(one.value);
    rows.sort((one, other) => {
      if (missing(one) || missing(other)) {
        return missing(one) - missing(other);
      }
      return descending ? compare(other.value, one.value) : compare(one.value, other.value);
    });
    body.append(...rows.map((one) => one.row));
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach((head, place) => {
      head.querySelector("button").addEventListener("click", () => {
        const descending = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", descending ? "descending" : "ascending");
        sort(table, place, descending);
      });
    });
  }

  const choice = document.querySelector("fieldset.variants");
  if (choice) {
    choice.hidden = false;
    const show = () => {
      const wanted = choice.querySelector("input:checked").value;
      for (const row of document.querySelectorAll("#table-arms tbody tr")) {
        row.hidden = wanted !== "" && row.dataset.variant !== wanted;
      }
    };
    choice.addEventListener("change", show);
    show();
  }

  // Paper shows what was folded in.
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = Array.from(document.querySelectorAll("details:not([open])"));
    opened.forEach((one) => { one.open = true; });
  });
  window.addEventListener("afterprint", () => {
    opened.forEach((one) => { one.open = false; });
  });
})();
