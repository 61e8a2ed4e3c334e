"""What axe-core finds on a page that somebody could not use.

Findings are told with the state of the page they were found in. They are collected, not asserted
one by one, so that one run of a test names them all.
"""

from typing import Any

from playwright.sync_api import Page

from tests.server import ROOT

SOURCE = (ROOT / "tests/vendor/axe-core/axe.min.js").read_text()
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Both schemes differ in their colours alone.
COLOURS = ["color-contrast", "link-in-text-block"]
WITHOUT_A_TAG = {"target-size": {"enabled": True}}
EVERYTHING = {"runOnly": {"type": "tag", "values": TAGS}, "rules": WITHOUT_A_TAG}
COLOURS_ALONE = {"runOnly": {"type": "rule", "values": COLOURS}}

_RUN = """async ([exclude, options]) => {
  // Colours on their way from one scheme to the other are none that anybody reads.
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const moving = document.getAnimations().filter(({ effect }) =>
    effect.getComputedTiming().endTime !== Infinity);
  await Promise.allSettled(moving.map(({ finished }) => finished));
  const context = { exclude: exclude.map((each) => [each]) };
  const { violations } = await axe.run(context, { ...options, resultTypes: ["violations"] });
  return violations.flatMap(({ id, nodes }) =>
    nodes.map((node) => `${id}: ${node.target.join(" ")}: ${node.failureSummary}`));
}"""


class Axe:
    """Looks at pages, one state after the other. `findings` is what it has found so far."""

    def __init__(self) -> None:
        self.findings: list[str] = []

    def look(self, page: Page, state: str, *, exclude: tuple[str, ...] = ()) -> None:
        """At all there is in light colours, and at the colours alone in dark ones.

        `exclude` names by selectors what is not ours.
        """
        page.emulate_media(color_scheme="dark", reduced_motion="reduce")
        self._run(page, f"{state}, dark", exclude, COLOURS_ALONE)
        page.emulate_media(color_scheme="light", reduced_motion="reduce")
        self._run(page, f"{state}, light", exclude, EVERYTHING)

    def _run(self, page: Page, state: str, exclude: tuple[str, ...], options: Any) -> None:
        # Evaluated, not added to the page: its security policy allows no script from elsewhere.
        if page.evaluate("typeof axe === 'undefined'"):
            page.evaluate(SOURCE)
        for found in page.evaluate(_RUN, [list(exclude), options]):
            self.findings.append(f"{state}: {' '.join(found.split())}")
