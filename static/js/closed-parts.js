// What this person has closed of the sidebar, told to the style sheet before anything is painted.
// No module: those run too late for that. static/js/storage.js writes the value.

try {
  const { owner } = document.currentScript.dataset;
  const closed = localStorage.getItem(`chatcore:${owner}:closed`) ?? "";
  document.documentElement.dataset.closed = closed;
} catch {
  // Storage is forbidden: everything is open.
}
