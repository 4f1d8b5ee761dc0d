/* What the pages need beyond HTML, htmx and CSS. Everything works without it, only less comfortably. */
(() => {
  "use strict";

  /** Say a change of state to screen readers: one polite region a page. */
  function say(text) {
    const region = document.getElementById("said");
    if (!region) return;
    region.textContent = "";
    window.setTimeout(() => { region.textContent = text; }, 50);
  }
  window.tokonomics = { say };

  // Dialogs are <dialog>: `data-open="id"` opens one as modal, `data-close` closes its own; focus goes back by itself.
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-open]");
    if (opener) {
      const dialog = document.getElementById(opener.dataset.open);
      if (dialog) { event.preventDefault(); dialog.showModal(); }
    }
    const closer = event.target.closest("[data-close]");
    if (closer) { event.preventDefault(); closer.closest("dialog").close(); }
  });

  // While the rail fills a phone's screen, nothing behind it takes the focus; the button that opened it gets it back.
  function railToggles(event) {
    if (!event.target.matches || !event.target.matches("[data-rail]")) return;
    const open = event.newState === "open";
    if (event.type === "beforetoggle" && open) return;
    document.querySelectorAll("#main, .strip").forEach((part) => { part.inert = open; });
    if (open) event.target.querySelector("[popovertargetaction=hide]").focus();
  }
  document.addEventListener("toggle", railToggles, true);
  document.addEventListener("beforetoggle", railToggles, true);

  // A summary of errors takes the focus as it appears, and so does whatever a swap marks.
  function takeFocus(root) {
    const target = root.matches && root.matches("[data-take-focus]") ? root : root.querySelector("[data-take-focus]");
    if (target) target.focus();
  }
  document.addEventListener("DOMContentLoaded", () => takeFocus(document));
  document.addEventListener("htmx:afterSettle", (event) => takeFocus(event.detail.elt));
  document.addEventListener("htmx:sendError", () => say("The server cannot be reached. Nothing was changed."));
  document.addEventListener("htmx:responseError", (event) => say(`The server answered ${event.detail.xhr.status}. Nothing was changed.`));

  // Times are written in UTC; hovering or focusing one shows the reader's own zone.
  function localTime(event) {
    const time = event.target.closest && event.target.closest("time[datetime]");
    const at = (time || (event.target.querySelector && event.type === "focusin" && event.target.querySelector("time[datetime]")));
    if (!at || at.title) return;
    const moment = new Date(at.getAttribute("datetime"));
    if (!Number.isNaN(moment.getTime())) at.title = `${moment.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" })}, your time`;
  }
  document.addEventListener("mouseover", localTime);
  document.addEventListener("focusin", localTime);

  document.addEventListener("alpine:init", () => {
    /** `<div x-data="reveal">` around a password and a button `x-bind="button"`: shows it on demand. */
    window.Alpine.data("reveal", () => ({
      shown: false,
      get input() { return this.$root.querySelector("input"); },
      button: {
        "x-text"() { return this.shown ? "Hide" : "Show"; },
        "x-init"() { this.$el.removeAttribute("x-cloak"); },
        ":aria-pressed"() { return String(this.shown); },
        ":aria-label"() { return this.shown ? "Hide the password" : "Show the password"; },
        "@click"() { this.shown = !this.shown; this.input.type = this.shown ? "text" : "password"; this.input.focus(); },
      },
    }));

    /** The second step of a sign-up: the button says the amount that is typed. */
    window.Alpine.data("budget", () => ({
      typed: "",
      init() {
        const input = this.$root.querySelector("input[name=amount]");
        this.typed = input.value;
        input.addEventListener("input", () => { this.typed = input.value; });
      },
      get label() {
        const plain = this.typed.replace(/[$,\s]/g, "");
        if (!/^\d{1,7}(\.\d{1,2})?$/.test(plain)) return "Set the budget";
        return `Set ${Number(plain).toLocaleString("en-US", { style: "currency", currency: "USD" })}`;
      },
      button: { "x-text"() { return this.label; } },
    }));

    /** `<div x-data="copy">` around `[data-copy]` (its text is copied) and a button `x-bind="button"`. */
    window.Alpine.data("copy", () => ({
      done: false,
      button: {
        "x-text"() { return this.done ? "Copied" : this.$el.dataset.label || "Copy"; },
        async "@click"() {
          const source = this.$root.querySelector("[data-copy]");
          await copyText(source);
          this.done = true;
          say("Copied");
          window.setTimeout(() => { this.done = false; }, 2500);
        },
      },
    }));
  });

  /** The clipboard where it is allowed (HTTPS, localhost); else the selection, which an old command copies. */
  async function copyText(source) {
    const text = (source.value || source.textContent).trim();
    if (navigator.clipboard && window.isSecureContext) { await navigator.clipboard.writeText(text); return; }
    const range = document.createRange();
    range.selectNodeContents(source);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    document.execCommand("copy");
  }
})();
