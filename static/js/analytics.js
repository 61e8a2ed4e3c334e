// The reports' page: the browser's time zone, its charts, and a refresh by itself. It reads without.

import { drawCharts } from "./analytics-charts.js";

const REFRESH_MS = 60_000;
const REFRESH_KEY = "reports-refresh";
const report = document.getElementById("report");
const checkbox = document.getElementById("refresh");

/** The server cannot know it; from the next request on it does. */
function tellZone() {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `tz=${timeZone}; path=/admin/analytics; max-age=31536000; samesite=lax${secure}`;
  return timeZone;
}

/** The page as it is now in place of what it was; what is open, in focus and scrolled to stays. */
async function refresh() {
  const response = await fetch(location.href, { cache: "no-store" });
  if (response.redirected) return location.reload(); // logged out meanwhile
  if (!response.ok) throw new Error(response.status);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const fresh = page.getElementById("report");
  // Nobody's typing is thrown away; the next turn will do.
  if (report.querySelector(":focus:is(input, select)")) return;
  const open = [...report.querySelectorAll("details[open]")].map((each) => each.dataset.key);
  const focused = report.querySelector("a:focus")?.getAttribute("href");
  const top = window.scrollY;
  report.dataset.zone = fresh.dataset.zone;
  report.replaceChildren(...fresh.childNodes);
  for (const each of report.querySelectorAll("details")) each.open = open.includes(each.dataset.key);
  drawCharts(report);
  [...report.querySelectorAll("a")]
    .find((each) => each.getAttribute("href") === focused)
    ?.focus({ preventScroll: true });
  window.scrollTo(0, top);
}

async function refreshOrSay() {
  report.setAttribute("aria-busy", "true");
  try {
    await refresh();
  } catch {
    report.querySelector(".refresh-failed").textContent = "It could not be refreshed.";
    report.querySelector(".refresh-again").hidden = false;
  }
  report.removeAttribute("aria-busy");
}

async function refreshAgain({ target }) {
  if (!target.matches(".refresh-again")) return;
  await refreshOrSay();
  // The button may be gone, and the keyboard is to stay here.
  if (!target.isConnected) report.querySelector(".window").focus();
}

function refreshEveryMinute() {
  checkbox.closest("[hidden]").hidden = false;
  checkbox.checked = sessionStorage.getItem(REFRESH_KEY) === "on";
  checkbox.addEventListener("change", () => {
    sessionStorage.setItem(REFRESH_KEY, checkbox.checked ? "on" : "off");
    if (checkbox.checked) refreshOrSay();
  });
  setInterval(() => {
    if (checkbox.checked && !document.hidden) refreshOrSay();
  }, REFRESH_MS);
}

const zone = tellZone();
if (report) {
  drawCharts(report);
  refreshEveryMinute();
  report.addEventListener("click", refreshAgain);
  const isNamed = new URLSearchParams(location.search).has("tz");
  if (!isNamed && report.dataset.zone !== zone) refreshOrSay();
}
