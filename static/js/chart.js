/* The tooltip of a day: on hover, and with the arrow keys (left and right a day, Home and End). Its numbers are those of
   the chart's own table, so the picture, the tooltip and the table cannot differ. */
(() => {
  "use strict";

  function rowsOf(chart) {
    const table = document.getElementById(chart.dataset.chart);
    return table ? [...table.tBodies[0].rows].reverse() : [];
  }
  function headsOf(chart) {
    return [...document.getElementById(chart.dataset.chart).tHead.rows[0].cells];
  }
  function tipOf(chart) {
    let tip = chart.querySelector(".chart-tip");
    if (!tip) {
      tip = document.createElement("div");
      tip.className = "chart-tip";
      tip.hidden = true;
      tip.dataset.own = "";
      tip.setAttribute("aria-hidden", "true");
      chart.querySelector(".plot-box").append(tip);
    }
    return tip;
  }
  /** Total first, then the parts that are not zero. */
  function show(chart, index, aloud) {
    const rows = rowsOf(chart);
    if (!rows.length) return;
    const at = Math.max(0, Math.min(rows.length - 1, index));
    const cells = [...rows[at].cells];
    const heads = headsOf(chart);
    const tip = tipOf(chart);
    tip.replaceChildren();
    const title = document.createElement("p");
    title.append(Object.assign(document.createElement("b"), { textContent: `${cells[0].textContent}  ${cells[1].textContent}` }));
    tip.append(title);
    cells.slice(2).forEach((cell, n) => {
      if (cell.textContent.trim() === "$0.00") return;
      const line = document.createElement("p");
      const swatch = heads[n + 2].querySelector(".swatch");
      if (swatch) line.append(swatch.cloneNode(true));
      line.append(` ${heads[n + 2].textContent.trim()} `, Object.assign(document.createElement("span"), { className: "num", textContent: cell.textContent }));
      tip.append(line);
    });
    const slots = Number(chart.dataset.slots);
    const middle = ((at + 0.5) / slots) * 100;
    tip.style.left = middle < 60 ? `${middle}%` : "auto";
    tip.style.right = middle < 60 ? "auto" : `${100 - middle}%`;
    tip.hidden = false;
    mark(chart, at, slots);
    chart.dataset.at = String(at);
    if (aloud) window.tokonomics.say([...tip.children].map((line) => line.textContent.trim()).join(", "));
  }
  function mark(chart, at, slots) {
    const svg = chart.querySelector(".plot-box > svg");
    let band = svg.querySelector(".chart-day");
    if (!band) {
      band = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      band.setAttribute("class", "chart-day");
      band.setAttribute("data-own", "");
      band.setAttribute("y", "8");
      band.setAttribute("height", "190");
      svg.append(band);
    }
    band.setAttribute("x", `${(at / slots) * 100}%`);
    band.setAttribute("width", `${100 / slots}%`);
    band.removeAttribute("visibility");
  }
  function hide(chart) {
    const tip = chart.querySelector(".chart-tip");
    if (tip) tip.hidden = true;
    const band = chart.querySelector(".chart-day");
    if (band) band.setAttribute("visibility", "hidden");
    delete chart.dataset.at;
  }
  function prepare() {
    document.querySelectorAll("[data-chart] .plot-box").forEach((box) => {
      if (box.hasAttribute("tabindex")) return;
      box.dataset.keep = "tabindex role aria-label"; // through live updates
      box.closest("[data-chart]").dataset.keep = "data-at";
      box.tabIndex = 0;
      box.setAttribute("role", "group");
      box.setAttribute("aria-label", "Spend by day; the left and right arrow keys go from day to day");
    });
  }
  document.addEventListener("mousemove", (event) => {
    const box = event.target.closest && event.target.closest("[data-chart] .plot-box");
    if (!box) return;
    const { left, width } = box.getBoundingClientRect();
    const chart = box.closest("[data-chart]");
    const slot = Math.floor(((event.clientX - left) / width) * Number(chart.dataset.slots));
    if (slot < rowsOf(chart).length) show(chart, slot, false); else hide(chart);
  });
  document.addEventListener("mouseout", (event) => {
    const box = event.target.closest && event.target.closest("[data-chart] .plot-box");
    if (box && !box.contains(event.relatedTarget) && document.activeElement !== box) hide(box.closest("[data-chart]"));
  });
  document.addEventListener("keydown", (event) => {
    const box = event.target.matches && event.target.matches("[data-chart] .plot-box") && event.target;
    if (!box) return;
    const chart = box.closest("[data-chart]");
    const last = rowsOf(chart).length - 1;
    const at = chart.dataset.at === undefined ? last + 1 : Number(chart.dataset.at);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last }[event.key];
    if (event.key === "Escape") { hide(chart); return; }
    if (to === undefined) return;
    event.preventDefault();
    show(chart, to, true);
  });
  document.addEventListener("focusout", (event) => {
    const box = event.target.matches && event.target.matches("[data-chart] .plot-box") && event.target;
    if (box) hide(box.closest("[data-chart]"));
  });
  document.addEventListener("tokonomics:updated", prepare);
  document.addEventListener("htmx:afterSettle", prepare);
  prepare();
})();
