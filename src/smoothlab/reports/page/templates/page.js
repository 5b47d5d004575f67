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

  // What a term means stands beside it, inside the window, and goes away by Escape.
  for (const term of document.querySelectorAll(".term")) {
    const tip = document.getElementById(term.getAttribute("aria-describedby"));
    const place = () => {
      tip.classList.remove("closed");
      const at = term.getBoundingClientRect();
      const left = Math.max(8, Math.min(at.left, document.documentElement.clientWidth - tip.offsetWidth - 8));
      const above = at.bottom + tip.offsetHeight + 12 > window.innerHeight;
      tip.style.left = `${left}px`;
      tip.style.top = `${above ? at.top - tip.offsetHeight - 6 : at.bottom + 6}px`;
    };
    term.addEventListener("mouseenter", place);
    term.addEventListener("focus", place);
    term.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        tip.classList.add("closed");
      }
    });
  }

  // Paper shows the notes that were folded in; long tables are in the files beside the page.
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = Array.from(document.querySelectorAll("details:not([open]):not(.folded)"));
    opened.forEach((one) => { one.open = true; });
  });
  window.addEventListener("afterprint", () => {
    opened.forEach((one) => { one.open = false; });
  });
})();
