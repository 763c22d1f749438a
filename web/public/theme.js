// Before the first paint: the chosen theme, so that the page does not flash. A file, since inline scripts are refused.
try {
  const chosen = localStorage.getItem("aivc.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // Without storage the theme of the system is shown.
}
