// Runs before the first paint, hence not a module: the theme chosen by hand (light, dark, or auto for the
// system's) becomes data-scheme on the root element, which the style sheet goes by.

const dark = matchMedia("(prefers-color-scheme: dark)");

function applyTheme(theme = localStorage.getItem("ablate.theme") ?? "auto") {
  const { dataset } = document.documentElement;
  dataset.theme = theme;
  dataset.scheme = theme === "auto" ? (dark.matches ? "dark" : "light") : theme;
  localStorage.setItem("ablate.theme", theme);
  dispatchEvent(new Event("ablate:theme"));
}

dark.addEventListener("change", () => applyTheme());
applyTheme();
