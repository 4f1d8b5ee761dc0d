/* Settings: the preview follows what is typed through htmx; here only that nothing typed is lost by a slip. */
(() => {
  "use strict";

  // Leaving with a budget that was typed and not saved asks first.
  let dirty = false;
  document.addEventListener("input", (event) => { if (event.target.closest("form[data-unsaved]")) dirty = true; });
  document.addEventListener("submit", () => { dirty = false; });
  window.addEventListener("beforeunload", (event) => { if (dirty) event.preventDefault(); });
})();
