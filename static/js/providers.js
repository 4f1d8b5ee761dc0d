/* Providers: says that a test is under way, for a provider may take seconds to answer. */
(() => {
  "use strict";

  document.addEventListener("submit", (event) => {
    const form = event.target.closest("[data-provider-test]");
    if (!form) return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
    const heard = form.closest(".provider").querySelector(".provider-heard");
    heard.textContent = "asking for its list of models…";
  });
  window.addEventListener("pageshow", () => document.querySelectorAll("[data-provider-test]").forEach((form) => { delete form.dataset.sent; }));
})();
