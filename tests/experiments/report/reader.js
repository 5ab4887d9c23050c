// Uses the report page as a reader does, and tells the page around it what changed.
const errors = [];
addEventListener("error", (event) => errors.push(event.message));
addEventListener("unhandledrejection", (event) => errors.push(String(event.reason)));
for (const kind of ["error", "warn"]) console[kind] = (...texts) => errors.push(`console.${kind}: ${texts.join(" ")}`);
const saved = []; // files that the page hands out: names and texts
URL.createObjectURL = (blob) => {
  saved.push(blob.text());
  return "#";
};
addEventListener("load", async () => {
  const found = {},
    all = (selector) => [...document.querySelectorAll(selector)],
    one = (selector) => document.querySelector(selector);
  const later = () => new Promise((done) => setTimeout(done, 50));
  try {
    for (const image of document.images) image.loading = "eager";
    for (let i = 0; i < 100 && ![...document.images].every((image) => image.complete); i++) await later();
    found.images = [...document.images].filter(
      (image) => image.naturalWidth > 100 && image.getBoundingClientRect().width > 100,
    ).length;
    all("details").forEach((detail) => {
      detail.open = true;
    });
    found.tables = all("table").filter((table) => table.rows.length > 1 && table.getBoundingClientRect().height > 30).length;
    found.wide = document.documentElement.scrollWidth - innerWidth;
    found.cut = all(".plot svg text")
      .filter((text) => {
        const [inner, outer] = [text, text.closest("svg")].map((e) => e.getBoundingClientRect());
        return inner.left < outer.left - 1 || inner.right > outer.right + 1 || inner.bottom > outer.bottom + 1;
      })
      .map((text) => text.textContent);
    const chart = one(".chart"),
      lines = () => chart.querySelectorAll(".line").length,
      toggle = chart.querySelector(".legend button");
    found.lines = lines();
    toggle.click();
    found.hidden = lines();
    found.pressed = toggle.getAttribute("aria-pressed");
    toggle.click();
    found.again = lines();
    toggle.dispatchEvent(new MouseEvent("click", { shiftKey: true, bubbles: true }));
    found.alone = [lines(), ...[...chart.querySelectorAll(".legend button")].map((one) => one.getAttribute("aria-pressed"))];
    const [, every, none] = chart.querySelectorAll(".tools button");
    none.click();
    found.none = lines();
    every.click();
    found.every = lines();
    const path = () => chart.querySelector(".line").getAttribute("d"),
      log = path();
    chart.querySelector(".log").click();
    found.linear = path() !== log;
    found.scale = chart.querySelector(".log").textContent;
    const plot = chart.querySelector("svg[role=img]"),
      box = plot.getBoundingClientRect(),
      tip = one(".tip");
    plot.dispatchEvent(
      new PointerEvent("pointermove", { clientX: box.left + box.width / 2, clientY: box.top + 50, bubbles: true }),
    );
    found.tip = tip.hidden ? "" : tip.textContent;
    plot.dispatchEvent(new PointerEvent("pointerleave"));
    found.left = tip.hidden;
    plot.focus();
    plot.dispatchEvent(new KeyboardEvent("keydown", { key: "End" }));
    const spoken = () => chart.querySelector("[aria-live]").textContent,
      press = (key) => chart.querySelector("svg[role=img]").dispatchEvent(new KeyboardEvent("keydown", { key }));
    found.spoken = spoken();
    found.focused = document.activeElement === plot;
    press("ArrowLeft");
    found.before = spoken();
    found.read = !tip.hidden;
    press("Escape");
    found.escaped = tip.hidden;
    const row = one(".row");
    row.focus();
    await later();
    found.row = tip.textContent;
    row.blur();
    const table = one("table.sortable"),
      names = () => [...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) => row.cells[0].textContent);
    const head = table.querySelector("thead button");
    head.click();
    found.up = names();
    head.click();
    found.down = names();
    found.sorted = head.parentElement.getAttribute("aria-sort");
    const column = [...table.tHead.rows[0].cells].findIndex((cell) => cell.classList.contains("number"));
    table.tHead.rows[0].cells[column].querySelector("button").click();
    found.numbers = [...table.tBodies[0].rows].map((row) => row.cells[column].textContent);
    found.last = names().slice(-2);
    const filter = table.parentElement.previousElementSibling.querySelector("input");
    filter.value = "rea";
    filter.dispatchEvent(new Event("input"));
    found.filtered = names();
    const link = HTMLAnchorElement.prototype;
    const click = link.click;
    link.click = function () {
      found.file = this.download;
    };
    table.parentElement.previousElementSibling.querySelector("button").click();
    link.click = click;
    found.csv = await saved[0];
    found.head = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
    found.downloads = all("a[download]").map((one) => [one.download, atob(one.href.split("base64,")[1]).length > 100]);
    filter.value = "";
    filter.dispatchEvent(new Event("input"));
    const opener = all("th button.found")[0];
    opener.focus();
    opener.click();
    await later();
    found.inside = one("dialog").contains(document.activeElement);
    const others = all("dialog td button.found");
    others.at(-1).click();
    found.other = [one("dialog b").textContent, `Architecture ${others.at(-1).textContent}`];
    others[0].click();
    found.dialog = one("dialog").open && one("dialog code").textContent;
    found.drawn = one("dialog img") ? one("dialog img").naturalWidth : 0;
    one("dialog p:last-child button").click();
    found.closed = !one("dialog").open;
    found.returned = document.activeElement === opener;
    found.unreachable = all("button, a[href], input, svg[role=img], .row, .wide[role=region]").filter((e) => e.tabIndex < 0).length;
    const color = () => getComputedStyle(document.body).backgroundColor,
      before = color();
    one("#theme").click();
    found.colors = [before, color()];
    one("#theme").click();
    found.unnamed = all("button, input, svg[role=img]").filter(
      (e) => !(e.textContent.trim() || e.getAttribute("aria-label")),
    ).length;
  } catch (error) {
    errors.push(String(error.stack));
  }
  found.errors = errors;
  parent.postMessage(JSON.stringify(found), "*");
});
