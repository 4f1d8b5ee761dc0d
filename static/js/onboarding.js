/* A link to one of the lines opens it. */
(() => {
  "use strict";
  function open() {
    const details = window.location.hash.length > 1 && document.querySelector(`.leg[id="${CSS.escape(window.location.hash.slice(1))}"] > details`);
    if (details) details.open = true;
  }
  window.addEventListener("hashchange", open);
  open();
})();
