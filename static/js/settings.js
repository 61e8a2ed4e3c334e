// A theme is shown as it is chosen; it is kept when the form is saved.

document.getElementById("theme-choices").addEventListener("change", ({ target }) => {
  document.documentElement.dataset.theme = target.value;
});
