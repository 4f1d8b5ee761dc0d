/* Keys: finds as one types, says what a cap would do, and sends a form once. Without it each still works by the server. */
(() => {
  "use strict";

  // A long list is narrowed as one types; Enter asks the server, which knows the same words.
  function narrow(form) {
    const words = form.querySelector("input[type=search]").value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = document.querySelectorAll(".keys tbody tr");
    let shown = 0;
    rows.forEach((row) => {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      if (!row.hidden) shown += 1;
    });
    const said = form.querySelector("[data-key-found]");
    said.textContent = words.length ? `${shown} of ${rows.length}` : "by its name, how it begins or ends, or who made it";
  }
  document.addEventListener("input", (event) => {
    const form = event.target.closest("[data-key-search]");
    if (form) narrow(form);
    const cell = event.target.closest("[data-cap-edit]");
    if (cell) hint(cell);
  });

  // The table is looked at again every five seconds; not while somebody is in it, and not in a tab that nobody sees.
  const blocked = () => new Map([...document.querySelectorAll(".keys tbody tr")].filter((row) => row.querySelector(".chip-wall")).map((row) => [row.id, `${row.querySelector(".name").textContent}: ${row.querySelector(".chip-wall").textContent}`]));
  let before = new Map();
  const isLook = (event) => event.detail.elt.matches("[data-keys-now]");
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (!isLook(event)) return;
    const table = event.detail.elt;
    if (document.hidden || table.contains(document.activeElement) || table.querySelector("[data-cap-edit]") || table.matches(":hover")) event.preventDefault();
    before = blocked();
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    if (!event.target.matches("[data-keys-now]")) return;
    const search = document.querySelector("[data-key-search]");
    if (search) narrow(search);
    const news = [...blocked()].filter(([id, said]) => before.get(id) !== said).map(([, said]) => said);
    if (news.length) window.tokonomics.say(news.join(". "));
  });

  /** `1,200.5` -> billionths of a dollar; null for what is no amount. Integers: no float comes near money. */
  function nanodollars(text) {
    const plain = text.replace(/[$,\s]/g, "");
    const parts = /^(\d{1,7})(?:\.(\d{1,9}))?$/.exec(plain);
    return parts ? BigInt(parts[1]) * 1000000000n + BigInt((parts[2] || "").padEnd(9, "0")) : null;
  }
  function dollars(amount) {
    const cents = amount / 10000000n;
    return `$${(cents / 100n).toLocaleString("en-US")}.${String(cents % 100n).padStart(2, "0")}`;
  }
  function hint(cell) {
    const place = cell.parentElement.querySelector("[data-cap-hint]");
    const typed = nanodollars(cell.querySelector("input[name=amount]").value);
    if (!place || typed === null) return;
    const used = nanodollars(cell.dataset.used), was = nanodollars(cell.dataset.was);
    const before = was === null ? "no cap before" : `was ${dollars(was)}`;
    if (typed <= used) place.textContent = `${before}, blocks it at once`;
    else if (was !== null && typed > was) place.textContent = `${before}, frees ${dollars(typed - (was > used ? was : used))} at once`;
    else place.textContent = `${before}, leaves ${dollars(typed - used)}`;
  }

  document.addEventListener("keydown", (event) => {
    const cell = event.key === "Escape" && event.target.closest("[data-cap-edit]");
    if (cell) cell.querySelector("a").click();
  });

  // A second click while the first is under way is not sent; the server would know it too.
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-once]");
    if (!form) return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
  });
  window.addEventListener("pageshow", () => document.querySelectorAll("form[data-once]").forEach((form) => { delete form.dataset.sent; }));
})();
