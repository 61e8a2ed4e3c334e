// The sidebar's numbers: what this person has used, and what is left of a budget.

import { inDollars, inTokens } from "./amounts.js";
import { drawDays } from "./usage-chart.js";

const UTC = "UTC";
const LABELS = { today: "Today", month: "This month" };
const WARNED = "You have used most of";

/** @param onBudget called with a sentence for the person, or null, when the numbers have come */
export function setUpUsage({ onBudget }) {
  const section = document.getElementById("usage");
  const rows = new Map(
    [...section.querySelectorAll("[data-usage]")].map((row) => [row.dataset.usage, row]),
  );
  const budgetRow = document.getElementById("usage-budget");

  function fill(name, spent) {
    const row = rows.get(name);
    row.querySelector(".usage-tokens").textContent = inTokens(spent.totalTokens);
    row.querySelector(".usage-cost").textContent = inDollars(spent.costUsd, spent.unpricedCalls);
  }

  function fillBudget(budget) {
    budgetRow.hidden = budget === null;
    if (budget === null) {
      onBudget(null);
      return;
    }
    const percent = Math.round(budget.share * 100);
    const whose = budget.of === "you" ? "your monthly budget" : "your organisation’s monthly budget";
    const day = new Date(budget.resetsAt).toLocaleDateString(undefined, {
      day: "numeric",
      month: "long",
      timeZone: "UTC",
    });
    const meter = budgetRow.querySelector("meter");
    meter.value = Math.min(percent, 100);
    meter.setAttribute("aria-label", `${percent}% of ${whose} used`);
    budgetRow.querySelector(".usage-budget-text").textContent =
      `${percent}% of ${whose}, until ${day}`;
    if (budget.isExhausted) onBudget(`${whose[0].toUpperCase()}${whose.slice(1)} is used up until ${day}.`);
    else onBudget(budget.isWarned ? `${WARNED} ${whose}: ${percent}%.` : null);
  }

  function ask(timeZone) {
    const query = new URLSearchParams({ period: "month", tz: timeZone });
    return fetch(`${section.dataset.url}?${query}`, { headers: { Accept: "application/json" } });
  }

  async function refresh() {
    section.setAttribute("aria-busy", "true");
    try {
      const { timeZone = UTC } = Intl.DateTimeFormat().resolvedOptions();
      let response = await ask(timeZone);
      // A browser may know zones that the server does not.
      if (response.status === 400 && timeZone !== UTC) response = await ask(UTC);
      if (!response.ok) throw new Error(String(response.status));
      const usage = await response.json();
      for (const [name, words] of Object.entries(LABELS)) {
        const zone = usage.timeZone === timeZone ? "" : ` (${usage.timeZone})`;
        rows.get(name).querySelector("th").textContent = words + zone;
      }
      fill("today", usage.today);
      fill("month", usage.totals);
      drawDays(document.getElementById("usage-days"), usage.byDay);
      fillBudget(usage.budget);
      section.dataset.state = "ready";
    } catch {
      // The numbers that were shown stay; they come with the next answer.
      if (section.dataset.state !== "ready") section.dataset.state = "failed";
    }
    section.removeAttribute("aria-busy");
  }

  section.querySelector(".usage-failed button").addEventListener("click", () => {
    // The button goes, and the keyboard is to stay here.
    section.querySelector(".section-button").focus();
    refresh();
  });

  return { refresh };
}
