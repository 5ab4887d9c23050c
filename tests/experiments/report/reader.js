// Uses the report page as a reader does, and tells the page around it what changed.
const errors = [];
addEventListener("error", (event) => errors.push(event.message));
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
    const chart = one(".chart"),
      lines = () => chart.querySelectorAll(".line").length,
      toggle = chart.querySelector(".legend button");
    found.lines = lines();
    toggle.click();
    found.hidden = lines();
    found.pressed = toggle.getAttribute("aria-pressed");
    toggle.click();
    found.again = lines();
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
    found.spoken = chart.querySelector("[aria-live]").textContent;
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
    const filter = table.parentElement.previousElementSibling.querySelector("input");
    filter.value = "rea";
    filter.dispatchEvent(new Event("input"));
    found.filtered = names();
    filter.value = "";
    filter.dispatchEvent(new Event("input"));
    all("th button.found")[0].click();
    await later();
    found.dialog = one("dialog").open && one("dialog code").textContent;
    found.drawn = one("dialog img") ? one("dialog img").naturalWidth : 0;
    one("dialog p:last-child button").click();
    found.closed = !one("dialog").open;
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
