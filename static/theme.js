// The chosen theme. Loaded before the first paint, so that a page never flashes.
"use strict";

(() => {
  const KEY = "plugboard-theme";
  const root = document.documentElement;

  const chosen = () => {
    try {
      const theme = localStorage.getItem(KEY);
      return theme === "light" || theme === "dark" ? theme : "";
    } catch {
      return "";
    }
  };

  const show = (theme) => {
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
  };

  show(chosen());
  // Another tab chose.
  addEventListener("storage", (event) => event.key === KEY && show(chosen()));

  document.addEventListener("DOMContentLoaded", () => {
    for (const choice of document.querySelectorAll("[data-themes]")) {
      choice.hidden = false;
      for (const radio of choice.querySelectorAll("input")) {
        radio.checked = radio.value === chosen();
        radio.addEventListener("change", () => {
          try {
            localStorage.setItem(KEY, radio.value);
          } catch {
            // Storage is off: the choice lasts for this page.
          }
          show(radio.value);
        });
      }
    }
  });
})();
