/* An open page, kept up to date: the server sends its own parts as HTML, and they take the place of what is there. */
(() => {
  "use strict";

  let stamp = null; // where the page says how fresh it is, and which socket it wants
  const SILENCE = 25000; // ms without a word from the server, which speaks every ten seconds: the link is lost
  const GONE = 4404; // the server has nothing (more) to show here: the page itself says why when it is loaded again
  let socket = null;
  let tries = 0;
  let lostAt = null;
  let silence = 0; // timers
  let retry = 0;
  let state = null;

  /** Make `old` like `made`, in place: focus, open details and running transitions stay. */
  function become(old, made) {
    if (old.nodeType !== made.nodeType || old.nodeName !== made.nodeName || (old.id || "") !== (made.id || "")) { old.replaceWith(made); return; }
    if (old.nodeType !== Node.ELEMENT_NODE) { if (old.nodeValue !== made.nodeValue) old.nodeValue = made.nodeValue; return; }
    for (const { name } of [...old.attributes]) if (!made.hasAttribute(name) && !kept(old, name)) old.removeAttribute(name);
    for (const { name, value } of made.attributes) if (old.getAttribute(name) !== value && !kept(old, name)) old.setAttribute(name, value);
    children(old, made);
  }
  /** What the reader or a script of ours has done to an element (`data-keep` names it), which no update takes back. */
  function kept(element, name) {
    if (name === "open") return element.nodeName === "DETAILS";
    if (name === "title") return element.nodeName === "TIME";
    return element.hasAttribute("data-keep") && ["data-keep", ...element.dataset.keep.split(" ")].includes(name);
  }
  const isOwn = (node) => node.nodeType === Node.ELEMENT_NODE && node.hasAttribute("data-own"); // put there by a script of ours
  function beyondOwn(node) { while (node && isOwn(node)) node = node.nextSibling; return node; }
  /** Rows are known by their id and keep their element; everything else by its place. */
  function children(old, made) {
    const known = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
    let place = beyondOwn(old.firstChild);
    for (const next of [...made.childNodes]) {
      const same = next.id && known.get(next.id);
      if (same) {
        if (same !== place) old.insertBefore(same, place); else place = beyondOwn(place.nextSibling);
        become(same, next);
      } else if (place && !(place.id && made.querySelector(`#${CSS.escape(place.id)}`)) && place.nodeName === next.nodeName && !place.id && !next.id) {
        const after = beyondOwn(place.nextSibling);
        become(place, next);
        place = after;
      } else {
        if (next.nodeName === "TR") next.classList.add("is-new");
        old.insertBefore(next, place);
      }
    }
    while (place) { const after = beyondOwn(place.nextSibling); place.remove(); place = after; }
  }

  function parsed(html) {
    const holder = document.createElement("template");
    holder.innerHTML = html.trim();
    return holder.content.firstElementChild;
  }

  // --- The list stands still while somebody reads it: a row has the focus, the pointer is on it, or Pause was pressed.
  const paused = new Map(); // id -> the HTML that waits
  function pausable(element) { return element.closest("[data-pausable]"); }
  function isRead(element) {
    const box = pausable(element);
    if (!box) return false;
    const table = box.querySelector("tbody");
    return box.dataset.paused === "yes" || (table && (table.matches(":hover") || table.contains(document.activeElement)));
  }
  function showPause(box) {
    const button = box.querySelector("[data-pause]");
    if (!button) return;
    button.hidden = false;
    const waits = paused.get(box.id);
    const fresh = waits ? [...parsed(waits).querySelectorAll("tbody tr")].filter((row) => !document.getElementById(row.id)).length : 0;
    const label = box.dataset.paused === "yes" ? "Go on" : "Pause";
    button.textContent = fresh ? `${label} · ${fresh} new` : label;
    button.setAttribute("aria-pressed", String(box.dataset.paused === "yes"));
  }
  function release(box) {
    const waits = paused.get(box.id);
    if (waits && !isRead(box)) { paused.delete(box.id); become(box, parsed(waits)); }
    showPause(box);
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-pause]");
    if (!button) return;
    const box = pausable(button);
    if (box.dataset.paused === "yes") delete box.dataset.paused; else box.dataset.paused = "yes";
    release(box);
  });
  for (const name of ["mouseout", "focusout"]) {
    document.addEventListener(name, (event) => {
      const box = event.target.closest && event.target.closest("[data-pausable]");
      if (box && paused.has(box.id)) window.setTimeout(() => release(box), 200);
    });
  }

  // --- What the server sends
  function update(told) {
    for (const [id, html] of Object.entries(told.parts)) {
      const old = document.getElementById(id);
      const made = parsed(html);
      if (!old || !made) continue;
      if (isRead(old)) { paused.set(id, html); showPause(old); continue; }
      const wasPaused = old.dataset.paused;
      become(old, made);
      if (wasPaused) old.dataset.paused = wasPaused;
      if (old.matches("[data-pausable]")) showPause(old);
    }
    const left = document.querySelector("#left-this-month [data-left]");
    if (left) document.querySelectorAll(".strip [data-left]").forEach((other) => { other.textContent = left.textContent; });
    if (told.state) {
      if (state !== null && state !== told.state && told.said) window.tokonomics.say(told.said);
      state = told.state;
    }
    document.dispatchEvent(new CustomEvent("tokonomics:updated"));
  }
  function fresh(told) {
    lostAt = null;
    tries = 0;
    delete stamp.dataset.state;
    stamp.classList.remove("live-still");
    stamp.querySelector(".live-reload").hidden = true;
    const time = document.createElement("time");
    time.dateTime = told.iso;
    time.textContent = told.at;
    stamp.querySelector("[data-live-text]").replaceChildren("Live · ", time, " UTC");
  }
  function lost() {
    if (lostAt === null) {
      lostAt = new Date();
      const clock = lostAt.toISOString().slice(11, 19);
      stamp.dataset.state = "lost";
      stamp.classList.remove("live-still");
      const text = stamp.querySelector("[data-live-text]");
      text.textContent = stamp.dataset.lost.replace("{time}", clock);
      stamp.querySelector(".live-reload").hidden = false;
      window.tokonomics.say(text.textContent);
    }
  }
  function listen() {
    window.clearTimeout(silence);
    silence = window.setTimeout(() => { if (socket) socket.close(); }, SILENCE);
  }
  function again() {
    const wait = Math.min(30000, 500 * 2 ** Math.min(tries, 6)) * (0.75 + Math.random() / 2);
    tries += 1;
    retry = window.setTimeout(connect, wait);
  }
  function connect() {
    if (document.visibilityState === "hidden" && tries > 3) { document.addEventListener("visibilitychange", connect, { once: true }); return; }
    const url = new URL(stamp.dataset.live, window.location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const mine = new WebSocket(url);
    socket = mine;
    listen();
    mine.addEventListener("message", (event) => { if (socket !== mine) return; listen(); const told = JSON.parse(event.data); fresh(told); update(told); });
    mine.addEventListener("close", (event) => {
      if (socket !== mine) return; // the page looks at something else by now
      window.clearTimeout(silence);
      if (event.code === GONE) { window.location.reload(); return; }
      lost();
      again();
    });
  }
  /** Look at what the page's stamp names: at first, and when a swap (a filter of the usage page) has brought another. */
  function begin() {
    const now = document.getElementById("live");
    if (now === stamp) return;
    const old = socket;
    window.clearTimeout(retry);
    window.clearTimeout(silence);
    [stamp, socket, tries, lostAt] = [now, null, 0, null];
    if (old) old.close();
    if (stamp && stamp.dataset.live) connect();
  }
  document.addEventListener("htmx:afterSettle", begin);
  let leaving = false;
  window.addEventListener("pagehide", () => { leaving = true; if (socket) socket.close(); });
  window.addEventListener("pageshow", (event) => { if (event.persisted && leaving) window.location.reload(); });
  document.querySelectorAll("[data-pausable]").forEach(showPause);
  begin();
})();
