// Sortable tables, dialogs of what was found, and colours of the report page; charts.js comes before it.

// -- tables -------------------------------------------------------------------------------------------------------------------

const numberOf = (text) => {
  if (text === "never") return Infinity;
  const found = text
    .replace(/,(?=\d{3})/g, "")
    .replace("−", "-")
    .match(/-?\+?\d+(\.\d+)?/);
  return found ? Number(found[0]) : null;
};
document.querySelectorAll("table.sortable").forEach((table) => {
  const body = table.tBodies[0],
    heads = [...table.tHead.rows[0].cells];
  const references = [...body.rows].filter((row) => row.classList.contains("reference"));
  heads.forEach((head, column) => {
    const button = html("button", { type: "button" }, head.textContent);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const up =
        head.getAttribute("aria-sort") === "descending" ||
        (!head.hasAttribute("aria-sort") && !head.classList.contains("number"));
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...body.rows].filter((row) => !references.includes(row));
      const texts = new Map(rows.map((row) => [row, row.cells[column].textContent.trim()]));
      rows.sort((a, b) => {
        const [first, second] = [texts.get(a), texts.get(b)];
        if (!first || !second) return first ? -1 : second ? 1 : 0; // empty fields last
        const [x, y] = [numberOf(first), numberOf(second)];
        const order = head.classList.contains("number") && x !== null && y !== null ? x - y : first.localeCompare(second);
        return up ? order : -order;
      });
      body.append(...rows, ...references);
    });
  });
  const filter = html("input", {
    type: "search",
    placeholder: "filter rows",
    "aria-label": `filter rows of ${table.caption.textContent}`,
  });
  filter.addEventListener("input", () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of body.rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
  });
  const csv = html("button", { type: "button" }, "CSV");
  csv.addEventListener("click", () => {
    const field = (cell) => (/[",\n]/.test(cell.textContent) ? `"${cell.textContent.replace(/"/g, '""')}"` : cell.textContent);
    const text = [...table.rows]
      .filter((row) => !row.hidden)
      .map((row) => [...row.cells].map(field).join(","))
      .join("\n");
    const link = html("a", {
      href: URL.createObjectURL(new Blob([`${text}\n`], { type: "text/csv" })),
      download: `${table.dataset.name}.csv`,
    });
    link.click();
    URL.revokeObjectURL(link.href);
  });
  table.parentElement.before(html("div", { class: "tools" }, ...(body.rows.length > 5 ? [filter] : []), csv));
});

// -- what was found -------------------------------------------------------------------------------------------------------------

const dialog = html("dialog", { "aria-labelledby": "found-title" });
document.body.append(dialog);
function showFound(entry) {
  const picture = html("div"),
    text = html("p");
  const choose = (one) => {
    const source = data.pictures[entry.table][one.index];
    picture.replaceChildren(
      ...(source ? [html("img", { src: source, alt: `drawing of architecture ${one.index}: ${one.text}`, width: 380 })] : []),
    );
    const costs = Object.entries(one.costs)
      .map(([name, value]) => `${name} ${value}`)
      .join(", ");
    text.replaceChildren(
      html("b", {}, `Architecture ${one.index}`),
      html("br"),
      html("code", {}, one.text),
      html("br"),
      `${entry.measure ? `test accuracy ${fixed(one.reported)} %, ` : ""}validation accuracy ${fixed(one.valid)} % (mean over all trials)${costs ? `; ${costs}` : ""}`,
    );
  };
  const rows = entry.listed.map((one) => {
    const button = html("button", { type: "button", class: "found" }, String(one.index));
    button.addEventListener("click", () => choose(one));
    return html(
      "tr",
      {},
      html("td", { class: "number" }, button),
      html("td", { class: "number" }, `${one.runs} of ${entry.runs}`),
      html("td", { class: "number" }, fixed(one.valid)),
      ...(entry.measure ? [html("td", { class: "number" }, fixed(one.reported))] : []),
    );
  });
  const close = html("button", { type: "button" }, "Close");
  close.addEventListener("click", () => dialog.close());
  const heads = ["architecture", "chosen by runs", "valid [%]", ...(entry.measure ? ["test [%]"] : [])].map((name) =>
    html("th", { scope: "col", class: "number" }, name),
  );
  dialog.replaceChildren(
    html("h3", { id: "found-title" }, `Found by ${entry.title}`),
    picture,
    text,
    html(
      "p",
      { class: "note" },
      `${entry.distinct} different architectures in ${entry.runs} runs. First: that of the run with the best validation accuracy; then those that most runs chose.`,
    ),
    html("div", { class: "wide" }, html("table", {}, html("thead", {}, html("tr", {}, ...heads)), html("tbody", {}, ...rows))),
    html("p", {}, close),
  );
  choose(entry.listed[0]);
  dialog.showModal();
}
document.querySelectorAll("th[data-found]").forEach((cell) => {
  const button = html("button", { type: "button", class: "found", title: "what it found" }, cell.textContent);
  button.addEventListener("click", () => showFound(data.found[cell.dataset.found]));
  cell.replaceChildren(button);
});

// -- the page -------------------------------------------------------------------------------------------------------------------

const theme = document.getElementById("theme");
theme.hidden = false;
const preferred = matchMedia("(prefers-color-scheme: dark)");
const show = (dark) => {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  theme.textContent = dark ? "Light" : "Dark";
  theme.setAttribute("aria-label", dark ? "light colours" : "dark colours");
};
theme.addEventListener("click", () => show(document.documentElement.dataset.theme !== "dark"));
preferred.addEventListener("change", () => show(preferred.matches));
show(preferred.matches);
addEventListener("beforeprint", () =>
  document.querySelectorAll("details").forEach((one) => {
    one.open = true;
  }),
);
